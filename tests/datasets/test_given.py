"""A dataset given as what its YAML would hold."""

from __future__ import annotations

from seglab.datasets.given import as_yaml
from seglab.datasets.load import load_dataset


def test_a_dataset_given_as_a_dict_is_that_of_its_yaml(toybox, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.chdir(toybox.root)
    content = {"train": "images/train", "val": "images/val", "names": toybox.names}  # beside the working directory
    given = load_dataset(content)
    assert given.names == toybox.names and given.images("val") == toybox.images("val")
    assert as_yaml(content) == given.yaml and load_dataset(given.source).images("val") == given.images("val")
