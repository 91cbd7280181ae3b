"""Labels beside a YAML that lists images alone: every verb says that they lie there, and how to use them."""

import json

import numpy as np
import pytest
from PIL import Image

from seglab import SeglabError, check_dataset, convert_dataset, load_dataset
from seglab.data.dataset import SegmentationDataset
from seglab.data.summary import announce_split
from seglab.datasets.labels_nearby import labels_nearby

ROW = "0 0.2 0.2 0.6 0.2 0.6 0.6\n"


def images_alone(folder, names="ab"):
    """Images of noise, and a YAML that knows of nothing else."""
    (folder / "images").mkdir(parents=True)
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg")
    (folder / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\n")
    return folder


def masks(folder):
    (folder / "masks").mkdir()
    for name in "ab":
        mask = np.zeros((48, 64), dtype=np.uint8)
        mask[10:30, 10:40] = 1
        mask[5:20, 45:60] = 2
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return "masks", 4


def coco_json(folder):
    images = [{"id": n, "file_name": f"{name}.jpg", "width": 64, "height": 48} for n, name in enumerate("ab")]
    rows = [{"id": n, "image_id": n, "category_id": 1, "segmentation": [[1, 1, 30, 1, 30, 30]]} for n in (0, 1)]
    content = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "result.json").write_text(json.dumps(content))
    return "result.json", 2


def rows_elsewhere(folder):
    (folder / "exported").mkdir()
    for name in "ab":
        (folder / "exported" / f"{name}.txt").write_text(ROW)
    return "", 2


@pytest.mark.parametrize("add", [masks, coco_json, rows_elsewhere])
def test_every_verb_names_them_and_what_it_says_works(tmp_path, add):
    folder = images_alone(tmp_path / "set")
    labels, instances = add(folder)
    advice = f"pass data={folder / 'images'} labels={folder / labels}"
    spec = load_dataset(folder)
    with pytest.raises(SeglabError) as told:
        announce_split(SegmentationDataset(spec, "train", 64))
    assert advice in str(told.value) and "allow_empty=True" in str(told.value)
    assert any(advice in issue.action for issue in check_dataset(folder, out=None).issues)
    with pytest.raises(SeglabError) as told:
        convert_dataset(folder, out=tmp_path / "out")
    assert advice in str(told.value)
    report = convert_dataset(folder / "images", labels=folder / labels, out=tmp_path / "out")
    assert report.instances_back == instances


def test_where_there_are_none_nothing_is_said(tmp_path):
    folder = images_alone(tmp_path / "set")
    assert labels_nearby(load_dataset(folder)) == ""
    with pytest.raises(SeglabError, match="seglab check data="):
        announce_split(SegmentationDataset(load_dataset(folder), "train", 64))
