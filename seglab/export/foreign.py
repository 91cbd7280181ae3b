"""Files that other YOLO tools exported: what they say about themselves, and how they lay out their tensors.

All of it is known from files that people have, opened and looked at; docs/export.md lists what was found.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.geometry.boxes import xyxy_to_xywh
from seglab.model.head import COEFFICIENTS, STRIDES

if TYPE_CHECKING:
    from seglab.export.metadata import ModelMetadata

PROTOTYPE_STRIDE = 4
DETECTION = 6 + COEFFICIENTS  # numbers of a detection after NMS: x1, y1, x2, y2, score, class, coefficients
MAX_NORMALIZED = 2.0  # centres in 0..1 lie within this, also those a little outside; in pixels it is a corner

# --- metadata --------------------------------------------------------------------------------------------------------


def read_metadata(text: str) -> dict[str, Any]:
    """A mapping written as JSON, as a Python literal or as YAML. Errors: ValueError when it is none of these."""
    import yaml

    value = read_value(text)
    if isinstance(value, str):
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None
    if not isinstance(value, Mapping):
        raise ValueError("the metadata are no mapping of names to values")
    return {str(key): inner for key, inner in value.items()}


def read_value(value: Any) -> Any:
    """What a text stands for where it is JSON or a Python literal; else the text, and anything else as it is."""
    if not isinstance(value, str):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return value


def read_names(value: Any) -> dict[int, str]:
    """Class id -> name, from a mapping or a list. Errors: ValueError, TypeError for anything else."""
    if isinstance(value, Mapping):
        return {int(index): str(name) for index, name in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {index: str(name) for index, name in enumerate(value)}
    raise TypeError("'names' must be a mapping or a list")


def read_size(value: Any) -> tuple[int, int]:
    """(height, width), from one side or two. Errors: ValueError, TypeError for anything else."""
    if isinstance(value, int):
        return value, value
    height, width = value
    return int(height), int(width)


def read_origin(values: Mapping[str, Any]) -> dict[str, Any]:
    """Producer, version, license and what the export arguments say, as fields of a Description."""
    arguments = values.get("args")
    arguments = arguments if isinstance(arguments, Mapping) else {}
    return {
        "producer": str(values.get("author") or "an unknown tool"),
        "version": str(values.get("version") or ""),
        "license": license_name(values.get("license")),
        "precision": _precision(values, arguments),
        "dynamic": bool(arguments.get("dynamic")),
        "mask_targets": "hard",  # other tools know no others
        "suppressed": bool(arguments.get("nms") or values.get("end2end")),
    }


def license_name(text: Any) -> str:
    """ "AGPL-3.0 License (https://...)" -> "AGPL-3.0"; other texts stay as they are, and nothing is "unknown"."""
    name = re.sub(r"\s*\(?https?://[^\s)]*\)?", "", str(text or ""))
    name = re.sub(r"\s+licen[cs]e$", "", name.strip(), flags=re.IGNORECASE)
    return name or "unknown"


def _precision(values: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """By the export arguments, or by the mark that onnxruntime's quantization leaves; fp32 where nothing is said."""
    bits = str(arguments.get("quantize"))
    if arguments.get("int8") or bits in ("8", "int8") or values.get("onnx.infer") == "onnxruntime.quant":
        return "int8"
    if arguments.get("half") or bits in ("16", "fp16"):
        return "fp16"
    return "fp32"


# --- tensors ---------------------------------------------------------------------------------------------------------


def fit_to_graph(description: ModelMetadata, images: Sequence[Any], outputs: Sequence[Sequence[Any]]) -> ModelMetadata:
    """The description with what a foreign file's graph knows better: size, batch, free shapes, whether NMS is inside.

    images: the input's shape; outputs: those of the outputs; entries that are no positive numbers are free. A file of
    which only the batch is free is used like one of fixed shapes.
    """
    height, width = images[1:3] if is_channels_last(images) else images[2:4]
    batch = images[0]
    fields: dict[str, Any] = {"dynamic": not (_is_fixed(height) and _is_fixed(width))}
    if not fields["dynamic"]:
        fields |= {"size": (height, width), "batch": batch if _is_fixed(batch) else 1}
    for shape in outputs:
        if len(shape) == 3 and _is_fixed(shape[1]) and _is_fixed(shape[2]):
            dense = 4 + len(description.names) + COEFFICIENTS == shape[1]
            fields["suppressed"] = shape[2] == DETECTION and not dense
    return replace(description, **fields)


def is_channels_last(images: Sequence[Any]) -> bool:
    """Whether an input shape is (B, H, W, 3) rather than (B, 3, H, W)."""
    return images[3] == 3 and images[1] != 3


def _is_fixed(side: Any) -> bool:
    return isinstance(side, int) and side > 0


def arrange(
    outputs: Sequence[Tensor], classes: int, height: int, width: int, channels_last: bool = False
) -> tuple[Tensor, Tensor]:
    """A foreign file's outputs for images of (height, width) -> predictions (B, 4 + C + 32, A) and prototypes
    (B, 32, H/4, W/4), float32, as every file of seglab's gives them.

    Channels may come last, boxes may be in 0..1 of width and height, and detections may be suppressed already: then A
    is their number, and a detection scores zero for every class but its own. channels_last: of the input, which decides
    for prototypes of 32 x 32 cells.
    Errors: SeglabError for outputs that are those of no YOLO segmentation model with so many classes.
    """
    shapes = [tuple(output.shape) for output in outputs]
    by_dimensions = {output.dim(): output.float() for output in outputs}
    if len(outputs) != 2 or by_dimensions.keys() != {3, 4}:
        raise _unknown(shapes, classes)
    predictions, prototypes = by_dimensions[3], by_dimensions[4]

    rows = 4 + classes + COEFFICIENTS
    anchors = sum((height // stride) * (width // stride) for stride in STRIDES)
    cells = (height // PROTOTYPE_STRIDE, width // PROTOTYPE_STRIDE)
    if tuple(predictions.shape[1:]) == (anchors, rows):
        predictions = predictions.transpose(1, 2)
    elif tuple(predictions.shape[1:]) != (rows, anchors):
        if predictions.shape[2] != DETECTION:
            raise _unknown(shapes, classes)
        predictions = from_detections(predictions, classes)
    first, last = (COEFFICIENTS, *cells), (*cells, COEFFICIENTS)
    found = tuple(prototypes.shape[1:])
    if found not in (first, last):
        raise _unknown(shapes, classes)
    if found != first or (first == last and channels_last):
        prototypes = prototypes.permute(0, 3, 1, 2)
    return in_pixels(predictions, height, width), prototypes.contiguous()


def from_detections(detections: Tensor, classes: int) -> Tensor:
    """Detections (B, N, 38) -> predictions (B, 4 + C + 32, N). Rows without a detection score zero."""
    corners, score, label, coefficients = detections.split((4, 1, 1, COEFFICIENTS), dim=2)
    one_hot = label.long() == torch.arange(classes)  # (B, N, C)
    parts = (xyxy_to_xywh(corners), one_hot * score, coefficients)
    return torch.cat(parts, dim=2).transpose(1, 2)


def in_pixels(predictions: Tensor, height: int, width: int) -> Tensor:
    """Predictions whose boxes are in pixels, whether they came so or as fractions of width and height.

    What half of the boxes say decides: single ones may lie anywhere. Rows without a box are not asked.
    """
    centers, sizes = predictions[:, :2], predictions[:, 2:4]
    is_box = (sizes > 0).any(dim=1)  # (B, A)
    farthest = centers.abs().amax(dim=1)[is_box]
    if not farthest.numel() or farthest.median() > MAX_NORMALIZED:
        return predictions
    scale = torch.tensor([width, height, width, height], dtype=predictions.dtype)
    return torch.cat((predictions[:, :4] * scale[:, None], predictions[:, 4:]), dim=1)


def _unknown(shapes: list[tuple[int, ...]], classes: int) -> SeglabError:
    return SeglabError(
        f"outputs of shapes {', '.join(map(str, shapes))} are not those of a YOLO segmentation model with {classes} "
        "classes: check that the file's metadata are its own"
    )
