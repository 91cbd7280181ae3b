"""Where names are looked for, and in which order."""

from pathlib import Path

from seglab.datasets.search import downloads_dir, search_places
from seglab.files import bundled_data_dir


def test_the_working_directory_comes_first_and_the_cache_last(tmp_path, monkeypatch):
    assert downloads_dir() == tmp_path / "cache/datasets"
    assert search_places() == [Path.cwd(), bundled_data_dir(), downloads_dir()]
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "mine"))
    assert search_places() == [Path.cwd(), tmp_path / "mine", bundled_data_dir(), downloads_dir()]
