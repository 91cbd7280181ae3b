"""The public API: what is listed exists, lessons and README use nothing else, and importing seglab costs nothing."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seglab

ROOT = Path(__file__).resolve().parents[2]
_module = importlib.util.spec_from_file_location("build_api", ROOT / "docs/build_api.py")
build_api = importlib.util.module_from_spec(_module)
_module.loader.exec_module(build_api)

LESSONS = sorted((ROOT / "notebooks/src").rglob("*.py"))
README_CODE = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def imports_of(code: str) -> list[tuple[str, str]]:
    """(module, name) of every import from seglab; name "" where a module is imported whole."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "seglab":
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "seglab"]
    return found


def is_public(module: str, name: str) -> bool:
    """Whether `from module import name` uses public names only; "" stands for `import module`."""
    _, _, inside = module.partition(".")
    folder, _, rest = inside.partition(".")
    if not inside:
        return name in ("", *seglab.__all__)
    if folder in build_api.PUBLIC_MODULES:
        return not rest and name in ("", *build_api.public_names(module))
    if folder not in build_api.FOLDERS:
        return False
    listed = importlib.import_module(f"seglab.{folder}").__all__
    if not rest:
        return name in ("", *listed)
    return rest in listed and name in ("", *build_api.public_names(module))


def test_there_is_code_to_look_at():
    assert len(LESSONS) > 20 and README_CODE


@pytest.mark.parametrize("lesson", LESSONS, ids=[path.relative_to(ROOT).as_posix() for path in LESSONS])
def test_lessons_use_the_public_api_only(lesson):
    private = [
        f"{module}: {name}" for module, name in imports_of(lesson.read_text("utf-8")) if not is_public(module, name)
    ]
    assert not private


def test_the_readme_uses_the_public_api_only():
    found = [item for code in README_CODE for item in imports_of(code)]
    assert found and all(is_public(module, name) for module, name in found)


@pytest.mark.parametrize(
    ("code", "public"),
    [
        ("from seglab import YOLO, load_dataset", True),
        ("from seglab.geometry.rle import rings_to_rle", True),
        ("from seglab.geometry import rle", True),
        ("from seglab import _LAZY", False),
        ("from seglab.yolo import YOLO", False),
        ("from seglab.geometry.rle import no_such_name", False),
        ("from seglab.compat.arguments import ARGUMENTS", False),
        ("import seglab.cli", False),
    ],
)
def test_what_is_not_public_is_found(code, public):
    assert all(is_public(module, name) for module, name in imports_of(code)) == public


def test_every_public_name_exists():
    for name in seglab.__all__:
        assert getattr(seglab, name) is not None and name in dir(seglab)
    with pytest.raises(AttributeError, match="no attribute 'YOLOO'"):
        seglab.YOLOO  # noqa: B018
    for folder in build_api.FOLDERS:
        package = importlib.import_module(f"seglab.{folder}")
        assert package.__doc__ and len(package.__all__) == len(set(package.__all__))
        for name in package.__all__:
            if build_api.is_module(folder, name):
                importlib.import_module(f"seglab.{folder}.{name}")
            else:
                assert callable(getattr(package, name))


def test_every_folder_says_what_is_public():
    folders = {path.parent.name for path in build_api.PACKAGE.glob("*/__init__.py")}
    assert folders == {*build_api.FOLDERS, "cli", "compat", "config", "loggers"}


def test_a_type_checker_sees_the_names_that_are_loaded_on_first_use():
    tree = ast.parse((build_api.PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {alias.asname or alias.name: (node.module, alias.name) for node in block.body for alias in node.names}
    assert seen == seglab._LAZY
    assert {*seen, "__version__"} == set(seglab.__all__)


def test_the_page_says_what_there_is():
    """After a change of the public API: python docs/build_api.py."""
    assert build_api.PAGE.read_text(encoding="utf-8") == build_api.api_page()


def test_importing_seglab_loads_nothing_heavy():
    code = "import sys, seglab; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "seglab" in loaded and not {"torch", "numpy", "cv2", "yaml", "typing", "dataclasses"} & set(loaded)


def test_help_does_not_wait_for_pytorch():
    code = "import sys; from seglab.cli import main; main(['help', 'train']); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "seglab.config" in loaded and not {"torch", "numpy", "cv2"} & set(loaded)
