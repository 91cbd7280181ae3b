"""Export a network to another format; the file is kept only if it agrees with the network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from torch import Tensor

from seglab.config import ExportConfig, names_of, refuse_unknown
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.subset import evenly
from seglab.errors import MAX_REASON, SeglabError
from seglab.export.metadata import ModelMetadata, fingerprint
from seglab.export.parity import verify
from seglab.export.registry import FORMATS, ExportFormat, find_format
from seglab.files import replace, staging_dir
from seglab.geometry.letterbox import letterbox
from seglab.image_files import DEFAULT_READING, Reading
from seglab.inference.predictor import to_tensor
from seglab.model.yolo11 import YOLO11Seg

CALIBRATION_IMAGES = 64


def export(
    model: YOLO11Seg, names: dict[int, str], format: str = "onnx", out: str | Path | None = None, **options: Any
) -> Path:
    """Write `model` as `format` (see registry.FORMATS), verify it (see parity.verify), return its path.

    names: class id -> name.
    out: where to, by default yolo11<scale>-seg in the working directory; the format's suffix is added.
    options: those of ExportConfig.
    Errors: SeglabError for what a format cannot do, a missing package, or a file that does not agree (it is kept, with
    `.failed` after its name, to be looked at).
    """
    name, its = find_format(format)
    refuse_unknown(options, names_of(ExportConfig), "export")
    config = ExportConfig(**options)
    if its.PRECISIONS == ("fp16",) and config.precision == "fp32":  # the only one there is needs no asking for
        config = dataclasses.replace(config, half=True)
    if config.name is not None and name != "rknn":
        print(f"export does not use name={config.name!r}: it is the chip of RKNN files; out= says where to write")
    _refuse_unsupported(name, its, config)

    path = Path(out or f"yolo11{model.scale}-seg")
    if not path.name.endswith(its.SUFFIX):
        path = path.with_name(path.name + its.SUFFIX)
    metadata = _metadata(model, names, config)

    with staging_dir(path) as folder:  # an earlier file stays until a better one is verified
        staged = folder / path.name
        _write(its, name, staged, model, metadata, config)
        if its.runs_here() and not verify(staged, model, metadata.names, config.data, trust=True, given=config):
            failed = replace(staged, path.with_name(path.name + ".failed"))
            raise SeglabError(
                f"the {name} file does not agree with the network (see the table above): it was kept as {failed}"
            )
        replace(staged, path)
    if not its.runs_here():
        print(
            f"{path} was written but not verified, since it cannot run here: run seglab verify {path.name} where it can"
        )
    return path


def _write(
    its: ExportFormat, name: str, path: Path, model: YOLO11Seg, metadata: ModelMetadata, config: ExportConfig
) -> None:
    """Write a file by its format. Errors: SeglabError also where a converter meets a disk that fails, or gives up."""
    write: Callable[..., None] = its.write
    calibration = _calibration(config, metadata)
    try:
        write(model, path, metadata, calibration, **_own_options(name, config))
    except (SeglabError, OSError, MemoryError):
        raise
    except Exception as error:  # what converters raise is listed nowhere
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise SeglabError(
            f"the {name} file could not be written ({type(error).__name__}: {reason}): see that the disk is sound and "
            "has room; if it is, report it with the output of `seglab checks`"
        ) from error


def _own_options(name: str, config: ExportConfig) -> dict[str, Any]:
    """What only this format's `write` takes."""
    if name == "onnx":
        return {"opset": config.opset, "fold": config.simplify}
    if name == "engine":
        return {"workspace": config.workspace}
    if name == "rknn":
        return {"chip": config.name}
    return {}


def _metadata(model: YOLO11Seg, names: dict[int, str], config: ExportConfig) -> ModelMetadata:
    """What the file will say about itself."""
    end_to_end = {}
    if config.nms:
        end_to_end = {"conf": config.conf, "iou": config.iou, "max_det": config.max_det, "masks": config.masks}
    return ModelMetadata(
        names={int(class_id): str(name) for class_id, name in names.items()},
        size=config.size,
        batch=config.batch,
        dynamic=config.dynamic,
        precision=config.precision,
        license=config.license,
        weights=fingerprint(model),
        mask_targets=config.mask_targets,
        end_to_end=end_to_end,
    )


def _refuse_unsupported(name: str, its: ExportFormat, config: ExportConfig) -> None:
    """Raise SeglabError for what the format cannot do, and for options that do not go together."""
    if config.precision not in its.PRECISIONS:
        able = ", ".join(name for name, other in FORMATS.items() if config.precision in other.PRECISIONS)
        raise SeglabError(f"format={name} has no {config.precision}: export without it, or use one of {able}")
    if config.dynamic and not its.DYNAMIC:
        able = ", ".join(name for name, other in FORMATS.items() if other.DYNAMIC)
        raise SeglabError(f"format={name} has fixed shapes only: export without dynamic=True, or use one of {able}")
    if config.int8 and config.half:
        raise SeglabError("half=True and int8=True cannot be combined: use one of them")
    if config.int8 and config.data is None:
        raise SeglabError(
            "int8=True needs data=: a dataset whose images calibrate the file, and on which its mAP is checked"
        )
    if config.opset is not None and name != "onnx":
        raise SeglabError(f"opset={config.opset} is for ONNX files: leave it out, or use format=onnx")
    if config.workspace is not None and name != "engine":
        raise SeglabError(f"workspace={config.workspace:g} is for TensorRT engines: leave it out, or use format=engine")
    if config.masks and not config.nms:
        raise SeglabError("masks=True puts masks into an end-to-end file: add nms=True")
    if config.nms and (name != "onnx" or config.int8 or config.dynamic or config.batch != 1):
        raise SeglabError(
            "nms=True writes a file that takes one image of any size: use it with format=onnx in fp32 or fp16, without "
            "dynamic and batch"
        )


def _calibration(config: ExportConfig, metadata: ModelMetadata) -> Iterator[Tensor]:
    """The images that set the ranges of int8; nothing for other precisions."""
    if config.int8 and config.data is not None:
        yield from calibration_batches(load_dataset(config.data), metadata, config.fraction, config.reading)


def calibration_batches(
    spec: DatasetSpec, metadata: ModelMetadata, fraction: float = 1.0, reading: Reading = DEFAULT_READING
) -> Iterator[Tensor]:
    """Training images, letterboxed, in the file's batch size: (B, 3, H, W) float in 0..1.

    Validation images stay unseen where there are others. fraction: part of the images that are used, spread evenly.
    """
    split = "train" if spec.splits.get("train") else "val"
    paths = evenly(spec.images(split)[:CALIBRATION_IMAGES], fraction)
    images = (
        read_image(path, reading) for path in cycle(paths)
    )  # again from the first where a batch takes more than there are
    for _ in range(max(1, len(paths) // metadata.batch)):
        group = islice(images, metadata.batch)
        yield to_tensor([letterbox(image.shape[:2], metadata.size).apply(image) for image in group])
