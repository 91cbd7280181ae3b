"""pt2 files agree, and those that could run code are refused before anything is read from them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import pt2
from seglab.export.inference_model import InferenceModel

pytest.importorskip("torch.export.pt2_archive", reason="pt2 archives came with PyTorch 2.9")


@pytest.fixture(scope="session")
def dynamic_file(network, tmp_path_factory) -> Path:
    from seglab.export.metadata import ModelMetadata

    path = tmp_path_factory.mktemp("pt2") / "model.pt2"
    pt2.write(network, path, ModelMetadata({0: "circle", 1: "square", 2: "star"}, (160, 160), dynamic=True))
    return path


def test_it_agrees_keeps_its_description_and_no_path_of_the_writer(network, smooth, metadata, dynamic_file):
    described = replace(metadata, dynamic=True, parity={"mask IoU, mean": {"value": 1.0}})
    pt2.write_metadata(dynamic_file, described)
    runtime = pt2.load(dynamic_file)
    assert runtime.metadata == described and runtime.size is None
    for batch, size in ((1, (160, 160)), (3, (96, 224))):
        images = smooth(batch, size, seed=4)
        for given, expected in zip(runtime.forward(images), InferenceModel(network)(images)):
            torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-3)
    data = dynamic_file.read_bytes()
    assert str(Path(pt2.__file__).parent).encode() not in data and b"site-packages" not in data


def spoilt(source: Path, target: Path, **changes) -> Path:
    """A copy in which entries, named by how they end, went through a function of bytes; others are added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        prefix = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            data = old.read(name)
            for ending, change in changes.get("change", {}).items():
                data = change(data) if name.endswith(ending) else data
            new.writestr(name, data)
        for name, data in changes.get("add", {}).items():
            new.writestr(f"{prefix}/{name}", data)
    return target


def in_json(change):
    def through(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return through


def a_pickled_weight(config):
    next(iter(config["config"].values()))["use_pickle"] = True


def a_guard(program):
    program["guards_code"] = ["__import__('os').system('true')"]


def a_foreign_call(program):
    program["graph_module"]["graph"]["nodes"][3]["target"] = "torch.hub.load"


def an_operation(name):
    """A call of an operation of PyTorch that no network of seglab has."""

    def change(program):
        program["graph_module"]["graph"]["nodes"][3]["target"] = f"torch.ops.aten.{name}"

    return change


def a_tower_of_powers(program):
    text = json.dumps(program).replace("Integer(4)", "Pow(Integer(9), Pow(Integer(9), Integer(9)))")
    program.clear()
    program.update(json.loads(text))


def an_expression(program):
    text = json.dumps(program).replace("Integer(4)", "__import__(4)")
    program.clear()
    program.update(json.loads(text))


def a_name(program):
    program["graph_module"]["graph"]["nodes"][3]["name"] = "x=__import__('os')"


@pytest.mark.parametrize(
    "changes",
    [
        {"change": {"model_weights_config.json": in_json(a_pickled_weight)}},
        {"change": {"models/model.json": in_json(a_guard)}},
        {"change": {"models/model.json": in_json(a_foreign_call)}},
        {"change": {"models/model.json": in_json(an_expression)}},
        {"change": {"models/model.json": in_json(a_tower_of_powers)}},
        {"change": {"models/model.json": in_json(an_operation("from_file.default"))}},
        {"change": {"models/model.json": in_json(an_operation("fill_.Scalar"))}},
        {"change": {"models/model.json": in_json(an_operation("add.from_file.default"))}},
        {"change": {"models/model.json": in_json(an_operation("empty.memory_format"))}},
        {"change": {"models/model.json": in_json(a_name)}},
        {"change": {"sample_inputs/model.pt": lambda data: b"a pickle"}},
        {"add": {"data/aotinductor/model/x.so": b"compiled"}},
        {"add": {"data/constants/model.pt": b"a pickle"}},
    ],
    ids=[
        "pickle",
        "guard",
        "call",
        "expression",
        "powers",
        "file",
        "fill",
        "nested",
        "memory",
        "name",
        "inputs",
        "library",
        "constants",
    ],
)
def test_what_could_run_code_is_refused(dynamic_file, tmp_path, changes, monkeypatch):
    monkeypatch.setattr(torch.export, "load", lambda *a, **k: pytest.fail("it was read"))
    with pytest.raises(SeglabError, match="nothing was run"):
        pt2.load(spoilt(dynamic_file, tmp_path / "model.pt2", **changes))
