"""A dataset given as what its YAML would hold, for scripts that write none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from seglab.files import atomic_write, cache_dir


def as_yaml(content: Mapping[str, Any]) -> Path:
    """Write the content of a dataset YAML into the cache, and give the file.

    It stays there: weights remember the dataset by it. Its `path` is made absolute, from the working directory.
    """
    root = Path(str(content.get("path") or ".")).absolute()
    text = yaml.safe_dump({**content, "path": str(root)}, sort_keys=False)
    name = f"given-{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    return atomic_write(cache_dir() / "given" / name, text.encode())
