"""Draw the pictures of docs/data.md: what the export of each labeling tool looks like on disk.

PYTHONPATH=. python docs/build_layouts.py

Every layout is written from scenes of toybox8-seg, as the tests write it, and shown folder by folder: images and masks
as thumbnails, label files with their first lines. Masks whose values would all look black are brightened.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from seglab.files import IMAGE_SUFFIXES
from seglab.formats.registry import FORMATS
from tests.formats.writers import WRITERS
from tests.layouts import ALL, LAYOUTS, NAMES

OUT = Path(__file__).parent / "images"
PAGE = Path(__file__).parent / "data.md"
THUMB = (120, 90)  # (width, height) of a file
CELL = (132, 112)  # with its name and the space around it
TITLE = 20  # pixels of the line with a folder's name
MOST = 3  # files of a folder that are drawn
LINES = 8  # of a label file
INK = (40, 44, 52)
PALE = (150, 155, 165)
DARK = 64  # a mask without brighter values looks black
MONO = ImageFont.truetype(findfont("DejaVu Sans Mono"), 9)
TEXT = ImageFont.truetype(findfont("DejaVu Sans"), 11)


def thumbnail(file: Path) -> Image.Image:
    """A file as a picture of THUMB: an image made small, or the first lines of a text."""
    if file.suffix.lower() in IMAGE_SUFFIXES:
        with Image.open(file) as image:
            shown = brightened(image).convert("RGB")
        shown.thumbnail(THUMB)
        return shown
    page = Image.new("RGB", THUMB, "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, THUMB[0] - 1, THUMB[1] - 1), outline=PALE)
    text = file.read_text(encoding="utf-8", errors="replace")[:4000]
    wide = THUMB[0] // 6
    lines = [line[i : i + wide] for line in text.splitlines() for i in range(0, max(len(line), 1), wide)]
    for number, line in enumerate(lines[:LINES]):
        draw.text((5, 4 + 10 * number), line, INK, MONO)
    return page


def brightened(image: Image.Image) -> Image.Image:
    """An image, or a mask with its values spread over all grays where they would look black."""
    if image.mode not in ("L", "I;16", "I") or (np.asarray(image).max() >= DARK and image.mode == "L"):
        return image
    pixels = np.asarray(image).astype(np.int64)
    values = np.unique(pixels)
    grays = np.linspace(0, 255, len(values)).astype(np.uint8)
    return Image.fromarray(grays[np.searchsorted(values, pixels)])


def shown_of(files: list[Path]) -> list[Path]:
    """The files of a folder that are drawn: up to two texts, then images."""
    texts = [file for file in files if file.suffix.lower() not in IMAGE_SUFFIXES]
    images = [file for file in files if file not in texts]
    return (texts[: MOST if not images else MOST - 1] + images)[:MOST]


def short(name: str) -> str:
    """A name that fits under its thumbnail."""
    return name if len(name) <= 19 else f"{name[:9]}…{name[-9:]}"


def draw_folder(root: Path) -> Image.Image:
    """All folders below a folder that have files, each with the first of them."""
    folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    listed = {folder: sorted(file for file in folder.iterdir() if file.is_file()) for folder in folders}
    listed = {folder: files for folder, files in listed.items() if files}
    canvas = Image.new("RGB", (MOST * CELL[0] + 24, len(listed) * (CELL[1] + TITLE) + 6), "white")
    draw = ImageDraw.Draw(canvas)
    top = 4
    for folder, files in listed.items():
        name = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
        draw.text((8, top), name or "(the folder itself)", INK, TEXT)
        for place, file in enumerate(shown_of(files)):
            left = 8 + place * CELL[0]
            canvas.paste(thumbnail(file), (left, top + TITLE))
            draw.text((left, top + TITLE + THUMB[1] + 2), short(file.name), INK, MONO)
        if len(files) > MOST:
            draw.text((8 + MOST * CELL[0], top + TITLE + THUMB[1] // 2), "…", INK, TEXT)
        top += CELL[1] + TITLE
    return canvas


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def main() -> None:
    tools = {known.title: known for known in FORMATS}
    with tempfile.TemporaryDirectory() as temporary:
        for title, layout in LAYOUTS.items():
            if f"\n### {title}\n" not in PAGE.read_text(encoding="utf-8"):
                continue  # another's picture shows it
            place = Path(temporary) / slug(title)
            if title in tools:
                known = tools[title]
                (known.write or WRITERS[known.name])(place, NAMES, ALL)
            else:
                layout.write(place)
            drawn = draw_folder(place).quantize(96)
            drawn.save(OUT / f"layout-{slug(title)}.png", optimize=True)


if __name__ == "__main__":
    main()
