"""The stored lessons: as built from their scripts, complete, comparable, and fit to be read by everyone.

That their cells do what they show is tested by `pytest --nbval notebooks`; here stands what that cannot see.
"""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the course's tests need the extra [course]")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
_module = importlib.util.spec_from_file_location("build_lessons", NOTEBOOKS / "build.py")
build = importlib.util.module_from_spec(_module)
_module.loader.exec_module(build)
LESSONS = build.lessons()


@pytest.fixture(params=LESSONS)
def lesson(request) -> str:
    return request.param


@pytest.fixture
def notebook(lesson: str):
    return nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)


@pytest.fixture
def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell) -> str:
    """The output of a cell that a strict comparison looks at."""
    outputs = cell.outputs
    shown = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join(text for text in shown if not text.startswith("<Figure"))


def test_every_notebook_has_its_script_and_its_solutions():
    assert LESSONS == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    assert LESSONS == sorted(path.stem for path in build.SOLUTIONS.glob("*.py"))


def test_notebook_is_what_the_script_gives_cell_by_cell(lesson, notebook):
    made = build.compose(lesson)
    for stored, own in zip(notebook.cells, made.cells, strict=True):
        assert (stored.id, stored.cell_type, stored.source) == (own.id, own.cell_type, own.source)
        assert dict(stored.metadata) == dict(own.metadata)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert notebook.metadata == made.metadata  # kernel python3, no widget state


def test_solutions_are_a_notebook_of_their_own_with_every_exercise_right(lesson, notebook):
    stored = nbformat.read(NOTEBOOKS / f"solutions/{lesson}.ipynb", as_version=4)
    made = build.compose_solutions(lesson)
    for cell, own in zip(stored.cells, made.cells, strict=True):
        assert (cell.id, cell.cell_type, cell.source) == (own.id, own.cell_type, own.source)
    checks = [cell for cell in stored.cells if "check" in cell.metadata.get("tags", ())]
    expected = [text_of(cell).strip().replace("is open", "is right") for cell in stored_checks(notebook)]
    said = [text_of(cell).strip() for cell in checks]
    assert len(said) >= 3 and all(each.endswith(right) for each, right in zip(said, expected, strict=True))
    text = "\n".join(cell.source for cell in notebook.cells)
    assert f"[Solutions](solutions/{lesson}.ipynb)" in text


def stored_checks(notebook) -> list:
    return [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", ())]


def says_something(cell) -> bool:
    """Whether what a cell prints was computed: text that can only ever be the same is compared in vain."""
    calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
    constant = all(isinstance(argument, ast.Constant) for call in prints for argument in call.args)
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source)))
    asserts |= any(getattr(call.func, "attr", "").startswith("assert_") for call in calls)
    return bool(text_of(cell).strip()) and (asserts or not prints or not constant)


def test_every_cell_ran_in_order_and_most_can_be_compared(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any("nbval-skip" in cell.metadata.get("tags", ()) or "NBVAL_" in cell.source for cell in code)
    ignored = [cell for cell in code if "nbval-ignore-output" in cell.metadata.get("tags", ())]
    assert len(ignored) <= 0.15 * len(code)
    own = [
        cell
        for cell in code
        if not {"setup", "check", "solution", "built", "guess"} & set(cell.metadata.get("tags", ()))
    ]
    compared = [cell for cell in own if says_something(cell) and cell not in ignored]
    assert len(compared) >= 0.7 * len(own), [cell.source for cell in own if cell not in compared + ignored]


def test_outputs_hold_no_errors_warnings_or_machine_paths(code):
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", cell.source
        assert not build.MACHINE.search(text_of(cell)), cell.source


def test_numbers_have_three_decimals_at_most(code):
    for cell in code:
        assert not re.search(r"\d\.\d{4,}", text_of(cell)), cell.source


def test_outputs_are_numbers_and_images(code):
    """Not "True": that something holds is what an assertion says."""
    for cell in code:
        assert not re.search(r"(^|[:,;-]|same) (True|False)\b", text_of(cell), re.M), cell.source


def test_lesson_is_small(lesson):
    assert (
        NOTEBOOKS / f"{lesson}.ipynb"
    ).stat().st_size <= 700_000  # figures have twice the pixels that they take on the screen


def test_lesson_has_its_parts(lesson, notebook):
    first, text = notebook.cells[0].source, "\n".join(cell.source for cell in notebook.cells)
    assert re.match(rf"# {lesson[:2]} · \w", first)
    assert all(re.search(rf"^{number}\. ", first, re.M) for number in (1, 2, 3)), "three objectives"
    assert re.search(r"\*\*Study time:\*\* (\d+ minutes|an hour|an hour and a half|two hours)\.", first)
    assert "**Compute time:** about" in first and "CPU" in first and "**Prerequisites:**" in first
    assert not re.search(r"(on|with) an? T4", text) or "not measured" in text, "a time that nobody measured"
    assert all(f"## {part}" in text for part in ("Recap", "Exercises", "Sources"))
    assert notebook.cells[1].source == build.setup()


def test_figures_have_twice_the_pixels_that_they_take(code):
    import cv2
    import numpy as np

    for cell in code:
        for output in cell.outputs:
            if output.get("data", {}).get("text/plain", "").startswith("<Figure"):
                (kind,) = {"image/png", "image/jpeg"} & set(output.data)
                image = cv2.imdecode(np.frombuffer(base64.b64decode(output.data[kind]), np.uint8), cv2.IMREAD_COLOR)
                shown = output.metadata[kind]["width"], output.metadata[kind]["height"]
                assert shown == (image.shape[1] // 2, image.shape[0] // 2), cell.source


def test_figures_say_in_words_what_they_show(code):
    for cell in code:
        for output in cell.outputs:
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), "an error until it is run"
            for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
                assert len(output.metadata[kind]["alt"]) >= 40, cell.source


def test_every_figure_has_its_caption_below(notebook):
    """JupyterLab leaves the alternative text of an output's image out."""
    for cell, below in zip(notebook.cells, notebook.cells[1:]):
        if "alt" in cell.metadata:
            assert below.source == build.caption(cell.metadata["alt"])


def test_relative_links_resolve(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)", cell.source):
                carried = target.removeprefix("attachment:") in cell.get("attachments", {})
                assert carried or target.startswith("https://") or (NOTEBOOKS / target).exists(), target
            for path in re.findall(r"`(seglab/[\w/]+\.py)`", cell.source):
                assert (NOTEBOOKS.parent / path).is_file(), path


def test_what_lessons_build_is_their_cells_and_nothing_of_the_library():
    """built.py holds the tagged cells word for word; they define, and use no more than torch and each other."""
    text = build.BUILT.read_text(encoding="utf-8")
    assert text == build.built()
    cells = [cell for name in LESSONS for cell in build.compose(name).cells if "built" in cell.metadata.get("tags", ())]
    assert len(cells) > 25 and all(cell.source in text for cell in cells)
    for cell in cells:
        kinds = {type(node) for node in ast.parse(cell.source).body}
        assert kinds <= {ast.FunctionDef, ast.ClassDef}, cell.source
    imported = {node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for a in node.names}
    assert {name.split(".")[0] for name in imported} == {"math", "torch"} and "seglab" not in text


def test_what_lessons_build_is_the_librarys_network_loss_and_steps(monkeypatch):
    """The file as a whole, in a process that ran no lesson: the same outputs, losses and weights after a step."""
    import copy
    from types import SimpleNamespace

    import torch

    from seglab.data.collate import collate
    from seglab.data.dataset import SegmentationDataset
    from seglab.datasets.load import load_dataset
    from seglab.model.yolo11 import YOLO11Seg
    from seglab.training import loss as losses

    monkeypatch.syspath_prepend(str(NOTEBOOKS))
    own = importlib.import_module("built")
    torch.manual_seed(0)
    theirs = YOLO11Seg("n", classes=10)
    mine = own.Network(10)
    mine.load_state_dict(theirs.state_dict())
    dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 160)
    batch = collate([dataset[0], dataset[1]])
    plan = SimpleNamespace(lr=1e-3, lrf=0.1, warmup=1, warmup_bias_lr=0.0, iterations=1, epochs=9)
    plan.momentum, plan.weight_decay = 0.9, 0.0
    terms = []
    for network, loss in (
        (mine, own.segmentation_loss),
        (theirs, lambda raw, batch: losses.segmentation_loss(raw, batch, losses.LossGains())),
    ):
        average = copy.deepcopy(network)
        optimizer = own.optimizer_for(network.train(), plan)
        terms.append([own.step(network, average, optimizer, batch, 5, plan, loss) for _ in range(2)])
    for one, other in zip(*terms):  # the library may have further terms, of no weight (CONTRIBUTING's recipe)
        built = {name: float(value) for name, value in one.items()}
        assert set(built) == {"box", "seg", "cls", "dfl"}
        assert built == pytest.approx({name: float(other[name]) for name in built}, rel=2e-3)


def test_a_lesson_has_exercises_of_every_kind_and_they_are_open(notebook):
    """A function to write, a number to predict, a thing to change, a question: each hint and answer is folded."""
    exercises = notebook.cells[next(i for i, cell in enumerate(notebook.cells) if "## Exercises" in cell.source) :]
    text = "\n".join(cell.source for cell in exercises if cell.cell_type == "markdown")
    by_tag = {
        tag: [cell for cell in exercises if tag in cell.metadata.get("tags", ())]
        for tag in ("solution", "guess", "check")
    }
    assert len(by_tag["solution"]) >= 2 and len(by_tag["guess"]) >= 1
    assert all("return ...  # your code here" in cell.source for cell in by_tag["solution"])
    assert all("= ...  # your guess here" in cell.source for cell in by_tag["guess"])
    assert text.count("<summary>Hint") >= len(by_tag["solution"])
    for kind in ("Predict, then run.", "Change one thing, and explain.", "A question."):
        assert kind in text
    assert text.count("<summary>Answer") >= 2
    opened = [text_of(cell).strip() for cell in by_tag["check"]]
    assert opened == [f"exercise {number} is open" for number in range(1, len(opened) + 1)] and len(opened) >= 3


def test_stub_keeps_signature_and_docstring_only():
    source = 'def area(a, b):\n    """Two numbers -> one."""\n    c = a\n    return c * b\n\n\nx = 1'
    kept = build.stub(source).splitlines()
    assert kept == [*source.splitlines()[:2], "    return ...  # your code here", "", "", "x = 1"]


def test_notebooks_are_plain_json_with_one_line_end():
    for path in NOTEBOOKS.rglob("*.ipynb"):
        json.loads(path.read_text(encoding="utf-8"))
        assert path.read_text(encoding="utf-8").endswith("}\n")
