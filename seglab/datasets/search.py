"""Where datasets are looked for by name."""

from __future__ import annotations

import os
from pathlib import Path

from seglab.files import bundled_data_dir, cache_dir


def downloads_dir() -> Path:
    """The folder of the cache that downloaded and generated datasets lie in."""
    return cache_dir() / "datasets"


def search_places() -> list[Path]:
    """The folders in which a name is looked for, in order: here, SEGLAB_DATASETS, the bundled data, the cache."""
    places = [Path.cwd()]
    if elsewhere := os.environ.get("SEGLAB_DATASETS"):
        places.append(Path(elsewhere))
    return [*places, bundled_data_dir(), downloads_dir()]
