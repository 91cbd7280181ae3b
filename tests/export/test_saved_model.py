"""SavedModels have the names, shapes and units that programs for other YOLO files use."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import saved_model, trust
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import load_runtime

from .written import written


def test_without_the_converter_the_error_says_how_to_make_its_environment(network, metadata, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx2tf", None)
    with pytest.raises(SeglabError, match=r"separate environment.*pip install . onnx2tf"):
        saved_model.write(network, tmp_path / "model_saved_model", metadata)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_a_program_that_opens_where_it_was_made_or_is_trusted(tmp_path, monkeypatch):
    """And a change of any file in it makes it a stranger's again."""
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "best_saved_model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables/variables.index").write_bytes(b"weights")
    with pytest.raises(SeglabError, match=r"is a program.*trust=True"):
        load_runtime(folder)
    trust.remember(folder)
    copied = tmp_path / "copy_saved_model"
    shutil.copytree(folder, copied)
    assert trust.is_remembered(copied)
    (copied / "variables/variables.index").write_bytes(b"others")
    assert not trust.is_remembered(copied)


def test_programs_written_for_other_saved_models_run_it(network, metadata, images, tmp_path):
    """As they do: load, call with images (B, H, W, 3), multiply boxes by the image's size."""
    path = written("saved_model", network, metadata, tmp_path)
    import tensorflow

    assert {file.name for file in path.iterdir()} >= {"saved_model.pb", "variables", "metadata.yaml"}
    assert not list(path.glob("*.tflite"))  # which the converter writes too
    model = tensorflow.saved_model.load(str(path))
    values = images[:1].permute(0, 2, 3, 1).numpy()
    named = model.signatures["serving_default"](images=tensorflow.constant(values))
    assert named["output_0"].shape == (1, 39, 525) and named["output_1"].shape == (1, 40, 40, 32)
    predictions, prototypes = (output.numpy() for output in model(values))
    np.testing.assert_array_equal(predictions, named["output_0"].numpy())

    expected, expected_prototypes = InferenceModel(network)(images[:1])
    torch.testing.assert_close(torch.from_numpy(predictions[:, :4] * 160), expected[:, :4], rtol=0, atol=2e-3)
    other = torch.from_numpy(prototypes).permute(0, 3, 1, 2)
    torch.testing.assert_close(other, expected_prototypes, rtol=0, atol=1e-4)
