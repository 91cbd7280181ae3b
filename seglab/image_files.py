"""Image files before their pixels are read: what they are by their content, how large, and whether to decode them.

Nothing here goes by a file's name. Which decoders may be used is written down in DECODERS; a file that is none of them,
such as PostScript, is refused before any decoder sees it, so that reading an image starts no other program.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from seglab.errors import SeglabError

if TYPE_CHECKING:
    from PIL import Image  # otherwise imported where it is needed

MAX_PIXELS = 256_000_000  # cameras of 200 megapixels exist
# A file may be larger than its pixels: pages, previews and films lie in it too. Beyond this it is no image.
MAX_BYTES_PER_PIXEL = 16
# How many pixels a byte may stand for where an image is of one color; what has fewer bytes is decoded for seconds, to
# nothing. JPEG has a bit a block, Deflate at best 1032 bytes for one, LZW some 4,000 for a code of 12 bits; a pixel may
# be a bit. There is no such bound for the others, nor for a fax in a TIFF.
MAX_PIXELS_PER_BYTE = {"GIF": 1 << 15, "JPEG": 1 << 13, "PNG": 1 << 14, "TIFF": 1 << 15}
# Of a JPEG: a mark is followed by its segment's length, and a scan by what is no mark.
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd9-\xfe])", re.DOTALL)
END_OF_IMAGE, SCAN = b"\xd9", b"\xda"
MAX_SCANS = 100  # of a progressive JPEG, which libjpeg writes in ten
FAX = (2, 3, 4)  # of a TIFF's compressions
START_BYTES = 256  # of a file, enough to tell what it is

# What an image may be -> the decoder of Pillow that may open it, by Pillow's own name. HEIF comes with pillow-heif.
DECODERS = {
    "AVIF": "AVIF",
    "BMP": "BMP",
    "DDS": "DDS",
    "GIF": "GIF",
    "HEIC": "HEIF",
    "ICO": "ICO",
    "JPEG": "JPEG",
    "JPEG 2000": "JPEG2000",
    "PNG": "PNG",
    "PNM": "PPM",
    "TIFF": "TIFF",
    "WebP": "WEBP",
}
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\1\0", "ICO"),
    (b"DDS ", "DDS"),
    (b"BM", "BMP"),
)
PNM_STARTS = tuple(b"P" + digit + space for digit in (b"1", b"2", b"3", b"4", b"5", b"6") for space in (b"\n", b" "))

# What is no image: how it begins, what it is, and what to do.
RAW = "a camera's raw file", "export it as JPEG, or as 16-bit TIFF with range="
PROGRAM = "PostScript, which is a program and is not run", "export it as PNG"
REFUSED = (
    (b"%!", *PROGRAM),
    (b"\xc5\xd0\xd3\xc6", *PROGRAM),
    (b"%PDF", "a PDF", "export its pages as PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the image itself", "fetch the image with git lfs pull"),
    (b"8BPS", "a Photoshop document", "export it as PNG"),
    (b"FUJIFILMCCD-RAW", *RAW),
    (b"IIRO", *RAW),
    (b"IIRS", *RAW),
    (b"IIU\0", *RAW),
)
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")

# TIFF 6.0, DNG 1.4: the tags that a header is read from.
SUBFILE_TYPE = 254
WIDTH = 256
HEIGHT = 257
BITS = 258
COMPRESSION = 259
PHOTOMETRIC = 262
ORIENTATION = 274
CHANNELS = 277
STRIP_OFFSETS = 273
STRIP_BYTES = 279
TILE_OFFSETS = 324
TILE_BYTES = 325
TILE_WIDTH = 322
TILE_HEIGHT = 323
SUBFILES = 330
DNG_VERSION = 50706


class Reading(NamedTuple):
    """How images may be read, the arguments of that name.

    max_pixels: the largest image that is decoded, height times width. range: the sample values (low, high) that become
    0 and 255 in images of more than 8 bits; None: see `seglab.data.image.to_eight_bits`.
    """

    max_pixels: int = MAX_PIXELS
    range: tuple[float, float] | None = None


DEFAULT_READING = Reading()


class Header(NamedTuple):
    """What the start of an image file says.

    kind: a key of DECODERS; height and width: as stored; orientation: of EXIF, 1 to 8; bits: of a sample; channels: as
    stored, 1 where there is a palette; frames: "" or what there is more of than the first ("frames", "pages");
    block: pixels that have to be decoded at once; end: how many bytes a complete file has at least, where its start
    says so; compression and photometric: of a TIFF.
    """

    kind: str
    height: int
    width: int
    orientation: int = 1
    bits: int = 8
    channels: int = 3
    frames: str = ""
    block: int = 0
    end: int = 0
    compression: int = 1
    photometric: int = 2

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) upright."""
        if self.orientation >= 5:  # turned on its side
            return self.width, self.height
        return self.height, self.width


def unreadable(path: str | Path, why: object, remedy: str = "replace or remove it") -> SeglabError:
    """The error for a file that is no image that can be read."""
    return SeglabError(f"{path} cannot be read as an image ({why}): {remedy}")


@contextmanager
def open_image_file(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a regular file: a named pipe would wait for a writer for ever, a device may never end.

    Within, what decoders raise on damaged files becomes ours. Errors: FileNotFoundError; SeglabError.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or device and not a file"
            raise unreadable(path, what, "give a file, or remove it")
        file = open(path, "rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"no image file {path}: check the path") from None
    except OSError as error:
        raise SeglabError(f"{path} cannot be opened ({error.strerror}): check its permissions") from error
    with file:
        try:
            yield file
        except SeglabError:
            raise
        except Exception as error:  # what decoders and readers of headers may raise is not listed anywhere
            raise unreadable(path, f"damaged: {explained(error)}") from error


def kind_of(start: bytes) -> str:
    """What a file that begins so is: a key of DECODERS, "video", or "" for anything else."""
    for signature, kind in SIGNATURES:
        if start.startswith(signature):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start.startswith(PNM_STARTS):
        return "PNM"
    if start[4:8] == b"ftyp":
        return _kind_of_boxes(start)
    is_video = start[:4] == b"RIFF" and start[8:12] == b"AVI "
    is_video = is_video or start.startswith((b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"0&\xb2u"))  # Matroska, MPEG, ASF
    return "video" if is_video else ""


def _kind_of_boxes(start: bytes) -> str:
    """Of the ISO base media format: AVIF, HEIC, video, or "" for raw files."""
    length = int.from_bytes(start[:4], "big")
    brands = [start[8:12]] + [start[place : place + 4] for place in range(16, min(length, len(start)), 4)]
    if brands[0] == b"crx ":
        return ""
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if brands[0] in HEIF_BRANDS:
        return "HEIC"
    return "video"


def file_kind(path: str | Path) -> str:
    """`kind_of` the file at `path`, "" where it cannot be opened."""
    try:
        with open_image_file(path) as file:
            return kind_of(file.read(START_BYTES))
    except (OSError, SeglabError):
        return ""


def no_image(path: str | Path, start: bytes) -> SeglabError:
    """The error for a file whose start is that of no image: what it is instead, where that is known."""
    for signature, what, remedy in REFUSED:
        if start.startswith(signature):
            return unreadable(path, f"it is {what}", remedy)
    if not start:
        return unreadable(path, "it is empty")
    if start[4:12] == b"ftypcrx ":
        return unreadable(path, f"it is {RAW[0]}", RAW[1])
    if kind_of(start) == "video":
        return unreadable(path, "it is a video", "predict takes videos; for anything else, save its frames as images")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        if b"<svg" in text:
            return unreadable(path, "it is an SVG drawing", "export it as PNG")
        return unreadable(path, "it is a web page or XML", "download the image again")
    if not start.strip(b"\0"):
        return unreadable(path, "it begins with zeros, like a file that was copied only in part", "copy it again")
    return unreadable(path, "its content is not in any known image format")


def read_header(path: str | Path, file: IO[bytes]) -> Header:
    """The header of an open image file; nothing is decoded.

    Errors: SeglabError naming the file when it is no image, or one of a format that cannot be read here.
    """
    file.seek(0)
    start = file.read(START_BYTES)
    kind = kind_of(start)
    if kind not in DECODERS:
        raise no_image(path, start)
    header = _tiff_header(path, file) if kind == "TIFF" else _pillow_header(path, file, kind, start)
    if header.height < 1 or header.width < 1:
        raise unreadable(path, "it has no pixels")
    return header


def _pillow_header(path: str | Path, file: IO[bytes], kind: str, start: bytes) -> Header:
    """start: the first bytes of the file."""
    with open_with_pillow(path, file, kind) as image:
        # Of a PNG without EXIF before its pixels, Pillow would decode all pixels to look behind them.
        has_no_exif = kind == "PNG" and "exif" not in image.info
        orientation = 1 if has_no_exif else image.getexif().get(ORIENTATION, 1)
        if kind == "PNG":
            bits = start[24]
        else:
            bits = 16 if image.mode.startswith("I") else 8
        # The further images of an MPO are those of another eye, or brightness for other screens.
        is_animated = getattr(image, "is_animated", False) and image.format != "MPO"
        return Header(
            kind,
            image.height,
            image.width,
            orientation if orientation in range(1, 9) else 1,
            max(8, bits),
            len(image.getbands()),
            "frames" if is_animated else "",
            end=int.from_bytes(start[2:6], "little") if kind == "BMP" else 0,
        )


def check_budget(path: str | Path, file: IO[bytes], header: Header, max_pixels: int, instead: str = "") -> None:
    """Refuse an image that is too large to be decoded, by its header. instead: what else can be done.

    Errors: SeglabError that names max_pixels.
    """
    pixels = max(header.height * header.width, header.block)
    advice = f"pass max_pixels={pixels} if it should be read{instead}, or make it smaller"
    if pixels > max_pixels:
        said = f"it has {header.width:,} x {header.height:,} pixels"
        if header.block == pixels:
            said = f"its tiles have {header.block:,} pixels each"
        said += f", more than max_pixels={max_pixels:,}"
        raise unreadable(path, said, advice)
    size = os.fstat(file.fileno()).st_size
    per_byte = MAX_PIXELS_PER_BYTE.get(header.kind)
    if per_byte and header.compression not in FAX and pixels > per_byte * size:
        raise unreadable(path, f"truncated: {size:,} bytes cannot hold its {header.width:,} x {header.height:,} pixels")
    if size > MAX_BYTES_PER_PIXEL * max_pixels:
        said = f"it has {size / 1e9:.1f} GB, more than any image of max_pixels={max_pixels:,}"
        raise unreadable(path, said, "save only the image in a file")
    if header.kind == "JPEG":
        _refuse_endless_scans(path, file)


def _refuse_endless_scans(path: str | Path, file: IO[bytes]) -> None:
    """Errors: SeglabError for a progressive JPEG that paints its pixels over thousands of times, each time in full."""
    file.seek(0)
    data = file.read()
    scans = 0
    at = 2  # behind the mark of a JPEG
    while found := _JPEG_MARKER.search(data, at):
        marker = found[1]
        if marker == END_OF_IMAGE:
            return
        scans += marker == SCAN
        if scans > MAX_SCANS:
            raise unreadable(path, f"it paints its pixels over more than {MAX_SCANS} times", "save it again")
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        at = found.end() + length


_one_at_a_time = threading.Lock()  # Pillow's limit and Python's warning filters are global


@contextmanager
def open_with_pillow(path: str | Path, file: IO[bytes], kind: str) -> Iterator[Image.Image]:
    """Open an image with its own decoder of Pillow and no other. Within, Pillow's errors become ours.

    Pillow has one limit for all images of a process, of 179 million pixels; ours is checked against the header instead.
    """
    from PIL import Image

    if kind == "HEIC":
        _register_heic(path)
    file.seek(0)
    try:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that nobody asked for
            limit = Image.MAX_IMAGE_PIXELS
            Image.MAX_IMAGE_PIXELS = None
            try:
                image = Image.open(file, formats=(DECODERS[kind],))
            finally:
                Image.MAX_IMAGE_PIXELS = limit
        with image:
            yield image
    except SeglabError:
        raise
    except Exception as error:  # Pillow raises many types on broken files
        if type(error).__name__ == "UnidentifiedImageError":  # whose text is the address of a file object
            raise unreadable(path, f"damaged, or {kind} of a type that Pillow cannot read") from error
        raise unreadable(path, explained(error)) from error


def explained(error: Exception) -> str:
    """An exception of another library in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _register_heic(path: str | Path) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise unreadable(path, "it is HEIC", "pip install pillow-heif, or export it as JPEG") from None
    pillow_heif.register_heif_opener()


def _tiff_header(path: str | Path, file: IO[bytes]) -> Header:
    """From the tags, since Pillow opens no TIFF with several float channels."""
    tags, more_pages = tiff_tags(path, file)
    is_reduced = bool(_number(tags, SUBFILE_TYPE, 0) & 1)
    file.seek(8)
    if DNG_VERSION in tags or (is_reduced and SUBFILES in tags) or file.read(2) == b"CR":
        raise unreadable(path, f"it is {RAW[0]}", RAW[1])
    height, width = _number(tags, HEIGHT, 0), _number(tags, WIDTH, 0)
    orientation = _number(tags, ORIENTATION, 1)
    return Header(
        "TIFF",
        height,
        width,
        orientation if orientation in range(1, 9) else 1,
        max(8, _number(tags, BITS, 1)),
        _number(tags, CHANNELS, 1),
        "pages" if more_pages else "",
        _number(tags, TILE_WIDTH, 0) * _number(tags, TILE_HEIGHT, 0),
        max(_data_ends(tags, TILE_OFFSETS, TILE_BYTES) + _data_ends(tags, STRIP_OFFSETS, STRIP_BYTES), default=0),
        _number(tags, COMPRESSION, 1),
        _number(tags, PHOTOMETRIC, 1),
    )


def tiff_tags(path: str | Path, file: IO[bytes]) -> tuple[Any, bool]:
    """The tags of a TIFF's first page, and whether there are further pages. Errors: SeglabError."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file.seek(0)
    start = file.read(16)
    is_big = start[2:4] in (b"+\0", b"\0+")
    try:
        tags = ImageFileDirectory_v2(start if is_big else start[:8])
        file.seek(tags.next)
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags.load(file)
        if WIDTH not in tags or HEIGHT not in tags:
            raise ValueError("a TIFF without a size, damaged or truncated")
        return tags, bool(tags.next)
    except Exception as error:  # what a damaged table of tags may raise is not listed anywhere
        raise unreadable(path, str(error) or "a damaged TIFF") from error


def _data_ends(tags: Any, offsets: int, lengths: int) -> list[int]:
    """Where the pieces of the pixels end in the file; a length that is not there counts as 0."""
    starts = tags.get(offsets, ())
    sizes = tags.get(lengths, ())
    return [int(start) + int(size) for start, size in zip(starts, sizes)]


def _number(tags: Any, tag: int, default: int) -> int:
    """A tag as one number, of several the first."""
    value = tags.get(tag, default)
    if isinstance(value, tuple):
        value = value[0] if value else default
    return int(value)
