"""Files that fuzzing has found worth keeping: each is read, or refused in one sentence."""

from __future__ import annotations

import json
import time

import pytest

from trust import fuzz
from trust.changes import wrong_documents
from trust.fuzz import CORPUS, MAX_BYTES, MAX_SECONDS, NAMES, peak_memory, read_corpus
from trust.parsers import PARSERS, read_quietly


def test_every_parser_is_fuzzed_and_has_a_corpus():
    assert set(PARSERS) == set(NAMES) == {file.stem for file in CORPUS.iterdir()}
    assert sum(file.stat().st_size for file in CORPUS.iterdir()) < 300_000


def test_a_corpus_is_written_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "CORPUS", tmp_path)
    assert fuzz.read_corpus("rle") == PARSERS["rle"].seeds()  # as long as there is none
    fuzz.write_corpus("rle", [b"\0\xff\n'\"", b"a", b"a", b""])
    assert (tmp_path / "rle.txt").read_text().splitlines()[:2] == ["b''", "b'a'"]
    assert fuzz.read_corpus("rle") == [b"", b"a", b"\0\xff\n'\""]


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_read_or_refused(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    monkeypatch.delenv("SEGLAB_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    taken = 0
    for seed in PARSERS[name].seeds():
        taken += read_quietly(name, seed, folder)
    assert taken
    peak = peak_memory()
    for data in read_corpus(name):
        began = time.process_time()
        read_quietly(name, data, folder)
        assert time.process_time() - began < MAX_SECONDS, data
    assert peak_memory() - peak < MAX_BYTES


# How many of the wrong documents are read here: one in so many, since some take longer than others.
STEPS = {"coco": 19, "tools": 13, "results": 11, "rle": 3, "safetensors": 1, "onnx": 7, "pt2": 307}


@pytest.mark.parametrize("name", STEPS)
def test_a_wrong_value_in_any_place_is_read_or_refused(name, tmp_path, monkeypatch):
    """Every place of the parser's valid inputs that are JSON, with values of every type and size."""
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    tried = 0
    for seed in PARSERS[name].seeds():
        if seed[:1] in (b"{", b"["):
            for told, data in wrong_documents(json.loads(seed), STEPS[name]):
                began = time.process_time()
                try:
                    read_quietly(name, data, tmp_path)
                except Exception as error:
                    raise AssertionError(told) from error
                assert time.process_time() - began < MAX_SECONDS, told
                tried += 1
    assert tried > 10


def test_what_is_a_finding_is_told_from_what_is_refused(tmp_path, monkeypatch):
    """The harness itself: an exception of another library is not taken for ours."""

    def broken(data, folder):
        raise KeyError("names")

    monkeypatch.setitem(PARSERS, "labels", PARSERS["labels"].__class__(broken, list, ""))
    with pytest.raises(KeyError):
        read_quietly("labels", b"", tmp_path)
