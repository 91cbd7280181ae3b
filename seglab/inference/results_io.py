"""How results are saved: label files, JSON, CSV, COCO rows, and the images and videos that predict writes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from seglab.config import SaveConfig
from seglab.data.image import write_image
from seglab.errors import SeglabError
from seglab.files import new_run_dir
from seglab.formats.coco import category_ids as coco_category_ids
from seglab.formats.coco import result_entry
from seglab.formats.yolo import row_text
from seglab.inference.sources import is_video

if TYPE_CHECKING:  # the classes there call the functions here
    from seglab.inference.results import Results

DEFAULT_FPS = 25.0  # of a video file that does not say


class InstanceRow(NamedTuple):
    """One instance in plain Python numbers."""

    class_id: int
    score: float
    box: list[float]  # left, top, right, bottom in pixels of the image


def rows_of(results: Results) -> list[InstanceRow]:
    """The instances of one image, highest score first."""
    return [InstanceRow(int(row[5]), row[4], row[:4]) for row in results.boxes.data.tolist()]


def plain_name(text: str) -> str:
    """Text as the name of a file or folder: characters that a path or Windows reserves become underscores."""
    return re.sub(r'[<>:"/\\|?*]|^\.+', "_", text)


# --- one image's results in other formats ---


def write_label_file(results: Results, path: Path, save_conf: bool) -> Path:
    """One YOLO-seg row per instance, see `Results.save_txt`."""
    lines = []
    for row, rings in zip(rows_of(results), results.masks.rings if results.masks else []):
        score = row.score if save_conf else None
        lines.append(row_text(row.class_id, rings, results.orig_shape, digits=".6g", score=score) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_crops(results: Results, save_dir: Path, file_name: Path) -> None:
    """Every box as an image file, see `Results.save_crop`."""
    suffix = file_name.suffix or ".jpg"
    written: Counter[int] = Counter()
    for row in rows_of(results):
        written[row.class_id] += 1
        number = "" if written[row.class_id] == 1 else str(written[row.class_id])
        x0, y0, x1, y1 = row.box
        left, top = int(x0), int(y0)
        right, bottom = max(left + 1, round(x1)), max(top + 1, round(y1))  # a pixel at least
        folder = save_dir / plain_name(results.names[row.class_id])
        write_image(folder / f"{file_name.stem}{number}{suffix}", results.image[top:bottom, left:right])


def summary(results: Results, normalize: bool, decimals: int) -> list[dict[str, Any]]:
    """One plain dict per instance, see `Results.summary`."""
    height, width = results.orig_shape
    scale = np.array([width, height], dtype=float) if normalize else np.ones(2)
    items = []
    for row, outline in zip(rows_of(results), results.masks.xy if results.masks else []):
        corners = (np.array(row.box) / np.tile(scale, 2)).round(decimals).tolist()
        x, y = (outline / scale).round(decimals).T.tolist()
        items.append(
            {
                "name": results.names[row.class_id],
                "class": row.class_id,
                "confidence": round(row.score, decimals),
                "box": dict(zip(("x1", "y1", "x2", "y2"), corners)),
                "segments": {"x": x, "y": y},
            }
        )
    return items


def csv_text(items: Iterable[dict[str, Any]]) -> str:
    """What `summary` gives as CSV, dicts as JSON in their columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "class", "confidence", "box", "segments"))
    for item in items:
        writer.writerow([json.dumps(value) if isinstance(value, dict) else value for value in item.values()])
    return text.getvalue()


def data_frame(items: list[dict[str, Any]]) -> Any:
    """What `summary` gives as a pandas.DataFrame. Errors: SeglabError without pandas."""
    try:
        from pandas import DataFrame
    except ImportError:
        raise SeglabError("to_df needs pandas, which is not installed: pip install pandas, or use summary()") from None
    return DataFrame(items)


def coco_rows(results: Results, image_id: int, category_ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """Rows of a COCO results file, see `Results.to_coco`."""
    ids = coco_category_ids(results.names) if category_ids is None else category_ids
    items = []
    for row, rle in zip(rows_of(results), results.masks.rle if results.masks else []):
        x0, y0, x1, y1 = row.box
        items.append(result_entry(image_id, int(ids[row.class_id]), (x0, y0, x1 - x0, y1 - y0), row.score, rle))
    return items


def supervision_detections(results: Results) -> Any:
    """A supervision.Detections. Errors: SeglabError without the package."""
    try:
        import supervision
    except ImportError:
        raise SeglabError(
            "to_supervision needs the package supervision, which is not installed: pip install supervision"
        ) from None
    boxes = results.boxes.numpy()
    classes = np.asarray(boxes.cls).astype(int)
    return supervision.Detections(
        xyxy=np.asarray(boxes.xyxy),
        mask=None if results.masks is None else np.asarray(results.masks.numpy().data).astype(bool),
        confidence=np.asarray(boxes.conf),
        class_id=classes,
        data={"class_name": np.array([results.names[class_id] for class_id in classes], dtype=str)},
    )


# --- what a run of predict prints and saves ---


def save_results(results: Iterable[Results], config: SaveConfig, vid_stride: int = 1) -> Iterator[Results]:
    """Pass results on, printing and saving what the config asks for; the folder is made with the first file.

    vid_stride: how many frames of a video one result stands for, so that the saved video plays at the same speed.
    Errors: SeglabError when the folder cannot be written to.
    """
    plot_options: dict[str, Any] = {
        "labels": config.show_labels,
        "conf": config.show_conf,
        "boxes": config.show_boxes,
        "line_width": config.line_width,
    }
    saves_files = config.save or config.save_txt or config.save_crop
    # Two sources may hold files of one name: the later ones get a number.
    taken: dict[str, int] = {}
    folder: Path | None = None
    video: _Video | None = None  # that is being written
    try:
        for result in results:
            name = _free_name(plain_name(Path(result.path).stem) or "image", taken)
            if config.verbose:
                print(f"{result.path}: {result.verbose()}, {sum(result.speed.values()):.1f} ms")
            if not saves_files:
                yield result
                continue

            # Made with the first result, so that a source without images leaves no empty folder.
            if folder is None:
                folder = new_run_dir("predict", config.project, config.name, config.exist_ok)
            result.save_dir = str(folder)
            # Frames of a video file become a video again, everything else an image each.
            if config.save and _is_video_file(result.path):
                # Frames of one file come one after another, so another path ends the video before.
                if video is None or video.source != result.path:
                    if video is not None:
                        video.close()
                    video = _Video(result, folder / f"{name}.mp4", vid_stride)
                video.add(result.plot(**plot_options))
            elif config.save:
                result.save(folder / f"{name}.jpg", **plot_options)
            if config.save_txt:
                result.save_txt(folder / "labels" / f"{name}.txt", save_conf=config.save_conf)
            if config.save_crop:
                result.save_crop(folder / "crops", f"{name}.jpg")
            yield result
    # Also when the reader of the stream stops early: a video that is not closed cannot be played.
    finally:
        if video is not None:
            video.close()
    if folder is not None:
        print(f"Results saved to {folder}")


def _free_name(stem: str, taken: dict[str, int]) -> str:
    """`stem`, with a number behind it where it is taken: by a file of another folder, or an earlier frame of a video.

    taken: name -> the last number that was put behind it; the returned name is added. In lower case, since a.jpg is
    A.jpg on Windows and macOS.
    """
    name = stem
    while name.lower() in taken:
        taken[stem.lower()] += 1
        name = f"{stem}_{taken[stem.lower()]}"
    taken[name.lower()] = 1
    return name


def _is_video_file(path: str) -> bool:
    """Whether results of this path are frames of a file, as those of URLs and cameras are not."""
    return Path(path).is_file() and is_video(Path(path))


class _Video:
    """A video file that is being written, of the size of its first frame and as fast as the video it comes from."""

    def __init__(self, first: Results, path: Path, vid_stride: int) -> None:
        self.source = first.path
        capture = cv2.VideoCapture(first.path)
        fps = capture.get(cv2.CAP_PROP_FPS) / vid_stride or DEFAULT_FPS
        capture.release()
        height, width = first.orig_shape
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        if not self._writer.isOpened():
            raise SeglabError(
                f"OpenCV cannot write the video {path}: predict with stream=True and save() each frame instead"
            )

    def add(self, frame: np.ndarray) -> None:
        """frame: (H, W, 3) uint8 BGR."""
        self._writer.write(frame)

    def close(self) -> None:
        self._writer.release()
