"""Writes a network in another format, and lets it leave only when it agrees with the original."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from torch import Tensor

from seglab.config import ExportConfig, names_of, refuse_unknown
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.export import coreml
from seglab.export.metadata import ModelMetadata, fingerprint
from seglab.export.parity import verify
from seglab.export.registry import FORMATS, Format, find_format, module_of
from seglab.files import staging_dir
from seglab.geometry.letterbox import letterbox
from seglab.inference.predictor import to_tensor
from seglab.model.yolo11 import YOLO11Seg

CALIBRATION_PICTURES = 64


def export(
    model: YOLO11Seg, names: dict[int, str], format: str = "onnx", out: str | Path | None = None, **options: Any
) -> Path:
    """Write `model` as `format` (see formats.FORMATS), verify it (see parity.verify), return its path.

    out: where to, by default yolo11<scale>-seg in the working directory, with the format's suffix; options: those of
    ExportConfig. Errors: SeglabError for what a format cannot do, a missing package, or a file that does not agree (it
    is kept, with `.failed` after its name, to be looked at).
    """
    name, row = find_format(format)
    refuse_unknown(options, names_of(ExportConfig), "export")
    config = ExportConfig(**options)
    _refuse_unfit(name, row, config)
    description = ModelMetadata(
        names={int(index): str(label) for index, label in names.items()},
        size=config.size,
        batch=config.batch,
        dynamic=config.dynamic,
        precision=config.precision,
        license=config.license,
        mask_targets=config.mask_targets,
        weights=fingerprint(model),
        end_to_end={key: getattr(config, key) for key in ("conf", "iou", "max_det", "masks")} if config.nms else {},
    )
    path = Path(out or f"yolo11{model.scale}-seg")
    if not path.name.endswith(row.suffix):
        path = path.with_name(path.name + row.suffix)
    calibration = (_calibration(load_dataset(config.data), description),) if config.int8 else ()
    with staging_dir(path) as part:  # made and judged in there: an earlier file stays until a better one is
        made = part / path.name
        module_of(row).write(model, made, description, *calibration)
        runs_here = row.module != "coreml" or coreml.RUNS_HERE
        if runs_here and not verify(made, model, description.names, config.data):
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


def _refuse_unfit(name: str, row: Format, config: ExportConfig) -> None:
    """Raise SeglabError for what the format cannot do, and for options that do not go together."""
    if config.precision not in row.precisions:
        able = ", ".join(other for other, its in FORMATS.items() if config.precision in its.precisions)
        raise SeglabError(f"format={name} has no {config.precision}: export without it, or use one of {able}")
    if config.dynamic and not row.dynamic:
        able = ", ".join(other for other, its in FORMATS.items() if its.dynamic)
        raise SeglabError(f"format={name} has fixed shapes only: export without dynamic=True, or use one of {able}")
    if config.int8 and config.half:
        raise SeglabError("half=True and int8=True are two precisions: export with one of them")
    if config.int8 and config.data is None:
        raise SeglabError("int8=True needs data=: its images calibrate the file, and its mAP decides on it")
    if config.masks and not config.nms:
        raise SeglabError("masks=True puts masks into an end-to-end file: add nms=True")
    if config.nms and (name != "onnx" or config.int8 or config.dynamic or config.batch != 1):
        raise SeglabError(
            "nms=True makes a file that takes one photo of any size: it goes with format=onnx in fp32 or fp16, without "
            "dynamic and batch"
        )


def _calibration(spec: DatasetSpec, description: ModelMetadata) -> Iterator[Tensor]:
    """Training images, letterboxed, in the file's batch size; validation stays unseen where there is a choice."""
    paths = spec.images("train" if spec.splits.get("train") else "val")[:CALIBRATION_PICTURES]
    images = map(read_image, cycle(paths))  # again from the first where a batch takes more than there are
    for _ in range(max(1, len(paths) // description.batch)):
        group = islice(images, description.batch)
        yield to_tensor([letterbox(image.shape[:2], description.size).apply(image) for image in group])
