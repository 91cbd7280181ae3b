"""Files that other YOLO tools exported lay out their tensors in other ways; here they become those of seglab.

All of it is known from files that people have, opened and looked at; docs/export.md lists what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.export.metadata import ModelMetadata
from seglab.geometry.boxes import xyxy_to_xywh
from seglab.model.head import COEFFICIENTS, PROTOTYPE_STRIDE, STRIDES

DETECTION_VALUES = 6 + COEFFICIENTS  # numbers per detection after NMS: x1, y1, x2, y2, score, class, coefficients
MAX_NORMALIZED = 2.0  # centers in 0..1 lie within this, also those a little outside; in pixels it is a corner


def fit_to_graph(metadata: ModelMetadata, images: Sequence[Any], outputs: Sequence[Sequence[Any]]) -> ModelMetadata:
    """The metadata of a foreign file, corrected by its graph: size, batch, free shapes, whether NMS is inside.

    images: shape of the input; outputs: shapes of the outputs. Entries that are not positive numbers are free. A file
    in which only the batch is free is used like one of fixed shapes. Errors: SeglabError where the input is no batch of
    images.
    """
    if len(images) != 4:
        raise SeglabError(
            f"the input of the exported file has the shape {list(images)} and not that of images, (B, 3, H, W): export "
            "it again from a segmentation model"
        )
    height, width = images[1:3] if is_channels_last(images) else images[2:4]
    if not (_is_fixed(height) and _is_fixed(width)):
        metadata = replace(metadata, dynamic=True)
    else:
        batch = images[0] if _is_fixed(images[0]) else 1
        metadata = replace(metadata, dynamic=False, size=(height, width), batch=batch)

    dense_rows = 4 + len(metadata.names) + COEFFICIENTS
    for shape in outputs:
        is_predictions = len(shape) == 3 and _is_fixed(shape[1]) and _is_fixed(shape[2])
        if is_predictions:
            has_nms = shape[2] == DETECTION_VALUES and shape[1] != dense_rows
            metadata = replace(metadata, has_nms=has_nms)
    return metadata


def is_channels_last(images: Sequence[Any]) -> bool:
    """Whether an input shape is (B, H, W, 3) rather than (B, 3, H, W)."""
    return images[3] == 3 and images[1] != 3


def _is_fixed(side: Any) -> bool:
    return isinstance(side, int) and side > 0


def to_seglab_layout(
    outputs: Sequence[Tensor], classes: int, height: int, width: int, channels_last: bool = False
) -> tuple[Tensor, Tensor]:
    """A foreign file's outputs for images of (height, width) -> predictions (B, 4 + C + 32, A) and prototypes
    (B, 32, H/4, W/4), float32, as every file of seglab's gives them.

    Channels may come last, boxes may be in 0..1 of width and height, and NMS may be done already: then A is the number
    of detections, and a detection scores zero for every class but its own. channels_last: of the input, which decides
    for prototypes of 32 x 32 cells.
    Errors: SeglabError for outputs that are not those of a YOLO segmentation model with so many classes.
    """
    shapes = [tuple(output.shape) for output in outputs]
    by_dimensions = {output.dim(): output.float() for output in outputs}
    if len(outputs) != 2 or by_dimensions.keys() != {3, 4}:
        raise _unknown(shapes, classes)
    predictions = by_dimensions[3]
    prototypes = by_dimensions[4]

    # Predictions: as seglab's, transposed, or detections after NMS.
    rows = 4 + classes + COEFFICIENTS
    anchors = sum((height // stride) * (width // stride) for stride in STRIDES)
    shape = tuple(predictions.shape[1:])
    if shape == (anchors, rows):
        predictions = predictions.transpose(1, 2)
    elif shape != (rows, anchors):
        if predictions.shape[2] != DETECTION_VALUES:
            raise _unknown(shapes, classes)
        predictions = from_detections(predictions, classes)

    # Prototypes: channels first or last. Where both are 32 x 32 x 32, the layout of the input decides.
    cells = (height // PROTOTYPE_STRIDE, width // PROTOTYPE_STRIDE)
    channels_first_shape = (COEFFICIENTS, *cells)
    channels_last_shape = (*cells, COEFFICIENTS)
    shape = tuple(prototypes.shape[1:])
    if shape not in (channels_first_shape, channels_last_shape):
        raise _unknown(shapes, classes)
    is_ambiguous = channels_first_shape == channels_last_shape
    if shape != channels_first_shape or (is_ambiguous and channels_last):
        prototypes = prototypes.permute(0, 3, 1, 2)
    return to_pixels(predictions, height, width), prototypes.contiguous()


def from_detections(detections: Tensor, classes: int) -> Tensor:
    """Detections (B, N, 38) -> predictions (B, 4 + C + 32, N). Rows without a detection score zero."""
    corners, score, label, coefficients = detections.split((4, 1, 1, COEFFICIENTS), dim=2)
    one_hot = label.long() == torch.arange(classes)  # (B, N, C)
    parts = (xyxy_to_xywh(corners), one_hot * score, coefficients)
    return torch.cat(parts, dim=2).transpose(1, 2)


def to_pixels(predictions: Tensor, height: int, width: int) -> Tensor:
    """Predictions whose boxes are in pixels, whether they came so or as fractions of width and height.

    The median box decides, since single ones may lie anywhere. Rows without a box do not count.
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
        "classes: check that the metadata belongs to this file"
    )
