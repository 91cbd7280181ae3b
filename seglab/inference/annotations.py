"""Predictions as annotations that people correct in their labeling tool, in a folder that trains again.

labelme/a.jpg, a.json          one JSON beside each image
cvat/a.jpg, annotations.xml    "CVAT for images 1.1"
coco/images/a.jpg, instances_default.json
yolo/images/train/a.jpg, labels/train/a.txt, yolo.yaml
"""

from __future__ import annotations

from pathlib import Path

from seglab.data.image import write_image
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, replace, staging_dir
from seglab.formats import registry
from seglab.formats.format import LabeledImage
from seglab.formats.yolo import place_image
from seglab.geometry.simplify import simplify_rings
from seglab.inference.results import Results
from seglab.sample import Instance
from seglab.wording import pluralize

SPLIT = "train"  # what corrected predictions are for


class AnnotationWriter:
    """Collects the results of a run, and writes them as one dataset at its end.

    folder: of the run; the dataset is a new folder in it, called as the format. tolerance: how far outlines may move
    for the sake of fewer vertices, in pixels. Errors: SeglabError where the dataset is there already: it may hold
    corrections.
    """

    def __init__(self, folder: Path, save_as: str, tolerance: float):
        self.target = folder / save_as
        self._format = next(known for known in registry.FORMATS if known.name == save_as)
        self._tolerance = tolerance
        self._images: list[LabeledImage] = []
        self._names: dict[int, str] = {}
        if self.target.exists():
            raise SeglabError(
                f"{self.target} already exists and may contain corrections: choose another name=, or move it away"
            )
        self._frames = self.target.with_name(f"{save_as}.frames")  # images that are no files

    def add(self, results: Results, name: str) -> None:
        """The instances of one image. name: what its file is called, without suffix."""
        path = Path(results.path)
        is_image = path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
        if not is_image:
            path = self._frames / f"{name}.png"
            write_image(path, results.image)
        outlines = results.masks.rings if results.masks else []
        instances = [
            Instance(int(class_id), simplify_rings(rings, self._tolerance))
            for class_id, rings in zip(results.boxes.cls.tolist(), outlines)
        ]
        self._names = results.names
        self._images.append(LabeledImage(path, f"{name}{path.suffix}", SPLIT, results.orig_shape, instances))

    def close(self) -> None:
        """Write the dataset, and say where it is and how to train on it."""
        if not self._images:
            return
        assert self._format.write is not None, "the argument save_as names formats that are written"
        with staging_dir(self.target) as part:
            made = part / self.target.name
            if self._format.name == "coco":  # which is a file of labels alone
                for labeled in self._images:
                    assert labeled.file is not None, "every result has an image"
                    place_image(labeled.file, made / "images" / labeled.name)
                self._format.write(made / "instances_default.json", self._names, self._images)
            else:
                self._format.write(made, self._names, self._images)
            replace(made, self.target)
        for file in self._frames.glob("*"):  # they are linked from the dataset, or copied
            file.unlink()
        if self._frames.is_dir():
            self._frames.rmdir()
        count = sum(len(labeled.instances) for labeled in self._images)
        print(
            f"{pluralize(count, 'instance')} on {pluralize(len(self._images), 'image')} saved to {self.target} as "
            f"{self._format.title}; after correcting them: seglab train data={self.target}"
        )
