"""What label files call images, and the files they mean."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.formats.image_names import (
    is_below,
    match_by_base_name,
    match_by_stem,
    own_name,
    plain_path,
    same_file,
)

from ..sources import TOOLS


@pytest.mark.parametrize("name", TOOLS)
def test_the_files_own_name_in_a_path_of_a_tool(name):
    assert own_name(plain_path(name)) == own_name(PurePosixPath(TOOLS[name]))


@pytest.mark.parametrize("name", [name for name in TOOLS if name[0] in "./C"])
def test_paths_of_other_machines_are_not_below_the_folder(name):
    assert not is_below(plain_path(name))


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


def test_folders_called_images_do_not_tell_files_apart():
    assert same_file("train/images/a.jpg", "train/a.jpg") and not same_file("train/a.jpg", "val/a.jpg")


def test_names_without_their_suffixes_mean_what_was_saved_anew():
    files = [Path("/d/a.jpg"), Path("/d/b.jpg"), Path("/d/b.tif"), Path("/d/c.webp")]
    wanted = [PurePosixPath(name) for name in ("a.png", "b.png", "x/c.bmp", "d.png")]
    assert match_by_stem(wanted, files) == {wanted[0]: files[0], wanted[2]: files[3]}, "two could be b.png"
