"""The objects of a split, wherever they are written: label files, a COCO JSON, or label files and a JSON of crowds."""

from __future__ import annotations

from pathlib import Path

from seglab.class_names import equal_classes
from seglab.datasets.spec import DatasetSpec, label_path
from seglab.formats.coco import read_coco
from seglab.formats.issues import Issue
from seglab.formats.yolo import read_labels
from seglab.sample import Instance, with_class_ids

KEPT = 5000  # images whose objects stay in memory once read: a few kilobytes each


class Annotations:
    """Objects and ids of the images of one split, read when asked for. files: what they are read from."""

    def __init__(self, spec: DatasetSpec, split: str):
        self.names = spec.names
        self.whole = split in spec.annotations  # all there is, not only what label files cannot hold
        path = spec.annotations.get(split) or spec.crowds.get(split)
        self.coco = read_coco(path) if path else None
        self.files = [path] if path else []
        self.files += [] if self.whole else [label_path(image) for image in spec.images(split)]
        self._kept: dict[Path, tuple[list[Instance], list[Issue]]] = {}

    @property
    def has_json(self) -> bool:
        """Whether a COCO JSON is held in memory."""
        return self.coco is not None

    def fingerprint(self) -> str:
        """What reading depends on besides `files`."""
        return repr(sorted(self.names.items()))

    def unplaced(self) -> list[Issue]:
        """What is wrong with annotations of no image that is listed."""
        return self.coco.unplaced() if self.coco else []

    def image_id(self, image: Path) -> int | str:
        """COCO's id of the image; without a COCO JSON its file name, as a number where it is one."""
        entry = self.coco and self.coco.entry(image)
        if entry:
            return entry["id"]
        return int(image.stem) if image.stem.isdecimal() else image.stem

    def read(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        """The objects of an image of `size` (height, width) in its own frame, crowds included, and what is wrong."""
        if image in self._kept:
            instances, problems = self._kept[image]
        else:
            instances, problems = self._parsed(image, size)
            if len(self._kept) < KEPT:
                self._kept[image] = instances, problems
        return list(instances), list(problems)

    def _parsed(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        (height, width), entry = size, self.coco and self.coco.entry(image)
        found, faults = self.coco.instances(entry, size) if entry else ([], [])
        if not self.whole:
            instances, problems = read_labels(label_path(image), width, height, self.names)
            return instances + found, problems + faults
        if not entry:
            return [], [Issue(str(image), 0, "no image of the JSON", "taken as an image without objects")]
        if (entry.get("height", height), entry.get("width", width)) != size:
            said = f"{entry.get('width')} x {entry.get('height')}, the file has {width} x {height}"
            what = f"another size than in the JSON: it says {said}"
            return [], [Issue(str(image), 0, what, "its objects left out")]
        return found, faults


class JoinedAnnotations:
    """Objects and ids of the images of one split of a joined dataset: each part reads its own, with its own class ids.

    It answers what `Annotations` does; objects come with the class ids of the joined dataset.
    """

    def __init__(self, spec: DatasetSpec, split: str):
        self._parts: list[Annotations] = []
        self._ids: list[dict[int, int]] = []  # of each part: class id -> class id of the joined dataset
        self._parts_of: dict[Path, list[int]] = {}  # image -> the parts that have it
        for part in spec.parts:
            if not part.splits.get(split):
                continue
            for image in part.images(split):
                self._parts_of.setdefault(image, []).append(len(self._parts))
            self._parts.append(Annotations(part, split))
            self._ids.append(equal_classes(part.names, spec.names))
        self.files = [file for part in self._parts for file in part.files]

    @property
    def has_json(self) -> bool:
        return any(part.has_json for part in self._parts)

    def fingerprint(self) -> str:
        return " ".join(part.fingerprint() for part in self._parts)

    def unplaced(self) -> list[Issue]:
        return [problem for part in self._parts for problem in part.unplaced()]

    def image_id(self, image: Path) -> int | str:
        return self._parts[self._parts_of[image][0]].image_id(image)

    def read(self, image: Path, size: tuple[int, int]) -> tuple[list[Instance], list[Issue]]:
        instances, problems = [], []
        for number in self._parts_of[image]:
            found, faults = self._parts[number].read(image, size)
            instances += with_class_ids(found, self._ids[number])
            problems += faults
        return instances, problems


def open_annotations(spec: DatasetSpec, split: str) -> Annotations | JoinedAnnotations:
    """The annotations of a split, of a dataset that may be joined from several."""
    return JoinedAnnotations(spec, split) if spec.parts else Annotations(spec, split)
