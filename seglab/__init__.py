"""seglab: the instance-segmentation course you can import.

What stands in `__all__` is the public API (docs/api.md). Each name is loaded on first use, so that `import seglab`
itself costs nothing.
"""

from __future__ import annotations

import importlib

from seglab.compat import import_hook
from seglab.dataset_names import register_dataset_names
from seglab.idle_threads import let_idle_threads_sleep
from seglab.telemetry import switch_off_telemetry
from seglab.version import __version__

TYPE_CHECKING = False  # type checkers take it for true whatever it says; importing `typing` for it takes 10 ms
if TYPE_CHECKING:  # what editors and type checkers see
    from seglab.convert.conversion import convert as convert_dataset
    from seglab.datasets.load import load_dataset
    from seglab.diagnosis.check import check as check_dataset
    from seglab.errors import SeglabError
    from seglab.evaluation.coco import evaluate_files
    from seglab.inference.results import Results
    from seglab.widgets.explorer import explore
    from seglab.yolo import YOLO

__all__ = [
    "YOLO",
    "Results",
    "SeglabError",
    "__version__",
    "check_dataset",
    "convert_dataset",
    "evaluate_files",
    "explore",
    "load_dataset",
]

# Public name -> module, and what it is called there. Functions may not be called as a folder is, such as `convert`.
_LAZY = {
    "YOLO": ("seglab.yolo", "YOLO"),
    "Results": ("seglab.inference.results", "Results"),
    "SeglabError": ("seglab.errors", "SeglabError"),
    "check_dataset": ("seglab.diagnosis.check", "check"),
    "convert_dataset": ("seglab.convert.conversion", "convert"),
    "evaluate_files": ("seglab.evaluation.coco", "evaluate_files"),
    "explore": ("seglab.widgets.explorer", "explore"),
    "load_dataset": ("seglab.datasets.load", "load_dataset"),
}

switch_off_telemetry()
let_idle_threads_sleep()
register_dataset_names()
import_hook.install()

if not TYPE_CHECKING:  # for a type checker, any name would exist

    def __getattr__(name: str) -> object:
        if name == "settings":
            return importlib.import_module("seglab.compat.settings").settings
        if f"seglab.{name}" in import_hook.INSTEAD:
            raise import_hook.refusal(f"seglab.{name}")
        if name not in _LAZY:
            raise AttributeError(f"module 'seglab' has no attribute '{name}'")
        module, original = _LAZY[name]
        return getattr(importlib.import_module(module), original)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
