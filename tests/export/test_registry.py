"""Names, suffixes and folders lead to their format."""

from __future__ import annotations

import os

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import registry as formats
from seglab.export.registry import FORMATS, load_runtime


def test_names_find_their_format(tmp_path):
    for name, row in FORMATS.items():
        assert formats.find_format(name) == (name, row)
        assert formats.format_of(tmp_path / f"best{row.SUFFIX}") == row
        assert formats.model_path(tmp_path / f"best{row.SUFFIX}") == tmp_path / f"best{row.SUFFIX}"
    folder = tmp_path / "best_openvino_model"
    assert formats.format_of(folder / "model.xml") == FORMATS["openvino"]
    assert formats.model_path(folder / "model.xml") == folder
    for row in FORMATS.values():  # a model in a folder that is called like one is itself
        assert formats.model_path(folder / f"best{row.SUFFIX}") == folder / f"best{row.SUFFIX}"
        assert formats.format_of(folder / f"best{row.SUFFIX}") == row
    assert formats.format_of(tmp_path / "best.safetensors") is None


def test_a_file_inside_a_folder_is_that_model(network, metadata, images, tmp_path):
    pytest.importorskip("openvino")
    folder = tmp_path / "best_openvino_model"
    FORMATS["openvino"].write(network, folder, metadata)
    assert load_runtime(folder / "model.xml").path == folder
    torch.testing.assert_close(load_runtime(folder / "model.xml").forward(images), load_runtime(folder).forward(images))


def test_files_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_runtime(tmp_path / "nothing.onnx")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SeglabError, match="not named like an exported model"):
        load_runtime(tmp_path / "notes.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
@pytest.mark.parametrize("suffix", sorted({its.SUFFIX for its in FORMATS.values()}))
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path, suffix):
    """Not as the model, and not within its folder: the first would wait for a writer, the second never ends."""
    pipe, device = tmp_path / f"pipe{suffix}", tmp_path / f"device{suffix}"
    folder = tmp_path / f"folder{suffix}"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    (folder / "inner").mkdir(parents=True)
    os.mkfifo(folder / "inner/metadata.yaml")
    for path in (pipe, device, folder):
        with pytest.raises(SeglabError, match="is a pipe or a device"):
            load_runtime(path, trust=True)
