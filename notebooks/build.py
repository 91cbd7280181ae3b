"""Build the lessons: notebooks/src/NN_name.py and src/solutions/NN_name.py -> notebooks/NN_name.ipynb, executed.

    python notebooks/build.py           every lesson
    python notebooks/build.py 01 03     these lessons

Each lesson's most telling figure, made small, becomes docs/images/lesson-NN.png for the README.

The scripts are the only source that is edited. `compose` adds what is generated: the setup cell, and the exercises,
made from the solutions by leaving the bodies of their functions out. Stored outputs come from the CPU, one thread, and
the embedded toybox data, so that a strict comparison passes anywhere.
"""

from __future__ import annotations

import ast
import base64
import getpass
import hashlib
import io
import os
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = Path(__file__).resolve().parent
SOURCES, SOLUTIONS = FOLDER / "src", FOLDER / "src" / "solutions"
REPOSITORY = ""  # "owner/name" on GitHub, from where Colab opens and installs; without it, both are uploads
BADGE = FOLDER.parent / "docs/images/open-in-colab.png"
COLORS = 256  # of a stored figure: enough for photographs at this size, a third of the bytes
IMAGES = FOLDER.parent / "docs/images"
COVERS = {
    "masks": 2,
    "conversion": 1,
    "model": 1,
    "loss": 1,
    "training": 1,
    "validation": 1,
    "own_data": 3,
    "scaling": 1,
}  # which of a lesson's figures stands for it; else its first
COVER_WIDTH, COVER_COLORS = 360, 96
VIEW = "application/vnd.jupyter.widget-view+json"
BAR = re.compile(r"0%\|\s*\| 0/(\d+) \[.*")  # what tqdm stores: the empty bar that it began with
MACHINE = re.compile(r"(?<![\w.])/(home|root|Users|work|tmp|mnt|content|opt)/|[A-Z]:\\\\|site-packages|ipykernel_\d")


def lessons() -> list[str]:
    """The lessons' names, "09_masks" and so on, in order."""
    return sorted(path.stem for path in SOURCES.glob("[0-9][0-9]_*.py"))


def compose(name: str, solved: bool = False) -> nbformat.NotebookNode:
    """The notebook of a lesson without outputs. solved: the exercises show their solutions."""
    cells = []
    for cell in jupytext.read(SOURCES / f"{name}.py", fmt="py:percent").cells:
        cells.append(_cell(cell.cell_type, cell.source, cell.metadata))
        if len(cells) == 1:
            cells[0].source += f"\n\n[![Open in Colab](attachment:{BADGE.name})]({colab(name)})"
            cells[0].attachments = {BADGE.name: {"image/png": base64.b64encode(BADGE.read_bytes()).decode()}}
            cells.append(_cell("code", setup(), {"tags": ["setup"]}))
        if "## Exercises" in cell.source:
            for each in jupytext.read(SOLUTIONS / f"{name}.py", fmt="py:percent").cells:
                if each.cell_type == cells[-1].cell_type == "markdown":  # a task follows its heading, a hint its task
                    cells[-1].source += "\n\n" + _shown(each, solved)
                else:
                    cells.append(_cell(each.cell_type, _shown(each, solved), each.metadata))
    for number, cell in enumerate(cells):  # a cell keeps its id until its text changes
        same = sum(other.source == cell.source for other in cells[:number])
        cell.id = hashlib.sha256(f"{name} {same} {cell.source}".encode()).hexdigest()[:8]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def colab(name: str) -> str:
    """The address that opens a lesson on Colab; without a repository, Colab's own page for uploading it."""
    page = "https://colab.research.google.com/"
    return f"{page}github/{REPOSITORY}/blob/main/notebooks/{name}.ipynb" if REPOSITORY else f"{page}#upload=true"


def setup() -> str:
    """The first code cell: it installs only where seglab cannot be found, and leaves torch and numpy as they are."""
    top = (
        "# Generated: makes sure that the course's library is there, and changes neither torch nor numpy.\n"
        "import importlib.util\n"
    )
    missing = 'if importlib.util.find_spec("seglab") is None:\n'
    if REPOSITORY:
        found = f'    packages = ["seglab[export]@git+https://github.com/{REPOSITORY}"]\n'
    else:  # the wheel that `make wheel` writes: beside the lesson, or chosen when Colab asks for it
        top += "import pathlib\nimport sys\n"
        found = (
            '    packages = [f"{wheel}[export]" for wheel in pathlib.Path().glob("seglab-*.whl")]\n'
            '    if not packages and "google.colab" in sys.modules:\n'
            "        from google.colab import files\n\n"
            '        packages = [f"{wheel}[export]" for wheel in files.upload()]  # of `make wheel`\n'
            "    if not packages:\n"
            '        raise ImportError("install seglab: `make lab` in a clone, or put the file of `make wheel` here")\n'
        )
    install = '    get_ipython().run_line_magic("pip", f"install -q {packages[-1]}")\n'
    return top + "\n" + missing + found + install + 'print("seglab is ready")'


def _cell(kind: str, source: str, metadata: dict) -> nbformat.NotebookNode:
    kept = {key: value for key, value in metadata.items() if key in ("tags", "alt")}
    return (new_code_cell if kind == "code" else new_markdown_cell)(source, metadata=kept)


def _shown(cell: nbformat.NotebookNode, solved: bool) -> str:
    tags = cell.metadata.get("tags", [])
    if "hint" in tags:
        return f"<details><summary>Hint</summary>\n\n{cell.source}\n\n</details>"
    return stub(cell.source) if "solution" in tags and not solved else cell.source


def stub(source: str) -> str:
    """A solution with the body of every function replaced; signatures and docstrings stay."""
    lines = source.splitlines()
    for function in reversed([node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]):
        first, *_ = function.body
        if ast.get_docstring(function) is None:
            raise ValueError(f"the solution {function.name} needs a docstring that says what to write")
        lines[first.end_lineno : function.end_lineno] = ["    return ...  # your code here"]
    return "\n".join(lines)


def execute(notebook: nbformat.NotebookNode) -> None:
    """Run all cells in a fresh kernel beside the lessons. Errors: RuntimeError for warnings and machine paths."""
    from nbclient import NotebookClient

    for name in [key for key in os.environ if key.startswith("SEGLAB_")]:
        del os.environ[name]  # stored outputs show the embedded data only
    os.environ |= {"OMP_NUM_THREADS": "1", "SEGLAB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    place = {"metadata": {"path": str(FOLDER)}}
    options = {"timeout": 900, "kernel_name": "python3", "record_timing": False, "coalesce_streams": True}
    NotebookClient(notebook, resources=place, **options).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            text = "".join(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            if output.get("name") == "stderr":
                raise RuntimeError(f"a cell warns, which strict comparison cannot bear:\n{cell.source}\n{text}")
            if MACHINE.search(text) or getpass.getuser() in text.split():
                raise RuntimeError(f"a cell prints what belongs to this machine:\n{cell.source}\n{text}")
            data = output.get("data", {})
            if "image/png" in data:
                kind, packed = _smaller(data.pop("image/png"))
                data[kind] = packed
            for kind in {"image/png", "image/jpeg"} & data.keys():
                output.metadata = {kind: {"alt": cell.metadata["alt"]}}
            if data.pop(VIEW, None):  # an error until its cell is run: a tool's still or a bar's text is shown instead
                data["text/plain"] = BAR.sub(r"100%|██████████| \1/\1", data["text/plain"])  # a full bar, as it ended
    notebook.metadata.language_info = {"name": "python"}
    notebook.metadata.pop("widgets", None)


def _smaller(encoded: str) -> tuple[str, str]:
    """A PNG's kind and content in fewer bytes: drawings as a PNG with a palette, photographs as a JPEG."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    png, jpeg = io.BytesIO(), io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
    image.save(jpeg, "JPEG", quality=85, optimize=True)
    kind, packed = min((("image/png", png.getvalue()), ("image/jpeg", jpeg.getvalue())), key=lambda one: len(one[1]))
    return kind, base64.b64encode(packed).decode("ascii") + "\n"


def write_cover(name: str, notebook: nbformat.NotebookNode) -> None:
    """The lesson's image for the README, from its stored figures."""
    from PIL import Image

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    drawn = [output.data for output in outputs if output.get("data", {}).get("text/plain", "").startswith("<Figure")]
    figures = [data.get("image/png") or data["image/jpeg"] for data in drawn]
    image = Image.open(io.BytesIO(base64.b64decode(figures[COVERS.get(name[3:], 0)]))).convert("RGB")
    height = round(image.height * COVER_WIDTH / image.width)
    image = image.resize((COVER_WIDTH, height), Image.Resampling.LANCZOS)
    image = image.quantize(COVER_COLORS, dither=Image.Dither.NONE)
    image.save(IMAGES / f"lesson-{name[:2]}.png", "PNG", optimize=True)


def main(wanted: list[str]) -> None:
    for name in lessons():
        if not wanted or name[:2] in wanted:
            notebook = compose(name)
            execute(notebook)
            nbformat.write(notebook, FOLDER / f"{name}.ipynb")
            write_cover(name, notebook)
            print(f"built {name}: {len(notebook.cells)} cells, {(FOLDER / f'{name}.ipynb').stat().st_size >> 10} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
