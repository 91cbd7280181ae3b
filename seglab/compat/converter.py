"""Conversion as scripts call it, over seglab's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seglab.convert.conversion import convert_coco_labels as _convert
from seglab.errors import SeglabError
from seglab.formats.coco_ids import COCO_IDS
from seglab.formats.mask_pixels import components, read_regions, regions_of
from seglab.formats.yolo import write_labels
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import join_rings
from seglab.sample import Instance


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


def convert_segment_masks_to_yolo_seg(masks_dir: str | Path, output_dir: str | Path, classes: int) -> None:
    """Mask images, whose values are 1 + the class id, 0 being background -> a label file of each in output_dir.

    Every connected region is an instance. Holes are kept. Errors: SeglabError for a folder without mask images, and for
    values above `classes`.
    """
    files = [path for path in sorted(Path(masks_dir).iterdir()) if path.suffix.lower() in (".png", ".jpg")]
    if not files:
        raise SeglabError(f"there is no .png or .jpg mask image in {masks_dir}: give the folder of the mask images")
    for path in files:
        ids = read_regions(path)
        if ids.max() > classes:
            raise SeglabError(f"{path} has the value {ids.max()} and classes={classes}: values are 1 + the class id")
        instances = []
        for _, x0, y0, region in regions_of(components(ids, path), path):
            row, column = np.argwhere(region)[0]
            class_id = int(ids[y0 + row, x0 + column]) - 1
            instances.append(Instance(class_id, mask_to_rings(region, x0, y0)))
        height, width = ids.shape
        write_labels(Path(output_dir) / f"{path.stem}.txt", instances, (height, width))


def merge_multi_segment(segments: Sequence[Sequence[float]]) -> list[np.ndarray]:
    """The parts of one object, each flat x y or (n, 2) -> one outline in a list, the parts joined by seams."""
    return [join_rings([np.asarray(part, np.float64).reshape(-1, 2) for part in segments])]


def coco91_to_coco80_class() -> list[int | None]:
    """For each of COCO's ids 1 to 91, at its place from 0 on: the usual class id 0 to 79, None where there is none."""
    ids = {coco_id: class_id for class_id, coco_id in enumerate(COCO_IDS.values())}
    return [ids.get(coco_id) for coco_id in range(1, 92)]


def coco80_to_coco91_class() -> list[int]:
    """For each of the usual class ids 0 to 79: COCO's id."""
    return list(COCO_IDS.values())
