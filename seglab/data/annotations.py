"""The objects of a split, wherever they are written: label files, a COCO JSON, or label files and a JSON of crowds."""

from __future__ import annotations

from pathlib import Path

from seglab.data.catalogue import DatasetSpec, label_path
from seglab.data.coco_format import read_coco
from seglab.data.problems import Problem
from seglab.data.sample import Object
from seglab.data.yolo_format import read_labels

KEPT = 5000  # images whose objects stay in memory once read: a few kilobytes each


class Annotations:
    """Objects and ids of the images of one split, read when asked for. files: what they are read from."""

    def __init__(self, spec: DatasetSpec, split: str):
        listed = spec.images(split)
        self.names = spec.names
        self.whole = split in spec.annotations  # all there is, not only what label files cannot hold
        path = spec.annotations.get(split) or spec.crowds.get(split)
        self.coco = read_coco(path) if path else None
        self.files = [path] if path else []
        self._kept: dict[Path, tuple[list[Object], list[Problem]]] = {}
        if self.whole:
            self._number = {image: number for number, image in enumerate(listed)}
        else:
            self.files += [label_path(image) for image in listed]
            numbers = {name: number for number, name in enumerate(self.coco.file_names if self.coco else ())}
            inside = {image: "/".join(image.relative_to(spec.root).parts[2:]) for image in listed} if numbers else {}
            self._number = {image: numbers[name] for image, name in inside.items() if name in numbers}

    def image_id(self, image: Path) -> int | str:
        """COCO's id of the image; without a COCO JSON its file name, as a number where it is one."""
        if image in self._number:
            return self.coco.images[self._number[image]]["id"]
        return int(image.stem) if image.stem.isdecimal() else image.stem

    def read(self, image: Path, size: tuple[int, int]) -> tuple[list[Object], list[Problem]]:
        """The objects of an image of `size` (height, width) in its own frame, crowds included, and what is wrong."""
        if image in self._kept:
            objects, problems = self._kept[image]
        else:
            objects, problems = self._parsed(image, size)
            if len(self._kept) < KEPT:
                self._kept[image] = objects, problems
        return list(objects), list(problems)

    def _parsed(self, image: Path, size: tuple[int, int]) -> tuple[list[Object], list[Problem]]:
        height, width = size
        if not self.whole:
            objects, problems = read_labels(label_path(image), width, height, self.names)
            if image in self._number:
                crowds, faults = self.coco.objects(self._number[image], size)
                objects, problems = objects + crowds, problems + faults
            return objects, problems
        entry = self.coco.images[self._number[image]]
        if (entry.get("height", height), entry.get("width", width)) != size:
            said = f"{entry.get('width')} x {entry.get('height')}, the file has {width} x {height}"
            return [], [
                Problem(str(image), 0, f"another size than in the JSON: it says {said}", "its objects left out")
            ]
        return self.coco.objects(self._number[image], size)
