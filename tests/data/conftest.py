"""A small dataset on disk that every test of this folder may have."""

import numpy as np
import pytest
from PIL import Image

from seglab.data.catalogue import load_dataset, write_yaml

SIZES = [(48, 64), (64, 48), (64, 64), (40, 100), (100, 40), (200, 130)]  # (height, width), train; twice for val


@pytest.fixture
def make_shelf(tmp_path):
    """(number of training images) -> DatasetSpec: noise with two objects an image, classes 0 and 1."""

    def make(count=6):
        root = tmp_path / "shelf"
        for split in ("train", "val"):
            (root / "images" / split).mkdir(parents=True, exist_ok=True)
            (root / "labels" / split).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                rng = np.random.default_rng((number, split == "val"))
                noise = rng.integers(0, 255, (*SIZES[number % len(SIZES)], 3), np.uint8)
                Image.fromarray(noise).save(root / f"images/{split}/{number}.png")
                (root / f"labels/{split}/{number}.txt").write_text(
                    "0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6\n1 0.4 0.4 0.9 0.4 0.9 0.9\n"
                )
        write_yaml(root / "shelf.yaml", {"train": "images/train", "val": "images/val"}, {0: "cup", 1: "kite"})
        return load_dataset(root)

    return make
