"""Exported files made to harm: each is refused with one sentence, runs nothing and fills no memory."""

from __future__ import annotations

import json
import os
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import litert, ncnn, onnx, openvino, tensorrt
from seglab.export.metadata import KEY, SIDECAR, ModelMetadata
from seglab.export.registry import FORMATS, load_runtime

from .written import written

NAMES = {0: "circle", 1: "square", 2: "star"}
ABOUT = ModelMetadata(NAMES, (64, 64))


def strings(**changes) -> dict:
    return {**ABOUT.to_strings(), **changes}


def own(**changes) -> dict:
    """Metadata of seglab's own with other values under its own key."""
    fields = json.loads(ABOUT.to_strings()[KEY]) | changes
    return strings(**{KEY: json.dumps(fields)})


METADATA = {
    "no names": strings(names="{}"),
    "a billion names": strings(names="1000000000"),
    "a name for class 7 alone": strings(names='{"7": "x"}'),
    "negative ids": strings(names='{"-1": "x"}'),
    "names that are lists": strings(names='[["a"], ["b"], ["c"]]'),
    "a name of a megabyte": strings(names=json.dumps(["x" * 1_000_000, "b", "c"])),
    "many classes": strings(names=json.dumps(["x"] * 200_000)),
    "deep names": strings(names="[" * 100_000 + "]" * 100_000),
    "an expression": strings(names="__import__('os').system('touch ran')"),
    "many minus signs": strings(names="-" * 200_000 + "1"),
    "a huge number": strings(imgsz="9" * 10_000),
    "a huge image": strings(imgsz="[1000000000, 1000000000]"),
    "no pixels": strings(imgsz="[0, 64]"),
    "sides below zero": strings(imgsz="-64"),
    "three sides": strings(imgsz="[64, 64, 64]"),
    "sides as text": strings(imgsz='["64", "64"]'),
    "not a number": strings(imgsz="NaN"),
    "endless": strings(imgsz="Infinity"),
    "a huge batch": strings(batch="1000000000"),
    "no batch": strings(batch="-1"),
    "a batch of text": strings(batch="many"),
    "own fields of no mapping": strings(**{KEY: "5"}),
    "own fields of text": strings(**{KEY: "no JSON"}),
    "dynamic as text": own(dynamic="yes"),
    "an unknown precision": own(precision="fp7"),
    "unknown mask targets": own(mask_targets="../../etc"),
    "a parity that is a list": own(parity=[1, 2]),
    "a parity of numbers": own(parity={"row": 5}),
    "an end to end that is a number": own(end_to_end=5),
    "a version that is a list": own(version=[1]),
    "weights that are a number": own(weights=5),
    "another task": strings(task="pose"),
}


@pytest.mark.parametrize("about", METADATA.values(), ids=METADATA.keys())
def test_metadata_of_wrong_types_and_sizes_is_refused(about, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeglabError, match=r"^a\.onnx") as raised:
        ModelMetadata.from_strings(about, "a.onnx")
    assert len(str(raised.value)) < 600 and not Path("ran").exists()


def test_a_tflite_file_with_a_tensor_of_a_gigabyte_is_refused_before_it_is_made(tmp_path, monkeypatch):
    class Interpreter:
        def __init__(self, path, num_threads):
            pass

        def get_tensor_details(self):
            return [{"shape": [1, 100_000, 100_000, 3]}]

        def allocate_tensors(self):
            pytest.fail("it was made")

    package = types.ModuleType("ai_edge_litert.interpreter")
    package.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", types.ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", package)
    path = tmp_path / "a.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(litert.ENTRY, json.dumps(ABOUT.to_strings()))
    with pytest.raises(SeglabError, match="too large for any network"):
        litert.load(path)


@pytest.mark.parametrize("about", [5, None, "text", ["names", "imgsz"]])
def test_metadata_that_is_no_mapping_is_refused(about):
    with pytest.raises(SeglabError, match="class names or no input size"):
        ModelMetadata.from_strings(about, "a.onnx")


SIDECARS = {
    "a bomb of aliases": "a: &a [x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij")),
    "itself": "names: &a [*a]\nimgsz: 64",
    "deep": "names: " + "[" * 10_000,
    "a python object": "names: !!python/object/apply:os.system [touch ran]\nimgsz: 64",
    "a long number": "names: [a]\nimgsz: " + "1:" * 50_000 + "1",
    "zeros": "\0" * 1000,
}


@pytest.mark.parametrize("text", SIDECARS.values(), ids=SIDECARS.keys())
def test_metadata_beside_a_model_is_looked_through_before_it_is_read(text, tmp_path, monkeypatch):
    from seglab.export.metadata import read_sidecar

    monkeypatch.chdir(tmp_path)
    (tmp_path / SIDECAR).write_text(text)
    with pytest.raises(SeglabError, match=SIDECAR):
        read_sidecar(tmp_path)
    assert not Path("ran").exists()


# --- every format -----------------------------------------------------------------------------------------------------


def rubbish() -> dict[str, bytes]:
    chance = torch.Generator().manual_seed(0)
    noise = bytes(torch.randint(0, 256, (4096,), generator=chance).tolist())
    return {
        "empty": b"",
        "noise": noise,
        "zeros": bytes(4096),
        "text": b"7767517\n1 1\n",
        "a zip of nothing": b"PK\x05\x06" + bytes(18),
        "a long length": b"\xff\xff\xff\x7f{}",
    }


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("executorch", "coreml", "engine")])
@pytest.mark.parametrize("kind", rubbish())
def test_rubbish_under_the_name_of_a_format_is_refused(name, kind, tmp_path):
    """In every file that a folder of the format has; trust is not what is looked at here."""
    its = FORMATS[name]
    path = tmp_path / f"a{its.SUFFIX}"
    if its.SUFFIX.startswith("."):
        path.write_bytes(rubbish()[kind])
    else:
        path.mkdir()
        for file in ("model.xml", "model.bin", ncnn.GRAPH, ncnn.WEIGHTS, SIDECAR):
            (path / file).write_bytes(rubbish()[kind])
    with pytest.raises(SeglabError):
        load_runtime(path, trust=True)


def test_an_engine_whose_metadata_is_none_is_refused(tmp_path):
    for kind, data in rubbish().items():
        path = tmp_path / "a.engine"
        path.write_bytes(data)
        with pytest.raises(SeglabError, match=r"a\.engine"):
            tensorrt._read(path)
        assert kind


# --- ONNX -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def onnx_file(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "model.onnx"
    onnx.write(network, path, ABOUT)
    return path


def changed(source: Path, target: Path, change) -> Path:
    package = pytest.importorskip("onnx")
    model = package.load(source)
    change(model, package)
    package.save(model, target)
    return target


def a_loop(model, package):
    body = package.helper.make_graph([], "body", [], [])
    model.graph.node.append(package.helper.make_node("Loop", [], ["x"], body=body))


def a_loop_in_a_function(model, package):
    inner = package.helper.make_node(
        "Scan", [], ["y"], num_scan_inputs=1, body=package.helper.make_graph([], "b", [], [])
    )
    opset = package.helper.make_opsetid("", 17)
    model.functions.append(package.helper.make_function("own", "f", [], ["y"], [inner], [opset]))


def an_operation_of_a_library(model, package):
    model.graph.node.append(package.helper.make_node("RunMe", [], ["x"], domain="evil.library"))


def external(tensor):
    tensor.data_location = 1
    tensor.external_data.add(key="location", value="elsewhere.bin")
    return tensor


def weights_elsewhere(model, package):
    external(model.graph.initializer[0])


def weights_elsewhere_in_a_function(model, package):
    tensor = external(package.helper.make_tensor("t", 1, [1], [0.0]))
    node = package.helper.make_node("Constant", [], ["y"], value=tensor)
    opset = package.helper.make_opsetid("", 17)
    model.functions.append(package.helper.make_function("own", "f", [], ["y"], [node], [opset]))


@pytest.mark.parametrize(
    "change",
    [
        a_loop,
        a_loop_in_a_function,
        an_operation_of_a_library,
        weights_elsewhere,
        weights_elsewhere_in_a_function,
    ],
)
def test_an_onnx_file_that_may_not_end_or_reads_other_files_is_refused(change, onnx_file, tmp_path):
    pytest.importorskip("onnxruntime")
    path = changed(onnx_file, tmp_path / "a.onnx", change)
    with pytest.raises(SeglabError, match=r"a\.onnx (has the operation|keeps the weights)"):
        load_runtime(path)


def test_a_file_with_too_few_names_says_so_when_it_runs(onnx_file, tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx_file.read_bytes())
    onnx.write_metadata(path, replace(ABOUT, names={0: "circle"}))
    with pytest.raises(SeglabError, match=r"do not fit the 1 classes"):
        load_runtime(path).forward(torch.zeros(1, 3, 64, 64))


# --- OpenVINO ---------------------------------------------------------------------------------------------------------

GRAPH = '<?xml version="1.0"?><net name="a" version="11"><layers>{}</layers><edges/></net>'
GRAPHS = {
    "an extension": GRAPH.format('<layer id="0" name="a" type="RunMe" version="extension"/>'),
    "a path as version": GRAPH.format('<layer id="0" name="a" type="Result" version="/tmp/evil.so"/>'),
    "a loop": GRAPH.format('<layer id="0" name="a" type="Loop" version="opset5"/>'),
    "an iterator": GRAPH.format('<layer id="0" name="a" type="TensorIterator" version="opset1"/>'),
    "an entity": '<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]><net name="&a;"/>',
    "a bomb": '<!DOCTYPE net [<!ENTITY a "xxxxx"><!ENTITY b "&a;&a;&a;">]><net name="&b;"/>',
    "cut short": '<net name="a"><layers>',
}


@pytest.mark.parametrize("text", GRAPHS.values(), ids=GRAPHS.keys())
def test_an_openvino_graph_with_foreign_parts_is_refused_before_openvino_reads_it(text, tmp_path):
    (tmp_path / "model.xml").write_text(text)
    with pytest.raises(SeglabError, match=r"model\.xml"):
        openvino.refuse_strange_layers(tmp_path / "model.xml")


def test_an_openvino_graph_whose_weights_lie_beyond_their_file_is_refused(network, tmp_path):
    path = written("openvino", network, ABOUT, tmp_path)
    text = (path / "model.xml").read_text()
    (path / "model.xml").write_text(text.replace('offset="0"', f'offset="{2**62}"'))
    with pytest.raises(SeglabError, match="_openvino_model"):
        load_runtime(path)


# --- ncnn -------------------------------------------------------------------------------------------------------------

LAYER = "Convolution conv 1 1 in0 out0"
PARAMS = {
    "no magic": "5\n1 1\nInput in0 0 1 in0",
    "a billion layers": "7767517\n1000000000 1\nInput in0 0 1 in0",
    "a billion blobs": "7767517\n1 1000000000\nInput in0 0 1 in0",
    "fewer layers than it says": "7767517\n2 1\nInput in0 0 1 in0",
    "a layer of a library": "7767517\n1 1\nRunMe a 0 1 in0",
    "a path for a name": "7767517\n1 1\nInput ../../$(x) 0 1 in0",
    "fewer blobs than it says": "7767517\n1 1\nInput in0 0 9 in0",
    "blobs below zero": "7767517\n1 1\nInput in0 -1 2 in0",
    "a billion channels": f"7767517\n1 1\n{LAYER} 0=1000000000",
    "a list of a billion": f"7767517\n1 1\n{LAYER} -23303=1000000000,1",
    "a setting of text": f"7767517\n1 1\n{LAYER} 0=text",
    "not a number": f"7767517\n1 1\n{LAYER} 0=nan",
    "no text": "7767517\n1 1\nInput \xe9 0 1 in0",
    "numbers of other scripts": "7767517\n\u0661 1\nInput in0 0 1 in0",
    "nothing": "",
}


@pytest.mark.parametrize("text", PARAMS.values(), ids=PARAMS.keys())
def test_an_ncnn_graph_that_is_not_one_of_a_network_is_refused_before_ncnn_reads_it(text, tmp_path):
    (tmp_path / ncnn.GRAPH).write_text(text, encoding="utf-8")
    (tmp_path / ncnn.WEIGHTS).write_bytes(bytes(64))
    with pytest.raises(SeglabError, match=r"model\.ncnn\.param is not a graph of ncnn"):
        ncnn.refuse_strange_layers(tmp_path)


def test_an_ncnn_folder_without_weights_is_refused(tmp_path):
    (tmp_path / ncnn.GRAPH).write_text("7767517\n1 1\nInput in0 0 1 in0")
    with pytest.raises(SeglabError, match="must contain"):
        ncnn.refuse_strange_layers(tmp_path)


def test_an_ncnn_graph_cut_short_is_refused(network, tmp_path):
    path = written("ncnn", network, ABOUT, tmp_path)
    ncnn.refuse_strange_layers(path)
    data = (path / ncnn.WEIGHTS).read_bytes()
    (path / ncnn.WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(SeglabError, match="ncnn"):
        load_runtime(path)


# --- TFLite -----------------------------------------------------------------------------------------------------------


def test_the_archive_behind_a_tflite_file_is_read_within_bounds(tmp_path):
    path = tmp_path / "a.tflite"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b" " * 50_000_000)
        archive.writestr("../../metadata.json", json.dumps({"other": 1}))
        archive.writestr("labels.txt", b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="class names"):
        litert.read_appended(path)
    assert os.listdir(tmp_path) == ["a.tflite"]
