"""The recipes of docs/large-sources.md, run as they stand there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from seglab import YOLO
from seglab.geometry.rle import iou
from seglab.toybox.dataset import generate_dataset

PAGE = Path(__file__).resolve().parents[1] / "docs" / "large-sources.md"


def run_recipe(heading: str, **given: Any) -> dict[str, Any]:
    """Run the first block of the page and that of a heading, as a script would; the names they leave."""
    text = PAGE.read_text(encoding="utf-8")
    names = {"__name__": "__main__", **given}
    for part in (text, text[text.index(f"## {heading}") :]):
        block = re.search(r"```python\n(.*?)```", part, re.DOTALL)
        assert block
        exec(block[1], names)
    return names


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[str]:
    """Two scenes, a damaged image and one that is missing."""
    folder = tmp_path_factory.mktemp("large")
    data = generate_dataset(folder / "data", 2, seed=3, val=0.5)
    images = sorted(str(path) for path in data.parent.rglob("*.jpg"))
    damaged = folder / "damaged.jpg"
    damaged.write_bytes(Path(images[0]).read_bytes()[:2000])
    return [*images, str(damaged), str(folder / "missing.jpg")]


def check_rows(rows: dict[str, tuple[str, str]], paths: list[str]) -> None:
    """rows: path -> found, error. They are what predict gives."""
    model = YOLO("toybox-n")
    assert sorted(rows) == sorted(paths)
    for path in paths[:2]:
        text, error = rows[path]
        found = json.loads(text)
        expected = model.predict(path)[0].to_coco(0)  # on other threads, so that the last digits differ
        assert error == "" and len(found) > 0
        assert [row["category_id"] for row in found] == [row["category_id"] for row in expected]
        assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-3)
        masks = iou([row["segmentation"] for row in found], [row["segmentation"] for row in expected])
        assert masks.diagonal().min() > 0.99
    assert all(found == "" and path in error for path, (found, error) in rows.items() if path in paths[2:])


def test_what_both_recipes_share(paths):
    text = PAGE.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    model = YOLO("toybox-n")
    check_rows({path: names["segment"](model, path) for path in paths}, paths)


def test_ray_data(paths, tmp_path):
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    pandas = pytest.importorskip("pandas")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        run_recipe("Ray Data", paths=paths, out=str(tmp_path / "out"))
        table = pandas.read_parquet(tmp_path / "out")
    finally:
        ray.shutdown()
    check_rows({row.path: (row.found, row.error) for row in table.itertuples()}, paths)


def test_spark(paths, tmp_path, monkeypatch):
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        run_recipe("Spark", paths=paths, out=str(tmp_path / "out"), spark=session)
        rows = {row.path: (row.found, row.error) for row in session.read.parquet(str(tmp_path / "out")).collect()}
    finally:
        session.stop()
    check_rows(rows, paths)
