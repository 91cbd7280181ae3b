"""Conversion between what people have and YOLO-seg folders, without loss, each with an account of what it did.

In: COCO JSON, Labelme JSON, Pascal-VOC masks, instance-mask PNGs. Out: a folder with images/, labels/ and a YAML. And
back: a YOLO-seg dataset as COCO JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import closing
from math import inf
from pathlib import Path, PurePosixPath
from typing import TextIO

import numpy as np

from seglab.convert.image_table import ImageTable
from seglab.convert.report import Report
from seglab.convert.rows import LabelWriter, same, steady
from seglab.data.annotations import Annotations
from seglab.data.image import image_size
from seglab.datasets.coco_json import image_folder
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import SPLITS, DatasetSpec, label_path
from seglab.datasets.yaml_file import write_dataset_yaml
from seglab.errors import SeglabError
from seglab.files import publish, real_files, staging_dir
from seglab.formats import coco as coco_format
from seglab.formats import yolo as yolo_format
from seglab.formats.coco import CocoFile, file_name, is_crowd, polygons
from seglab.formats.json_stream import coco_categories, coco_images, stream_json
from seglab.formats.readers import Picture, read_labelme, read_masks, read_voc
from seglab.geometry.polygons import Ring, bounding_box, ring_area
from seglab.geometry.rle import area, compress, rings_to_rle
from seglab.progress import LARGE_FILE, byte_progress, with_progress

LEFT_OUT = coco_format.LEFT_OUT, yolo_format.LEFT_OUT
DECIMALS = 4  # of a pixel in COCO JSON: half of the last is less than `steady` keeps coordinates off the ties


def convert(
    source: str | Path,
    images: str | Path | None = None,
    out: str | Path | None = None,
    to: str = "yolo",
    strict: float | None = None,
) -> Report:
    """Convert a dataset; the output appears as a whole at the end, or not at all.

    source: a COCO JSON or a folder of them, a folder of Labelme JSON, a VOC folder (SegmentationObject,
    SegmentationClass) or a folder of instance-mask PNGs; with to="coco", a YOLO-seg dataset (its YAML or name).
    images: the folder of the images, where it is not in a usual place. Images are linked, or copied where that is
    not possible. out: the new folder; with to="coco" the new JSON (one a split, named after it, if there are several).
    strict: if any object's mask IoU lies under this or any object is lost, nothing is written and `passed` is False.

    Errors: SeglabError when the source is of no known kind or damaged, or `out` exists already.
    """
    source, out = Path(source), Path(out or "")
    if to not in ("yolo", "coco"):
        raise SeglabError(f"to='{to}' is neither 'yolo' nor 'coco'")
    if out == Path() or out.exists():
        raise SeglabError(f"out='{out}' must name something new: choose another place, or delete what is there")
    report, started = Report(source, out, strict), time.perf_counter()
    with staging_dir(out) as part:
        if to == "coco":
            made = _to_coco(source, part, out, report)
        else:
            _to_yolo(source, images and Path(images), part, report)
            made = {part: out}
        if taken := [str(place) for place in made.values() if place.exists()]:
            raise SeglabError(f"{', '.join(taken)} appeared meanwhile: choose another out=, or delete what is there")
        for file, place in made.items() if report.passed else ():
            os.replace(file, place)
    report.seconds = time.perf_counter() - started
    return report


def convert_coco_labels(annotations: str | Path, labels: str | Path) -> Report:
    """A COCO JSON -> the new folder `labels` of YOLO-seg label files, all or nothing; images are not looked at.

    One that another process has put there meanwhile stays. Errors: SeglabError when it exists from the start.
    """
    report = Report(Path(annotations), Path(labels))
    if report.out.exists():
        raise SeglabError(f"{labels} exists already: name a new folder for the labels, or remove that one")
    with staging_dir(report.out) as part:
        class_of = _class_of(category["id"] for category in coco_categories(report.source))
        _coco_file(report.source, class_of, part, report)
        publish(part, report.out)
    return report


def _to_yolo(source: Path, images: Path | None, part: Path, report: Report) -> None:
    kind, files = _kind(source)
    if kind == "COCO":
        names, crowds = _coco_to_yolo(files, images, part, report)
        splits = list(crowds)
    else:
        readers = {"Labelme": read_labelme, "VOC": read_voc, "masks": read_masks}
        names, pictures = readers[kind](source, images, report)
        splits, crowds = _pictures_to_yolo(pictures, part, report), {}
    if not report.images_written:
        raise SeglabError(f"no image of {source} could be converted\n{report}")
    chosen = {_role(split): split for split in splits}
    if len(chosen) < len(splits):
        raise SeglabError(f"{source} has several JSON files for one of train, val, test ({splits}): convert one by one")
    for role in ("train", "val"):  # trainers ask for both
        if role not in chosen:
            chosen[role] = next(iter(chosen.values()))
            report.note(str(report.out), f"no {role} split in the source", f"{role} stands for images/{chosen[role]}")
    write_dataset_yaml(
        part / f"{report.out.name}.yaml",
        {role: f"images/{chosen[role]}" for role in SPLITS if role in chosen},
        dict(enumerate(names)),
        crowds={role: crowds[split] for role, split in chosen.items() if split in crowds},
    )


def _kind(source: Path) -> tuple[str, list[Path]]:
    """What a source is, and its JSON files where it is COCO."""
    if (source / "SegmentationObject").is_dir() or (source / "SegmentationClass").is_dir():
        return "VOC", []
    files = [source] if source.is_file() and source.suffix == ".json" else sorted(real_files(source.glob("*.json")))
    files = [file for file in files if file.name.startswith("instances_")] or files
    for file in files or sorted(real_files(source.rglob("*.json"))):
        for key, _ in stream_json(file):
            if key == "shapes":
                return "Labelme", []
            if key in ("images", "annotations", "categories"):
                if files:
                    return "COCO", files
                break  # in folders of their own several may have one name, which is all that tells splits apart
    if source.is_dir() and next(source.rglob("*.png"), None):
        return "masks", []
    raise SeglabError(
        f"{source} is no COCO or Labelme JSON, VOC folder or folder of mask PNGs that could be found; "
        "for a YOLO-seg dataset say to=coco"
    )


def _role(split: str) -> str:
    return next((role for role in SPLITS if role in split), "train")


def _coco_to_yolo(
    files: list[Path], images: Path | None, part: Path, report: Report
) -> tuple[list[str], dict[str, str]]:
    """-> (class names, split -> JSON of what label files cannot hold: crowds, and the ids of images and categories)."""
    names: dict[int, str] = {}
    for file in files:
        for category in coco_categories(file):
            if names.setdefault(category["id"], str(category["name"])) != str(category["name"]):
                raise SeglabError(
                    f"{file} calls category {category['id']} '{category['name']}' and another JSON "
                    f"'{names[category['id']]}': convert them one by one"
                )
    crowds, categories = {}, [{"id": category, "name": names[category]} for category in sorted(names)]
    (part / "annotations").mkdir()
    for file in files:
        split = file.stem.removeprefix("instances_") if len(files) > 1 else _role(file.stem)
        folder = images / split if images and (images / split).is_dir() else images
        folder = folder or image_folder(file, map(file_name, coco_images(file)))
        crowds[split] = f"annotations/crowds_{split}.json"
        with open(part / crowds[split], "w", encoding="utf-8") as aside:
            aside.write('{"images": [')
            _coco_file(file, _class_of(names), part / "labels" / split, report, folder, part / "images" / split, aside)
            aside.write(f'],\n"categories": {json.dumps(categories)}}}')
    return [names[category] for category in sorted(names)], crowds


def _class_of(category_ids: Iterable[int | str]) -> dict[int | str, int]:
    return {category: class_id for class_id, category in enumerate(sorted(category_ids))}


def _coco_file(
    path: Path,
    class_of: dict[int | str, int],
    labels: Path,
    report: Report,
    folder: Path | None = None,
    target: Path | None = None,
    aside: TextIO | None = None,
) -> None:
    """One COCO JSON -> the folder `labels`; its images are linked from `folder` into `target`, if there is one, and
    its images and crowds written to `aside`. Images and annotations pass one by one, the images first."""
    writer, table, separator = LabelWriter(labels, report), ImageTable(), "\n"
    count = inf if path.stat().st_size >= LARGE_FILE else 0
    with closing(table.database):
        for entry in with_progress(coco_images(path), f"place {labels.name}", count=count):
            report.images += 1
            name = file_name(entry)
            fault = _image_fault(path, entry, name, folder)
            label = "" if fault else str(name.with_suffix(".txt"))
            fault = fault or table.add(entry["id"], label, entry["width"], entry["height"])
            if fault:
                table.leave_out(entry["id"], f"{fault} (image {name})")
                continue
            report.images_written += 1
            writer.file(label)
            if folder:
                _link(folder / name, target / name)
            if aside:
                aside.write(separator + json.dumps(entry))
                separator = ",\n"
        if aside:
            aside.write('],\n"annotations": [')
        _coco_annotations(path, class_of, table, writer, report, aside)
        writer.close()
        for image_id, fault, lost in table.left_out():
            report.lose(f"{path} image id {image_id}", fault, lost)


def _image_fault(path: Path, entry: dict, name: PurePosixPath, folder: Path | None) -> str:
    """Why an image of a COCO JSON has to be left out, or ""; a size that the JSON does not say is put into `entry`."""
    if not name.parts or name.is_absolute() or ".." in name.parts or ":" in name.parts[0] or "\0" in str(name):
        return "unsafe image name: it leads out of the folder of images"
    if folder is None:
        if not all(isinstance(entry.get(key), (int, float)) and entry[key] > 0 for key in ("width", "height")):
            raise SeglabError(f"{path}: its images need width and height; convert it with images= instead")
        return ""
    if not (folder / name).is_file():
        return f"missing image: it is not in {folder}"
    try:
        height, width = image_size(folder / name)
    except SeglabError as error:
        return f"unreadable image: {error}"
    entry |= {key: size for key, size in (("width", width), ("height", height)) if entry.get(key) is None}
    if (said := (entry["width"], entry["height"])) != (width, height):
        return f"another size than in the JSON: {said} there, {width, height} in the file"
    return ""


def _coco_annotations(
    path: Path,
    class_of: dict[int | str, int],
    table: ImageTable,
    writer: LabelWriter,
    report: Report,
    aside: TextIO | None,
) -> None:
    """Stream the annotations of a COCO JSON into label files, crowds into `aside`."""
    separator = "\n"
    with byte_progress(f"convert {path.name}", path.stat().st_size) as progress:
        for key, annotation in stream_json(path, progress):
            if key != "annotations":
                continue
            report.instances += 1
            image_id = annotation.get("image_id") if isinstance(annotation, dict) else []
            if isinstance(image_id, (dict, list)):
                report.lose(f"{path} annotation {report.instances}", "no annotation: it does not name its image")
                continue
            label, width, height = table.find(image_id) or (None, 0, 0)
            if label is None:
                table.lose(image_id)
            elif is_crowd(annotation):
                report.crowds += 1
                if aside:
                    aside.write(separator + json.dumps(annotation))
                    separator = ",\n"
            else:
                _coco_object(annotation, class_of, writer, report, label, (width, height))


def _coco_object(
    annotation: dict,
    class_of: dict[int | str, int],
    writer: LabelWriter,
    report: Report,
    label: str,
    size: tuple[float, float],
) -> None:
    where = f"annotation {annotation.get('id')} of {label}"
    category, shape = annotation.get("category_id"), annotation.get("segmentation")
    class_id = class_of.get(category) if isinstance(category, (int, float, str)) else None
    if class_id is None:
        return report.lose(where, f"unknown category: id {category} is not in the JSON")
    rings, rle = [], None
    if isinstance(shape, dict):
        try:
            rle = compress(shape)
            if tuple(rle["size"][::-1]) != size:
                raise ValueError(f"its size is {rle['size'][::-1]}, the image's {list(size)}")
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            return report.lose(where, f"a mask that cannot be read: {error}")
    else:
        rings, faults = polygons(shape)
        for fault in faults:
            report.note(where, *fault)
        if not rings:
            return report.lose(where, "empty segmentation: the annotation has no outline")
    pixels = annotation.get("area")
    if not pixels or not isinstance(pixels, (int, float)):
        pixels = area(rle) if rle else sum(abs(ring_area(ring)) for ring in rings)
    writer.add(label, size, class_id, rings, rle, pixels, where)


def _pictures_to_yolo(pictures: Iterable[Picture], part: Path, report: Report) -> list[str]:
    """Write images with their objects -> the splits there are."""
    writers: dict[str, LabelWriter] = {}
    taken = set()
    for picture in pictures:
        where = f"image {picture.name}"
        target = part / "images" / picture.split / picture.name
        label = Path(picture.name).with_suffix(".txt").name
        if (picture.split, label) in taken:
            report.lose(where, "name already taken: another image would share its label file", len(picture.instances))
            continue
        _link(picture.file, target)
        try:
            size = image_size(target)
        except SeglabError as error:
            fault = f"unreadable image: {error}"
        else:
            fault = "" if size == picture.size else f"another size than its objects': {size} and {picture.size}"
        if fault:
            target.unlink()
            report.lose(where, fault, len(picture.instances))
            continue
        taken.add((picture.split, label))
        report.images_written += 1
        if picture.split not in writers:
            writers[picture.split] = LabelWriter(part / "labels" / picture.split, report)
        writers[picture.split].file(label)
        for number, found in enumerate(picture.instances, start=1):
            pixels = area(found.rle) if found.rle else sum(map(ring_area, found.rings))
            place = f"{where} object {number}"
            writers[picture.split].add(label, size[::-1], found.class_id, found.rings, found.rle, pixels, place)
    for writer in writers.values():
        writer.close()
    return list(writers)


def _link(picture: Path | bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, bytes):
        target.write_bytes(picture)
        return
    if target.exists():  # it may be a link to another original, which a copy would overwrite
        raise SeglabError(f"{picture} and another image have names that differ in case alone: rename one of them")
    try:
        os.link(picture.resolve(), target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(picture, target)


def _to_coco(source: Path, part: Path, out: Path, report: Report) -> dict[Path, Path]:
    """Write one COCO JSON a split into `part` -> file written: where it belongs."""
    if source.suffix == ".json":
        raise SeglabError(f"{source} is a JSON already: to=coco takes the YAML, folder or name of a YOLO-seg dataset")
    spec = load_dataset(str(source))
    if spec.parts:
        raise SeglabError(f"source={source} names several datasets: convert them one at a time")
    splits = {split: spec.images(split) for split in (*spec.splits, *spec.faults) if spec.splits.get(split, True)}
    if len(set(splits.values())) == 1:
        splits = dict(list(splits.items())[:1])  # train and val are the same images
    made = {}
    for split, files in splits.items():
        place = out if len(splits) == 1 else out.with_name(f"{out.stem}_{split}{out.suffix}")
        if place.exists():
            raise SeglabError(f"{place} is there already: choose another out=, or delete it")
        made[part / place.name] = place
        annotations = Annotations(spec, split)
        image_of, categories, crowds = _ids(spec, files, annotations.coco, report)
        number = max((crowd["id"] for crowd in crowds if isinstance(crowd.get("id"), int)), default=0)
        report.instances += len(crowds)
        report.crowds += len(crowds)
        with open(part / place.name, "w", encoding="utf-8") as file:
            file.write(f'{{"images": {json.dumps(list(image_of.values()))},\n"categories": {json.dumps(categories)},\n')
            file.write('"annotations": [' + ",\n".join(map(json.dumps, crowds)))
            separator = ",\n" if crowds else ""
            for path, image in with_progress(image_of.items(), f"convert {split}"):
                width, height = image["width"], image["height"]
                instances, problems = annotations.read(path, (height, width))
                instances = [found for found in instances if not found.crowd]
                left_out = sum(problem.done in LEFT_OUT for problem in problems)
                for problem in problems:
                    report.add(problem)
                report.instances += len(instances) + left_out
                report.lost += left_out
                for found in instances:
                    number += 1
                    annotation = {"id": number, "image_id": image["id"], "iscrowd": 0}
                    annotation["category_id"] = categories[found.class_id]["id"]
                    annotation |= _annotation(found.rings, width, height, report)
                    file.write(separator + json.dumps(annotation))
                    separator = ",\n"
            file.write("]}\n")
    return made


def _ids(
    spec: DatasetSpec, files: tuple[Path, ...], known: CocoFile | None, report: Report
) -> tuple[dict[Path, dict], list[dict], list[dict]]:
    """-> (image file: COCO image entry), categories, crowd annotations.

    Ids are those of the JSON that a conversion from COCO put aside; else numbers in file names, or counted from 1.
    """
    folder = Path(os.path.commonpath([file.parent for file in files]))
    names = {file: file.relative_to(folder).as_posix() for file in files}
    if known:
        entries = {file: entry for file in files if (entry := known.entry(file))}
        names |= {file: file_name(entry).as_posix() for file, entry in entries.items()}
        ids = {file: entry["id"] for file, entry in entries.items()}
        crowds = [each for group in known.annotations.values() for each in group if is_crowd(each)]
        category_ids = known.category_ids
    else:
        numbered = all(file.stem.isdecimal() for file in files) and len({file.stem for file in files}) == len(files)
        ids = {file: int(file.stem) for file in files} if numbered else {}
        crowds, category_ids = [], [class_id + 1 for class_id in spec.names]
    next_id = max((number for number in ids.values() if isinstance(number, int)), default=0) + 1
    image_of = {}
    for file in files:
        report.images += 1
        try:
            height, width = image_size(file)
        except (SeglabError, FileNotFoundError) as error:
            labels = label_path(file)
            text = labels.read_text(encoding="utf-8-sig", errors="replace") if labels.is_file() else ""
            rows = sum(map(bool, map(str.strip, text.splitlines())))
            report.instances += rows
            report.lose(str(file), f"unreadable image: {error}", rows)
            continue
        image_of[file] = {"id": ids.get(file, next_id), "file_name": names[file], "height": height, "width": width}
        next_id += file not in ids
        report.images_written += 1
    categories = zip(category_ids, spec.names.values())
    return image_of, [{"id": category, "name": name} for category, name in categories], crowds


def _annotation(rings: list[Ring], width: int, height: int, report: Report) -> dict:
    """An object's segmentation, bbox (x, y, width, height) and area: polygons, or RLE where there are holes."""
    mask = rings_to_rle(rings, height, width)
    polygons = [np.round(steady(ring), DECIMALS) for ring in rings]
    segmentation = [polygon.ravel().tolist() for polygon in polygons]
    if min(map(ring_area, rings)) < 0 or same(mask, rings_to_rle(polygons, height, width)) < 1:
        segmentation = {"size": mask["size"], "counts": mask["counts"].decode("ascii")}
    pixels = area(mask)
    report.count(pixels, 1.0, 1.0)
    left, top, right, bottom = np.round(bounding_box(rings), DECIMALS).tolist()
    return {"segmentation": segmentation, "bbox": [left, top, right - left, bottom - top], "area": pixels}
