"""Scripts as people write them for ultralytics, with the import changed: each runs to its end, which asserts.

They were written from public documentation before the code, and stay as they are. Each runs in a folder of its own with
an image, a folder of images, a video, a dataset and weights under the name that scripts use.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.formats.yolo import write_dataset_yaml

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
ROOT = Path(__file__).resolve().parents[2]
NEEDS = {"fastapi_app": ("fastapi", "httpx", "multipart"), "gradio_app": ("gradio",), "streamlit_app": ("streamlit",),
         "pandas_table": ("pandas",), "result_tables": ("pandas",), "confusion_matrix": ("pandas",),
         "results_csv_plot": ("pandas",), "export_reload": ("onnxruntime",), "export_then_compare": ("onnxruntime",),
         "onnxruntime_decoding": ("onnxruntime",),
         "folder_report": ("pandas",), "kfold_training": ("pandas",),
         "benchmark_table": ("pandas", "onnxruntime")}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """What every script finds in its folder."""
    folder = tmp_path_factory.mktemp("workspace")
    spec = load_dataset("toybox8-seg")
    images = [cv2.imread(str(path)) for path in spec.images("val")[:2]]
    cv2.imwrite(str(folder / "bus.jpg"), images[0])
    (folder / "images").mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"images/{number}.jpg"), image)

    height, width = images[0].shape[:2]
    video = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (width, height))
    for number in range(4):
        video.write(np.roll(images[0], 4 * number, axis=1))
    video.release()

    splits = {split: str(spec.root / "images" / split) for split in ("train", "val")}
    write_dataset_yaml(folder / "coco8-seg.yaml", splits, spec.names)
    model = YOLO("toybox-n")
    model.overrides |= {"imgsz": 320, "data": str(folder / "coco8-seg.yaml")}
    model.save(folder / "yolo11n-seg.pt")
    return folder


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`seglab` on the path, as an installation has it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "seglab"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m seglab "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs(script, workspace, tmp_path, monkeypatch, one_thread, request):
    for package in NEEDS.get(script.stem, ()):
        pytest.importorskip(package)
    if script.stem == "cli_calls":
        if os.name == "nt":
            pytest.skip("the command of this test is a shell script")
        request.getfixturevalue("command")
    folder = tmp_path / "here"
    shutil.copytree(workspace, folder)
    monkeypatch.chdir(folder)
    with torch.random.fork_rng():
        runpy.run_path(str(script), run_name="__main__")
