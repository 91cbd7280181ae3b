"""The instances of a split, wherever they are written: label files, a COCO JSON, both, or any other format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from seglab.class_names import equal_classes
from seglab.data.image import image_orientation
from seglab.datasets.spec import DatasetSpec, Selection
from seglab.files import label_path
from seglab.formats.coco import CocoFile, file_name, read_coco
from seglab.formats.coco_ids import Id, category_ids, file_names, image_ids
from seglab.formats.coco_shapes import frame_fault, frame_of, stated_size
from seglab.formats.format import ImageEntry, LabelledImage, outline
from seglab.formats.issues import Issue, left_out, other_size
from seglab.formats.label_files import label_files, shared_labels
from seglab.formats.shapes import upright
from seglab.formats.yolo import count_rows, read_labels
from seglab.sample import Instance, with_class_ids
from seglab.sizes import Size

KEPT = 5000  # images whose instances stay in memory once read: a few kilobytes each
UNLABELED = "read as an image without instances"


class Annotations:
    """Instances and ids of the images of one split, read when asked for.

    files: what they are read from; coco: the JSON of the split, or of its crowd regions, if there is one;
    category_ids: class id -> category id in COCO files; known_ids: the image ids that the JSON gives.
    """

    def __init__(self, spec: DatasetSpec, split: str):
        self.names = spec.names
        self.images = spec.images(split)
        self._split = split
        self.whole = split in spec.annotations  # all there is, not only what label files cannot hold
        path = spec.annotations.get(split) or spec.crowds.get(split)
        self.coco: CocoFile | None = None
        if path:
            # The instances of a JSON have the dataset's classes by name; crowds beside label files are of their order.
            self.coco = read_coco(path, not self.whole, list(spec.names.values()) if self.whole else ())
        self._source = spec.labels
        self._whole_issues = list(spec.issues)
        self.label_files: dict[Path, Path] = {}  # image -> its label file, where labels are in such
        if self._source is None and not self.whole:
            self.label_files = label_files(self.images, spec.root, spec.label_folder)
            self._whole_issues += shared_labels(self.label_files)
        self._entries: dict[Path, ImageEntry] = {}
        if self._source:
            self._entries = {entry.image: entry for entry in self._source.entries if entry.image}
        self.files = self._files(path)
        self.category_ids = self.coco.category_ids if self.coco else category_ids(self.names)
        self._listed = self.coco.entries(self.images) if self.coco else {}
        self.known_ids: dict[Path, Id] = {image: entry["id"] for image, entry in self._listed.items()}
        self._ids = image_ids(self.images, self.known_ids)
        self._kept: dict[Path, tuple[list[Instance], list[Issue]]] = {}

    def _files(self, path: Path | None) -> list[Path]:
        if self._source:
            return [file for entry in self._entries.values() for file in entry.files]
        files = [path] if path else []
        return files + list(self.label_files.values())

    @property
    def has_json(self) -> bool:
        """Whether a COCO JSON is held in memory."""
        return self.coco is not None

    def fingerprint(self) -> str:
        """Everything besides `files` that reading depends on."""
        return repr(sorted(self.names.items()))

    def unplaced(self) -> list[Issue]:
        """What is wrong with annotations of no image that is listed, and what else concerns no image alone."""
        return self._whole_issues + self._without_image() + (self.coco.unplaced() if self.coco else [])

    def _without_image(self) -> list[Issue]:
        """What is lost with images of this split that labels name and that are not there."""
        issues: list[Issue] = []
        if self._source is None:
            return issues
        for entry in self._source.entries:
            if entry.image is not None or entry.split != self._split:
                continue
            labelled = self._source.load(entry)
            issues += labelled.issues
            if labelled.file is not None:
                message = "an image stored inside its label file: `seglab convert` writes it to a separate file"
                issues.append(left_out(str(entry.files[0]), message, len(labelled.instances)))
        return issues

    def image_id(self, image: Path) -> Id:
        """The image's id in COCO files (`seglab.formats.coco_ids.image_ids`)."""
        return self._ids[image]

    def file_names(self) -> dict[Path, str]:
        """What every image is called in COCO files: as the JSON has it, else its path within the split."""
        named = file_names(self.images)
        if self.coco:
            named |= {image: file_name(entry).as_posix() for image, entry in self._listed.items()}
        return named

    def count(self, image: Path) -> int:
        """How many annotations there are of an image that cannot be read, so that it is known what is lost with it."""
        if self._source:
            labelled = self._source.load(self._entries[image])
            return len(labelled.instances) + sum(issue.lost for issue in labelled.issues)
        entry = self._listed.get(image)
        listed = len(self.coco.annotations.get(entry["id"], ())) if self.coco and entry else 0
        return listed if self.whole else listed + count_rows(self.label_file(image))

    def label_file(self, image: Path) -> Path:
        """Where the YOLO labels of an image lie, or would lie if there were some."""
        return self.label_files.get(image) or label_path(image)

    def read(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        """The instances of an image of `size` (height, width) in its own frame, crowds included, and what is wrong."""
        if image in self._kept:
            instances, issues = self._kept[image]
        else:
            instances, issues = self._parsed(image, size)
            if len(self._kept) < KEPT:
                self._kept[image] = instances, issues
        return list(instances), list(issues)

    def _parsed(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        if self._source:
            return self._from_source(image, size)
        from_json, issues = self._from_json(image, size)
        if self.whole:
            return from_json, issues
        height, width = size
        instances, label_issues = read_labels(self.label_files[image], width, height, self.names)
        return instances + from_json, label_issues + issues

    def _from_source(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        """The labels of a format other than YOLO and COCO, with outlines traced where it has masks."""
        assert self._source is not None, "the caller has looked"
        instances, issues = in_frame_of_file(self._source.load(self._entries[image]), image, size)
        return [replace(found, rings=outline(found)) for found in instances], issues

    def _from_json(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        """What the JSON has of an image: everything, or crowd regions alone."""
        entry = self._listed.get(image)
        if entry is None or self.coco is None:
            return [], [Issue(str(image), 0, "image not listed in the JSON", UNLABELED)] if self.whole else []
        # Only of an image whose sides the JSON swaps does it matter whether EXIF does so too.
        orientation = image_orientation(image) if stated_size(entry) not in (None, size) else 1
        return self.coco.instances(entry, size, orientation)


def in_frame_of_file(labelled: LabelledImage, image: Path, size: Size) -> tuple[list[Instance], list[Issue]]:
    """The instances of an image as they lie on its file of `size` (height, width), turned upright, and what is wrong.

    Where labels state the sides of the file as it is stored, they are turned with it; of another size there are none.
    """
    if labelled.size == size:
        return labelled.instances, labelled.issues
    orientation = image_orientation(image)
    frame = frame_of(labelled.size, size, orientation)
    fault = frame_fault(frame, "label file") if frame is not None and not frame.swapped else None
    if fault is None:
        return [], [*labelled.issues, other_size(str(image), labelled.size, size, len(labelled.instances))]
    turned = [upright(found, orientation, size) for found in labelled.instances]
    return turned, [*labelled.issues, Issue(str(image), 0, *fault)]


class JoinedAnnotations:
    """Instances and ids of the images of one split of a joined dataset: each part reads its own, with its own classes.

    It answers what `Annotations` does; instances come with the class ids of the joined dataset.
    """

    def __init__(self, spec: DatasetSpec, split: str):
        self._parts: list[Annotations] = []
        self._class_ids: list[dict[int, int]] = []  # of each part: class id -> class id of the joined dataset
        self._parts_of: dict[Path, list[int]] = {}  # image -> the parts that have it
        for part in spec.parts:
            if not part.splits.get(split):
                continue
            for image in part.images(split):
                self._parts_of.setdefault(image, []).append(len(self._parts))
            self._parts.append(Annotations(part, split))
            self._class_ids.append(equal_classes(part.names, spec.names))
        self.images = spec.images(split)
        self.files = [file for part in self._parts for file in part.files]
        self.category_ids: list[Id] = list(category_ids(spec.names))
        self._ids = image_ids(self.images, _distinct([part.known_ids for part in self._parts]))

    @property
    def has_json(self) -> bool:
        return any(part.has_json for part in self._parts)

    def fingerprint(self) -> str:
        return " ".join(part.fingerprint() for part in self._parts)

    def unplaced(self) -> list[Issue]:
        return [issue for part in self._parts for issue in part.unplaced()]

    def image_id(self, image: Path) -> Id:
        return self._ids[image]

    def file_names(self) -> dict[Path, str]:
        return file_names(self.images)

    def label_file(self, image: Path) -> Path:
        return self._parts[self._parts_of[image][0]].label_file(image)

    def read(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        instances: list[Instance] = []
        issues: list[Issue] = []
        for number in self._parts_of[image]:
            found, faults = self._parts[number].read(image, size)
            instances += with_class_ids(found, self._class_ids[number])
            issues += faults
        return instances, issues


def _distinct(parts: list[dict[Path, Id]]) -> Mapping[Path, Id]:
    """The ids that the parts' JSON files give, if no two images have one, and all are numbers or all text."""
    ids: dict[Path, Id] = {}
    for part in reversed(parts):  # an image in several parts has the id of the first
        ids |= part
    alike = len({isinstance(image_id, str) for image_id in ids.values()}) < 2
    return ids if alike and len(set(ids.values())) == len(ids) else {}


class SelectedAnnotations:
    """The instances of a split that count (see `Selection`). It answers what `Annotations` does."""

    def __init__(self, spec: DatasetSpec, selection: Selection, split: str):
        self._all: AnyAnnotations = open_annotations(selection.whole, split)
        self._selection = selection
        self.images = spec.images(split)
        self.files: list[Path] = self._all.files
        self.category_ids: list[Id] = list(self._all.category_ids)
        if selection.single:
            self.category_ids = list(category_ids(spec.names))

    @property
    def has_json(self) -> bool:
        return self._all.has_json

    def fingerprint(self) -> str:
        classes = sorted(self._selection.classes or ())
        return f"{self._all.fingerprint()} {classes} {self._selection.single}"

    def unplaced(self) -> list[Issue]:
        return self._all.unplaced()

    def image_id(self, image: Path) -> Id:
        return self._all.image_id(image)

    def file_names(self) -> dict[Path, str]:
        return self._all.file_names()

    def label_file(self, image: Path) -> Path:
        return self._all.label_file(image)

    def read(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        instances, issues = self._all.read(image, size)
        return select(instances, self._selection), issues


def select(instances: list[Instance], selection: Selection) -> list[Instance]:
    """The instances that count, with the class ids they count as."""
    if selection.classes is not None:
        instances = [instance for instance in instances if instance.class_id in selection.classes]
    if selection.single:
        instances = [replace(instance, class_id=0) for instance in instances]
    return instances


AnyAnnotations = Annotations | JoinedAnnotations | SelectedAnnotations


def open_annotations(spec: DatasetSpec, split: str) -> AnyAnnotations:
    """The annotations of a split, of a dataset that may be joined from several, or a part of another."""
    if spec.selection is not None:
        return SelectedAnnotations(spec, spec.selection, split)
    return JoinedAnnotations(spec, split) if spec.parts else Annotations(spec, split)
