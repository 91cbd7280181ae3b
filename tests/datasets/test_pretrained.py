"""Weights are found by file, by official name, and by the name of the course's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from seglab.datasets import pretrained
from seglab.datasets.pretrained import COURSE_WEIGHTS, find_weights
from seglab.errors import SeglabError


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    """What would be downloaded."""
    monkeypatch.chdir(tmp_path)
    names = []
    monkeypatch.setattr(pretrained, "fetch", lambda name: names.append(name) or Path("cache") / name)
    return names


def test_the_course_weights_come_with_seglab(fetched):
    for name in (COURSE_WEIGHTS, f"{COURSE_WEIGHTS}.pt"):
        assert find_weights(name).is_file()
    assert not fetched


@pytest.mark.parametrize("name", ["yolo11n-seg", "yolo11n-seg.pt", "weights/yolo11n-seg.pt"])
def test_official_names_are_downloaded(fetched, name):
    assert find_weights(name) == Path("cache/yolo11n-seg.pt") and fetched == ["yolo11n-seg.pt"]


def test_detection_weights_mean_those_with_masks_and_say_so(fetched, capsys):
    find_weights("yolo11n.pt")
    assert fetched == ["yolo11n-seg.pt"] and "predicts boxes only: using yolo11n-seg.pt" in capsys.readouterr().out


def test_a_file_that_is_there_wins_and_pt_finds_safetensors(fetched, tmp_path):
    (tmp_path / "best.safetensors").touch()
    assert find_weights("best.pt") == Path("best.safetensors")
    (tmp_path / "yolo11n-seg.pt").touch()
    assert find_weights("yolo11n-seg.pt") == find_weights("yolo11n-seg") == Path("yolo11n-seg.pt") and not fetched
    assert find_weights(tmp_path / "best") == tmp_path / "best.safetensors"


def test_an_unknown_name_lists_the_known_ones(fetched):
    with pytest.raises(SeglabError, match=f"no model 'squeezenet': .*{COURSE_WEIGHTS}.*yolo11x-seg"):
        find_weights("squeezenet")
    with pytest.raises(SeglabError, match=r"no model 'yolo12-seg', since seglab has YOLO11 only: use yolo11n-seg\.pt"):
        find_weights("yolo12-seg")
