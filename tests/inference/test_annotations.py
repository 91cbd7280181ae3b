"""Predictions as annotations: written for every tool, they are a dataset whose masks are those that were predicted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from seglab import YOLO
from seglab.config import SaveConfig
from seglab.convert import convert
from seglab.data.annotations import Annotations
from seglab.data.image import image_size
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats.registry import find_format
from seglab.geometry.rle import decode, rings_to_rle
from seglab.inference.results import Results
from seglab.inference.saved_run import save_results

TOOLS = ["labelme", "coco", "cvat", "yolo"]
IMAGES = 2


@pytest.fixture(scope="module")
def predicted(tmp_path_factory) -> list[Results]:
    """Scenes of toybox, and what the course weights find on them."""
    folder = tmp_path_factory.mktemp("photos")
    for image in load_dataset("toybox8-seg").images("val")[:IMAGES]:
        shutil.copy(image, folder / image.name)
    found = YOLO("toybox-n").predict(folder, imgsz=320, conf=0.3)
    assert sum(map(len, found)) > 15
    return found


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def masks_in(source: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Image -> class and mask of each instance, as training reads them, in the order of the file."""
    spec = load_dataset(source)
    (split,) = {split for split in spec.splits if spec.splits[split]} - ({"val"} if "train" in spec.splits else set())
    annotations = Annotations(spec, split)
    found = {}
    for image in spec.images(split):
        size = image_size(image)
        instances, issues = annotations.read(image, size)
        assert not [issue for issue in issues if not issue.is_note], issues
        masks = [decode(each.rle or rings_to_rle(each.rings, *size)) for each in instances]
        found[image.name] = [(spec.names[each.class_id], mask) for each, mask in zip(instances, masks)]
    return found


def assert_within(expected: list[Results], found: dict[str, list[tuple[str, np.ndarray]]], tolerance: float) -> None:
    """The same images, classes and masks, but for pixels that lie within the tolerance of a mask's outline."""
    assert found.keys() == {Path(result.path).name for result in expected}
    for result in expected:
        read = found[Path(result.path).name]
        classes = [result.names[int(class_id)] for class_id in result.boxes.cls.tolist()]
        assert [name for name, _ in read] == classes
        masks = np.asarray(result.masks.data).astype(bool)
        for mask, (_, other) in zip(masks, read):
            inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            outside = cv2.distanceTransform(np.pad(~mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            # From a pixel's center to the outline is half a pixel less than to the next pixel's center; drawing
            # rounds a vertex by another half.
            depth = np.maximum(inside, outside)[1:-1, 1:-1][mask != other]
            assert depth.max(initial=0) <= tolerance + 1, result.path


@pytest.mark.parametrize("tool, tolerance", [*((tool, each) for tool in TOOLS for each in (0.0, 1.0)), ("cvat", 3.0)])
def test_what_was_predicted_is_a_dataset_with_the_same_masks(predicted, tool, tolerance, capsys):
    list(save_results(iter(predicted), SaveConfig(save_as=tool, tolerance=tolerance, name="run")))
    folder = Path("runs/segment/run") / tool
    assert [path.name for path in folder.parent.iterdir()] == [tool]
    assert find_format(folder).name == tool
    assert f"seglab train data={folder}" in capsys.readouterr().out
    found = masks_in(folder)
    assert_within(predicted, found, tolerance)
    if tolerance == 0:
        for result in predicted:
            pairs = zip(np.asarray(result.masks.data), found[Path(result.path).name])
            assert all(np.array_equal(mask, other) for mask, (_, other) in pairs), "exact, pixel by pixel"


@pytest.mark.parametrize("tool", ["labelme", "cvat"])
def test_it_is_converted_without_a_pixel_lost(predicted, tool):
    list(save_results(iter(predicted), SaveConfig(save_as=tool, name="run")))
    folder = Path("runs/segment/run") / tool
    report = convert(folder, out="converted", strict=1.0)
    assert report.passed and report.instances_written == sum(map(len, predicted)) and not report.lost
    assert_within(predicted, masks_in(Path("converted")), 1.0)


def test_a_person_has_few_vertices_to_drag(predicted):
    counts = []
    for tolerance in (0.0, 1.0):
        list(save_results(iter(predicted), SaveConfig(save_as="labelme", tolerance=tolerance, name=f"run{tolerance}")))
        files = Path(f"runs/segment/run{tolerance}/labelme").glob("*.json")
        shapes = [shape for file in files for shape in json.loads(file.read_text())["shapes"]]
        counts.append(sum(len(shape["points"]) for shape in shapes if shape["shape_type"] == "polygon"))
    exact, simple = counts
    assert simple < exact / 4


def test_corrections_are_never_overwritten(predicted):
    config = SaveConfig(save_as="labelme", name="run", exist_ok=True)
    list(save_results(iter(predicted), config))
    before = {path: path.read_bytes() for path in Path("runs").rglob("*.json")}
    with pytest.raises(SeglabError, match="may contain corrections"):
        list(save_results(iter(predicted), config))
    assert {path: path.read_bytes() for path in Path("runs").rglob("*.json")} == before


@pytest.mark.parametrize("tool", TOOLS)
def test_frames_and_arrays_become_images_and_an_image_without_instances_counts(predicted, tool):
    first = predicted[0]
    in_memory = Results.of_image(first.image, "film.mp4", first.names, first.boxes, first.masks, {})
    empty = Results.of_image(first.image, "image0.jpg", first.names, first.boxes[:0], None, {})
    list(save_results([in_memory, in_memory, empty], SaveConfig(save_as=tool, name="run")))
    folder = Path("runs/segment/run") / tool
    assert [path.name for path in folder.parent.iterdir()] == [tool]
    found = masks_in(folder)
    counts = {name: len(instances) for name, instances in found.items()}
    assert counts == {"film.png": len(in_memory), "film_2.png": len(in_memory), "image0.png": 0}


def test_a_stream_that_its_reader_leaves_has_what_was_found(predicted):
    stream = save_results(iter(predicted), SaveConfig(save_as="labelme", name="run"))
    next(stream)
    stream.close()
    assert len(list(Path("runs/segment/run/labelme").glob("*.json"))) == 1


def test_from_the_front_door(predicted):
    source = Path(predicted[0].path).parent
    YOLO("toybox-n").predict(source, imgsz=320, conf=0.3, save_as="cvat", tolerance=2, name="run")
    assert_within(predicted, masks_in(Path("runs/segment/run/cvat")), 2.0)
    with pytest.raises(SeglabError, match="save_as"):
        YOLO("toybox-n").predict(source, save_as="json")
