"""The page holds what the explorer holds, exactly, and nothing from elsewhere."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from seglab.cli import main
from seglab.geometry.raster import fill
from seglab.widgets.page import explorer_page, picture_data, shape_data


def rings_of(path: str) -> list[np.ndarray]:
    """An SVG path of M, h, v and z, read back."""
    rings = []
    for part in re.findall(r"M(-?\d+) (-?\d+)([^M]*)z", path):
        ring = [np.array(part[:2], dtype=float)]
        for axis, step in re.findall(r"([hv])(-?\d+)", part[2]):
            ring.append(ring[-1] + (np.array([float(step), 0]) if axis == "h" else np.array([0, float(step)])))
        rings.append(np.array(ring))
    return rings


def test_paths_are_the_masks_exactly():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((7, 9)) < 0.6
        data = shape_data((2, 3, mask))
        assert np.array_equal(fill(rings_of(data["path"]), 12, 12)[3:10, 2:11], mask) and data["area"] == mask.sum()


def test_the_page_holds_every_candidate(scene):
    data = picture_data(scene, "a.jpg")
    assert len(data["found"]) == len(scene) and [item["score"] for item in data["found"]] == sorted(
        (item["score"] for item in data["found"]), reverse=True
    )
    assert len(data["truth"]) == len(scene.truth) and data["jpeg"].startswith("data:image/jpeg;base64,")


def test_the_page_asks_for_nothing(model, tmp_path):
    page = explorer_page(model, "toybox8-seg", tmp_path / "sub" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text and "default-src 'none'" in text
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.S)[1])
    assert next(item["name"] for item in data["pictures"]) == "000016.jpg" and data["names"]["0"] == "cup"
    assert len(text) < 2_000_000


@pytest.mark.parametrize("words", [["--html"], ["html=page.html"]])
def test_the_command_writes_it(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "model=toybox-n", "source=toybox8-seg", *words]) == 0
    name = "page.html" if "=" in words[0] else "explorer.html"
    assert (tmp_path / name).stat().st_size > 100_000 and name in capsys.readouterr().out
