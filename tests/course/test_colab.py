"""Colab: the setup cell of every lesson, and that nothing it may install replaces torch or numpy there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
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


def run_setup(source: str, shell=None) -> None:
    exec(compile(source, "setup cell", "exec"), {"get_ipython": lambda: shell})


@pytest.fixture
def with_address(monkeypatch, tmp_path):
    """As if the owner had set the repository's address."""
    text = build.PROJECT.read_text(encoding="utf-8")
    changed = text.replace("[project.urls]", '[project.urls]\nRepository = "https://github.com/somebody/seglab"', 1)
    (tmp_path / "pyproject.toml").write_text(changed, encoding="utf-8")
    monkeypatch.setattr(build, "PROJECT", tmp_path / "pyproject.toml")


def stored(lesson: str) -> list:
    return nbformat.read(ROOT / f"notebooks/{lesson}.ipynb", as_version=4).cells


@pytest.mark.parametrize("lesson", LESSONS)
def test_stored_setup_cell_changes_nothing_where_seglab_is(lesson, capsys):
    before = {name: sys.modules.get(name) for name in ("torch", "numpy")}
    run_setup(next(cell.source for cell in stored(lesson) if cell.cell_type == "code"))
    assert capsys.readouterr().out == "seglab is ready\n"
    assert {name: sys.modules.get(name) for name in before} == before


@pytest.mark.parametrize("lesson", LESSONS)
def test_one_address_gives_every_lesson_its_badge_and_its_setup_cell(lesson, with_address):
    title, setup = build.compose(lesson).cells[:2]
    place = f"https://colab.research.google.com/github/somebody/seglab/blob/main/notebooks/{lesson}.ipynb"
    assert f"[![Open in Colab]({build.BADGE})]({place})" in title.source and build.NO_ADDRESS not in title.source
    assert "git+https://github.com/somebody/seglab" in setup.source and "whl" not in setup.source
    solutions = build.compose_solutions(lesson).cells[0].source
    assert place.replace("notebooks/", "notebooks/solutions/") in solutions


@pytest.mark.parametrize("lesson", LESSONS)
def test_without_an_address_the_lesson_says_so(lesson):
    if build.repository():
        pytest.skip("the address is set")
    assert build.NO_ADDRESS in stored(lesson)[0].source and "/#upload=true)" in stored(lesson)[0].source


@pytest.mark.parametrize("lesson", LESSONS)
def test_badge_is_an_https_image_and_a_gpu_is_asked_for(lesson):
    notebook = nbformat.read(ROOT / f"notebooks/{lesson}.ipynb", as_version=4)
    assert "attachments" not in notebook.cells[0] and build.BADGE.startswith("https://")
    assert build.badge(f"notebooks/{lesson}.ipynb") in notebook.cells[0].source
    assert "T4 GPU" in notebook.cells[0].source and notebook.metadata.accelerator == "GPU"


def test_with_an_address_pip_gets_one_quoted_requirement(with_address, monkeypatch):
    monkeypatch.setitem(sys.modules, "seglab.course", None)  # importing it fails
    calls = []
    shell = types.SimpleNamespace(run_line_magic=lambda *words: calls.append(words))
    with pytest.raises(ImportError):  # whatever pip did, seglab cannot be imported: nothing says "ready"
        run_setup(build.setup(), shell)
    ((magic, line),) = calls
    install, flag, requirement = shlex.split(line)
    assert (magic, install, flag) == ("pip", "install", "-q"), "nothing may be upgraded, forced or pinned"
    assert Requirement(requirement).url == "git+https://github.com/somebody/seglab"
    assert Requirement(requirement).extras == {"export"}, "lesson 08 runs what it exports"


# What may lie beside a lesson -> the file that is installed.
BESIDE = {
    f"{WHEEL}": WHEEL,
    f"{WHEEL[:-4]} (1).whl": WHEEL,  # a second download
    f"{WHEEL[:-4]}-2.whl": WHEEL,  # Safari's
    "other-1.0-py3-none-any.whl": None,
    f"{WHEEL}.part": None,
    "seglab-notes.txt": None,
    "": None,
}


@pytest.mark.parametrize("beside", BESIDE)
def test_only_a_wheel_of_seglab_is_installed(beside, monkeypatch, tmp_path, capsys):
    if build.repository():
        pytest.skip("the address is set, and the setup cell installs from there")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "seglab.course", None)
    if beside:
        Path(beside).touch()
    calls = []
    with pytest.raises(ImportError, match="seglab"):
        run_setup(build.setup(), types.SimpleNamespace(run_line_magic=lambda *words: calls.append(words)))
    expected = BESIDE[beside]
    assert calls == ([("pip", f'install -q "{expected}[export]"')] if expected else [])
    assert "ready" not in capsys.readouterr().out


@pytest.mark.parametrize("chosen", [WHEEL, ""])
def test_on_colab_the_file_is_asked_for(chosen, monkeypatch, tmp_path):
    if build.repository():
        pytest.skip("the address is set, and nothing needs an upload")
    uploads = []

    def upload() -> None:
        uploads.append(chosen)
        if chosen:
            Path(chosen).touch()

    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["google.colab"].files = types.SimpleNamespace(upload=upload)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "seglab.course", None)
    calls = []
    with pytest.raises(ImportError):
        run_setup(build.setup(), types.SimpleNamespace(run_line_magic=lambda *words: calls.append(words)))
    assert uploads == [chosen] and len(calls) == bool(chosen)


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
