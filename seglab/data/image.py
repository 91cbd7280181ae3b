"""Image files to arrays and back: always (H, W, 3) uint8 RGB, upright, whatever the file holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from seglab.errors import SeglabError
from seglab.geometry.orientation import SWAPPING, TAG, turn_pixels

if TYPE_CHECKING:
    from PIL import Image  # otherwise imported where it is needed

# First bytes of a file -> what its last bytes hold if it is complete; a few bytes of padding behind it do no harm.
_ENDINGS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}
_TAIL_BYTES = 1024


class Header(NamedTuple):
    """What the start of an image file says. height and width: as stored; orientation: of EXIF, 1 to 8."""

    height: int
    width: int
    orientation: int


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file -> (H, W, 3) uint8 RGB.

    Its EXIF orientation is applied; gray and palette images become RGB; alpha is dropped, as every YOLO trainer does
    (the colors under transparent pixels stay what they are); 16 bits are scaled to 8; CMYK is converted.
    Errors: FileNotFoundError; SeglabError naming the file when it is truncated or no image.
    """
    with _open(path) as file:
        data = file.read()
    is_complete = _is_complete(data[:2], data[-_TAIL_BYTES:])
    # A TIFF's orientation concerns its decoder; of the others OpenCV's versions apply some and ignore some.
    is_tiff = _is_tiff(data[:2])
    flags = cv2.IMREAD_COLOR if is_tiff else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and is_complete else None
    if image is None:
        return _read_with_pillow(path, data)
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return image if is_tiff else np.ascontiguousarray(turn_pixels(image, _header(path, io.BytesIO(data)).orientation))


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image file as `read_image` gives it, from its header alone.

    Errors: FileNotFoundError; SeglabError naming the file when it is truncated or no image.
    """
    with _open(path) as file:
        start = file.read(2)
        file.seek(-min(_TAIL_BYTES, file.seek(0, io.SEEK_END)), io.SEEK_END)
        is_complete = _is_complete(start, file.read())
        file.seek(0)
        if _is_tiff(start) or not is_complete:
            height, width = read_image(path).shape[:2]
            return height, width
        header = _header(path, file)
    if header.orientation in SWAPPING:
        return header.width, header.height
    return header.height, header.width


def image_orientation(path: str | Path) -> int:
    """The EXIF orientation of an image file, 1 to 8, which `read_image` has undone; 1 where it says none.

    Errors: FileNotFoundError; SeglabError naming the file when it is no image.
    """
    with _open(path) as file:
        return _header(path, file).orientation


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB in the format that the suffix names, making the folder.

    Errors: SeglabError for a suffix OpenCV does not know, or when the file cannot be written.
    """
    path = Path(path)
    if not cv2.haveImageWriter(path.name):
        raise SeglabError(f"cannot write an image as {path}: use a suffix such as .jpg or .png")
    data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise SeglabError(f"cannot write the image {path} ({error.strerror}): choose another path") from error


def _open(path: str | Path) -> IO[bytes]:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"no image file {path}: check the path") from None
    except OSError as error:
        raise SeglabError(f"{path} cannot be opened ({error.strerror}): check its permissions") from error


def _is_tiff(start: bytes) -> bool:
    return start in (b"II", b"MM")


def _is_complete(start: bytes, tail: bytes) -> bool:
    """Whether a file ends as files that start so do. A decoder would fill what is missing with gray."""
    return _ENDINGS.get(start, b"") in tail


def _header(path: str | Path, file: IO[bytes]) -> Header:
    from PIL import Image

    try:
        with Image.open(file) as image:
            # Of a PNG without EXIF before its pixels, Pillow would decode all pixels to look behind them.
            has_no_exif = image.format == "PNG" and "exif" not in image.info
            turn = 1 if has_no_exif else image.getexif().get(TAG, 1)
            return Header(image.height, image.width, turn if turn in range(1, 9) else 1)
    except Exception as error:  # Pillow raises many types on broken headers
        raise SeglabError(f"{path} cannot be read as an image ({error}): replace or remove it") from error


def _read_with_pillow(path: str | Path, data: bytes) -> np.ndarray:
    """The slow way, for what OpenCV refuses; Pillow also tells a truncated file."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return pillow_to_array(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow raises many types on broken files
        raise SeglabError(f"{path} cannot be read as an image ({error}): replace or remove it") from error


def pillow_to_array(image: Image.Image) -> np.ndarray:
    """A PIL image of any mode, as it stands -> (H, W, 3) uint8 RGB. Errors: ValueError for 32-bit samples."""
    if image.mode in ("I", "F"):
        raise ValueError(f"32-bit samples of mode {image.mode}; save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        return np.repeat((np.asarray(image) / 257).round().astype(np.uint8)[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))
