"""Names, suffixes and folders lead to their format."""

from __future__ import annotations

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import registry as formats
from seglab.export.registry import load_runtime


def test_names_find_their_format(tmp_path):
    for name, row in formats.FORMATS.items():
        assert formats.find_format(name) == (name, row)
        assert formats.format_of(tmp_path / f"best{row.SUFFIX}") == row
        assert formats.model_path(tmp_path / f"best{row.SUFFIX}") == tmp_path / f"best{row.SUFFIX}"
    folder = tmp_path / "best_openvino_model"
    assert formats.format_of(folder / "model.xml") == formats.FORMATS["openvino"]
    assert formats.model_path(folder / "model.xml") == folder
    for row in formats.FORMATS.values():  # a model in a folder that is called like one is itself
        assert formats.model_path(folder / f"best{row.SUFFIX}") == folder / f"best{row.SUFFIX}"
        assert formats.format_of(folder / f"best{row.SUFFIX}") == row
    assert formats.format_of(tmp_path / "best.safetensors") is None


def test_a_file_inside_a_folder_is_that_model(network, metadata, images, tmp_path):
    pytest.importorskip("openvino")
    folder = tmp_path / "best_openvino_model"
    formats.FORMATS["openvino"].write(network, folder, metadata)
    assert load_runtime(folder / "model.xml").path == folder
    torch.testing.assert_close(load_runtime(folder / "model.xml").forward(images), load_runtime(folder).forward(images))


def test_files_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_runtime(tmp_path / "nothing.onnx")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SeglabError, match="not named like an exported model"):
        load_runtime(tmp_path / "notes.txt")
