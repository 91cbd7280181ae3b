"""Images as vectors: what the network's last layer before its head sees in each, averaged over the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from seglab.config import PredictConfig
from seglab.inference.predictor import fit, to_tensor
from seglab.inference.sources import batches, load
from seglab.model.yolo11 import YOLO11Seg


def embed(
    network: YOLO11Seg, source: Any, config: PredictConfig, device: torch.device, layer: int | None = None
) -> Iterator[Tensor]:
    """One vector (C,) per image of `source` (see sources.load), C being the channels of the layer.

    layer: number of the layer in network.model, by default the last one before the head.
    """
    network = network.eval()
    inner = network.model[len(network.model) - 2 if layer is None else layer]
    seen: list[Tensor] = []
    hook = inner.register_forward_hook(lambda module, inputs, output: seen.append(output))  # (B, C, h, w)
    try:
        for images in batches(load(source, config.vid_stride), config.batch):
            boxes = fit([image.image.shape[:2] for image in images], config.imgsz, config.rect)
            batch = to_tensor([box.apply(image.image) for box, image in zip(boxes, images)], device)
            seen.clear()
            with torch.no_grad():
                network(batch.to(next(network.parameters()).dtype))
            yield from seen[0].float().mean(dim=(2, 3)).cpu()
    finally:
        hook.remove()
