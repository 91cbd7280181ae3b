"""Write docs/api.md, the list of all public names, from what the package itself says.

    python docs/build_api.py

`seglab.__all__` names the public API, the `__all__` of each folder its public modules. tests/course/test_public_api.py
holds the page to that.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from pathlib import Path

import seglab
from seglab.config import VERBS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/api.md"
PACKAGE = Path(seglab.__file__).parent
WIDTH = 100
PUBLIC_MODULES = ("config", "course", "device", "errors", "sample")  # beside the folders
FOLDERS = (
    "geometry",
    "drawing",
    "formats",
    "datasets",
    "data",
    "convert",
    "toybox",
    "model",
    "inference",
    "evaluation",
    "training",
    "diagnosis",
    "export",
    "widgets",
)

INTRODUCTION = """\
<!-- Written by docs/build_api.py: change the docstrings or `__all__`, and run it again. -->

# Public API

What you may rely on, in three levels:

1. **The names of `seglab` itself, `YOLO` with its verbs, and the command line** with the arguments
   that `seglab help MODE` lists. They are removed or renamed only after a minor version whose
   CHANGELOG.md lists them under "Deprecated", with what to write instead: a script written for that
   version without them works with the next one.
2. **The building blocks below**, which the lessons use: the public modules with their functions,
   classes (both listed here) and constants. They may be renamed or moved in a minor version (0.3.0,
   not 0.2.1); CHANGELOG.md then gives the new names.
3. **Everything else** may change at any time: modules that are not listed here, and names that
   begin with an underscore.

Errors that you can solve are raised as `seglab.SeglabError`, a `ValueError`. Their wording may
change at any time, and so may printed output.

"""


def api_page() -> str:
    """The whole page as Markdown."""
    verbs = ", ".join(f"`{verb}`" for verb in VERBS)
    lines = [
        INTRODUCTION,
        textwrap.fill(f"The modes of the command line are {verbs}.", WIDTH),
        "",
        "## `seglab`",
        "",
        "```python",
        f"from seglab import {_imported_names()}",
        "```",
        "",
    ]
    for name in seglab.__all__:
        if name != "__version__":
            lines.append(_item(f"`{name}`", first_sentence(getattr(seglab, name))))
    lines += [_item("`__version__`", "the version as text"), "", "## Building blocks", ""]
    for name in PUBLIC_MODULES:
        lines.append(module_item(f"seglab.{name}"))
    for folder in FOLDERS:
        package = importlib.import_module(f"seglab.{folder}")
        lines += ["", f"### `seglab.{folder}`", "", textwrap.fill(package.__doc__ or "", WIDTH), ""]
        modules = [name for name in package.__all__ if is_module(folder, name)]
        functions = [name for name in package.__all__ if name not in modules]
        if functions:
            lines.append(_item("functions", ", ".join(f"`{name}`" for name in functions)))
        lines += [module_item(f"seglab.{folder}.{name}") for name in modules]
    return "\n".join(lines) + "\n"


def is_module(folder: str, name: str) -> bool:
    """Whether a public name of a folder is a module, and not a function of the folder itself.

    A tool of `seglab.widgets` may be called as its module is: then it is the tool.
    """
    value = vars(importlib.import_module(f"seglab.{folder}")).get(name)
    return (PACKAGE / folder / f"{name}.py").is_file() and not inspect.isfunction(value)


def module_item(module: str) -> str:
    """One line of the list: a module, what it is for, and its public names."""
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    about = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ").rstrip(".")
    names = ", ".join(f"`{name}`" for name in public_names(module) if not name.isupper())
    return _item(f"`{module}`", f"{about}. {names}" if names else about)


def public_names(module: str) -> list[str]:
    """What a module defines for others: its `__all__`, or functions, classes and constants without an underscore."""
    listed = getattr(importlib.import_module(module), "__all__", None)
    if listed is not None:
        return list(listed)
    names = []
    for node in ast.parse(source_of(module).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            targets = [each for target in node.targets for each in getattr(target, "elts", [target])]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def source_of(module: str) -> Path:
    """The file of a module of seglab."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def first_sentence(value: object) -> str:
    """The first sentence of a docstring, without its dot."""
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".")


def _imported_names() -> str:
    return ", ".join(name for name in seglab.__all__ if name != "__version__")


def _item(name: str, text: str) -> str:
    return textwrap.fill(f"- {name}: {text}", WIDTH, subsequent_indent="  ", break_long_words=False)


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)}")
