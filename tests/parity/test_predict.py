"""The same weights find the same objects in ultralytics and here, on images in memory and on real photos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seglab.config import PredictConfig
from seglab.inference.decode import decode
from seglab.inference.nms import suppress
from seglab.inference.predictor import predict, to_tensor
from seglab.model.yolo11 import YOLO11Seg, fuse

peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")

QUIET = {"verbose": False, "save": False}


@pytest.fixture(scope="module")
def models():
    """Ultralytics' model and a forward of ours with the same weights, which find some tens of objects on any image."""
    torch.manual_seed(0)
    ours = YOLO11Seg("n").train()
    for module in ours.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # take the statistics of a batch, so that activations live
            module.momentum = 1.0
            module.weight.data.uniform_(0.5, 1.0)
            module.bias.data.normal_(0, 1)
    with torch.no_grad():
        ours(to_tensor([image[..., ::-1] for image in scenes((480, 640), (480, 640))]))
    for boxes, scores in zip(ours.head.cv2, ours.head.cv3):
        boxes[-1].weight.data *= 0.2  # so that rounding in the layers before stays below 1e-3 pixels
        boxes[-1].bias.data.normal_(0, 1)
        scores[-1].weight.data *= 2
        scores[-1].bias.data.fill_(-8.0)
    theirs = peer.YOLO("yolo11n-seg.yaml")
    theirs.model.load_state_dict(ours.state_dict())
    ours = fuse(ours)

    def blur(module, inputs, prototypes):  # untrained masks are all edge; trained ones are smooth
        smooth = F.avg_pool2d(prototypes, 15, 1, 7, count_include_pad=False)
        return smooth - smooth.mean(dim=(2, 3), keepdim=True)

    theirs.model.model[-1].proto.register_forward_hook(blur)
    ours.head.proto.register_forward_hook(blur)

    def forward(images):  # as ultralytics runs it: fused, and channels first, since another order rounds differently
        raw = ours(images.contiguous())
        return decode(raw, *images.shape[-2:]), raw.prototypes

    return theirs, forward


def scenes(*shapes: tuple[int, int]) -> list[np.ndarray]:
    """Smooth colored images of (height, width) `shapes`, BGR."""
    rng = np.random.default_rng(3)
    return [cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), s[::-1], interpolation=cv2.INTER_CUBIC)
            for s in shapes]  # fmt: skip


def compare(theirs, ours, least: int = 3) -> None:
    """The same objects: scores and boxes equal, masks nearly so.

    One, or one in twenty, may differ: ultralytics tests a pixel's corner against the box and seglab its center, so that
    masks of few pixels may vanish in one only; and ultralytics tells classes apart in suppression by moving boxes
    thousands of pixels away, where float32 knows a coordinate to a sixteenth of a pixel, so that overlaps near the
    limit may flip.
    """
    assert ours.orig_shape == theirs.orig_shape and np.array_equal(ours.orig_img, theirs.orig_img)
    pairs = match(theirs.boxes, ours.boxes)
    assert len(pairs) > least
    assert max(len(theirs), len(ours)) - len(pairs) <= 1 + 0.05 * len(theirs)
    overlaps = []
    for there, here in pairs:
        one, other = theirs.masks.data[there].bool(), ours.masks.data[here].bool()
        if one.sum() > 2000:
            overlaps.append(((one & other).sum() / (one | other).sum()).item())
    if overlaps:
        assert min(overlaps) > 0.9 and np.mean(overlaps) > 0.95


def match(theirs, ours) -> list[tuple[int, int]]:
    """(index there, index here) of the rows that are equal: boxes within 1e-3 pixels, scores within 1e-4."""
    difference = (theirs.data[:, None] - ours.data[None]).abs()
    equal = difference <= torch.tensor([1e-3] * 4 + [1e-4, 0])
    return [tuple(pair) for pair in equal.all(dim=-1).nonzero().tolist()]


@pytest.mark.parametrize("shape", [(480, 640), (427, 640), (640, 480), (333, 500), (479, 1013)])
def test_images_in_memory(models, shape):
    theirs, forward = models
    for image in scenes(shape):
        (expected,) = theirs.predict(image, conf=0.1, retina_masks=True, **QUIET)
        (found,) = predict(forward, image, PredictConfig(conf=0.1), theirs.names)
        compare(expected, found)


@pytest.mark.parametrize(
    "options",
    [{"iou": 0.4}, {"agnostic_nms": True}, {"max_det": 12}, {"imgsz": 320}, {"imgsz": (320, 416)}, {"rect": False}],
)
def test_options(models, options):
    theirs, forward = models
    options = {"max_det": 60, **options}
    (image,) = scenes((480, 640))
    (expected,) = theirs.predict(image, conf=0.1, retina_masks=True, **options, **QUIET)
    (found,) = predict(forward, image, PredictConfig(conf=0.1, **options), theirs.names)
    compare(expected, found)


def test_classes(models):
    theirs, forward = models
    (image,) = scenes((480, 640))
    (everything,) = predict(forward, image, PredictConfig(conf=0.1), theirs.names)
    wanted = sorted({int(class_id) for class_id in everything.boxes.cls})[:2]
    (expected,) = theirs.predict(image, conf=0.1, retina_masks=True, classes=wanted, **QUIET)
    (found,) = predict(forward, image, PredictConfig(conf=0.1, classes=wanted), theirs.names)
    compare(expected, found, least=0)


def test_a_box_whose_best_class_is_not_wanted_is_dropped_by_both(models):
    """Its score for a wanted class may be above the threshold too: the classes filter looks at the best class only."""
    theirs, forward = models
    (image,) = scenes((480, 640))
    told = []

    def recorded(images):
        told.append(forward(images)[0])
        return forward(images)

    next(predict(recorded, image, PredictConfig(conf=0.1), theirs.names))
    scores = told[0][0, 4:-32]  # (C, A)
    top = scores.topk(2, dim=0)
    best, second = (top.indices[place][top.values[place] > 0.1].tolist() for place in range(2))
    wanted = max(set(second) & set(best), key=second.count)  # the best class of some boxes, the second of others

    (expected,) = theirs.predict(image, conf=0.1, retina_masks=True, classes=[wanted], **QUIET)
    (found,) = predict(forward, image, PredictConfig(conf=0.1, classes=[wanted]), theirs.names)
    compare(expected, found, least=0)
    if_kept = suppress(told[0], 0.1, 0.7, 300, [wanted], multi_label=True)[0]
    assert len(if_kept.boxes) > len(expected.boxes)  # so the rule can be told from the other one here


def test_a_batch_of_one_shape_and_of_several(models):
    theirs, forward = models
    for images in (scenes((480, 640), (480, 640), (480, 640)), scenes((480, 640), (640, 400), (300, 600))):
        expected = theirs.predict(images, conf=0.1, retina_masks=True, batch=3, max_det=60, **QUIET)
        for a, b in zip(expected, predict(forward, images, PredictConfig(conf=0.1, batch=3, max_det=60), theirs.names)):
            compare(a, b)


def test_real_photographs(models, datasets_folder):
    theirs, forward = models
    folder = datasets_folder / "coco8-seg" / "images" / "val"
    expected = {str(r.path): r for r in theirs.predict(folder, conf=0.1, retina_masks=True, max_det=60, **QUIET)}
    for found in predict(forward, folder, PredictConfig(conf=0.1, max_det=60), theirs.names):
        compare(expected[found.path], found)


@pytest.mark.parametrize("options", [{}, {"multi_label": True}, {"agnostic": True}, {"classes": [1, 5]}])
def test_suppression_alone(options):
    from ultralytics.utils.nms import non_max_suppression

    generator = torch.Generator().manual_seed(1)
    centers, sizes = torch.rand(2, 2, 2000, generator=generator) * 640, torch.rand(2, 2, 2000, generator=generator)
    scores = torch.rand(2, 80, 2000, generator=generator) ** 20
    coefficients = torch.randn(2, 32, 2000, generator=generator)
    predictions = torch.cat((centers, 40 + sizes * 200, scores, coefficients), dim=1)
    expected = non_max_suppression(predictions.clone(), 0.3, 0.7, nc=80, max_time_img=60, **options)
    for rows, found in zip(expected, suppress(predictions, 0.3, 0.7, **options)):
        assert len(rows) == len(found.boxes) > 20
        ours = torch.cat((found.boxes, found.scores[:, None], found.classes[:, None], found.coefficients), dim=1)
        torch.testing.assert_close(ours, rows)
