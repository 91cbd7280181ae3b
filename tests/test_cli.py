"""The command line's grammar and its exit status."""

from __future__ import annotations

import pytest

from seglab import __version__
from seglab.cli import MODES, main, parse
from seglab.errors import SeglabError


@pytest.mark.parametrize(
    "line",
    [
        "segment train data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
        "train segment data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
        "train data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
        "task=segment mode=train data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
    ],
)
def test_either_word_order_means_the_same(line):
    expected = {"data": "coco8-seg.yaml", "model": "yolo11n-seg.yaml", "epochs": 100, "imgsz": 640}
    assert parse(line.split()) == ("train", expected)


def test_values_become_what_they_look_like():
    _, options = parse(
        ["val", "a=1", "b=0.5", "c=True", "d=none", "e=[0,1]", "f=coco.yaml", "g='x y'", "h=", "i=1e-3", "--strict"]
    )
    assert options == {
        "a": 1, "b": 0.5, "c": True, "d": None, "e": [0, 1], "f": "coco.yaml", "g": "x y", "h": None, "i": 1e-3,
        "strict": True,
    }  # fmt: skip


def test_an_equals_sign_inside_a_value_stays():
    assert parse(["predict", "source=https://host/a.jpg?x=1"])[1] == {"source": "https://host/a.jpg?x=1"}


def test_a_wrong_mode_names_the_nearest_one():
    with pytest.raises(SeglabError, match="did you mean 'train'"):
        parse(["trian", "data=coco8-seg"])
    with pytest.raises(SeglabError, match="no key=value"):
        parse(["predict", "photo.jpg"])


def test_problems_are_one_line_and_status_2(capsys):
    assert main(["train", "epocs=3", "data=toybox8-seg"]) == 2
    assert "did you mean 'epochs'" in capsys.readouterr().err
    assert main(["val", "model=nowhere.safetensors"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("seglab: ") and "nowhere.safetensors" in error and len(error.strip().splitlines()) == 1


def test_version_and_help(capsys):
    assert main(["version"]) == 0 and capsys.readouterr().out.strip() == __version__
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(mode in shown for mode in MODES)
