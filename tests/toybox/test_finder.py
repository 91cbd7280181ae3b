"""The toybox by name."""

import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import label_path
from seglab.toybox import dataset as toybox


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))


def test_two_who_generate_the_same_scenes_at_once_both_have_all_of_them(tmp_path, monkeypatch):
    write, other = toybox._write_scenes, []

    def overtaken(*arguments):
        monkeypatch.setattr(toybox, "_write_scenes", write)
        other.append(load_dataset("toybox-seg:2"))
        return write(*arguments)

    monkeypatch.setattr(toybox, "_write_scenes", overtaken)
    assert load_dataset("toybox-seg:2") == other[0] == load_dataset("toybox-seg:2")
    assert all(image.is_file() and label_path(image).is_file() for image in sum(other[0].splits.values(), ()))
    assert [path.name for path in (tmp_path / "cache/datasets").iterdir()] == ["toybox-seg-2"]


@pytest.mark.parametrize("name", ["toybox-fresh:1", "toybox-fresh:many", "toybox-seg:-3"])
def test_a_number_of_scenes_that_is_none_is_refused(name):
    with pytest.raises(SeglabError, match="number of scenes"):
        load_dataset(name)
