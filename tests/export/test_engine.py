"""The fast engine is made once, agrees, and is found again."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.export import engine
from seglab.export.engine import PREFERRED
from seglab.export.inference_model import InferenceModel
from seglab.export.parity import LIMITS

NAMES = {0: "circle", 1: "square", 2: "star"}


def test_it_is_made_once_and_agrees(network, smooth, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "onnxruntime"})
    first = engine.select_engine(network, NAMES, (96, 96))
    monkeypatch.setattr(engine, "verify", lambda *arguments: pytest.fail("verified twice"))
    again = engine.select_engine(network, NAMES, (96, 96))
    assert [file.name for file in first.path.parent.iterdir()] == [first.path.name]
    assert first.path == again.path and again.metadata.parity and again.size is None
    images = smooth(2, (64, 128), seed=3)
    for given, expected in zip(again.forward(images), InferenceModel(network)(images)):
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-3)


def test_another_version_of_the_engine_or_of_seglab_is_judged_anew(network, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "onnxruntime"})
    judged = []
    monkeypatch.setattr(engine, "verify", lambda path, *arguments: judged.append(path.name))
    engine.select_engine(network, NAMES, (96, 96))
    with monkeypatch.context() as other:
        other.setattr(engine, "version", lambda distribution: "99.0")
        engine.select_engine(network, NAMES, (96, 96))
    monkeypatch.setattr(engine, "__version__", "99.1")
    engine.select_engine(network, NAMES, (96, 96))
    assert len(set(judged)) == 3 and "-99.0-" in judged[1] and "-99.1." in judged[2]


def test_a_faster_process_s_file_is_taken(network, tmp_path, monkeypatch):
    """A folder cannot replace one that has something in it."""
    pytest.importorskip("openvino")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"openvino": "openvino"})

    def verify(fresh, *arguments):
        shutil.copytree(fresh, fresh.parents[2] / fresh.name)  # meanwhile, in another process

    monkeypatch.setattr(engine, "verify", verify)
    runtime = engine.select_engine(network, NAMES, (96, 96))
    assert [place.name for place in runtime.path.parent.iterdir()] == [runtime.path.name]


def test_without_an_engine_there_is_none_and_a_line_says_so(network, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "no_such_package"})
    assert engine.select_engine(network, NAMES) is None
    assert not list(tmp_path.iterdir())
    assert (
        "using PyTorch, since no_such_package is not installed (pip install no_such_package)" in capsys.readouterr().out
    )


def test_an_engine_that_differs_is_not_used(network, monkeypatch, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "onnxruntime"})
    monkeypatch.setitem(LIMITS, "fp32", replace(LIMITS["fp32"], rounding=-1.0))
    assert engine.select_engine(network, NAMES, (96, 96)) is None
    assert "the onnx file fails the parity check" in capsys.readouterr().out


@pytest.mark.parametrize("step", ["converter", "check", "folder"])
def test_what_fails_on_the_way_is_a_line_and_no_error(step, network, monkeypatch, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "onnxruntime"})

    def fail(*arguments):
        raise RuntimeError(f"the {step} fails\nfor many reasons")

    if step == "folder":
        (tmp_path / "engines").write_text("a file where the folder should be")
    elif step == "converter":
        monkeypatch.setattr("seglab.export.onnx.write", fail)
    else:
        monkeypatch.setattr(engine, "verify", fail)
    assert engine.select_engine(network, NAMES, (96, 96)) is None
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "using PyTorch" in line]
    why = "NotADirectoryError: " if step == "folder" else f"RuntimeError: the {step} fails)"
    assert line.startswith(f"engine=auto: using PyTorch, since the onnx file could not be made ({why}")
    assert step == "folder" or not list((tmp_path / "engines").iterdir())


def test_a_damaged_file_in_the_cache_is_not_used_and_a_line_says_which(network, monkeypatch, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "onnxruntime"})
    monkeypatch.setattr(engine, "verify", lambda *arguments: True)
    path = engine.select_engine(network, NAMES, (96, 96)).path
    path.write_bytes(path.read_bytes()[:1000])
    assert engine.select_engine(network, NAMES, (96, 96)) is None
    assert f"using PyTorch, since {path} is damaged" in capsys.readouterr().out
    path.unlink()
    assert engine.select_engine(network, NAMES, (96, 96)).path == path


@pytest.mark.parametrize("package", [None, *PREFERRED.values()])
def test_prediction_takes_it_and_finds_the_same(package, monkeypatch, tmp_path):
    """The facade with every engine that is installed, and with none."""
    if package:
        pytest.importorskip(package)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {name: its for name, its in PREFERRED.items() if its == package})
    model, images = YOLO("toybox-n"), list(load_dataset("toybox8-seg").images("val"))
    expected, given = model.predict(images), model.predict(images, engine="auto")
    assert bool(package) == (tmp_path / "engines").exists()
    for one, other in zip(expected, given):
        assert len(one) == len(other) > 0
        torch.testing.assert_close(one.boxes.data, other.boxes.data, rtol=0, atol=5e-3)
        overlap = (one.masks.data.bool() & other.masks.data.bool()).sum() / one.masks.data.bool().sum()
        assert overlap > 0.999

    with torch.no_grad():  # other weights, another engine
        model.network.model[0].conv.weight.mul_(0.5)
    plain, fast = model.predict(images[0]), model.predict(images[0], engine="auto")
    torch.testing.assert_close(plain[0].boxes.data, fast[0].boxes.data, rtol=0, atol=5e-3)
    with pytest.raises(SeglabError, match="'auto'"):
        model.predict(images[0], engine="fast")
