"""What prediction says and leaves on disk on its way: images, films, label files, cut-out objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from seglab.config import SaveConfig
from seglab.errors import SeglabError
from seglab.files import new_run_dir
from seglab.inference.results import Results, plain_name
from seglab.inference.sources import VIDEO_SUFFIXES


def save_results(results: Iterable[Results], config: SaveConfig, vid_stride: int = 1) -> Iterator[Results]:
    """Pass results on, saying and writing what is asked for; the folder is made with the first file.

    vid_stride: of a video, how many frames one result stands for, so that its film keeps the pace.
    Errors: SeglabError when the place cannot be written to.
    """
    looks = {"labels": config.show_labels, "conf": config.show_conf, "boxes": config.show_boxes}
    looks["line_width"] = config.line_width
    taken: dict[str, int] = {}
    folder, filmed, film = None, "", None  # the video that is being written, and where to
    try:
        for result in results:
            name = _free_name(plain_name(Path(result.path).stem) or "image", taken)
            if config.verbose:
                print(f"{result.path}: {result.verbose()}, {sum(result.speed.values()):.1f} ms")
            if config.save or config.save_txt or config.save_crop:
                folder = folder or new_run_dir("predict", config.project, config.name, config.exist_ok)
                result.save_dir = str(folder)
            if config.save and _is_film(result.path):
                if filmed != result.path:
                    if film:
                        film.release()
                    film, filmed = _open_film(result, folder / f"{name}.mp4", vid_stride), result.path
                film.write(result.plot(**looks))
            elif config.save:
                result.save(folder / f"{name}.jpg", **looks)
            if config.save_txt:
                result.save_txt(folder / "labels" / f"{name}.txt", save_conf=config.save_conf)
            if config.save_crop:
                result.save_crop(folder / "crops", f"{name}.jpg")
            yield result
    finally:
        if film:
            film.release()
    if folder:
        print(f"Results saved to {folder}")


def _free_name(stem: str, taken: dict[str, int]) -> str:
    """`stem`, with a number behind it where it is taken: by a file of another folder, or an earlier frame of a video.

    taken: name -> the last number that was put behind it; the name given is added. In small letters, since a.jpg is
    A.jpg on Windows and macOS.
    """
    name = stem
    while name.lower() in taken:
        taken[stem.lower()] += 1
        name = f"{stem}_{taken[stem.lower()]}"
    taken[name.lower()] = 1
    return name


def _is_film(path: str) -> bool:
    """Whether results of this path are frames of a file, as those of addresses and cameras are not."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES and Path(path).is_file()


def _open_film(first: Results, place: Path, vid_stride: int) -> cv2.VideoWriter:
    """A film of the size of the first frame, at the pace of the video that it comes from."""
    source = cv2.VideoCapture(first.path)
    fps = source.get(cv2.CAP_PROP_FPS) / vid_stride or 25.0  # of a file that does not say
    source.release()
    film = cv2.VideoWriter(str(place), cv2.VideoWriter_fourcc(*"mp4v"), fps, first.orig_shape[::-1])
    if not film.isOpened():
        raise SeglabError(f"this OpenCV cannot write the video {place}: predict with stream=True and save() each frame")
    return film
