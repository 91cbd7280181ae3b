"""A folder or file of labels in any format of `seglab.formats` but YOLO and COCO as a dataset, read as it is.

Formats are imported when they are asked: most datasets have a YAML, and need none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import SPLITS

if TYPE_CHECKING:
    from seglab.formats.format import Format, LabelSource


def read_tool_labels(path: Path, images: Path | None = None) -> DatasetSpec | None:
    """The dataset at a path in the format of a labeling tool that its content shows; None where none knows it.

    Errors: SeglabError when it is damaged, or its labels come without their images.
    """
    from seglab.formats import coco, masks, registry, yolo

    others = [known for known in registry.FORMATS if known not in (coco.FORMAT, yolo.FORMAT, masks.FORMAT)]
    found = next((known for known in others if known.is_here(path)), None)
    return _read(found, path, images) if found else None


def read_mask_images(path: Path, images: Path | None = None, instances: str | None = None) -> DatasetSpec | None:
    """The dataset of a folder of mask images; None for any other folder. instances: see `seglab.formats.masks`."""
    from seglab.formats import masks

    if not masks.is_here(path):
        return None
    return _dataset(masks.FORMAT, path, masks.read(path, images, instances))


def _read(known: Format, path: Path, folder: Path | None) -> DatasetSpec:
    assert known.read is not None, "YOLO datasets alone are read elsewhere"
    return _dataset(known, path, known.read(path, folder))


def _dataset(known: Format, path: Path, labels: LabelSource) -> DatasetSpec:
    by_split: dict[str, list[Path]] = {}
    for entry in labels.entries:
        if entry.image:
            by_split.setdefault(entry.split, []).append(entry.image)
    faults: dict[str, str] = {}
    if not by_split and any(labels.load(entry).file is not None for entry in labels.entries[:1]):
        # Only a conversion reads images that lie inside label files.
        faults["train"] = (
            f"the images are stored inside the label files: write them with `seglab convert source={path} out=NEW`"
        )
    elif not labels.entries:
        why = f" ({labels.issues[0].message})" if labels.issues else ""
        raise SeglabError(f"{path} contains {known.title}, but no labeled image{why}: label some, and export again")
    elif not by_split:
        first = labels.entries[0].files[0]
        raise SeglabError(
            f"{path} contains {known.title}, but no image that they refer to (e.g. in {first}) is there: give the "
            f"folder of the images, as in `seglab convert source={path} images=FOLDER out=NEW`, or "
            f"data=FOLDER labels={path}"
        )
    ordered = [split for split in SPLITS if split in by_split] + [split for split in by_split if split not in SPLITS]
    splits = {split: tuple(sorted(by_split[split])) for split in ordered}
    return DatasetSpec(
        path.stem,
        path.resolve(),
        splits,
        labels.names,
        path.absolute(),
        faults=faults,
        labels=labels,
        about=known.title,
        issues=tuple(labels.issues),
    )
