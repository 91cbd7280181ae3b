"""Label Studio's own JSON export, its short form JSON-MIN, CSV and TSV: polygons, brushes, rectangles and ellipses.

    export.json        a list of tasks; of several annotations of one the last that was not skipped is read
    images/a.jpg       the images, wherever they lie below: paths of the tool's server are found by file name

Coordinates are percent of the image's sides. A brush is packed as `unpack_brush` says.
"""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from seglab.data.image import image_size
from seglab.errors import UNREADABLE, SeglabError
from seglab.files import real_files
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_names import composed, without_address
from seglab.formats.image_search import plain_names, search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.shapes import MAX_PAINTED, as_rectangle, ellipse, painted, painted_image, polygon, rectangle, turned
from seglab.formats.text_files import csv_rows, decode_text, read_json, sketch_json
from seglab.geometry.polygons import Ring
from seglab.geometry.rle import Rle, area
from seglab.sample import Instance

TABLES = (".csv", ".tsv")
COLUMNS = {"annotation_id", "annotator"}  # of every table
CHANNELS = 4  # of a brush: red, green, blue and alpha of every pixel; alpha is the mask
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # what an upload puts before the file's own name
Json = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One image of an export. image: what the export calls it; regions: as the file has them, parts of one merged."""

    where: str
    image: str
    regions: tuple[Json, ...]


def is_here(source: Path) -> bool:
    """Whether this is a JSON of tasks, or a folder with one."""
    return bool(_label_files(source))


def _label_files(source: Path) -> list[Path]:
    """The JSON files of tasks, else the tables of them: a project may have been exported as both."""
    files = [source] if source.is_file() else sorted(file for file in real_files(source.iterdir()) if file.is_file())
    jsons = [file for file in files if file.suffix.lower() == ".json" and _is_tasks(sketch_json(file))]
    return jsons or [file for file in files if file.suffix.lower() in TABLES and _is_table(file)]


def _is_table(file: Path) -> bool:
    """Whether the first line of a table has the columns of every task."""
    with open(file, "rb") as opened:
        header = decode_text(opened.read(4096)).partition("\n")[0]
    return COLUMNS <= set(re.split(r"[,\t]", header.strip().replace('"', "")))


def _is_tasks(sketch: Any) -> bool:
    """Whether the first item of a list is a task: with data and annotations, or in short form with regions."""
    task = sketch[0] if isinstance(sketch, list) and sketch else None
    if not isinstance(task, dict):
        return False
    return ("data" in task and ("annotations" in task or "completions" in task)) or _is_short(task)


def _is_short(task: Json) -> bool:
    return "annotation_id" in task or bool(_short_regions(task))


def read(source: Path, images: Path | None = None) -> LabelStudioSource:
    """The labels of a JSON of tasks, or of a folder with some. images: the folder of the images."""
    return LabelStudioSource(source, images)


class LabelStudioSource:
    """Label Studio's tasks; class names are the labels of their regions, in alphabetical order."""

    def __init__(self, source: Path, images: Path | None):
        self._search = search_from(source, images)
        self._issues: list[Issue] = []
        self._tasks: dict[ImageEntry, Task] = {}
        labels: set[str] = set()
        for file in _label_files(source):
            for number, item in enumerate(_items(file), start=1):
                task = self._read_task(item, f"{file} task {item.get('id', number)}")
                if task is None:
                    continue
                labels |= {label for region in task.regions if (label := _label(region))}
                split = split_of([file.stem])
                self._tasks[ImageEntry(self._find(task.image), split, (file, Path(str(number))))] = task
        self.entries = list(self._tasks)
        self.names = dict(enumerate(sorted(labels)))
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self._names = plain_names([(entry.split, entry.image) for entry in self.entries if entry.image])

    def _read_task(self, item: Json, where: str) -> Task | None:
        """A task that somebody has labeled; None, and an issue, for one that waits or was skipped."""
        image = _image_said(item)
        if _is_short(item):
            return Task(where, image, tuple(_short_regions(item)))
        annotations = item.get("annotations", item.get("completions")) or []
        done = [each for each in annotations if isinstance(each, dict) and not each.get("was_cancelled")]
        if not done:
            self._issues.append(
                Issue(where, 0, "no annotation: the task is not labeled yet, or was skipped", "not read", "note")
            )
            return None
        if len(done) > 1:
            message = f"several annotations of one task: {len(done)}"
            self._issues.append(Issue(where, 0, message, "the last is read", "note"))
        chosen = next((each for each in done if each.get("ground_truth")), done[-1])
        result = chosen.get("result") or []
        if not isinstance(result, list):
            raise SeglabError(
                f"{where} has an annotation whose result is not a list: export it again from Label Studio"
            )
        return Task(where, image, tuple(_merged(result)))

    def _find(self, said: str) -> Path | None:
        """The image of a task: by its name, or by the name that it had before it was uploaded."""
        own = PurePosixPath(said)
        if not own.name:
            return None
        return self._search.find(said) or self._search.find(str(own.with_name(UPLOAD_PREFIX.sub("", own.name) or "_")))

    @property
    def issues(self) -> list[Issue]:
        return [*self._issues, *self._search.issues()]

    def load(self, entry: ImageEntry) -> LabeledImage:
        task = self._tasks[entry]
        if entry.image is None:
            message = (
                f"missing image: no file {PurePosixPath(task.image).name}, or several, below {entry.files[0].parent}"
            )
            return self._unusable(entry, left_out(task.where, message, len(task.regions)))
        try:
            size = _stated_size(task) or image_size(entry.image)
        except SeglabError as error:
            return self._unusable(entry, left_out(task.where, f"unreadable image: {error}", len(task.regions)))
        instances: list[Instance] = []
        issues: list[Issue] = []
        for number, region in enumerate(task.regions, start=1):
            where = f"{task.where} region {number}"
            try:
                found = self._instance(region, size)
            except (*UNREADABLE, OSError) as error:
                issues.append(left_out(where, f"damaged region: {error}"))
                continue
            if isinstance(found, Instance):
                instances.append(found)
                issues += [as_rectangle(where, "rectangle")] if "width" in region and "radiusX" not in region else []
            else:
                issues.append(left_out(where, found))
        return LabeledImage(entry.image, self._names[entry.image], entry.split, size, instances, issues)

    def _unusable(self, entry: ImageEntry, issue: Issue) -> LabeledImage:
        name = PurePosixPath(self._tasks[entry].image).name or "image"
        return LabeledImage(None, name, entry.split, (1, 1), [], [issue])

    def _instance(self, region: Json, size: tuple[int, int]) -> Instance | str:
        """The instance of a region, or why it is none. Errors: ValueError and others for what is damaged."""
        label = _label(region)
        if not label:
            return "no class: the region has no label"
        said = region.get("original_height"), region.get("original_width")
        if None not in said and said != size:
            return f"another size than the first region's: {said[1]} x {said[0]} beside {size[1]} x {size[0]}"
        class_id = self._class_of[label]
        if region.get("rle") or region.get("imageDataURL"):
            mask = _brush(region, size)
            return Instance(class_id, [], rle=mask) if area(mask) else "no area: a brush without a pixel"
        ring = _ring(region, size)
        return Instance(class_id, [ring]) if ring is not None else f"no area: a region of the type {region.get('type')}"


# Tasks


def _items(file: Path) -> list[Json]:
    content = _table_items(file) if file.suffix.lower() in TABLES else read_json(file)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise SeglabError(f"{file} is not a list of tasks: export it again from Label Studio as JSON")
    return content


def _table_items(file: Path) -> list[Json]:
    """The rows of a table as tasks in the short form: a cell with regions holds them as JSON."""
    try:
        rows = csv_rows(file)
        return [{key: json.loads(cell) if cell[:1] == "[" else cell for key, cell in row.items()} for row in rows]
    except (csv.Error, ValueError) as error:
        raise SeglabError(f"{file} is not a valid table of tasks ({error}): export it again as JSON") from error


def _merged(result: Sequence[Any]) -> list[Json]:
    """The regions of an annotation, each with its value's members beside its own.

    With separate tools for shape and label, two results of one id are one region; what has no shape is none.
    """
    regions: dict[str, Json] = {}
    for number, item in enumerate(result):
        if isinstance(item, dict) and isinstance(item.get("value"), dict):
            region = regions.setdefault(str(item.get("id", f"result {number}")), {})
            is_shape = str(item.get("type", "")) not in ("labels", "choices", "textarea")
            kept = item if is_shape else {key: value for key, value in item.items() if key != "type"}
            region |= {key: value for key, value in kept.items() if key != "value"} | item["value"]
    return [region for region in regions.values() if _has_shape(region)]


def _short_regions(task: Json) -> list[Json]:
    """The regions of a task in the short form: lists of them, under the names of their tools."""
    lists = [value for value in task.values() if isinstance(value, list)]
    return [item for items in lists for item in items if isinstance(item, dict) and _has_shape(item)]


def _has_shape(region: Json) -> bool:
    return "original_width" in region and any(key in region for key in ("points", "rle", "x", "imageDataURL"))


def _stated_size(task: Task) -> tuple[int, int] | None:
    """(height, width) of the image that the regions were drawn on; None where no region states it."""
    for region in task.regions:
        height, width = region.get("original_height"), region.get("original_width")
        if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
            return height, width
    return None


def _label(region: Json) -> str:
    """The first label of a region: of polygonlabels, brushlabels, labels and their like."""
    for key, value in region.items():
        if key.endswith("labels") and isinstance(value, list) and value:
            return composed(str(value[0]))
    return ""


def _image_said(task: Json) -> str:
    """The path of a task's image, without what only the tool's server knows: ?d= of local files, %20 in addresses."""
    data = task["data"] if isinstance(task.get("data"), dict) else task
    texts = [value for key, value in data.items() if isinstance(value, str) and key != "created_at"]
    paths = [data[key] for key in ("image", "img", "picture", "photo") if isinstance(data.get(key), str)]
    said = next(iter([*paths, *(text for text in texts if "/" in text or "\\" in text), *texts]), "")
    return without_address(said).as_posix()


# Shapes


def _ring(region: Json, size: tuple[int, int]) -> Ring | None:
    """The outline of a region in pixels; None for one without an area."""
    height, width = size
    scale = np.array([width, height]) / 100
    degrees = float(region.get("rotation") or 0)
    if "points" in region:
        points = np.array(region["points"], dtype=np.float64).reshape(-1, 2)
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is no outline
            return polygon(points * scale)
    corner = np.array([float(region["x"]), float(region["y"])]) * scale
    if "radiusX" in region:
        radii = np.array([float(region["radiusX"]), float(region["radiusY"])]) * scale
        return ellipse(corner.tolist(), radii.tolist(), degrees)
    if "width" not in region:
        return None  # a point
    opposite = corner + np.array([float(region["width"]), float(region["height"])]) * scale
    ring = rectangle(*corner.tolist(), *opposite.tolist())
    return ring if ring is None else turned(ring, corner.tolist(), degrees)  # about its top-left corner


def _brush(region: Json, size: tuple[int, int]) -> Rle:
    """The mask of a brush, or of an image of one. Errors: ValueError where it has not the size of the image."""
    height, width = size
    if region.get("imageDataURL"):
        mask = painted_image(base64.b64decode(str(region["imageDataURL"]).partition(",")[2]))
        if mask.shape != size:
            raise ValueError(f"its mask has {mask.shape[1]} x {mask.shape[0]} pixels")
    else:
        values = unpack_brush(bytes(region["rle"]), height * width * CHANNELS)
        mask = values.reshape(height, width, CHANNELS)[..., 3] > 127
    return painted(0, 0, mask, size)


def unpack_brush(data: bytes, count: int) -> np.ndarray:
    """Label Studio's packed brush -> (count,) uint8 values.

    A stream of bits, highest first: 32 for the number of values; 5 for the bits of a value, less 1; four times 4 for
    the bits that the length of a run may have, less 1. Then runs: 1 bit says whether one value is repeated, 2 which of
    the four lengths of a length it has, then its length, less 1, then the value, or all the values.
    Errors: ValueError where it holds another number of values, or ends too early.
    """
    bits = len(data) * 8
    whole = np.unpackbits(np.frombuffer(data, np.uint8))
    at = 0

    def number(length: int) -> int:
        nonlocal at
        if at + length > bits:
            raise ValueError("its brush data ends too early")
        first, last = at // 8, (at + length + 7) // 8
        value = int.from_bytes(data[first:last], "big") >> (last * 8 - at - length)
        at += length
        return value & ((1 << length) - 1)

    said = number(32)
    word = number(5) + 1
    lengths = [number(4) + 1 for _ in range(4)]
    if count > MAX_PAINTED * CHANNELS:
        raise ValueError(f"its brush has {count:,} values, more than any image")
    if said != count or word != 8:
        raise ValueError(f"its brush has {said} values of {word} bits, not {count} of 8")
    values = np.zeros(count, dtype=np.uint8)
    done = 0
    while done < count:
        is_repeated = number(1)
        run = number(lengths[number(2)]) + 1
        if done + run > count:
            raise ValueError("its brush has more values than it declares")
        if is_repeated:
            values[done : done + run] = number(word)
        elif at + run * word > bits:
            raise ValueError("its brush data ends too early")
        else:
            values[done : done + run] = np.packbits(whole[at : at + run * word])
            at += run * word
        done += run
    return values


FORMAT = Format("label_studio", "Label Studio JSON", is_here, read)
