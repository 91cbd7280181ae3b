"""One forward pass of a network on one image, kept completely for the tools that look inside."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.device import to_device
from seglab.errors import SeglabError
from seglab.geometry.letterbox import Letterbox
from seglab.inference.decode import decode
from seglab.inference.nms import suppress
from seglab.inference.predictor import fit, to_tensor
from seglab.model.head import COEFFICIENTS, RawOutput
from seglab.sample import Instance, Sample
from seglab.widgets.images import fit_to_screen


class ForwardPass(NamedTuple):
    """One run of a network over one image: what went in, what came out, all on the CPU."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    ground_truth: list[Instance]  # image frame
    letterbox: Letterbox
    predictions: Tensor  # (1, 4 + C + 32, A), letterbox frame
    prototypes: Tensor  # (32, h, w)
    raw: RawOutput | None  # undecoded; None from exported files
    mask_targets: str  # soft or hard, what the network was trained with


def run_network(model: Any, sample: Sample, imgsz: int | tuple[int, int] | None = None) -> ForwardPass:
    """Run the network of a `seglab.YOLO`, or the file it was exported to, over an image, once.

    imgsz: the network's input size, by default the one the model was trained at.
    """
    image, instances = fit_to_screen(sample)
    default = model.runtime.imgsz if model.network is None else model.overrides.get("imgsz")
    (box,) = fit([image.shape[:2]], imgsz or default or 640)
    pixels = to_tensor([box.apply(image)])  # (1, 3, h, w)
    if model.network is None:
        predictions, prototypes = (output.float().cpu() for output in model.runtime.forward(pixels))
        raw = None
    else:
        raw = raw_output(model, pixels)
        predictions = decode(raw, *box.size)
        prototypes = raw.prototypes
    return ForwardPass(image, instances, box, predictions, prototypes[0], raw, model.mask_targets)


def raw_output(model: Any, images: Tensor) -> RawOutput:
    """The network of a `seglab.YOLO` on letterboxed images (B, 3, H, W), undecoded, on the CPU.

    Errors: SeglabError for an exported file.
    """
    if model.network is None:
        raise SeglabError("an exported file returns decoded output only: open the weights it came from")
    network = model.network.eval()
    with torch.no_grad():
        raw = network(to_device(images, model.device))
    return RawOutput(*(field.float().cpu() for field in raw))


def detected_anchors(forward_pass: ForwardPass) -> Tensor:
    """(N,) the anchor points whose boxes are detections, highest score first."""
    predictions = forward_pass.predictions.clone()
    # Numbers travel in the place of the coefficients, so NMS says which anchor points it kept.
    predictions[:, -COEFFICIENTS:] = torch.arange(predictions.shape[2], dtype=torch.float32)
    return suppress(predictions)[0].coefficients[:, 0].long()
