"""Conversion as scripts call it, over seglab's own."""

from __future__ import annotations

from pathlib import Path

from seglab.convert.conversion import convert_coco_labels as _convert
from seglab.errors import SeglabError


def convert_coco(
    labels_dir: str | Path = "../coco/annotations/",
    save_dir: str | Path = "coco_converted/",
    use_segments: bool = True,
    use_keypoints: bool = False,
    cls91to80: bool = True,
) -> None:
    """Every COCO JSON in a folder -> label files in save_dir/labels/NAME, for the JSON instances_NAME.json.

    Outlines are written whatever use_segments says; class ids are 0, 1, ... in the order of the categories, which
    makes COCO's 91 ids the usual 80. Errors: SeglabError for keypoints, or without a JSON.
    """
    if use_keypoints:
        raise SeglabError(
            "convert_coco cannot write keypoints, since seglab segments instances only: leave out use_keypoints=True"
        )
    files = sorted(Path(labels_dir).glob("*.json"))
    if not files:
        raise SeglabError(f"there is no JSON file in {labels_dir}: give the folder of the COCO annotations")
    for path in files:
        folder = Path(save_dir) / "labels" / path.stem.removeprefix("instances_")
        print(_convert(path, folder))
