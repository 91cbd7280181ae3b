"""Nearly official weights and real images, found through SEGLAB_SHARED; without it these tests skip and say so."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

os.environ["YOLO_OFFLINE"] = "1"  # ultralytics is asked as a black box, and never looks anything up


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with weights/, datasets/ and exports/ that the project may test with and never ships."""
    folder = os.environ.get("SEGLAB_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip(
            "set SEGLAB_SHARED to the folder that holds weights, datasets and exports to run the real-weight tests"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def coco_weights(shared_folder) -> Path:
    """YOLO11n-seg weights trained on COCO."""
    path = shared_folder / "weights" / "yolo11n-seg-rebuilt.safetensors"
    if not path.is_file():
        pytest.skip(f"{path} is not there, so nothing can be tested with real weights")
    return path


@pytest.fixture(scope="session")
def cases(shared_folder, tmp_path_factory) -> Path:
    """Small inputs that real people's files are like, a folder each."""
    archive = shared_folder / "cases" / "cases.tar.gz"
    if not archive.is_file():
        pytest.skip(f"{archive} is not there, so its inputs cannot be tested")
    folder = tmp_path_factory.mktemp("cases")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def tool_exports(shared_folder, tmp_path_factory) -> Path:
    """Folders in the layouts of labeling tools, from 23 images with 142 persons and cars."""
    script = shared_folder / "cases" / "tool_exports.py"
    if not script.is_file():
        pytest.skip(f"{script} is not there, so its folders cannot be tested")
    folder = tmp_path_factory.mktemp("exports")
    subprocess.run([sys.executable, script, shared_folder / "datasets", folder], check=True, capture_output=True)
    return folder
