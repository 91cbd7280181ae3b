"""Augmentation: functions from Sample to Sample, outlines moved with the pixels.

Every random choice comes from the numpy Generator that is handed in, so a sample depends on nothing but its seed.
Sizes are (height, width) in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from seglab.config import AugmentConfig
from seglab.geometry.letterbox import PADDING_GRAY, Letterbox, loader_letterbox
from seglab.geometry.polygons import bounding_box, clip_rings
from seglab.geometry.raster import fill
from seglab.sample import Instance, Sample
from seglab.sizes import Size

__path__: list[str] = []  # names of ultralytics that are not here are looked up by seglab.compat.import_hook

# What cropping leaves of an instance is kept if its box is wider and higher than MIN_SIDE pixels, its sides differ by
# less than a factor of MAX_ASPECT, and it has more than MIN_FRACTION of its area before: the rule of the field, with
# the fraction it uses for outlines.
MIN_SIDE = 2.0
MAX_ASPECT = 100.0
MIN_FRACTION = 0.01
MAX_COVER = 0.3  # a pasted copy may cover at most this fraction of another instance's box
MIN_DEPTH = 1e-3  # in perspective, points nearer than this to the viewer's plane would fly off to infinity


Load = Callable[[int], Sample]  # index -> that sample, scaled to fit into the input size


class Piece(NamedTuple):
    """A sample at its place on a canvas, which its top-left pixel may lie outside of."""

    sample: Sample
    left: int
    top: int


class Layout(NamedTuple):
    """Samples on a gray canvas of `size` that has not been painted: each shows what of it lies on the canvas."""

    size: Size
    pieces: Sequence[Piece]


def augmented(
    load: Load,
    index: int,
    others: np.ndarray,
    size: Size,
    config: AugmentConfig,
    rng: Generator,
) -> Sample:
    """One training sample of `size` made of sample `index` and, for mosaic and mixing, of some of the `others`.

    load: index -> that sample, scaled to fit into `size`; what it gives is never written to.
    """
    sample = _arrange(load, index, others, size, config, rng)
    if rng.random() < config.mixup:
        other = _arrange(load, int(rng.choice(others)), others, size, config, rng)
        sample = mixup(sample, other, rng)
    if rng.random() < config.cutmix:
        other = _arrange(load, int(rng.choice(others)), others, size, config, rng)
        sample = cutmix(sample, other, rng)
    sample = hsv(sample, config, rng)
    if rng.random() < config.flipud:
        sample = flip(sample, vertical=True)
    if rng.random() < config.fliplr:
        sample = flip(sample)
    if rng.random() < config.bgr:
        sample.image = np.ascontiguousarray(sample.image[..., ::-1])
    return sample


def _arrange(load: Load, index: int, others: np.ndarray, size: Size, config: AugmentConfig, rng: Generator) -> Sample:
    """The geometry of one sample: mosaic or single image, pasted copies, then the random affine map."""
    if rng.random() < config.mosaic:
        three = rng.choice(others, 3).tolist()
        layout = mosaic_layout([load(number) for number in (index, *three)], size, rng)
    else:
        sample = load(index)
        height, width = sample.image.shape[:2]
        top, left = loader_letterbox((height, width), size, size).pad
        layout = Layout(size, [Piece(apply_letterbox(sample, loader_letterbox((height, width), size)), left, top)])
    if config.copy_paste:
        layout = layout_of(copy_paste(paint(layout), config.copy_paste, rng))
    return random_affine(layout, size, config, rng)


def apply_letterbox(sample: Sample, box: Letterbox) -> Sample:
    """The sample in the frame of the letterbox."""
    (scale_x, scale_y), (top, left) = box.scale, box.pad
    matrix = np.array([[scale_x, 0, left], [0, scale_y, top]])
    return Sample(box.apply(sample.image), transform_instances(sample.instances, matrix, box.size))


def mosaic(samples: Sequence[Sample], size: Size, rng: Generator) -> Sample:
    """Four samples around a random center of a canvas twice `size`, painted."""
    return paint(mosaic_layout(samples, size, rng))


def mosaic_layout(samples: Sequence[Sample], size: Size, rng: Generator) -> Layout:
    """Four samples around a random center of a canvas twice `size`; what reaches over its border is cut off.

        +-------------+------------------+
        |          0  |  1               |
        |    image 0  |  image 1   gray  |
        +-------------+------------------+   samples touch the center with a corner each
        |    image 2  |  image 3         |
        |             |                  |
        +-------------+------------------+

    Bochkovskiy et al., "YOLOv4", 2020.
    """
    height = 2 * size[0]
    width = 2 * size[1]
    center_x = int(rng.uniform(0.25, 0.75) * width)
    center_y = int(rng.uniform(0.25, 0.75) * height)
    pieces = []
    for corner, sample in enumerate(samples):
        h, w = sample.image.shape[:2]
        is_right = corner % 2 == 1
        is_lower = corner >= 2
        pieces.append(Piece(sample, center_x if is_right else center_x - w, center_y if is_lower else center_y - h))
    return Layout((height, width), pieces)


def layout_of(sample: Sample) -> Layout:
    """A sample as a canvas of its own size."""
    height, width = sample.image.shape[:2]
    return Layout((height, width), [Piece(sample, 0, 0)])


def paint(layout: Layout) -> Sample:
    """The canvas as one sample, pixel for pixel."""
    if len(layout.pieces) == 1 and layout.pieces[0].sample.image.shape[:2] == layout.size:
        return layout.pieces[0].sample
    canvas = np.full((*layout.size, 3), PADDING_GRAY, np.uint8)
    instances = []
    for sample, x0, y0 in layout.pieces:
        left, top, right, bottom = _visible(sample, x0, y0, layout.size)
        canvas[top:bottom, left:right] = sample.image[top - y0 : bottom - y0, left - x0 : right - x0]
        instances += transform_instances(sample.instances, _shift(x0, y0), layout.size)
    return Sample(canvas, instances)


def _visible(sample: Sample, x0: int, y0: int, size: Size) -> tuple[int, int, int, int]:
    """Where a canvas of `size` shows a sample whose top-left pixel is at (x0, y0): left, top, right, bottom."""
    height, width = sample.image.shape[:2]
    return max(x0, 0), max(y0, 0), min(x0 + width, size[1]), min(y0 + height, size[0])


def _shift(x: float, y: float) -> np.ndarray:
    """(2, 3) affine map that adds (x, y)."""
    return np.array([[1.0, 0, x], [0, 1, y]])


def random_affine(seen: Sample | Layout, size: Size, config: AugmentConfig, rng: Generator) -> Sample:
    """Scale, rotate, shear and shift about the center of what is seen, which lands near that of an image of `size`."""
    layout = layout_of(seen) if isinstance(seen, Sample) else seen
    scale = rng.uniform(1 - config.scale, 1 + config.scale)
    matrix = _random_matrix(layout.size, size, scale, config, rng)
    if not (config.degrees or config.shear or config.perspective):
        return paint_scaled(layout, scale, matrix[:2, 2], size)

    # The canvas is painted before it is warped: one seam through four turned images is finer than four edges.
    sample = paint(layout)
    # OpenCV's pixel (0, 0) has its center at 0, here it lies at 0.5: without this the outlines would be off by half a
    # pixel wherever the scale is not 1.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    pixels = np.linalg.inv(half) @ matrix @ half
    gray = (PADDING_GRAY,) * 3
    constant = cv2.BORDER_CONSTANT
    if config.perspective:
        image = cv2.warpPerspective(sample.image, pixels, size[::-1], borderMode=constant, borderValue=gray)
    else:
        image = cv2.warpAffine(sample.image, pixels[:2], size[::-1], borderMode=constant, borderValue=gray)
        matrix = matrix[:2]
    return Sample(image, transform_instances(sample.instances, matrix, size, scale))


def paint_scaled(layout: Layout, scale: float, shift: np.ndarray, size: Size) -> Sample:
    """The canvas through x -> scale * x + shift (2,), cut to an image of `size`: each piece is resized into its place.

    A third of the work of painting a canvas of four times the area and warping it. Pieces begin and end at whole pixels
    of both images, so each is scaled by a little more or less than `scale`, and its outlines by just as much.
    """
    image = np.full((*size, 3), PADDING_GRAY, np.uint8)
    instances: list[Instance] = []
    for sample, x0, y0 in layout.pieces:
        left, top, right, bottom = _visible(sample, x0, y0, layout.size)
        across = _interval(left, right, scale, shift[0], size[1])
        down = _interval(top, bottom, scale, shift[1], size[0])
        if across is None or down is None:
            continue
        inside = image[down.first : down.last, across.first : across.last]
        of_sample = sample.image[down.source - y0 : down.source_end - y0, across.source - x0 : across.source_end - x0]
        cv2.resize(of_sample, inside.shape[1::-1], dst=inside, interpolation=cv2.INTER_LINEAR)

        # Sample -> the piece's own corner of the image, where it is cut, -> the image.
        matrix = np.array(
            [
                [across.scale, 0, (x0 - across.source) * across.scale],
                [0, down.scale, (y0 - down.source) * down.scale],
            ]
        )
        own = transform_instances(sample.instances, matrix, inside.shape[:2], scale)
        for instance in own:
            instance.rings = [ring + (across.first, down.first) for ring in instance.rings]
        instances += own
    return Sample(image, instances)


class _Interval(NamedTuple):
    """Whole pixels of one axis: where in the image, and from where on the canvas."""

    first: int
    last: int  # not included, as is source_end
    source: int
    source_end: int

    @property
    def scale(self) -> float:
        return (self.last - self.first) / (self.source_end - self.source)


def _interval(start: int, end: int, scale: float, shift: float, length: int) -> _Interval | None:
    """Canvas pixels `start` to `end` through x -> scale * x + shift, on an axis of `length`; None if none is seen."""
    first = max(round(scale * start + shift), 0)
    last = min(round(scale * end + shift), length)
    if last <= first or end <= start:
        return None
    source = min(max(round((first - shift) / scale), start), end - 1)
    source_end = max(min(round((last - shift) / scale), end), source + 1)
    return _Interval(first, last, source, source_end)


def _random_matrix(image_size: Size, size: Size, scale: float, config: AugmentConfig, rng: Generator) -> np.ndarray:
    """(3, 3) map from an image of `image_size` to one of `size`: about the center perspective, then rotation and
    `scale`, then shear and shift."""
    height, width = image_size
    angle = np.deg2rad(rng.uniform(-config.degrees, config.degrees))
    shear_x, shear_y = np.tan(np.deg2rad(rng.uniform(-config.shear, config.shear, 2)))
    shift_x, shift_y = rng.uniform(0.5 - config.translate, 0.5 + config.translate, 2) * size[::-1]
    tilt_x, tilt_y = rng.uniform(-config.perspective, config.perspective, 2)
    cos = scale * np.cos(angle)
    sin = scale * np.sin(angle)

    to_center = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    perspective = np.array([[1, 0, 0], [0, 1, 0], [tilt_x, tilt_y, 1]])
    rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    shear_and_shift = np.array([[1, shear_x, shift_x], [shear_y, 1, shift_y], [0, 0, 1]])
    return shear_and_shift @ rotation @ perspective @ to_center


def transform_instances(
    instances: Sequence[Instance], matrix: np.ndarray, size: Size, scale: float = 0.0
) -> list[Instance]:
    """Instances through an affine (2, 3) or perspective (3, 3) map, cropped to an image of `size`.

    What lies outside is gone. scale: how much the map enlarges; with it, instances of which too little is left (see
    MIN_SIDE) are dropped as well.
    """
    if not instances:
        return []
    moved = _map_rings(instances, matrix)

    # Crop those that reach over the border, and keep their boxes up to date.
    height, width = size
    boxes = boxes_of(moved)  # (N, 4)
    reaches_out = (boxes < 0).any(axis=1) | (boxes > (width, height, width, height)).any(axis=1)
    for index in np.flatnonzero(reaches_out).tolist():
        moved[index].rings = clip_rings(moved[index].rings, width, height)
        boxes[index] = bounding_box(moved[index].rings) if moved[index].rings else 0

    if scale:
        keep = _worth_keeping(boxes_of(instances), boxes, scale)
    else:
        keep = np.array([bool(instance.rings) for instance in moved])
    return [instance for instance, kept in zip(moved, keep) if kept]


def _map_rings(instances: Sequence[Instance], matrix: np.ndarray) -> list[Instance]:
    """New instances with every vertex mapped: those of all instances at once, since one by one would be slow."""
    rings = [ring for instance in instances for ring in instance.rings]
    points = np.concatenate(rings) @ matrix[:, :2].T + matrix[:, 2]
    if len(matrix) == 3:  # edges stay straight in perspective: moving the vertices is exact
        points = points[:, :2] / np.maximum(points[:, 2:], MIN_DEPTH)
    pieces = np.split(points, np.cumsum([len(ring) for ring in rings])[:-1])
    is_reflection = matrix[0, 0] * matrix[1, 1] < matrix[0, 1] * matrix[1, 0]
    if is_reflection:  # it turns the rings' orientation over: solid ones must stay solid
        pieces = [piece[::-1] for piece in pieces]
    next_piece = iter(pieces)
    return [Instance(o.class_id, [next(next_piece) for _ in o.rings], o.crowd) for o in instances]


def _worth_keeping(before: np.ndarray, after: np.ndarray, scale: float) -> np.ndarray:
    """(N,) bool: which boxes (N, 4) are still large enough `after` a map that enlarged them by `scale`."""
    width, height = (after[:, 2:] - after[:, :2]).T
    area_before = (before[:, 2:] - before[:, :2]).prod(axis=1) * scale**2
    fraction = width * height / area_before.clip(1e-9)
    short = np.minimum(width, height)
    long = np.maximum(width, height)
    return (short > MIN_SIDE) & (long < MAX_ASPECT * short) & (fraction > MIN_FRACTION)


def boxes_of(instances: Sequence[Instance]) -> np.ndarray:
    """(N, 4) float64 xyxy around the instances, in their own frame."""
    if not instances:
        return np.zeros((0, 4))
    points = np.concatenate([ring for instance in instances for ring in instance.rings])
    lengths = [sum(map(len, instance.rings)) for instance in instances]
    starts = np.cumsum([0, *lengths[:-1]])
    return np.concatenate((np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)), axis=1)


def copy_paste(sample: Sample, fraction: float, rng: Generator) -> Sample:
    """Paste mirrored copies of up to `fraction` of the instances where they cover little of any other.

    Ghiasi et al., "Simple Copy-Paste", 2021, within one image.
    """
    regions = [instance for instance in sample.instances if instance.crowd]  # to ignore: never copied
    instances = [instance for instance in sample.instances if not instance.crowd]
    if not instances:
        return sample
    height, width = sample.image.shape[:2]
    mirrored = flip(Sample(sample.image, instances))
    boxes = boxes_of(instances)
    image = sample.image.copy()
    left_to_paste = round(fraction * len(instances))
    for number in rng.permutation(len(mirrored.instances)).tolist():
        copy = mirrored.instances[number]
        covers_little = (_covered_fractions(boxes, bounding_box(copy.rings)) < MAX_COVER).all()
        if left_to_paste > 0 and covers_little:
            mask = fill(copy.rings, height, width)
            image[mask] = mirrored.image[mask]
            instances.append(copy)
            left_to_paste -= 1
    return Sample(image, instances + regions)


def _covered_fractions(boxes: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """(N,) fraction of each box (N, 4) that the box `cover` (4,) lies over."""
    sides = np.minimum(boxes[:, 2:], cover[2:]) - np.maximum(boxes[:, :2], cover[:2])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return sides.clip(0).prod(axis=1) / areas.clip(1e-9)


def mixup(a: Sample, b: Sample, rng: Generator) -> Sample:
    """Blend two samples of one size about half and half; the instances of both stay.

    Zhang et al., "mixup", 2018, with the Beta(32, 32) of the YOLO family.
    """
    weight = rng.beta(32.0, 32.0)
    return Sample(cv2.addWeighted(a.image, weight, b.image, 1 - weight, 0), a.instances + b.instances)


def cutmix(a: Sample, b: Sample, rng: Generator) -> Sample:
    """Put a random rectangle of `b` over `a` where it touches no instance of `a`; after three tries without, `a`.

    Yun et al., "CutMix", 2019. Instances of `b` come along as far as they lie in the rectangle and stay worth keeping.
    """
    height, width = a.image.shape[:2]
    boxes = boxes_of([instance for instance in a.instances if not instance.crowd])
    for _ in range(3):
        fraction = np.sqrt(1 - rng.beta(32.0, 32.0))  # of each side
        w = int(width * fraction)
        h = int(height * fraction)
        x = int(rng.integers(width - w + 1))
        y = int(rng.integers(height - h + 1))
        if not _covered_fractions(boxes, np.array([x, y, x + w, y + h])).any():
            return _paste_rectangle(a, b, x, y, w, h)
    return a


def _paste_rectangle(a: Sample, b: Sample, x: int, y: int, w: int, h: int) -> Sample:
    """`a` with the w x h rectangle at (x, y) of `b` over it."""
    height, width = a.image.shape[:2]
    image = a.image.copy()
    image[y : y + h, x : x + w] = b.image[y : y + h, x : x + w]
    inside = transform_instances(b.instances, _shift(-x, -y), (h, w), scale=1.0)
    return Sample(image, a.instances + transform_instances(inside, _shift(x, y), (height, width)))


def hsv(sample: Sample, config: AugmentConfig, rng: Generator) -> Sample:
    """Shift the hue and scale saturation and brightness by random amounts, through one table of 256 entries each."""
    gains = rng.uniform(-1, 1, 3) * (config.hsv_h, config.hsv_s, config.hsv_v)
    if not gains.any():
        return sample
    levels = np.arange(256)
    hue = (levels + gains[0] * 180) % 180  # OpenCV's hue circle has 180 steps
    saturation = levels * (1 + gains[1])
    value = levels * (1 + gains[2])
    table = np.stack((hue, saturation, value), axis=1).clip(0, 255).astype(np.uint8)  # (256, 3)
    image = cv2.cvtColor(sample.image, cv2.COLOR_RGB2HSV)
    cv2.LUT(image, table[None], dst=image)
    cv2.cvtColor(image, cv2.COLOR_HSV2RGB, dst=image)
    return Sample(image, sample.instances)


def flip(sample: Sample, vertical: bool = False) -> Sample:
    """Mirror left and right, or top and bottom."""
    height, width = sample.image.shape[:2]
    if vertical:
        image = cv2.flip(sample.image, 0)
        matrix = np.array([[1.0, 0, 0], [0, -1, height]])
    else:
        image = cv2.flip(sample.image, 1)
        matrix = np.array([[-1.0, 0, width], [0, 1, 0]])
    return Sample(image, transform_instances(sample.instances, matrix, (height, width)))
