"""The training loss beside ultralytics' (run as a black box): forward and backward on the same predictions.

    python -m benchmarks.loss [objects]    objects an image, by default 12 and 30

Hard targets at 640 px, one thread, interleaved rounds in one process; a ratio above 1 means that seglab is faster.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "1")

import torch
from torch import Tensor

from seglab.geometry.boxes import xyxy_to_xywh
from seglab.model.head import RawOutput
from seglab.training.loss import LossGains, segmentation_loss

SIZE, CLASSES, ROUNDS = 640, 80, 5


def main(counts: list[int]) -> None:
    from ultralytics.nn.tasks import SegmentationModel

    peer = SegmentationModel("yolo11n-seg.yaml", nc=CLASSES, verbose=False)
    peer.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=True, mask_ratio=4)
    criterion = peer.init_criterion()
    torch.set_num_threads(1)
    print("| batch | objects an image | ultralytics, ms | seglab, ms | ratio |\n|-|-|-|-|-|")
    for batch in (4, 16):
        for instances in counts:
            ms, ratios = compare(criterion, batch, instances)
            spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
            print(f"| {batch} | {instances} | {ms['peer']:.0f} | {ms['seglab']:.0f} | {spread} |", flush=True)


def compare(criterion: Any, batch: int, instances: int) -> tuple[dict[str, float], list[float]]:
    """Median milliseconds of each side, and every round's ratio."""
    raw, targets, theirs = case(batch, instances)
    outputs = {"boxes": raw.boxes, "scores": raw.classes, "mask_coefficient": raw.coefficients}
    outputs |= {"proto": raw.prototypes, "feats": features(batch)}
    sides = {
        "peer": lambda: criterion.loss(outputs, theirs)[0].sum(),
        "seglab": lambda: segmentation_loss(raw, targets, LossGains())[0],
    }
    totals = {name: side().item() for name, side in sides.items()}
    assert abs(totals["peer"] / totals["seglab"] - 1) < 1e-4, totals  # the same loss
    rounds = [{name: seconds(side, raw) for name, side in sides.items()} for _ in range(ROUNDS)]
    ms = {name: 1e3 * statistics.median(each[name] for each in rounds) for name in sides}
    return ms, [each["peer"] / each["seglab"] for each in rounds]


def case(batch: int, instances: int) -> tuple[RawOutput, dict[str, Tensor], dict[str, Tensor]]:
    """Random predictions, and disjoint-by-order rectangles as objects, in our terms and in ultralytics'."""
    generator = torch.Generator().manual_seed(0)
    side = 16 * 16 ** torch.rand(batch * instances, 2, generator=generator)  # 16 to 256 pixels
    corner = torch.rand(batch * instances, 2, generator=generator) * (SIZE - side)
    boxes = (torch.cat((corner, corner + side), dim=1) / 4).round() * 4
    index = torch.arange(batch).repeat_interleave(instances)
    number = torch.arange(instances).repeat(batch) + 1
    images = torch.zeros(batch, SIZE // 4, SIZE // 4)  # of object numbers: where objects overlap, the last one owns
    for image, each, (left, top, right, bottom) in zip(index, number, (boxes / 4).long().tolist()):
        images[image, top:bottom, left:right] = each
    masks = (images[index] == number[:, None, None]).half()
    classes = torch.randint(CLASSES, (len(boxes),), generator=generator)
    anchors = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    tensors = normal(batch, 64, anchors), normal(batch, CLASSES, anchors) - 3, normal(batch, 32, anchors) * 0.4
    raw = RawOutput(*(t.requires_grad_() for t in (*tensors, normal(batch, 32, SIZE // 4, SIZE // 4) * 0.4)))
    theirs = {"batch_idx": index.float(), "cls": classes.float()[:, None], "masks": images}
    theirs["bboxes"] = xyxy_to_xywh(boxes) / SIZE
    return raw, {"classes": classes, "boxes": boxes, "image_index": index, "masks": masks}, theirs


def features(batch: int) -> list[Tensor]:
    """Stand for the feature maps, of which ultralytics' loss asks the size."""
    return [torch.zeros(batch, 1, SIZE // stride, SIZE // stride) for stride in (8, 16, 32)]


def seconds(side: Callable[[], Tensor], raw: RawOutput) -> float:
    """Of one forward and backward pass."""
    start = time.perf_counter()
    torch.autograd.grad(side(), raw)
    return time.perf_counter() - start


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [12, 30])
