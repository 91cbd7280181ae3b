"""Nearly official weights and real images, found through SEGLAB_SHARED; without it these tests skip and say so."""

from __future__ import annotations

import os
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
