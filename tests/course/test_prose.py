"""What is read as text: spelling, and links from page to page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from seglab.cli import main
from seglab.config import VERBS

ROOT = Path(__file__).resolve().parents[2]
NAMES = "tood"  # words that codespell takes for misspelt ones: TOOD is the paper of task-aligned detection
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "data").rglob("*.md")),
]
LESSONS = sorted((ROOT / "notebooks/src").rglob("*.py"))
# Private words of version 0.1.0, and British spelling.
LEFT_BEHIND = (
    r"\b(?:pictures?|processors?|surest|learnt|by heart|without_habits|the peer|catalogues?|ceilings?|quarter_truth|"
    r"spoilt|rotten|culprit|embedded_folder|share_out|put_in_place|"
    r"colours?|grey|licence|centred?|centres|neighbours?|behaviours?|labelled|labelling|unlabelled|"
    r"(?:normal|optim|quant|visual|initial)isations?)\b"
)


def test_spelling(capsys):
    """Of lessons, documents and the library, docstrings and names included."""
    codespell = pytest.importorskip("codespell_lib", reason="spelling is looked at by codespell, of the extra [test]")
    texts = [ROOT / "notebooks/src", ROOT / "notebooks/build.py", ROOT / "seglab", ROOT / "docs", *PAGES]
    faults = codespell.main("--ignore-words-list", NAMES, "--skip", "*.jpg,*.png", *map(str, texts))
    assert not faults, capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_words_are_those_of_the_glossary(page):
    """The log keeps what it said, and decision 19 names the old folders."""
    if page.name in ("LOG.md", "glossary.md") or page.name.startswith("0019"):
        return
    found = re.findall(LEFT_BEHIND, page.read_text(encoding="utf-8"), re.IGNORECASE)
    assert not found, "docs/glossary.md says what to write instead"


@pytest.mark.parametrize("lesson", LESSONS, ids=[path.stem for path in LESSONS])
def test_lessons_speak_the_words_of_the_glossary(lesson):
    assert not re.findall(LEFT_BEHIND, lesson.read_text(encoding="utf-8"), re.IGNORECASE)


def test_help_and_messages_speak_the_words_of_the_glossary(capsys):
    for verb in VERBS:
        assert main(["help", verb]) == 0
    assert not re.findall(LEFT_BEHIND, capsys.readouterr().out, re.IGNORECASE)
    for path in sorted((ROOT / "seglab").rglob("*.py")):
        for message in messages_in(path):
            assert not re.findall(LEFT_BEHIND, message, re.IGNORECASE), path


def messages_in(path):
    """The texts of all that a file raises, of f-strings what is fixed."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            parts = [
                part for argument in node.exc.args for part in ast.walk(argument) if isinstance(part, ast.Constant)
            ]
            yield "".join(part.value for part in parts if isinstance(part.value, str))


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_resolve(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.S)):
        assert re.match(r"https?://", target) or (page.parent / target).exists(), target
    for image in re.findall(r"!\[([^\]]*)\]\(", text):
        assert len(image) >= 20, "an image needs words that say what it shows"


def test_the_readme_names_every_lesson_with_its_image():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        picture = ROOT / f"docs/images/lesson-{lesson.name[:2]}.png"
        assert f"(notebooks/{lesson.name})" in text and f"(docs/images/{picture.name})" in text
        assert picture.stat().st_size <= 60_000


def test_the_reading_order_runs_up_the_floors():
    """Each file of the walk exists, appears once, and needs no file of the walk that comes after it."""
    text = (ROOT / "docs/reading-order.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \**`(seglab/[\w/]+\.py)`", text, re.MULTILINE)
    assert len(rows) == len(set(rows)) > 20
    modules = [row.removesuffix(".py").replace("/", ".") for row in rows]
    for place, row in enumerate(rows):
        source = (ROOT / row).read_text(encoding="utf-8")
        for later in modules[place + 1 :]:
            folder, _, name = later.rpartition(".")
            named = rf"^from {re.escape(later)} import|^from {re.escape(folder)} import .*\b{name}\b"
            assert not re.search(named, source, re.MULTILINE), f"{row} needs {later}, which comes after it"
