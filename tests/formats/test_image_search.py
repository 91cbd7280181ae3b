"""Finding the image of a label."""

from __future__ import annotations

import unicodedata

import pytest

from seglab.formats.image_search import plain_names, search_from, split_of

from ..sources import picture


@pytest.mark.parametrize(
    "said",
    ["a.jpg", "images/a.jpg", "images\\a.jpg", "C:\\me\\a.jpg", "..\\..\\media\\upload\\4\\a.jpg", "/data/A.JPG"],
)
def test_a_name_that_is_there_once_is_found(tmp_path, said):
    picture(tmp_path / "images/a.jpg")
    assert search_from(tmp_path).find(said) == tmp_path / "images/a.jpg"
    assert search_from(tmp_path / "labels").find(said) == tmp_path / "images/a.jpg"
    assert search_from(tmp_path / "elsewhere" / "labels", tmp_path / "images").find(said) == tmp_path / "images/a.jpg"


@pytest.mark.parametrize("said", ["", "..", "b.jpg", "a\0.jpg", "a.jpg.png"])
def test_nothing_else_is(tmp_path, said):
    picture(tmp_path / "images/a.jpg")
    assert search_from(tmp_path).find(said) is None


def test_a_name_in_two_folders_is_told_apart_by_them_or_not_guessed(tmp_path):
    for folder in ("x", "y"):
        picture(tmp_path / folder / "a.jpg")
    search = search_from(tmp_path)
    assert search.find("D:/raw/y/a.jpg") == tmp_path / "y/a.jpg"
    assert search.find("D:/raw/a.jpg") is None
    (issue,) = search.issues()
    assert issue.message == f"images not where the labels say: 1, as 'D:/raw/y/a.jpg' in {tmp_path / 'y/a.jpg'}"


def test_an_image_that_was_saved_in_another_format_is_found_and_told(tmp_path):
    picture(tmp_path / "images/a.jpg")
    picture(tmp_path / "images/b.jpg")
    picture(tmp_path / "images/b.bmp")
    search = search_from(tmp_path)
    assert search.find("a.PNG") == tmp_path / "images/a.jpg"
    assert search.find("b.png") is None, "two could be meant"
    assert [issue.message.split(":")[0] for issue in search.issues()] == [
        "images with another suffix than the labels say"
    ]


def test_both_spellings_of_an_accent_are_one_name(tmp_path):
    picture(tmp_path / unicodedata.normalize("NFD", "größe.jpg"))
    assert search_from(tmp_path).find(unicodedata.normalize("NFC", "größe.jpg")) is not None


def test_splits_by_the_names_of_folders():
    assert [split_of([name]) for name in ("Train", "valid", "val2017", "Validation", "testing", "x")] == [
        "train",
        "val",
        "val",
        "val",
        "test",
        "train",
    ]
    assert split_of(["x", "val"], "test") == "val" and split_of([], "test") == "test"


def test_names_are_plain_where_they_can_be(tmp_path):
    one, two, three = tmp_path / "x/a.jpg", tmp_path / "y/a.jpg", tmp_path / "y/b.jpg"
    assert plain_names([("train", one), ("train", three)]) == {one: "a.jpg", three: "b.jpg"}
    assert plain_names([("train", one), ("train", two)]) == {one: "x/a.jpg", two: "y/a.jpg"}
    assert plain_names([("train", one), ("val", two)]) == {one: "a.jpg", two: "a.jpg"}
