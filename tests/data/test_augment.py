"""Augmentation moves outlines with the pixels: what an outline encloses afterwards is what was enclosed before."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.config import AugmentConfig
from seglab.data import augment
from seglab.data.augment import augmented, boxes_of
from seglab.geometry.letterbox import loader_letterbox
from seglab.geometry.polygons import ring_area
from seglab.geometry.raster import coverage, fill
from seglab.sample import Instance, Sample

SIZE = (128, 160)
STILL = AugmentConfig(hsv_h=0, hsv_s=0, hsv_v=0, translate=0, scale=0, fliplr=0, mosaic=0)
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def painted(seed, size=(120, 160), instances=2):
    """A sample of which every object has a color of its own: its class number tells which. Some have holes."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), 90, np.uint8)
    found = []
    for number in range(instances):
        center = rng.uniform(0.3, 0.7, 2) * size[::-1]
        center[0] = size[1] * (0.27 + 0.46 * number / max(1, instances - 1))  # apart, so that none hides another
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7)) + 0.1
        outer = center + 28 * np.stack((np.cos(angles), np.sin(angles)), axis=1) * rng.uniform(0.7, 1, (7, 1))
        rings = [outer]
        if number % 2:
            rings.append(center + 0.3 * (outer - center)[::-1])
        share = coverage(rings, *size)[..., None]
        image = np.round(image * (1 - share) + np.array(COLORS[number]) * share).astype(np.uint8)
        found.append(Instance(number, rings))
    return Sample(image, found, f"{seed}.png")


def assert_outlines_fit(sample, tolerance=0.05):
    """Per class: outlines and colors cover the same pixels, and their centers of gravity agree to a tenth of one."""
    height, width = sample.image.shape[:2]
    for class_id, color in enumerate(COLORS):
        others = [channel for channel in range(3) if channel != class_id]
        pixels = sample.image.astype(float)
        seen = ((pixels[..., class_id] - pixels[..., others].max(axis=2)) / 255).clip(0, 1)
        said = sum((coverage(o.rings, height, width) for o in sample.instances if o.class_id == class_id), np.zeros(1))
        said = np.broadcast_to(said, seen.shape).clip(0, 1)
        if max(seen.sum(), said.sum()) > 150:
            assert np.abs(seen - said).sum() < tolerance * max(seen.sum(), said.sum()) + 40, color
            rows, columns = np.mgrid[:height, :width]
            for axis in (rows, columns):
                assert (seen * axis).sum() / seen.sum() == pytest.approx((said * axis).sum() / said.sum(), abs=0.1)


def run(config, seed, samples=4):
    def load(number):
        sample = painted(number)
        return augment.apply_letterbox(sample, loader_letterbox(sample.image.shape[:2], SIZE))

    return augmented(load, 0, np.arange(samples), SIZE, config, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"translate": 0.3},
        {"scale": 0.6},
        {"degrees": 180},
        {"shear": 20},
        {"perspective": 0.001, "degrees": 20},
        {"flipud": 1},
        {"fliplr": 1},
        {"mosaic": 1, "scale": 0.5, "translate": 0.2},
        {"mosaic": 1, "degrees": 45, "shear": 10, "fliplr": 0.5, "flipud": 0.5, "scale": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(4))
def test_outlines_move_with_pixels(change, seed):
    sample = run(replace(STILL, **change), seed)
    assert sample.image.shape == (*SIZE, 3) and sample.image.dtype == np.uint8
    assert_outlines_fit(sample)


def test_flip_is_exact_and_its_own_inverse():
    sample = painted(0)
    for vertical in (False, True):
        once = augment.flip(sample, vertical)
        twice = augment.flip(once, vertical)
        assert np.array_equal(twice.image, sample.image) and not np.array_equal(once.image, sample.image)
        for before, flipped, after in zip(sample.instances, once.instances, twice.instances):
            assert all(np.allclose(a, b) for a, b in zip(before.rings, after.rings))
            # holes stay holes
            assert [ring_area(r) for r in flipped.rings] == pytest.approx([ring_area(r) for r in before.rings])


def test_mosaic_shows_four_samples_without_scaling():
    samples = [painted(n) for n in range(4)]
    result = augment.mosaic(samples, (120, 160), np.random.default_rng(3))
    assert result.image.shape == (240, 320, 3) and len(result.instances) > 4
    assert_outlines_fit(result)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 1.9))
def test_a_scaled_mosaic_has_no_seams_and_is_the_painted_one_scaled(seed, scale):
    """Pieces of one color each: a pixel is of one of them or gray, and as far as a pixel where the canvas has it."""
    rng = np.random.default_rng(seed)
    colors = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
    samples = []
    for color in colors:
        height, width = rng.integers(8, 161, 2)
        outline = np.array([[0.0, 0], [width, 0], [width, height], [0, height]])
        samples.append(Sample(np.full((height, width, 3), color, np.uint8), [Instance(len(samples), [outline])]))
    layout = augment.mosaic_layout(samples, SIZE, rng)
    shift = rng.uniform(-150, 100, 2)
    scaled = augment.paint_scaled(layout, scale, shift, SIZE)

    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    x, y = (columns - shift[0]) / scale, (rows - shift[1]) / scale  # on the canvas
    owner = np.full(SIZE, -1)
    for number, piece in enumerate(layout.pieces):
        left, top, right, bottom = augment._visible(piece.sample, piece.left, piece.top, layout.size)
        owner[(x >= left) & (x < right) & (y >= top) & (y < bottom)] = number
    expected = np.array([*colors, (114, 114, 114)], np.uint8)[owner]
    assert np.isin(scaled.image.reshape(-1, 3), [*colors, (114, 114, 114)]).all()
    wrong = (scaled.image != expected).any(axis=2)
    edge = np.zeros(SIZE, bool)
    edge[:, 1:] |= owner[:, 1:] != owner[:, :-1]
    edge[1:] |= owner[1:] != owner[:-1]
    assert not (wrong & ~cv2.dilate(edge.astype(np.uint8), np.ones((3, 3))).astype(bool)).any()
    for instance in scaled.instances:  # whose outlines are the pieces' borders: to the pixel, as the image has them
        seen = (scaled.image == colors[instance.class_id]).all(axis=2)
        assert np.array_equal(fill(instance.rings, *SIZE), seen)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_what_is_kept_obeys_the_rule(seed):
    config = AugmentConfig(degrees=45, shear=10, mixup=0.5, cutmix=0.5, copy_paste=0.5, flipud=0.5, scale=0.9)
    sample = run(config, seed)
    boxes = boxes_of(sample.instances)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (boxes >= -1e-9).all() and (boxes <= np.array([160, 128, 160, 128]) + 1e-9).all()
    assert (sides > 2).all() and (sides.max(axis=1, initial=0) < 100 * sides.min(axis=1, initial=np.inf)).all()


def test_slivers_and_remains_are_dropped():
    square = np.array([[0.0, 0], [50, 0], [50, 50], [0, 50]])
    instances = [
        Instance(0, [square]),
        Instance(1, [square + (49, 0)]),
        Instance(2, [square * (1, 0.03)]),
        Instance(3, [square + 60]),
    ]
    shifted = augment.transform_instances(instances, np.array([[1.0, 0, 0], [0, 1, 0]]), (50, 50), scale=1.0)
    assert [o.class_id for o in shifted] == [0]
    assert [
        o.class_id for o in augment.transform_instances(instances, np.array([[1.0, 0, 0], [0, 1, 0]]), (50, 50))
    ] == [0, 1, 2]


def test_hsv_changes_color_only():
    sample = painted(1)
    result = augment.hsv(sample, AugmentConfig(), np.random.default_rng(0))
    assert result.instances is sample.instances and not np.array_equal(result.image, sample.image)
    assert augment.hsv(sample, STILL, np.random.default_rng(0)).image is sample.image
    gray = Sample(np.full((8, 8, 3), 100, np.uint8))
    turned = augment.hsv(gray, replace(STILL, hsv_h=0.5), np.random.default_rng(0))
    assert np.array_equal(turned.image, gray.image)  # gray has no hue
    brighter = augment.hsv(gray, replace(STILL, hsv_v=0.4), np.random.default_rng(0)).image
    assert brighter.std() == 0 and 60 <= brighter.mean() <= 140


def test_bgr_swaps_channels():
    plain, swapped = run(STILL, 0), run(replace(STILL, bgr=1.0), 0)
    assert np.array_equal(plain.image[..., ::-1], swapped.image)


def test_mixup_blends_and_keeps_all_objects():
    a, b = painted(0), painted(1)
    mixed = augment.mixup(a, b, np.random.default_rng(0))
    assert len(mixed.instances) == 4
    error = np.abs(mixed.image.astype(float) - (a.image.astype(float) + b.image) / 2)
    assert error.max() < 60 and error.mean() < 20


def test_cutmix_touches_no_object_of_the_first():
    first = Sample(np.zeros((100, 100, 3), np.uint8), [Instance(0, [np.array([[0.0, 0], [9, 0], [9, 9], [0, 9]])])])
    second = painted(2, (100, 100))
    happened = 0
    for seed in range(20):
        result = augment.cutmix(first, second, np.random.default_rng(seed))
        assert result.instances[0] is first.instances[0] and not result.image[:9, :9].any()
        happened += len(result.instances) > 1
        assert_outlines_fit(Sample(result.image, [o for o in result.instances[1:]]))
    assert happened


def test_copy_paste_adds_mirrored_copies_with_their_pixels():
    square = np.array([[10.0, 30], [30, 30], [30, 50], [10, 50]])
    image = np.full((100, 100, 3), 90, np.uint8)
    cv2.rectangle(image, (10, 30), (29, 49), (255, 0, 0), -1)
    result = augment.copy_paste(Sample(image, [Instance(0, [square])]), 1.0, np.random.default_rng(0))
    assert len(result.instances) == 2 and boxes_of(result.instances)[1].tolist() == [70, 30, 90, 50]
    assert fill(result.instances[1].rings, 100, 100).sum() == 400
    assert_outlines_fit(result)
    assert (image[:, 50:] == 90).all()  # the source is not written to


def test_copies_that_would_hide_others_are_not_pasted():
    square = np.array([[40.0, 30], [60, 30], [60, 50], [40, 50]])  # its mirror image lies upon itself
    sample = Sample(np.full((100, 100, 3), 90, np.uint8), [Instance(0, [square])])
    assert len(augment.copy_paste(sample, 1.0, np.random.default_rng(0)).instances) == 1


def test_the_same_seed_gives_the_same_sample():
    config = AugmentConfig(degrees=10, mixup=0.5, copy_paste=0.5)
    a, b, c = run(config, 7), run(config, 7), run(config, 8)
    assert np.array_equal(a.image, b.image) and not np.array_equal(a.image, c.image)
    assert [o.class_id for o in a.instances] == [o.class_id for o in b.instances]


def test_a_sample_without_objects():
    empty = Sample(np.full((50, 60, 3), 7, np.uint8))
    config = AugmentConfig(degrees=10, mixup=1, cutmix=1, copy_paste=1)
    result = augmented(lambda number: empty, 0, np.arange(1), SIZE, config, np.random.default_rng(0))
    assert result.instances == [] and result.image.shape == (*SIZE, 3)


def test_defaults_are_the_published_ones():
    expected = {
        "hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4, "degrees": 0, "translate": 0.1, "scale": 0.5, "shear": 0,
        "perspective": 0, "flipud": 0, "fliplr": 0.5, "bgr": 0, "mosaic": 1, "mixup": 0, "cutmix": 0, "copy_paste": 0,
    }  # fmt: skip
    assert vars(AugmentConfig()) == expected
