"""Every format of the registry: what is written is read again, trained on and converted, without a pixel lost.

A format that stands in `seglab.formats.registry.FORMATS` is tested here without another line; one that seglab cannot
write needs a writer in `writers.WRITERS`.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.convert import convert
from seglab.data.annotations import Annotations
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.formats import registry, voc
from seglab.formats.coco import read_coco
from seglab.formats.format import Format, ImageEntry, LabeledImage, outline
from seglab.formats.registry import FORMATS, find_format
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.rle import decode, encode, iou, rings_to_rle
from seglab.sample import Instance

from .writers import CLASSES_BY_LABEL, OWN_CLASSES, WRITERS, titles_in

HEIGHT, WIDTH = 40, 60
NAMES = {0: "ant", 1: "zebra", 2: "ümlaut — 猫"}


def write_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), 99, np.uint8))[1].tobytes())
    return path


def mask_of(found: Instance) -> np.ndarray:
    """(HEIGHT, WIDTH) bool."""
    return decode(found.rle or rings_to_rle(found.rings, HEIGHT, WIDTH))


def as_instance(class_id: int, mask: np.ndarray) -> Instance:
    return Instance(class_id, mask_to_rings(mask))


def holed() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[2:20, 3:25] = True
    mask[6:12, 8:16] = False
    mask[8, 10] = True  # an island in the hole
    return mask


def two_parts() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[25:30, 5:12] = mask[32:38, 20:28] = True
    return mask


def plain() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:30, 40:55] = True
    return mask


def example() -> dict[str, list[Instance]]:
    """Image name -> instances, no two of which overlap, so that id maps can hold them."""
    every = [as_instance(0, holed()), as_instance(1, two_parts()), as_instance(2, plain())]
    return {"a.png": every, "bild ü 猫.png": [as_instance(2, plain())], "empty.png": []}


def write(known: Format, folder: Path, images: dict[str, list[Instance]], names=NAMES) -> Path:
    """Write the images in a format -> what `load_dataset` and `convert` are given."""
    originals = {name: write_image(folder / "originals" / name) for name in images}
    labeled = [LabeledImage(originals[n], n, "train", (HEIGHT, WIDTH), found) for n, found in images.items()]
    if known.name == "coco":
        place = folder / "originals" / "instances_train.json"
        known.write(place, names, labeled)
        return place
    place = folder / known.name
    (known.write or WRITERS[known.name])(place, names, labeled)
    return place


def read(source: Path, split: str = "train") -> tuple[dict[int, str], dict[str, list[Instance]]]:
    """Class names, and image name -> instances, as training reads them."""
    spec = load_dataset(source)
    annotations = Annotations(spec, split)
    found = {}
    for image in spec.images(split):
        instances, issues = annotations.read(image, (HEIGHT, WIDTH))
        assert not [issue for issue in issues if not issue.is_note], issues
        found[image.name] = instances
    return spec.names, found


def assert_alike(
    expected: dict[str, list[Instance]], found: dict[str, list[Instance]], names: dict[int, str], form: str = ""
) -> None:
    """The same images, and on each the same masks under the same class names, as a format has them."""
    titles = titles_in(form, NAMES)
    assert found.keys() == expected.keys()
    for name, instances in expected.items():
        wanted = sorted((titles[each.class_id], mask_of(each).tobytes()) for each in instances)
        assert sorted((names[each.class_id], mask_of(each).tobytes()) for each in found[name]) == wanted, name
        assert all(each.rings for each in found[name]), "training and drawing need outlines"


every_format = pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)


@every_format
def test_what_is_written_is_recognised_and_read_again(known, tmp_path):
    source = write(known, tmp_path, example())
    assert find_format(source) is known
    names, found = read(source)
    assert_alike(example(), found, names, known.name)
    assert list(names.values()) == sorted(NAMES.values()) or known.name not in CLASSES_BY_LABEL
    assert set(names.values()) == set(OWN_CLASSES.get(known.name, NAMES.values()))


@every_format
def test_it_is_trained_on_with_masks(known, tmp_path):
    spec = load_dataset(write(known, tmp_path, example()))
    assert set(spec.splits) == {"train"}  # nobody asked for another
    for split in spec.splits:
        dataset = SegmentationDataset(spec, split, 64, strict=True)
        assert len(dataset) == 3
        counts = {path.name: len(dataset[i]["masks"]) for i, path in enumerate(dataset.images)}
        assert counts == {name: len(found) for name, found in example().items()}
        for masks_of_image in (dataset[i]["masks"] for i in range(3)):
            assert (masks_of_image.sum(axis=(1, 2)) > 0).all()


@every_format
def test_it_is_converted_to_yolo_without_losing_a_pixel(known, tmp_path):
    source = write(known, tmp_path, example())
    if known.read is None:
        return  # it is YOLO
    report = convert(source, out=tmp_path / "out", strict=1.0)
    assert report.passed and report.instances_written == 4 and report.images_written == 3 and not report.lost
    names, found = read(tmp_path / "out")
    assert_alike(example(), found, names, known.name)


@every_format
def test_it_is_converted_to_coco_without_losing_a_pixel(known, tmp_path):
    source = write(known, tmp_path, example())
    if known.name == "coco":
        return
    report = convert(source, out=tmp_path / "new.json", to="coco", strict=1.0)
    assert report.passed and report.instances_written == 4
    coco = read_coco(tmp_path / "new.json")
    found = {Path(name).name: coco.instances(entry, (HEIGHT, WIDTH))[0] for name, entry in coco.images.items()}
    assert_alike(example(), found, coco.names, known.name)


@every_format
def test_it_is_checked(known, tmp_path):
    report = check(write(known, tmp_path, example()), out=None)
    assert {(split.images, split.instances.total()) for split in report.splits.values()} == {(3, 4)}
    assert not [issue for issue in report.issues if not issue.is_note]


@pytest.mark.parametrize("known", [known for known in FORMATS if known.write], ids=lambda known: known.name)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_outlines_come_back(known, seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    instances = []
    for _ in range(rng.integers(1, 5)):
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 30)))
        ring = np.stack((np.cos(angle), np.sin(angle)), axis=1) * rng.uniform(3, 12) + rng.uniform((14, 14), (46, 26))
        instances.append(Instance(int(rng.integers(3)), [ring.round(rng.choice([0, 1, 2, 5]))]))
    instances = [found for found in instances if mask_of(found).any()]
    source = write(known, tmp_path_factory.mktemp(known.name), {"a.png": instances})
    _, found = read(source)
    assert len(found["a.png"]) == len(instances)
    for one, other in zip(instances, found["a.png"]):
        assert iou([encode(mask_of(one))], [encode(mask_of(other))])[0, 0] == 1.0


@pytest.mark.parametrize("to", [known.name for known in FORMATS if known.write])
def test_a_converted_dataset_goes_to_every_format_that_can_be_written(to, tmp_path):
    yolo = next(known for known in FORMATS if known.name == "yolo")
    source = write(yolo, tmp_path, example())
    if to == "yolo":
        return
    report = convert(source, out=tmp_path / ("out.json" if to == "coco" else "out"), to=to, strict=1.0)
    assert report.passed and report.instances_written == 4 and report.images_written == 3


def test_holes_of_a_source_without_exact_masks_are_converted(tmp_path, monkeypatch):
    """A format may read an instance with a hole as rings alone, as `Instance` allows."""
    image = write_image(tmp_path / "a.png")
    labeled = LabeledImage(image, "a.png", "train", (HEIGHT, WIDTH), [as_instance(0, holed())])
    entries = [ImageEntry(image, "train", ())]
    source = SimpleNamespace(names=NAMES, entries=entries, issues=(), load=lambda entry: labeled)
    made_up = Format("rings", "rings", lambda place: place == image, lambda place, images: source)
    monkeypatch.setattr(registry, "FORMATS", (made_up, *FORMATS))
    report = convert(image, out=tmp_path / "out", strict=1.0)
    assert report.passed and report.instances_written == 1
    monkeypatch.undo()
    (found,) = read(tmp_path / "out")[1]["a.png"]
    assert np.array_equal(mask_of(found), holed())


def test_an_exact_mask_has_an_outline():
    found = Instance(0, [], rle=encode(holed()))
    assert np.array_equal(mask_of(Instance(0, outline(found))), holed())


def test_voc_has_its_twenty_classes(tmp_path):
    names, class_of, by_color = voc.class_map(None)
    assert len(names) == 20 and names[class_of[15]] == "person"
    assert names[by_color[(192 << 16) | (128 << 8) | 128]] == "person", "VOC's color of index 15"
