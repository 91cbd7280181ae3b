"""Build the lessons: notebooks/src/NN_name.py and src/solutions/NN_name.py -> notebooks/NN_name.ipynb, executed.

    python notebooks/build.py           every lesson, and the notebook of its solutions
    python notebooks/build.py 01 03     these lessons
    python notebooks/build.py --texts   what is no code: Markdown, captions, the setup cell; stored outputs stay

Each lesson's most telling figure, made small, becomes docs/images/lesson-NN.png for the README.

The scripts are the only source that is edited. `compose` adds what is generated: the badge and the setup cell, which
follow the repository's address in pyproject.toml; a caption below each figure; and the exercises, made from the
solutions by leaving the bodies of their functions out. `compose_solutions` makes notebooks/solutions/NN_name.ipynb,
which runs the lesson and goes on with its exercises solved. Stored outputs come from the CPU, one thread, and
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

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = Path(__file__).resolve().parent
SOURCES, SOLUTIONS = FOLDER / "src", FOLDER / "src" / "solutions"
SOLVED = FOLDER / "solutions"
PROJECT = FOLDER.parent / "pyproject.toml"
COLAB = "https://colab.research.google.com"
BADGE = f"{COLAB}/assets/colab-badge.svg"
NO_ADDRESS = (
    "This copy of the course has no public address yet, so the badge leads to Colab's upload page: upload this "
    "notebook there and, when its first cell asks for it, the file that `make wheel` writes."
)
GPU = "Every lesson runs on a CPU. For a GPU on Colab: *Runtime*, *Change runtime type*, *T4 GPU*."
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


def repository() -> str:
    """The address of pyproject.toml, "https://github.com/owner/name"; "" until the repository's owner sets it."""
    urls = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"].get("urls", {})
    return urls.get("Repository", "").rstrip("/").removesuffix(".git")


def compose(name: str, solved: bool = False) -> nbformat.NotebookNode:
    """The notebook of a lesson without outputs. solved: the exercises show their solutions."""
    cells = []
    for cell in jupytext.read(SOURCES / f"{name}.py", fmt="py:percent").cells:
        cells.append(_cell(cell.cell_type, cell.source, cell.metadata))
        if len(cells) == 1:
            cells[0].source += f"\n\n{badge(f'notebooks/{name}.ipynb')} {GPU}"
            cells.append(_cell("code", setup(), SETUP))
        if "alt" in cell.metadata:
            cells.append(_cell("markdown", caption(cell.metadata["alt"]), {"tags": ["caption"]}))
        if "## Exercises" in cell.source:
            cells[-1].source += f"\n\n[Solutions](solutions/{name}.ipynb) are in a notebook of their own."
            cells += _exercises(name, solved)
    return _notebook(name, cells)


def compose_solutions(name: str) -> nbformat.NotebookNode:
    """The notebook of a lesson's solutions without outputs: it runs the lesson, then solves its exercises."""
    title = lesson_title(name)
    start = (
        f"# Solutions · {title}\n\n{badge(f'notebooks/solutions/{name}.ipynb')}\n\n"
        f"The exercises of [lesson {title}](../{name}.ipynb), solved. The second cell runs that lesson without showing "
        "it, which takes as long as the lesson does; the exercises go on from there."
    )
    run = f'%%capture\nfrom seglab.course import lesson\n\n%run {{lesson("{name}")}}'
    cells = [_cell("markdown", start, {}), _cell("code", setup(), SETUP), _cell("code", run, {"tags": ["lesson"]})]
    return _notebook(f"solutions {name}", cells + _exercises(name, solved=True))


def lesson_title(name: str) -> str:
    """ "03 · The model", as the lesson's first line has it."""
    first = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent").cells[0].source
    return first.splitlines()[0].removeprefix("# ")


def caption(alt: str) -> str:
    """What a figure shows, below it: JupyterLab and many readers leave an image's alternative text out."""
    return f"*Figure: {alt}*"


def badge(path: str) -> str:
    """The badge that opens a notebook on Colab; without a public address, the badge of Colab's upload page, and why."""
    address = repository()
    if not address:
        return f"[![Open in Colab]({BADGE})]({COLAB}/#upload=true) {NO_ADDRESS}"
    owner_and_name = address.removeprefix("https://github.com/")
    return f"[![Open in Colab]({BADGE})]({COLAB}/github/{owner_and_name}/blob/main/{path})"


def _exercises(name: str, solved: bool) -> list[nbformat.NotebookNode]:
    """The cells of a lesson's exercises; a hint and an answer stand folded in the cell of their task."""
    cells: list[nbformat.NotebookNode] = []
    for each in jupytext.read(SOLUTIONS / f"{name}.py", fmt="py:percent").cells:
        folded = {"hint", "answer"} & set(each.metadata.get("tags", ()))
        if folded and cells and cells[-1].cell_type == "markdown":
            cells[-1].source += "\n\n" + _shown(each, solved)
        else:
            cells.append(_cell(each.cell_type, _shown(each, solved), each.metadata))
    return cells


def _notebook(name: str, cells: list[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    """Cells with their ids and a notebook's metadata; Colab gives a notebook with this accelerator a GPU."""
    for number, cell in enumerate(cells):  # a cell keeps its id until its text changes
        same = sum(other.source == cell.source for other in cells[:number])
        cell.id = hashlib.sha256(f"{name} {same} {cell.source}".encode()).hexdigest()[:8]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python"}
    notebook.metadata.accelerator = "GPU"
    return notebook


# The setup cell is folded in JupyterLab and a form on Colab: nobody came to read an installer.
SETUP = {"tags": ["setup"], "cellView": "form", "jupyter": {"source_hidden": True}}
FROM_REPOSITORY = """\
# @title Setup: installs seglab where it is missing; torch and numpy stay as they are
try:
    from seglab.course import ready
except ImportError:
    get_ipython().run_line_magic("pip", 'install -q "seglab[export] @ git+REPOSITORY"')
    from seglab.course import ready

ready()"""
FROM_WHEEL = """\
# @title Setup: installs seglab where it is missing; torch and numpy stay as they are
import pathlib
import re
import sys

try:
    from seglab.course import ready
except ImportError:  # from the file of `make wheel`, beside this lesson or uploaded to Colab
    if "google.colab" in sys.modules and not any(pathlib.Path().glob("seglab-*.whl")):
        from google.colab import files

        files.upload()
    wheels = sorted(pathlib.Path().glob("seglab-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise ImportError("seglab is missing: put the seglab-*.whl of `make wheel` beside this lesson") from None
    name = re.sub(r"(?<=none-any).*", ".whl", wheels[-1].name)  # without the " (1)" of a second download
    wheel = wheels[-1].replace(name)
    get_ipython().run_line_magic("pip", f'install -q "{wheel}[export]"')
    from seglab.course import ready

ready()"""


def setup() -> str:
    """The first code cell: it installs only where seglab cannot be imported, and raises where it still cannot be."""
    address = repository()
    return FROM_REPOSITORY.replace("REPOSITORY", address) if address else FROM_WHEEL


def _cell(kind: str, source: str, metadata: dict) -> nbformat.NotebookNode:
    kept = {key: value for key, value in metadata.items() if key in ("tags", "alt", *SETUP)}
    return (new_code_cell if kind == "code" else new_markdown_cell)(source, metadata=kept)


def _shown(cell: nbformat.NotebookNode, solved: bool) -> str:
    tags = cell.metadata.get("tags", [])
    for folded in ("hint", "answer"):
        if folded in tags:
            return f"<details><summary>{folded.capitalize()}</summary>\n\n{cell.source}\n\n</details>"
    if solved:
        return cell.source
    if "guess" in tags:
        return re.sub(r" = .*", " = ...  # your guess here", cell.source)
    return stub(cell.source) if "solution" in tags else cell.source


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
            size = dict(output.get("metadata", {}).get("image/png", {}))  # shown at half of its pixels
            if "image/png" in data:
                kind, packed = _smaller(data.pop("image/png"))
                data[kind] = packed
            for kind in {"image/png", "image/jpeg"} & data.keys():
                output.metadata = {kind: {**size, "alt": cell.metadata["alt"]}}
            if data.pop(VIEW, None):  # an error until its cell is run: a tool's still or a bar's text is shown instead
                data["text/plain"] = BAR.sub(r"100%|██████████| \1/\1", data["text/plain"])  # a full bar, as it ended
    notebook.metadata.language_info = {"name": "python"}
    notebook.metadata.pop("widgets", None)


def execute_both(lesson: nbformat.NotebookNode, solutions: nbformat.NotebookNode) -> None:
    """Run a lesson and its solutions in one kernel: these would begin by running the lesson again."""
    run_lesson = next(cell for cell in solutions.cells if "lesson" in cell.metadata.get("tags", ()))
    after = solutions.cells[solutions.cells.index(run_lesson) + 1 :]
    both = new_notebook(cells=[*lesson.cells, *after], metadata=lesson.metadata)
    execute(both)
    setup_cell = next(cell for cell in lesson.cells if cell.cell_type == "code")
    own_setup = next(cell for cell in solutions.cells if cell.cell_type == "code")
    own_setup.outputs = setup_cell.outputs
    code = [cell for cell in solutions.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number


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


def keep_outputs(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Give a composed notebook the outputs that are stored. Errors: ValueError when its code has changed since."""
    stored = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    own = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, old in zip(own, stored, strict=True):
        if cell.source != old.source and "setup" not in cell.metadata.get("tags", ()):
            raise ValueError(f"{path.name} must run again, since this cell is new:\n{cell.source}")
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
        for output in cell.outputs:
            for shown in output.get("metadata", {}).values():
                shown["alt"] = cell.metadata["alt"]


def main(words: list[str]) -> None:
    wanted = [word for word in words if word != "--texts"]
    SOLVED.mkdir(exist_ok=True)
    for name in lessons():
        if wanted and name[:2] not in wanted:
            continue
        lesson, solutions = compose(name), compose_solutions(name)
        both = (lesson, FOLDER / f"{name}.ipynb"), (solutions, SOLVED / f"{name}.ipynb")
        if "--texts" in words:
            for notebook, path in both:
                keep_outputs(notebook, path)
        else:
            execute_both(lesson, solutions)
        for notebook, path in both:
            nbformat.write(notebook, path)
            print(f"built {path.relative_to(FOLDER)}: {len(notebook.cells)} cells, {path.stat().st_size >> 10} KB")
        write_cover(name, lesson)


if __name__ == "__main__":
    main(sys.argv[1:])
