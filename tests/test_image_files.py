"""What a file is, its content says; what it may cost, its header says; and no other program is ever started."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglab.data.image import image_size, look_at, read_image
from seglab.data.scan import scan
from seglab.errors import SeglabError
from seglab.image_files import DECODERS, Reading, file_kind, kind_of
from seglab.inference.sources import load

NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def png(path: Path, width: int, height: int) -> Path:
    """A PNG that declares a size and holds 1,000 rows of it, or all of a small one."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    data = zlib.compress(bytes(min(height, 1000) * (1 + width * 3)), 1)
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def tiff(path: Path, width: int, height: int, tile: int = 0, extra: tuple = ()) -> Path:
    """A gray TIFF that declares a size and holds 200 bytes of it."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 100), *extra]
    if tile:
        tags += [(322, 4, 1, tile), (323, 4, 1, tile)]
    rows = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    table = struct.pack("<H", len(tags)) + rows + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + table + bytes(200))
    return path


def gif(path: Path, screen: int, frame: int) -> Path:
    sizes = struct.pack("<HHBBB", screen, screen, 0x80, 0, 0), struct.pack("<HHHHB", 0, 0, frame, frame, 0)
    path.write_bytes(b"GIF89a" + sizes[0] + bytes(6) + b"," + sizes[1] + b"\x02\x02\x4c\x01\0;")
    return path


def test_the_content_names_the_kind(tmp_path):
    pillow_names = {"JPEG 2000": "JPEG2000", "PNM": "PPM"}
    for kind in set(DECODERS) - {"HEIC"}:
        path = tmp_path / "no suffix"
        Image.fromarray(NOISE).save(path, format=pillow_names.get(kind, kind))
        assert file_kind(path) == kind
    boxes = {b"ftypheic": "HEIC", b"ftypavif": "AVIF", b"ftypisom": "video", b"ftypqt  ": "video", b"ftypcrx ": ""}
    for start, kind in boxes.items():
        assert kind_of(b"\0\0\0\x18" + start + b"\0\0\0\0mif1") == kind
    assert kind_of(b"\0\0\0\x18ftypmif1\0\0\0\0avif") == "AVIF"  # the major brand says nothing
    assert kind_of(b"RIFF0000AVI ") == kind_of(b"\x1aE\xdf\xa3") == "video"
    assert kind_of(b"") == kind_of(b"hello") == kind_of(b"RIFF0000WAVE") == ""
    assert file_kind(tmp_path) == file_kind(tmp_path / "missing") == ""


NO_IMAGES = {  # content: what the message says it is, and what to do
    b"": ("empty", "replace"),
    b"hello": ("not in any known image format", "replace"),
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n": ("PostScript", "PNG"),
    b"\xc5\xd0\xd3\xc6 \0\0\0": ("PostScript", "PNG"),
    b"%PDF-1.7": ("PDF", "export its pages"),
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0": ("Git LFS", "git lfs pull"),
    b"<!DOCTYPE html><html>404</html>": ("web page", "download"),
    b"\xef\xbb\xbf\n <?xml version='1.0'?><svg xmlns='...'/>": ("SVG", "PNG"),
    bytes(5000): ("zeros", "copy it again"),
    b"8BPS\0\1": ("Photoshop", "PNG"),
    b"\0\0\0\x18ftypcrx \0\0\0\0": ("raw file", "JPEG"),
    b"II*\0\x10\0\0\0CR\2\0": ("cannot be read as an image", ""),
    b"\0\0\0\x18ftypisom\0\0\0\0": ("video", "frames"),
}


@pytest.mark.parametrize("content", list(NO_IMAGES))
def test_what_is_no_image_says_what_it_is(tmp_path, content):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    what, remedy = NO_IMAGES[content]
    for function in (read_image, image_size, look_at):
        with pytest.raises(SeglabError, match=rf"holiday\.jpg cannot be read as an image \(.*\): .*{remedy}") as caught:
            function(path)
        assert what in str(caught.value)


def test_raw_files_are_named(tmp_path):
    dng = tiff(tmp_path / "a.dng", 8, 8, extra=((50706, 1, 4, 0x401),))
    preview = tiff(tmp_path / "b.nef", 8, 8, extra=((254, 4, 1, 1), (330, 4, 1, 8)))
    for path in (dng, preview):
        with pytest.raises(SeglabError, match=r"raw file.*range="):
            read_image(path)


@pytest.fixture
def traps(tmp_path) -> list[Path]:
    """Files that would hang, or take gigabytes."""
    folder = tmp_path / "traps"
    folder.mkdir()
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe.mp4")
    for suffix in ("png", "avif", "mp4"):
        (folder / f"device.{suffix}").symlink_to("/dev/zero")
    png(folder / "zeros.png", 20_000, 20_000)
    tiff(folder / "large.tif", 60_000, 60_000)
    tiff(folder / "tile.tif", 10, 10, tile=60_000)
    gif(folder / "large.gif", 60_000, 60_000)
    gif(folder / "frame.gif", 10, 60_000)
    (folder / "program.jpg").write_bytes(b"%!PS\n(x) (w) file\n")
    (folder / "playlist.avi").write_bytes(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    return sorted(folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes and /dev/zero are of Unix")
def test_traps_are_reported_and_left_out_at_once(traps, capsys):
    assert len(traps) == 12
    folder = traps[0].parent
    Image.fromarray(NOISE).save(folder / "good.png")
    started = time.perf_counter()
    assert [Path(image.path).name for image in load(folder)] == ["good.png"]
    told = capsys.readouterr().out
    assert all(str(path) in told for path in traps)
    for path in traps:
        with pytest.raises(SeglabError):
            read_image(path)
        with pytest.raises(SeglabError):
            list(load(path))

    class NoLabels:  # the scan before training
        has_json = False

        def unplaced(self):
            return []

        def read(self, image, size):
            return [], []

    sizes, issues = scan([*traps, folder / "good.png"], NoLabels(), strict=False)
    assert sizes == [None] * 12 + [(48, 64)] and len(issues) == 12
    assert all(issue.action == "image left out" for issue in issues)
    assert time.perf_counter() - started < 5  # one second of decoding would be many


def test_the_budget_names_its_override(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    with pytest.raises(SeglabError, match=r"64 x 48 pixels, more than max_pixels=3,071\): pass max_pixels=3072"):
        read_image(tmp_path / "a.png", Reading(max_pixels=3071))
    assert read_image(tmp_path / "a.png", Reading(max_pixels=3072)).shape == (48, 64, 3)
    assert image_size(tmp_path / "a.png") == (48, 64)
    with (tmp_path / "a.png").open("ab") as file:  # a file far larger than its image
        file.truncate(60_000)
    with pytest.raises(SeglabError, match="GB, more than any image"):
        read_image(tmp_path / "a.png", Reading(max_pixels=3072))


def test_an_image_of_200_megapixels_is_read_like_any_other(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    Image.new("1", (16_320, 12_240), 1).save(tmp_path / "a.png", compress_level=1)
    assert look_at(tmp_path / "a.png") == ((12_240, 16_320), "")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (12_240, 16_320, 3) and image[-1, -1].tolist() == [255, 255, 255]
    assert Image.MAX_IMAGE_PIXELS == before  # the user's own use of Pillow stays as protected as it was


@pytest.mark.parametrize("is_progressive", [True, False])
def test_a_jpeg_that_paints_its_pixels_over_for_ever_is_refused_at_once(tmp_path, is_progressive):
    """Each scan goes over all pixels; a hundred kilobytes of them take minutes."""
    Image.new("L", (2000, 2000), 77).save(tmp_path / "a.jpg", progressive=is_progressive)
    whole = (tmp_path / "a.jpg").read_bytes()
    last_scan = whole[whole.rfind(b"\xff\xda") : -2]
    (tmp_path / "b.jpg").write_bytes(whole[:-2] + last_scan * 1000 + whole[-2:])
    (tmp_path / "c.jpg").write_bytes(whole + last_scan * 1000)  # behind its end anything may lie
    assert read_image(tmp_path / "a.jpg").shape == (2000, 2000, 3)
    began = time.process_time()
    for read in (read_image, look_at):
        with pytest.raises(SeglabError, match="paints its pixels over more than 100 times"):
            read(tmp_path / "b.jpg")
    assert time.process_time() - began < 1
    assert look_at(tmp_path / "c.jpg")[0] == (2000, 2000)


def packed_tiff(width: int, height: int, compression: int) -> bytes:
    """A TIFF of one gray image that declares a size, and holds four bytes of it."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 273: 150, 277: 1, 278: height, 279: 4}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4)).ljust(154, b"\x80")


@pytest.mark.parametrize("compression", [5, 7, 8, 32773])
def test_a_header_that_promises_more_pixels_than_any_packing_holds_is_told_before_they_are_made(tmp_path, compression):
    (tmp_path / "a.tif").write_bytes(packed_tiff(8192, 8192, compression))
    began = time.process_time()
    with pytest.raises(SeglabError, match="truncated: 154 bytes cannot hold its 8,192 x 8,192 pixels"):
        read_image(tmp_path / "a.tif")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("suffix", ["png", "gif", "jpg", "tif"])
def test_the_emptiest_of_images_are_read(tmp_path, suffix):
    """One color, packed as well as can be, is far within the bound."""
    options = {"tif": {"compression": "tiff_lzw"}, "png": {"compress_level": 9}, "jpg": {"progressive": True}}
    mode = "L" if suffix == "jpg" else "1"
    Image.new(mode, (6000, 6000)).save(tmp_path / f"a.{suffix}", **options.get(suffix, {}))
    assert read_image(tmp_path / f"a.{suffix}").shape == (6000, 6000, 3)


def test_reading_starts_no_program(tmp_path):
    """Pillow alone would hand PostScript to Ghostscript, whatever the file is called."""
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    script = """
import sys
from seglab.data.image import read_image
from seglab.errors import SeglabError
from seglab.formats.mask_pixels import read_ids
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in ("subprocess.Popen", "os.posix_spawn") else None)
for read in (read_image, read_ids):
    try:
        read(sys.argv[1])
    except SeglabError as error:
        assert "PostScript" in str(error), error
    else:
        raise AssertionError("it was read")
assert not started, started
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.jpg")], check=True, timeout=120)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "bmp", "gif", "avif", "jp2", "ppm"])
def test_the_scan_before_a_run_finds_what_would_end_it(tmp_path, kind):
    Image.fromarray(NOISE).save(tmp_path / f"a.{kind}")
    whole = (tmp_path / f"a.{kind}").read_bytes()
    assert look_at(tmp_path / f"a.{kind}")[0] == read_image(tmp_path / f"a.{kind}").shape[:2]
    (tmp_path / f"a.{kind}").write_bytes(whole[: len(whole) * 6 // 10])
    for function in (read_image, look_at):
        with pytest.raises(SeglabError, match=rf"a\.{kind}"):
            function(tmp_path / f"a.{kind}")
