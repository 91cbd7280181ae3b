"""Augmentation: functions from Sample to Sample, outlines moved with the pixels.

Every random choice comes from the numpy Generator that is handed in, so a sample depends on nothing but its seed.
Sizes are (height, width) in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from seglab.data.sample import Object, Sample
from seglab.geometry.letterbox import PADDING_GREY, letterbox
from seglab.geometry.polygons import bounding_box, clip_rings, transform_rings
from seglab.geometry.raster import fill

# What is left of an object after cutting must be wider and higher than this, less stretched than that, and more than
# this share of its box before: the rule of the field, with the share it uses for outlines.
SMALLEST_SIDE, LARGEST_ASPECT, SMALLEST_SHARE = 2.0, 100.0, 0.01
LARGEST_COVER = 0.3  # a pasted copy may cover at most this share of another object's box


@dataclass(frozen=True)
class AugmentConfig:
    """How much of what. Probabilities: flipud, fliplr, bgr, mosaic, mixup, cutmix, copy_paste (a share of objects)."""

    hsv_h: float = 0.015  # largest change of hue, as a share of the circle
    hsv_s: float = 0.7  # largest factor of saturation, 1 +- this
    hsv_v: float = 0.4  # largest factor of brightness, 1 +- this
    degrees: float = 0.0  # largest rotation either way
    translate: float = 0.1  # largest shift, as a share of the size
    scale: float = 0.5  # largest factor of size, 1 +- this
    shear: float = 0.0  # largest shear in degrees
    perspective: float = 0.0  # largest perspective term a pixel, about 0.001
    flipud: float = 0.0
    fliplr: float = 0.5
    bgr: float = 0.0
    mosaic: float = 1.0
    mixup: float = 0.0
    cutmix: float = 0.0
    copy_paste: float = 0.0


def augment(
    load: Callable[[int], Sample], index: int, count: int, size: tuple[int, int], config: AugmentConfig, rng: Generator
) -> Sample:
    """One training sample of `size` made of sample `index` and, for mosaic and mixing, of others below `count`.

    load: number -> that sample, scaled to fit into `size`.
    """
    sample = _arrange(load, index, count, size, config, rng)
    if rng.random() < config.mixup:
        sample = mixup(sample, _arrange(load, int(rng.integers(count)), count, size, config, rng), rng)
    if rng.random() < config.cutmix:
        sample = cutmix(sample, _arrange(load, int(rng.integers(count)), count, size, config, rng), rng)
    sample = hsv(sample, config, rng)
    if rng.random() < config.flipud:
        sample = flip(sample, vertical=True)
    if rng.random() < config.fliplr:
        sample = flip(sample)
    if rng.random() < config.bgr:
        sample.image = np.ascontiguousarray(sample.image[..., ::-1])
    return sample


def _arrange(load, index, count, size, config, rng) -> Sample:
    """The geometry of one sample: mosaic or single image, pasted copies, then the random affine map."""
    if rng.random() < config.mosaic:
        others = rng.integers(count, size=3).tolist()
        sample = mosaic([load(number) for number in (index, *others)], size, rng)
    else:
        sample = centre(load(index), size)
    if config.copy_paste:
        sample = copy_paste(sample, config.copy_paste, rng)
    return random_affine(sample, size, config, rng)


def centre(sample: Sample, size: tuple[int, int]) -> Sample:
    """Letterbox one sample into `size`."""
    box = letterbox(sample.image.shape[:2], size)
    return _with(sample, box.apply(sample.image), [(o, _letterboxed(o, box)) for o in sample.objects])


def _letterboxed(object_: Object, box) -> list[np.ndarray]:
    return [box.points_to_letterbox(ring) for ring in object_.rings]


def mosaic(samples: Sequence[Sample], size: tuple[int, int], rng: Generator) -> Sample:
    """Four samples around a random centre of a canvas twice `size`; what hangs over its border is cut off.

    Bochkovskiy et al., "YOLOv4", 2020.
    """
    height, width = 2 * size[0], 2 * size[1]
    middle_x, middle_y = int(rng.uniform(0.25, 0.75) * width), int(rng.uniform(0.25, 0.75) * height)
    canvas = np.full((height, width, 3), PADDING_GREY, np.uint8)
    objects = []
    for place, sample in enumerate(samples):
        h, w = sample.image.shape[:2]
        x0 = middle_x if place % 2 else middle_x - w
        y0 = middle_y if place >= 2 else middle_y - h
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x0 + w, width), min(y0 + h, height)
        canvas[top:bottom, left:right] = sample.image[top - y0 : bottom - y0, left - x0 : right - x0]
        for object_ in sample.objects:
            rings = clip_rings([ring + (x0, y0) for ring in object_.rings], width, height)
            if rings:
                objects.append((object_, rings))
    return _with(samples[0], canvas, objects)


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
    objects = []
    for object_ in sample.objects:
        moved = _project(object_.rings, matrix) if config.perspective else transform_rings(object_.rings, matrix[:2])
        rings = clip_rings(moved, size[1], size[0])
        if rings and _is_worth_keeping(bounding_box(object_.rings), bounding_box(rings), scale):
            objects.append((object_, rings))
    return _with(sample, image, objects)


def _project(rings: list[np.ndarray], matrix: np.ndarray) -> list[np.ndarray]:
    """Rings through a perspective map; edges stay straight, so moving the corners is exact."""
    moved = [ring @ matrix[:, :2].T + matrix[:, 2] for ring in rings]
    if any((ring[:, 2] <= 0).any() for ring in moved):
        return []  # behind the viewer
    return [ring[:, :2] / ring[:, 2:] for ring in moved]


def _is_worth_keeping(before: np.ndarray, after: np.ndarray, scale: float) -> bool:
    width, height = after[2:] - after[:2]
    whole = (before[2:] - before[:2]).prod() * scale**2
    return bool(
        min(width, height) > SMALLEST_SIDE
        and max(width, height) / min(width, height) < LARGEST_ASPECT
        and width * height > SMALLEST_SHARE * whole
    )


def copy_paste(sample: Sample, share: float, rng: Generator) -> Sample:
    """Paste mirrored copies of up to `share` of the objects where they cover little of any other.

    Ghiasi et al., "Simple Copy-Paste", 2021, within one image.
    """
    if not sample.objects:
        return sample
    height, width = sample.image.shape[:2]
    mirrored = flip(sample)
    boxes = np.array([bounding_box(object_.rings) for object_ in sample.objects])
    image, objects = sample.image.copy(), list(sample.objects)
    wanted = round(share * len(objects))
    for number in rng.permutation(len(mirrored.objects)).tolist():
        copy = mirrored.objects[number]
        if wanted > 0 and (_share_covered(boxes, bounding_box(copy.rings)) < LARGEST_COVER).all():
            mask = fill(copy.rings, height, width)
            image[mask] = mirrored.image[mask]
            objects.append(copy)
            wanted -= 1
    return Sample(image, objects, sample.path, sample.image_id)


def _share_covered(boxes: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """(N,) share of each box (N, 4) that the box `cover` (4,) lies over."""
    sides = np.minimum(boxes[:, 2:], cover[2:]) - np.maximum(boxes[:, :2], cover[:2])
    return sides.clip(0).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).clip(1e-9)


def mixup(a: Sample, b: Sample, rng: Generator) -> Sample:
    """Blend two samples of one size about half and half; the objects of both stay.

    Zhang et al., "mixup", 2018, with the Beta(32, 32) of the YOLO family.
    """
    weight = rng.beta(32.0, 32.0)
    return Sample(cv2.addWeighted(a.image, weight, b.image, 1 - weight, 0), a.objects + b.objects, a.path, a.image_id)


def cutmix(a: Sample, b: Sample, rng: Generator) -> Sample:
    """Put a random rectangle of `b` over `a`, at a place where it touches no object of `a`; where none is found, `a`.

    Yun et al., "CutMix", 2019. Objects of `b` come along as far as they lie in the rectangle and stay worth keeping.
    """
    height, width = a.image.shape[:2]
    boxes = np.array([bounding_box(object_.rings) for object_ in a.objects]).reshape(-1, 4)
    for _ in range(3):
        share = np.sqrt(1 - rng.beta(32.0, 32.0))
        w, h = int(width * share), int(height * share)
        x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        if not _share_covered(boxes, np.array([x, y, x + w, y + h])).any():
            break
    else:
        return a
    image, objects = a.image.copy(), list(a.objects)
    image[y : y + h, x : x + w] = b.image[y : y + h, x : x + w]
    for object_ in b.objects:
        rings = [ring + (x, y) for ring in clip_rings([ring - (x, y) for ring in object_.rings], w, h)]
        if rings and _is_worth_keeping(bounding_box(object_.rings), bounding_box(rings), 1.0):
            objects.append(Object(object_.class_id, rings, object_.crowd))
    return Sample(image, objects, a.path, a.image_id)


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
    return Sample(image, sample.objects, sample.path, sample.image_id)


def flip(sample: Sample, vertical: bool = False) -> Sample:
    """Mirror left and right, or top and bottom."""
    height, width = sample.image.shape[:2]
    matrix = np.array([[1.0, 0, 0], [0, -1, height]] if vertical else [[-1.0, 0, width], [0, 1, 0]])
    objects = [(object_, transform_rings(object_.rings, matrix)) for object_ in sample.objects]
    return _with(sample, cv2.flip(sample.image, 0 if vertical else 1), objects)


def _with(sample: Sample, image: np.ndarray, objects: Sequence[tuple[Object, list[np.ndarray]]]) -> Sample:
    """The sample with another image and its objects on new rings; a source mask of theirs fits no longer."""
    moved = [Object(object_.class_id, rings, object_.crowd) for object_, rings in objects]
    return Sample(image, moved, sample.path, sample.image_id)
