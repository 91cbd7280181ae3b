"""Labels that are damaged anywhere are told, left out or refused: reading them never fails deep inside."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from seglab.data.annotations import Annotations
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import IMAGE_SUFFIXES
from seglab.formats.registry import FORMATS

from .test_round_trip import HEIGHT, WIDTH, example, write
from .writers import MORE_WRITERS, WRITERS

VALUES = [None, [], {}, "x", "", -1, 0, True, 1e308, float("nan"), 10**30, [None], [[1, 2]], {"a": 1}]
PIECES = ["", "-", "x", '"', "<", "&", "{", ",", "9" * 20, "nan", "\0"]
ROUNDS = 30
TOOLS = [known for known in FORMATS if known.name not in ("coco", "yolo", "voc", "masks", "dsb2018", "cityscapes")]


def change_value(content: Any, chance: random.Random) -> None:
    """Put something else at a random place of a JSON, or take it away."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        for key in keys:
            places.append((value, key))
            walk(value[key])

    walk(content)
    parent, key = chance.choice(places)
    if isinstance(parent, dict) and chance.random() < 0.2:
        del parent[key]
    else:
        parent[key] = chance.choice(VALUES)


def change_text(text: str, chance: random.Random) -> str:
    """Put something else over a few characters at a random place."""
    start = chance.randrange(len(text))
    return text[:start] + chance.choice(PIECES) + text[start + chance.randrange(6) :]


def is_text(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES


def read_all(source: Path) -> None:
    spec = load_dataset(source)
    for split in spec.splits:
        annotations = Annotations(spec, split)
        for image in spec.images(split):
            annotations.read(image, (HEIGHT, WIDTH))


@pytest.mark.parametrize("known", TOOLS, ids=lambda known: known.name)
@pytest.mark.parametrize("form", [WRITERS, MORE_WRITERS], ids=["", "2"])
def test_damage_is_told_or_refused(known, form, tmp_path, monkeypatch):
    if form is MORE_WRITERS and known.name not in MORE_WRITERS:
        return
    monkeypatch.setitem(WRITERS, known.name, form.get(known.name, known.write))
    source = write(known, tmp_path / "sound", example())
    files = [path.relative_to(source) for path in sorted(source.rglob("*")) if is_text(path)]
    assert files, "labels are in text files"
    for round_number in range(ROUNDS):
        chance = random.Random(round_number)
        damaged = tmp_path / "damaged"
        shutil.copytree(source, damaged)
        file = damaged / chance.choice(files)
        if file.suffix == ".json" and round_number % 2:
            content = json.loads(file.read_text(encoding="utf-8"))
            change_value(content, chance)
            file.write_text(json.dumps(content), encoding="utf-8")
        else:
            file.write_text(change_text(file.read_text(encoding="utf-8"), chance), encoding="utf-8")
        with contextlib.suppress(SeglabError):
            read_all(damaged)
        shutil.rmtree(damaged)
