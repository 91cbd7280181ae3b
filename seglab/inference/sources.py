"""Everything that predict accepts as a source, as one lazy stream of images."""

from __future__ import annotations

import contextlib
import csv
import glob
import itertools
import os
import shutil
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import cv2
import numpy as np
import torch

from seglab.data.image import decode_image, gray_or_color, pillow_to_array, to_eight_bits, upright_pillow
from seglab.data.windows import WHOLE_PIXELS, ArrayWindows, TiffWindows, Windows
from seglab.datasets.downloads import is_offline
from seglab.datasets.image_lists import read_list
from seglab.datasets.load import is_dataset_name, load_dataset
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, YAML_SUFFIXES, real_files
from seglab.image_files import (
    DEFAULT_READING,
    START_BYTES,
    Reading,
    check_budget,
    kind_of,
    open_image_file,
    read_header,
    unreadable,
)
from seglab.wording import one_line

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv", ".gif"}
LIST_SUFFIXES = {".txt", ".csv"}
STREAM_SCHEMES = ("rtsp://", "rtmp://", "tcp://", "udp://")
WEB_SCHEMES = ("http://", "https://")


class SourceImage(NamedTuple):
    """One image and where it came from; images without a file are called image0.jpg, image1.jpg and so on."""

    path: str
    image: np.ndarray  # (H, W, 3) uint8 RGB


class LargeImage(NamedTuple):
    """An image that is too large to be held, and where it came from."""

    path: str
    image: Windows


ImageStream = Generator[Any, None, None]  # of SourceImage and, where asked for, LargeImage
Item = TypeVar("Item")


class _Options(NamedTuple):
    """What `load` was asked for. unnamed: names for the images that have none."""

    vid_stride: int
    reading: Reading
    by_windows: bool
    unnamed: Iterator[str]


def load(source: Any, vid_stride: int = 1, reading: Reading = DEFAULT_READING) -> Iterator[SourceImage]:
    """Yield the images of `source` one at a time, reading each when it is asked for.

    A str or Path names an image, a video, a folder of both, a glob pattern, a .txt file with one source a line, an
    http(s) address of an image or video, or a live stream (rtsp, rtmp, tcp, udp); an int (or its digits) is a camera.
    Images in memory: PIL, (H, W, 3) uint8 numpy in BGR order as cv2 reads (gray and alpha too; other types of numbers
    with reading.range), or a (3, H, W) or (B, 3, H, W) float tensor, RGB in 0..1. Any iterable of these is read in
    turn. A file of a folder, pattern or list that cannot be read is reported and left out, unless none can.
    vid_stride: read every vid_stride-th frame of a video. reading: which images may be read, and how.
    Errors: FileNotFoundError, SeglabError, TypeError.
    """
    return _load(source, _Options(vid_stride, reading, False, _unnamed()))


def load_by_windows(
    source: Any, vid_stride: int = 1, reading: Reading = DEFAULT_READING
) -> Iterator[SourceImage | LargeImage]:
    """What `load` yields; images too large to be held are opened but not read, see `seglab.data.windows`."""
    return _load(source, _Options(vid_stride, reading, True, _unnamed()))


def _unnamed() -> Iterator[str]:
    return (f"image{number}.jpg" for number in itertools.count())


def images_of_dataset(source: Any) -> Any:
    """The validation images of the dataset that `source` names, None being toybox8-seg; any other source as it is.

    A file or folder of that name comes first.
    """
    if source is None:
        source = "toybox8-seg"
    is_yaml = isinstance(source, (str, Path)) and Path(source).suffix.lower() in YAML_SUFFIXES
    if is_yaml or (isinstance(source, str) and not Path(source).exists() and is_dataset_name(source)):
        return list(load_dataset(source).images("val"))
    return source


def share_of(source: Any, part: int, parts: int) -> list[Any]:
    """Every `parts`-th item of a source of several, from its item number `part` on, counted from 0: together the shares
    hold each once. A video in a folder is one item.

    Errors: SeglabError for a source that is no folder, list, pattern or dataset; FileNotFoundError.
    """
    items = images_of_dataset(source)
    if isinstance(items, (str, os.PathLike)):
        named = _several_named(os.fspath(items))
        items = named and named.items
    if not isinstance(items, (list, tuple)):
        raise SeglabError(
            f"source={one_line(str(source))} cannot be shared by {parts} processes: give a folder, a list, a pattern "
            "or a dataset, or start one process"
        )
    return list(items[part::parts])


def can_be_read_ahead(source: Any) -> bool:
    """Whether a source has several images that may be read before they are asked for: folders, lists, videos, cameras.

    A single image gains nothing. An iterator of a program's own may depend on the results that it was given before.
    """
    if isinstance(source, (list, tuple)):
        return len(source) > 1
    if isinstance(source, int):
        return True
    if not isinstance(source, (str, os.PathLike)):
        return False
    name = os.fspath(source)
    if name.isdigit() or name.lower().startswith(STREAM_SCHEMES):
        return True
    path = Path(name)
    if not path.is_file():
        return path.is_dir() or any(sign in name for sign in "*?[")
    try:
        return path.suffix.lower() in LIST_SUFFIXES or is_video(path)
    except SeglabError:  # which reading it will raise
        return False


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Group a stream into lists of `size`; the last may be shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch


def _load(source: Any, options: _Options) -> ImageStream:
    """`load`, for one source of several."""
    if isinstance(source, int):
        yield from _video(source, options)
    elif isinstance(source, (str, os.PathLike)):
        yield from _named(os.fspath(source), options)
    elif isinstance(source, np.ndarray):
        yield _from_array(source, options)
    elif isinstance(source, torch.Tensor):
        for image in _from_tensor(source):
            yield SourceImage(next(options.unnamed), image)
    elif type(source).__module__.startswith("PIL."):
        yield _from_pillow(source, options)
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        yield from _several(source, options)
    else:
        raise TypeError(
            f"cannot predict on a {type(source).__name__}: give a path, folder, glob, URL, camera number, "
            "PIL image, numpy array, tensor or a list of these"
        )


def _several(sources: Iterable, options: _Options) -> ImageStream:
    """Sources in turn; a file among them that is there and cannot be read is reported and left out."""
    refused: list[SeglabError] = []
    has_images = False
    for source in sources:
        is_named = bool(getattr(source, "filename", ""))  # of Pillow's, which may have a file
        try:
            for image in _load(source, options):
                has_images = True
                if isinstance(source, (str, os.PathLike)) or is_named:
                    next(options.unnamed)  # so that images without a file are called by their place in the list
                yield image
        except SeglabError as error:
            if isinstance(source, (np.ndarray, torch.Tensor)):  # made by a program, which has a fault
                raise
            print(f"skipped: {error}")
            refused.append(error)
    if refused and not has_images:
        raise refused[0] if len(refused) == 1 else _none_left("the list")


def _none_left(origin: str) -> SeglabError:
    return SeglabError(f"no file of {origin} can be read: see the messages above")


class _Several(NamedTuple):
    """What a folder, a text list or a pattern stands for. origin: what messages call it."""

    items: list[Path] | list[str]
    origin: str


def _several_named(name: str) -> _Several | None:
    """What a folder, a text list or a pattern stands for, in order; None for the name of anything else.

    Errors: FileNotFoundError for a folder or pattern without images, SeglabError for a list that is none.
    """
    path = Path(name)
    if _is_address(name):  # whose query begins with the ? of a pattern
        return None
    if path.is_dir():
        origin = f"the folder {name}"
        return _Several(_known_files(real_files(path.iterdir()), origin), origin)
    if path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        return _Several(_names_in(path), f"the list {path}")
    if not path.exists() and any(sign in name for sign in "*?["):
        return _Several(_matching_files(name), name)
    return None


def _is_address(name: str) -> bool:
    return name.lower().startswith((*STREAM_SCHEMES, *WEB_SCHEMES))


def _named(name: str, options: _Options) -> ImageStream:
    """A source given as text."""
    several = _several_named(name)
    if several is not None:
        yield from _in_turn(several, options)
    elif not _is_address(name) and Path(name).exists():
        yield from _file(Path(name), options)
    elif name.isdigit():
        yield from _video(int(name), options)
    elif name.lower().startswith(STREAM_SCHEMES):
        yield from _video(name, options)
    elif name.lower().startswith(WEB_SCHEMES):
        yield from _address(name, options)
    elif name.lower().split(" ")[0] == "screen":
        yield from _screen(name)
    else:
        raise FileNotFoundError(f"there is no image, video or folder at {name}: check the path")


def _with_literal_folders(pattern: str) -> str:
    """A glob pattern whose leading folders, as far as they exist, mean themselves: in a[1]/*.jpg, the folder a[1]."""
    folder = Path(pattern)
    while folder != folder.parent and not folder.is_dir():
        folder = folder.parent
    rest = Path(pattern).parts[len(folder.parts) :]
    return str(Path(glob.escape(str(folder)), *rest))


def _matching_files(pattern: str) -> list[Path]:
    """The images and videos that a glob pattern matches."""
    matches = glob.glob(_with_literal_folders(pattern), recursive=True)
    return _known_files([Path(match) for match in matches], pattern)


def _known_files(paths: Iterable[Path], origin: str) -> list[Path]:
    """Those of `paths` that are images or videos by their suffix, sorted. Errors: FileNotFoundError for none."""
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    known = [path for path in sorted(paths) if not path.is_dir() and path.suffix.lower() in suffixes]
    if not known:
        raise FileNotFoundError(f"no image or video in {origin}: check the path and the file extensions")
    return known


def _in_turn(several: _Several, options: _Options) -> ImageStream:
    """The images of every item; items that cannot be read are reported and skipped, unless that is all of them."""
    has_images = False
    for item in several.items:
        try:
            for image in _named(os.fspath(item), options):
                has_images = True
                yield image
        except (SeglabError, FileNotFoundError) as error:
            print(f"skipped: {error}")
    if not has_images:
        raise _none_left(several.origin)


def _names_in(path: Path) -> list[str]:
    """One source a line, relative to the list's own folder; empty lines and lines starting with # are skipped.

    Of a .csv, the first column; a first line that names no image or address is its heading.
    """
    lines = [line for line in read_list(path) if not line.startswith("#")]
    if path.suffix.lower() == ".csv":
        lines = [row[0] for row in csv.reader(lines) if row]
        if lines and not Path(lines[0]).suffix and "://" not in lines[0]:
            lines = lines[1:]
    if not lines:
        raise SeglabError(f"the list {path} is empty: write one path per line")
    for line in lines:
        if line.lower().endswith(".txt"):
            raise SeglabError(f"the list {path} contains another list, {line}: list images and videos only")
    return [line if "://" in line else str(path.parent / line) for line in lines]


def _file(path: Path, options: _Options) -> ImageStream:
    """An image or a video, whichever the content says."""
    with open_image_file(path) as file:
        image = None if _holds_video(path, file) else _image(path, file, options)
    if image is None:
        yield from _video(str(path), options)
    else:
        yield image


def _image(path: Path, file: IO[bytes], options: _Options) -> SourceImage | LargeImage:
    """The image in an open file; one that is too large to be held is not read, where the options say so."""
    header = read_header(path, file)
    instead = ""
    if header.kind == "TIFF":
        is_large = header.height * header.width > WHOLE_PIXELS
        if options.by_windows and is_large:
            return LargeImage(str(path), TiffWindows(path, options.reading))
        instead = " at once, or predict it by windows with tile=640"
    check_budget(path, file, header, options.reading.max_pixels, instead)
    if header.frames:
        print(f"note: {one_line(str(path))} has several {header.frames}: the first is read")
    return SourceImage(str(path), decode_image(path, file, header, options.reading))


def is_video(path: Path) -> bool:
    """Whether a file is a video or an animated GIF, by its content; by its suffix where the content is unknown.

    Errors: SeglabError and FileNotFoundError for what is no file that can be opened.
    """
    with open_image_file(path) as file:
        return _holds_video(path, file)


def _holds_video(path: str | Path, file: IO[bytes]) -> bool:
    """`is_video` of an open file."""
    kind = kind_of(file.read(START_BYTES))
    if kind == "GIF":
        return read_header(path, file).frames != ""
    if kind:
        return kind == "video"
    return Path(path).suffix.lower() in VIDEO_SUFFIXES - {".gif"}


def _video(source: str | int, options: _Options) -> ImageStream:
    """Every vid_stride-th frame of a file, stream or camera, until it ends."""
    max_pixels = options.reading.max_pixels
    _check_video_file(source, max_pixels)
    capture = cv2.VideoCapture(source)
    try:
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if width * height > max_pixels:
            raise SeglabError(
                f"the frames of {source} have {width:,.0f} x {height:,.0f} pixels, more than "
                f"max_pixels={max_pixels:,}: pass max_pixels={width * height:.0f} if they should be read"
            )
        for number in itertools.count():
            if not capture.grab():
                break
            if number % options.vid_stride == 0:
                read, image = capture.retrieve()
                if read:
                    yield SourceImage(str(source), cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    if number == 0:
        what = f"camera {source}" if isinstance(source, int) else f"video {source}"
        raise SeglabError(f"no frame can be read from {what}: check that it exists and that OpenCV can decode it")


def _check_video_file(source: str | int, max_pixels: int) -> None:
    """What can be known of a video file before a decoder sees it. Errors: SeglabError.

    A text may be a playlist, whose reader would open other files and addresses.
    """
    if isinstance(source, int) or "://" in source:
        return
    with open_image_file(source) as file:
        start = file.read(START_BYTES)
        if start and start.isascii() and b"\0" not in start:
            raise SeglabError(f"no frame can be read from video {source}: it contains text; replace or remove it")
        if kind_of(start) == "GIF":
            check_budget(source, file, read_header(source, file), max_pixels)


def _address(address: str, options: _Options) -> ImageStream:
    """Download an image or video into a temporary folder, which is removed afterward."""
    if is_offline():
        raise SeglabError(f"cannot fetch {address} while SEGLAB_OFFLINE is set: unset it, or give a local copy")
    suffix = Path(urllib.parse.urlparse(address).path).suffix.lower()
    with tempfile.TemporaryDirectory() as folder:
        # The name is ours: one from elsewhere may hold what no file name may, or lead out of the folder.
        path = Path(folder) / f"download{suffix if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES else ''}"
        request = urllib.request.Request(address, headers={"User-Agent": "seglab"})  # some servers refuse nameless ones
        try:
            with urllib.request.urlopen(request, timeout=60) as response, path.open("wb") as file:
                shutil.copyfileobj(response, file)
                video = response.headers.get_content_maintype() == "video"
        except (OSError, HTTPException, ValueError) as error:
            raise SeglabError(f"cannot fetch {address} ({error}): check the URL, or give a local copy") from None
        images = _video(str(path), options) if video else _file(path, options)
        with contextlib.closing(images):  # before the folder goes, which Windows keeps while a video in it is open
            for image in images:
                yield image._replace(path=address)


def _from_pillow(image: Any, options: _Options) -> SourceImage:
    """A PIL image, turned upright as its EXIF orientation says: it gives what its file gives."""
    name = getattr(image, "filename", "") or next(options.unnamed)
    reading = options.reading
    if image.width * image.height > reading.max_pixels:
        said = f"it has {image.width:,} x {image.height:,} pixels, more than max_pixels={reading.max_pixels:,}"
        raise unreadable(f"the PIL image {name}", said, f"pass max_pixels={image.width * image.height} or resize it")
    try:
        return SourceImage(str(name), pillow_to_array(upright_pillow(image), reading.range))
    except (OSError, ValueError, SyntaxError) as error:  # Pillow decodes when pixels are asked for
        raise unreadable(f"the PIL image {name}", *(error.args or (error,))[:2]) from error


def _from_array(array: np.ndarray, options: _Options) -> SourceImage | LargeImage:
    """(H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA -> its (H, W, 3) RGB uint8."""
    channels = 1 if array.ndim == 2 else array.shape[-1]
    sample_range = options.reading.range
    is_number = array.dtype == np.uint8 or array.dtype == np.uint16 or sample_range is not None
    if not is_number or array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise SeglabError(
            f"a numpy image must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4) in BGR order, or of another type "
            f"with range=LOW,HIGH, not {array.dtype} of shape {array.shape}"
        )
    if options.by_windows and array.shape[0] * array.shape[1] > WHOLE_PIXELS:
        return LargeImage(next(options.unnamed), ArrayWindows(array, sample_range))
    try:
        samples = to_eight_bits(array, sample_range)
    except ValueError as error:
        raise unreadable("the numpy image", *error.args) from None
    image = gray_or_color(samples, cv2.COLOR_BGR2RGB, cv2.COLOR_BGRA2RGB)
    return SourceImage(next(options.unnamed), image)


def _screen(name: str) -> ImageStream:
    """What the screen shows, again and again: "screen", "screen 1", "screen 1 LEFT TOP WIDTH HEIGHT" in pixels.

    Errors: SeglabError without the package mss, for another text, and for a screen that is not there.
    """
    try:
        import mss
    except ImportError:
        raise SeglabError(f"source='{name}' needs the package mss, which is not installed: pip install mss") from None
    numbers = [int(word) for word in name.split()[1:] if word.isdigit()]
    if len(numbers) not in (0, 1, 5) or len(numbers) != len(name.split()) - 1:
        raise SeglabError(f"source='{name}' must be screen, screen NUMBER, or screen NUMBER LEFT TOP WIDTH HEIGHT")
    with mss.mss() as grabber:
        number = numbers[0] if numbers else 1  # 0 is all of them together
        if number >= len(grabber.monitors):
            raise SeglabError(f"source='{name}': there are screens 1 to {len(grabber.monitors) - 1}")
        area = dict(grabber.monitors[number])
        if len(numbers) == 5:
            left, top, width, height = numbers[1:]
            area = {"left": area["left"] + left, "top": area["top"] + top, "width": width, "height": height}
        while True:
            pixels = np.asarray(grabber.grab(area))  # (H, W, 4) BGRA
            yield SourceImage(name, cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB))


def _from_tensor(tensor: torch.Tensor) -> np.ndarray:
    """(3, H, W) or (B, 3, H, W) RGB, float in 0..1 or uint8 -> (B, H, W, 3) uint8."""
    images = tensor[None] if tensor.ndim == 3 else tensor
    if images.dtype == torch.uint8 and images.ndim == 4 and images.shape[1] == 3 and images.numel():
        return images.permute(0, 2, 3, 1).cpu().numpy()
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel() or not images.is_floating_point():
        raise SeglabError(
            "a tensor must have RGB images, float in 0..1 or uint8, as (3, H, W) or (B, 3, H, W), "
            f"not {tensor.dtype} of shape {tuple(tensor.shape)}"
        )
    if not (images.min() >= 0 and images.max() <= 1):  # NaN neither
        raise SeglabError(
            f"a tensor's images must lie in 0..1, not {images.min():.3g}..{images.max():.3g}: divide by 255"
        )
    return (images.detach() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
