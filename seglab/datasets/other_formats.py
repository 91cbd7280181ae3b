"""A folder or file of labels in any format of `seglab.formats` as a dataset, read as it is.

Formats are imported when they are asked: most datasets have a YAML, and need none of them.
"""

from __future__ import annotations

from pathlib import Path

from seglab.datasets.coco_json import read_dataset_json
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError


def is_other_json(path: Path) -> bool:
    """Whether a JSON exists and is of another format than COCO, to whose reader all others go, damaged ones too."""
    from seglab.formats import coco, registry

    try:
        found = registry.find_format(path) if path.is_file() else None
    except SeglabError:
        return False
    return found is not None and found is not coco.FORMAT


def read_labelled(path: Path) -> DatasetSpec | None:
    """The dataset at a path in the format that its content shows; None where no format knows it.

    Where it has no split train, or val, the other stands for it, as in what `convert` writes of it.
    Errors: SeglabError when it is damaged, or its labels come without their images.
    """
    from seglab.formats import coco, registry
    from seglab.formats.yolo import stand_ins

    known = registry.find_format(path)
    if known is None:
        return None
    if known is coco.FORMAT:
        return read_dataset_json(coco.json_files(path)[0])
    if known.read is None:
        raise SeglabError(f"{path} is a {known.title} with several YAML files: give the path of one of them")
    labels = known.read(path, None)
    images: dict[str, list[Path]] = {}
    for entry in labels.entries:
        if entry.image:
            images.setdefault(entry.split, []).append(entry.image)
    if not images:
        raise SeglabError(
            f"{path} holds {known.title} but none of their images: "
            f"convert it with `seglab convert source={path} images=FOLDER out=NEW`"
        )
    splits = {split: tuple(sorted(files)) for split, files in images.items()}
    splits |= {role: splits[other] for role, other in stand_ins(splits).items()}
    return DatasetSpec(path.stem, path.resolve(), splits, labels.names, path.absolute(), labels=labels)
