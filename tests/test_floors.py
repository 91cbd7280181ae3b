"""The order of the house: imports run down the floors, never up and never in a circle.

FLOORS is the one list. A module stands on the floor of the longest name that it begins with. It may import what stands
on a lower floor, and modules of its own folder. Imports inside functions count like those at the top, and so do those
for a type checker alone: a module that knows another's classes depends on it.
"""

from __future__ import annotations

import ast
import importlib
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import seglab

# From the ground up. What stands on one floor does not import its neighbors.
FLOORS = (
    ("version", "wording", "telemetry", "idle_threads"),
    ("errors",),
    ("sizes", "image_files"),
    ("config", "class_names", "files", "memory", "tables", "events", "parallel", "progress", "notebooks", "device")
    + ("training.distributed",),  # joining torchrun's group, which needs nothing of the rest
    ("geometry",),
    ("sample", "model", "data.image"),
    ("drawing", "formats"),
    ("datasets",),
    ("data",),
    ("convert", "toybox"),
    ("inference", "dataset_names"),
    ("evaluation",),
    ("training", "export", "loggers"),
    ("diagnosis", "opening"),
    ("widgets", "compat"),
    ("yolo",),
    ("demo", "checks", "cache", "compat.tasks", "course"),
    ("cli",),
    ("__main__", "__init__"),
)
PACKAGE = Path(seglab.__file__).resolve().parent
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def modules() -> dict[str, Path]:
    """Dotted name below seglab -> file; the package's own __init__ is "__init__"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """The modules of seglab that a file imports, anywhere in it, also for the eyes of a type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which floor they lead to"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {below(name) for name in names if name == "seglab" or name.startswith("seglab.")}


def below(name: str) -> str:
    """The module that an imported name is, or is defined in."""
    name = name.removeprefix("seglab").removeprefix(".")
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or "__init__"


def floor_of(module: str) -> int:
    return FLOOR[module] if module in FLOOR else FLOOR[module.split(".")[0]]


IMPORTS = {name: imported(path) - {name} for name, path in MODULES.items()}


def test_every_module_stands_on_one_floor():
    names = [name for floor in FLOORS for name in floor]
    assert len(names) == len(set(names))
    assert {name.split(".")[0] for name in MODULES} == {name for name in names if "." not in name}
    assert {name for name in names if "." in name} <= MODULES.keys()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_down(module):
    for name in IMPORTS[module]:
        is_neighbor = name.split(".")[0] == module.split(".")[0] and floor_of(name) == floor_of(module)
        if not is_neighbor:
            lower = floor_of(name) < floor_of(module)
            assert lower, f"seglab.{module} imports seglab.{name}, which does not stand below"


def test_nothing_imports_in_a_circle():
    try:
        list(TopologicalSorter(IMPORTS).static_order())
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' -> '.join(error.args[1])}")


def test_the_page_on_the_structure_draws_the_folders_in_this_order():
    """Lines of the second tree of decision 19 are floors, the same folders from the ground up."""
    page = (PACKAGE.parent / "docs/decisions/0019-the-house.md").read_text(encoding="utf-8")
    tree = page[page.index("**After**") :].split("```")[1]
    folders = re.findall(r"(\w+)/", tree)[1:]  # without seglab/ itself
    assert sorted(folders) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    assert [floor_of(name) for name in folders] == sorted(floor_of(name) for name in folders)


def test_every_folder_says_what_may_be_used_from_outside():
    for path in PACKAGE.glob("*/__init__.py"):
        assert isinstance(importlib.import_module(f"seglab.{path.parent.name}").__all__, list), path
