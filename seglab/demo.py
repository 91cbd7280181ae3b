"""The main job in one go, offline, on the embedded data: train, validate, predict, draw and export."""

from __future__ import annotations

import time
from pathlib import Path

from seglab.yolo import COURSE_WEIGHTS, YOLO

DATA = "toybox8-seg"


def demo(out: str | Path = "runs/demo", epochs: int = 20, imgsz: int = 320) -> dict[str, str]:
    """Fine-tune the course weights on the eight embedded scenes and leave everything under `out`.

    Prints one closing table and returns it: what was made -> where it is, and the figures.
    """
    began, out = time.monotonic(), Path(out)
    folders = {"project": str(out), "exist_ok": True}
    model = YOLO(COURSE_WEIGHTS)
    # a gentle rate: four pictures should not undo what thousands taught
    model.train(
        data=DATA,
        epochs=epochs,
        imgsz=imgsz,
        batch=4,
        optimizer="AdamW",
        lr0=1e-4,
        warmup_bias_lr=0.0,
        **folders,
        name="train",
    )
    metrics = model.val(data=DATA, imgsz=640, plots=True, **folders, name="val")
    found = model.predict(DATA, imgsz=640, save=True, save_txt=True, **folders, name="predict")
    exported = model.export(format="onnx", imgsz=640, dynamic=True, out=out / "model")
    again = YOLO(exported).predict(DATA)
    table = {
        "box mAP50-95": f"{metrics.box.map:.3f}",
        "mask mAP50-95": f"{metrics.seg.map:.3f}",
        "objects found": f"{sum(map(len, found))} by the weights, {sum(map(len, again))} by the ONNX file",
        "weights": str(out / "train" / "weights" / "best.safetensors"),
        "training curves": str(out / "train" / "results.png"),
        "validation curves": str(out / "val"),
        "annotated pictures": str(out / "predict"),
        "ONNX file": exported,
        "time": f"{time.monotonic() - began:.0f} s",
    }
    width = max(map(len, table))
    print("\n".join(["", "seglab demo", *(f"  {name:<{width}}  {value}" for name, value in table.items())]))
    return table
