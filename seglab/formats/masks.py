"""Mask images: images whose values or colors say which pixels belong to which instance. docs/mask-images.md shows all.

    masks/cat.png             every value or color but the background is one instance, the class is "object"
    masks/cat_mask.png        the same, for cat.jpg; mask_cat.png, for cat.jpg or image_cat.jpg
    masks/cell/a.png          the subfolder names the class
    masks/train/a.png         subfolders that are all called like splits are splits
    masks/a_cell_3.png        one instance a file: image, class, number
    masks/a/cell_3.png        the same, in a folder an image
    train_masks/a.png         a folder of masks for every folder of images: train/a.jpg, or train_images/a.jpg
    train/label/a.png         a folder called like masks beside its folder of images, in a folder a split too
    drawn/a.png               the only folder of plain areas beside a folder of photos that are called the same
    a_mask.png                beside the image a.png or a_rgb.png; a_mask_1.png, too

Where all masks of a dataset are white on black they do not tell instances apart: then every connected region is one. So
it is with lists of the colors or values of classes. Both is said, and `instances="values"` or `instances="components"`
decides.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES, files_below, real_files
from seglab.formats.format import Format, ImageEntry, LabeledImage
from seglab.formats.image_search import image_files, split_of
from seglab.formats.issues import Issue, left_out
from seglab.formats.mask_pixels import OPAQUE, components, packed, read_ids, read_regions, regions_of
from seglab.formats.text_files import read_text, read_yaml
from seglab.geometry.rle import crop_to_rle
from seglab.sample import Instance

ONE_CLASS = "object"  # what masks without a subfolder are called
MASK_FOLDERS = ("masks", "mask", "Masks", "SegmentationMasks")
IMAGE_FOLDERS = ("images", "Images", "image", "imgs", "JPEGImages")
BY = ("values", "components")  # what is one instance: a value, or a connected region of one
PALETTES = ("labelmap.txt", "class_dict.csv", "label_colors.txt", "_classes.csv")  # see `palette_rows`
BACKGROUNDS = ("background", "void", "unlabeled", "unlabelled", "_background_")
WHITE = {255, 65535, 0xFFFFFF, OPAQUE + 0xFFFFFF}
VOID = 255  # the value of pixels that are of no class, in masks whose values are classes
BLACK = OPAQUE  # what stands for black where it is no background
FRAMED = 0.9  # of the pixels at the borders of a mask that is black on white are white
MAX_PLAIN = 5  # files that are looked at to see whether a folder holds masks
PLAIN = 0.8  # of the pixels of a mask are like their neighbor on the left
MAX_GRAY = 65535  # the largest value of a mask without colors
MAX_TRIED = 50  # masks that are looked at to see whether any tells instances apart
MAX_CLASSES = 20  # values of a mask that may be classes rather than instances
_MASK_WORD = re.compile(
    r"[ ._-]+((cp[ ._-])?masks?|seg(mentation)?|labels?|gt|annotations?|instances?|instance_?ids?|label_?ids?)$", re.I
)
_IMAGE_WORD = re.compile(r"[ ._-]+(rgb|images?|imgs?|photos?)$", re.I)
_MASK_FIRST = re.compile(r"^(masks?|seg(mentation)?|labels?|gt)[ ._-]+", re.I)
_IMAGE_FIRST = re.compile(r"^(images?|imgs?|photos?|rgb)[ ._-]+", re.I)
_MASK_FOLDER = re.compile(r"^(masks?|labels?|annotations?|gts?|ground_?truths?|seg(mentation)?s?|targets?)$", re.I)
_BESIDE = re.compile(r"[ ._-]*((cp[ ._-])?masks?|seg(mentation)?|gt|labels?|instances?)([ ._-]*\d+)?$", re.I)
_COLOR_FIRST = re.compile(r"(\d+)\s+(\d+)\s+(\d+)\s+(\S.*)")
_VALUE_FIRST = re.compile(r"(\d+)\s*,\s*([^,]*[^,\s\d][^,]*)")
_NUMBER = re.compile(r"[ ._-]*\d+$")
_NO_NAME = re.compile(r"^[0-9a-f]*$", re.I)  # digits or a hash


def is_here(source: Path) -> bool:
    """Whether this is a folder of mask images: in a folder `masks`, or PNG files beside a folder of images."""
    if not source.is_dir():
        return False
    masks = _mask_folder(source)
    if masks != source:
        return next(_masks_in(masks), None) is not None
    if _pairs_of_folders(source) or _pairs_beside(source):
        return True
    inside = [path for path in sorted(source.iterdir()) if path.is_dir()]
    if len(inside) == 1 and (_pair_in(inside[0], "") or any((inside[0] / name).is_dir() for name in IMAGE_FOLDERS)):
        return False  # that folder is the dataset
    pngs = [file for file in _masks_in(source) if file.suffix.lower() == ".png"]
    return _are_plain(pngs)


def read(source: Path, images: Path | None = None, instances: str | None = None) -> MasksSource:
    """The labels of a folder of mask images. images: the folder of their images; else `images` inside or beside it.

    instances: "values" or "components", see the module. Errors: SeglabError where the images are not found.
    """
    if instances not in (None, *BY):
        raise SeglabError(f"instances='{instances}' must be one of {', '.join(BY)}")
    masks = _mask_folder(source)
    if masks == source and images is None:
        pairs = _pairs_of_folders(source)
        if pairs:
            return MasksSource(pairs, instances)
        beside = _pairs_beside(source)
        if beside:
            return MasksSource([Place(source, source, beside=beside)], instances)
    places = [masks.parent / name for name in IMAGE_FOLDERS] + [masks / name for name in IMAGE_FOLDERS]
    folder = images or next((place for place in places if place.is_dir()), None)
    if folder is None and (pair := _pair_in(source, "")):
        return MasksSource(pair, instances)
    if folder is None:
        raise SeglabError(
            f"{source} contains mask images, but there is no folder {places[0]} with their images: "
            f"put the images there, or run `seglab convert source={source} images=FOLDER out=NEW`"
        )
    if not folder.is_dir():
        raise SeglabError(f"no folder {folder} with the images of the masks: pass their folder as images=")
    return MasksSource([Place(masks, folder)], instances)


def _mask_folder(source: Path) -> Path:
    return next((source / name for name in MASK_FOLDERS if (source / name).is_dir()), source)


@dataclass(frozen=True)
class Place:
    """A folder of masks and the folder of their images. split: what both are called, where their names tell;
    beside: mask -> image, where both lie in one folder."""

    masks: Path
    images: Path
    split: str = ""
    beside: Mapping[Path, Path] | None = None


def _pairs_of_folders(source: Path) -> list[Place]:
    """Folders of masks beside the folders of their images, here or in folders a split."""
    splits = {path: split_of([path.name], default="") for path in sorted(source.iterdir()) if path.is_dir()}
    places = {source: ""} | {path: split for path, split in splits.items() if split}
    return _pairs_by_name(source) or [place for path, split in places.items() for place in _pair_in(path, split)]


def _pair_in(folder: Path, split: str) -> list[Place]:
    """The folder of masks in a folder, by its name or what is in it, and the only one beside it with its images."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    plain = [path for path in inside if _are_plain(image_files(path))]
    masks = [path for path in plain if _MASK_FOLDER.match(path.name)] or plain
    if len(masks) != 1:
        return []
    wanted = {_MASK_WORD.sub("", file.stem) for file in image_files(masks[0])}
    others = [path for path in inside if path != masks[0] and wanted & _images_by_stem(path).keys()]
    return [Place(masks[0], others[0], split)] if len(others) == 1 else []


def _pairs_by_name(source: Path) -> list[Place]:
    """Folders of masks that are called like a folder of images beside them: train, or train_images, and train_masks."""
    folders = {path.name.lower(): path for path in sorted(source.iterdir()) if path.is_dir()}
    by_word = {_IMAGE_WORD.sub("", name): path for name, path in folders.items()} | folders
    pairs = []
    for name, masks in folders.items():
        images = by_word.get(_MASK_WORD.sub("", name))
        if images is not None and images != masks and image_files(images) and _are_plain(image_files(masks)):
            words = images.name, _IMAGE_WORD.sub("", images.name)
            pairs.append(Place(masks, images, split_of(words, default="")))
    return pairs


def _pairs_beside(source: Path) -> dict[Path, Path]:
    """Mask -> image, of masks that lie beside their images and are called like them and `mask`."""
    by_stem: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    files = list(_masks_in(source))
    for file in files:
        for stem in _stems_of(file):
            by_stem[file.parent, stem].append(file)
    pairs = {}
    for file in files:
        stem = _BESIDE.sub("", file.stem)
        images = by_stem.get((file.parent, stem), []) if stem != file.stem else []
        if len(images) == 1:
            pairs[file] = images[0]
    return pairs if _are_plain(list(pairs)) else {}


def _are_plain(files: Sequence[Path]) -> bool:
    """Whether there are files and the first of them look like masks."""
    return bool(files) and all(map(is_plain, files[:MAX_PLAIN]))


def is_plain(file: Path) -> bool:
    """Whether an image is of plain areas, as masks are and photos are not."""
    try:
        ids = read_ids(file)
    except SeglabError:
        return False
    return ids.shape[1] < 2 or float((ids[:, 1:] == ids[:, :-1]).mean()) > PLAIN


def _masks_in(folder: Path) -> Iterator[Path]:
    return (file for file in real_files(files_below(folder)) if file.suffix.lower() in IMAGE_SUFFIXES)


@dataclass(frozen=True)
class MaskFile:
    """One mask image. class_name: as its folder or name says; whole: whether the file is one instance."""

    path: Path
    class_name: str
    whole: bool


class MasksSource:
    """Mask images, listed by the image that they belong to."""

    def __init__(self, places: Sequence[Place], instances: str | None = None):
        self._by = instances
        masks = places[0].masks
        listed = _names_beside(masks)
        own: dict[tuple[str, str], list[MaskFile]] = defaultdict(list)
        found: dict[tuple[str, str], Path | None] = {}
        for place in places:
            for split, image, mask in _listed_in(place, listed):
                key = split, image.as_posix() if image else mask.path.stem
                own[key].append(mask)
                found[key] = image
        own_folders = sorted({mask.path.parent for each in own.values() for mask in each})
        self._files = {mask.path: mask for each in own.values() for mask in each}
        self._palette = _palette_beside([masks, masks.parent, *own_folders[:MAX_PLAIN]]) or self._classes_by_value(
            listed
        )
        names = self._palette.values() if self._palette else [mask.class_name for each in own.values() for mask in each]
        in_use = sorted(set(names))
        self.names = dict(
            enumerate([name for name in listed if name in in_use] + [n for n in in_use if n not in listed])
        )
        self._class_of = {name: class_id for class_id, name in self.names.items()}
        self.entries = [
            ImageEntry(found[key], key[0], tuple(mask.path for mask in each)) for key, each in sorted(own.items())
        ]

    def _classes_by_value(self, listed: list[str]) -> dict[int, str] | None:
        """Value -> class, where several classes are listed and nothing but the values of masks can tell them."""
        if len(listed) < 2 or any(mask.whole or mask.class_name != ONE_CLASS for mask in self._files.values()):
            return None
        first = 0 if listed[0].lower() in BACKGROUNDS else 1
        named = {first + place: name for place, name in enumerate(listed) if name.lower() not in BACKGROUNDS}
        found: set[int] = set()
        for _, file in zip(range(MAX_TRIED), self._files):
            found |= set(np.unique(read_ids(file)).tolist())
        is_white = found <= {0, VOID}  # on black, so that no value tells a class
        return named if found <= {0, *named, VOID} and not is_white else None

    @cached_property
    def _values(self) -> set[int]:
        """The values of the first masks, up to two: as soon as a mask has several, values are instances."""
        values: set[int] = set()
        several = (file for file, mask in self._files.items() if not mask.whole)
        for _, file in zip(range(MAX_TRIED), several):
            values |= set(np.unique(self._ids(file)).tolist()) - {0}
            if len(values) > 1:
                break
        return values

    @property
    def _is_binary(self) -> bool:
        """Whether the masks are white on black, in whatever way a file says white."""
        return len(self._values) == 1 and (self._values <= WHITE or min(self._values) >= OPAQUE)

    @cached_property
    def _background(self) -> int | None:
        """The color of all borders where that is the background instead of black or what is transparent; else None.

        It is where no mask has any black, and where all masks are black on white, with white along their borders.
        """
        borders: set[int] = set()
        blacks: list[bool] = []  # of masks that may show several instances: whether they have any black
        inverted: list[bool] = []
        has_black = False
        for _, (file, mask) in zip(range(MAX_TRIED), self._files.items()):
            ids = read_regions(file)
            edge, counts = np.unique(np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]]), return_counts=True)
            borders.add(int(edge[counts.argmax()]))
            values = set(np.unique(ids).tolist())
            blacks += [] if mask.whole else [0 in values]
            inverted.append(values <= {0, *WHITE} and counts.max() >= FRAMED * counts.sum())
            has_black = has_black or 0 in values
            if not all(inverted) and (any(blacks) or not blacks):
                return None
        if len(borders) != 1 or self._palette:
            return None
        found = borders.pop()
        # Small values without a 0 are numbers of instances that fill their images.
        is_color = found in WHITE or found > MAX_GRAY
        without_black = bool(blacks) and not any(blacks)
        return found if is_color and (without_black or (has_black and all(inverted))) else None

    def _ids(self, file: Path) -> np.ndarray:
        """(h, w) the values of a mask image, 0 for the background."""
        ids = read_regions(file)
        if self._background is None:
            return ids
        # What is black is an instance then.
        return np.where(ids == self._background, 0, np.where(ids == 0, BLACK, ids))

    @cached_property
    def issues(self) -> list[Issue]:
        """What the masks do not say themselves: which color is the background, and how instances are told apart."""
        if not self._files:
            return []
        notes = []
        folder = str(next(iter(self._files)).parent)
        if self._background is not None:
            color = f"#{self._background % OPAQUE:06x}" if self._background > MAX_GRAY else str(self._background)
            message = f"black is not the background: the value at the borders of all masks is {color}"
            notes.append(Issue(folder, 0, message, "taken for the background", "note"))
        first = next((file for file, mask in self._files.items() if not mask.whole), None)
        return notes if first is None else [*notes, *self._told_apart(first), *self._doubts(folder)]

    def _doubts(self, folder: str) -> list[Issue]:
        """What makes it doubtful that every value of the masks but 0 is one instance, where nothing else is said."""
        if self._by is not None or self._palette or len(self._values) < 2 or self._background is not None:
            return []
        several = [file for file, mask in self._files.items() if not mask.whole][:MAX_PLAIN]
        masks = [self._ids(file) for file in several]
        if all(ids.all() and ids.max() <= MAX_GRAY for ids in masks):
            message = "no background: no mask has the value 0, so that every pixel is of an instance"
            return [Issue(folder, 0, message, "read as it is; write 0 where no instance is")]
        counts: list[int] = []  # of regions that one value of one mask has
        for ids in masks:
            values = np.unique(ids[ids != 0])
            if len(values) > MAX_CLASSES:
                return []
            numbers = components(ids)
            counts += [len(np.unique(numbers[ids == value])) for value in values]
        if len(masks) < 2 or sum(count > 1 for count in counts) * 2 < len(counts):
            return []
        message = "values look like classes: most of them are in several regions of an image"
        action = (
            "read as one instance a value; if they are classes, name them in a classes.txt next to the masks; "
            'instances="components" reads every connected region as one'
        )
        return [Issue(folder, 0, message, action)]

    def _told_apart(self, first: Path) -> list[Issue]:
        """The note on how instances are told apart, where the masks themselves do not say it."""
        if self._by is not None or (len(self._values) > 1 and not self._palette):
            return []
        action = 'every connected region read as one instance, as by instances="components"; touching ones are one'
        if self._palette:
            message = "colors are classes: no mask tells instances of one class apart"
        elif self._is_binary:
            message = "white masks: they do not tell instances apart"
        else:
            message = "masks of one value: they may not tell instances apart"
            action = 'read as one instance a mask; instances="components" reads every connected region as one'
        return [Issue(str(first.parent), 0, message, action, "note")]

    @property
    def _nothing(self) -> set[int]:
        """Values besides 0 that are no instance, where values are classes."""
        is_by_value = self._palette is not None and max(self._palette, default=0) < VOID
        return {VOID} if is_by_value else set()

    def load(self, entry: ImageEntry) -> LabeledImage:
        instances: list[Instance] = []
        issues: list[Issue] = []
        size: tuple[int, int] | None = None
        for file in entry.files:
            mask = self._files[file]
            ids = self._ids(file)
            height, width = ids.shape
            size = size or (height, width)
            regions = self._instances_in(ids, mask)
            if (height, width) != size:
                issues.append(left_out(str(file), two_sizes((height, width), size), len(regions)))
                continue
            if mask.whole and not regions:
                issues.append(left_out(str(file), "no area: a mask without a pixel"))
            for name, x0, y0, crop in regions:
                if name is None:
                    message = "unknown color: not in the list of classes next to the masks; add it there"
                    issues.append(left_out(str(file), message))
                    continue
                instances.append(Instance(self._class_of[name], [], rle=crop_to_rle(x0, y0, crop, *size)))
        assert size is not None, "an entry has at least one file"
        return with_image(entry, size, instances, issues)

    def _instances_in(self, ids: np.ndarray, mask: MaskFile) -> list[tuple[str | None, int, int, np.ndarray]]:
        """(class name, x0, y0, crop) of every instance of a mask; None for a color that stands for no class."""
        is_whole = mask.whole and not self._palette  # the rest of the name is no class where colors are
        if is_whole:
            ids = (ids != 0).astype(np.int32)
        by = self._by
        if by is None:
            is_one = is_whole or not (self._palette or self._is_binary)
            by = "values" if is_one else "components"
        numbers = components(ids, mask.path) if by == "components" else ids
        found: list[tuple[str | None, int, int, np.ndarray]] = []
        for _, x0, y0, crop in regions_of(numbers, mask.path):
            inside = ids[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]][crop]
            name = self._palette.get(int(inside[0])) if self._palette else mask.class_name
            if self._palette is None or int(inside[0]) not in (0, *self._nothing):
                found.append((name, x0, y0, crop))
        return found


# Which image, class and split


def _listed_in(place: Place, listed: list[str]) -> Iterator[tuple[str, Path | None, MaskFile]]:
    """Split, image and mask of every mask in a place. listed: the names of the classes, where they are known."""
    files = sorted(place.beside or _masks_in(place.masks))
    if place.masks != place.images:
        files = [file for file in files if not file.is_relative_to(place.images)]
    splits_by_folder = _are_splits(place.masks, files)
    by_stem = {} if place.beside else _images_by_stem(place.images)
    for file in files:
        folders = file.relative_to(place.masks).parts[:-1]
        split = place.split or "train"
        if splits_by_folder and folders:
            split = split_of(folders[:1])
            folders = folders[1:]
        if place.beside:
            class_name = _named("/".join(folders), listed) or _only(listed)
            yield split, place.beside[file], MaskFile(file, class_name, whole=False)
        else:
            yield split, *_belongs_to(file, folders, by_stem, split if splits_by_folder else None, listed)


def _images_by_stem(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for file in image_files(folder):
        for stem in _stems_of(file):
            found[stem].append(file)
    return found


def _stems_of(image: Path) -> set[str]:
    """The names that the masks of an image may begin with: a_rgb and a, of a_rgb.png; img_a and a, of img_a.png."""
    return {image.stem, _IMAGE_WORD.sub("", image.stem), _IMAGE_FIRST.sub("", image.stem)}


def _are_splits(masks: Path, files: list[Path]) -> bool:
    """Whether the folders in the folder of masks are splits: all are called so, and no mask stands beside them."""
    tops = {file.relative_to(masks).parts[0] for file in files if len(file.relative_to(masks).parts) > 1}
    return bool(tops) and all(split_of([top], default="") for top in tops)


def _belongs_to(
    file: Path, folders: tuple[str, ...], by_stem: dict[str, list[Path]], split: str | None, listed: list[str]
) -> tuple[Path | None, MaskFile]:
    """The image of a mask, by the rules of the module in their order, and what the mask is."""
    find = partial(_image_of, by_stem, split, folders)
    class_name = _named("/".join(folders), listed) or _only(listed)
    stem = file.stem
    for own in (stem, _MASK_WORD.sub("", stem), _MASK_FIRST.sub("", stem)):
        if image := find(own):
            return image, MaskFile(file, class_name, whole=False)
    if folders and (image := find(folders[-1])):
        return image, MaskFile(file, _class_in(stem, "/".join(folders[:-1]), listed), whole=True)
    for end in range(len(stem) - 1, 0, -1):  # the longest name of an image that the mask's name begins with
        if stem[end] in " ._-" and (image := find(stem[:end])):
            return image, MaskFile(file, _class_in(stem[end + 1 :], "/".join(folders), listed), whole=True)
    return None, MaskFile(file, class_name, whole=False)


def _image_of(by_stem: dict[str, list[Path]], split: str | None, folders: tuple[str, ...], stem: str) -> Path | None:
    """The image of a name, of several the one in folders like the mask's, or in one of the split."""
    found = by_stem.get(stem, [])
    alike = [image for image in found if folders and image.parts[-1 - len(folders) : -1] == folders]
    if len(alike) == 1:
        return alike[0]
    own = [image for image in found if split is None or split_of(image.parts[-2:-1], default=split) == split]
    return own[0] if len(own) == 1 else None


def _class_in(rest: str, folders: str, listed: list[str]) -> str:
    """The class that the rest of a name says, as `cell_3` and `cell`; else the folder's, else the only one."""
    name = _NUMBER.sub("", rest).strip(" ._-")
    if not name or (_NO_NAME.match(rest) and name not in listed):
        return (
            _named(folders, listed) or (_named(rest, listed) if rest.isdecimal() and folders else "") or _only(listed)
        )
    return _named(name, listed)


def _named(name: str, listed: list[str]) -> str:
    """The name of a class that is said by name, or by its place in a list of names."""
    return listed[int(name)] if name.isascii() and name.isdecimal() and int(name) < len(listed) else name


def _only(listed: list[str]) -> str:
    named = [name for name in listed if name.lower() not in BACKGROUNDS]
    return named[0] if len(named) == 1 else ONE_CLASS


def _names_beside(masks: Path) -> list[str]:
    """The names of classes in a YAML (`names`) or classes.txt in the folder of masks, or beside it; [] for none."""
    for folder in (masks, masks.parent):
        for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            content = read_yaml(file)
            names = content.get("names") if isinstance(content, dict) else None
            if isinstance(names, dict):
                names = [names[key] for key in sorted(names, key=str)]
            if isinstance(names, list):
                return [str(name) for name in names]
        if (folder / "classes.txt").is_file():
            rows = read_text(folder / "classes.txt").splitlines()
            return [row.strip() for row in rows if row.strip()]
    return []


def _palette_beside(folders: Sequence[Path]) -> dict[int, str] | None:
    """Packed color or value -> class name, of a list in one of some folders; None where there is none."""
    for folder in folders:
        for name in PALETTES:
            rows = palette_rows(folder / name) if (folder / name).is_file() else []
            if rows:
                return {color: class_name for class_name, color in rows if class_name.lower() not in BACKGROUNDS}
    return None


def palette_rows(file: Path) -> list[tuple[str, int]]:
    """(name, packed color) of every row of a list of classes, in their order.

    Rows are name:r,g,b:... as CVAT writes them, name,r,g,b, `r g b name` as CamVid does, or `value, name` as Roboflow
    does: then it is the value. Errors: SeglabError for a row without a color.
    """
    rows: list[tuple[str, int]] = []
    for row in read_text(file).splitlines():
        if match := _COLOR_FIRST.fullmatch(row.strip()):
            rows.append((match[4], int(packed(np.array([int(word) for word in match.groups()[:3]])))))
            continue
        if match := _VALUE_FIRST.fullmatch(row.strip()):
            rows.append((match[2].strip(), int(match[1])))
            continue
        words = re.split(r"[:,;]", row)
        is_heading = len(words) > 3 and not words[1].strip().isdecimal()
        if not row.strip() or row.lstrip().startswith("#") or is_heading or len(words) < 4:
            continue
        try:
            color = np.array([int(word) for word in words[1:4]])
        except ValueError as error:
            raise SeglabError(f"{file}: '{row}' has no color: write name:r,g,b") from error
        rows.append((words[0].strip(), int(packed(color))))
    return rows


# What readers of masks share


def with_image(
    entry: ImageEntry, size: tuple[int, int], instances: list[Instance], issues: list[Issue]
) -> LabeledImage:
    """The image of an entry with the instances that its masks show, or an issue that it is missing."""
    if entry.image is None:
        stem = entry.files[0].stem
        message = "missing image: no image of that name"
        issues = [*issues, left_out(f"mask {entry.files[0].name}", message, len(instances))]
        return LabeledImage(None, stem, entry.split, size, [], issues)
    return LabeledImage(entry.image, entry.image.name, entry.split, size, instances, issues)


def two_sizes(size: tuple[int, int], first: tuple[int, int]) -> str:
    """The message on a mask of another size than the one before."""
    height, width = size
    first_height, first_width = first
    return f"masks of two sizes for one image: {width} x {height} beside {first_width} x {first_height}"


FORMAT = Format("masks", "mask images", is_here, read)
