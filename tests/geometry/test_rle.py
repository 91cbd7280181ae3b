"""Run-length masks: every way in and out agrees with pycocotools on whole masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from seglab.errors import SeglabError
from seglab.geometry import rle as R
from seglab.geometry.contours import mask_to_rings

seeds = st.integers(0, 2**32 - 1)


def random_mask(rng: np.random.Generator) -> np.ndarray:
    return rng.random(rng.integers(1, 40, 2)) < rng.choice([0.0, 0.02, 0.5, 0.95, 1.0])


@given(seeds)
def test_masks_come_back_in_every_form_of_rle(seed):
    mask = random_mask(np.random.default_rng(seed))
    packed = R.encode(mask)
    plain = {"size": packed["size"], "counts": R.counts_of(packed).tolist()}
    as_text = {"size": packed["size"], "counts": packed["counts"].decode()}
    assert packed == coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert sum(plain["counts"]) == mask.size
    for rle in (packed, plain, as_text):
        assert R.compress(rle) == packed
        assert R.area(rle) == mask.sum()
        np.testing.assert_array_equal(R.decode(rle), mask)
        x0, y0, crop = R.rle_to_crop(rle)
        whole = np.zeros_like(mask)
        whole[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
        np.testing.assert_array_equal(whole, mask)
        if mask.any():
            assert [x0, y0, crop.shape[1], crop.shape[0]] == coco.toBbox(packed).tolist()
    assert R.rings_to_rle(mask_to_rings(mask), *mask.shape) == packed


@given(st.lists(st.integers(0, 2**33), max_size=12))
def test_counts_unpack_one_by_one_and_all_at_once_alike(counts):
    """Any counts: small and large, falling and rising, so that differences are negative and take several characters."""
    packed = coco.frPyObjects({"size": [1, 1], "counts": [count % 2**32 for count in counts]}, 1, 1)["counts"].decode()
    if packed:
        expected = R.unpack_reference(packed)
        assert R._unpacked(packed).tolist() == expected


def test_counts_unpack_to_what_was_packed():
    counts = [5, 3, 0, 700, 2, 1, 40_000, 9]
    packed = coco.frPyObjects({"size": [1, sum(counts)], "counts": counts}, 1, sum(counts))["counts"].decode()
    assert R.unpack_reference(packed) == counts


def test_long_runs_unpack():
    mask = np.zeros((3000, 4000), dtype=bool)
    mask[5:2900, 100:3990] = True
    mask[1700, 2000] = False
    x0, y0, crop = R.rle_to_crop(R.encode(mask))
    assert (x0, y0) == (100, 5)
    np.testing.assert_array_equal(crop, mask[5:2900, 100:3990])


@given(seeds)
def test_a_crop_becomes_the_rle_of_the_whole_image(seed):
    rng = np.random.default_rng(seed)
    crop = random_mask(rng)
    x0, y0 = rng.integers(0, 4, 2)
    height, width = crop.shape + np.array([y0, x0]) + rng.integers(0, 4, 2)
    whole = np.zeros((height, width), dtype=bool)
    whole[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
    assert R.crop_to_rle(x0, y0, crop, height, width) == R.encode(whole)


def test_a_crop_outside_the_image_and_damaged_counts_are_refused():
    with pytest.raises(ValueError, match="extends beyond"):
        R.crop_to_rle(3, 0, np.ones((2, 2), dtype=bool), 4, 4)
    for counts in ([1, 4], [7, -2], "14"):
        with pytest.raises(ValueError, match="add up to 2 x 2"):
            R.compress({"size": [2, 2], "counts": counts})
    for counts in ("", "1o"):
        with pytest.raises(ValueError, match="ends too early"):
            R.compress({"size": [2, 2], "counts": counts})


def test_a_slip_of_the_decimal_point_does_not_stop_the_world():
    square = np.array([[10.0, 10], [1e12, 10], [1e12, 30], [10, 30]])
    mask = R.decode(R.rings_to_rle([square, square[::-1] + (5, 5)], 48, 64))
    expected = np.zeros((48, 64), dtype=bool)
    expected[10:30, 10:] = True
    expected[15:35, 15:] = False
    assert np.array_equal(mask, expected)


def test_overlap_union_and_crowds():
    a, b = np.zeros((2, 8, 8), dtype=bool)
    a[:4, :4] = b[2:6, :4] = True
    first, second = R.encode(a), R.encode(b)
    np.testing.assert_allclose(R.iou([first], [first, second]), [[1, 8 / 24]])
    np.testing.assert_allclose(R.iou([first], [second], crowd=[True]), [[0.5]])
    assert R.iou([], [first]).shape == (0, 1)
    np.testing.assert_array_equal(R.decode(R.merge([first, second])), a | b)


@given(seeds)
def test_damaged_strings_are_found_among_many(seed):
    """One look at all strings and one at each agree on which hold runs of the image's size."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 40, 2))
    strings = []
    for _ in range(rng.integers(0, 6)):
        mask = rng.random((height, width)) > rng.random()
        text = R.encode(mask)["counts"].decode()
        place, kind = rng.integers(len(text)), rng.random()
        if kind < 0.15:
            text = text[:place] + chr(rng.integers(30, 130)) + text[place + 1 :]
        elif kind < 0.2:
            text = text[:place]
        elif kind < 0.25:
            text = "".join(map(chr, rng.integers(48, 112, 12)))
        strings.append(text)

    def whole(text):
        try:
            counts = R.counts_of({"size": [height, width], "counts": text})
        except ValueError:
            return False
        return counts.min() >= 0 and counts.sum() == height * width

    if all(map(whole, strings)):
        areas = [R.area({"size": [height, width], "counts": text}) for text in strings]
        assert R.packed_areas(strings, height * width).tolist() == areas == R.packed_areas_reference(strings)
    else:
        with pytest.raises(ValueError, match="damaged"):
            R.packed_areas(strings, height * width)


GOOD = R.encode(np.eye(8, dtype=bool))
SIDES = [None, [], {}, "x", 0, True, 1e308, [8], [8, 8, 8], [8, -8], [8.0, 8.0], ["8", "8"], [8, None], [True, 8]]
SIDES += [[2**31, 2**31], [10**30, 1], np.zeros(3), "88", {8, 9}]
COUNTS = [None, {}, "x", -1, True, float("nan"), [None], [[64]], [64.5], ["a"], [10**30], [2**62, 2**62], [64, {}]]
COUNTS += ["\ud800", "\u00e9", b"", b"\xff", "PPPPPPPPP0", [8, -8, 64], object(), [float("inf")], [1, [2]]]
COUNTS += [[1, 2], "0", "o" * 10, ["64", "x"]]


def every_damaged_rle():
    yield from (None, [], 5, "x", {}, {"size": [8, 8]}, {"counts": "x"}, b"x", [GOOD])
    for size in SIDES:
        for counts in (GOOD["counts"], GOOD["counts"].decode(), [0, 64]):
            yield {"size": size, "counts": counts}
    for counts in COUNTS:
        yield {"size": [8, 8], "counts": counts}


@pytest.mark.parametrize("name", ["decode", "compress", "counts_of", "rle_to_crop", "area", "merge", "iou"])
def test_an_rle_of_a_stranger_is_one_of_the_image_or_an_error_of_ours(name):
    """Each of these functions, so that COCO's own tool, which reads beyond its memory, never sees a damaged one."""
    for rle in every_damaged_rle():
        arguments = {"merge": ([rle, GOOD],), "iou": ([GOOD], [rle])}.get(name, (rle,))
        with pytest.raises(SeglabError):
            getattr(R, name)(*arguments)


@given(st.binary(max_size=12), st.sampled_from([[8, 8], [1, 1], [2, 3], [300, 5]]))
def test_no_bytes_make_an_rle_that_is_not_one_of_its_image(data, size):
    for counts in (data, data.decode("latin-1")):
        rle = {"size": size, "counts": counts}
        try:
            area = R.area(rle)
        except SeglabError:
            continue
        assert area == R.decode(rle).sum() == R.rle_to_crop(rle)[2].sum()


def test_an_rle_that_would_fill_the_memory_is_not_unpacked():
    vast = {"size": [60_000, 60_000], "counts": [0, 3_600_000_000]}
    assert R.area(vast) == 3_600_000_000
    for unpack in (R.decode, R.rle_to_crop):
        with pytest.raises(SeglabError, match="unpack to 3,600,000,000 pixels"):
            unpack(vast)


def test_masks_of_several_sizes_are_not_compared():
    other = R.encode(np.ones((4, 16), dtype=bool))
    for join in (lambda: R.merge([GOOD, other]), lambda: R.iou([GOOD], [other])):
        with pytest.raises(SeglabError, match="one size"):
            join()


def test_counts_as_other_tools_write_them_are_read():
    for counts in ([0.0, 64.0], ["0", "64"], (0, 64), np.array([0, 64])):
        assert R.area({"size": (8, 8), "counts": counts}) == 64
