"""What a run of predict prints and saves: images and videos with their detections, label files, crops, annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from seglab.config import SaveConfig
from seglab.data.image import write_image
from seglab.drawing.overlays import draw_heatmap
from seglab.errors import SeglabError
from seglab.files import new_run_dir, part_name, replace
from seglab.inference.results import Results
from seglab.inference.results_io import counts_text, plain_name
from seglab.inference.sources import STREAM_SCHEMES, is_video
from seglab.wording import one_line

if TYPE_CHECKING:
    from seglab.inference.annotations import AnnotationWriter

DEFAULT_FPS = 25.0  # of a video file that does not say


def save_results(
    results: Iterable[Results], config: SaveConfig, vid_stride: int = 1, visualize: bool = False
) -> Iterator[Results]:
    """Pass results on, printing and saving what the config asks for; the folder is made with the first file.

    vid_stride: how many frames of a video one result stands for, so that the saved video plays at the same speed.
    visualize: write the heatmaps of the results as well.
    Errors: SeglabError when the folder cannot be written to.
    """
    plot_options: dict[str, Any] = {
        "labels": config.show_labels,
        "conf": config.show_conf,
        "boxes": config.show_boxes,
        "line_width": config.line_width,
    }
    writes_images = config.save or config.save_crop or config.save_frames or visualize
    saves_files = writes_images or config.save_txt or config.save_as
    path = ""  # of the result before
    frame = 0  # its number among those of one path
    with _SavedRun(config, vid_stride, plot_options) as run:
        for result in results:
            if result.path != path:
                path = result.path
                frame = 0
            frame += vid_stride if frame else 1
            if config.verbose:
                of_video = f" frame {frame}" if _is_video(result.path) else ""
                where = one_line(f"{result.path}{of_video}")
                print(f"{where}: {counts_text(result.boxes, result.names)}, {sum(result.speed.values()):.1f} ms")
            if config.show:
                result.show(**plot_options)
            if saves_files:
                run.add(result, frame)
            yield result
    if run.folder is not None:
        print(f"Results saved to {run.folder}")


class _SavedRun:
    """The files of a run: its folder is made for the first result, so that a source without images leaves none.

    Leaving it closes what is written, also when the reader of the stream stops early: a video that is not closed
    cannot be played.
    """

    def __init__(self, config: SaveConfig, vid_stride: int, plot_options: dict[str, Any]) -> None:
        self.folder: Path | None = None
        self._config = config
        self._vid_stride = vid_stride
        self._plot_options = plot_options
        self._taken: dict[str, int] = {}  # two sources may hold files of one name: the later ones get a number
        self._videos: dict[str, str] = {}  # path of a video or stream -> its name in the folder
        self._video: _Video | None = None  # that is being written
        self._annotations: AnnotationWriter | None = None

    def __enter__(self) -> _SavedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._video is not None:
            self._video.close()
        if self._annotations is not None:
            self._annotations.close()

    def add(self, result: Results, frame: int) -> None:
        """Write one result in every way that is asked for. frame: its number in a video."""
        config = self._config
        folder = self.folder or self._open()
        result.save_dir = str(folder)
        stem = plain_name(Path(result.path).stem)
        name = _free_name(stem or "image", self._taken) if result.path not in self._videos else ""
        if _is_video(result.path):  # what is written of a frame has its number
            video = self._videos.setdefault(result.path, name)
            name = _free_name(f"{video}_{frame}", self._taken)
        # Frames of a video file become a video again, everything else an image each.
        if config.save and _is_video_file(result.path):
            self._add_frame(result, folder / f"{video}.mp4")
        elif config.save:
            result.save(folder / f"{name}.jpg", **self._plot_options)
        if config.save_frames and _is_video(result.path):
            result.save(folder / f"{stem}_frames" / f"{frame}.jpg", **self._plot_options)
        if result.heatmap is not None:  # there is one where visualize=True asks for it
            write_image(folder / f"{name}_heatmap.jpg", draw_heatmap(result.image, result.heatmap))
        if config.save_txt:
            result.save_txt(folder / "labels" / f"{name}.txt", save_conf=config.save_conf)
        if config.save_crop:
            result.save_crop(folder / "crops", f"{name}.jpg")
        if self._annotations is not None:
            self._annotations.add(result, name)

    def _open(self) -> Path:
        config = self._config
        self.folder = new_run_dir("predict", config.project, config.name, config.exist_ok)
        if config.save_as:
            # With all formats, in a tenth of a second that others need not wait for.
            from seglab.inference.annotations import AnnotationWriter

            self._annotations = AnnotationWriter(self.folder, config.save_as, config.tolerance)
        return self.folder

    def _add_frame(self, result: Results, path: Path) -> None:
        """Frames of one file come one after another, so another path ends the video before."""
        if self._video is None or self._video.source != result.path:
            if self._video is not None:
                self._video.close()
            self._video = _Video(result, path, self._vid_stride)
        self._video.add(result.plot(**self._plot_options))


def _free_name(stem: str, taken: dict[str, int]) -> str:
    """`stem`, with a number behind it where it is taken, as by a file of another folder.

    taken: name -> the last number that was put behind it; the returned name is added. In lower case, since a.jpg is
    A.jpg on Windows and macOS.
    """
    name = stem
    while name.lower() in taken:
        taken[stem.lower()] += 1
        name = f"{stem}_{taken[stem.lower()]}"
    taken[name.lower()] = 1
    return name


def _is_video(path: str) -> bool:
    """Whether results of this path are frames: of a video file, a stream or a camera."""
    return _is_video_file(path) or path.isdigit() or path.lower().startswith(STREAM_SCHEMES)


def _is_video_file(path: str) -> bool:
    """Whether results of this path are frames of a file, as those of URLs and cameras are not."""
    return Path(path).is_file() and is_video(Path(path))


class _Video:
    """A video file that is being written, of the size of its first frame and as fast as the video it comes from.

    It gets its name when it is closed: before that it cannot be played.
    """

    def __init__(self, first: Results, path: Path, vid_stride: int) -> None:
        self.source = first.path
        self._path = path
        self._part = path.with_name(part_name(path) + path.suffix)
        capture = cv2.VideoCapture(first.path)
        fps = capture.get(cv2.CAP_PROP_FPS) / vid_stride or DEFAULT_FPS
        capture.release()
        height, width = first.orig_shape
        self._writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        if not self._writer.isOpened():
            raise SeglabError(
                f"OpenCV cannot write the video {path}: predict with stream=True and save() each frame instead"
            )

    def add(self, frame: np.ndarray) -> None:
        """frame: (H, W, 3) uint8 BGR."""
        self._writer.write(frame)

    def close(self) -> None:
        self._writer.release()
        try:
            replace(self._part, self._path, sync=False)
        finally:
            self._part.unlink(missing_ok=True)  # on a disk that is full
