"""What a file says about itself survives the file, and other tools' habits are understood."""

from __future__ import annotations

import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.export.metadata import ModelMetadata, fingerprint, read_sidecar, write_into_archive, write_sidecar
from seglab.model.yolo11 import YOLO11Seg
from seglab.wording import one_line

NAMES = st.text(max_size=9).map(one_line)  # what would move a cursor is a space once it is read
SIDES = st.integers(1, 40).map(lambda n: 32 * n)


@given(
    st.builds(
        ModelMetadata,
        names=st.lists(NAMES, min_size=1, max_size=5).map(lambda names: dict(enumerate(names))),
        size=st.tuples(SIDES, SIDES),
        batch=st.integers(1, 9),
        dynamic=st.booleans(),
        precision=st.sampled_from(["fp32", "fp16", "int8"]),
        license=st.text(max_size=9),
        mask_targets=st.sampled_from(["soft", "hard"]),
        end_to_end=st.sampled_from([{}, {"conf": 0.25, "iou": 0.7, "max_det": 300, "masks": True}]),
        parity=st.sampled_from([{}, {"mask IoU, mean": {"value": 1.0, "limit": 0.999, "ok": True}}]),
    )
)
def test_text_and_back_is_the_identity(metadata):
    strings = metadata.to_strings()
    assert all(isinstance(text, str) for pair in strings.items() for text in pair)
    assert ModelMetadata.from_strings(strings, "file") == metadata


def test_python_literals_of_other_tools_are_read():
    strings = {"names": "{0: 'person', 1: 'bicycle'}", "imgsz": "[640, 480]", "task": "segment", "stride": "32"}
    metadata = ModelMetadata.from_strings(strings, "file")
    assert metadata.names == {0: "person", 1: "bicycle"} and metadata.size == (640, 480)
    assert metadata.mask_targets == "hard"  # those tools know no others


def test_files_of_former_versions_are_of_soft_targets():
    strings = ModelMetadata({0: "disc"}).to_strings()
    strings["seglab"] = json.dumps({"version": "0", "dynamic": True})
    assert ModelMetadata.from_strings(strings, "file").mask_targets == "soft"


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ({}, "class names or no input size"),
        ({"names": "{}", "imgsz": "[640]"}, "class names"),
        ({"names": "__import__('os').getcwd()", "imgsz": "[640, 640]"}, "class names"),
        ({"names": "{0: 'a'}", "imgsz": "[640, 640]", "task": "detect"}, "'detect'"),
    ],
)
def test_bad_descriptions_are_refused(strings, message):
    with pytest.raises(SeglabError, match=message):
        ModelMetadata.from_strings(strings, "model.onnx")


def test_beside_a_folder_it_is_yaml_too(tmp_path):
    import yaml

    metadata = ModelMetadata(names={0: "a"})
    write_sidecar(tmp_path, metadata)
    assert read_sidecar(tmp_path) == metadata
    written = yaml.safe_load((tmp_path / "metadata.yaml").read_text())
    assert written["names"] == {0: "a"} and written["imgsz"] == list(metadata.size) and written["stride"] == 32
    with pytest.raises(SeglabError, match="metadata"):
        read_sidecar(tmp_path / "elsewhere")


def test_inside_an_archive_all_else_stays_as_it_was(tmp_path):
    path, before = tmp_path / "model.pt2", ModelMetadata(names={0: "a"})
    code = zipfile.ZipInfo("model/code/x.py")
    code.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data/0", b"weights")
        archive.writestr(code, b"code " * 99)
        for key, text in before.to_strings().items():
            archive.writestr(f"model/extra/{key}", text)
    after = ModelMetadata(names={0: "b"}, batch=3)
    write_into_archive(path, after)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: (archive.read(entry), entry.compress_type) for entry in archive.infolist()}
    assert entries.pop("model/data/0") == (b"weights", zipfile.ZIP_STORED)
    assert entries.pop("model/code/x.py") == (b"code " * 99, zipfile.ZIP_DEFLATED)
    strings = {name.removeprefix("model/extra/"): data.decode() for name, (data, _) in entries.items()}
    assert ModelMetadata.from_strings(strings, "file") == after
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_fingerprint_knows_one_changed_weight():
    model = YOLO11Seg("n", 2)
    before = fingerprint(model)
    assert fingerprint(model) == before and len(before) == 64
    model.model[0].conv.weight.data[0, 0, 0, 0] += 1
    assert fingerprint(model) != before
