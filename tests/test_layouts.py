"""Every layout of docs/data.md is recognized, trained on, validated on, checked and converted: a test for each cell."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from seglab.config import AugmentConfig, ValidateConfig
from seglab.convert import convert
from seglab.data.dataset import SegmentationDataset
from seglab.data.holdout import hold_out
from seglab.data.summary import announce_split
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.evaluation.validate import load_split
from seglab.widgets.images import samples

from .layouts import LAYOUTS, NAMES

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
every_layout = pytest.mark.parametrize("name", LAYOUTS)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(name of a layout) -> what to point at, written once."""

    @cache
    def write(name: str) -> Path:
        return LAYOUTS[name].write(tmp_path_factory.mktemp("layout") / "export")

    return write


def count(spec) -> int:
    """Instances of all splits, as training reads them."""
    total = 0
    for split in spec.splits:
        dataset = SegmentationDataset(spec, split, 64)
        total += sum(not found.crowd for index in range(len(dataset)) for found in dataset.instances(index))
    return total


@cache
def rows() -> dict[str, list[str]]:
    """The table of the page: layout -> its cells."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells if len(row) == 6 and row[0] != "layout"}


def test_the_page_lists_every_layout_and_no_other():
    assert list(rows()) == list(LAYOUTS)


def test_every_layout_that_is_described_has_its_picture_and_no_picture_is_left():
    text = PAGE.read_text(encoding="utf-8")
    sections = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(sections) <= set(LAYOUTS)
    shown = re.findall(r"!\[Folders and files of (.+)\]\((images/layout-.+\.png)\)", text)
    assert [title for title, _ in shown] == sections
    drawn = {f"images/{file.name}" for file in (PAGE.parent / "images").glob("layout-*.png")}
    assert {file for _, file in shown} == drawn


@every_layout
def test_it_is_recognized(name, written):
    layout, spec = LAYOUTS[name], load_dataset(written(name))
    assert spec.about.startswith(layout.about) and rows()[name][0] == layout.about
    assert {split: len(images) for split, images in spec.splits.items()} == layout.splits
    assert count(spec) == layout.instances
    assert all(title.startswith("class ") for title in spec.names.values()) == (not layout.named)


@every_layout
def test_it_is_trained_on(name, written, capsys):
    layout, spec = LAYOUTS[name], load_dataset(written(name))
    dataset = SegmentationDataset(spec, "train", 64, augment=AugmentConfig())
    announce_split(dataset)
    assert f"train: {layout.splits['train']} images" in capsys.readouterr().out
    assert rows()[name][1] == "yes"
    assert sum(len(dataset[index]["masks"]) for index in range(len(dataset)))


@every_layout
def test_it_is_validated_on(name, written, capsys):
    """With a split val of its own, or one held out; never silently on what is trained on."""
    layout, spec = LAYOUTS[name], load_dataset(written(name))
    config = ValidateConfig(imgsz=64, workers=0, allow_empty=True)
    if "val" in layout.splits:
        assert rows()[name][2] == "yes"
    else:
        assert rows()[name][2] == "holdout="
        with pytest.raises(SeglabError, match=r"holdout=0\.2"):
            load_split(spec, spec.names, config)
        spec = hold_out(spec, 0.4)
    split = load_split(spec, spec.names, config)
    assert "val: " in capsys.readouterr().out and len(next(iter(split.loader))["samples"]) == len(spec.images("val"))


@every_layout
def test_check_counts_what_is_there_and_finds_no_false_fault(name, written):
    layout, report = LAYOUTS[name], check(written(name), None)
    assert sum(split.instances.total() for split in report.splits.values()) == layout.instances
    assert rows()[name][3] == "yes"
    told = [issue.message for issue in report.issues if not issue.is_note]
    expected = [] if layout.named else ["no class names were found"]
    missing = [message for message in told if message.startswith("no images: ")]  # Roboflow's test, not exported
    assert [message for message in told if message not in missing] == expected
    assert bool(missing) == (name == "Roboflow, YOLO")


@every_layout
def test_it_is_converted_and_read_back(name, written, tmp_path):
    layout, report = LAYOUTS[name], convert(written(name), out=tmp_path / "out")
    assert rows()[name][4] == "yes"
    assert report.instances_written == report.instances_back == layout.instances and not report.lost
    assert report.images_back == sum(layout.splits.values())
    spec = load_dataset(tmp_path / "out")
    assert {split: len(images) for split, images in spec.splits.items()} == layout.splits
    assert count(spec) == layout.instances
    holdout = "" if "val" in layout.splits else " holdout=0.2"
    assert str(report).endswith(f"next: seglab train data={tmp_path / 'out/out.yaml'}{holdout}")


@every_layout
def test_it_is_explored_with_the_same_count(name, written):
    layout, found = LAYOUTS[name], 0
    for split in layout.splits:
        for _, read in samples(written(name), split):
            found += sum(not instance.crowd for instance in read().instances)
    assert found == layout.instances


@pytest.mark.parametrize("name", ["CVAT, COCO 1.0", "images and labels"])
def test_conversion_holds_images_out(name, written, tmp_path):
    layout = LAYOUTS[name]
    report = convert(written(name), out=tmp_path / "out", holdout=0.4)
    spec = load_dataset(tmp_path / "out")
    assert {split: len(images) for split, images in spec.splits.items()} == {"train": 2, "val": 1}
    assert count(spec) == report.instances_back == layout.instances
    assert report.next_command == f"seglab train data={tmp_path / 'out/out.yaml'}"


def test_nothing_is_recognized_in_vain(tmp_path, written):
    """What is no dataset is told with what was found and what to write."""
    folder = written("images and labels")
    with pytest.raises(SeglabError, match=r"contains 3 images, but no labels for them: .*data\.yaml"):
        load_dataset(plain(folder, tmp_path / "plain"))
    with pytest.raises(SeglabError, match="contains no images"):
        (tmp_path / "empty").mkdir()
        load_dataset(tmp_path / "empty")


def plain(folder: Path, target: Path) -> Path:
    """Images alone."""
    target.mkdir()
    for image in (folder / "images").iterdir():
        (target / image.name).write_bytes(image.read_bytes())
    return target


def test_labels_may_lie_elsewhere(tmp_path, written):
    folder = written("images and labels")
    images = plain(folder, tmp_path / "plain")
    spec = load_dataset(images, labels=folder / "labels")
    assert count(spec) == LAYOUTS["images and labels"].instances
    other = tmp_path / "other"
    other.mkdir()
    for number, image in enumerate(sorted(images.iterdir())):
        (other / f"{image.stem}.txt").write_text("0 .1 .1 .5 .1 .5 .5\n" if number else "")
    assert count(load_dataset(images, labels=other)) == 2  # several sets of labels for one set of images
    assert count(load_dataset(written("YOLO with a YAML"), labels=other)) == 2
    json = written("CVAT, COCO 1.0") / "annotations/instances_default.json"
    assert count(load_dataset(images, labels=json)) == LAYOUTS["CVAT, COCO 1.0"].instances
    assert set(load_dataset(images, labels=json).names.values()) == set(NAMES.values())


def test_a_folder_around_the_dataset_and_one_called_images_above_it(tmp_path, written):
    import shutil

    shutil.copytree(written("labels beside images"), tmp_path / "images/unzipped/mine")
    assert count(load_dataset(tmp_path / "images/unzipped")) == LAYOUTS["labels beside images"].instances


def test_zero_instances_are_an_error_unless_meant(tmp_path):
    (tmp_path / "labels").mkdir()
    shelf = plain_yolo(tmp_path)
    spec = load_dataset(shelf)
    with pytest.raises(SeglabError, match=r"no instance on the 1 image of train.*allow_empty=True"):
        announce_split(SegmentationDataset(spec, "train", 64))
    announce_split(SegmentationDataset(spec, "train", 64), allow_empty=True)
    with pytest.raises(SeglabError, match=r"no instance of .* could be converted"):
        convert(shelf, out=tmp_path / "out")
    assert convert(shelf, out=tmp_path / "out", allow_empty=True).images_back == 1
    assert "no instance in split train" in str(check(shelf, None))


def plain_yolo(folder: Path) -> Path:
    from .layouts import ALL, put

    put(ALL[0], folder / "images")
    path = folder / "data.yaml"
    path.write_text("train: images\nnames: [cup]\n")
    return path


def test_the_bundled_dataset_is_announced_by_its_name_and_others_by_their_path(tmp_path, capsys):
    bundled = load_dataset("toybox8-seg")
    announce_split(SegmentationDataset(bundled, "val", 64))
    assert capsys.readouterr().out.endswith(" from toybox8-seg (YOLO dataset)\n"), "the same line on every machine"
    shutil.copytree(bundled.root, tmp_path / "toybox8-seg")
    copy = load_dataset(tmp_path / "toybox8-seg")
    announce_split(SegmentationDataset(copy, "val", 64))
    assert f" from {tmp_path}" in capsys.readouterr().out
