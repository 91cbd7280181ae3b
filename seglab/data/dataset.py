"""A split of a dataset as a torch Dataset: raw samples, training items, validation items."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from seglab.config import AugmentConfig
from seglab.data.annotations import open_annotations, select
from seglab.data.augment import apply_letterbox, augmented, boxes_of
from seglab.data.collate import IGNORE_CELL, Item
from seglab.data.disk_cache import DiskCache
from seglab.data.image import read_image
from seglab.data.mask_targets import hard_masks, soft_masks
from seglab.data.scan import scan
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.formats.issues import Issue, issue_table
from seglab.geometry.letterbox import Letterbox, loader_letterbox
from seglab.geometry.raster import fill
from seglab.image_files import DEFAULT_READING, Reading
from seglab.progress import with_progress
from seglab.sample import Instance, Sample
from seglab.sizes import STRIDE, Size, as_size

__path__: list[str] = []  # names of ultralytics that are not here are looked up by seglab.compat.import_hook

BLOCK = 64  # so many images, neighbors in the epoch's order, are mixed with each other
RECENT_BYTES = 1 << 26  # decoded images that a data-loading process keeps at hand


@dataclass(frozen=True)
class EpochOrder:
    """The order of one epoch. indexes[position] is the image at a position of it, positions[index] the inverse."""

    epoch: int
    indexes: np.ndarray  # (length,)
    positions: np.ndarray  # (length,)


class SegmentationDataset(torch.utils.data.Dataset[Item]):
    """One split, scanned once: every issue is collected in `issues`, printed as a table, or raised.

    size: (height, width) of the network input, or one side for both. augment: None for validation items. seed: an
    augmented item is a function of (seed, epoch, index) alone. mask_targets: "soft" or "hard" (see `mask_targets`), or
    None for items without; overlap: each cell belongs to the smallest instance on it, None: in hard targets only;
    mask_ratio:
    input pixels a side of a mask cell. strict: raise SeglabError at the first issue. cache: "ram" keeps every decoded
    image in memory, "disk" in files of the cache folder. rect: items sorted by aspect ratio; each `group` of them
    shares a shape with less padding than a square, and mosaic is off. Where `size` has two unequal sides it is kept for
    all of them. reading: which images may be read, and how.

    images, image_sizes ((height, width)), names, issues and epoch are there to read. `mosaic = False` ends mosaic,
    mixing and pasting, as the last epochs want it; like `set_epoch` it reaches data-loading processes that already run.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        split: str,
        size: int | Sequence[int],
        augment: AugmentConfig | None = None,
        seed: int = 0,
        mask_targets: str | None = "soft",
        overlap: bool | None = None,
        mask_ratio: int = 4,
        strict: bool = False,
        cache: bool | str = False,
        rect: bool = False,
        reading: Reading = DEFAULT_READING,
    ):
        self.size = _input_size(size)
        _check_options(mask_targets, cache)
        self.spec = spec
        self.split = split
        self.names = spec.names
        self.augment = augment
        self.seed = seed
        self.reading = reading
        self._without_mixing = augment and replace(augment, mosaic=0.0, mixup=0.0, cutmix=0.0, copy_paste=0.0)
        self.mask_targets = mask_targets
        self.overlap = mask_targets == "hard" if overlap is None else overlap
        self.mask_ratio = mask_ratio
        self.rect = rect and self.size[0] == self.size[1]
        self.group = 1

        # The images of the split: drawn when they are needed, or files with annotations.
        self.images: list[Path]
        self.image_sizes: list[Size]
        self.issues: list[Issue] = []
        self._draw: Callable[[int, int], Sample] | None = spec.draw if split == "train" else None
        self._annotations = open_annotations(spec, split)
        if self._draw:
            self._list_drawn_images(self._draw, cache)
        else:
            self._list_files(strict)
        if self.rect:
            self._sort_by_aspect()

        # What changes while data-loading processes run, in memory they share: epoch, and whether mosaic is on.
        self._switches = torch.tensor([0, 1]).share_memory_()
        # What each process remembers for itself.
        self._order = EpochOrder(-1, np.zeros(0, int), np.zeros(0, int))
        self._recent: OrderedDict[tuple[int, int], Sample] = OrderedDict()  # (epoch, index) -> fitted sample
        self._cached_images: list[np.ndarray] | None = None
        self._read: Callable[[Path], np.ndarray] = partial(read_image, reading=self.reading)
        if cache == "disk":
            self._read = DiskCache(reading=self.reading).read
        elif cache:
            self._cached_images = [read_image(path, self.reading) for path in with_progress(self.images, "read")]

    def _list_drawn_images(self, draw: Callable[[int, int], Sample], cache: bool | str) -> None:
        """Images that are new in every epoch, all of the first one's size; there is nothing to scan."""
        if cache:
            raise SeglabError(
                f"{self.spec.name} has new images in every epoch, which cannot be cached: leave out cache={cache!r}"
            )
        self.images = list(self.spec.images(self.split))
        height, width = draw(0, 0).image.shape[:2]
        self.image_sizes = [(height, width)] * len(self.images)

    def _list_files(self, strict: bool) -> None:
        """The image files that can be read, and what is wrong with the split."""
        listed = self.spec.images(self.split)
        sizes, self.issues = scan(listed, self._annotations, strict, self.reading)
        if self.issues and int(os.environ.get("RANK", 0)) == 0:  # once, not once per process of a training run
            print(issue_table(self.issues, self.spec.root))
        self.images = []
        self.image_sizes = []
        for path, size in zip(listed, sizes):
            if size is not None:
                self.images.append(path)
                self.image_sizes.append(size)
        if not self.images and not any(path.exists() for path in listed):
            raise SeglabError(
                f"none of the {len(listed)} images of {self.split} in {self.spec.root} exists, e.g. {listed[0]}: put "
                "them there, or pass the folder that has them as data=, and the folder of the labels as labels="
            )
        if not self.images:
            own = set(map(str, listed))
            why = next(issue for issue in self.issues if issue.unusable or issue.path in own)
            first = f"{why.where}: {why.message}"
            raise SeglabError(
                f"none of the {len(listed)} images of {self.split} in {self.spec.root} can be read; {first}"
            )

    def _sort_by_aspect(self) -> None:
        """Wide images first, so that those of a group need little padding to share a shape."""
        aspects = [height / width for height, width in self.image_sizes]
        order = sorted(range(len(aspects)), key=aspects.__getitem__)
        self.images = [self.images[index] for index in order]
        self.image_sizes = [self.image_sizes[index] for index in order]

    def __len__(self) -> int:
        return len(self.images)

    def set_epoch(self, epoch: int) -> None:
        self._switches[0] = epoch

    @property
    def epoch(self) -> int:
        return int(self._switches[0])

    @property
    def mosaic(self) -> bool:
        return bool(self._switches[1])

    @mosaic.setter
    def mosaic(self, on: bool) -> None:
        self._switches[1] = int(on)

    def instances(self, index: int) -> list[Instance]:
        """All instances of an image in its own frame, crowds included; its pixels are not read."""
        if self._draw:
            return self.sample(index).instances
        return self._annotations.read(self.images[index], self.image_sizes[index])[0]

    def sample(self, index: int) -> Sample:
        """The image as it is, with all its instances. Errors: SeglabError naming an image that cannot be read."""
        if self._draw:
            return self._drawn(self._draw(self.epoch, index))
        path = self.images[index]
        image = self._read(path) if self._cached_images is None else self._cached_images[index]
        if image.shape[:2] != self.image_sizes[index]:
            raise SeglabError(
                f"{path} has changed since the dataset was opened: its size was {self.image_sizes[index]}; "
                "start the run again"
            )
        return Sample(image, self.instances(index), str(path))

    def _drawn(self, sample: Sample) -> Sample:
        """A drawn image with the instances that count."""
        if self.spec.selection is not None:
            sample.instances = select(sample.instances, self.spec.selection)
        return sample

    def image_id(self, index: int) -> int | str:
        """The image's id in COCO files (`seglab.formats.coco_ids.image_ids`)."""
        return self._annotations.image_id(self.images[index])

    def label_file(self, index: int) -> Path:
        """Where the YOLO labels of an image lie, or would lie if there were some."""
        return self._annotations.label_file(self.images[index])

    @property
    def category_ids(self) -> list[int | str]:
        """Class id -> category id in COCO files (`seglab.formats.coco_ids.category_ids`)."""
        return list(self._annotations.category_ids)

    def file_names(self) -> dict[int | str, str]:
        """Image id -> what the image is called in COCO files."""
        return {self._annotations.image_id(image): name for image, name in self._annotations.file_names().items()}

    def __getitem__(self, index: int) -> Item:
        """One item, ready for `collate`; crowd regions are no instances in it, but places to ignore."""
        box: Letterbox | None = None
        source: list[Instance] | None = None
        if self.augment is None:
            box = self.letterbox(index)
            whole = self.sample(index)
            source = whole.instances
            sample = apply_letterbox(whole, box)
        else:
            sample = self._augmented(index, self.augment)

        instances = [instance for instance in sample.instances if not instance.crowd]
        height, width = sample.image.shape[:2]
        return {
            "image": sample.image,
            "classes": np.array([instance.class_id for instance in instances], np.int64),
            "boxes": boxes_of(instances).astype(np.float32),
            "masks": self._masks([instance.rings for instance in instances], height, width),
            "ignored": ignored_cells([instance for instance in sample.instances if instance.crowd], height, width),
            "sample": {
                "index": index,
                "path": str(self.images[index]),
                "image_id": self.image_id(index),
                "letterbox": box,
                "source": source,
            },
        }

    def _augmented(self, index: int, config: AugmentConfig) -> Sample:
        """A training sample in the letterbox frame: a function of (seed, epoch, index) and of `mosaic`."""
        if self.rect or not self.mosaic:  # images that are mixed would need one shape
            config = self._without_mixing or config
        rng = np.random.default_rng((self.seed, self.epoch, index))
        size = self._group_size(index) if self.rect else self.size
        return augmented(self._fitted, index, self._neighbors(index), size, config, rng)

    def _masks(self, rings: list[list[np.ndarray]], height: int, width: int) -> np.ndarray:
        """(N, height / mask_ratio, width / mask_ratio) float16 mask targets of instances in the letterbox frame."""
        if self.mask_targets is None:
            return np.zeros((len(rings), 0, 0), np.float16)
        if self.mask_targets == "soft":
            return soft_masks(rings, height, width, self.mask_ratio, self.overlap)
        return hard_masks(rings, height, width, self.mask_ratio, self.overlap)

    def letterbox(self, index: int) -> Letterbox:
        """Where a validation item has its image: scaled to the input size, within the shape its group shares."""
        size = self._group_size(index) if self.rect else self.size
        return loader_letterbox(self.image_sizes[index], self.size, size)

    def _group_size(self, index: int) -> Size:
        """The input size of a rectangular group: least padding, at least half a stride of it in all (the protocol of
        the published YOLO metrics), rounded up to the stride; square where a group has both wide and tall images."""
        first = index - index % self.group
        aspects = [height / width for height, width in self.image_sizes[first : first + self.group]]
        height_fraction = min(1.0, max(aspects))  # of the input's side, taken up by the tallest
        width_fraction = min(1.0, 1 / min(aspects))
        height, width = (
            math.ceil(self.size[0] * fraction / STRIDE + 0.5) * STRIDE for fraction in (height_fraction, width_fraction)
        )
        return height, width

    def _neighbors(self, index: int) -> np.ndarray:
        """(BLOCK,) indexes that may be mixed with `index`: the block of this epoch's order it lies in.

        A function of (seed, epoch, index) like everything random here; and as the images of a block are used about
        the same time, most of them are still at hand, which saves decoding each of them four times for mosaics.
        """
        epoch = self.epoch
        if self._order.epoch != epoch:
            indexes = epoch_order(len(self), self.seed, epoch)
            self._order = EpochOrder(epoch, indexes, np.argsort(indexes))
        block_start = self._order.positions[index] // BLOCK * BLOCK
        block = np.arange(block_start, block_start + BLOCK) % len(self)  # the last block goes on at the start
        return self._order.indexes[block]

    def _fitted(self, index: int) -> Sample:
        """A sample scaled to fit into the input size, without padding; the recent ones stay at hand."""
        key = (self.epoch if self._draw else 0, index)  # files are the same in every epoch
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        sample = apply_letterbox(self.sample(index), loader_letterbox(self.image_sizes[index], self.size))
        self._recent[key] = sample
        while len(self._recent) * sample.image.nbytes > RECENT_BYTES:
            self._recent.popitem(last=False)
        return sample


def ignored_cells(regions: Sequence[Instance], height: int, width: int) -> np.ndarray:
    """(height / IGNORE_CELL, width / IGNORE_CELL) bool: cells whose middle lies in one of the regions.

    regions: in the letterbox frame of height x width pixels.
    """
    cells = np.zeros((height // IGNORE_CELL, width // IGNORE_CELL), bool)
    middle = IGNORE_CELL // 2
    for region in regions:
        cells |= fill(region.rings, height, width)[middle::IGNORE_CELL, middle::IGNORE_CELL]
    return cells


def epoch_order(length: int, seed: int, epoch: int) -> np.ndarray:
    """(length,) the order in which a training epoch goes through the images: a function of its arguments alone."""
    return np.random.default_rng((seed, epoch)).permutation(length)


def _input_size(size: int | Sequence[int]) -> Size:
    """(height, width). Errors: SeglabError for sides that are not multiples of STRIDE, naming the nearest ones."""
    height, width = as_size(size, "the input size")
    if height % STRIDE or width % STRIDE:
        nearest = tuple(max(1, round(side / STRIDE)) * STRIDE for side in (height, width))
        raise SeglabError(f"the input size {height, width} must be a multiple of {STRIDE}: use {nearest}")
    return height, width


def _check_options(mask_targets: str | None, cache: bool | str) -> None:
    if mask_targets not in ("soft", "hard", None):
        raise SeglabError(f"mask_targets={mask_targets!r} must be 'soft', 'hard' or None")
    if cache not in (False, True, "ram", "disk"):
        raise SeglabError(f"cache={cache!r} must be 'ram' (in memory), 'disk' (in files) or False")
