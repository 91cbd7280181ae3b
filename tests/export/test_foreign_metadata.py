"""Metadata of other YOLO tools, in every form that people have."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.export import foreign_metadata
from seglab.export.metadata import ModelMetadata

from .other_tool import foreign_strings

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_categories=["Cc"]), max_size=12)


MAPPINGS = st.lists(WORDS, min_size=1, max_size=5).map(lambda names: dict(enumerate(names)))


@given(
    names=st.one_of(MAPPINGS, st.lists(WORDS, min_size=1, max_size=5)),
    imgsz=st.one_of(st.integers(1, 40).map(lambda n: 32 * n), st.tuples(st.integers(1, 999), st.integers(1, 999))),
    description=st.text(max_size=40),
    batch=st.one_of(st.none(), st.integers(1, 9)),
    form=st.sampled_from(["json", "literal", "yaml", "yaml flow", "strings"]),
)
def test_every_form_is_read_alike(names, imgsz, description, batch, form):
    about = foreign_strings(names=names, imgsz=imgsz, description=description, batch=batch)
    about["imgsz"] = list(imgsz) if isinstance(imgsz, tuple) else imgsz
    if form == "strings":  # as ONNX keeps it: every value a text of its own
        found = {key: str(value) for key, value in about.items()}
    else:
        text = {
            "json": lambda: json.dumps(about),
            "literal": lambda: str(about),
            "yaml": lambda: yaml.safe_dump(about, sort_keys=False, width=20),  # folds long strings over lines
            "yaml flow": lambda: yaml.safe_dump(about, default_flow_style=True),
        }[form]()
        found = foreign_metadata.read_metadata(text)
    read = ModelMetadata.from_strings(found, "file")
    assert read.names == (names if isinstance(names, dict) else dict(enumerate(names)))
    assert read.size == (imgsz if isinstance(imgsz, tuple) else (imgsz, imgsz))
    assert read.batch == (batch or 1)
    assert (read.producer, read.version, read.license) == ("Ultralytics", "8.3.240", "AGPL-3.0")
    assert read.is_foreign and read.origin == "exported by Ultralytics 8.3.240, license AGPL-3.0"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("AGPL-3.0 License (https://ultralytics.com/license)", "AGPL-3.0"),
        ("AGPL-3.0 https://ultralytics.com/license", "AGPL-3.0"),
        ("AGPL-3.0", "AGPL-3.0"),
        ("MIT License", "MIT"),
        ("Apache License 2.0", "Apache License 2.0"),
        ("Ultralytics Enterprise License", "Ultralytics Enterprise"),
        ("https://example.org/terms", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_license_texts_become_names(text, name):
    assert foreign_metadata.license_name(text) == name


@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({}, "fp32"),
        ({"args": {"half": True}}, "fp16"),
        ({"args": "{'int8': True, 'half': False}"}, "int8"),
        ({"args": {"quantize": 16}}, "fp16"),
        ({"args": {"quantize": 8}}, "int8"),
        ({"onnx.infer": "onnxruntime.quant"}, "int8"),
        ({"args": None}, "fp32"),
        ({"args": "unreadable ("}, "fp32"),
    ],
)
def test_the_precision_is_what_the_file_says(changes, precision):
    assert ModelMetadata.from_strings(foreign_strings(**changes), "file").precision == precision


def test_without_an_author_the_tool_is_unknown():
    read = ModelMetadata.from_strings({"names": "['a']", "imgsz": "64"}, "file")
    assert read.is_foreign and read.origin == "exported by an unknown tool, license unknown"
    assert not ModelMetadata.from_strings(ModelMetadata({0: "a"}).to_strings(), "file").is_foreign


@pytest.mark.parametrize(
    "changes", [{"names": "circle"}, {"names": 3}, {"imgsz": []}, {"imgsz": "large"}, {"batch": "many"}]
)
def test_damaged_metadata_is_refused(changes):
    with pytest.raises(SeglabError, match=r"^file.*(class names|metadata)"):
        ModelMetadata.from_strings(foreign_strings(**changes), "file")


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- list", "{unclosed: [", "!!python/object/apply:os.getcwd []", "__import__('os')"]
)
def test_what_is_no_mapping_is_refused_and_never_run(text):
    with pytest.raises(ValueError):
        foreign_metadata.read_metadata(text)
