"""What scripts read from `model.model`: its architecture as a YAML would say it, arguments, and facts of its layers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from torch import nn

from seglab.compat.utilities import get_num_params, model_info
from seglab.model.head import BINS, COEFFICIENTS
from seglab.model.yolo11 import SCALES, YOLO11Seg

BACKBONE_LAYERS = 11
UPSAMPLE = ("nn.Upsample", ["None", 2, "nearest"])
# For every layer: whose output it takes (-1: of the layer before), how often it is repeated at full depth, its type,
# and its arguments at full width.
PLAN: list[tuple[Any, int, str, list[Any]]] = [
    (-1, 1, "Conv", [64, 3, 2]),
    (-1, 1, "Conv", [128, 3, 2]),
    (-1, 2, "C3k2", [256, False, 0.25]),
    (-1, 1, "Conv", [256, 3, 2]),
    (-1, 2, "C3k2", [512, False, 0.25]),
    (-1, 1, "Conv", [512, 3, 2]),
    (-1, 2, "C3k2", [512, True]),
    (-1, 1, "Conv", [1024, 3, 2]),
    (-1, 2, "C3k2", [1024, True]),
    (-1, 1, "SPPF", [1024, 5]),
    (-1, 2, "C2PSA", [1024]),
    (-1, 1, *UPSAMPLE),
    ([-1, 6], 1, "Concat", [1]),
    (-1, 2, "C3k2", [512, False]),
    (-1, 1, *UPSAMPLE),
    ([-1, 4], 1, "Concat", [1]),
    (-1, 2, "C3k2", [256, False]),
    (-1, 1, "Conv", [256, 3, 2]),
    ([-1, 13], 1, "Concat", [1]),
    (-1, 2, "C3k2", [512, False]),
    (-1, 1, "Conv", [512, 3, 2]),
    ([-1, 10], 1, "Concat", [1]),
    (-1, 2, "C3k2", [1024, True]),
    ([16, 19, 22], 1, "Segment", ["nc", COEFFICIENTS, 256]),
]


def architecture(network: YOLO11Seg) -> dict[str, Any]:
    """The network as a YAML file describes it: classes, scales, and a row [from, repeats, type, arguments] a layer."""
    rows = [[source, repeats, kind, list(arguments)] for source, repeats, kind, arguments in PLAN]
    scales = {letter: [scale.depth, scale.width, scale.max_channels] for letter, scale in SCALES.items()}
    return {
        "nc": network.classes,
        "scales": scales,
        "backbone": rows[:BACKBONE_LAYERS],
        "head": rows[BACKBONE_LAYERS:],
        "scale": network.scale,
        "yaml_file": f"yolo11{network.scale}-seg.yaml",
        "channels": 3,
    }


def describe(network: YOLO11Seg, names: dict[int, str], arguments: Mapping[str, Any], path: str | None) -> None:
    """Put onto a network what scripts read from it. arguments: of its training; path: of its weights."""
    facts = {
        "names": names,
        "yaml": architecture(network),
        "args": dict(arguments),
        "task": "segment",
        "pt_path": path,
        "save": sorted({source for row in PLAN if isinstance(row[0], list) for source in row[0] if source >= 0}),
        "info": functools.partial(_info, network),
        "fuse": functools.partial(_itself, network),
        "is_fused": _no,
    }
    for name, value in facts.items():
        object.__setattr__(network, name, value)
    for index, (layer, row) in enumerate(zip(network.model, PLAN)):
        object.__setattr__(layer, "i", index)
        object.__setattr__(layer, "f", row[0])
        object.__setattr__(layer, "type", f"{type(layer).__module__}.{type(layer).__name__}")
        object.__setattr__(layer, "np", get_num_params(layer))
    head = network.head
    of_head = {
        "nc": network.classes,
        "nl": len(network.stride),
        "nm": COEFFICIENTS,
        "npr": head.proto.cv1.conv.out_channels,
        "reg_max": BINS,
        "no": network.classes + 4 * BINS,
        "stride": network.stride,
    }
    for name, value in of_head.items():
        object.__setattr__(head, name, value)


def _info(network: nn.Module, detailed: bool = False, verbose: bool = True, imgsz: int = 640) -> Any:
    """Print and return how large the network is."""
    return model_info(network, detailed, verbose, imgsz)


def _itself(network: nn.Module, verbose: bool = True) -> nn.Module:
    """The network: prediction runs a fused copy by itself."""
    return network


def _no(*_: Any) -> bool:
    """The network that is held is never fused."""
    return False
