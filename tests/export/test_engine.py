"""The fast engine is made once, agrees, and is found again."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.device import has_bf16_units
from seglab.errors import SeglabError
from seglab.export import engine, parity
from seglab.export.inference_model import InferenceModel
from seglab.export.parity import LIMITS
from seglab.geometry.boxes import box_iou

NAMES = {0: "circle", 1: "square", 2: "star"}
INSTALLED = {"openvino": "openvino", "onnx": "onnxruntime"}  # as the library prefers them; tests run without


@pytest.fixture(params=INSTALLED)
def only(request, monkeypatch, tmp_path):
    """The name of a format whose package is the only one that is installed, with an empty cache."""
    pytest.importorskip(INSTALLED[request.param])
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {request.param: INSTALLED[request.param]})
    return request.param


def cached(folder) -> list[str]:
    return sorted(path.name for path in (folder / "engines").iterdir())


def test_it_is_made_once_and_agrees(only, network, smooth, tmp_path, monkeypatch, capsys):
    first = engine.engine_file(network, NAMES, (96, 96))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"engine=auto: exporting the network for {INSTALLED[only]} and checking")
    monkeypatch.setattr(parity, "measure", lambda *arguments: pytest.fail("verified twice"))
    assert engine.engine_file(network, NAMES, (96, 96)) == first and cached(tmp_path) == [first.name]
    assert not capsys.readouterr().out
    images = smooth(2, (64, 128), seed=3)
    expected = InferenceModel(network)(images)
    for streams in (1, 2):
        runtime = engine.open_engine(first, streams)
        assert runtime.metadata.parity and runtime.size is None
        for given, wanted in zip(runtime.forward(images), expected):
            torch.testing.assert_close(given, wanted, rtol=1e-3, atol=1e-3)


def test_several_threads_call_it_at_once(only, network, smooth):
    runtime = engine.open_engine(engine.engine_file(network, NAMES, (96, 96)), streams=3)
    images = [smooth(1, (64, 96 + 32 * (seed % 3)), seed) for seed in range(12)]
    expected = [runtime.forward(each) for each in images]
    with ThreadPoolExecutor(3) as pool:
        for given, wanted in zip(pool.map(runtime.forward, images), expected):
            assert torch.equal(given[0], wanted[0]) and torch.equal(given[1], wanted[1])


def test_another_version_of_the_engine_or_of_seglab_is_judged_anew(only, network, monkeypatch):
    judged = []
    monkeypatch.setattr(parity, "measure", lambda path, *arguments: judged.append(path.name) or ("", []))
    engine.engine_file(network, NAMES, (96, 96))
    with monkeypatch.context() as other:
        other.setattr(engine, "version", lambda distribution: "99.0")
        engine.engine_file(network, NAMES, (96, 96))
    monkeypatch.setattr(engine, "__version__", "99.1")
    engine.engine_file(network, NAMES, (96, 96))
    assert len(set(judged)) == 3 and "-99.0-" in judged[1] and "-99.1" in judged[2]


def test_a_faster_process_s_file_is_taken(only, network, tmp_path, monkeypatch):
    """A folder cannot replace one that has something in it."""

    def measure(fresh, *arguments):  # meanwhile, in another process
        copy = shutil.copytree if fresh.is_dir() else shutil.copy
        copy(fresh, fresh.parents[2] / fresh.name)
        return "", []

    monkeypatch.setattr(parity, "measure", measure)
    path = engine.engine_file(network, NAMES, (96, 96))
    assert cached(tmp_path) == [path.name]


def test_where_none_is_installed_nothing_is_said(network, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(engine, "PREFERRED", {"onnx": "no_such_package"})
    assert engine.engine_file(network, NAMES) is None
    assert not list(tmp_path.iterdir()) and not capsys.readouterr().out


@pytest.mark.parametrize("step", ["converter", "check", "limits"])
def test_what_fails_is_remembered_and_said_in_a_line(step, only, network, monkeypatch, tmp_path, capsys):
    def fail(*arguments):
        raise RuntimeError(f"the {step} fails\nfor many reasons")

    if step == "converter":
        monkeypatch.setattr(f"seglab.export.{only}.write", fail)
        why = "could not be made (RuntimeError: the converter fails)"
    elif step == "check":
        monkeypatch.setattr(parity, "measure", fail)
        why = "could not be made (RuntimeError: the check fails)"
    else:
        monkeypatch.setitem(LIMITS, "fp32", replace(LIMITS["fp32"], rounding=-1.0))
        why = "fails the parity check (boxes"
    assert engine.engine_file(network, NAMES, (96, 96)) is None
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"engine=auto: using PyTorch, since the {only} file {why}")
    (refusal,) = cached(tmp_path)
    assert refusal.endswith(".refused") and refusal in line

    monkeypatch.setattr(f"seglab.export.{only}.write", lambda *arguments: pytest.fail("tried twice"))
    assert engine.engine_file(network, NAMES, (96, 96)) is None
    assert capsys.readouterr().out.splitlines() == [line]


def test_a_folder_that_cannot_be_written_to_is_a_line_and_no_error(only, network, tmp_path, capsys):
    (tmp_path / "engines").write_text("a file where the folder should be")
    assert engine.engine_file(network, NAMES, (96, 96)) is None
    assert f"since the {only} file could not be made (" in capsys.readouterr().out


def test_prediction_takes_it_and_finds_the_same(only, monkeypatch, tmp_path, capsys):
    model, images = YOLO("toybox-n"), list(load_dataset("toybox8-seg").images("val"))
    expected = model.predict(images, engine="torch")
    assert not (tmp_path / "engines").exists()
    given = model.predict(images)
    (path,) = (tmp_path / "engines").iterdir()
    assert len(capsys.readouterr().out.splitlines()) == 1
    for one, other in zip(expected, given):
        assert len(one) == len(other) > 0
        torch.testing.assert_close(one.boxes.data, other.boxes.data, rtol=0, atol=5e-3)
        overlap = (one.masks.data.bool() & other.masks.data.bool()).sum() / one.masks.data.bool().sum()
        assert overlap > 0.999
    one_by_one = model.predict(iter(images))
    assert all(torch.equal(one.boxes.data, other.boxes.data) for one, other in zip(given, one_by_one))
    with pytest.raises(SeglabError, match="'torch'"):
        model.predict(images[0], engine="fast")

    # A damaged file is said once, and PyTorch runs.
    graph = path / "model.xml" if path.is_dir() else path
    graph.write_bytes(graph.read_bytes()[:1000])
    again = YOLO("toybox-n")
    found = again.predict(images[0])
    again.predict(images[0])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"engine=auto: using PyTorch, since {path} is damaged")
    torch.testing.assert_close(found[0].boxes.data, expected[0].boxes.data, rtol=0, atol=1e-4)


def test_only_weights_of_a_file_are_worth_an_engine(only, monkeypatch, tmp_path):
    image = load_dataset("toybox8-seg").images("val")[0]
    monkeypatch.setattr(engine, "_cached_file", lambda *arguments: pytest.fail("exported"))
    YOLO("yolo11n-seg.yaml").predict(image, imgsz=64)
    model = YOLO("toybox-n")
    with torch.no_grad():
        model.network.model[0].conv.weight.mul_(0.5)
    model.predict(image, imgsz=64)
    model.predict(image, imgsz=64, half=True)
    assert not (tmp_path / "engines").exists()


@pytest.mark.parametrize("chosen", ["auto", "torch"])
def test_bf16_is_near_and_refused_where_the_cpu_lacks_it(chosen, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    if chosen == "auto":
        pytest.importorskip("openvino")
        monkeypatch.setattr(engine, "PREFERRED", {"openvino": "openvino"})
    model, image = YOLO("toybox-n"), load_dataset("toybox8-seg").images("val")[0]
    with monkeypatch.context() as lacking:
        lacking.setattr("seglab.export.inference_cache.has_bf16_units", lambda: False)
        with pytest.raises(SeglabError, match="this CPU has no hardware"):
            model.predict(image, precision="bf16", engine=chosen)
    with pytest.raises(SeglabError, match="half=True and precision=bf16"):
        model.predict(image, precision="bf16", half=True)
    if not has_bf16_units():
        pytest.skip("this CPU has no bf16 units")
    (expected,) = model.predict(image, conf=0.5, engine="torch")
    (given,) = model.predict(image, conf=0.5, engine=chosen, precision="bf16")
    assert len(given) == len(expected) > 0 and not torch.equal(given.boxes.data, expected.boxes.data)
    overlap = box_iou(expected.boxes.xyxy, given.boxes.xyxy)  # rows of nearly one score may change places
    assert overlap.amax(dim=1).min() > 0.9
