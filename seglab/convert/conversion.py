"""Lossless conversion between dataset formats, each with a report of what was done.

In: every format of `seglab.formats.registry`, by its content. Out: a YOLO-seg folder with images/, labels/ and a YAML;
or any format that can be written, from a dataset that can be loaded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path, PurePosixPath

from seglab.convert.image_table import ImageTable
from seglab.convert.report import Report
from seglab.convert.rows import Item, LabelWriter, same
from seglab.data.annotations import Annotations
from seglab.data.image import image_size
from seglab.datasets.coco_json import image_folder
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import SPLITS, label_path, publish, staging_dir
from seglab.formats import coco, registry
from seglab.formats.coco import Id, coco_categories, coco_images, file_name, is_crowd, read_annotation
from seglab.formats.format import LabelledImage, LabelSource
from seglab.formats.json_stream import stream_json
from seglab.formats.yolo import count_rows, place_image, stand_ins, write_dataset_yaml
from seglab.geometry.polygons import Ring, ring_area
from seglab.geometry.rle import Rle, area, rings_to_rle
from seglab.progress import LARGE_FILE, byte_progress, with_progress
from seglab.sample import Instance


def convert(
    source: str | Path,
    images: str | Path | None = None,
    out: str | Path | None = None,
    to: str = "yolo",
    strict: float | None = None,
) -> Report:
    """Convert a dataset; the output appears as a whole at the end, or not at all.

    source: a COCO JSON or a folder of them, a folder of Labelme JSON, a VOC folder (SegmentationObject,
    SegmentationClass) or a folder of instance-mask PNGs; with another `to` than "yolo", whatever `load_dataset` takes.
    images: the folder of the images, where it is not in a usual place. Images are linked, or copied where that is
    not possible. out: the new folder; with to="coco" the new JSON (one a split, named after it, if there are several).
    strict: if any instance's mask IoU lies under this or any instance is lost, nothing is written and `passed` is
    False.

    Errors: SeglabError when the source is of no known format or damaged, or `out` exists already.
    """
    source, out = Path(source), Path(out or "")
    known = {each.name: each for each in registry.FORMATS if each.write is not None}
    if to not in known:
        raise SeglabError(f"to='{to}' is not a format that seglab can write: choose one of {', '.join(sorted(known))}")
    if out == Path():
        raise SeglabError("out= must be a new path: give a new folder, or with to=coco a new JSON file")
    if out.exists():
        raise SeglabError(f"out='{out}' must be a new path: choose another one, or delete what is there")
    report, started = Report(source, out, strict), time.perf_counter()
    with staging_dir(out) as part:
        if to == "yolo":
            _to_yolo(source, Path(images) if images else None, part, report)
            made = {part: out}
        elif to == "coco":
            made = _to_coco(source, part, out, report)
        else:
            made = {_to_format(to, source, part, report): out}
        if taken := [str(place) for place in made.values() if place.exists()]:
            raise SeglabError(
                f"{', '.join(taken)} was created during the conversion: choose another out=, or delete it"
            )
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
        raise SeglabError(f"{labels} already exists: choose a new folder for the labels, or remove this one")
    with staging_dir(report.out) as part:
        class_of = _class_of(category["id"] for category in coco_categories(report.source))
        with closing(CocoConversion(report.source, class_of, part, report)) as conversion:
            for _ in conversion.images():
                pass
            for _ in conversion.crowds():
                pass
        publish(part, report.out)
    return report


# To YOLO


def _to_yolo(source: Path, images: Path | None, part: Path, report: Report) -> None:
    found = registry.find_format(source)
    if found is None or found.read is None:
        readable = ", ".join(each.title for each in registry.FORMATS if each.read is not None)
        raise SeglabError(
            f"{source} is in none of the formats that can be converted ({readable}): for a YOLO-seg dataset, "
            "which needs no conversion for training, use to=coco"
        )
    crowds: dict[str, str] = {}
    if found is coco.FORMAT:  # files too large for memory: its annotations are streamed
        names, crowds = _coco_to_yolo(coco.json_files(source), images, part, report)
        splits = list(crowds)
    else:
        labels = found.read(source, images)
        names = labels.names
        splits = _source_to_yolo(labels, part, report)
    if not report.images_written:
        raise SeglabError(f"no image of {source} could be converted\n{report}")
    _write_yaml(part, splits, names, crowds, report)


def _write_yaml(
    part: Path, splits: list[str], names: Mapping[int, str], crowds: Mapping[str, str], report: Report
) -> None:
    """Write the dataset's YAML, with a stand-in for a split that trainers ask for and the source lacks."""
    folder_of = {_role(split): split for split in splits}  # val2017 is the folder of val
    if len(folder_of) < len(splits):
        raise SeglabError(
            f"{report.source} has several JSON files for one of train, val, test ({splits}): convert them one at a time"
        )
    for role, other in stand_ins(folder_of).items():
        folder_of[role] = folder_of[other]
        report.note(str(report.out), f"no {role} split in the source", f"{role} stands for images/{folder_of[other]}")
    write_dataset_yaml(
        part / f"{report.out.name}.yaml",
        {role: f"images/{folder_of[role]}" for role in SPLITS if role in folder_of},
        names,
        crowds={role: crowds[split] for role, split in folder_of.items() if split in crowds},
    )


def _role(split: str) -> str:
    return next((role for role in SPLITS if role in split), "train")


def _source_to_yolo(labels: LabelSource, part: Path, report: Report) -> list[str]:
    """Write the images and instances of a source, image by image -> the splits there are."""
    writers: dict[str, LabelWriter] = {}
    taken = set()
    report.add_read(0, labels.issues)
    for entry in with_progress(labels.entries, "convert"):
        labelled = labels.load(entry)
        report.images += 1
        report.add_read(len(labelled.instances), labelled.issues)
        if labelled.file is None:
            continue
        where = f"image {labelled.name}"
        label = Path(labelled.name).with_suffix(".txt").as_posix()
        if (labelled.split, label) in taken:
            message = "name already taken: another image would share its label file"
            report.lose(where, message, len(labelled.instances))
            continue
        target = part / "images" / labelled.split / labelled.name
        place_image(labelled.file, target)
        if fault := _size_fault(target, labelled.size):
            target.unlink()
            report.lose(where, fault, len(labelled.instances))
            continue
        taken.add((labelled.split, label))
        report.images_written += 1
        if labelled.split not in writers:
            writers[labelled.split] = LabelWriter(part / "labels" / labelled.split, report)
        _write_instances(writers[labelled.split], label, labelled)
    for writer in writers.values():
        writer.close()
    return list(writers)


def _size_fault(image: Path, size: tuple[int, int]) -> str:
    """Why an image does not fit instances that refer to `size` (height, width), or ""."""
    try:
        found = image_size(image)
    except SeglabError as error:
        return f"unreadable image: {error}"
    return "" if found == size else f"another size than its instances': {found} and {size}"


def _write_instances(writer: LabelWriter, label: str, labelled: LabelledImage) -> None:
    height, width = labelled.size
    writer.file(label)
    for number, found in enumerate(labelled.instances, start=1):
        # A writer of rows takes solid rings or an exact mask; rings with holes become the latter.
        rle = found.rle
        if rle is None and any(ring_area(ring) < 0 for ring in found.rings):
            rle = rings_to_rle(found.rings, height, width)
        pixels = _pixels(found.rings, rle)
        where = f"image {labelled.name} instance {number}"
        writer.add(Item(label, (width, height), found.class_id, found.rings, rle, pixels, where))


def _pixels(rings: Iterable[Ring], rle: Rle | None) -> float:
    """The area of an instance, about."""
    return area(rle) if rle else sum(abs(ring_area(ring)) for ring in rings)


# From COCO JSON, streamed


def _coco_to_yolo(
    files: list[Path], images: Path | None, part: Path, report: Report
) -> tuple[dict[int, str], dict[str, str]]:
    """-> (class names, split -> JSON of what label files cannot hold: crowds, and the ids of images and categories)."""
    name_of = _category_names(files)
    class_of = _class_of(name_of)
    categories = coco.category_entries(class_of, [name_of[category] for category in class_of])
    crowds: dict[str, str] = {}
    (part / "annotations").mkdir()
    for file in files:
        split = file.stem.removeprefix("instances_") if len(files) > 1 else _role(file.stem)
        folder = images / split if images and (images / split).is_dir() else images
        folder = folder or image_folder(file, map(file_name, coco_images(file)))
        crowds[split] = f"annotations/crowds_{split}.json"
        copy = ImageCopy(folder, part / "images" / split)
        with closing(CocoConversion(file, class_of, part / "labels" / split, report, copy)) as conversion:
            coco.write_coco(part / crowds[split], conversion.images(), conversion.crowds(), categories)
    return {class_id: name_of[category] for category, class_id in class_of.items()}, crowds


def _category_names(files: Iterable[Path]) -> dict[Id, str]:
    """Category id -> name, over several JSON files. Errors: SeglabError where they call one by two names."""
    names: dict[Id, str] = {}
    for file in files:
        for category in coco_categories(file):
            name = names.setdefault(category["id"], str(category["name"]))
            if name != str(category["name"]):
                raise SeglabError(
                    f"{file} names category {category['id']} '{category['name']}', but another JSON names it '{name}': "
                    "convert them one at a time"
                )
    return names


def _class_of(category_ids: Iterable[Id]) -> dict[Id, int]:
    """Category id -> class id, in the order of category ids."""
    return {category: class_id for class_id, category in enumerate(sorted(category_ids))}


@dataclass(frozen=True)
class ImageCopy:
    """Where images are taken from, and where they are put."""

    source: Path
    target: Path


class CocoConversion:
    """One COCO JSON on its way into a folder of label files; images and annotations pass one by one.

    `images` has to be gone through first, then `crowds`: both yield what label files cannot hold and a JSON beside
    them can, and write everything else on their way. copy: whether images are looked at and linked.
    """

    def __init__(
        self, path: Path, class_of: Mapping[Id, int], labels: Path, report: Report, copy: ImageCopy | None = None
    ):
        self.path, self.class_of, self.report, self.copy = path, class_of, report, copy
        self.writer = LabelWriter(labels, report)
        self.table = ImageTable()
        self.title = labels.name

    def close(self) -> None:
        self.table.database.close()

    def images(self) -> Iterator[dict]:
        """Put every image in its place and begin its label file; yield its entry in the JSON."""
        count = inf if self.path.stat().st_size >= LARGE_FILE else 0
        for entry in with_progress(coco_images(self.path), f"place {self.title}", count=count):
            self.report.images += 1
            name = file_name(entry)
            fault = self._image_fault(entry, name)
            label = "" if fault else str(name.with_suffix(".txt"))
            fault = fault or self.table.add(entry["id"], label, int(entry["width"]), int(entry["height"]))
            if fault:
                self.table.leave_out(entry["id"], f"{fault} (image {name})")
                continue
            self.report.images_written += 1
            self.writer.file(label)
            if self.copy:
                place_image(self.copy.source / name, self.copy.target / name)
            yield entry

    def _image_fault(self, entry: dict, name: PurePosixPath) -> str:
        """Why an image has to be left out, or ""; a size that the JSON does not say is put into `entry`."""
        if not name.parts or name.is_absolute() or ".." in name.parts or ":" in name.parts[0] or "\0" in str(name):
            return "unsafe image name: it points outside the image folder"
        if self.copy is None:
            sides = [entry.get(key) for key in ("width", "height")]
            if not all(isinstance(side, (int, float)) and side > 0 for side in sides):
                raise SeglabError(
                    f"{self.path}: an image has no size: use convert_dataset(images=FOLDER), which reads it"
                )
            return ""
        file = self.copy.source / name
        if not file.is_file():
            return f"missing image: it is not in {self.copy.source}"
        try:
            height, width = image_size(file)
        except SeglabError as error:
            return f"unreadable image: {error}"
        entry |= {key: size for key, size in (("width", width), ("height", height)) if entry.get(key) is None}
        said = entry["width"], entry["height"]
        if said != (width, height):
            return f"another size than in the JSON: {said} there, {width, height} in the file"
        return ""

    def crowds(self) -> Iterator[dict]:
        """Write every annotation into its label file, and yield those that mark crowd regions."""
        with byte_progress(f"convert {self.path.name}", self.path.stat().st_size) as progress:
            for key, row in stream_json(self.path, progress):
                if key != "annotations":
                    continue
                self.report.instances += 1
                image_id = row.get("image_id") if isinstance(row, dict) else []
                if isinstance(image_id, (dict, list)):
                    where = f"{self.path} annotation {self.report.instances}"
                    self.report.lose(where, "no image_id: the annotation names no image")
                    continue
                image = self.table.find(image_id)
                if image is None or image.label is None:
                    self.table.lose(image_id)
                elif is_crowd(row):
                    self.report.crowds += 1
                    yield row
                else:
                    self._write(row, image.label, image.width, image.height)
        self.writer.close()
        for left_out in self.table.left_out():
            self.report.lose(f"{self.path} image id {left_out.image_id}", left_out.message, left_out.lost)

    def _write(self, row: dict, label: str, width: int, height: int) -> None:
        where = f"annotation {row.get('id')} of {label}"
        read, faults = read_annotation(row, self.class_of, (height, width))
        if read is None:
            *faults, (reason, _) = faults
        for message, action in faults:
            self.report.note(where, message, action)
        if read is None:
            self.report.lose(where, reason)
            return
        pixels = row.get("area")
        if not pixels or not isinstance(pixels, (int, float)):
            pixels = _pixels(read.rings, read.rle)
        self.writer.add(Item(label, (width, height), read.class_id, read.rings, read.rle, pixels, where))


# From a dataset that can be loaded


def _load_whole(source: Path, to: str) -> DatasetSpec:
    """The dataset that is to be written in another format than YOLO's."""
    if to == "coco" and source.suffix == ".json":
        raise SeglabError(f"{source} is already a JSON file: to=coco takes the YAML, folder or name of a dataset")
    spec = load_dataset(str(source))
    if spec.parts:
        raise SeglabError(f"source={source} names several datasets: convert them one at a time")
    return spec


def _splits(spec: DatasetSpec) -> dict[str, tuple[Path, ...]]:
    """The images of every split, of train alone where train and val are the same images."""
    splits = {split: spec.images(split) for split in (*spec.splits, *spec.faults) if spec.splits.get(split, True)}
    if len(set(splits.values())) == 1:
        return dict(list(splits.items())[:1])
    return splits


def _readable_sizes(files: Iterable[Path], report: Report) -> dict[Path, tuple[int, int]]:
    """(height, width) of every image that can be read; the others are told, with the rows of their label files."""
    sizes: dict[Path, tuple[int, int]] = {}
    for file in files:
        report.images += 1
        try:
            sizes[file] = image_size(file)
        except (SeglabError, FileNotFoundError) as error:
            rows = count_rows(label_path(file))
            report.instances += rows
            report.lose(str(file), f"unreadable image: {error}", rows)
        else:
            report.images_written += 1
    return sizes


def _to_coco(source: Path, part: Path, out: Path, report: Report) -> dict[Path, Path]:
    """Write one COCO JSON a split into `part` -> file written: where it belongs."""
    spec = _load_whole(source, "coco")
    splits = _splits(spec)
    made: dict[Path, Path] = {}
    for split, files in splits.items():
        place = out if len(splits) == 1 else out.with_name(f"{out.stem}_{split}{out.suffix}")
        if place.exists():
            raise SeglabError(f"{place} already exists: choose another out=, or delete it")
        made[part / place.name] = place
        annotations = Annotations(spec, split)
        sizes = _readable_sizes(files, report)
        names = annotations.file_names()
        images = [coco.image_entry(annotations.image_id(file), names[file], size) for file, size in sizes.items()]
        categories = coco.category_entries(annotations.category_ids, spec.names.values())
        rows = _annotation_rows(annotations, sizes, split, report)
        coco.write_coco(part / place.name, images, rows, categories)
    return made


def _annotation_rows(
    annotations: Annotations, sizes: Mapping[Path, tuple[int, int]], split: str, report: Report
) -> Iterator[dict]:
    """The annotations of a split: crowd regions as the JSON beside the labels has them, then the instances."""
    crowds = annotations.coco.crowds() if annotations.coco else []
    report.instances += len(crowds)
    report.crowds += len(crowds)
    yield from crowds
    number = max((row["id"] for row in crowds if isinstance(row.get("id"), int)), default=0)
    for file, size in with_progress(sizes.items(), f"convert {split}", count=len(sizes)):
        instances, issues = annotations.read(file, size)
        instances = [found for found in instances if not found.crowd]
        report.add_read(len(instances), issues)
        for found in instances:
            number += 1
            category_id = annotations.category_ids[found.class_id]
            row = coco.annotation_entry(number, annotations.image_id(file), category_id, found, size)
            report.count(row["area"], 1.0, 1.0)
            yield row


def _to_format(to: str, source: Path, part: Path, report: Report) -> Path:
    """Write a dataset into a folder in `part`, in a format that says nothing of splits -> that folder.

    Crowds are left out, as these formats have no word for them. What was written is read back and compared.
    """
    spec = _load_whole(source, to)
    target = next(each for each in registry.FORMATS if each.name == to)
    assert target.write is not None and target.read is not None, "the caller has looked"
    folder = part / to
    annotations = {split: Annotations(spec, split) for split in _splits(spec)}
    originals: dict[str, tuple[str, Path, tuple[int, int]]] = {}  # name as written -> split, image, its size

    def images() -> Iterator[LabelledImage]:
        for split, own in annotations.items():
            names = own.file_names()
            sizes = _readable_sizes(own.images, report)
            for file, size in with_progress(sizes.items(), f"convert {split}", count=len(sizes)):
                instances, issues = own.read(file, size)
                report.add_read(len(instances), issues)
                kept = [found for found in instances if not found.crowd]
                if len(kept) < len(instances):
                    report.lose(str(file), "a crowd: the format cannot hold crowds", len(instances) - len(kept))
                name = f"{split}/{names[file]}"
                originals[name] = split, file, size
                yield LabelledImage(file, name, split, size, kept)

    target.write(folder, spec.names, images())
    written = target.read(folder, None)
    for entry in written.entries:
        if entry.image is None:
            continue
        split, file, size = originals.pop(entry.image.relative_to(folder).as_posix())
        kept = [found for found in annotations[split].read(file, size)[0] if not found.crowd]
        _compare(kept, written.load(entry).instances, size, str(file), report)
    assert not originals, f"images without labels: {list(originals)}"
    return folder


def _compare(source: list[Instance], read: list[Instance], size: tuple[int, int], where: str, report: Report) -> None:
    """Count how faithful instances are that were written and read again, in the same order."""
    for found, again in zip(source, read):
        mask = found.rle or rings_to_rle(found.rings, *size)
        iou = same(mask, again.rle or rings_to_rle(again.rings, *size))
        report.count(area(mask), iou, None)
    if len(read) < len(source):
        report.lose(where, "not found when the output was read back", len(source) - len(read))
