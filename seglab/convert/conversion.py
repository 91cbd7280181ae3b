"""Lossless conversion between dataset formats, each with a report of what was done.

In: whatever `load_dataset` takes. Out: a YOLO-seg folder with images/, labels/ and a YAML, or any format that can be
written. What was written is read back through the loader that trains, for every instance.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path, PurePosixPath

from seglab.config import ReadConfig
from seglab.convert.dataset_writer import RENAMED, DatasetWriter, free_name, label_of, pixels_of
from seglab.convert.finish import finish_yolo
from seglab.convert.image_table import ImageTable, TableRow
from seglab.convert.report import Report
from seglab.convert.rows import Item, LabelWriter, same
from seglab.convert.targets import Targets
from seglab.data.annotations import Annotations, in_frame_of_file
from seglab.data.image import image_orientation, look_at
from seglab.datasets.coco_json import Category, find_images, join_categories, split_of_json
from seglab.datasets.folder import coco_files_of
from seglab.datasets.labels_nearby import labels_nearby
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.split_file import split_file_beside
from seglab.errors import SeglabError
from seglab.files import SPLITS, publish, split_named, staging_dir
from seglab.formats import coco, registry
from seglab.formats.coco import coco_categories, coco_images, file_name
from seglab.formats.coco_ids import ById, Id
from seglab.formats.coco_shapes import Frame, frame_fault, frame_of, is_crowd, read_annotation, stated_size
from seglab.formats.coco_writer import annotation_entry, category_entries, image_entry, rle_entry, write_coco
from seglab.formats.format import LabeledImage, LabelSource
from seglab.formats.image_names import is_below
from seglab.formats.image_search import ImageSearch
from seglab.formats.issues import PART_LEFT_OUT, Issue, left_out, other_size
from seglab.formats.json_stream import stream_json
from seglab.formats.yolo import place_image, write_dataset_yaml
from seglab.geometry.polygons import orient
from seglab.geometry.rle import area, rings_to_rle
from seglab.image_files import MAX_PIXELS, Reading
from seglab.progress import LARGE_FILE, byte_progress, with_progress
from seglab.sample import Instance


def convert(
    source: str | Path,
    images: str | Path | None = None,
    out: str | Path | None = None,
    to: str = "yolo",
    strict: float | None = None,
    holdout: float | None = None,
    test: float | None = None,
    labels: str | Path | None = None,
    allow_empty: bool = False,
    instances: str | None = None,
    max_pixels: int = MAX_PIXELS,
    range: int | float | list | tuple | None = None,
) -> Report:
    """Convert a dataset; the output appears as a whole at the end, or not at all.

    source: any labeled folder or file, see `load_dataset`. images: the folder of the images, where it is not in a
    usual place; labels: labels that lie apart from the images of `source`. Images are linked, or copied where that is
    not possible. out: the new folder; with to="coco" the new JSON (.json is added where
    it is missing; one a split, named after it, if there are several).
    strict: if any instance's mask IoU lies under this or any instance is lost, nothing is written and `passed` is
    False. holdout, test: with to="yolo", fractions of the images that become the splits val and test (`hold_out`).
    allow_empty: whether a source without any instance is converted. instances: "components" or "values", what is one
    instance in mask images of one value (`load_dataset`). max_pixels, range: which images may be read, and how, as for
    training; what training would refuse is left out here too.

    Errors: SeglabError when the source is of no known format or damaged, or `out` exists already.
    """
    source = Path(source).expanduser()
    out = Path(out or "").expanduser()
    if to == "coco" and out.name and out.suffix.lower() != ".json":
        out = out.with_name(f"{out.name}.json")
    # What cannot be is refused before anything is read.
    refuse_impossible(source, out, to, splits=bool(holdout or test))
    folder = Path(images).expanduser() if images else None
    given = Source(source, folder, Path(labels).expanduser() if labels else None, instances)
    report = Report(source, out, strict, ReadConfig(max_pixels=max_pixels, range=range).reading)
    started = time.perf_counter()
    # Everything is written into a folder beside `out`, which takes its place at the end.
    try:
        with staging_dir(out) as part:
            made = write_as(to, given, part, out, report, holdout or 0.0, test or 0.0)
            if not report.instances_written + report.crowds and not allow_empty:
                raise SeglabError(
                    f"no instance of {source} could be converted{report.reasons()}, so nothing was written: "
                    f"{given.advice()}, or convert only the images with allow_empty=True"
                )
            # Another process may have made it meanwhile: what is there is never replaced.
            if taken := [str(place) for place in made.values() if place.exists()]:
                raise SeglabError(
                    f"{', '.join(taken)} was created during the conversion: choose another out=, or delete it"
                )
            for file, place in made.items() if report.passed else ():
                os.replace(file, place)
    except PermissionError as error:
        raise SeglabError(
            f"cannot write to {error.filename or out} ({error.strerror}): choose an out= that you can write to"
        ) from error
    report.seconds = time.perf_counter() - started
    return report


def refuse_impossible(source: Path, out: Path, to: str, splits: bool) -> None:
    """Errors: SeglabError for a conversion that cannot be, before anything is read. splits: whether to hold out."""
    known = sorted(each.name for each in registry.FORMATS if each.write is not None)
    if to not in known:
        raise SeglabError(f"to='{to}' is not a format that seglab can write: choose one of {', '.join(known)}")
    if out == Path():
        raise SeglabError("out= must be a new path: give a new folder, or a new JSON file with to=coco")
    if out.exists():
        raise SeglabError(f"out='{out}' must be a new path: choose another one, or delete what is there")
    if to != "yolo" and splits:
        raise SeglabError(
            f"holdout= and test= work with to=yolo only: split first (seglab split data={source}), then convert"
        )


def write_as(
    to: str, given: Source, part: Path, out: Path, report: Report, holdout: float, test: float
) -> dict[Path, Path]:
    """Write the source in a format into the folder `part` -> what was written, and where below or at `out` it goes."""
    if to == "yolo":
        with closing(Targets()) as targets:
            _to_yolo(given, part, report, targets)
            finish_yolo(part, report, targets, holdout, test)
        return {part: out}
    if to == "coco":
        return _to_coco(given, part, out, report)
    return {_to_format(to, given, part, report): out}


@dataclass(frozen=True)
class Source:
    """What is converted. images: the folder of its images, where it is named; labels: labels kept apart from them;
    instances: what is one in mask images."""

    path: Path
    images: Path | None = None
    labels: Path | None = None
    instances: str | None = None

    def load(self) -> DatasetSpec:
        """The dataset. Errors: SeglabError for several at once."""
        spec = load_dataset(str(self.path), labels=self.labels, images=self.images, instances=self.instances)
        if spec.parts:
            raise SeglabError(f"source={self.path} names several datasets: convert them one at a time")
        return spec

    def advice(self) -> str:
        """What to do where nothing of it could be converted."""
        nearby = "" if self.coco_files() else labels_nearby(self.load())
        return nearby or f"run `seglab check data={self.path}` to see why"

    def coco_files(self) -> dict[str, Path]:
        """Split -> COCO JSON, where the source is nothing but such files: these are streamed, never held in memory."""
        if self.labels is not None:
            return {}
        if self.path.is_dir():
            return coco_files_of(self.path)
        is_json = self.path.suffix.lower() == ".json" and self.path.is_file()
        is_coco = is_json and registry.find_format(self.path) is coco.FORMAT
        has_split = is_coco and split_file_beside(self.path).is_file()
        return {split_of_json(self.path): self.path} if is_coco and not has_split else {}


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


def _to_yolo(source: Source, part: Path, report: Report, targets: Targets) -> None:
    """Write images, labels and the YAML of a dataset into `part`."""
    crowds: dict[str, str] = {}
    files = source.coco_files()
    if files:
        report.about = f"COCO JSON ({', '.join(file.name for file in files.values())})"
        names, crowds = _coco_to_yolo(files, source.images, part, report, targets)
        splits = list(files)
    else:
        spec = source.load()
        report.about = spec.about
        names = spec.names
        if spec.labels is not None:
            splits = _source_to_yolo(spec.labels, spec, part, report, targets)
        else:
            splits, crowds = _dataset_to_yolo(spec, part, report, targets)
    if not report.images_written:
        raise _no_image(source, report)
    _write_yaml(part, splits, names, crowds, report)


def _no_image(source: Source, report: Report) -> SeglabError:
    """What to say where no image of a source can be used."""
    return SeglabError(
        f"no image of {source.path} could be converted{report.reasons()}: run `seglab check data={source.path}` to "
        "see why"
    )


def _write_yaml(
    part: Path, splits: Iterable[str], names: Mapping[int, str], crowds: Mapping[str, str], report: Report
) -> None:
    """Write the dataset's YAML; it names the splits that there are, and no other."""
    folder_of: dict[str, str] = {}
    for split in splits:
        role = split_named(split) or "train"  # val2017 is the folder of val
        if role in folder_of:
            raise SeglabError(
                f"{report.source} has several folders or files for its split {role} ({folder_of[role]}, {split}): "
                "convert them one at a time"
            )
        folder_of[role] = split
    write_dataset_yaml(
        part / f"{report.out.name}.yaml",
        {role: f"images/{folder_of[role]}" for role in SPLITS if role in folder_of},
        names,
        crowds={role: crowds[split] for role, split in folder_of.items() if split in crowds},
    )


def _source_to_yolo(labels: LabelSource, spec: DatasetSpec, part: Path, report: Report, targets: Targets) -> list[str]:
    """Write the images and instances of a source, image by image -> the splits there are.

    spec: says which split each image is in, as one that is kept beside the labels may have it.
    """
    writer = DatasetWriter(part, report, targets)
    split_of = {image: split for split, images in spec.splits.items() for image in images}
    for issue in spec.issues:
        report.add(issue)
    for entry in with_progress(labels.entries, "convert"):
        labeled = labels.load(entry)
        report.images += 1
        if entry.image is not None and labeled.file is not None:
            split = split_of.get(entry.image, labeled.split)
            labeled = _in_frame(labeled, entry.image, split, report.reading)
        report.add_read(len(labeled.instances), labeled.issues)
        if labeled.file is not None:
            writer.add(labeled)
    return writer.close()


def _in_frame(labeled: LabeledImage, image: Path, split: str, reading: Reading) -> LabeledImage:
    """A labeled image in the frame of its upright file; without the file where it cannot be used."""
    try:
        size, _ = look_at(image, reading)
    except SeglabError as error:
        fault = left_out(str(image), f"unreadable image: {error}", len(labeled.instances))
        return replace(labeled, file=None, instances=[], issues=[*labeled.issues, fault])
    instances, issues = in_frame_of_file(labeled, image, size)
    file = None if any(issue.unusable for issue in issues) else image
    return replace(labeled, file=file, split=split, size=size, instances=instances, issues=issues)


def _dataset_to_yolo(
    spec: DatasetSpec, part: Path, report: Report, targets: Targets
) -> tuple[list[str], dict[str, str]]:
    """Write the images and instances of a dataset that has label files, or COCO JSON split by a kept split.

    -> (the splits there are, split -> JSON of crowds and ids).
    """
    writer = DatasetWriter(part, report, targets)
    crowds: dict[str, str] = {}
    every = _splits(spec, report)
    _refuse_no_images(spec, every)
    for split, files in every.items():
        annotations = Annotations(spec, split)
        _note_unplaced(annotations, report)
        names = annotations.file_names()
        sizes = _readable_sizes(files, annotations, report)
        entries = []
        for file, size in with_progress(sizes.items(), f"convert {split}", count=len(sizes)):
            instances, issues = annotations.read(file, size)
            kept = [found for found in instances if not found.crowd]
            report.add_read(len(instances), issues)
            report.crowds += len(instances) - len(kept)
            name = writer.add(LabeledImage(file, names[file], split, size, kept))
            if name:
                entries.append(image_entry(annotations.image_id(file), name, size))
        if annotations.coco and entries:
            ids = {entry["id"] for entry in entries}
            rows = [row for row in annotations.coco.crowds() if row.get("image_id") in ids]
            categories = category_entries(annotations.category_ids, spec.names.values())
            crowds[split] = f"annotations/crowds_{split}.json"
            (part / "annotations").mkdir(exist_ok=True)
            write_coco(part / crowds[split], entries, rows, categories)
    return writer.close(), crowds


# From COCO JSON, streamed


def _coco_to_yolo(
    files: Mapping[str, Path], images: Path | None, part: Path, report: Report, targets: Targets
) -> tuple[dict[int, str], dict[str, str]]:
    """-> (class names, split -> JSON of what label files cannot hold: crowds, and the ids of images and categories)."""
    classes = _classes_of(files.values(), report)
    names = {class_id: name for class_id, (_, name) in enumerate(classes.categories)}
    ids = [number for number, _ in classes.categories]
    categories = category_entries(ids, names.values())
    crowds: dict[str, str] = {}
    (part / "annotations").mkdir()
    for split, file in files.items():
        places = find_images(file, partial(_file_names, file), images)
        crowds[split] = f"annotations/crowds_{split}.json"
        copy = ImageCopy(places, part / "images" / split, ids, targets)
        with closing(CocoConversion(file, classes.of[file], part / "labels" / split, report, copy)) as conversion:
            write_coco(part / crowds[split], conversion.images(), conversion.crowds(), categories)
        for issue in places.issues():
            report.add(issue)
    return names, crowds


def _file_names(file: Path) -> Iterable[PurePosixPath]:
    return map(file_name, coco_images(file))


@dataclass(frozen=True)
class Classes:
    """The classes of several JSON files. categories: id, in what is written, and name of each; of: file -> its own
    category ids -> class ids."""

    categories: list[Category]
    of: dict[Path, ById[int]]


def _classes_of(files: Iterable[Path], report: Report) -> Classes:
    """The classes of JSON files, joined (`join_categories`). Errors: SeglabError where they cannot be."""
    lists: dict[Path, list[Category]] = {}
    for file in files:
        listed = coco_categories(file)
        lists[file] = [(category["id"], coco.category_name(category)) for category in listed]
        for fault in coco.category_faults(listed):
            report.add(Issue(str(file), 0, *fault))
    categories, notes = join_categories(lists)
    for note in notes:
        report.add(note)
    # One name may be that of two categories, but then all files have the same list.
    named = {name: class_id for class_id, (_, name) in enumerate(categories)}
    of: dict[Path, ById[int]] = {}
    for file, own in lists.items():
        places = range(len(own)) if own == categories else [named[name] for _, name in own]
        of[file] = ById({number: class_id for (number, _), class_id in zip(own, places)})
    return Classes(categories, of)


@dataclass(frozen=True)
class ImageCopy:
    """Where images are taken from, and where they are put. ids: class id -> the category id that is written; targets:
    what is noted for reading it back."""

    source: ImageSearch
    target: Path
    ids: Sequence[Id]
    targets: Targets


class CocoConversion:
    """One COCO JSON on its way into a folder of label files; images and annotations pass one by one.

    `images` has to be gone through first, then `crowds`: both yield what label files cannot hold and a JSON beside
    them can, and write everything else on their way. copy: whether images are looked at and linked.
    """

    def __init__(self, path: Path, class_of: ById[int], labels: Path, report: Report, copy: ImageCopy | None = None):
        self.path = path
        self.class_of = class_of
        self.report = report
        self.copy = copy
        self.writer = LabelWriter(labels, report, copy.targets if copy else None)
        self.table = ImageTable()
        self.title = labels.name
        self.holds_crowds = not coco.marks_all_as_crowds(path)

    def close(self) -> None:
        self.table.database.close()

    def images(self) -> Iterator[dict]:
        """Put every image in its place and begin its label file; yield its entry in the JSON, under its new name."""
        if not self.holds_crowds:
            self.report.note(str(self.path), *coco.ALL_CROWD)
        count = inf if self.path.stat().st_size >= LARGE_FILE else 0
        for entry in with_progress(coco_images(self.path), f"place {self.title}", count=count):
            self.report.images += 1
            name = file_name(entry)
            file = self.copy.source.find(str(name)) if self.copy else None
            fault = self._name_fault(name, file)
            frame, fault = (None, fault) if fault else self._frame(entry, file)
            own = self._own_name(name, file) if frame else name
            label = label_of(own) if frame else ""
            if frame:
                height, width = frame.size
                fault = self.table.add(entry["id"], label, width, height, frame.orientation, frame.swapped)
            if fault or frame is None:
                self.table.leave_out(entry["id"], f"{fault} (image {name})")
                continue
            if said := frame_fault(frame):
                self.report.add(Issue(f"image {name}", 0, *said))
            self.report.images_written += 1
            self.writer.file(label)
            if self.copy and file:
                place_image(file, self.copy.target / own)
            yield entry | {"file_name": str(own), "width": frame.size[1], "height": frame.size[0]}

    def _own_name(self, name: PurePosixPath, file: Path | None) -> PurePosixPath:
        """What an image is called in the output."""
        if file is None:  # labels alone are converted, for images that keep their names
            return name
        if PurePosixPath(file.as_posix()).parts[-len(name.parts) :] != name.parts:
            name = PurePosixPath(file.name)  # found without the folders that the JSON says
        own = free_name(name, self.table.has_label)
        if own.name != name.name:
            self.report.note(f"image {name}", RENAMED, f"renamed to {own} in the output")
        return own

    def _name_fault(self, name: PurePosixPath, file: Path | None) -> str:
        """Why no file can be taken for an image, or ""; where images are not looked at, why it has no place."""
        if file is None and not is_below(name):
            return "unsafe image name: it points outside the image folder"
        if file is None and self.copy is not None:
            return f"missing image: it is not in {self.copy.source.near[0]}"
        return ""

    def _frame(self, entry: dict, file: Path | None) -> tuple[Frame | None, str]:
        """The frame of an image's annotations, or why it has to be left out."""
        stated = stated_size(entry)
        if file is None:
            if stated is None:
                raise SeglabError(
                    f"{self.path}: an image has no width and height: pass images=FOLDER to read them from the files"
                )
            return Frame(stated), ""
        try:
            size, _ = look_at(file, self.report.reading)
            orientation = image_orientation(file) if stated not in (None, size) else 1
        except SeglabError as error:
            return None, f"unreadable image: {error}"
        frame = frame_of(stated, size, orientation)
        return frame, "" if frame or not stated else other_size("", stated, size, 0).message

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
                    yield self._upright(row, image) | self._category(row)
                else:
                    self._write(row, image)
        self.writer.close()
        if self.report.crowds > coco.MANY_CROWDS * self.report.instances:
            message = f"crowd regions besides instances: {self.report.crowds} of {self.report.instances} annotations"
            self.report.note(str(self.path), message, coco.SOME_CROWD)
        for gone in self.table.left_out():
            self.report.lose(f"{self.path} image id {gone.image_id}", gone.message, gone.lost)

    def _upright(self, row: dict, image: TableRow) -> dict:
        """A crowd region's row, turned with its image where it was drawn on the pixels as stored."""
        if image.orientation == 1:
            return row
        read, _ = read_annotation(row, self.class_of, _frame_in(image))
        if read is None:
            return row
        mask = read.rle or rings_to_rle(list(map(orient, read.rings)), image.height, image.width)
        return row | {"segmentation": rle_entry(mask)}

    def _category(self, row: dict) -> dict:
        """The category id of a crowd region in what is written."""
        class_id = self.class_of.get(row.get("category_id"))
        return {"category_id": self.copy.ids[class_id]} if self.copy and class_id is not None else {}

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
        if not isinstance(pixels, (int, float)) or not 0 < pixels <= image.width * image.height:
            pixels = pixels_of(read.rings, read.rle)
        size = image.width, image.height
        assert image.label is not None, "the caller has looked"
        self.writer.add(Item(image.label, size, read.class_id, read.rings, read.rle, pixels, where, is_whole))


def _frame_in(image: TableRow) -> Frame:
    return Frame((image.height, image.width), image.orientation, bool(image.swapped))


# From a dataset that can be loaded


def _splits(spec: DatasetSpec, report: Report) -> dict[str, tuple[Path, ...]]:
    """The images of every split, of train alone where train and val are the same images; what is missing is told."""
    for split, fault in spec.faults.items():
        report.note(
            str(spec.yaml or spec.root), f"no images of split {split}: {fault}", "the other splits are converted"
        )
    splits = {split: images for split, images in spec.splits.items() if images}
    if len(set(splits.values())) == 1:
        return dict(list(splits.items())[:1])
    return splits


def _refuse_no_images(spec: DatasetSpec, splits: Mapping[str, object]) -> None:
    """Images that lie inside label files are written by a conversion to YOLO alone, which makes files of them."""
    if not splits:
        raise SeglabError(next(iter(spec.faults.values()), f"{spec.source} has no images: give images=FOLDER"))


def _note_unplaced(annotations: Annotations, report: Report) -> None:
    """Note what is wrong with a split as a whole; what concerns all of them is noted once."""
    report.add_read(0, [issue for issue in annotations.unplaced() if issue not in report.issues])


def _readable_sizes(files: Iterable[Path], annotations: Annotations, report: Report) -> dict[Path, tuple[int, int]]:
    """(height, width) of every image that can be used; the others are told, with the rows of their label files."""
    sizes: dict[Path, tuple[int, int]] = {}
    for file in files:
        report.images += 1
        try:
            size, _ = look_at(file, report.reading)
            issues = annotations.read(file, size)[1]
            if any(issue.unusable for issue in issues):
                report.add_read(0, issues)
            else:
                sizes[file] = size
        except (SeglabError, FileNotFoundError) as error:
            rows = annotations.count(file)
            report.instances += rows
            report.lose(str(file), f"unreadable image: {error}", rows)
    return sizes


def _to_coco(source: Source, part: Path, out: Path, report: Report) -> dict[Path, Path]:
    """Write one COCO JSON a split into `part`, and read it back -> file written: where it belongs."""
    is_json = source.path.suffix.lower() == ".json"
    if is_json and (source.coco_files() or not source.path.exists()):
        raise SeglabError(f"{source.path} is already a JSON file: to=coco takes the YAML, folder or name of a dataset")
    spec = source.load()
    report.about = spec.about
    splits = _splits(spec, report)
    _refuse_no_images(spec, splits)
    made: dict[Path, Path] = {}
    for split, files in splits.items():
        place = out if len(splits) == 1 else out.with_name(f"{out.stem}_{split}{out.suffix}")
        if place.exists():
            raise SeglabError(f"{place} already exists: choose another out=, or delete it")
        annotations = Annotations(spec, split)
        _note_unplaced(annotations, report)
        sizes = _readable_sizes(files, annotations, report)
        report.images_written += len(sizes)
        if not sizes:
            continue
        made[part / place.name] = place
        names = annotations.file_names()
        images = [image_entry(annotations.image_id(file), names[file], size) for file, size in sizes.items()]
        categories = category_entries(annotations.category_ids, spec.names.values())
        rows = _annotation_rows(annotations, sizes, split, report)
        write_coco(part / place.name, images, rows, categories)
        _read_coco_back(part / place.name, annotations, sizes, report)
    if not made:
        raise _no_image(source, report)
    report.next_command = f"seglab evaluate gt={next(iter(made.values()))} dt=predictions.json"
    return made


def _read_coco_back(
    written: Path, annotations: Annotations, sizes: Mapping[Path, tuple[int, int]], report: Report
) -> None:
    """Compare every instance of a JSON that was written, as the loader reads it, with that of the source."""
    back = coco.CocoFile(written)
    entries = {entry["id"]: entry for entry in back.images.values()}
    for file, size in with_progress(sizes.items(), f"read back {written.stem}", count=len(sizes)):
        kept = [found for found in annotations.read(file, size)[0] if not found.crowd]
        again, _ = back.instances(entries[annotations.image_id(file)], size)
        _compare(kept, [found for found in again if not found.crowd], size, str(file), report)


def _annotation_rows(
    annotations: Annotations, sizes: Mapping[Path, tuple[int, int]], split: str, report: Report
) -> Iterator[dict]:
    """The annotations of a split: crowd regions as the JSON beside the labels has them, then the instances."""
    ids = {annotations.image_id(file) for file in sizes}
    crowds = annotations.coco.crowds() if annotations.coco else []
    crowds = [row for row in crowds if row.get("image_id") in ids]  # one JSON may be that of several splits
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
            report.instances_written += 1
            yield row


def _to_format(to: str, source: Source, part: Path, report: Report) -> Path:
    """Write a dataset into a folder in `part`, in a format that says nothing of splits -> that folder.

    Crowds are left out, as these formats have no word for them. What was written is read back and compared.
    """
    spec = source.load()
    report.about = spec.about
    target = next(each for each in registry.FORMATS if each.name == to)
    assert target.write is not None and target.read is not None, "the caller has looked"
    folder = part / to
    splits = _splits(spec, report)
    _refuse_no_images(spec, splits)
    annotations = {split: Annotations(spec, split) for split in splits}
    originals: dict[str, tuple[str, Path, tuple[int, int]]] = {}  # name as written -> split, image, its size

    def images() -> Iterator[LabeledImage]:
        for split, own in annotations.items():
            names = own.file_names()
            _note_unplaced(own, report)
            sizes = _readable_sizes(own.images, own, report)
            report.images_written += len(sizes)
            for file, size in with_progress(sizes.items(), f"convert {split}", count=len(sizes)):
                instances, issues = own.read(file, size)
                report.add_read(len(instances), issues)
                kept = [found for found in instances if not found.crowd]
                if len(kept) < len(instances):
                    report.lose(str(file), "a crowd: the format cannot store crowds", len(instances) - len(kept))
                name = f"{split}/{names[file]}"
                originals[name] = split, file, size
                report.instances_written += len(kept)
                yield LabeledImage(file, name, split, size, kept)

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
    report.images_back += 1
    report.instances_back += len(read)
    for found, again in zip(source, read):
        mask = found.rle or rings_to_rle(found.rings, *size)
        iou = same(mask, again.rle or rings_to_rle(again.rings, *size))
        report.measure(area(mask), iou, None)
    if len(read) < len(source):
        report.lose(where, "not found when the output was read back", len(source) - len(read))
