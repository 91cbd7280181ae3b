"""The main job in one go, offline: fine-tune the course weights to a new class, validate, predict, draw and export."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

from seglab.datasets.pretrained import COURSE_WEIGHTS
from seglab.toybox.cells import NAME, generate_cells
from seglab.yolo import YOLO


def demo(out: str | Path = "runs/demo", epochs: int = 8, imgsz: int = 320) -> dict[str, str]:
    """Fine-tune the course weights, which know toys, on cells under a microscope, and leave everything under `out`.

    imgsz: side of the network's input in pixels. Prints one closing table and returns it: what was made -> where it is,
    and the metrics before and after.
    """
    started = time.monotonic()
    out = Path(out)
    project = str(out)
    data = out / "cells" / "cells.yaml"
    if not data.is_file():
        generate_cells(data.parent)

    # Each verb writes into a folder of its own, which a second demo overwrites.
    model = YOLO(COURSE_WEIGHTS)
    model.train(data=data, epochs=epochs, imgsz=imgsz, project=project, name="train", exist_ok=True)
    with open(out / "train" / "results.csv", encoding="utf-8") as file:
        before = next(csv.DictReader(file))  # row 0: the start
    metrics = model.val(data=data, imgsz=imgsz, plots=True, project=project, name="val", exist_ok=True)

    # The weights and the file made from them must find the same cells.
    images = sorted((data.parent / "images" / "val").iterdir())
    folder: dict[str, Any] = {"project": project, "name": "predict", "exist_ok": True}
    found = model.predict(images, imgsz=imgsz, engine="torch", save=True, save_txt=True, **folder)
    exported = model.export(format="onnx", imgsz=imgsz, dynamic=True, out=out / "model")
    found_by_file = YOLO(exported).predict(images)

    # What was made and where it is, as one table.
    table = {
        "box mAP50-95": f"{float(before['metrics/mAP50-95(B)']):.3f} before, {metrics.box.map:.3f} after",
        "mask mAP50-95": f"{float(before['metrics/mAP50-95(M)']):.3f} before, {metrics.seg.map:.3f} after",
        f"{NAME}s found": f"{sum(map(len, found))} by the weights, {sum(map(len, found_by_file))} by the ONNX file",
        "weights": str(out / "train" / "weights" / "best.safetensors"),
        "training curves": str(out / "train" / "results.png"),
        "validation curves": str(out / "val"),
        "annotated images": str(out / "predict"),
        "ONNX file": exported,
        "time": f"{time.monotonic() - started:.0f} s",
    }
    width = max(map(len, table))
    rows = [f"  {name:<{width}}  {value}" for name, value in table.items()]
    print("\n".join(["", "seglab demo", *rows]))
    return table
