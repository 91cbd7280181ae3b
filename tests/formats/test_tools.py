"""Scenes of toybox as every tool's export: recognized, read, checked, converted and trained on, all masks whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seglab.convert import convert
from seglab.data.annotations import Annotations
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import image_size
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.formats.format import LabeledImage
from seglab.formats.registry import FORMATS, find_format
from seglab.sample import Instance

from .writers import MORE_WRITERS, WRITERS, mask_of, titles_in

IMAGES = 3
LAYOUTS = [
    *(
        (known, known.write or WRITERS[known.name], known.name)
        for known in FORMATS
        if known.name not in ("coco", "yolo")
    ),
    *((known, MORE_WRITERS[known.name], f"{known.name}-2") for known in FORMATS if known.name in MORE_WRITERS),
]


@pytest.fixture(scope="module")
def scenes() -> tuple[dict[int, str], list[LabeledImage]]:
    """Class names and scenes whose instances cover pixels of their own, as mask images need it."""
    spec = load_dataset("toybox8-seg")
    annotations = Annotations(spec, "train")
    images = []
    for image in spec.images("train")[:IMAGES]:
        size = image_size(image)
        taken = np.zeros(size, bool)
        kept: list[Instance] = []
        for found in annotations.read(image, size)[0]:
            mask = mask_of(found, size)
            if mask.any() and not (mask & taken).any():
                kept.append(found)
                taken |= mask
        images.append(LabeledImage(image, image.name, "train", size, kept))
    return spec.names, images


def masks_by_image(
    names: dict[int, str], images: dict[str, tuple[list[Instance], tuple[int, int]]]
) -> dict[str, list[tuple[str, bytes]]]:
    """Image -> (class, mask) of each instance, in a fixed order."""
    return {
        image: sorted((names[each.class_id], mask_of(each, size).tobytes()) for each in found)
        for image, (found, size) in images.items()
    }


def as_trained(spec) -> dict[str, list[tuple[str, bytes]]]:
    annotations = Annotations(spec, "train")
    found = {}
    for image in spec.images("train"):
        size = image_size(image)
        instances, issues = annotations.read(image, size)
        assert not [issue for issue in issues if not issue.is_note], issues
        found[image.name] = instances, size
    return masks_by_image(spec.names, found)


@pytest.mark.parametrize("known, writer, title", LAYOUTS, ids=[title for _, _, title in LAYOUTS])
def test_a_tools_export_is_read_as_it_was_drawn(known, writer, title, scenes, tmp_path):
    names, images = scenes
    titles = titles_in(known.name, names)
    wanted = masks_by_image(titles, {each.name: (each.instances, each.size) for each in images})
    instances = sum(len(each.instances) for each in images)
    assert instances > 20

    source = tmp_path / title
    writer(source, names, images)
    assert find_format(source) is known
    spec = load_dataset(source)
    assert as_trained(spec) == wanted
    report = check(source, out=None)
    assert report.splits["train"].instances.total() == instances
    assert not [issue for issue in report.issues if not issue.is_note]
    assert len(SegmentationDataset(spec, "train", 64)[0]["masks"]) == len(images[0].instances)

    converted = convert(source, out=tmp_path / "out", strict=1.0)
    assert converted.passed and converted.instances_written == instances and not converted.lost
    assert as_trained(load_dataset(tmp_path / "out")) == wanted


def test_every_tools_folder_needs_its_own_images(scenes, tmp_path):
    """Labels without any image are refused, and say how the images are named."""
    names, images = scenes
    for known, writer, title in LAYOUTS:
        writer(tmp_path / title, names, images)
        for image in [path for path in (tmp_path / title).rglob("*") if path.name in {each.name for each in images}]:
            image.unlink()
        if known.name in ("masks", "dsb2018"):  # whose labels are known by their images
            continue
        with pytest.raises(Exception, match="images=FOLDER"):
            load_dataset(tmp_path / title)
        images_folder = Path(images[0].file).parent
        report = convert(tmp_path / title, images=images_folder, out=tmp_path / f"{title}-out", strict=1.0)
        assert report.images_written == IMAGES and report.passed, title
