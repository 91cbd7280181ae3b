"""Everything that predict accepts as a source, as one lazy stream of images."""

from __future__ import annotations

import contextlib
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
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from seglab.data.image import pillow_to_array, read_image
from seglab.datasets.downloads import is_offline
from seglab.datasets.image_lists import read_list
from seglab.datasets.load import is_dataset_name, load_dataset
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, real_files

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv", ".gif"}
STREAM_SCHEMES = ("rtsp://", "rtmp://", "tcp://", "udp://")


class SourceImage(NamedTuple):
    """One image and where it came from; images without a file are called image0.jpg, image1.jpg and so on."""

    path: str
    image: np.ndarray  # (H, W, 3) uint8 RGB


ImageStream = Generator[SourceImage, None, None]


def load(source: Any, vid_stride: int = 1) -> Iterator[SourceImage]:
    """Yield the images of `source` one at a time, reading each when it is asked for.

    A str or Path names an image, a video, a folder of both, a glob pattern, a .txt file with one source a line, an
    http(s) address of an image or video, or a live stream (rtsp, rtmp, tcp, udp); an int (or its digits) is a camera.
    Images in memory: PIL, (H, W, 3) uint8 numpy in BGR order as cv2 reads (gray and alpha too), or a (3, H, W) or
    (B, 3, H, W) float tensor, RGB in 0..1. Any iterable of these is read in turn.
    vid_stride: read every vid_stride-th frame of a video. Errors: FileNotFoundError, SeglabError, TypeError.
    """
    unnamed = (f"image{number}.jpg" for number in itertools.count())
    return _load(source, vid_stride, unnamed)


def images_of_dataset(source: Any) -> Any:
    """The validation images of the dataset that `source` names, None being toybox8-seg; any other source as it is.

    A file or folder of that name comes first.
    """
    if source is None:
        source = "toybox8-seg"
    is_yaml = isinstance(source, (str, Path)) and Path(source).suffix.lower() in (".yaml", ".yml")
    if is_yaml or (isinstance(source, str) and not Path(source).exists() and is_dataset_name(source)):
        return list(load_dataset(source).images("val"))
    return source


def batches(images: Iterable[SourceImage], size: int) -> Iterator[list[SourceImage]]:
    """Group a stream into lists of `size`; the last may be shorter."""
    images = iter(images)
    while batch := list(itertools.islice(images, size)):
        yield batch


def _load(source: Any, vid_stride: int, unnamed: Iterator[str]) -> ImageStream:
    """`load`, with names for the images that have none."""
    if isinstance(source, int):
        yield from _video(source, vid_stride)
    elif isinstance(source, (str, os.PathLike)):
        yield from _named(os.fspath(source), vid_stride)
    elif isinstance(source, np.ndarray):
        yield SourceImage(next(unnamed), _from_array(source))
    elif isinstance(source, torch.Tensor):
        for image in _from_tensor(source):
            yield SourceImage(next(unnamed), image)
    elif type(source).__module__.startswith("PIL."):
        yield _from_pillow(source, unnamed)
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        for item in source:
            yield from _load(item, vid_stride, unnamed)
    else:
        raise TypeError(
            f"cannot predict on a {type(source).__name__}: give a path, folder, glob, URL, camera number, "
            "PIL image, numpy array, tensor or a list of these"
        )


def _named(name: str, vid_stride: int) -> ImageStream:
    """A source given as text."""
    path = Path(name)
    if name.isdigit() and not path.exists():
        yield from _video(int(name), vid_stride)
    elif name.lower().startswith(STREAM_SCHEMES):
        yield from _video(name, vid_stride)
    elif name.lower().startswith(("http://", "https://")):
        yield from _address(name, vid_stride)
    elif path.is_dir():
        yield from _files(sorted(real_files(path.iterdir())), f"the folder {name}", vid_stride)
    elif path.suffix.lower() == ".txt" and path.is_file():
        yield from _text_list(path, vid_stride)
    elif path.is_file():
        yield from _file(path, vid_stride)
    elif any(sign in name for sign in "*?["):
        yield from _files([Path(match) for match in sorted(glob.glob(name, recursive=True))], name, vid_stride)
    else:
        raise FileNotFoundError(f"there is no image, video or folder at {name}: check the path")


def _files(paths: list[Path], origin: str, vid_stride: int) -> ImageStream:
    """Those of `paths` that are images or videos, at least one; what cannot be read is reported and skipped."""
    known = [path for path in paths if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    if not known:
        raise FileNotFoundError(f"no image or video in {origin}: check the path and the file extensions")
    skipped = 0
    for path in known:
        try:
            yield from _file(path, vid_stride)
        except SeglabError as error:
            skipped += 1
            print(f"skipped: {error}")
    if skipped == len(known):
        raise SeglabError(f"no file of {origin} can be read: see the messages above")


def _text_list(path: Path, vid_stride: int) -> ImageStream:
    """One source a line, relative to the list's own folder; empty lines and lines starting with # are skipped."""
    lines = [line for line in read_list(path) if not line.startswith("#")]
    if not lines:
        raise SeglabError(f"the list {path} is empty: write one path per line")
    for line in lines:
        if line.lower().endswith(".txt"):
            raise SeglabError(f"the list {path} contains another list, {line}: list images and videos only")
        yield from _named(line if "://" in line else str(path.parent / line), vid_stride)


def _file(path: Path, vid_stride: int) -> ImageStream:
    if path.suffix.lower() in VIDEO_SUFFIXES:
        yield from _video(str(path), vid_stride)
    else:
        yield SourceImage(str(path), read_image(path))


def _video(source: str | int, vid_stride: int) -> ImageStream:
    """Every vid_stride-th frame of a file, stream or camera, until it ends."""
    capture = cv2.VideoCapture(source)
    try:
        for number in itertools.count():
            if not capture.grab():
                break
            if number % vid_stride == 0:
                read, image = capture.retrieve()
                if read:
                    yield SourceImage(str(source), cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    if number == 0:
        what = f"camera {source}" if isinstance(source, int) else f"video {source}"
        raise SeglabError(f"no frame can be read from {what}: check that it exists and that OpenCV can decode it")


def _address(address: str, vid_stride: int) -> ImageStream:
    """Download an image or video into a temporary folder, which is removed afterwards."""
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
        images = _video(str(path), vid_stride) if video else _file(path, vid_stride)
        with contextlib.closing(images):  # before the folder goes, which Windows keeps while a video in it is open
            for image in images:
                yield image._replace(path=address)


def _from_pillow(image: Any, unnamed: Iterator[str]) -> SourceImage:
    """A PIL image as it stands: whoever opened it knows whether EXIF is to turn it."""
    name = getattr(image, "filename", "") or next(unnamed)
    try:
        return SourceImage(str(name), pillow_to_array(image))
    except (OSError, ValueError, SyntaxError) as error:  # Pillow decodes when pixels are asked for
        raise SeglabError(f"the PIL image {name} cannot be read ({error}): replace it, or leave it out") from error


def _from_array(array: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 -> (H, W, 3) RGB."""
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise SeglabError(
            f"a numpy image must be uint8 of shape (H, W), (H, W, 3) or (H, W, 4) in BGR order, "
            f"not {array.dtype} of shape {array.shape}"
        )
    conversion = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}[channels]
    return cv2.cvtColor(np.ascontiguousarray(array), conversion)


def _from_tensor(tensor: torch.Tensor) -> np.ndarray:
    """(3, H, W) or (B, 3, H, W) float RGB in 0..1 -> (B, H, W, 3) uint8."""
    images = tensor[None] if tensor.ndim == 3 else tensor
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel() or not images.is_floating_point():
        raise SeglabError(
            "a tensor must have float RGB images in 0..1 as (3, H, W) or (B, 3, H, W), "
            f"not {tensor.dtype} of shape {tuple(tensor.shape)}"
        )
    if not (images.min() >= 0 and images.max() <= 1):  # NaN neither
        raise SeglabError(
            f"a tensor's images must lie in 0..1, not {images.min():.3g}..{images.max():.3g}: divide by 255"
        )
    return (images.detach() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
