"""Small inputs like real people's files, from cases.tar.gz in SEGLAB_SHARED: each with what must come out of it.

A row names a folder or file of the archive, what `check`, `convert` and the loader that trains find in it, and what has
to be told. Every kind has a test with generated input of its own beside the module that reads it.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from seglab.convert import convert
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.evaluation.coco import evaluate_files
from seglab.geometry.raster import fill


@pytest.fixture(scope="session")
def cases(shared_folder, tmp_path_factory) -> Path:
    archive = shared_folder / "cases" / "cases.tar.gz"
    if not archive.is_file():
        pytest.skip(f"{archive} is not there")
    folder = tmp_path_factory.mktemp("cases")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder


@dataclass(frozen=True)
class Case:
    """A row. areas: of all instances, in pixels, in any order; classes: names; told: words that some issue says;
    crowds: regions that are kept apart; more: arguments that the case needs."""

    areas: tuple[int, ...]
    classes: tuple[str, ...] = ("cat",)
    told: tuple[str, ...] = ()
    crowds: int = 0
    splits: tuple[str, ...] = ("train",)
    file: str = ""  # in the folder, where the folder itself is not the input


OWN_NAME = ("found by their file names alone",)

# COCO JSON as tools write it
READ = {
    "rle_in_list": Case((600,)),
    "flat_numbers": Case((600,)),
    "flat_strings": Case((600,)),
    "cvat_crowd": Case((60,), told=("iscrowd=1", "read as instances")),
    "ls_project": Case((600,), told=OWN_NAME),
    "ls_up": Case((600,), told=OWN_NAME),
    "ls_local": Case((600,), told=OWN_NAME),
    "ls_upload": Case((600,), told=OWN_NAME),
    "posixabs": Case((600,), told=OWN_NAME),
    "img_text": Case((600,)),
    "cat_text": Case((600,)),
    "cat_all_text": Case((600,), splits=("val",)),
    "cat_samename": Case((600, 28), classes=("cat", "cat"), told=("'cat' has the ids 1, 2",)),
    "size_text": Case((600,)),
    "size_zero": Case((600,)),
    "size_null": Case((600,)),
    "size_float": Case((600,)),
    "size_swapped": Case((600,), told=("width and height swapped", "no EXIF orientation")),
    "exif_raw": Case((600,), told=("EXIF orientation 6", "turned with the image")),
    "exif_up": Case((600,)),
    "nfd": Case((600,)),
    "utf16": Case((600,)),
    "latin1": Case((600,), classes=("Straße",)),
    "bom": Case((600,)),
    "two_folders": Case((600, 600)),
    "keys_missing": Case((600,)),
    "bbox_nested": Case((600,)),
    "iscrowd_bool": Case((600,), crowds=1),
    "many_json": Case((600,)),
    "roboflow": Case((600,) * 6, classes=("car",), splits=("train", "val", "test")),
    # Mask images
    "mk_aa": Case((349, 221), classes=("object",), told=('instances="components"',)),
    "mk_jpg": Case((225, 200), classes=("object",), told=('instances="components"',)),
    "mk_bin": Case((225, 200), classes=("object",), told=('instances="components"',)),
    "mk_alpha": Case((225,), classes=("object",)),
    "mk_suffix": Case((225, 200), classes=("object",), told=('instances="components"',)),
    "mk_split": Case((225, 200) * 2, classes=("object",), splits=("train", "val")),
}

# What ends in an error, or in a report that says why nothing is left
REFUSED = {
    "rle_bytes_repr": r"counts\.decode\(\)",
    "cat_dup": "the categories 'cat' and 'dog' have the same id 1",
    "no_annotations": "it lacks annotations",
    "bbox_only": "a box alone is not a mask",
    "many_json/annotations/captions_train2017.json": "it has no categories",
}


def quiet(function, *given, **more):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return function(*given, **more)


def areas_of(data: Path) -> tuple[list[int], int]:
    """(areas of all instances, count of crowd regions) as the loader that trains has them."""
    spec = load_dataset(data)
    areas: list[int] = []
    crowds = 0
    for split in spec.splits:
        dataset = quiet(SegmentationDataset, spec, split, 64)
        for index, size in enumerate(dataset.image_sizes):
            for found in dataset.instances(index):
                crowds += found.crowd
                areas += [] if found.crowd else [int(fill(found.rings, *size).sum())]
            masks = dataset[index]["masks"]
            assert not len(masks) or (masks.sum(axis=(1, 2)) > 0).all()
    return sorted(areas), crowds


def alike(found: list[int], wanted: tuple[int, ...]) -> bool:
    """Whether areas are the expected ones; soft edges leave some pixels open."""
    return len(found) == len(wanted) and all(abs(a - b) <= 0.05 * b for a, b in zip(found, sorted(wanted)))


@pytest.mark.parametrize("name", READ)
def test_it_is_read_alike_by_check_convert_and_training(cases, tmp_path, name):
    case = READ[name]
    source = cases / name / case.file
    report = quiet(check, source, out=None)
    assert tuple(report.spec.names.values()) == case.classes and tuple(report.spec.splits) == case.splits
    assert sum(split.instances.total() for split in report.splits.values()) == len(case.areas)
    assert sum(split.crowds for split in report.splits.values()) == case.crowds
    areas, crowds = areas_of(source)
    assert alike(areas, case.areas) and crowds == case.crowds

    converted = quiet(convert, source, out=tmp_path / "out", strict=0.99)
    assert converted.passed and converted.instances_back == len(case.areas) and not converted.lost
    assert tuple(load_dataset(tmp_path / "out").names.values()) == case.classes
    again, crowds = areas_of(tmp_path / "out")
    assert again == areas and crowds == case.crowds
    for words in case.told:
        assert any(words in f"{issue.message} {issue.action}" for issue in report.issues), words
        if name not in ("ls_project", "ls_up", "ls_local", "ls_upload", "posixabs"):
            assert words in str(converted)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_reason_by_check_and_convert(cases, tmp_path, name):
    with pytest.raises(SeglabError, match=REFUSED[name]):
        quiet(convert, cases / name, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    try:
        report = quiet(check, cases / name, out=None)
    except SeglabError as error:
        message = str(error)
    else:
        message = str(report)
    assert re.search(REFUSED[name], message)


# YOLO datasets whose file names are hard to number

NUMBERED = ["v_zeros", "v_arab", "v_same", "v_mixed", "v_suffix", "v_neg", "v_big", "rt/num", "rt/mixed", "rt/folders"]


@pytest.mark.parametrize("name", NUMBERED)
def test_images_have_one_id_each_there_and_back(cases, tmp_path, name):
    spec = load_dataset(cases / name)
    images = len(set(spec.images("val")))
    report = quiet(convert, cases / name, out=tmp_path / "gt.json", to="coco", strict=1.0)
    assert report.passed and report.images_written == images
    content = json.loads((tmp_path / "gt.json").read_text())
    assert len({image["id"] for image in content["images"]}) == len(content["images"]) == images
    assert len({image["file_name"] for image in content["images"]}) == images
    results = [
        {
            "image_id": row["image_id"],
            "category_id": row["category_id"],
            "segmentation": row["segmentation"],
            "score": 1,
        }
        for row in content["annotations"]
    ]
    (tmp_path / "dt.json").write_text(json.dumps(results))
    assert evaluate_files(tmp_path / "gt.json", tmp_path / "dt.json").stats["AP"] == pytest.approx(1)


# Results files: AP of masks, or words of the one sentence

EVALUATED: dict[str, float | str] = {
    "area_wrong": 1.0,
    "bbox_only_dt": 1.0,
    "bytes_dt": r"counts\.decode\(\)",
    "cat0": 1.0,
    "cat_big": 1.0,
    "cat_bool": 1.0,
    "cat_mixed": 0.5,  # the other class has ground truth and no detection
    "cat_none": 1.0,
    "cat_text": 1.0,
    "cat_text_int": 1.0,
    "catoff": 0.0,  # and a warning
    "crowd_bool": 1.0,
    "dict_dt": "save only the list under 'annotations'",
    "dupid": 1.0,  # with ids of their own; pycocotools takes the two annotations for one
    "empty_dt": 0.0,
    "emptyseg_g": "its segmentation is empty",
    "flat_g": 1.0,
    "float_ids": 1.0,
    "id0": 1.0,  # counted from 1; pycocotools takes the annotation of id 0 for no match
    "img_float_text": 1.0,
    "img_null": 1.0,
    "imgfile": "that is a file name; write the id of the image there, 1",
    "imgtext": 1.0,
    "nan": "its score is not a finite number",
    "noarea": "without 'area'",
    "nocrowd": 1.0,
    "nosize": "has no width and height, which masks need",
    "nullsize": "has no width and height, which masks need",
    "poly_dt": 1.0,
    "rlelist_g": 1.0,
    "score_missing": "without 'score'",
    "scores_text": 1.0,
    "two_px": "at least 3 points",
    "unknown_img": "references image 7, which is missing",
}


@pytest.mark.parametrize("name", EVALUATED)
def test_results_have_the_value_of_the_repaired_file_or_one_sentence(cases, name):
    gt, dt = (cases / "eval" / f"{name}_{which}.json" for which in ("gt", "dt"))
    expected = EVALUATED[name]
    if isinstance(expected, str):
        with pytest.raises(SeglabError, match=rf"{name}_(gt|dt)\.json.*{expected}"):
            evaluate_files(gt, dt)
        return
    metrics = evaluate_files(gt, dt)
    assert metrics.stats["AP"] == pytest.approx(expected) and bool(metrics.warnings) == (name == "catoff")


def test_every_pair_of_results_stands_in_the_table(cases):
    assert {path.name.removesuffix("_gt.json") for path in (cases / "eval").glob("*_gt.json")} == set(EVALUATED)
