"""`seglab cache` lists what is in the cache folder and removes what it is told to, and nothing else."""

from __future__ import annotations

import pytest

from seglab import SeglabError, files
from seglab.cache import UNFINISHED, cache_entries, clear_cache, describe_cache
from seglab.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("SEGLAB_CACHE", str(folder))
    return folder


@pytest.fixture
def filled(cache):
    for name, size in {"yolo11n-seg.pt": 3000, "datasets/coco8-seg/images/a.jpg": 500, "scans/1.json": 20}.items():
        path = cache / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (cache / "datasets/coco8-seg/b.txt").write_bytes(bytes(7))
    return cache


def test_there_may_be_no_cache_yet(cache):
    assert cache_entries() == [] and describe_cache() == f"The cache {cache} is empty."
    assert clear_cache("all") == [] and not cache.exists()


def test_entries_are_what_the_user_asked_for(filled):
    found = {entry.name: (entry.files, entry.size) for entry in cache_entries()}
    assert found == {"datasets/coco8-seg": (2, 507), "scans": (1, 20), "yolo11n-seg.pt": (1, 3000)}


def test_one_entry_is_removed_and_the_rest_stays(filled, capsys):
    assert main(["cache", "clear=datasets/coco8-seg"]) == 0
    assert not (filled / "datasets/coco8-seg").exists() and (filled / "yolo11n-seg.pt").exists()
    assert "removed datasets/coco8-seg" in capsys.readouterr().out
    assert main(["cache", "clear=all"]) == 0
    assert cache_entries() == []


@pytest.mark.parametrize("name", ["nothing", "../elsewhere", "datasets/../yolo11n-seg.pt", "", "/"])
def test_only_entries_are_removed(filled, tmp_path, name):
    (tmp_path / "elsewhere").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SeglabError, match="has no item"):
        clear_cache(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_is_removed_and_not_what_it_leads_to(filled, tmp_path):
    own = tmp_path / "photos"
    own.mkdir()
    (own / "a.jpg").write_bytes(bytes(9000))
    (filled / "datasets/mine").symlink_to(own)
    (entry,) = [entry for entry in cache_entries() if entry.name == "datasets/mine"]
    assert entry.size < 9000
    clear_cache("datasets/mine")
    assert (own / "a.jpg").exists() and not (filled / "datasets/mine").exists()


def test_what_interrupted_runs_left_is_called_so(filled):
    (filled / "coco.zip.part").write_bytes(bytes(5))
    dead = files.part_name(filled / "datasets/coco").rpartition(".")[0] + ".999999999.abc"
    (filled / "datasets" / dead).mkdir()
    unfinished = {entry.name for entry in cache_entries() if entry.purpose == UNFINISHED}
    assert unfinished == {"coco.zip.part", f"datasets/{dead}"}
