"""The names that `import seglab` registers are found, each by what makes or downloads it."""

from __future__ import annotations

import sys

import pytest

import seglab
from seglab.datasets.finders import finder_of, registered_names
from seglab.errors import SeglabError


def test_the_names_are_registered_by_import():
    assert seglab.__name__ in sys.modules
    assert {"coco8-seg", "coco128-seg", "coco", "toybox-seg", "toybox-fresh"} <= set(registered_names())


@pytest.mark.parametrize(
    ("name", "is_generated"), [("coco8-seg", False), ("coco", False), ("toybox-seg", True), ("toybox-fresh", True)]
)
def test_only_generated_names_take_a_count(name, is_generated):
    assert finder_of(name).generated == is_generated
    assert (finder_of(f"{name}:20") is not None) == is_generated


def test_a_finder_makes_what_its_name_says():
    spec = finder_of("toybox-fresh").find("toybox-fresh:9", None)
    assert spec.name.startswith("toybox-fresh") and len(spec.images("train")) == 9
    with pytest.raises(SeglabError, match="many"):
        finder_of("toybox-fresh").find("toybox-fresh:many", None)


def test_archives_are_not_fetched_where_the_network_is_off(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path))
    for name in ("coco8-seg", "coco"):
        with pytest.raises(SeglabError, match="SEGLAB_OFFLINE"):
            finder_of(name).find(name, None)
    assert not list(tmp_path.rglob("*.zip"))
