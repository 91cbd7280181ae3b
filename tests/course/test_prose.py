"""What is read as text: spelling, and links from page to page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = "tood"  # words that codespell takes for misspelt ones: TOOD is the paper of task-aligned detection
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "data").rglob("*.md"))]


def test_spelling(capsys):
    """Of lessons, documents and the library, docstrings and names included."""
    codespell = pytest.importorskip("codespell_lib", reason="spelling is looked at by codespell, of the extra [test]")
    texts = [ROOT / "notebooks/src", ROOT / "notebooks/build.py", ROOT / "seglab", ROOT / "docs", *PAGES]
    faults = codespell.main("--ignore-words-list", NAMES, "--skip", "*.jpg,*.png", *map(str, texts))
    assert not faults, capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_resolve(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.S)):
        assert re.match(r"https?://", target) or (page.parent / target).exists(), target
    for image in re.findall(r"!\[([^\]]*)\]\(", text):
        assert len(image) >= 20, "an image needs words that say what it shows"


def test_the_readme_names_every_lesson_with_its_picture():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        picture = ROOT / f"docs/images/lesson-{lesson.name[:2]}.png"
        assert f"(notebooks/{lesson.name})" in text and f"(docs/images/{picture.name})" in text
        assert picture.stat().st_size <= 60_000


def test_the_heart_reads_in_an_evening():
    """The files that the decision lists, in their order, docstrings included."""
    text = (ROOT / "docs/decisions/0011-what-to-read-in-an-evening.md").read_text(encoding="utf-8")
    files = re.findall(r"`(seglab/\w+/\w+\.py)`", text)
    assert len(files) == len(set(files)) > 20
    assert {name.split("/")[1] for name in files} == {
        "geometry", "data", "model", "inference", "training", "evaluation"
    }  # fmt: skip
    assert sum(len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in files) <= 4000
