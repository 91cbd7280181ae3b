"""A JSON read piece by piece gives what the whole gives."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.formats import json_stream
from seglab.formats.json_stream import json_encoding, read_json, stream_json

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
    with pytest.raises(SeglabError, match=r"bad\.json is damaged: at character \d+"):
        list(stream_json(path))


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_reads_alike_whole_and_piece_by_piece(tmp_path, encoding):
    content = {"images": ["straße.jpg", "grün.jpg", "¿Qué?"], "n": 1}
    path = tmp_path / "some.json"
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert read_json(path) == content
    assert list(stream_json(path)) == [*(("images", name) for name in content["images"]), ("n", 1)]
    assert json_encoding(path).startswith(encoding[:5] if encoding.startswith("utf") else "utf-8")


def test_bytes_of_windows_are_its_letters_and_those_it_lacks_are_kept(tmp_path):
    path = tmp_path / "some.json"
    path.write_bytes(b'{"quotes": "\x93a\x94", "none": "\x81", "both": "\xc3\xa4 \xe4"}')
    assert read_json(path) == {"quotes": "\u201ca\u201d", "none": "\x81", "both": "ä ä"}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{", b"\xff\xd8\xff\xe0", b"[" * 100_000, b"\x00" * 9])
def test_what_is_no_json_is_one_sentence(tmp_path, data):
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(SeglabError, match=r"bad\.json is not a JSON file \(.*\): write it again"):
        read_json(path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        read_json(tmp_path / "nowhere.json")
