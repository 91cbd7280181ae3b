"""Exercises: solutions pass their checks, wrong answers do not, and right ones that are written differently do.

`answers/name.py` holds at least ten wrong and three right answers for each function that a lesson asks for, written
without a look at the checks. A cell begins with `# %% 1 wrong: why` or `# %% 1 right: how`, 1 being the exercise.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the course's tests need the extra [course]")

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ANSWERS = Path(__file__).resolve().parent / "answers"
_module = importlib.util.spec_from_file_location("build_lessons", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(_module)
_module.loader.exec_module(build)
LESSONS = build.lessons()
MIN_WRONG, MIN_RIGHT = 10, 3


def answers(lesson: str) -> list[tuple[int, str, str, str]]:
    """(exercise, "wrong" or "right", why, code) of every answer."""
    text = (ANSWERS / f"{lesson[3:]}.py").read_text(encoding="utf-8")
    found = re.findall(r"^# %% (\d+) (wrong|right): (.+)\n([\s\S]*?)(?=^# %%|\Z)", text, re.M)
    return [(int(number), verdict, why, code) for number, verdict, why, code in found]


def outcome(check: str, names: dict) -> str:
    """What a check says of what is in `names`: "right", "open", or how it refuses."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(check, "check", "exec"), names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return out.getvalue().strip().rsplit(" ", 1)[-1]


class Played:
    """A lesson that was run, with its own solutions: what its names stand for when each check begins."""

    def __init__(self, lesson: str) -> None:
        self.before: dict[int, dict] = {}  # exercise -> names when its solution is about to be written
        self.checks: dict[int, str] = {}
        self.said: dict[int, str] = {}
        names = {"__name__": "__main__"}
        skipping = False  # what follows a cell that trains for minutes is left to nbval; exercises do not need it
        for cell in build.compose(lesson, solved=True).cells:
            if cell.cell_type != "code":
                continue
            tags = cell.metadata.get("tags", ())
            skipping = ("trains" in tags or skipping) and "solution" not in tags
            if skipping:
                continue
            if "check" in tags:
                number = int(re.search(r"exercise (\d+) is right", cell.source)[1])
                self.checks[number] = cell.source
                self.before[number] = dict(names)
                self.said[number] = outcome(cell.source, names)
            else:
                exec(compile(cell.source, f"{lesson} {cell.id}", "exec"), names)

    def judge(self, number: int, code: str) -> str:
        """What the check of an exercise says of an answer."""
        names = dict(self.before[number])
        try:
            exec(compile(code, "answer", "exec"), names)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return outcome(self.checks[number], names)


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def played(lesson: str) -> Iterator[Played]:
    """The lesson, run as a script beside the notebooks."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(NOTEBOOKS)
        patch.syspath_prepend(str(NOTEBOOKS))  # where a kernel finds built.py
        patch.setattr(plt, "show", lambda: plt.close("all"))
        yield Played(lesson)


def code_exercises(lesson: str) -> list[int]:
    """The exercises that ask for a function."""
    return sorted({number for number, _, _, _ in answers(lesson)})


def test_solutions_pass_their_checks(played):
    assert played.said and set(played.said.values()) == {"right"}, played.said


def test_wrong_answers_are_refused(lesson, played):
    accepted = []
    for number, verdict, why, code in answers(lesson):
        if verdict == "wrong" and played.judge(number, code) in ("right", "open"):
            accepted.append(f"{number}: {why}")
    assert not accepted


def test_right_answers_are_accepted_however_they_are_written(lesson, played):
    refused = []
    for number, verdict, how, code in answers(lesson):
        said = played.judge(number, code) if verdict == "right" else "right"
        if said != "right":
            refused.append(f"{number}: {how}: {said}")
    assert not refused


def test_there_are_enough_answers_of_each_sort(lesson):
    given = answers(lesson)
    numbers = code_exercises(lesson)
    assert len(numbers) >= 2
    for number in numbers:
        assert sum(each[:2] == (number, "wrong") for each in given) >= MIN_WRONG
        assert sum(each[:2] == (number, "right") for each in given) >= MIN_RIGHT
