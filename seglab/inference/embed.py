"""Images as vectors: what layers of the network make of them, averaged over the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from seglab.config import PredictConfig
from seglab.errors import SeglabError
from seglab.inference.predictor import fit, to_tensor
from seglab.inference.sources import batches, load
from seglab.model.yolo11 import YOLO11Seg


def embed(
    network: YOLO11Seg, source: Any, config: PredictConfig, layers: Sequence[int], device: str | torch.device = "cpu"
) -> Iterator[Tensor]:
    """Yield one vector for every image of `source`: the mean features of the layers, one behind the other.

    network: on `device`, fused or not. layers: their numbers, negative ones from the end.
    Errors: SeglabError for a layer that it does not have.
    """
    count = len(network.model)
    if not all(-count <= layer < count for layer in layers) or not layers:
        raise SeglabError(f"embed={list(layers)}: the network has layers 0 to {count - 1}, e.g. embed=[{count - 2}]")
    seen: dict[int, Tensor] = {}
    hooks = [
        network.model[layer].register_forward_hook(lambda _, __, output, layer=layer: seen.update({layer: output}))
        for layer in layers
    ]
    try:
        for images in batches(load(source, config.vid_stride, reading=config.reading), config.batch):
            boxes = fit([image.image.shape[:2] for image in images], config.imgsz, config.rect)
            batch = to_tensor([box.apply(image.image) for box, image in zip(boxes, images)], device, config.half)
            with torch.inference_mode():
                network(batch)
            # Each layer's output (B, c, h, w) averaged over its grid; the head has no single one.
            parts = [_as_features(seen[layer], layer).float().mean(dim=(2, 3)) for layer in layers]
            yield from torch.cat(parts, dim=1)
    finally:
        for hook in hooks:
            hook.remove()


def _as_features(output: Any, layer: int) -> Tensor:
    if not isinstance(output, Tensor):
        raise SeglabError(f"embed={layer}: layer {layer} is the head, which has no features: use the one before it")
    return output
