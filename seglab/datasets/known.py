"""The archives that are downloaded by name."""

from __future__ import annotations

from seglab.datasets.downloads import fetch
from seglab.datasets.folder import read_folder
from seglab.datasets.search import downloads_dir
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.unpack import extract_zip
from seglab.errors import SeglabError


def find_archive(name: str, split: str | None = None) -> DatasetSpec:
    """One of ARCHIVES, from the cache, downloaded and unpacked into it on first use. split: takes all splits anyway.

    Errors: SeglabError when it cannot be downloaded, or its folder in the cache has lost its images.
    """
    root = downloads_dir() / name
    if not root.is_dir():
        extract_zip(fetch(f"{name}.zip"), root)
    found = read_folder(root)
    if found is None:
        raise SeglabError(f"{root} lacks folders of the dataset {name}: delete it, and it will be downloaded again")
    return found
