"""COCO panoptic: things are instances, stuff is not; damage is told."""

from __future__ import annotations

import json

import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats import panoptic
from seglab.formats.format import LabeledImage

from .test_round_trip import HEIGHT, NAMES, WIDTH, example, write
from .writers import pixels_of


@pytest.fixture
def folder(tmp_path):
    return write(panoptic.FORMAT, tmp_path, example())


def change(folder, edit) -> None:
    file = folder / "annotations" / "panoptic_train.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_a_json_itself_is_the_dataset_and_its_stuff_is_told(folder):
    spec = load_dataset(folder / "annotations" / "panoptic_train.json")
    assert spec.about == "COCO panoptic" and set(spec.names.values()) == set(NAMES.values())
    assert any("no things: sky" in issue.message for issue in spec.issues)


def test_segments_that_are_not_listed_are_lost_and_told(folder):
    def edit(content):
        content["annotations"][0]["segments_info"] = content["annotations"][0]["segments_info"][:2]
        content["annotations"][1]["segments_info"][1]["category_id"] = 77

    before = len(pixels_of(panoptic.read(folder))[0])
    change(folder, edit)
    found, messages = pixels_of(panoptic.read(folder))
    assert len(found) == before - 3
    assert [message.split(":")[0] for message in messages] == ["unknown segment"] * 2 + ["unknown category"]


def test_crowds_are_crowds(folder):
    change(folder, lambda content: content["annotations"][0]["segments_info"][1].update(iscrowd=1))
    source = panoptic.read(folder)
    first: LabeledImage = source.load(source.entries[0])
    assert [found.crowd for found in first.instances] == [True, False, False] and first.size == (HEIGHT, WIDTH)


def test_a_damaged_file_and_missing_masks_are_told(folder):
    (folder / "annotations" / "panoptic_train" / "a.png").unlink()
    assert "missing mask: the file is not there" in pixels_of(panoptic.read(folder))[1]
    change(folder, lambda content: content["annotations"][0].pop("file_name"))
    with pytest.raises(SeglabError, match=r"panoptic_train\.json is not a valid panoptic JSON"):
        load_dataset(folder)
