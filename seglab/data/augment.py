"""Augmentation: functions from Sample to Sample, outlines moved with the pixels.

Every random choice comes from the numpy Generator that is handed in, so a sample depends on nothing but its seed.
Sizes are (height, width) in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.random import Generator

from seglab.config import AugmentConfig
from seglab.geometry.letterbox import PADDING_GREY, Letterbox, loader_letterbox
from seglab.geometry.polygons import bounding_box, clip_rings
from seglab.geometry.raster import fill
from seglab.sample import Instance, Sample

# What is left of an object after cutting must be wider and higher than this, less stretched than that, and more than
# this share of its box before: the rule of the field, with the share it uses for outlines.
SMALLEST_SIDE, LARGEST_ASPECT, SMALLEST_SHARE = 2.0, 100.0, 0.01
LARGEST_COVER = 0.3  # a pasted copy may cover at most this share of another object's box


def augmented(
    load: Callable[[int], Sample],
    index: int,
    others: np.ndarray,
    size: tuple[int, int],
    config: AugmentConfig,
    rng: Generator,
) -> Sample:
    """One training sample of `size` made of sample `index` and, for mosaic and mixing, of some of the `others`.

    load: number -> that sample, scaled to fit into `size`; what it gives is never written to.
    """
    sample = _arrange(load, index, others, size, config, rng)
    if rng.random() < config.mixup:
        sample = mixup(sample, _arrange(load, rng.choice(others), others, size, config, rng), rng)
    if rng.random() < config.cutmix:
        sample = cutmix(sample, _arrange(load, rng.choice(others), others, size, config, rng), rng)
    sample = hsv(sample, config, rng)
    if rng.random() < config.flipud:
        sample = flip(sample, vertical=True)
    if rng.random() < config.fliplr:
        sample = flip(sample)
    if rng.random() < config.bgr:
        sample.image = np.ascontiguousarray(sample.image[..., ::-1])
    return sample


def _arrange(load, index, others, size, config, rng) -> Sample:
    """The geometry of one sample: mosaic or single image, pasted copies, then the random affine map."""
    if rng.random() < config.mosaic:
        sample = mosaic([load(int(number)) for number in (index, *rng.choice(others, 3))], size, rng)
    else:
        sample = load(int(index))
        sample = apply_letterbox(sample, loader_letterbox(sample.image.shape[:2], size, size))
    if config.copy_paste:
        sample = copy_paste(sample, config.copy_paste, rng)
    return random_affine(sample, size, config, rng)


def apply_letterbox(sample: Sample, box: Letterbox) -> Sample:
    """The sample in the frame of the letterbox."""
    (scale_x, scale_y), (top, left) = box.scale, box.pad
    matrix = np.array([[scale_x, 0, left], [0, scale_y, top]])
    return Sample(box.apply(sample.image), transform_instances(sample.instances, matrix, box.size))


def mosaic(samples: Sequence[Sample], size: tuple[int, int], rng: Generator) -> Sample:
    """Four samples around a random centre of a canvas twice `size`; what hangs over its border is cut off.

    Bochkovskiy et al., "YOLOv4", 2020.
    """
    height, width = 2 * size[0], 2 * size[1]
    middle_x, middle_y = int(rng.uniform(0.25, 0.75) * width), int(rng.uniform(0.25, 0.75) * height)
    canvas = np.full((height, width, 3), PADDING_GREY, np.uint8)
    instances = []
    for corner, sample in enumerate(samples):
        h, w = sample.image.shape[:2]
        x0 = middle_x if corner % 2 else middle_x - w
        y0 = middle_y if corner >= 2 else middle_y - h
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x0 + w, width), min(y0 + h, height)
        canvas[top:bottom, left:right] = sample.image[top - y0 : bottom - y0, left - x0 : right - x0]
        instances += transform_instances(sample.instances, np.array([[1.0, 0, x0], [0, 1, y0]]), (height, width))
    return Sample(canvas, instances)


def random_affine(sample: Sample, size: tuple[int, int], config: AugmentConfig, rng: Generator) -> Sample:
    """Scale, rotate, shear and shift about the image's centre, which lands near the centre of an image of `size`."""
    scale = rng.uniform(1 - config.scale, 1 + config.scale)
    turn = np.deg2rad(rng.uniform(-config.degrees, config.degrees))
    shear_x, shear_y = np.tan(np.deg2rad(rng.uniform(-config.shear, config.shear, 2)))
    shift = rng.uniform(0.5 - config.translate, 0.5 + config.translate, 2) * size[::-1]
    tilt = rng.uniform(-config.perspective, config.perspective, 2)
    height, width = sample.image.shape[:2]
    to_centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    tilting = np.array([[1, 0, 0], [0, 1, 0], [*tilt, 1]])
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    turning = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    shearing = np.array([[1, shear_x, shift[0]], [shear_y, 1, shift[1]], [0, 0, 1]])
    matrix = shearing @ turning @ tilting @ to_centre
    # OpenCV's pixel (0, 0) has its centre at 0, here it lies at 0.5: without this the outlines would be off by half a
    # pixel wherever the scale is not 1.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    pixels = np.linalg.inv(half) @ matrix @ half
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (PADDING_GREY,) * 3}
    if config.perspective:
        image = cv2.warpPerspective(sample.image, pixels, size[::-1], **border)
    else:
        image = cv2.warpAffine(sample.image, pixels[:2], size[::-1], **border)
    instances = transform_instances(sample.instances, matrix if config.perspective else matrix[:2], size, scale)
    return Sample(image, instances)


def transform_instances(
    instances: Sequence[Instance], matrix: np.ndarray, size: tuple[int, int], scale: float = 0.0
) -> list[Instance]:
    """Objects through an affine (2, 3) or perspective (3, 3) map, cut to an image of `size`; what is cut off is gone.

    scale: how much the map enlarges; with it, objects of which too little is left are dropped as well.
    """
    if not instances:
        return []
    rings = [ring for instance in instances for ring in instance.rings]
    points = np.concatenate(rings) @ matrix[:, :2].T + matrix[:, 2]
    if len(matrix) == 3:  # edges stay straight in perspective: moving the corners is exact
        points = points[:, :2] / np.maximum(points[:, 2:], 1e-3)
    pieces = np.split(points, np.cumsum([len(ring) for ring in rings])[:-1])
    if matrix[0, 0] * matrix[1, 1] < matrix[0, 1] * matrix[1, 0]:  # a reflection: solid rings must stay solid
        pieces = [piece[::-1] for piece in pieces]
    pieces = iter(pieces)
    moved = [Instance(o.class_id, [next(pieces) for _ in o.rings], o.crowd) for o in instances]
    after = boxes_of(moved)
    for number in np.flatnonzero((after < 0).any(axis=1) | (after > (*size[::-1], *size[::-1])).any(axis=1)).tolist():
        moved[number].rings = clip_rings(moved[number].rings, size[1], size[0])
        after[number] = bounding_box(moved[number].rings) if moved[number].rings else 0
    keep = [bool(o.rings) for o in moved]
    if scale:
        width, height = (after[:, 2:] - after[:, :2]).T
        before = boxes_of(instances)
        share = width * height / ((before[:, 2:] - before[:, :2]).prod(axis=1) * scale**2).clip(1e-9)
        shortest, longest = np.minimum(width, height), np.maximum(width, height)
        keep = (shortest > SMALLEST_SIDE) & (longest < LARGEST_ASPECT * shortest) & (share > SMALLEST_SHARE)
    return [instance for instance, kept in zip(moved, keep) if kept]


def boxes_of(instances: Sequence[Instance]) -> np.ndarray:
    """(N, 4) float64 xyxy around the objects, in their own frame."""
    if not instances:
        return np.zeros((0, 4))
    points = np.concatenate([ring for instance in instances for ring in instance.rings])
    lengths = [sum(map(len, instance.rings)) for instance in instances]
    starts = np.cumsum([0, *lengths[:-1]])
    return np.concatenate((np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)), axis=1)


def copy_paste(sample: Sample, share: float, rng: Generator) -> Sample:
    """Paste mirrored copies of up to `share` of the objects where they cover little of any other.

    Ghiasi et al., "Simple Copy-Paste", 2021, within one image.
    """
    if not sample.instances:
        return sample
    height, width = sample.image.shape[:2]
    mirrored = flip(sample)
    boxes = boxes_of(sample.instances)
    image, instances = sample.image.copy(), list(sample.instances)
    wanted = round(share * len(instances))
    for number in rng.permutation(len(mirrored.instances)).tolist():
        copy = mirrored.instances[number]
        if wanted > 0 and (_share_covered(boxes, bounding_box(copy.rings)) < LARGEST_COVER).all():
            mask = fill(copy.rings, height, width)
            image[mask] = mirrored.image[mask]
            instances.append(copy)
            wanted -= 1
    return Sample(image, instances)


def _share_covered(boxes: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """(N,) share of each box (N, 4) that the box `cover` (4,) lies over."""
    sides = np.minimum(boxes[:, 2:], cover[2:]) - np.maximum(boxes[:, :2], cover[:2])
    return sides.clip(0).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).clip(1e-9)


def mixup(a: Sample, b: Sample, rng: Generator) -> Sample:
    """Blend two samples of one size about half and half; the objects of both stay.

    Zhang et al., "mixup", 2018, with the Beta(32, 32) of the YOLO family.
    """
    weight = rng.beta(32.0, 32.0)
    return Sample(cv2.addWeighted(a.image, weight, b.image, 1 - weight, 0), a.instances + b.instances)


def cutmix(a: Sample, b: Sample, rng: Generator) -> Sample:
    """Put a random rectangle of `b` over `a`, at a place where it touches no object of `a`; where none is found, `a`.

    Yun et al., "CutMix", 2019. Objects of `b` come along as far as they lie in the rectangle and stay worth keeping.
    """
    height, width = a.image.shape[:2]
    boxes = boxes_of(a.instances)
    for _ in range(3):
        share = np.sqrt(1 - rng.beta(32.0, 32.0))
        w, h = int(width * share), int(height * share)
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        if not _share_covered(boxes, np.array([x, y, x + w, y + h])).any():
            break
    else:
        return a
    image, instances = a.image.copy(), list(a.instances)
    image[y : y + h, x : x + w] = b.image[y : y + h, x : x + w]
    inside = transform_instances(b.instances, np.array([[1.0, 0, -x], [0, 1, -y]]), (h, w), scale=1.0)
    instances += transform_instances(inside, np.array([[1.0, 0, x], [0, 1, y]]), (height, width))
    return Sample(image, instances)


def hsv(sample: Sample, config: AugmentConfig, rng: Generator) -> Sample:
    """Shift the hue and scale saturation and brightness by random amounts, through one table of 256 entries each."""
    gains = rng.uniform(-1, 1, 3) * (config.hsv_h, config.hsv_s, config.hsv_v)
    if not gains.any():
        return sample
    levels = np.arange(256)
    hue = (levels + gains[0] * 180) % 180  # OpenCV's hue circle has 180 steps
    table = np.stack((hue, levels * (1 + gains[1]), levels * (1 + gains[2])), axis=1).clip(0, 255).astype(np.uint8)
    image = cv2.cvtColor(sample.image, cv2.COLOR_RGB2HSV)
    cv2.LUT(image, table[None], dst=image)
    cv2.cvtColor(image, cv2.COLOR_HSV2RGB, dst=image)
    return Sample(image, sample.instances)


def flip(sample: Sample, vertical: bool = False) -> Sample:
    """Mirror left and right, or top and bottom."""
    height, width = sample.image.shape[:2]
    matrix = np.array([[1.0, 0, 0], [0, -1, height]] if vertical else [[-1.0, 0, width], [0, 1, 0]])
    image = cv2.flip(sample.image, 0 if vertical else 1)
    return Sample(image, transform_instances(sample.instances, matrix, (height, width)))
