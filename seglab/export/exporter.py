"""Writes a network in another format, and lets it leave only when it agrees with the original."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seglab.data.catalogue import DatasetSpec, load_dataset
from seglab.data.image import read_image
from seglab.data.unfinished import unfinished
from seglab.errors import SeglabError, refuse_unknown
from seglab.export import coreml
from seglab.export.description import Description, fingerprint
from seglab.export.formats import FORMATS, find_format, module_of
from seglab.export.parity import verify
from seglab.geometry.letterbox import letterbox
from seglab.model.yolo11 import YOLO11Seg

CALIBRATION_PICTURES = 64
DEFAULTS: dict[str, Any] = {
    "imgsz": 640,  # side in pixels or (height, width), multiples of 32
    "batch": 1,  # images a call
    "dynamic": False,  # batch and size may differ from call to call
    "half": False,  # compute in float16
    "int8": False,  # compute in int8 but for the head's last layers, calibrated on `data`
    "nms": False,  # onnx only: a whole graph, photo in, boxes, scores and classes out
    "masks": False,  # with nms: masks at the photo's own resolution too
    "conf": 0.25,  # with nms: lowest score
    "iou": 0.7,  # with nms: overlap above which the poorer of two boxes goes
    "max_det": 300,  # with nms: most detections
    "data": None,  # dataset whose validation split gives the gate box and mask mAP
    "licence": "unknown",  # of the weights; goes into the file
}


def export(
    model: YOLO11Seg, names: dict[int, str], format: str = "onnx", out: str | Path | None = None, **options: Any
) -> Path:
    """Write `model` as `format` (see formats.FORMATS), verify it (see parity.verify), return its path.

    out: where to, by default yolo11<scale>-seg in the working directory, with the format's suffix; options: DEFAULTS.
    Errors: SeglabError for what a format cannot do, a missing package, or a file that does not agree (it is kept, with
    `.failed` after its name, to be looked at).
    """
    name, row = find_format(format)
    refuse_unknown(options, DEFAULTS, "export")
    chosen = {**DEFAULTS, **options}
    precision = "int8" if chosen["int8"] else "fp16" if chosen["half"] else "fp32"
    if precision not in row.precisions:
        able = ", ".join(other for other, its in FORMATS.items() if precision in its.precisions)
        raise SeglabError(f"format={name} has no {precision}: export without it, or use one of {able}")
    if chosen["dynamic"] and not row.dynamic:
        able = ", ".join(other for other, its in FORMATS.items() if its.dynamic)
        raise SeglabError(f"format={name} has fixed shapes only: export without dynamic=True, or use one of {able}")
    if not isinstance(chosen["batch"], int) or chosen["batch"] < 1:
        raise SeglabError(f"batch counts the images of a call, so it must be at least 1, not {chosen['batch']}")
    if precision == "int8" and chosen["data"] is None:
        raise SeglabError("int8=True needs data=: its pictures calibrate the file, and its mAP decides on it")
    _refuse_unfit_whole(name, precision, chosen)
    whole = {key: chosen[key] for key in ("conf", "iou", "max_det", "masks")} if chosen["nms"] else {}
    description = Description(
        names={int(index): str(label) for index, label in names.items()},
        size=_size(chosen["imgsz"]),
        batch=chosen["batch"],
        dynamic=bool(chosen["dynamic"]),
        precision=precision,
        licence=chosen["licence"],
        weights=fingerprint(model),
        end_to_end=whole,
    )
    path = Path(out or f"yolo11{model.scale}-seg")
    if not path.name.endswith(row.suffix):
        path = path.with_name(path.name + row.suffix)
    calibration = (_calibration(load_dataset(chosen["data"]), description),) if precision == "int8" else ()
    with unfinished(path) as part:  # made and judged in there: an earlier file stays until a better one is
        made = part / path.name
        module_of(row).write(model, made, description, *calibration)
        runs_here = row.module != "coreml" or coreml.RUNS_HERE
        if runs_here and not verify(made, model, description.names, chosen["data"]):
            failed = _move(made, path.with_name(path.name + ".failed"))
            raise SeglabError(
                f"the {name} file does not agree with the network, see the table above: it is now {failed}"
            )
        _move(made, path)
    if not runs_here:
        print(
            f"{path} is written but not verified, since only macOS runs it: repeat there with seglab verify {path.name}"
        )
    return path


def _move(made: Path, place: Path) -> Path:
    """Put a file, or a folder that is a model, in the place of whatever it replaces."""
    if made.is_dir() and place.is_dir():
        shutil.rmtree(place)
    return made.replace(place)


def _refuse_unfit_whole(name: str, precision: str, chosen: dict[str, Any]) -> None:
    if chosen["masks"] and not chosen["nms"]:
        raise SeglabError("masks=True puts masks into an end-to-end file: add nms=True")
    if chosen["nms"] and (name != "onnx" or precision == "int8" or chosen["dynamic"] or chosen["batch"] != 1):
        raise SeglabError(
            "nms=True makes a file that takes one photo of any size: it goes with format=onnx in fp32 or fp16, without "
            "dynamic and batch"
        )


def _calibration(spec: DatasetSpec, description: Description) -> Iterator[Tensor]:
    """Training pictures, letterboxed, in the file's batch size; validation stays unseen where there is a choice."""
    paths = spec.images("train" if spec.splits.get("train") else "val")[:CALIBRATION_PICTURES]
    batch = []
    for path in paths:
        image = read_image(path)
        boxed = letterbox(image.shape[:2], description.size).apply(image)
        batch.append(torch.from_numpy(boxed.copy()).permute(2, 0, 1).float() / 255)
        if len(batch) == description.batch:
            yield torch.stack(batch)
            batch = []


def _size(imgsz: int | list[int] | tuple[int, int]) -> tuple[int, int]:
    """A side or (height, width) -> (height, width). Errors: SeglabError when they are no multiples of 32."""
    sides = (imgsz, imgsz) if isinstance(imgsz, int) else tuple(imgsz)
    if len(sides) != 2 or any(side < 32 or side % 32 for side in sides):
        raise SeglabError(f"imgsz must be a multiple of 32 or a pair (height, width) of such, not {imgsz}")
    return sides
