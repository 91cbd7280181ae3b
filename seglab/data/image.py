"""Image files to arrays and back: always (H, W, 3) uint8 RGB, upright, whatever the file holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING

import cv2
import numpy as np

from seglab.errors import SeglabError
from seglab.files import atomic_write
from seglab.geometry.orientation import TAG, turn_pixels
from seglab.image_files import (
    DEFAULT_READING,
    MAX_BYTES_PER_PIXEL,
    Header,
    Reading,
    check_budget,
    open_image_file,
    open_with_pillow,
    read_header,
    unreadable,
)

if TYPE_CHECKING:
    from PIL import Image  # otherwise imported where it is needed

# What the last bytes of a complete file hold; a few bytes of padding behind it do no harm.
_ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_TAIL_BYTES = 1024

# Whose start or end shows whether they are complete (Pillow sees at once whether a WebP or AVIF is).
_TELL_THEIR_END = ("AVIF", "BMP", "JPEG", "PNG", "TIFF", "WebP")

# OpenCV decodes these fastest; everything else is Pillow's.
_OPENCV_KINDS = ("BMP", "JPEG", "PNG", "TIFF", "WebP")
# TIFF 6.0: no compression, LZW, JPEG, Deflate (two numbers), PackBits. For others OpenCV prints errors of its own.
_OPENCV_COMPRESSIONS = (1, 5, 7, 8, 32946, 32773)
# As RGB, where OpenCV knows how (from 4.11 on): swapping channels afterward takes a tenth of a photo's decoding.
_COLOR = getattr(cv2, "IMREAD_COLOR_RGB", cv2.IMREAD_COLOR)
_WHITE_IS_ZERO = 0  # of a TIFF's photometric interpretation
_MAX_CHANNELS = 4  # color and alpha

# An image of 16 bits whose samples all lie below this is taken for one of 10 to 14 bits, not for a night scene.
DARK = 1 << 14
_SENSOR_BITS = (10, 12, 14)


def read_image(path: str | Path, reading: Reading = DEFAULT_READING) -> np.ndarray:
    """Read an image file -> (H, W, 3) uint8 RGB.

    What the file is, its content says, not its name. Its EXIF orientation is applied; gray and palette images become
    RGB; alpha is dropped, as every YOLO trainer does (the colors under transparent pixels stay what they are); more
    than 8 bits become 8 (see `to_eight_bits`); CMYK is converted; of several frames or pages the first is read.
    Errors: FileNotFoundError; SeglabError naming the file when it is truncated, too large or no image.
    """
    with open_image_file(path) as file:
        header = read_header(path, file)
        check_budget(path, file, header, reading.max_pixels)
        return decode_image(path, file, header, reading)


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image file as `read_image` gives it, from its header alone, however large it is.

    Errors: FileNotFoundError; SeglabError naming the file when it is truncated or no image.
    """
    with open_image_file(path) as file:
        header = read_header(path, file)
        if not _is_complete(file, header):  # there may be something behind the image, which only decoding tells
            check_budget(path, file, header, DEFAULT_READING.max_pixels)
            _decode_with_pillow(path, file, header, DEFAULT_READING)
        return header.size


def look_at(path: str | Path, reading: Reading = DEFAULT_READING) -> tuple[tuple[int, int], str]:
    """(height, width) of an image that `read_image` can read, and what there is more of in the file, or "".

    From the header alone where that is enough. Whether an image of more than 8 bits can do without `range`, and whether
    a file of a rare kind is complete, only its pixels tell. Errors: those of `read_image`, as far as this shows them.
    """
    with open_image_file(path) as file:
        header = read_header(path, file)
        check_budget(path, file, header, reading.max_pixels)
        needs_range = header.bits > 8 and reading.range is None
        is_sure = header.kind in _TELL_THEIR_END and _is_complete(file, header)
        if needs_range or not is_sure or header.channels > _MAX_CHANNELS:
            decode_image(path, file, header, reading)
        return header.size, header.frames


def image_orientation(path: str | Path) -> int:
    """The EXIF orientation of an image file, 1 to 8, which `read_image` has undone; 1 where it says none.

    Errors: FileNotFoundError; SeglabError naming the file when it is no image.
    """
    with open_image_file(path) as file:
        return read_header(path, file).orientation


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB in the format that the suffix names, making the folder.

    Errors: SeglabError for a suffix OpenCV does not know, or when the file cannot be written.
    """
    path = Path(path)
    if not cv2.haveImageWriter(path.name):
        raise SeglabError(f"cannot write an image as {path}: use a suffix such as .jpg or .png")
    data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    try:
        atomic_write(path, data.tobytes(), sync=False)
    except OSError as error:
        raise SeglabError(f"cannot write the image {path} ({error.strerror}): choose another path") from error


# --- from files ---


def decode_image(path: str | Path, file: IO[bytes], header: Header, reading: Reading) -> np.ndarray:
    """The pixels of an open image file whose header has been checked, as `read_image` gives them."""
    if header.channels > _MAX_CHANNELS:
        raise unreadable(path, f"it has {header.channels} channels", "save the three that you need as an RGB image")
    is_for_opencv = header.kind in _OPENCV_KINDS and header.compression in _OPENCV_COMPRESSIONS
    if not is_for_opencv or not _is_complete(file, header):
        return _decode_with_pillow(path, file, header, reading)

    # A file may be longer than its image; what lies far behind it is not read. `read` sets aside what it is asked for,
    # so it is never asked for more than there is.
    length = min(file.seek(0, io.SEEK_END), _max_bytes(header))
    file.seek(0)
    data = np.frombuffer(file.read(length), np.uint8)
    # A TIFF's orientation concerns its decoder; of the others OpenCV's versions apply some and ignore some.
    is_tiff = header.kind == "TIFF"
    flags = _COLOR if is_tiff else _COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        samples = cv2.imdecode(data, cv2.IMREAD_UNCHANGED if header.bits > 8 else flags)
    except cv2.error:  # a side beyond its own limit, for one
        samples = None
    size = header.size if is_tiff else (header.height, header.width)
    if samples is None or samples.shape[:2] != size:
        return _decode_with_pillow(path, file, header, reading)

    if header.bits > 8:
        if is_tiff and header.photometric == _WHITE_IS_ZERO and samples.dtype.kind == "u":
            samples = np.invert(samples)
        try:
            samples = to_eight_bits(samples, reading.range)
        except ValueError as error:
            raise unreadable(path, *error.args) from None
        samples = gray_or_color(samples, cv2.COLOR_BGR2RGB, cv2.COLOR_BGRA2RGB)
    elif _COLOR == cv2.IMREAD_COLOR:
        cv2.cvtColor(samples, cv2.COLOR_BGR2RGB, dst=samples)
    return samples if is_tiff else np.ascontiguousarray(turn_pixels(samples, header.orientation))


def _decode_with_pillow(path: str | Path, file: IO[bytes], header: Header, reading: Reading) -> np.ndarray:
    """The slow way, for what OpenCV does not read; Pillow also tells a truncated file."""
    from PIL import ImageOps

    with open_with_pillow(path, file, header.kind) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        try:
            return pillow_to_array(upright, reading.range, is_pnm=header.kind == "PNM")
        except ValueError as error:
            raise unreadable(path, *error.args) from None


def _is_complete(file: IO[bytes], header: Header) -> bool:
    """Whether a file ends as files of its kind do. A decoder would fill what is missing with gray."""
    ending = _ENDINGS.get(header.kind, b"")
    size = file.seek(0, io.SEEK_END)
    file.seek(-min(_TAIL_BYTES, size), io.SEEK_END)
    return size >= header.end and ending in file.read()


def _max_bytes(header: Header) -> int:
    """More than the encoded image takes."""
    return MAX_BYTES_PER_PIXEL * header.height * header.width + (64 << 20)


# --- from memory ---


def pillow_to_array(
    image: Image.Image, sample_range: tuple[float, float] | None = None, is_pnm: bool = False
) -> np.ndarray:
    """A PIL image of any mode, as it stands -> (H, W, 3) uint8 RGB. sample_range: as in `to_eight_bits`.

    is_pnm: Pillow's numbers of 32 bits are those of 16, scaled. Errors: ValueError as `to_eight_bits` raises it, or
    what Pillow raises when it decodes.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        samples = np.asarray(image)
        if is_pnm and image.mode == "I":
            samples = samples.astype(np.uint16)
        samples = to_eight_bits(samples, sample_range)
        return np.repeat(samples[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))


def upright_pillow(image: Image.Image) -> Image.Image:
    """A PIL image turned as its EXIF orientation says: an image from memory is read as the same one from its file."""
    from PIL import ImageOps

    if image.getexif().get(TAG, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def gray_or_color(samples: np.ndarray, three: int | None, four: int) -> np.ndarray:
    """(H, W) or (H, W, 1 to 4) uint8 -> (H, W, 3) uint8 RGB. three, four: OpenCV's conversions of so many channels;
    None: they are RGB already. Of two channels the second is alpha.
    """
    if not samples.size:  # which OpenCV refuses
        return np.zeros((*samples.shape[:2], 3), np.uint8)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if channels <= 2:
        gray = samples if samples.ndim == 2 else samples[..., 0]
        return cv2.cvtColor(np.ascontiguousarray(gray), cv2.COLOR_GRAY2RGB)
    conversion = three if channels == 3 else four
    samples = np.ascontiguousarray(samples)
    return samples if conversion is None else cv2.cvtColor(samples, conversion)


def to_eight_bits(samples: np.ndarray, sample_range: tuple[float, float] | None = None) -> np.ndarray:
    """Samples of any type -> uint8 of the same shape: low becomes 0, high 255, with sample_range=(low, high).

    8 bits stay as they are, with or without. Without a range, 16 bits go from 0 to 65535, provided that the largest
    sample is not below DARK: an image of 12 bits would be almost black. No other type has a range of its own.
    Errors: ValueError(what, remedy) for samples that need a range.
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == bool:
        return samples.astype(np.uint8) * 255
    if sample_range is None:
        _check_full_range(samples)
        sample_range = (0, 65535)
    low, high = sample_range
    # In bands of rows, so that an image of 200 megapixels takes no gigabytes of floats.
    scaled = np.empty(samples.shape, dtype=np.uint8)
    for first in range(0, len(samples), 256):
        band = np.nan_to_num(samples[first : first + 256].astype(np.float32), nan=low, posinf=high, neginf=low)
        band = (band - low) * (255 / (high - low))
        scaled[first : first + 256] = band.clip(0, 255).round()
    return scaled


def _check_full_range(samples: np.ndarray) -> None:
    """Errors: ValueError(what, remedy) unless these are 16 bits that use their range."""
    lowest, highest = (np.nanmin(samples), np.nanmax(samples)) if samples.size else (0, 0)
    if samples.dtype != np.uint16:
        bits = samples.dtype.itemsize * 8
        what = f"its samples of {bits} bits, mode {samples.dtype}, go from {lowest:.6g} to {highest:.6g}"
        raise ValueError(what, "pass range=LOW,HIGH, the values that are black and white, or save it with 8 or 16 bits")
    if highest < DARK:
        bits = next(bits for bits in _SENSOR_BITS if highest < 1 << bits)
        what = f"its samples of 16 bits reach only {highest} of 65535, which would be almost black"
        remedy = (
            f"pass range={(1 << bits) - 1} if they are of {bits} bits, or range=65535 if the image really is that dark"
        )
        raise ValueError(what, remedy)
