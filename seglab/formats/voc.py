"""Pascal-VOC masks: SegmentationClass gives the class of every pixel, SegmentationObject its instance.

    VOC2012/JPEGImages/a.jpg           the images; VOC2012 may lie in a folder VOCdevkit
    VOC2012/SegmentationClass/a.png    class by index or color
    VOC2012/SegmentationObject/a.png   instance by index or color
    VOC2012/ImageSets/Segmentation     train.txt, val.txt, ...: the splits
    VOC2012/labelmap.txt               the classes, where they are not VOC's: "Segmentation mask 1.1" of CVAT

Without SegmentationObject every connected region of a class is an instance; without SegmentationClass all are of one
class, "object". The void border belongs to none. Class names come from labelmap.txt, as CVAT and others write it, from
class_names.txt, as labelme2voc does, or are VOC's own twenty. Older files of that program call the folders
SegmentationClassPNG and SegmentationObjectPNG.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seglab.files import real_files
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_search import search_from, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.mask_pixels import components, packed, read_values, regions_of
from seglab.formats.masks import ONE_CLASS, palette_rows, two_sizes, with_image
from seglab.formats.text_files import read_text
from seglab.geometry.rle import crop_to_rle
from seglab.sample import Instance

VOID = {False: 255, True: 0xE0E0C0}  # the border around VOC's instances, as index and as color
BACKGROUND = "background"
BACKGROUNDS = (BACKGROUND, "_background_")
IGNORED = "__ignore__"
CLASSES = ("SegmentationClass", "SegmentationClassPNG")
INSTANCES = ("SegmentationObject", "SegmentationObjectPNG")
CLASS_LISTS = ("labelmap.txt", "class_names.txt")
NAMES = (
    "aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike, person, "
    "pottedplant, sheep, sofa, train, tvmonitor"
).split(", ")


def is_here(source: Path) -> bool:
    """Whether this is a folder with SegmentationClass or SegmentationObject, or one that such a folder lies in."""
    return _voc_folder(source) is not None


def _voc_folder(source: Path) -> Path | None:
    """The folder of the masks: the source, or the only one in or below a folder VOCdevkit."""
    for above in ("", "*/", "*/*/"):
        every = [path for name in (*CLASSES, *INSTANCES) for path in source.glob(above + name) if path.is_dir()]
        found = {path.parent for path in every}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _folder_of_masks(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of the folders of these names that has PNG files."""
    return next((folder / name for name in names if any((folder / name).rglob("*.png"))), None)


def read(source: Path, images: Path | None = None) -> VocSource:
    """The labels of a VOC folder. images: the folder of its images, JPEGImages by default."""
    folder = _voc_folder(source) or source
    return VocSource(folder, images or folder / "JPEGImages")


class VocSource:
    """A VOC folder; its splits are those of ImageSets/Segmentation, train for images that stand in none."""

    def __init__(self, folder: Path, images: Path):
        names_file = next((folder / name for name in CLASS_LISTS if (folder / name).is_file()), None)
        self.names, by_index, by_color = class_map(names_file)
        self._class_of = {False: by_index, True: by_color}
        classes = _folder_of_masks(folder, CLASSES)
        instances = _folder_of_masks(folder, INSTANCES)
        self._instances = instances if classes is not None else None
        self._has_classes = classes is not None
        if not self._has_classes:
            self.names = {0: ONE_CLASS}
        splits = _splits(folder / "ImageSets" / "Segmentation")
        search = search_from(images, images)
        self._folder = classes or instances or folder
        alone = classes is not None and instances is None
        self.issues: tuple[Issue, ...] = (_untold(self._folder),) if alone else ()
        self.entries: list[ImageEntry] = []
        for file in sorted(real_files(self._folder.rglob("*.png"))):
            stem = file.relative_to(self._folder).with_suffix("").as_posix()
            self.entries.append(ImageEntry(search.find_stem(stem), splits.get(stem, "train"), (file,)))

    def load(self, entry: ImageEntry) -> LabeledImage:
        (file,) = entry.files
        classes, by_color = _without_void(file)
        height, width = classes.shape
        if not self._has_classes:
            found = regions_of(classes, file)
            whole = [Instance(0, [], rle=crop_to_rle(x0, y0, crop, height, width)) for _, x0, y0, crop in found]
            return with_image(entry, (height, width), whole, [])
        class_of = self._class_of[by_color]
        instance_file = self._instances / file.relative_to(self._folder) if self._instances else None
        is_told = instance_file is not None and instance_file.is_file()
        ids = _without_void(instance_file)[0] if instance_file and is_told else components(classes, file)
        if ids.shape != classes.shape:
            message = two_sizes((ids.shape[0], ids.shape[1]), (height, width))
            issue = left_out(str(instance_file), message, len(list(regions_of(ids, str(instance_file)))))
            return LabeledImage(None, file.stem, entry.split, (height, width), [], [issue])

        instances: list[Instance] = []
        issues: list[Issue] = [_untold(file)] if instance_file and not is_told else []
        for value, x0, y0, crop in regions_of(ids, file):
            # The class of an instance is the one that most of its pixels have.
            inside = classes[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]][crop]
            class_values, counts = np.unique(inside[inside > 0], return_counts=True)
            class_value = int(class_values[counts.argmax()]) if len(class_values) else 0
            if class_value in class_of:
                rle = crop_to_rle(x0, y0, crop, height, width)
                instances.append(Instance(class_of[class_value], [], rle=rle))
            else:
                message = f"unknown class: value {class_value}; name it in labelmap.txt"
                issues.append(left_out(f"{file} instance {value}", message))
        return with_image(entry, (height, width), instances, issues)


def _untold(path: Path) -> Issue:
    """The note on masks of classes, a folder or a file, without masks of instances."""
    message = f"masks of classes without {INSTANCES[0]}: they do not tell instances of one class apart"
    return Issue(str(path), 0, message, "every connected region read as one instance; touching ones are one", "note")


def _without_void(file: Path) -> tuple[np.ndarray, bool]:
    """(h, w) indexes or packed colors of a mask image without VOC's border, and whether it has colors."""
    values, by_color = read_values(file)
    return np.where(values == VOID[by_color], 0, values), by_color


def _splits(folder: Path) -> dict[str, str]:
    """Image, as the lists of ImageSets call it -> its split. trainval.txt, default.txt and others say nothing of it."""
    split: dict[str, str] = {}
    for listed in sorted(real_files(folder.glob("*.txt"))):
        said = split_of([listed.stem], "")
        if said:
            rows = read_text(listed).splitlines()
            split |= {row.strip(): said for row in rows if row.strip() and row.strip() not in split}
    return split


def class_map(listed: Path | None) -> tuple[dict[int, str], dict[int, int], dict[int, int]]:
    """Class names without the background, and class ids by index and by packed color: 0,0,2 is a color, not index 2.

    listed: labelmap.txt or class_names.txt; None for VOC's own classes.
    """
    rows = palette_rows(listed) if listed else []
    if rows:  # name:r,g,b:parts:actions, the first row being index 0
        colors = [np.int32(color) for _, color in rows]
        every = [name for name, _ in rows]
    else:
        every = [BACKGROUND, *NAMES] if listed is None else _names_in(listed)
        # VOC's colors spread the bits of the index: the lowest three are the highest bits of red, green and blue.
        colors = [packed(np.array([_spread(index >> channel) for channel in range(3)])) for index in range(len(every))]
    names = [name for name in every if name not in BACKGROUNDS]
    class_of = {index: names.index(name) for index, name in enumerate(every) if name not in BACKGROUNDS}
    by_color = {int(colors[index]): class_id for index, class_id in class_of.items()}
    return dict(enumerate(names)), class_of, by_color


def _names_in(listed: Path) -> list[str]:
    """The names of a class_names.txt by index; what is to be ignored comes before index 0."""
    names = [row.strip() for row in read_text(listed).splitlines() if row.strip()]
    return [name for name in names if name != IGNORED]


def _spread(bits: int) -> int:
    """Every third bit of a number, as the bits of a byte from the highest on."""
    return sum(((bits >> (3 * place)) & 1) << (7 - place) for place in range(8))


FORMAT = Format("voc", "Pascal-VOC masks", is_here, read)
