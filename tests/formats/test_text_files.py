"""Reading JSON in any encoding, and YAML and XML without what can harm."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from seglab.data.dataset import SegmentationDataset
from seglab.data.image import write_image
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.formats import text_files
from seglab.formats.json_stream import stream_json
from seglab.formats.text_files import (
    FIRST_PIECE,
    MAX_YAML_VALUES,
    PIECE,
    decode_text,
    read_json,
    read_text,
    read_xml,
    read_yaml,
    sketch_json,
)

BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><annotations>&c;</annotations>'
)
OTHER_FILE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotations>&b;</annotations>'


@pytest.mark.parametrize("text", [BOMB, OTHER_FILE, "<!DOCTYPE html><annotations/>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_that_defines_entities_is_refused(tmp_path, text, encoding):
    file = tmp_path / "a.xml"
    file.write_bytes(text.encode(encoding))
    with pytest.raises(SeglabError, match=r"a\.xml cannot be read as XML \(it has a DOCTYPE"):
        read_xml(file)


@pytest.mark.parametrize("text", ["", "<a><b></a>", "\0\1", "<a>&b;</a>"])
def test_damaged_xml_is_named(tmp_path, text):
    file = tmp_path / "a.xml"
    file.write_text(text)
    with pytest.raises(SeglabError, match=r"a\.xml cannot be read as XML"):
        read_xml(file)


def test_sound_xml_is_read(tmp_path):
    file = tmp_path / "a.xml"
    file.write_text('<?xml version="1.0" encoding="utf-8"?><a><b c="ü &amp; &#233;">d</b></a>', encoding="utf-8")
    root = read_xml(file)
    assert root.tag == "a" and root[0].attrib == {"c": "ü & é"} and root[0].text == "d"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_json_in_any_encoding(tmp_path, encoding):
    file = tmp_path / "a.json"
    file.write_bytes(json.dumps({"name": "Gefäß"}, ensure_ascii=False).encode(encoding))
    assert read_json(file) == {"name": "Gefäß"}
    assert "name" in sketch_json(file)


@pytest.mark.parametrize(
    "name", ["猫", "лампа", "αηδόνι", "αηδονι", "ねこ", "חתול", "قطة", "Kühe", "ü", "isto é um gato", "a"]
)
def test_utf8_stays_utf8(name):
    assert decode_text(name.encode()) == name


@pytest.mark.parametrize(
    "name", ["黑猫", "斑马线", "Fußgänger und Kühe", "ÖPNV", "café", "naïve “x”", "señal", "电动车 a"]
)
def test_what_is_not_utf8_is_told_apart(tmp_path, name):
    """Chinese Windows writes GBK, Western ones write Windows-1252; a large file shows it at its first odd bytes."""
    encoding = "gbk" if any(ord(letter) > 0x3FFF for letter in name) else "cp1252"
    assert decode_text(name.encode(encoding)) == name
    file = tmp_path / "a.json"
    padding = " " * (PIECE + 1)
    file.write_bytes(('{"a": 1,' + padding + f'"b": "{name}"}}').encode(encoding))
    assert dict(stream_json(file)) == read_json(file) == {"a": 1, "b": name}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "[" * 100_000, "no JSON"])
def test_damaged_json_is_named_and_has_no_sketch_of_its_end(tmp_path, text):
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(SeglabError, match=r"a\.json is not a JSON file"):
        read_json(file)
    assert sketch_json(file) in (None, {}, [], {"a": 1})


def test_a_sketch_has_the_beginning_of_a_large_file(tmp_path):
    file = tmp_path / "a.json"
    long = "x" * 5 * FIRST_PIECE
    file.write_text(json.dumps({"version": "5", "shapes": [1, 2], "imageData": long, "imagePath": "a.jpg"}))
    assert sketch_json(file) == {"version": "5", "shapes": [1, 2], "imageData": ""}
    file.write_text(json.dumps([{"a": 1}, {"b": long}]))
    assert sketch_json(file) == [{"a": 1}]
    file.write_text(json.dumps([{"b": long}]))
    assert sketch_json(file) == [{"b": long}]
    file.write_text(" [ ] ")
    assert sketch_json(file) == []


def test_bytes_of_windows_are_its_letters_and_those_it_lacks_are_kept(tmp_path):
    path = tmp_path / "some.json"
    path.write_bytes(b'{"quotes": "\x93a\x94", "none": "\x81", "both": "\xc3\xa4 \xe4"}')
    assert read_json(path) == {"quotes": "\u201ca\u201d", "none": "\x81", "both": "ä ä"}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{", b"\xff\xd8\xff\xe0", b"[" * 100_000, b"\x00" * 9])
def test_what_is_no_json_is_one_sentence(tmp_path, data):
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(SeglabError, match=r"bad\.json is not a JSON file \(.*\): export it again"):
        read_json(path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        read_json(tmp_path / "nowhere.json")


def aliases(levels: int) -> str:
    """So many lists, each nine times the one before: nine to the power of `levels` values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels + 1)]
    return "\n".join(lines)


BOMBS = {
    "aliases of aliases": aliases(20),
    "a list of itself": "a: &a [*a]",
    "a mapping of itself": "&a {a: *a}",
    "a merge with itself": "a: &a {<<: *a}",
    "an alias of nothing": "a: *b",
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 100_000,
    "deep blocks": "".join(" " * level + "a:\n" for level in range(1000)),
    "deep dashes": "- " * 100_000,
    "many values": "[" + "a," * (MAX_YAML_VALUES + 1) + "]",
    "a long value": "a: " + "x" * 100_000,
    "a long number": "a: " + "9" * 5000,
    "base sixty": "a: " + "1:" * 40_000 + "1",
    "a python object": "a: !!python/object/apply:os.system [touch ran]",
    "a python name": "a: !!python/name:os.system",
    "an unknown tag": "a: !run me",
    "a date that is none": "a: 2020-13-45",
    "a list as a key": "? [a]\n: b",
    "two documents": "a: 1\n---\nb: 2",
    "a tab": "\ta: b",
    "a version": "%YAML 9.9\n---\na: b",
    "control characters": "a: \x01",
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("as_written", [False, True])
def test_a_yaml_made_to_harm_is_an_error_at_once(text, as_written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.process_time()
    try:
        content = read_yaml(path, as_written)
    except SeglabError as error:
        assert str(path) in str(error) and len(str(error)) < 600
    else:
        assert as_written and len(str(content)) < 100_000  # to be a number or a date, or none, is nothing there
    assert time.process_time() - began < 5 and not (tmp_path / "ran").exists()


def test_aliases_as_people_write_them_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\nd: [yes, 007]")
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}] * 2, "d": [True, 7]}
    assert read_yaml(path, as_written=True)["d"] == ["yes", "007"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_yaml_that_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    os.symlink("/dev/zero", tmp_path / "zero.yaml")
    os.symlink(tmp_path / "loop.yaml", tmp_path / "loop.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with open(tmp_path / "large.yaml", "wb") as file:
        file.truncate(1 << 40)
    for name in ("pipe", "zero", "loop", "folder", "large"):
        with pytest.raises(SeglabError, match=f"{name}.yaml"):
            read_yaml(tmp_path / f"{name}.yaml")
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "none.yaml")


# --- what never ends ---

ENDLESS = {"a pipe": os.mkfifo, "a device": lambda path: os.symlink("/dev/zero", path)} if os.name != "nt" else {}


@contextmanager
def within(seconds: int):
    """Errors: AssertionError for what waits, or reads, for longer."""

    def give_up(*arguments):
        raise AssertionError("it does not end")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("read", [read_text, read_json, read_xml, read_yaml, sketch_json])
def test_a_text_that_never_ends_is_refused(tmp_path, kind, read):
    ENDLESS[kind](tmp_path / "a")
    with within(20):
        try:
            assert read(tmp_path / "a") is None and read is sketch_json
        except (SeglabError, OSError) as error:
            assert str(tmp_path / "a") in str(error)


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize(
    "name",
    ["labels/a.txt", "a.xml", "annotations.xml", "a.json", "a.csv", "classes.txt", "data.yaml", "data-split.yaml"],
)
def test_a_dataset_with_a_file_that_never_ends_is_read_or_refused(tmp_path, kind, name):
    """Folders come from strangers, and tar makes pipes, and links to devices, as it finds them."""
    write_image(tmp_path / "images/a.png", np.full((8, 8, 3), 90, np.uint8))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/b.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    (tmp_path / name).unlink(missing_ok=True)
    ENDLESS[kind](tmp_path / name)
    for source in (tmp_path, tmp_path / "data.yaml"):
        with within(20), suppress(SeglabError):
            spec = load_dataset(source)
            SegmentationDataset(spec, next(iter(spec.splits)), 64)[0]


def test_a_text_of_gigabytes_is_refused_before_the_memory_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_TEXT_BYTES", 100)
    (tmp_path / "a").write_text("a" * 100)
    assert read_text(tmp_path / "a") == "a" * 100
    (tmp_path / "a").write_text("a" * 101)
    with pytest.raises(OSError, match="more than 100 bytes"):
        read_text(tmp_path / "a")
