"""Instance-mask PNGs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from seglab.convert import convert
from seglab.convert.rows import same
from seglab.errors import SeglabError
from seglab.geometry.rle import encode

from ..sources import (
    ids_picture,
    picture,
    read_back,
)


def test_instance_masks(tmp_path):
    ids = ids_picture()
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / "photos" / name)
    folder = tmp_path / "masks"
    for name in ("cell/a.png", "nucleus/a.png", "cell/lost.png", "cell/b.png", "nucleus/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(folder / "cell/a.png")
    Image.fromarray(ids.astype(np.uint16) * 300).save(folder / "nucleus/a.png")
    Image.fromarray(ids).save(folder / "cell/lost.png")
    Image.fromarray(np.stack((ids * 20, ids, ids), axis=2)).save(folder / "cell/b.png")
    Image.fromarray(ids[:10]).save(folder / "nucleus/b.png")
    with pytest.raises(SeglabError, match="images="):
        convert(folder, out=tmp_path / "out")
    report = convert(folder, images=tmp_path / "photos", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (3, 2, 9, 3)
    assert "two sizes" in str(report) and "missing image" in str(report)
    found = read_back(tmp_path / "out", "train")
    for name, classes in (("a.jpg", [0, 0, 1, 1]), ("b.jpg", [0, 0])):
        assert [each.class_id for each, _ in found[name]] == classes
        for (_, mask), value in zip(found[name], (1, 7, 1, 7)):
            assert same(mask, encode(ids == value)) == 1.0
