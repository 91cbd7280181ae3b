"""Windows of a large image are what the same pixels of the whole image are."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from seglab.data import windows
from seglab.data.image import read_image
from seglab.data.windows import ArrayWindows, TiffWindows
from seglab.errors import SeglabError
from seglab.image_files import Reading

tifffile = pytest.importorskip("tifffile")
RGB = np.random.default_rng(0).integers(0, 256, (150, 220, 3), dtype=np.uint8)
SOME = [(0, 150, 0, 220), (0, 64, 0, 64), (10, 75, 30, 200), (149, 150, 219, 220), (100, 170, 200, 300), (5, 5, 5, 9)]
LAYOUTS = {
    "tiles": {"tile": (64, 32)},
    "deflate": {"tile": (64, 32), "compression": "zlib"},
    "strips": {"rowsperstrip": 16},
    "one strip": {"rowsperstrip": 150},
    "big": {"tile": (64, 64), "bigtiff": True},
}


def assert_same_windows(image, whole):
    assert image.shape == (150, 220, 3)
    for top, bottom, left, right in SOME:
        window = image[top:bottom, left:right]
        assert window.dtype == np.uint8
        np.testing.assert_array_equal(window, whole[top:bottom, left:right])


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_tiff(tmp_path, layout, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", **LAYOUTS[layout])
    whole = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(whole, RGB)
    assert_same_windows(TiffWindows(tmp_path / "a.tif"), whole)
    monkeypatch.setattr(windows, "KEPT_BYTES", 1)  # nothing is at hand twice
    assert_same_windows(TiffWindows(tmp_path / "a.tif"), whole)


def test_only_what_a_window_touches_is_decoded(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", tile=(32, 32))
    image = TiffWindows(tmp_path / "a.tif")
    decoded = []
    decode = image.page.decode
    image.page.decode = lambda data, index, **options: decoded.append(index) or decode(data, index, **options)
    image[40:60, 40:60]
    image[35:64, 33:64]
    assert decoded == [8]  # of a row of 7 tiles the second, in the second row, once


def test_gray_alpha_and_sixteen_bits(tmp_path):
    gray = RGB[..., 0]
    tifffile.imwrite(tmp_path / "gray.tif", gray, photometric="minisblack", tile=(64, 64))
    assert_same_windows(TiffWindows(tmp_path / "gray.tif"), np.dstack([gray] * 3))
    alpha = np.dstack((RGB, gray))
    tifffile.imwrite(tmp_path / "alpha.tif", alpha, photometric="rgb", tile=(64, 64), extrasamples=["unassalpha"])
    assert_same_windows(TiffWindows(tmp_path / "alpha.tif"), RGB)
    deep = RGB.astype(np.uint16) * 16
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", tile=(64, 64))
    expected = read_image(tmp_path / "deep.tif", Reading(range=(0, 4080)))
    assert_same_windows(TiffWindows(tmp_path / "deep.tif", Reading(range=(0, 4080))), expected)
    with pytest.raises(SeglabError, match=r"deep\.tif .*uint16.*range=4095"):
        TiffWindows(tmp_path / "deep.tif")[0:9, 0:9]


def test_arrays(tmp_path):
    np.save(tmp_path / "a.npy", RGB[..., ::-1])
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert_same_windows(ArrayWindows(mapped), RGB)
    assert_same_windows(ArrayWindows(RGB[..., 0]), np.dstack([RGB[..., 0]] * 3))
    assert_same_windows(ArrayWindows(RGB[..., ::-1] / 255, (0, 1)), RGB)
    with pytest.raises(SeglabError, match=r"float64.*range="):
        ArrayWindows(RGB / 255)[0:9, 0:9]


def test_what_has_no_windows_says_so(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "turned.tif", RGB, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    tifffile.imwrite(tmp_path / "planes.tif", RGB.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "one.tif", RGB, photometric="rgb", rowsperstrip=150)
    for name, told in {"turned.tif": "orientation", "planes.tif": "gray and RGB images only"}.items():
        with pytest.raises(SeglabError, match=rf"{name} .*{told}"):
            TiffWindows(tmp_path / name)
    monkeypatch.setattr(windows, "WHOLE_PIXELS", 10_000)
    with pytest.raises(SeglabError, match=r"one\.tif .*not stored in tiles or strips.*tiled TIFF"):
        TiffWindows(tmp_path / "one.tif")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(SeglabError, match="pip install tifffile"):
        TiffWindows(tmp_path / "one.tif")


def test_a_damaged_tile_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", tile=(64, 64), compression="zlib")
    page = tifffile.TiffFile(tmp_path / "a.tif").pages[0]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[page.dataoffsets[1] : page.dataoffsets[1] + 100] = bytes(100)
    (tmp_path / "a.tif").write_bytes(content)
    image = TiffWindows(tmp_path / "a.tif")
    np.testing.assert_array_equal(image[0:64, 0:64], RGB[0:64, 0:64])
    with pytest.raises(SeglabError, match=r"a\.tif .*tile 1"):
        image[0:64, 64:128]
