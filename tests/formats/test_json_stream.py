"""A JSON read piece by piece gives what the whole gives."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.formats import json_stream
from seglab.formats.json_stream import stream_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
@example({"cut after the first digit": 1.5, "in a list": [1e16, 2]}, 1, None)
def test_a_stream_gives_what_json_gives(tmp_path_factory, content, chunk, indent):
    path = tmp_path_factory.mktemp("stream") / "some.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False), encoding="utf-8")
    expected = [
        (key, item) for key, value in content.items() for item in (value if isinstance(value, list) else [value])
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        read = []
        assert list(stream_json(path, read.append)) == expected
    assert sum(read) == len(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": ', '{"a": [1, 2', '{"a" 1}', "{1: 2}", '{"a": [1 x]}'])
def test_a_damaged_stream_names_file_and_place(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(SeglabError, match=r"bad\.json is damaged: expected .+ at character \d+; get"):
        list(stream_json(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_every_encoding_passes_by_alike(tmp_path, encoding):
    path = tmp_path / "some.json"
    content = {"images": ["straße.jpg", "grün.jpg", "¿Qué?"], "n": 1}
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert list(stream_json(path)) == [*(("images", name) for name in content["images"]), ("n", 1)]
