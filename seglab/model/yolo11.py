"""YOLO11-seg in five sizes: backbone, neck and head, wired by hand so that the forward pass reads from top to bottom.

stride 2   Conv
stride 4   Conv, C3k2
stride 8   Conv, C3k2 -----------------> p3 --------------------> C3k2 = out3 ------------> head
stride 16  Conv, C3k2 -----------------> p4 ----> C3k2 = n4 ----> C3k2 = out4 ------------> head
stride 32  Conv, C3k2, SPPF, C2PSA ----> p5 --------------------> C3k2 = out5 ------------> head
           backbone                      neck: down the pyramid (p5 -> n4 -> out3), then up (out3 -> out4 -> out5)
"""

from __future__ import annotations

import copy
import math
import re
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from seglab.class_names import MAX_CLASSES
from seglab.errors import SeglabError
from seglab.model.blocks import C2PSA, SPPF, C3k2, Conv, upsample
from seglab.model.head import STRIDES, RawOutput, SegmentHead, last_convolution

MAX_CLASS_WIDTH = 4096  # channels of a class branch; a file may say any number, and official networks have at most 384


class Scale(NamedTuple):
    """How one of the five sizes differs from the common plan."""

    depth: float  # factor on the number of repeated blocks
    width: float  # factor on the number of channels
    max_channels: int  # cap on the channels before the factor
    c3k: bool  # the larger sizes use the C3k variant in every block


SCALES = {
    "n": Scale(0.50, 0.25, 1024, False),
    "s": Scale(0.50, 0.50, 1024, False),
    "m": Scale(0.50, 1.00, 512, True),
    "l": Scale(1.00, 1.00, 512, True),
    "x": Scale(1.00, 1.50, 512, True),
}


class YOLO11Seg(nn.Module):
    """The network. Layers 0-10 are the backbone, 11-22 the neck, 23 the head, numbered and named as officially.

    class_width: channels inside the class branches, see SegmentHead; None: as an official network of so many classes.
    """

    def __init__(self, scale: str = "n", classes: int = 80, class_width: int | None = None):
        super().__init__()
        if scale not in SCALES:
            raise SeglabError(f"there is no YOLO11 scale '{scale}': choose one of {', '.join(SCALES)}")
        if classes < 1:
            raise SeglabError(f"a model needs at least one class, not {classes}")
        self.scale = scale
        self.classes = classes
        # A scale is three numbers: how deep, how wide, and how wide at most.
        depth, width, cap, c3k = SCALES[scale]

        def ch(channels: int) -> int:
            """Channels at this scale, a multiple of 8."""
            return math.ceil(min(channels, cap) * width / 8) * 8

        repeats = max(round(2 * depth), 1)
        # Positions are names: weights of layer 4 are called model.4.*, so layers without weights keep their place.
        self.model = nn.ModuleList(
            [
                Conv(3, ch(64), 3, 2),  # 0: stride 2
                Conv(ch(64), ch(128), 3, 2),  # 1: stride 4
                C3k2(ch(128), ch(256), repeats, c3k, expansion=0.25),  # 2
                Conv(ch(256), ch(256), 3, 2),  # 3: stride 8
                C3k2(ch(256), ch(512), repeats, c3k, expansion=0.25),  # 4: to the neck
                Conv(ch(512), ch(512), 3, 2),  # 5: stride 16
                C3k2(ch(512), ch(512), repeats, True),  # 6: to the neck
                Conv(ch(512), ch(1024), 3, 2),  # 7: stride 32
                C3k2(ch(1024), ch(1024), repeats, True),  # 8
                SPPF(ch(1024)),  # 9
                C2PSA(ch(1024), repeats),  # 10: to the neck
                nn.Identity(),  # 11: upsample
                nn.Identity(),  # 12: join with 6
                C3k2(ch(1024) + ch(512), ch(512), repeats, c3k),  # 13: stride 16
                nn.Identity(),  # 14: upsample
                nn.Identity(),  # 15: join with 4
                C3k2(ch(512) + ch(512), ch(256), repeats, c3k),  # 16: stride 8, to the head
                Conv(ch(256), ch(256), 3, 2),  # 17
                nn.Identity(),  # 18: join with 13
                C3k2(ch(256) + ch(512), ch(512), repeats, c3k),  # 19: stride 16, to the head
                Conv(ch(512), ch(512), 3, 2),  # 20
                nn.Identity(),  # 21: join with 10
                C3k2(ch(512) + ch(1024), ch(1024), repeats, True),  # 22: stride 32, to the head
                SegmentHead((ch(256), ch(512), ch(1024)), classes, ch(256), class_width),  # 23
            ]
        )

    def forward(self, images: Tensor) -> RawOutput:
        """images (B, 3, H, W) float RGB in 0..1, H and W multiples of 32 -> RawOutput, training or not."""
        height, width = images.shape[-2:]
        if height % STRIDES[-1] or width % STRIDES[-1]:
            raise SeglabError(
                f"the network takes heights and widths that are multiples of {STRIDES[-1]}, not {(height, width)}: "
                "letterbox the images first (seglab.geometry.letterbox)"
            )
        layer = self.model

        # The backbone: ever coarser maps with ever more channels.
        x = layer[1](layer[0](images))  # stride 4
        p3 = layer[4](layer[3](layer[2](x)))  # stride 8
        p4 = layer[6](layer[5](p3))  # stride 16
        p5 = layer[10](layer[9](layer[8](layer[7](p4))))  # stride 32

        # Down the pyramid: meaning flows to fine maps.
        n4 = layer[13](torch.cat((upsample(p5), p4), dim=1))  # stride 16
        out3 = layer[16](torch.cat((upsample(n4), p3), dim=1))  # stride 8

        # And up again: position flows to coarse maps.
        out4 = layer[19](torch.cat((layer[17](out3), n4), dim=1))  # stride 16
        out5 = layer[22](torch.cat((layer[20](out4), p5), dim=1))  # stride 32
        return layer[23]([out3, out4, out5])

    @property
    def stride(self) -> torch.Tensor:
        """(3,) pixels between the anchor points of each level."""
        return torch.tensor(STRIDES, dtype=torch.float32)

    @property
    def head(self) -> SegmentHead:
        return cast(SegmentHead, self.model[23])

    @property
    def class_width(self) -> int:
        """Channels inside the class branches."""
        return last_convolution(self.head.cv3[0]).in_channels


def parse_name(name: str) -> str | None:
    """ "yolo11n-seg", with or without .yaml or .pt -> its scale letter; None for any other name."""
    match = re.fullmatch(r"yolo11([nsmlx])-seg(\.yaml|\.yml|\.pt)?", name)
    return match.group(1) if match else None


def is_segmenter(state: dict[str, Tensor], scale: str) -> bool:
    """Whether a state dict is that of a whole YOLO11-seg of this scale, whatever its classes."""
    try:
        return architecture_of(state).scale == scale
    except SeglabError:
        return False


class Architecture(NamedTuple):
    """What YOLO11Seg is built from."""

    scale: str
    classes: int
    class_width: int


def architecture_of(state: dict[str, Tensor]) -> Architecture:
    """The architecture whose YOLO11Seg fits a state dict. Errors: SeglabError when there is none."""
    try:
        channels = state["model.0.conv.weight"].shape[0]
        classes, class_width = state["model.23.cv3.0.2.weight"].shape[:2]
        state["model.23.proto.cv1.conv.weight"]  # a detector has none
        is_built = 1 <= classes <= MAX_CLASSES and 1 <= class_width <= MAX_CLASS_WIDTH
        if not is_built:
            raise ValueError("no network has so many classes")
    except (KeyError, IndexError, ValueError):
        raise SeglabError(
            "these weights are not those of a YOLO11-seg model (its stem, class branch or prototypes are missing): "
            "use weights of yolo11n-seg, s, m, l or x"
        ) from None
    deep = "model.2.m.1.cv1.conv.weight" in state  # a second inner block: l is as wide as m, and deeper
    scales = {16: "n", 32: "s", 64: "l" if deep else "m", 96: "x"}
    if channels not in scales:
        raise SeglabError(f"no YOLO11 scale has {channels} channels in its first layer: use n, s, m, l or x weights")
    return Architecture(scales[channels], classes, class_width)


def fuse(model: YOLO11Seg) -> YOLO11Seg:
    """A copy for evaluation, every batch normalization folded into its convolution: same function, fewer steps."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, Conv) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = nn.utils.fuse_conv_bn_eval(module.conv, module.bn)  # with a bias
            module.bn = nn.Identity()
    return model.requires_grad_(False)


def has_hooks(network: nn.Module) -> bool:
    """Whether a program looks at what goes through any of its modules."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def count_layers(network: nn.Module) -> int:
    """Modules without modules inside; the activation, which is one for the whole network, counts once."""
    leaves = [module for module in network.modules() if not list(module.children())]
    activations = sum(isinstance(module, nn.SiLU) for module in leaves)
    return len(leaves) - max(activations - 1, 0)


def count_parameters(model: nn.Module) -> int:
    """Every parameter, the frozen bin values included, as published tables count them."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(model: nn.Module, size: int = 640) -> int:
    """Floating-point operations of one (size, size) image: two for each multiply-add of convolutions and products."""
    from torch.utils.flop_counter import FlopCounterMode

    parameter = next(model.parameters())
    counter = FlopCounterMode(display=False)
    training = model.training
    with torch.no_grad(), counter:
        model.eval()(torch.zeros(1, 3, size, size, device=parameter.device, dtype=parameter.dtype))
    model.train(training)
    return counter.get_total_flops()
