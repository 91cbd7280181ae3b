"""Label files: what is good is read, what is bad is told with file and line, nothing raises."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.formats import yolo
from seglab.formats.issues import raise_first
from seglab.formats.yolo import read_labels
from seglab.geometry.polygons import join_rings, ring_area

NAMES = {0: "cup", 1: "kite"}
SQUARE = "0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6"
RING = np.array([[10, 40], [50, 40], [50, 120], [10, 120]])  # SQUARE in an image of 100 x 200


def read(tmp_path, text):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    return read_labels(tmp_path / "a.txt", 100, 200, NAMES)


def test_a_good_file(tmp_path):
    instances, problems = read(tmp_path, f"0 {SQUARE}\n\n1.0 0 0 1 0 1 1\n")
    assert not problems and [o.class_id for o in instances] == [0, 1]
    assert np.allclose(instances[0].rings[0], RING) and len(instances[0].rings) == 1
    assert all(ring_area(o.rings[0]) > 0 for o in instances)


def test_orientation_says_solid_whatever_the_row_says(tmp_path):
    (clockwise,), _ = read(tmp_path, "0 0.1 0.6 0.5 0.6 0.5 0.2 0.1 0.2")
    assert ring_area(clockwise.rings[0]) == pytest.approx(3200)


def test_parts_and_holes_come_back(tmp_path):
    hole = np.array([[20.0, 60], [20, 100], [40, 100], [40, 60]])
    part = np.array([[60.0, 40], [90, 40], [90, 80]])
    row = join_rings([RING.astype(float), hole, part]) / (100, 200)
    (found,), problems = read(tmp_path, "1 " + " ".join(f"{value:.17g}" for value in row.ravel()))
    assert not problems
    assert sorted(ring_area(ring) for ring in found.rings) == pytest.approx([-800, 600, 3200])


@pytest.mark.parametrize(
    ("row", "what", "kept"),
    [
        ("2 " + SQUARE, "class id", False),
        ("-1 " + SQUARE, "class id", False),
        ("0.5 " + SQUARE, "class id", False),
        ("nan " + SQUARE, "class id", False),
        ("0 0.1 0.1", "too few points", False),
        ("0", "too few points", False),
        ("cup " + SQUARE, "not a row of numbers", False),
        ("0 0.1 0.1 0.2 x 0.3 0.3", "not a row of numbers", False),
        ("0 10 20 50 20 50 60", "not fractions", False),
        ("0 0.1 0.1 0.1 0.5 0.1 0.9", "no area", False),
        ("0 -0.5 0.1 -0.1 0.1 -0.1 0.5", "no area", False),
        ("0 0.3 0.4 0.4 0.4", "read as a rectangle", True),
        (f"0 {SQUARE} 0.7", "last number left out", True),
        (f"0 {SQUARE} nan 0.5", "points left out", True),
        (f"0 {SQUARE} inf 0.5", "points left out", True),
        ("0 nan nan 0.1 0.1 0.5 0.5", "too few points", False),
        ("0 -0.1 0.2 0.5 0.2 0.5 0.6 -0.1 0.6", "cut at the border", True),
        ("0 0.1 0.2 1.3 0.2 1.3 0.6 0.1 0.6", "cut at the border", True),
    ],
)
def test_bad_rows(tmp_path, row, what, kept):
    instances, problems = read(tmp_path, f"1 {SQUARE}\n{row}\n1 0 0 1 0 1 1")
    assert len(instances) == 2 + kept
    (problem,) = problems
    assert what in f"{problem.message} {problem.action}"
    assert problem.line == 2 and problem.path.endswith("a.txt") and problem.action and not problem.is_note
    for instance in instances:
        points = np.concatenate(instance.rings)
        assert np.isfinite(points).all() and (points >= 0).all() and (points <= (100, 200)).all()
    with pytest.raises(SeglabError, match=r"a\.txt:2"):
        raise_first(problems)


def test_a_row_with_several_faults_is_one_problem(tmp_path):
    _, (problem,) = read(tmp_path, "0 nan 0.1 0.2 0.2 0.3 0.3 0.4")
    assert problem.type == ("too few points", "row left out")  # what decided comes first
    assert problem.message.endswith("not finite numbers; an x without its y: the row has an odd count of coordinates")
    instances, (problem,) = read(tmp_path, f"0 {SQUARE} nan 0.5 1.5 0.6 0.7")
    assert len(instances) == 1
    assert problem.action == "last number left out, those points left out, cut at the border"


def test_rounding_is_no_problem(tmp_path):
    (found,), problems = read(tmp_path, "0 -0.00001 0.2 0.5 0.2 1.00001 0.6")
    assert not problems and np.concatenate(found.rings).min() >= 0


def test_duplicates_are_named(tmp_path):
    instances, problems = read(tmp_path, f"0 {SQUARE}\n1 {SQUARE}\n0 {SQUARE}\n")
    assert len(instances) == 2 and problems[0].line == 3 and "row 1" in problems[0].message
    instances, problems = read(tmp_path, f"0 {SQUARE}\n0\t{SQUARE}  \r\n")
    assert len(instances) == 1 and "row 1" in problems[0].message


@pytest.mark.parametrize("text", ["", "\n \n", None])
def test_empty_and_missing_files_are_notes(tmp_path, text):
    instances, problems = read(tmp_path, text) if text is not None else read_labels(tmp_path / "b.txt", 1, 1, NAMES)
    assert instances == [] and len(problems) == 1 and problems[0].is_note
    raise_first(problems)


def test_a_label_file_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "a.txt").mkdir()
    instances, (problem,) = read_labels(tmp_path / "a.txt", 1, 1, NAMES)
    assert instances == [] and "unreadable label file" in problem.message and not problem.is_note
    assert problem.unusable and problem.lost  # its image is no background


def test_a_disk_that_fails_decides_nothing(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(yolo, "read_text", fail)
    with pytest.raises(SeglabError, match=r"a\.txt cannot be read now .*: check the disk"):
        read_labels(tmp_path / "a.txt", 1, 1, NAMES)


def test_byte_order_mark_and_odd_bytes(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf0 " + SQUARE.encode() + b"\r\n\xff\xfe 1 2\r\n")
    instances, problems = read_labels(tmp_path / "a.txt", 100, 200, NAMES)
    assert len(instances) == 1 and problems[0].line == 2


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789.-+einfax \n\t", max_size=200))
def test_nothing_raises_and_nothing_escapes(tmp_path_factory, text):
    instances, _ = read(tmp_path_factory.mktemp("labels"), text)
    for instance in instances:
        points = np.concatenate(instance.rings)
        assert np.isfinite(points).all() and (points >= 0).all() and (points <= (100, 200)).all()


def test_real_labels(datasets_folder):
    files = sorted((datasets_folder / "coco8-seg/labels").rglob("*.txt"))
    read = [read_labels(path, 640, 480, range(80)) for path in files]
    assert sum(len(instances) for instances, _ in read) == 30 and not any(problems for _, problems in read)


def test_rows_with_commas_and_in_utf_16_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("0, 0.1, 0.1, 0.5, 0.1, 0.5, 0.5\n")
    instances, issues = read_labels(tmp_path / "a.txt", 100, 100, ["cup"])
    assert len(instances) == 1 and [issue.message for issue in issues] == ["commas between the numbers"]
    (tmp_path / "b.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n", encoding="utf-16")
    instances, issues = read_labels(tmp_path / "b.txt", 100, 100, ["cup"])
    assert len(instances) == 1 and not issues
