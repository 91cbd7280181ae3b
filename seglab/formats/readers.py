"""Labelme JSON, Pascal-VOC masks and instance-mask PNGs, read image by image for `convert`."""

from __future__ import annotations

import base64
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np

from seglab.convert.report import Report
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, real_files
from seglab.geometry.polygons import orient
from seglab.geometry.rle import crop_to_rle, merge, rings_to_rle
from seglab.progress import with_progress
from seglab.sample import Instance
from seglab.wording import pluralize

CIRCLE = 72  # vertices of a Labelme circle, on a radius that keeps its area
VOC_VOID = [255, 0xE0E0C0]  # the border around VOC's objects, as index and as color
VOC_NAMES = (
    "aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike, person, "
    "pottedplant, sheep, sofa, train, tvmonitor"
).split(", ")


@dataclass
class Picture:
    """One image of a source: file (or its encoded bytes), name to write it under, split, (height, width), objects
    whose shape is `rle` where that is not None, and else `rings`."""

    file: Path | bytes
    name: str
    split: str
    size: tuple[int, int]
    instances: list[Instance]


Source = tuple[list[str], Iterator[Picture]]  # class names, images


def read_labelme(source: Path, images: Path | None, report: Report) -> Source:
    """Labelme JSON files: polygons, rectangles, circles and masks; shapes of one label and group are one object."""
    files = [source] if source.is_file() else sorted(real_files(source.rglob("*.json")))
    names = sorted({shape["label"] for file in files for shape in _labelme_content(file)["shapes"]})

    def pictures() -> Iterator[Picture]:
        for file in with_progress(files, "convert"):
            content = _labelme_content(file)
            name = PureWindowsPath(content["imagePath"]).name  # either kind of slash
            places = [images / name] if images else [file.parent / content["imagePath"], file.parent / name]
            picture = next((place for place in places if place.is_file()), None)
            if picture is None and isinstance(content.get("imageData"), str):
                with suppress(ValueError):  # damaged text
                    picture = base64.b64decode(content["imageData"])
            size = content["imageHeight"], content["imageWidth"]
            instances = _labelme_objects(
                content["shapes"], size, {name: i for i, name in enumerate(names)}, file, report
            )
            report.instances += len(instances)
            report.images += 1
            if picture is None:
                report.lose(
                    str(file), f"missing image: no {places[0]}, and none to be read in the JSON", len(instances)
                )
            else:
                yield Picture(picture, file.stem + Path(name).suffix, "train", size, instances)

    return names, pictures()


def _labelme_content(file: Path) -> dict:
    try:
        content = json.loads(file.read_bytes())
        for shape in content["shapes"]:
            shape["label"] = str(shape["label"])
            shape["points"] = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
        content["imagePath"] = content.get("imagePath") or f"{file.stem}.jpg"
        return content | {key: content[key] for key in ("imageHeight", "imageWidth")}
    except (ValueError, KeyError, TypeError) as error:
        raise SeglabError(f"{file} is no Labelme JSON ({error}): move it away, or save it again") from error


def _labelme_objects(shapes: list[dict], size, class_of: dict[str, int], file: Path, report: Report) -> list[Instance]:
    instances, parts = [], defaultdict(list)
    for number, shape in enumerate(shapes, start=1):
        group = shape.get("group_id")
        parts[shape["label"], number if group is None else f"group {group}"].append((number, shape))
    for (label, _), members in parts.items():
        rings, masks = [], []
        for number, shape in members:
            points = shape["points"]
            kind = shape.get("shape_type") or "polygon"
            if kind == "mask" and shape.get("mask") and len(points):
                masks.append(_labelme_mask(shape["mask"], points[0], size, file))
            elif (kind, len(points)) == ("rectangle", 4) or (kind == "polygon" and len(points) >= 3):
                rings.append(orient(points))
            elif kind == "rectangle" and len(points) == 2:
                (left, top), (right, bottom) = points
                rings.append(orient(np.array([[left, top], [right, top], [right, bottom], [left, bottom]])))
            elif kind == "circle" and len(points) == 2:
                angle = np.arange(CIRCLE) * (2 * math.pi / CIRCLE)
                radius = math.dist(*points) * math.sqrt(2 * math.pi / CIRCLE / math.sin(2 * math.pi / CIRCLE))
                rings.append(points[0] + radius * np.stack((np.cos(angle), np.sin(angle)), axis=1))
            else:
                report.instances += 1
                report.lose(f"{file} shape {number}", f"no area: a {kind} of {pluralize(len(points), 'point')}")
        if masks:
            masks += [rings_to_rle(rings, *size)] if rings else []
            instances.append(Instance(class_of[label], [], rle=merge(masks)))
        elif rings:
            instances.append(Instance(class_of[label], rings))
    return instances


def _labelme_mask(text: str, corner: np.ndarray, size: tuple[int, int], file: Path) -> dict:
    from PIL import Image

    try:
        crop = np.array(Image.open(io.BytesIO(base64.b64decode(text)))) > 0
        x0, y0 = (round(float(value)) for value in corner)
        return crop_to_rle(x0, y0, crop[: size[0] - y0, : size[1] - x0], *size)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        raise SeglabError(f"{file} holds a mask that cannot be read ({error}): draw it again in Labelme") from error


def read_masks(source: Path, images: Path | None, report: Report) -> Source:
    """PNG masks named like their images: every value, or color, but 0 is one object.

    Masks directly in the folder are of the class "object"; masks in subfolders are of the class the subfolder names.
    """
    if images is None:
        raise SeglabError(f"{source} holds masks; give the folder of their images as images=")
    files = sorted(real_files(source.rglob("*.png")))
    class_names = ["/".join(file.relative_to(source).parts[:-1]) or "object" for file in files]
    names = sorted(set(class_names))
    by_picture = defaultdict(list)
    for file, name in zip(files, class_names):
        by_picture[file.stem].append((file, names.index(name)))

    def pictures() -> Iterator[Picture]:
        found = _by_stem(images)
        for stem, masks in with_progress(by_picture.items(), "convert"):
            instances, size = [], None
            for file, class_id in masks:
                ids = _read_ids(file)
                regions = list(_regions(ids))
                size = size or ids.shape
                if ids.shape == size:
                    instances += [
                        Instance(class_id, [], rle=crop_to_rle(x, y, crop, *size)) for _, x, y, crop in regions
                    ]
                else:
                    report.instances += len(regions)
                    report.lose(str(file), _two_sizes(ids, size), len(regions))
            yield from _with_picture(found, stem, "train", size, instances, report)

    return names, pictures()


def read_voc(source: Path, images: Path | None, report: Report) -> Source:
    """Pascal-VOC masks: SegmentationObject tells objects apart and SegmentationClass their classes; without the
    former, every connected region of a class is an object. The void border belongs to none.

    Class names come from labelmap.txt, as CVAT and others write it, or are VOC's own twenty.
    """
    names, class_of = _voc_classes(source / "labelmap.txt")
    split_of = {}
    for split in ("val", "train"):
        file = source / "ImageSets" / "Segmentation" / f"{split}.txt"
        split_of |= dict.fromkeys(file.read_text(encoding="utf-8-sig").split(), split) if file.is_file() else {}

    def pictures() -> Iterator[Picture]:
        found = _by_stem(images or source / "JPEGImages")
        for file in with_progress(sorted(real_files((source / "SegmentationClass").glob("*.png"))), "convert"):
            classes = _read_ids(file)
            classes[np.isin(classes, VOC_VOID)] = 0
            instance_file = source / "SegmentationObject" / file.name
            ids = _read_ids(instance_file) if instance_file.is_file() else _components(classes)
            ids[np.isin(ids, VOC_VOID)] = 0
            if ids.shape != classes.shape:
                lost = len(list(_regions(ids)))
                report.images += 1
                report.instances += lost
                report.lose(str(instance_file), _two_sizes(ids, classes.shape), lost)
                continue
            instances = []
            for value, x, y, crop in _regions(ids):
                inside = classes[y : y + crop.shape[0], x : x + crop.shape[1]][crop]
                kinds, counts = np.unique(inside[inside > 0], return_counts=True)
                kind = int(kinds[counts.argmax()]) if len(kinds) else 0
                if kind in class_of:
                    instances.append(Instance(class_of[kind], [], rle=crop_to_rle(x, y, crop, *ids.shape)))
                else:
                    report.instances += 1
                    report.lose(f"{file} object {value}", f"unknown class: value {kind}; name it in labelmap.txt")
            yield from _with_picture(found, file.stem, split_of.get(file.stem, "train"), ids.shape, instances, report)

    return names, pictures()


def _voc_classes(labelmap: Path) -> tuple[list[str], dict[int, int]]:
    """Class names without the background, and the class id of every pixel value: an index, or a packed color."""
    if labelmap.is_file():  # name:r,g,b:parts:actions, the first row being index 0
        rows = [row.split(":") for row in labelmap.read_text(encoding="utf-8-sig").splitlines()]
        rows = [row for row in rows if len(row) > 1 and not row[0].lstrip().startswith("#")]
        colors = [_packed(np.array(list(map(int, row[1].split(",")))[:3])) for row in rows]
        every = [row[0].strip() for row in rows]
    else:
        every = ["background", *VOC_NAMES]
        # VOC's colors spread the bits of the index: the lowest three are the highest bits of red, green and blue.
        colors = [_packed([_spread(index >> channel) for channel in range(3)]) for index in range(len(every))]
    names = [name for name in every if name != "background"]
    class_of = {index: names.index(name) for index, name in enumerate(every) if name != "background"}
    return names, class_of | {int(colors[index]): class_id for index, class_id in class_of.items()}


def _spread(bits: int) -> int:
    return sum(((bits >> (3 * place)) & 1) << (7 - place) for place in range(8))


def _packed(color: np.ndarray) -> np.ndarray:
    """(..., 3) RGB -> (...) int32, one number a color."""
    return np.asarray(color, dtype=np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)


def _read_ids(file: Path) -> np.ndarray:
    """A mask PNG as (h, w) int32: palette index, grey value of 8 or 16 bits, or the color packed into a number."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            pixels = np.array(image.convert("RGB") if image.mode in ("RGBA", "CMYK") else image)
    except (OSError, UnidentifiedImageError) as error:
        raise SeglabError(f"{file} cannot be read as a mask ({error}): replace or remove it") from error
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        pixels = pixels[..., 0]  # grey with alpha
    return _packed(pixels) if pixels.ndim == 3 else pixels.astype(np.int32)


def _components(classes: np.ndarray) -> np.ndarray:
    """(h, w) class values -> (h, w) int32 numbers from 1 of their connected regions, corners connecting too."""
    ids = np.zeros(classes.shape, dtype=np.int32)
    for value in np.unique(classes[classes > 0]):
        regions = cv2.connectedComponents((classes == value).astype(np.uint8), connectivity=8)[1]
        ids = np.where(regions > 0, regions + ids.max(), ids)
    return ids


def _regions(ids: np.ndarray) -> Iterator[tuple[int, int, int, np.ndarray]]:
    """Every value of an (h, w) array but 0: (value, x0, y0, bool crop of its bounding box)."""
    flat = ids.ravel()
    order = np.argsort(flat, kind="stable")
    values, starts = np.unique(flat[order], return_index=True)
    for value, places in zip(values.tolist(), np.split(order, starts[1:])):
        if value:
            rows, columns = np.divmod(places, ids.shape[1])
            top, left = rows.min(), columns.min()
            crop = np.zeros((rows.max() - top + 1, columns.max() - left + 1), dtype=bool)
            crop[rows - top, columns - left] = True
            yield value, int(left), int(top), crop


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SeglabError(f"no folder {folder} with the images of the masks; give it as images=")
    return {file.stem: file for file in sorted(real_files(folder.iterdir())) if file.suffix.lower() in IMAGE_SUFFIXES}


def _two_sizes(ids: np.ndarray, size: tuple[int, int]) -> str:
    return f"masks of two sizes for one image: {ids.shape[1]} x {ids.shape[0]} beside {size[1]} x {size[0]}"


def _with_picture(found, stem: str, split: str, size, instances: list[Instance], report: Report) -> Iterator[Picture]:
    """The image of a mask file, or a note that it is missing."""
    report.images += 1
    report.instances += len(instances)
    if stem in found:
        yield Picture(found[stem], found[stem].name, split, size, instances)
    else:
        report.lose(f"mask {stem}.png", "missing image: no image of that name", len(instances))
