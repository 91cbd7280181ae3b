"""Folders in the layouts of CVAT, Roboflow, Label Studio, Labelme, VOC and masks, written by another from coco38."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from seglab.convert import convert
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError

# Instances, where the format has them whole, and their parts, where each part is a row of its own; test repeats one.
WHOLE, PARTS, WHOLE_AND_TEST, PARTS_AND_TEST = 142, 149, 154, 161
EXPORTS = {
    "cvat_coco": (23, WHOLE),
    "cvat_yolo": (23, PARTS),
    "cvat_yolo_data": (23, PARTS),
    "cvatmask": (23, WHOLE),
    "flat": (23, PARTS),
    "flat_yaml": (23, PARTS),
    "labelme": (23, WHOLE),
    "ls_coco": (23, WHOLE),
    "ls_yolo": (23, PARTS),
    "maskpng": (23, WHOLE),
    "noyaml": (23, PARTS),
    "noyaml_split": (23, PARTS),
    "permask": (23, WHOLE),
    "robo_coco": (24, WHOLE_AND_TEST),
    "robo_yolo": (24, PARTS_AND_TEST),
    "robo_yolo_notest": (23, PARTS),
    "voc": (23, WHOLE),
}


@pytest.fixture(scope="session")
def exports(shared_folder, tmp_path_factory):
    script = shared_folder / "cases" / "tool_exports.py"
    if not script.is_file():
        pytest.skip(f"{script} is not there, so nothing writes the exports")
    out = tmp_path_factory.mktemp("exports")
    datasets = os.environ.get("SEGLAB_DATASETS", str(shared_folder / "datasets"))
    subprocess.run([sys.executable, str(script), datasets, str(out)], check=True, capture_output=True)
    return out


def count(spec) -> tuple[int, int]:
    images, instances = 0, 0
    for split in spec.splits:
        dataset = SegmentationDataset(spec, split, 64)
        images += len(dataset)
        instances += sum(not found.crowd for index in range(len(dataset)) for found in dataset.instances(index))
    return images, instances


@pytest.mark.parametrize("name", EXPORTS)
def test_what_tools_export_is_read_checked_and_converted(name, exports, tmp_path):
    folder = exports / name
    assert count(load_dataset(folder)) == EXPORTS[name]
    report = check(folder, None)
    assert sum(split.instances.total() for split in report.splits.values()) == EXPORTS[name][1]
    converted = convert(folder, out=tmp_path / "out")
    assert converted.instances_back == EXPORTS[name][1] and not converted.lost
    assert count(load_dataset(tmp_path / "out")) == EXPORTS[name]


def test_labels_without_images_are_told(exports):
    with pytest.raises(SeglabError, match=r"none of its images are in .*images=FOLDER"):
        load_dataset(exports / "cvat_coco_noimages")
