"""Every kind of image file becomes upright RGB uint8, or one clear error."""

import struct
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image

from seglab.data.image import image_size, look_at, read_image, to_eight_bits, write_image
from seglab.errors import SeglabError
from seglab.image_files import Reading

IMAGE = np.zeros((40, 60, 3), np.uint8)
IMAGE[:20, :30], IMAGE[20:, :30], IMAGE[:20, 30:] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
KINDS = {"jpg": {"quality": 95, "subsampling": 0}, "png": {}, "webp": {"lossless": True}, "tif": {}, "bmp": {}}
OTHER_KINDS = {"avif": {"quality": 100, "subsampling": "4:4:4"}, "jfif": KINDS["jpg"], "jp2": {}, "gif": {}, "ppm": {}}
KINDS |= OTHER_KINDS


def assert_close(image, expected, tolerance=16):
    assert image.shape == expected.shape and image.dtype == np.uint8 and image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_colors_are_rgb(tmp_path, kind):
    Image.fromarray(IMAGE).save(tmp_path / f"x.{kind}", **KINDS[kind])
    assert_close(read_image(tmp_path / f"x.{kind}"), IMAGE)
    assert image_size(tmp_path / f"x.{kind}") == (40, 60)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "avif"])
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


@pytest.mark.parametrize("kind", list(KINDS))
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


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "webp"])
def test_reading_takes_the_memory_of_the_file_and_of_its_pixels(tmp_path, kind):
    write_image(tmp_path / f"a.{kind}", np.zeros((300, 400, 3), np.uint8))
    read_image(tmp_path / f"a.{kind}")  # what is imported at the first image is not the image's
    tracemalloc.start()
    pixels = read_image(tmp_path / f"a.{kind}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pixels.nbytes + (tmp_path / f"a.{kind}").stat().st_size + 200_000


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


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_content_decides_and_not_the_name(tmp_path, kind):
    Image.fromarray(IMAGE).save(tmp_path / f"x.{kind}", **KINDS[kind])
    for name in ("x.JPG", "x.png", "x"):
        (tmp_path / name).write_bytes((tmp_path / f"x.{kind}").read_bytes())
        assert_close(read_image(tmp_path / name), IMAGE)
        assert image_size(tmp_path / name) == (40, 60)


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6  # which pillow-heif writes as a rotation of HEIC's own, and undoes
    for options in ({}, {"exif": exif}):
        Image.fromarray(IMAGE).save(tmp_path / "x.heic", format="HEIF", quality=-1, chroma=444, **options)
        assert_close(read_image(tmp_path / "x.heic"), IMAGE)
        assert image_size(tmp_path / "x.heic") == (40, 60)


def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SeglabError, match=r"x\.heic .*HEIC.*pip install pillow-heif"):
        read_image(tmp_path / "x.heic")


RAMP = np.linspace(0, 4095, 2400).astype(np.uint16).reshape(40, 60)


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_twelve_bits_in_sixteen_are_never_almost_black(tmp_path, kind, channels):
    path = tmp_path / f"x.{kind}"
    cv2.imwrite(str(path), RAMP if channels == 1 else np.dstack([RAMP] * 3))
    for function in (read_image, look_at):
        with pytest.raises(SeglabError, match=r"reach only 4095 of 65535.*range=4095.*12 bits.*range=65535"):
            function(path)
    assert image_size(path) == (40, 60)
    expected = np.round(RAMP / 4095 * 255)[..., None].repeat(3, axis=2)
    assert_close(read_image(path, Reading(range=(0, 4095))), expected, tolerance=1)
    assert look_at(path, Reading(range=(0, 4095))) == ((40, 60), "")
    assert read_image(path, Reading(range=(0, 65535))).max() == 16
    window = read_image(path, Reading(range=(1000, 2000)))[..., 0]
    assert (window[RAMP <= 1000] == 0).all() and (window[RAMP >= 2000] == 255).all() and len(np.unique(window)) > 200


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sixteen_bits_are_turned_like_eight(tmp_path, orientation):
    eight, sixteen = tmp_path / "8.tif", tmp_path / "16.tif"
    values = np.arange(2400, dtype=np.uint16).reshape(40, 60)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray((values // 10).astype(np.uint8)).save(eight, exif=exif)
    Image.fromarray(values // 10 * 257).save(sixteen, exif=exif)
    assert_close(read_image(sixteen), read_image(eight), tolerance=0)
    assert image_size(sixteen) == read_image(sixteen).shape[:2]


def test_white_may_be_zero(tmp_path):
    Image.fromarray(RAMP * 16).save(tmp_path / "x.tif")
    plain = (tmp_path / "x.tif").read_bytes()
    entry = struct.pack("<HHI", 262, 3, 1)  # the tag that says which end is white
    assert plain.count(entry) == 1
    place = plain.index(entry) + len(entry)
    (tmp_path / "x.tif").write_bytes(plain[:place] + b"\0" + plain[place + 1 :])
    assert_close(read_image(tmp_path / "x.tif"), 255 - (RAMP * 16 / 257).round()[..., None].repeat(3, axis=2), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_without_a_range_of_their_own_need_one(tmp_path, dtype, channels):
    values = (RAMP / 4095 * (1 if dtype == np.float32 else 100_000)).astype(dtype)
    values = values if channels == 1 else np.dstack([values] * 3)
    cv2.imwrite(str(tmp_path / "x.tif"), values)
    with pytest.raises(SeglabError, match=r"x\.tif .*go from 0 to (1|100000)\): pass range=LOW,HIGH"):
        read_image(tmp_path / "x.tif")
    read = read_image(tmp_path / "x.tif", Reading(range=(0, float(values.max()))))
    assert_close(read, np.round(RAMP / 4095 * 255)[..., None].repeat(3, axis=2), 1)


def test_what_is_no_number_is_black_and_infinity_is_white():
    values = np.array([[np.nan, -np.inf, np.inf, 0.5, -1, 2]], np.float32)
    assert to_eight_bits(values, (0, 1)).tolist() == [[0, 0, 255, 128, 0, 255]]


def test_eight_bits_stay_what_they_are_with_a_range(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "x.png")
    assert_close(read_image(tmp_path / "x.png", Reading(range=(0, 4095))), IMAGE, 0)


def test_many_channels_are_refused_by_the_scan_too(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros((40, 60, 6), np.uint8), photometric="minisblack", planarconfig="contig"
    )
    for function in (read_image, look_at):
        with pytest.raises(SeglabError, match=r"x\.tif .*6 channels.*RGB"):
            function(tmp_path / "x.tif")


def test_the_first_of_several_is_read_and_said(tmp_path):
    second = Image.fromarray(255 - IMAGE)
    several = {"save_all": True, "append_images": [second]}
    for kind, what in {"gif": "frames", "webp": "frames", "png": "frames", "tif": "pages"}.items():
        Image.fromarray(IMAGE).save(tmp_path / f"x.{kind}", **KINDS[kind], **several)
        assert_close(read_image(tmp_path / f"x.{kind}"), IMAGE)
        assert look_at(tmp_path / f"x.{kind}") == ((40, 60), what)
    Image.fromarray(IMAGE).save(tmp_path / "x.mpo", **KINDS["jpg"], **several)  # a camera's two views are one image
    assert look_at(tmp_path / "x.mpo") == ((40, 60), "")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"])
def test_compressions_of_tiff(tmp_path, compression, capfd):
    Image.fromarray(IMAGE).save(tmp_path / "x.tif", compression=compression)
    assert_close(read_image(tmp_path / "x.tif"), IMAGE, 60 if compression == "jpeg" else 0)
    assert image_size(tmp_path / "x.tif") == (40, 60)
    assert capfd.readouterr().err == ""  # no decoder complains about what another one reads


def test_palette_with_alpha(tmp_path):
    indexed = Image.fromarray(IMAGE).quantize(8)
    indexed.save(tmp_path / "x.png", transparency=bytes(range(0, 256, 32)))
    assert_close(read_image(tmp_path / "x.png"), IMAGE)


def test_real_photos(datasets_folder):
    for path in sorted((datasets_folder / "coco8-seg/images").rglob("*.jpg")):
        image = read_image(path)
        assert image.shape[:2] == image_size(path)
        assert np.array_equal(image, cv2.imread(str(path))[..., ::-1])
