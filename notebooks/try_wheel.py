"""Try the course as somebody has it who was only given the wheel: with real pip, fresh environments, no clone.

    python notebooks/try_wheel.py [LESSONS ...]     by default every lesson; 01 03 for some

1. The setup cell of a lesson, in a notebook environment without seglab: alone it must fail and not say "ready"; beside
   a wheel whose name ends in " (1)", as browsers name a second download, it installs and the lesson runs.
2. `pip install seglab` from the wheel, `seglab course`, and `pytest --nbval` on what that copies, from another folder.

It takes about ten minutes and needs the network for pip, so it is no test of `make test`; a workflow runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What a hosted notebook has: a kernel and something to run notebooks with, and torch.
NOTEBOOK_PACKAGES = ["ipykernel", "nbclient", "nbformat", "torch", "torchvision"]
RUN_SETUP = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:int(sys.argv[2])]
NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
print("".join(output.get("text", "") for output in notebook.cells[0].outputs))
"""


def run(*words: object, cwd: Path, fails: bool = False) -> str:
    """Run a command without this process's paths to the clone; its output. Errors: SystemExit when it goes wrong."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHONPATH", "SEGLAB_"))}
    environment |= {"SEGLAB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True)
    text = done.stdout + done.stderr
    if (done.returncode != 0) != fails:
        raise SystemExit(f"{' '.join(map(str, words))}\n{text}\nexit status {done.returncode}")
    return text


def fresh(folder: Path, packages: list[str]) -> Path:
    """A new virtual environment with these packages; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "-q", *packages, cwd=folder)
    return python


def try_setup_cell(wheel: Path, place: Path) -> None:
    """Part 1. Errors: SystemExit, AssertionError."""
    python = fresh(place / "notebook environment", NOTEBOOK_PACKAGES)
    here = place / "uploaded lesson"
    here.mkdir()
    (first, *_) = sorted((ROOT / "notebooks").glob("*.ipynb"))
    lesson = here / first.name
    lesson.write_bytes(first.read_bytes())
    alone = run(python, "-c", RUN_SETUP, lesson, 1, cwd=here, fails=True)
    assert "put the seglab-*.whl" in alone and "seglab is ready" not in alone, alone
    (here / f"{wheel.stem} (1).whl").write_bytes(wheel.read_bytes())
    (here / "zz-other-1.0-py3-none-any.whl").touch()
    installed = run(python, "-c", RUN_SETUP, lesson, 99, cwd=here)
    assert "seglab is ready" in installed, installed
    shutil.rmtree(python.parents[1])  # torch takes gigabytes where pip brings it with CUDA


def try_course(wheel: Path, place: Path, lessons: list[str]) -> str:
    """Part 2: pytest's last line. Errors: SystemExit."""
    python = fresh(place / "fresh environment", [f"{wheel}[export]", "nbval", "pytest", "ipykernel"])
    print(run(python, "-m", "seglab", "course", "my lessons", cwd=place).strip())
    copied = place / "my lessons"
    paths = [path for path in sorted(copied.rglob("*.ipynb")) if not lessons or path.name[:2] in lessons]
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    return run(python, "-m", "pytest", "-q", "--nbval", *paths, cwd=elsewhere).strip().splitlines()[-1]


def main(lessons: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="seglab course ") as folder:
        place = Path(folder)
        started = time.monotonic()
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, ROOT, cwd=place)
        (wheel,) = place.glob("seglab-*.whl")
        try_setup_cell(wheel, place)
        print(f"the setup cell installs {wheel.name} with pip, and fails without it")
        print(try_course(wheel, place, lessons))
        print(f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main(sys.argv[1:])
