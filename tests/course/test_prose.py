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
