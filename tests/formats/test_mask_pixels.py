"""The pixels of mask images: exact where a file is exact, and with soft edges undone where it is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from seglab.errors import SeglabError
from seglab.formats.mask_pixels import OPAQUE, components, plain_regions, read_ids, read_regions, regions_of

SIZE = (60, 80)
DISCS = (((20, 25), 12), ((55, 35), 14))  # (center x y, radius); they do not touch
COLORS = {
    "white": (255, 255),
    "two grays": (100, 200),
    "dark and light": (60, 255),
    "colors": ((220, 20, 60), (0, 130, 200)),
    "shades of one color": ((90, 0, 0), (240, 0, 0)),
}


def hard(values) -> np.ndarray:
    """Two discs with hard edges: (h, w) or (h, w, 3) uint8."""
    shape = SIZE if isinstance(values[0], int) else (*SIZE, 3)
    image = np.zeros(shape, np.uint8)
    for (center, radius), value in zip(DISCS, values):
        cv2.circle(image, center, radius, value, -1)
    return image


def softened(image: np.ndarray, width: float = 0.4) -> np.ndarray:
    """The same as an editor would paint it at eight times the size and scale down. width: of the edge, pixels."""
    large = cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    large = cv2.GaussianBlur(large, (0, 0), 8 * width)
    return cv2.resize(large, image.shape[1::-1], interpolation=cv2.INTER_AREA)


def groups(ids: np.ndarray) -> list[np.ndarray]:
    return [ids == value for value in np.unique(ids[ids != 0])]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("values", COLORS.values(), ids=COLORS)
@pytest.mark.parametrize("kind", ["soft png", "softer png", "jpg 95", "jpg 60", "soft jpg"])
def test_two_discs_are_two_regions_whatever_their_edges(tmp_path, values, kind):
    image = hard(values)
    expected = components(read_values(image))
    soft = softened(image, 0.9 if "softer" in kind else 0.4) if "soft" in kind else image
    file = tmp_path / ("a.png" if "png" in kind else "a.jpg")
    options = {} if "png" in kind else {"quality": int(kind[4:]) if kind[-1].isdigit() else 90, "subsampling": 0}
    Image.fromarray(soft).save(file, **options)
    found = read_regions(file)
    assert len(groups(found)) == len(set(values)), "no shade is a region of its own"
    regions = components(found)
    assert len(groups(regions)) == 2
    for own, wanted in zip(groups(regions), groups(expected)):
        assert overlap(own, wanted) > (0.8 if kind == "jpg 60" else 0.93)


@pytest.mark.parametrize("width", [0.3, 0.6, 0.9])
def test_shapes_that_touch_with_soft_edges_stay_apart(tmp_path, width):
    """At the point of contact shades mix three colors."""
    image = np.zeros((*SIZE, 3), np.uint8)
    cv2.ellipse(image, (25, 30), (14, 22), 0, 0, 360, (60, 160, 80), -1)
    cv2.fillPoly(image, [np.array([[40, 30], [55, 8], [70, 30], [55, 52]])], (70, 110, 220))
    Image.fromarray(softened(image, width)).save(tmp_path / "a.png")
    found = groups(read_regions(tmp_path / "a.png"))
    expected = groups(read_values(image))
    assert len(found) == 2 and all(overlap(*pair) > 0.93 for pair in zip(found, expected))


def read_values(image: np.ndarray) -> np.ndarray:
    return image.astype(np.int32) if image.ndim == 2 else image.astype(np.int32) @ [65536, 256, 1]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 250), st.booleans())
@example(0, 1, False)
def test_ids_of_a_lossless_file_stay_as_they_are(tmp_path_factory, seed, first, large):
    """Cells of any size that touch, numbered 1, 2, 3, ...: none is taken for the shade of an edge."""
    rng = np.random.default_rng(seed)
    ids = np.zeros(SIZE, np.uint16 if large else np.uint8)
    count = int(rng.integers(1, 30 if large else min(30, 256 - first)))
    for number in range(count):
        x, y = (int(value) for value in rng.integers(0, SIZE[0], 2))
        cv2.circle(ids, (x, y), int(rng.integers(0, 9)), first + number, -1)
    file = tmp_path_factory.mktemp("ids") / "a.png"
    Image.fromarray(ids).save(file)
    np.testing.assert_array_equal(read_regions(file), ids)
    np.testing.assert_array_equal(read_ids(file), ids)


def test_transparent_pixels_are_the_background_and_black_ones_may_be_an_instance(tmp_path):
    pixels = np.zeros((*SIZE, 4), np.uint8)
    pixels[..., :3] = 255
    pixels[10:20, 10:20] = (0, 0, 0, 255)
    pixels[30:40, 10:20] = (255, 255, 255, 255)
    pixels[30:40, 20:22, 3] = 100  # a soft edge
    Image.fromarray(pixels).save(tmp_path / "a.png")
    ids = read_regions(tmp_path / "a.png")
    assert sorted(np.unique(ids)) == [0, OPAQUE, OPAQUE + 0xFFFFFF] and (ids != 0).sum() == 200
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "b.png")
    assert sorted(np.unique(read_ids(tmp_path / "b.png"))) == [0, 0xFFFFFF], "opaque everywhere is no alpha"


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "LA", "RGB"])
def test_every_mode_has_its_two_regions(tmp_path, mode):
    gray = hard((255, 255))
    image = Image.fromarray(gray.astype(np.uint16)) if mode == "I;16" else Image.fromarray(gray).convert(mode)
    image.save(tmp_path / "a.png")
    assert len(groups(components(read_regions(tmp_path / "a.png")))) == 2


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(SeglabError, match=r"a\.png cannot be read as an image .*: replace or remove it"):
        read_regions(tmp_path / "a.png")


@given(st.integers(0, 2**32 - 1))
def test_all_regions_in_one_pass_are_those_of_a_pass_each(seed):
    ids = np.random.default_rng(seed).integers(0, 4, (7, 9)).astype(np.int32)
    one, other = list(regions_of(ids)), list(plain_regions(ids))
    assert [region[:3] for region in one] == [region[:3] for region in other]
    assert all(np.array_equal(a[3], b[3]) for a, b in zip(one, other))


def test_noise_is_refused_before_it_takes_minutes(tmp_path):
    """Half a million regions in a megapixel, or values that each reach over the whole of it."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, (600, 600), np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "a.png")
    for read in (read_ids, read_regions):
        with pytest.raises(SeglabError, match=r"a\.png looks like noise"):
            read(tmp_path / "a.png")
    blocks = np.kron(rng.integers(1, 60_000, (120, 120)), np.ones((5, 5), np.int32))
    strewn = np.where(blocks > 0, blocks % 2000 + 1, 0)
    Image.fromarray(strewn.astype(np.uint16)).save(tmp_path / "b.png")
    for find in (lambda ids: list(regions_of(ids, "b.png")), lambda ids: components(ids, "b.png")):
        with pytest.raises(SeglabError, match=r"b\.png has 2,0\d\d values that are strewn|b\.png has 1,9\d\d values"):
            find(read_ids(tmp_path / "b.png"))


def test_thousands_of_tiny_instances_are_no_noise(tmp_path):
    """Cells of 4 x 4 pixels, a pixel apart: 16,384 of them."""
    cell = np.pad(np.ones((4, 4), np.int32), ((0, 1), (0, 1)))
    ids = np.kron(np.arange(1, 128 * 128 + 1).reshape(128, 128), cell)
    Image.fromarray(ids.astype(np.uint16)).save(tmp_path / "a.png")
    assert len(list(regions_of(read_ids(tmp_path / "a.png")))) == 128 * 128
    assert components((ids > 0).astype(np.int32)).max() == 128 * 128
