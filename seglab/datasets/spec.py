"""What a dataset is: which images each split has, where their labels are, and what the classes are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seglab.errors import SeglabError
from seglab.files import SPLITS
from seglab.formats.issues import Issue
from seglab.sample import Sample
from seglab.wording import one_line

if TYPE_CHECKING:
    from seglab.formats.format import LabelSource


@dataclass(frozen=True)
class Selection:
    """Which instances of a dataset count, and as what.

    whole: the dataset with all of them; classes: ids of those that count, None for all; single: they are one class, 0.
    """

    whole: DatasetSpec
    classes: frozenset[int] | None
    single: bool


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset, listed but not read.

    splits: split name -> image files, sorted; names: class id (0 to n-1) -> name; yaml: the file that says so, its
    path absolute like those of the images, since weights keep it to be validated from wherever they are used.
    annotations: split -> COCO JSON. Where a split has one, its instances come from there (exact RLE masks and crowd
    regions included); elsewhere they come from the YOLO label file of each image. crowds: split -> COCO JSON of the
    crowd regions that label files cannot hold, kept for evaluation. faults: split -> why its images cannot be listed.
    draw: (epoch, number) -> a training image, for training images that are no files but made when they are needed,
    others in every epoch and all of one size; `splits` lists a name for each.
    labels: where they are of a format other than YOLO and COCO; they answer for the images of every split.
    parts: of a joined dataset those it is made of, with classes of their own, which `join_datasets` matches by name.
    selection: of a dataset of which only some instances count, which (`seglab.datasets.subset`).
    label_folder: where YOLO label files lie that the user keeps apart from their images. about: what was recognized,
    in words; issues: what is worth knowing of the dataset as a whole.
    """

    name: str
    root: Path
    splits: dict[str, tuple[Path, ...]]
    names: dict[int, str]
    yaml: Path | None = None
    annotations: dict[str, Path] = field(default_factory=dict)
    crowds: dict[str, Path] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    draw: Callable[[int, int], Sample] | None = None
    parts: tuple[DatasetSpec, ...] = ()
    labels: LabelSource | None = None
    selection: Selection | None = None
    label_folder: Path | None = None
    about: str = ""
    issues: tuple[Issue, ...] = ()

    def __post_init__(self) -> None:
        """Names come from strangers and end up in tables and images: they move no cursor."""
        clean = {class_id: one_line(name) for class_id, name in self.names.items()}
        object.__setattr__(self, "names", clean)

    @property
    def source(self) -> str | list[str]:
        """What `load_dataset` finds it by again: a path or name, or a list of those of several that were joined."""
        if not self.parts:
            return str(self.yaml or self.root)
        sources = [str(part.yaml or part.root) for part in self.parts]
        return sources if len(sources) > 1 else sources[0]

    def images(self, split: str) -> tuple[Path, ...]:
        """The image files of one split. Errors: SeglabError when the dataset has no such split, or an empty one."""
        if self.splits.get(split):
            return self.splits[split]
        if split not in self.faults:
            raise SeglabError(self._without(split))
        source = _in_words(self.source)
        can_hold_out = split == "val" and self.splits.get("train")
        advice = f"; or hold images out once: seglab split data={source} holdout=0.2" if can_hold_out else ""
        raise SeglabError(self.faults[split] + advice)

    def _without(self, split: str) -> str:
        """That the dataset has no images in a split, and what to do about it."""
        source = _in_words(self.source)
        has = ", ".join(f"{name} ({len(paths)})" for name, paths in self.splits.items()) or "none"
        message = f"{source} has no images in its split '{split}'; its splits are: {has}; "
        if split == "val" and self.splits.get("train"):
            return message + (
                f"hold some out once, for all runs: seglab split data={source} holdout=0.2 (train takes holdout= too); "
                "or validate on what is trained on with split=train, or train with holdout=0"
            )
        filled = next((name for name, paths in self.splits.items() if paths), None)
        if split not in SPLITS or filled is None:
            return message + f"put images there, or name another folder for '{split}'"
        return message + f"put images there, name another folder for '{split}', or use split={filled}"


def numbered_names(count: int) -> dict[int, str]:
    """Names for classes that have none."""
    return {class_id: f"class {class_id}" for class_id in range(count)}


def _in_words(source: str | list[str]) -> str:
    return source if isinstance(source, str) else " and ".join(source)
