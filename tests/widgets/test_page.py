"""The page holds what the explorer holds, exactly, and nothing from elsewhere."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from seglab.cli import main
from seglab.geometry.raster import fill
from seglab.widgets.page import MASK_THRESHOLDS, explorer_page, image_data, outline_code


def rings_of(code: str) -> list[np.ndarray]:
    """An outline's code, read back."""
    rings = []
    for left, top, letters in re.findall(r"(\d+) (\d+)([A-Za-z.]+)", code):
        steps = [0 if a == "." else ord(a) - 64 if a < "a" else 96 - ord(a) for a in letters]
        moves = [(0, step) if number % 2 else (step, 0) for number, step in enumerate(steps)]
        rings.append(np.cumsum([(float(left), float(top)), *moves], axis=0))
    return rings


def test_outlines_are_the_masks_exactly():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((7, 9)) < 0.6
        assert np.array_equal(fill(rings_of(outline_code((2, 3, mask))), 12, 12)[3:10, 2:11], mask)


@pytest.mark.parametrize("side", [1, 25, 26, 27, 52, 53, 200])
def test_outlines_may_have_long_sides(side):
    mask = np.ones((side, side), bool)
    mask[side // 3 : side // 2, side // 3 : side // 2] = False  # a hole, whose ring starts downwards
    assert np.array_equal(fill(rings_of(outline_code((0, 0, mask))), side, side), mask)


def test_the_page_cuts_masks_as_the_explorer_does(explored):
    data = image_data(explored, "a.jpg")
    size = explored.image.shape[:2]
    for place, level in enumerate(MASK_THRESHOLDS):
        for item, (x0, y0, mask) in zip(data["candidates"], explored.crops(range(len(data["candidates"])), level)):
            drawn = fill(rings_of(item["outlines"][place]), *size)
            assert np.array_equal(drawn[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]], mask)
            assert drawn.sum() == mask.sum()


def test_true_boxes_go_around_the_true_objects(explored):
    for item in image_data(explored, "a.jpg")["ground_truth"]:
        corners = np.concatenate(rings_of(item["outlines"][0]))
        assert item["box"] == [*corners.min(axis=0), *corners.max(axis=0)]


def test_the_page_holds_every_candidate(explored):
    data = image_data(explored, "a.jpg")
    assert len(data["candidates"]) == len(explored) and [item["score"] for item in data["candidates"]] == sorted(
        (item["score"] for item in data["candidates"]), reverse=True
    )
    assert len(data["ground_truth"]) == len(explored.ground_truth) and data["jpeg"].startswith(
        "data:image/jpeg;base64,"
    )


def test_the_page_asks_for_nothing(model, tmp_path):
    page = explorer_page(model, "toybox8-seg", tmp_path / "sub" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text and "default-src 'none'" in text
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.S)[1])
    assert next(item["name"] for item in data["images"]) == "000016.jpg" and data["names"]["0"] == "cup"
    assert len(text) < 2_000_000


@pytest.mark.parametrize("words", [["--html"], ["html=page.html"]])
def test_the_command_writes_it(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "model=toybox-n", "source=toybox8-seg", *words]) == 0
    name = "page.html" if "=" in words[0] else "explorer.html"
    assert (tmp_path / name).stat().st_size > 100_000 and name in capsys.readouterr().out
