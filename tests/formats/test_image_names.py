"""What label files call images, and the files they mean."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.formats.image_names import (
    ImageFinder,
    base_name,
    guessed_names,
    is_below,
    match_by_base_name,
    plain_path,
    same_file,
    without_images_folders,
)

TOOLS = {
    "images/x.jpg": "x.jpg",
    "images\\1/x.jpg": "x.jpg",
    "..\\..\\label-studio\\media\\upload\\4\\x.jpg": "x.jpg",
    "/data/upload/4/x.jpg": "x.jpg",
    "/data/local-files/?d=pics/x.jpg": "x.jpg",
    "/data/local-files/?d=my%20pics%2Fa%20b.jpg": "a b.jpg",
    "https://host.org/pics/x.jpg?X-Date=1/2": "x.jpg",
    "s3://bucket/pics/x.jpg": "x.jpg",
    "/home/me/pics/x.jpg": "x.jpg",
    "C:\\Users\\me\\x.jpg": "x.jpg",
    "file:///home/me/x.jpg": "x.jpg",
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_files_own_name_in_a_path_of_a_tool(name):
    assert base_name(plain_path(name)) == TOOLS[name]


@pytest.mark.parametrize("name", [name for name in TOOLS if name[0] in "./C"])
def test_paths_of_other_machines_are_not_below_the_folder(name):
    assert not is_below(plain_path(name))


def place(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def find(folder: Path, *names: str) -> list[str | None]:
    paths = [plain_path(name) for name in names]
    finder = ImageFinder(folder, lambda: paths)
    found = [finder.find(path) for path in paths]
    return [file.relative_to(folder).as_posix() if file else None for file in found]


@pytest.mark.parametrize("name", TOOLS)
def test_one_file_of_that_name_is_the_one_that_is_meant(name, tmp_path):
    place(tmp_path, f"deep/down/{TOOLS[name]}", "deep/other.jpg", f"{TOOLS[name]}.txt")
    assert find(tmp_path, name) == [f"deep/down/{TOOLS[name]}"]


def test_a_whole_path_wins_and_its_file_is_nobody_elses(tmp_path):
    place(tmp_path, "x/1.jpg")
    assert find(tmp_path, "y/1.jpg", "x/1.jpg") == [None, "x/1.jpg"]
    place(tmp_path, "z/1.jpg")
    assert find(tmp_path, "y/1.jpg", "x/1.jpg") == ["z/1.jpg", "x/1.jpg"]


def test_of_several_files_the_one_with_most_folders_in_common_is_meant_or_none(tmp_path):
    place(tmp_path, "x/1.jpg", "y/1.jpg")
    assert find(tmp_path, "/home/me/x/1.jpg", "/home/me/y/1.jpg") == ["x/1.jpg", "y/1.jpg"]
    assert find(tmp_path, "/home/me/1.jpg") == [None]
    assert find(tmp_path, "/one/x/1.jpg", "/two/x/1.jpg") == [None, None], "no file is meant by two names"


def test_letters_have_one_spelling_and_case_helps_where_it_differs(tmp_path):
    place(tmp_path, unicodedata.normalize("NFD", "grün.jpg"), "CAP.JPG")
    assert find(tmp_path, unicodedata.normalize("NFC", "grün.jpg"), "cap.jpg") == [
        unicodedata.normalize("NFD", "grün.jpg"),
        "CAP.JPG",
    ]


names = st.lists(st.sampled_from("abxy"), min_size=1, max_size=3).map("/".join).map(lambda path: f"{path}.jpg")


@given(st.lists(names, unique=True, max_size=5), st.lists(names, unique=True, max_size=5))
def test_a_match_is_never_shared_and_always_of_that_name(wanted, there):
    matched = match_by_base_name(map(PurePosixPath, wanted), map(Path, there))
    assert len(set(matched.values())) == len(matched)
    for name, file in matched.items():
        assert name.name == file.name and str(file) in there
    for name in map(PurePosixPath, wanted):
        alone = [other for other in wanted if PurePosixPath(other).name == name.name] == [str(name)]
        candidates = [file for file in there if PurePosixPath(file).name == name.name]
        if alone and len(candidates) == 1:
            assert matched[name] == Path(candidates[0])


def test_folders_called_images_are_no_part_of_a_new_name():
    assert without_images_folders(PurePosixPath("images/a.jpg")) == PurePosixPath("a.jpg")
    assert without_images_folders(PurePosixPath("train/images/images")) == PurePosixPath("train/images")
    assert same_file("train/images/a.jpg", "train/a.jpg") and not same_file("train/a.jpg", "val/a.jpg")


def test_what_was_guessed_is_told():
    issue = guessed_names("x.json", 2, Path("d/a.jpg"))
    assert issue.is_note and "2 images, e.g. a.jpg" in issue.message and "own name" in issue.action
