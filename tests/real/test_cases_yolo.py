"""YOLO datasets of the shared cases: what each file of them gives, and that every case stands in some table."""

from __future__ import annotations

import re

import pytest

from seglab.convert import convert
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError

from . import test_cases as table
from . import test_labelling_tools as tools
from .test_cases import Case, alike, areas_of, quiet

ONE, TWO = (2426,), (2426, 2426)  # pixels of the polygon of one image, and of both
SAME = ("train", "val")  # both splits name the same images
NC = "nc is not the number of names: it says 3"

READ = {
    "y_[br] ümläut": Case(TWO, splits=SAME),
    "y_avif": Case(ONE * 6, splits=SAME),
    "y_onlyjfif": Case(TWO, splits=SAME),
    "y_upper": Case(TWO, splits=SAME),
    "y_caps": Case(TWO, splits=SAME),
    "y_beside_images": Case(TWO, splits=SAME),
    "images/y_beside": Case(TWO, splits=SAME),
    "lsuf": Case(TWO, ("cat", "dog"), (NC,), splits=SAME),
    "y_ckpt": Case(TWO, splits=SAME),
    "y_bool": Case(TWO, ("no", "yes", "on"), splits=SAME),
    "y_nc": Case(TWO, ("cat", "dog"), (NC,), splits=SAME),
    "y_winback": Case(TWO, splits=SAME),
    "y_winpath": Case(TWO, told=("path is not on this machine: 'C:\\data\\mine'",), splits=SAME),
    "y_cvat": Case(TWO),
    "ls_yolo": Case(ONE),
    "y_utf16": Case(TWO, splits=SAME),
    "y_twosuf": Case(ONE * 3, told=("one label file for several images: a.jpg and a.png",), splits=SAME),
    "two_suffix": Case((600, 600)),
    "y_box": Case(TWO, told=("the row has four numbers",), splits=SAME),
    "y_boxmix": Case(TWO * 2, told=("the row has four numbers",), splits=SAME),
    "y_comma": Case((1213, 1213), told=("commas between the numbers",), splits=SAME),
    "y_conf": Case(TWO, told=("an odd count of coordinates",), splits=SAME),
    "y_gap": Case((472, 472), told=("duplicate row: the same as row 1",), splits=SAME),
    "y_nan": Case((1229, 2426), ("cat", "dog"), (NC, "not finite numbers", "too few points"), splits=SAME),
}
REFUSED = {
    "y_class1": r"unknown class id: 1 is not among the 1 names",
    "y_from1": r"write names: \[cat, dog\] if labels count from 0",
    "y_pixels": "coordinates are not fractions: they reach 90; divide x by the width",
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read_alike_by_check_convert_and_training(cases, tmp_path, name):
    case = READ[name]
    report = quiet(check, cases / name, out=None)
    assert tuple(report.spec.names.values()) == case.classes and tuple(report.spec.splits) == case.splits
    areas, _ = areas_of(cases / name)
    assert alike(areas, case.areas * len(case.splits))
    converted = quiet(convert, cases / name, out=tmp_path / "out")
    assert converted.passed and converted.worst in (0.0 if converted.lost else 1.0, 1.0)
    assert converted.instances_back == len(case.areas)
    assert alike(areas_of(tmp_path / "out")[0], case.areas)
    for words in case.told:
        assert words in str(report) and words in str(converted)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_reason_by_training_check_and_convert(cases, tmp_path, name):
    with pytest.raises(SeglabError, match=REFUSED[name]) as caught:
        quiet(convert, cases / name, out=tmp_path / "out")
    assert not (tmp_path / "out").exists() and "\n" not in str(caught.value)
    try:
        said = str(quiet(check, cases / name, out=None))
    except SeglabError as error:
        said = str(error)
    assert re.search(REFUSED[name], said)


def test_every_case_stands_in_some_table(cases):
    tables = (READ, REFUSED, table.READ, table.REFUSED, table.NUMBERED, tools.LABELME)
    listed = {name.split("/")[0] for rows in tables for name in rows}
    elsewhere = {"eval", "pics", "vid", "p"}  # test_cases and test_cases_images have a line for each of their files
    assert {path.name for path in cases.iterdir()} == listed | elsewhere


def test_a_yaml_with_a_windows_path_is_found_by_its_own_folder(cases):
    assert load_dataset(cases / "y_winpath").root == (cases / "y_winpath").resolve()
