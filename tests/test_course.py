"""`seglab course`: the lessons in a folder of one's own."""

from __future__ import annotations

import importlib.util
import json
import subprocess

import pytest

from seglab import course
from seglab.cli import main
from seglab.course import copy_lessons, lesson, lessons_dir
from seglab.errors import SeglabError


def test_every_lesson_is_copied_with_its_solutions_and_its_test_files(tmp_path):
    written = copy_lessons(tmp_path / "course")
    lessons = sorted(path.name for path in lessons_dir().glob("*.ipynb"))
    assert len(lessons) >= 11
    for folder in (tmp_path / "course", tmp_path / "course/solutions"):
        assert sorted(path.name for path in folder.glob("*.ipynb")) == lessons
    assert {"conftest.py", "sanitize.cfg"} <= {path.name for path in written}


def test_no_link_of_a_copy_leads_to_what_only_a_clone_has(tmp_path):
    for path in copy_lessons(tmp_path):
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
            assert "](../docs" not in text and "](../README" not in text


def test_a_learners_own_work_stays(tmp_path):
    first = sorted(path.name for path in lessons_dir().glob("*.ipynb"))[0]
    (tmp_path / first).write_text("my own notes", encoding="utf-8")
    written = copy_lessons(tmp_path)
    assert (tmp_path / first).read_text(encoding="utf-8") == "my own notes"
    assert tmp_path / first not in written and copy_lessons(tmp_path) == []


def test_a_file_is_no_folder_for_lessons(tmp_path, capsys):
    (tmp_path / "here").touch()
    assert main(["course", f"out={tmp_path}/here", "open=False"]) == 2
    assert "name a folder" in capsys.readouterr().err


def test_a_package_without_lessons_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "lessons_dir", lambda: tmp_path)
    with pytest.raises(SeglabError, match="contains no lessons"):
        copy_lessons(tmp_path / "out")


def test_a_lesson_is_found_by_name():
    name = sorted(path.stem for path in lessons_dir().glob("*.ipynb"))[1]
    assert lesson(name).is_file()
    with pytest.raises(SeglabError, match="choose one of 00_"):
        lesson("01_nothing")


def test_solutions_run_a_lesson_wherever_it_lies(tmp_path, monkeypatch):
    """As in an environment whose path has spaces."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "settings"))
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    solutions = sorted((lessons_dir() / "solutions").glob("*.ipynb"))[0]
    cells = json.loads(solutions.read_text(encoding="utf-8"))["cells"]
    (cell,) = ["".join(cell["source"]) for cell in cells if "lesson" in cell["metadata"].get("tags", [])]
    folder = tmp_path / "my own lessons"
    folder.mkdir()
    learned = {"cell_type": "code", "source": ["learned = 42"], "metadata": {}, "outputs": [], "execution_count": None}
    content = {"cells": [learned | {"id": "a"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / solutions.name).write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(course, "lessons_dir", lambda: folder)
    shell.run_cell(cell.removeprefix("%%capture")).raise_error()
    assert shell.user_ns["learned"] == 42


def test_jupyterlab_opens_the_first_lesson_or_is_named(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_: calls.append(words))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert main(["course", f"{tmp_path}/lessons"]) == 0
    ((_, *words),) = calls
    assert words[:2] == ["-m", "jupyterlab"] and "00_" in words[2]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["course", f"{tmp_path}/lessons"]) == 0
    assert 'pip install "seglab[course]"' in capsys.readouterr().out and len(calls) == 1
    assert main(["course", f"{tmp_path}/lessons", "open=False"]) == 0
    assert "pip install" not in capsys.readouterr().out


def test_ready_says_so_outside_of_a_notebook_too(capsys):
    course.ready()
    assert capsys.readouterr().out == "seglab is ready\n"
