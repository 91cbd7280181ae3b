"""Colab: the setup cell of every lesson, and that nothing it may install replaces torch or numpy there."""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import sys
import types
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from seglab.version import __version__

pytest.importorskip("jupytext", reason="the course's tests need the extra [course]")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).resolve().parents[2]
_module = importlib.util.spec_from_file_location("build_lessons", ROOT / "notebooks/build.py")
build = importlib.util.module_from_spec(_module)
_module.loader.exec_module(build)
LESSONS = build.lessons()

# What Colab has, as of autumn 2026; pip leaves alone what satisfies every range. numpy 2.0 was never built for Python
# 3.13, so there it has to be 2.1 at least.
COLAB = {"torch": "2.11.0", "torchvision": "0.26.0", "ipywidgets": "7.7.1", "opencv-python": "5.0.0"}
NUMPY = {"3.12": "2.0.2", "3.13": "2.1.0"}
WHEEL = f"seglab-{__version__}-py3-none-any.whl"
PYTHONS = pytest.mark.parametrize("python", NUMPY)


class Shell:
    """Stands for the kernel's shell, and notes what it is asked to run."""

    def __init__(self):
        self.calls = []

    def run_line_magic(self, name: str, line: str) -> None:
        self.calls.append((name, line))


@pytest.fixture
def colab(monkeypatch):
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    return Shell()


def run_setup(source: str, shell: Shell) -> None:
    exec(compile(source, "setup cell", "exec"), {"get_ipython": lambda: shell})


@pytest.mark.parametrize("lesson", LESSONS)
def test_stored_setup_cell_changes_nothing_where_seglab_is(lesson, colab, capsys):
    cells = nbformat.read(ROOT / f"notebooks/{lesson}.ipynb", as_version=4).cells
    before = {name: sys.modules.get(name) for name in ("torch", "numpy")}
    run_setup(next(cell.source for cell in cells if cell.cell_type == "code"), colab)
    assert not colab.calls and capsys.readouterr().out == "seglab is ready\n"
    assert {name: sys.modules.get(name) for name in before} == before


@pytest.mark.parametrize("lesson", LESSONS)
def test_one_address_gives_every_lesson_its_badge_and_its_setup_cell(lesson, colab, monkeypatch):
    without = build.compose(lesson).cells
    monkeypatch.setattr(build, "REPOSITORY", "somebody/seglab")
    title, setup, *others = build.compose(lesson).cells
    place = f"https://colab.research.google.com/github/somebody/seglab/blob/main/notebooks/{lesson}.ipynb"
    here = "https://colab.research.google.com/#upload=true"  # Colab's page for a lesson from anywhere
    assert f"]({here})" in without[0].source and title.source == without[0].source.replace(here, place)
    assert [cell.source for cell in others] == [cell.source for cell in without[2:]]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    run_setup(setup.source, colab)
    ((magic, line),) = colab.calls
    flag, requirement = line.removeprefix("install ").split(maxsplit=1)
    assert (magic, flag) == ("pip", "-q"), "nothing may be upgraded, forced or pinned"
    assert Requirement(requirement).name == "seglab" and "github.com/somebody/seglab" in requirement
    assert Requirement(requirement).extras == {"export"}, "lesson 08 runs what it exports"


@pytest.mark.parametrize("lesson", LESSONS)
def test_badge_is_an_image_that_the_lesson_carries(lesson):
    title = nbformat.read(ROOT / f"notebooks/{lesson}.ipynb", as_version=4).cells[0]
    ((name, image),) = title.attachments.items()
    assert f"[![Open in Colab](attachment:{name})]({build.colab(lesson)})" in title.source
    assert base64.b64decode(image["image/png"]) == build.BADGE.read_bytes()


@pytest.mark.parametrize(("beside", "chosen"), [("", WHEEL), ("", ""), (WHEEL, "")])
def test_without_an_address_colab_asks_for_the_wheel(colab, monkeypatch, tmp_path, beside, chosen):
    uploads = [] if beside else [{chosen: b"..."} if chosen else {}]  # a wheel beside the lesson: nobody is asked
    sys.modules["google.colab"].files = types.SimpleNamespace(upload=uploads.pop)
    monkeypatch.setattr(build, "REPOSITORY", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    if beside:
        Path(beside).touch()
    if beside or chosen:
        run_setup(build.setup(), colab)
        assert colab.calls == [("pip", f"install -q {WHEEL}[export]")]
    else:  # the dialog was closed
        with pytest.raises(ImportError, match="make wheel"):
            run_setup(build.setup(), colab)
        assert not colab.calls
    assert not uploads


def test_elsewhere_nobody_can_be_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "REPOSITORY", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportError, match="make wheel"):
        run_setup(build.setup(), Shell())


def wanted(requirement: Requirement, extra: str, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra, "python_version": python})


@PYTHONS
def test_colab_satisfies_every_range(python):
    assert SpecifierSet(importlib.metadata.metadata("seglab")["Requires-Python"]).contains(python)
    asked = [each for each in map(Requirement, importlib.metadata.requires("seglab")) if wanted(each, "export", python)]
    assert {"torch", "torchvision", "numpy", "ipywidgets", "opencv-python"} <= {each.name for each in asked}
    there = {**COLAB, "numpy": NUMPY[python]}
    for each in asked:
        if each.name in there:
            assert each.specifier.contains(there[each.name]), f"{each} excludes {there[each.name]}"
        assert "==" not in str(each.specifier), f"{each} is pinned"


@PYTHONS
def test_nothing_that_would_be_installed_asks_for_another_torch_or_numpy(python):
    """All that seglab needs, and what that needs in turn, as far as it is installed here."""
    there = {**COLAB, "numpy": NUMPY[python]}
    ranges, waiting, seen = [], [("seglab", "export")], set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen or name in there:  # what Colab has, it keeps
            continue
        seen.add((name, extra))
        try:
            texts = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for each in map(Requirement, texts):
            if wanted(each, extra, python):
                waiting += [(each.name, one) for one in ("", *each.extras)]
                ranges += [(name, each)] if each.name in ("torch", "numpy") else []
    assert {name for name, _ in ranges} >= {"seglab", "onnx", "pycocotools"}
    for name, each in ranges:
        assert each.specifier.contains(there[each.name]), f"{name} asks for {each}, Colab has {there[each.name]}"
