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
from functools import partial
from math import inf
from pathlib import Path, PurePosixPath

from seglab.convert.image_table import ImageTable, TableRow
from seglab.convert.report import Report
from seglab.convert.rows import Item, LabelWriter, same
from seglab.data.annotations import Annotations
from seglab.data.image import image_orientation, image_size
from seglab.datasets.coco_json import image_folder
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import SPLITS, label_path, publish, staging_dir
from seglab.formats import coco, registry
from seglab.formats.coco import coco_categories, coco_images, file_name
from seglab.formats.coco_ids import ById, Id, in_order
from seglab.formats.coco_shapes import Frame, frame_fault, frame_of, is_crowd, other_size, read_annotation, stated_size
from seglab.formats.coco_writer import annotation_entry, category_entries, image_entry, rle_entry, write_coco
from seglab.formats.format import LabelledImage, LabelSource
from seglab.formats.image_names import ImageFinder, guessed_names, is_below, same_file, without_images_folders
from seglab.formats.issues import PART_LEFT_OUT, Issue
from seglab.formats.json_stream import stream_json
from seglab.formats.yolo import count_rows, place_image, stand_ins, write_dataset_yaml
from seglab.geometry.polygons import Ring, orient, ring_area
from seglab.geometry.rle import Rle, area, rings_to_rle
from seglab.progress import LARGE_FILE, byte_progress, with_progress
from seglab.sample import Instance

UNSAFE = "unsafe image name: it points outside the image folder, and no file there has its last part as name"


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
        class_of = coco.class_of([category["id"] for category in coco_categories(report.source)])
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
    ids = in_order(name_of)
    class_of = coco.class_of(ids)
    categories = category_entries(ids, [name_of[category] for category in ids])
    if fault := coco.same_names(categories):
        report.note(str(files[0]), *fault)
    crowds: dict[str, str] = {}
    (part / "annotations").mkdir()
    for file in files:
        split = file.stem.removeprefix("instances_") if len(files) > 1 else _role(file.stem)
        folder = images / split if images and (images / split).is_dir() else images
        folder = folder or image_folder(file, map(file_name, coco_images(file)))
        crowds[split] = f"annotations/crowds_{split}.json"
        finder = ImageFinder(folder, partial(map, file_name, coco_images(file)))
        copy = ImageCopy(finder, part / "images" / split)
        with closing(CocoConversion(file, class_of, part / "labels" / split, report, copy)) as conversion:
            write_coco(part / crowds[split], conversion.images(), conversion.crowds(), categories)
    return {class_id: name_of[category] for class_id, category in enumerate(ids)}, crowds


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


@dataclass(frozen=True)
class ImageCopy:
    """Where images are taken from, and where they are put."""

    source: ImageFinder
    target: Path


class CocoConversion:
    """One COCO JSON on its way into a folder of label files; images and annotations pass one by one.

    `images` has to be gone through first, then `crowds`: both yield what label files cannot hold and a JSON beside
    them can, and write everything else on their way. copy: whether images are looked at and linked.
    """

    def __init__(self, path: Path, class_of: ById[int], labels: Path, report: Report, copy: ImageCopy | None = None):
        self.path, self.class_of, self.report, self.copy = path, class_of, report, copy
        self.writer = LabelWriter(labels, report)
        self.table = ImageTable()
        self.title = labels.name
        self.holds_crowds = not coco.marks_all_as_crowds(path)

    def close(self) -> None:
        self.table.database.close()

    def images(self) -> Iterator[dict]:
        """Put every image in its place and begin its label file; yield its entry in the JSON, under its new name."""
        if not self.holds_crowds:
            self.report.note(str(self.path), *coco.ALL_CROWD)
        guessed: list[Path] = []
        count = inf if self.path.stat().st_size >= LARGE_FILE else 0
        for entry in with_progress(coco_images(self.path), f"place {self.title}", count=count):
            self.report.images += 1
            file, fault = self._image_file(entry)
            frame, fault = (None, fault) if fault else self._frame(entry, file)
            name = self._new_name(entry, file) if frame else PurePosixPath()
            label = str(name.with_suffix(".txt")) if frame else ""
            if frame:
                height, width = frame.size
                fault = self.table.add(entry["id"], label, width, height, frame.orientation, frame.swapped)
            if fault or frame is None:
                self.table.leave_out(entry["id"], f"{fault} (image {file_name(entry)})")
                continue
            if said := frame_fault(frame):
                self.report.add(Issue(f"image {file_name(entry)}", 0, *said))
            self.report.images_written += 1
            self.writer.file(label)
            if self.copy and file:
                place_image(file, self.copy.target / name)
                if not same_file(entry["file_name"], str(file)):
                    guessed.append(file)
            yield entry | {"file_name": name.as_posix(), "width": frame.size[1], "height": frame.size[0]}
        if guessed:
            self.report.add(guessed_names(str(self.path), len(guessed), guessed[0]))

    def _image_file(self, entry: dict) -> tuple[Path | None, str]:
        """The file of an image, None where images are not looked at; and why the image has to be left out, or ""."""
        name = file_name(entry)
        if self.copy is None:
            return None, "" if is_below(name) else UNSAFE
        file = self.copy.source.find(name)
        if file is None:
            missing = f"missing image: it is not in {self.copy.source.folder}, and no other file there is surely meant"
            return None, missing if is_below(name) else UNSAFE
        return file, ""

    def _new_name(self, entry: dict, file: Path | None) -> PurePosixPath:
        """What an image is called in the output: its path in the folder of images, without folders that a loader of
        label files would take for that folder."""
        if self.copy is None or file is None:
            return file_name(entry)
        name = file_name(entry)
        is_whole = is_below(name) and self.copy.source.folder / name == file
        path = name if is_whole else PurePosixPath(file.relative_to(self.copy.source.folder).as_posix())
        return without_images_folders(path)

    def _frame(self, entry: dict, file: Path | None) -> tuple[Frame | None, str]:
        """The frame of an image's annotations, or why it has to be left out."""
        stated = stated_size(entry)
        if file is None:
            if stated is None:
                raise SeglabError(
                    f"{self.path}: an image has no size: use convert_dataset(images=FOLDER), which reads it"
                )
            return Frame(stated), ""
        try:
            size = image_size(file)
            orientation = image_orientation(file) if stated not in (None, size) else 1
        except SeglabError as error:
            return None, f"unreadable image: {error}"
        frame = frame_of(stated, size, orientation)
        return frame, "" if frame or not stated else other_size(stated, size)

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
                elif is_crowd(row) and self.holds_crowds:
                    self.report.crowds += 1
                    yield self._upright(row, image)
                else:
                    self._write(row, image)
        self.writer.close()
        for left_out in self.table.left_out():
            self.report.lose(f"{self.path} image id {left_out.image_id}", left_out.message, left_out.lost)

    def _upright(self, row: dict, image: TableRow) -> dict:
        """A crowd region's row, turned with its image where it was drawn on the pixels as stored."""
        if image.orientation == 1:
            return row
        read, _ = read_annotation(row, self.class_of, _frame_in(image))
        if read is None:
            return row
        mask = read.rle or rings_to_rle(list(map(orient, read.rings)), image.height, image.width)
        return row | {"segmentation": rle_entry(mask)}

    def _write(self, row: dict, image: TableRow) -> None:
        where = f"annotation {row.get('id')} of {image.label}"
        read, faults = read_annotation(row, self.class_of, _frame_in(image))
        if read is None:
            *faults, (reason, _) = faults
        is_whole = True
        for message, action in faults:
            if read is not None and action == PART_LEFT_OUT:
                self.report.add(Issue(where, 0, message, action, incomplete=int(is_whole)))
                is_whole = False
            else:
                self.report.note(where, message, action)
        if read is None:
            self.report.lose(where, reason)
            return
        pixels = row.get("area")
        if not pixels or not isinstance(pixels, (int, float)):
            pixels = _pixels(read.rings, read.rle)
        size = image.width, image.height
        assert image.label is not None, "the caller has looked"
        self.writer.add(Item(image.label, size, read.class_id, read.rings, read.rle, pixels, where, is_whole))


def _frame_in(image: TableRow) -> Frame:
    return Frame((image.height, image.width), image.orientation, bool(image.swapped))


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
        images = [image_entry(annotations.image_id(file), names[file], size) for file, size in sizes.items()]
        categories = category_entries(annotations.category_ids, spec.names.values())
        rows = _annotation_rows(annotations, sizes, split, report)
        write_coco(part / place.name, images, rows, categories)
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
            row = annotation_entry(number, annotations.image_id(file), category_id, found, size)
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
