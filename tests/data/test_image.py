"""Every kind of image file becomes upright RGB uint8, or one clear error."""

import cv2
import numpy as np
import pytest
from PIL import Image

from seglab.data.image import image_size, read_image, write_image
from seglab.errors import SeglabError

IMAGE = np.zeros((40, 60, 3), np.uint8)
IMAGE[:20, :30], IMAGE[20:, :30], IMAGE[:20, 30:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
KINDS = {"jpg": {"quality": 95, "subsampling": 0}, "png": {}, "webp": {"lossless": True}, "tif": {}, "bmp": {}}


def assert_close(image, expected, tolerance=16):
    assert image.shape == expected.shape and image.dtype == np.uint8 and image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_colors_are_rgb(tmp_path, kind):
    Image.fromarray(IMAGE).save(tmp_path / f"x.{kind}", **KINDS[kind])
    assert_close(read_image(tmp_path / f"x.{kind}"), IMAGE)
    assert image_size(tmp_path / f"x.{kind}") == (40, 60)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, kind, orientation):
    stored = {  # EXIF 2.3: what lies in the file so that the upright image is IMAGE
        1: IMAGE,
        2: IMAGE[:, ::-1],
        3: IMAGE[::-1, ::-1],
        4: IMAGE[::-1],
        5: IMAGE.transpose(1, 0, 2),
        6: np.rot90(IMAGE),
        7: IMAGE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(IMAGE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{kind}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **KINDS[kind])
    assert_close(read_image(path), IMAGE)
    assert image_size(path) == (40, 60)


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled(tmp_path, kind, channels):
    values = np.linspace(0, 65535, 2400).astype(np.uint16).reshape(40, 60)
    cv2.imwrite(str(tmp_path / f"x.{kind}"), values if channels == 1 else np.dstack([values] * 3))
    expected = np.round(values / 257)[..., None].repeat(3, axis=2)
    assert_close(read_image(tmp_path / f"x.{kind}"), expected, tolerance=1)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("png", "tif") for mode in ("L", "LA", "1", "P", "RGBA")]
    + [("tif", "CMYK"), ("jpg", "CMYK"), ("jpg", "L")],
)
def test_other_modes(tmp_path, kind, mode):
    converted = Image.fromarray(IMAGE).convert(mode)
    converted.save(tmp_path / f"x.{kind}", **KINDS[kind])
    assert_close(read_image(tmp_path / f"x.{kind}"), np.asarray(converted.convert("RGB")))
    assert image_size(tmp_path / f"x.{kind}") == (40, 60)


def test_alpha_is_dropped(tmp_path):
    Image.fromarray(np.dstack([IMAGE, np.zeros((40, 60), np.uint8)])).save(tmp_path / "x.png")
    assert_close(read_image(tmp_path / "x.png"), IMAGE, 0)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_cut_file_is_an_error_that_names_it(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / f"holiday.{kind}"
    Image.fromarray(noise).save(path, **KINDS[kind])
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(SeglabError, match=f"holiday.{kind}"):
        read_image(path)
    if kind in ("jpg", "png"):  # the others show it only when they are read
        with pytest.raises(SeglabError, match=f"holiday.{kind}"):
            image_size(path)


def test_padding_behind_a_jpeg_does_no_harm(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "x.jpg", **KINDS["jpg"])
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes() + bytes(5000))
    assert_close(read_image(tmp_path / "x.jpg"), IMAGE)
    assert image_size(tmp_path / "x.jpg") == (40, 60)


def test_what_is_written_comes_back_or_is_an_error(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    write_image(tmp_path / "neu/ä b.png", image)
    assert np.array_equal(read_image(tmp_path / "neu/ä b.png"), image)
    with pytest.raises(SeglabError, match="use a suffix"):
        write_image(tmp_path / "a.txt", image)
    with pytest.raises(SeglabError, match="cannot write the image"):
        write_image(tmp_path / "neu/ä b.png/a.png", image)


def test_no_image(tmp_path):
    (tmp_path / "x.jpg").write_text("hello")
    for function in (read_image, image_size):
        with pytest.raises(SeglabError, match=r"x\.jpg"):
            function(tmp_path / "x.jpg")
        with pytest.raises(FileNotFoundError, match=r"y\.jpg"):
            function(tmp_path / "y.jpg")


def test_real_photos(datasets_folder):
    for path in sorted((datasets_folder / "coco8-seg/images").rglob("*.jpg")):
        image = read_image(path)
        assert image.shape[:2] == image_size(path)
        assert np.array_equal(image, cv2.imread(str(path))[..., ::-1])
