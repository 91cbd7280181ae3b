"""How results are written: label files, crops, tables, COCO rows, and what notebooks show."""

from __future__ import annotations

import base64
import html
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from seglab.data.image import write_image
from seglab.data.windows import Windows
from seglab.errors import SeglabError
from seglab.files import atomic_write
from seglab.formats.coco_ids import category_ids as coco_category_ids
from seglab.formats.coco_writer import result_entry
from seglab.formats.yolo import row_text
from seglab.inference.instances import Boxes, Masks
from seglab.wording import pluralize

COLUMNS = ("name", "class", "confidence", "box", "segments")  # of tables of instances


class InstanceRow(NamedTuple):
    """One instance in plain Python numbers."""

    class_id: int
    score: float
    box: list[float]  # left, top, right, bottom in pixels of the image
    track_id: int | None = None  # where instances were followed through a video


def rows_of(boxes: Boxes) -> list[InstanceRow]:
    """The instances of one image, highest score first."""
    found = []
    for row in boxes.data.tolist():
        track = int(row[4]) if boxes.is_track else None
        found.append(InstanceRow(int(row[-1]), row[-2], row[:4], track))
    return found


def counts_text(boxes: Boxes, names: dict[int, str]) -> str:
    """How many there are of each class, such as "2 persons, 1 bus"."""
    counts = Counter(row.class_id for row in rows_of(boxes))
    parts = [pluralize(counts[class_id], names[class_id]) for class_id in sorted(counts)]
    return ", ".join(parts) or "(no detections)"


def label_of(row: InstanceRow, names: dict[int, str], with_score: bool = True) -> str:
    """What stands beside an instance in an image: "id:3 cup 0.87"."""
    track = "" if row.track_id is None else f"id:{row.track_id} "
    score = f" {row.score:.2f}" if with_score else ""
    return f"{track}{names[row.class_id]}{score}"


def image_to_draw_on(image: Any) -> np.ndarray:
    """An image for `plot` -> (H, W, 3) uint8 RGB. It may be a BGR or gray array, PIL, or a float tensor (3, H, W)."""
    if type(image).__module__.startswith("PIL."):
        return np.asarray(image.convert("RGB"))
    if isinstance(image, torch.Tensor):
        floats = image[0] if image.ndim == 4 else image  # (3, H, W)
        return (floats.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    array = np.asarray(image)
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise SeglabError(f"img= must be a uint8 image in BGR order, not {array.dtype} of shape {array.shape}")
    conversion = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}[channels]
    return cv2.cvtColor(np.ascontiguousarray(array), conversion)


def show_image(image: np.ndarray) -> None:
    """Show (H, W, 3) RGB under the cell of a notebook, elsewhere in a window until it is closed."""
    from matplotlib import pyplot

    if pyplot.get_backend().lower() == "agg":
        print("no window can be opened here: write the image with save()")
        return
    figure, axes = pyplot.subplots(layout="constrained")
    axes.imshow(image)
    axes.set_axis_off()
    pyplot.show()
    pyplot.close(figure)


def plain_name(text: str) -> str:
    """Text as the name of a file or folder: characters that a path or Windows reserves become underscores."""
    return re.sub(r'[<>:"/\\|?*]|^\.+', "_", text)


# --- one image's results in other formats ---


def write_label_file(boxes: Boxes, masks: Masks | None, path: Path, save_conf: bool) -> Path:
    """One YOLO-seg row per instance, see `Results.save_txt`."""
    lines = []
    for row, rings in zip(rows_of(boxes), masks.rings if masks else []):
        score = row.score if save_conf else None
        line = row_text(row.class_id, rings, boxes.orig_shape, digits=".6g", score=score)
        of_track = "" if row.track_id is None else f" {row.track_id}"
        lines.append(f"{line}{of_track}\n")
    return atomic_write(path, "".join(lines).encode(), sync=False)


def write_crops(
    boxes: Boxes, names: dict[int, str], image: np.ndarray | Windows, save_dir: Path, file_name: Path
) -> None:
    """Every box of an image, (H, W, 3) RGB, as an image file, see `Results.save_crop`."""
    suffix = file_name.suffix or ".jpg"
    written: Counter[int] = Counter()
    for row in rows_of(boxes):
        written[row.class_id] += 1
        number = "" if written[row.class_id] == 1 else str(written[row.class_id])
        x0, y0, x1, y1 = row.box
        left, top = int(x0), int(y0)
        right, bottom = max(left + 1, round(x1)), max(top + 1, round(y1))  # a pixel at least
        folder = save_dir / plain_name(names[row.class_id])
        write_image(folder / f"{file_name.stem}{number}{suffix}", np.asarray(image[top:bottom, left:right]))


def summary(
    boxes: Boxes, masks: Masks | None, names: dict[int, str], normalize: bool, decimals: int
) -> list[dict[str, Any]]:
    """One plain dict per instance, see `Results.summary`."""
    height, width = boxes.orig_shape
    scale = np.array([width, height], dtype=float) if normalize else np.ones(2)
    outlines = masks.xy if masks else []
    items = []
    for number, row in enumerate(rows_of(boxes)):
        corners = (np.array(row.box) / np.tile(scale, 2)).round(decimals).tolist()
        item: dict[str, Any] = {
            "name": names[row.class_id],
            "class": row.class_id,
            "confidence": round(row.score, decimals),
            "box": dict(zip(("x1", "y1", "x2", "y2"), corners)),
        }
        if row.track_id is not None:
            item["track_id"] = row.track_id
        if outlines:
            x, y = (outlines[number] / scale).round(decimals).T.tolist()
            item["segments"] = {"x": x, "y": y}
        items.append(item)
    return items


def html_of_images(shown: Sequence[tuple[str, bytes]], count: int) -> str:
    """Images with captions side by side, for notebooks. shown: caption and JPEG of the first of `count` images."""
    figures = []
    for caption, jpeg in shown:
        data = base64.b64encode(jpeg).decode()
        image = f'<img src="data:image/jpeg;base64,{data}" style="max-width: 320px; max-height: 320px">'
        figures.append(f'<figure style="margin: 4px">{image}<figcaption>{html.escape(caption)}</figcaption></figure>')
    rest = count - len(shown)
    more = f"<p>and {pluralize(rest, 'image')} more</p>" if rest > 0 else ""
    return f'<div style="display: flex; flex-wrap: wrap">{"".join(figures)}</div>{more}'


def coco_rows(
    boxes: Boxes, masks: Masks | None, names: dict[int, str], image_id: int, category_ids: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Rows of a COCO results file, see `Results.to_coco`."""
    ids = coco_category_ids(names) if category_ids is None else category_ids
    items = []
    for row, rle in zip(rows_of(boxes), masks.rle if masks else []):
        x0, y0, x1, y1 = row.box
        items.append(result_entry(image_id, int(ids[row.class_id]), (x0, y0, x1 - x0, y1 - y0), row.score, rle))
    return items


def supervision_detections(boxes: Boxes, masks: Masks | None, names: dict[int, str]) -> Any:
    """A supervision.Detections. Errors: SeglabError without the package."""
    try:
        import supervision
    except ImportError:
        raise SeglabError(
            "to_supervision needs the package supervision, which is not installed: pip install supervision"
        ) from None
    rows = boxes.numpy()
    classes = np.asarray(rows.cls).astype(int)
    return supervision.Detections(
        xyxy=np.asarray(rows.xyxy),
        mask=None if masks is None else np.asarray(masks.numpy().data).astype(bool),
        confidence=np.asarray(rows.conf),
        class_id=classes,
        data={"class_name": np.array([names[class_id] for class_id in classes], dtype=str)},
    )
