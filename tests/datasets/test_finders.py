"""Names and who finds them, known in every process from `import seglab` on."""

import multiprocessing
import subprocess
import sys

import pytest

import seglab.datasets.finders as finders
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir


def test_a_registered_name_is_found_and_a_count_only_where_it_makes_sense(tmp_path, monkeypatch):
    monkeypatch.setattr(finders, "_FINDERS", dict(finders._FINDERS))
    asked = []

    def find(name, split):
        asked.append((name, split))
        return DatasetSpec(name, tmp_path, {}, {0: "cup"})

    finders.register_finder("mine", find)
    finders.register_finder("made", find, generated=True)
    assert load_dataset("mine", "val").names == {0: "cup"}
    load_dataset("made:7")
    assert asked == [("mine", "val"), ("made:7", None)]
    with pytest.raises(SeglabError, match=r"no dataset 'mine:7'.*toybox-fresh, mine, made"):
        load_dataset("mine:7")
    assert finders.finder_of("mine").find is find and finders.finder_of("nobody") is None


def test_import_seglab_registers_the_names_and_loads_nothing_heavy():
    code = (
        "import sys, seglab; from seglab.datasets.finders import registered_names;"
        "assert registered_names() == ['coco8-seg', 'coco128-seg', 'coco', 'toybox-seg', 'toybox-fresh'];"
        "heavy = {'numpy', 'torch', 'cv2', 'yaml', 'urllib.request', 'seglab.toybox.finder'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=bundled_data_dir().parent)


def train_images(source):
    return len(load_dataset(source).images("train"))


def test_names_are_known_in_spawned_processes():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(train_images, ("toybox-fresh:7",)) == 7
