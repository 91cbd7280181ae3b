"""Dotted names of scripts lead to counterparts, or to a sentence on what to use instead."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import seglab
from seglab.compat.import_hook import COUNTERPARTS, INSTEAD

NAMES = [(module, name) for module, names in COUNTERPARTS.items() for name in names]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_row_of_the_table_leads_somewhere(module, name):
    exec(f"from {module} import {name} as found", imported := {})  # as scripts do; of a module of seglab's own too
    found = imported["found"]
    place, original = COUNTERPARTS[module][name].split(":")
    assert found is getattr(importlib.import_module(place), original)
    assert name in dir(importlib.import_module(module))


@pytest.mark.parametrize("place", sorted(INSTEAD))
def test_every_refusal_says_what_to_use_instead(place):
    module, _, name = place.rpartition(".")
    script = f"from {module} import {name}"
    with pytest.raises(ImportError) as caught:
        exec(script)
    assert INSTEAD[place] in str(caught.value) and name in str(caught.value)


def test_what_the_advice_names_is_there():
    """Advice that names a module or function of seglab leads to one."""
    for text in INSTEAD.values():
        for word in text.replace(",", " ").replace(":", " ").split():
            if not word.startswith("seglab.") or word in ("seglab.YOLO", "seglab.convert_dataset"):
                continue
            module, _, name = word.rpartition(".")
            try:
                importlib.import_module(word)
            except ImportError:
                assert hasattr(importlib.import_module(module), name), word


@pytest.mark.parametrize(
    "script",
    [
        "import seglab.utils.plotting as p; p.colors(1)",
        "import seglab.utils; seglab.utils.ops.xyxy2xywh",
        "from seglab.utils import LOGGER, SETTINGS, ops, plotting; ops.clip_boxes; plotting.Annotator",
        "from seglab.models import YOLO; from seglab.models.yolo import YOLO as Y; assert YOLO is Y",
        "from seglab import settings; assert settings['runs_dir'] == 'runs'",
        "from seglab import checks; checks()",
        "import seglab.checks; from seglab import YOLO, checks; checks()",
        "from seglab.engine.results import Results; import seglab; assert Results is seglab.Results",
    ],
)
def test_the_ways_of_importing(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_other_names_end_as_ever():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'seglab\.nonsense'"):
        importlib.import_module("seglab.nonsense")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        seglab.nonsense  # noqa: B018
    with pytest.raises(ImportError, match=r"no utils\.nonsense: docs/compat\.md"):
        importlib.import_module("seglab.utils.nonsense")
    with pytest.raises(ImportError, match=r"no utils\.ops\.nonsense"):
        from seglab.utils.ops import nonsense  # noqa: F401
    with pytest.raises(ImportError, match=r"no SAM: it has YOLO11-seg only"):
        from seglab import SAM  # noqa: F401


def test_the_finder_stands_once_and_last():
    from seglab.compat.import_hook import CounterpartFinder, install

    install()
    assert sum(isinstance(finder, CounterpartFinder) for finder in sys.meta_path) == 1
