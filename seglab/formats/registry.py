"""The list of dataset formats: what is listed here is converted, trained on, checked and round-trip tested."""

from __future__ import annotations

from pathlib import Path

from seglab.formats import (
    cityscapes,
    coco,
    cvat_xml,
    dsb2018,
    label_studio,
    labelme,
    masks,
    object_xml,
    panoptic,
    supervisely,
    via,
    voc,
    yolo,
)
from seglab.formats.format import Format

# In this order a source is looked at: the more telling contents come first, a folder of PNG files last.
FORMATS: tuple[Format, ...] = (
    voc.FORMAT,
    labelme.FORMAT,
    supervisely.FORMAT,
    via.FORMAT,
    label_studio.FORMAT,
    cvat_xml.FORMAT,
    object_xml.FORMAT,
    panoptic.FORMAT,
    dsb2018.FORMAT,
    cityscapes.FORMAT,
    coco.FORMAT,
    yolo.FORMAT,
    masks.FORMAT,
)


def find_format(source: Path) -> Format | None:
    """The format of a folder or file, judged by its content; None where no format knows it."""
    return next((known for known in FORMATS if known.is_here(source)), None)
