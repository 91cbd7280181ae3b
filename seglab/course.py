"""The lessons that come with seglab: where they are, copied into a folder of one's own, and ready to be run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from seglab.errors import SeglabError

# What a folder of lessons needs besides the notebooks: what earlier lessons wrote by hand, which later ones import, and
# what `pytest --nbval` compares outputs with.
BESIDE = ("built.py", "conftest.py", "sanitize.cfg")
# A Markdown link that leads out of the folder of lessons, to pages that only a clone has.
LINK_TO_CLONE = re.compile(r"\[([^\[\]]+)\]\(\.\./(?!0|solutions/)[^()\s]+\)")


def ready() -> None:
    """What the first cell of every lesson calls: figures have twice the pixels from here on, and `import built` finds
    what earlier lessons wrote by hand, also where a lesson lies alone.
    """
    if str(lessons_dir()) not in sys.path:
        sys.path.append(str(lessons_dir()))
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    print("seglab is ready")


def lessons_dir() -> Path:
    """The lessons that come with seglab: `seglab/_course` in an installed wheel, `notebooks` in a clone."""
    package = Path(__file__).resolve().parent
    bundled = package / "_course"
    return bundled if bundled.is_dir() else package.parent / "notebooks"


def lesson(name: str) -> Path:
    """The notebook of a lesson by its name ("03_model"). Errors: SeglabError when there is no such lesson."""
    path = lessons_dir() / f"{name}.ipynb"
    if not path.is_file():
        names = ", ".join(sorted(each.stem for each in lessons_dir().glob("*.ipynb")))
        raise SeglabError(f"no lesson is called {name!r}: choose one of {names}")
    return path


def copy_lessons(out: str | Path) -> list[Path]:
    """Copy the lessons and their solutions into the folder `out`, and return what was written.

    Files that are there already stay as they are: somebody may have worked on them. Errors: SeglabError when `out` is a
    file, or when this seglab came without its lessons.
    """
    out = Path(out)
    source = lessons_dir()
    notebooks = [*sorted(source.glob("*.ipynb")), *sorted((source / "solutions").glob("*.ipynb"))]
    if not notebooks:
        raise SeglabError(f"{source} contains no lessons: install seglab from its wheel, or clone its repository")
    if out.is_file():
        raise SeglabError(f"out={out} is a file: name a folder for the lessons")
    (out / "solutions").mkdir(parents=True, exist_ok=True)

    written = []
    for path in [*notebooks, *(source / name for name in BESIDE)]:
        target = out / path.relative_to(source)
        if not target.exists():
            text = path.read_text(encoding="utf-8")
            target.write_text(LINK_TO_CLONE.sub(r"\1", text), encoding="utf-8")
            written.append(target)
    return written


def open_lessons(folder: str | Path) -> None:
    """Open a folder of lessons in JupyterLab, until that is closed; without JupyterLab, print how to install it."""
    if importlib.util.find_spec("jupyterlab") is None:
        print(f'JupyterLab is not installed: pip install "seglab[course]", then jupyter lab {folder}')
        return
    first = sorted(Path(folder).glob("*.ipynb"))[0]
    is_root = getattr(os, "geteuid", lambda: 1)() == 0  # in a container; Windows has no such number
    as_root = ["--allow-root"] if is_root else []
    subprocess.run([sys.executable, "-m", "jupyterlab", str(first), *as_root], check=False)
