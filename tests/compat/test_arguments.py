"""Arguments of scripts written for ultralytics: honored, dropped with a word, or refused with the way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from seglab.compat.arguments import (
    DEFAULTS,
    NO_EFFECT,
    OTHER_NAMES,
    REFUSED,
    TRANSLATED,
    reasons,
    status,
    table,
    translate,
)
from seglab.config import refuse_unknown, verb_arguments
from seglab.errors import SeglabError

OWN = {verb: set(verb_arguments(verb)) for verb in TRANSLATED}
EVERY_PAIR = [(verb, name) for name in (*DEFAULTS, *OTHER_NAMES) for verb in TRANSLATED]


def translated(verb, **given):
    """What the verb takes, and the lines that were said about it."""
    said: list[str] = []
    return translate(verb, given, said.append), said


# --- the table ---


def test_no_row_is_about_an_argument_of_seglabs_own():
    assert not [(verb, name) for verb, name in REFUSED if name in OWN[verb]]
    rows = [name for row in NO_EFFECT for name in row.names]
    assert len(rows) == len(set(rows))
    assert all(any(name not in OWN[verb] for verb in TRANSLATED) for name in rows)


@pytest.mark.parametrize("verb, name", EVERY_PAIR, ids=[f"{verb}-{name}" for verb, name in EVERY_PAIR])
def test_every_argument_is_taken_or_answered(verb, name):
    """With a value nobody has: none ends in a list of names, and what is not used is said not to be."""
    value = {"imgsz": 96, "cfg": {}, "task": "segment", "quantize": 16}.get(name, 0.123)
    try:
        _, said = translated(verb, **{name: value})
    except SeglabError as error:
        assert "choose one of" not in str(error)
        assert (verb, name) in REFUSED or name in ("int8", "conf_thres", "iou_thres"), error
        return
    told = name in OWN[verb] or name in ("task", "mode", "cfg", "quantize", "save_dir") or said
    assert told or name in ("boxes", "hide_labels", "hide_conf", "line_thickness", "imgsz")


@pytest.mark.parametrize("verb, name", list(REFUSED))
def test_what_seglab_lacks_is_refused_unless_it_changes_nothing(verb, name):
    harmless, instead = REFUSED[verb, name]
    for value in harmless:
        assert translated(verb, **{name: value})[0] == {}
    with pytest.raises(SeglabError) as caught:
        translated(verb, **{name: "whatever"})
    assert str(caught.value) == f"{verb} does not take {name}='whatever': {instead}"
    assert instead and not instead.endswith(".")


def test_most_of_the_table_takes_effect_or_has_nothing_to_change():
    kinds = [found.kind for _, row in table() for found in row.values()]
    assert len(kinds) == len(DEFAULTS) * len(TRANSLATED)
    assert kinds.count("effective") + kinds.count("no-op") >= 0.97 * len(kinds)
    assert all(found.text for _, row in table() for found in row.values() if found.kind != "effective")


def test_the_document_has_the_table():
    """docs/compat.md is written from it by docs/build_compat.py."""
    page = (Path(__file__).parents[2] / "docs/compat.md").read_text(encoding="utf-8")
    for name in DEFAULTS:
        (row,) = re.findall(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        for verb in TRANSLATED:
            found = status(verb, name)
            assert found.kind == "effective" or found.text in row, (verb, name)


# --- values ---


@pytest.mark.parametrize(
    "verb, given, taken, word",
    [
        ("train", {"imgsz": 1290}, {"imgsz": 1312}, "1312"),
        ("train", {"imgsz": [640, 480]}, {"imgsz": 640}, "square"),
        ("predict", {"imgsz": (100, 200)}, {"imgsz": (128, 224)}, "multiples of 32"),
        ("export", {"imgsz": 650}, {"imgsz": 672}, "672"),
        ("val", {"imgsz": "640"}, {"imgsz": 640}, ""),
        ("train", {"epochs": 10.4}, {"epochs": 10}, "epochs=10.4 is rounded to 10"),
        ("train", {"epochs": "3"}, {"epochs": 3}, ""),
        ("train", {"epochs": 3.0}, {"epochs": 3}, ""),
        ("train", {"cos_lr": 1, "rect": 0}, {"cos_lr": True, "rect": False}, ""),
        ("train", {"amp": "fp16"}, {"amp": True}, ""),
        ("train", {"amp": "fp32"}, {"amp": False}, ""),
        ("train", {"cache": "RAM"}, {"cache": "ram"}, ""),
        ("train", {"multi_scale": True}, {"multi_scale": 0.5}, ""),
        ("train", {"save_period": 0}, {"save_period": -1}, ""),
        ("predict", {"hide_labels": True, "boxes": False}, {"show_labels": False, "show_boxes": False}, ""),
        ("predict", {"line_thickness": 2, "hide_conf": False}, {"line_width": 2, "show_conf": True}, ""),
        ("predict", {"quantize": 16}, {"half": True}, ""),
        ("predict", {"quantize": "fp32"}, {}, ""),
        ("export", {"quantize": "int8"}, {"int8": True}, ""),
        ("train", {"save_dir": "a/b"}, {"project": "a", "name": "b", "exist_ok": True}, ""),
        ("val", {"save_crop": True}, {}, "val does not use save_crop=True"),
        ("predict", {"epochs": 3}, {}, "only training uses it"),
        ("predict", {"epochs": 100}, {}, ""),
        ("train", {"task": "segment", "mode": "train", "pose": 12.0}, {}, ""),
    ],
)
def test_what_can_be_honored_is(verb, given, taken, word, tmp_path):
    found, said = translated(verb, **given)
    assert found == {name: str(value) if name == "project" else value for name, value in taken.items()}
    assert len(said) == bool(word) and word in "".join(said)


@pytest.mark.parametrize("verb", TRANSLATED)
def test_none_is_the_default_of_everything(verb):
    assert translated(verb, **dict.fromkeys((*DEFAULTS, *OTHER_NAMES, *OWN[verb]))) == ({}, [])


@pytest.mark.parametrize(
    "verb, given, told",
    [
        ("train", {"task": "classify"}, "only task='segment'"),
        ("predict", {"quantize": 4}, "must be 8"),
        ("train", {"quantize": 8}, "export"),
        ("export", {"device": "dla:0"}, "only CPUs and GPUs"),
        ("train", {"cfg": "nowhere.yaml"}, "no such file"),
        ("export", {"keras": True}, "saved_model"),
    ],
)
def test_what_cannot_be_honored_is_answered(verb, given, told):
    with pytest.raises(SeglabError, match=told):
        translated(verb, **given)


# --- names ---


@pytest.mark.parametrize(
    "verb, wrong, meant",
    [
        ("train", "epoch", "epochs"),
        ("train", "batch_size", "batch"),
        ("train", "img_size", "imgsz"),
        ("train", "lr", "lr0"),
        ("train", "weights", "model"),
        ("train", "num_workers", "workers"),
        ("train", "pretrianed", "pretrained"),
        ("val", "imgz", "imgsz"),
        ("predict", "confidence", "conf"),
        ("predict", "iou_thres", "iou"),
        ("predict", "image", "source"),
        ("predict", "save_crops", "save_crop"),
        ("predict", "output_dir", "project"),
        ("export", "fmt", "format"),
        ("export", "fp16", "half"),
    ],
)
def test_a_wrong_word_names_the_argument_that_was_meant(verb, wrong, meant):
    with pytest.raises(SeglabError, match=f"{verb} has no argument '{wrong}': did you mean '{meant}'"):
        translated(verb, **{wrong: 1})


def test_an_argument_of_another_verb_is_sent_there():
    with pytest.raises(SeglabError, match="predict has no argument 'protocol': it belongs to val, pass it there"):
        translated("predict", protocol="yolo")


def test_a_word_that_means_nothing_leads_to_help_not_to_a_list():
    with pytest.raises(SeglabError, match="`seglab help train` lists all") as caught:
        translated("train", qqq=1)
    assert len(str(caught.value)) < 120
    with pytest.raises(SeglabError, match="choose one of a, b"):  # few names are listed
        refuse_unknown(["qqq"], ["a", "b"], "it")
    many = [f"name{number}" for number in range(20)]
    with pytest.raises(SeglabError, match="there is no event 'qqq': choose one of name0, "):  # no help lists events
        refuse_unknown(["qqq"], many, kind="event")
    with pytest.raises(SeglabError, match="space has no argument 'qqq': `seglab help train` lists all 20"):
        refuse_unknown(["qqq"], many, "space", help_mode="train")


# --- cfg= ---


def test_of_an_args_yaml_only_what_was_set_is_taken(tmp_path):
    """As ultralytics writes it: every argument, most of them at its default."""
    content = {**DEFAULTS, "model": "toybox-n", "data": "toybox8-seg", "epochs": 7, "lr0": 0.02, "mosaic": 0.5}
    content |= {"save_dir": "/there/runs/segment/train", "name": "train"}
    path = tmp_path / "args.yaml"
    path.write_text(yaml.safe_dump(content))
    taken, said = translated("train", cfg=path)
    assert taken == {
        "model": "toybox-n", "data": "toybox8-seg", "epochs": 7, "lr0": 0.02, "mosaic": 0.5, "name": "train"
    }  # fmt: skip
    assert not said
    taken, _ = translated("train", cfg=str(path), epochs=9, data=None)
    assert (taken["epochs"], taken["data"]) == (9, "toybox8-seg")


def test_seglabs_own_file_changes_nothing_until_it_is_changed(tmp_path):
    from seglab.cli.config_file import config_text, write_config

    path = write_config(str(tmp_path / "mine.yaml"))
    for verb in TRANSLATED:
        assert translated(verb, cfg=path) == ({}, []), verb
    path.write_text(config_text().replace("\nepochs: 100", "\nepochs: 30").replace("\nconf: null", "\nconf: 0.4"))
    assert translated("train", cfg=path)[0] == {"epochs": 30, "conf": 0.4}
    assert translated("predict", cfg=path)[0] == {"conf": 0.4}
    with pytest.raises(SeglabError, match="already exists"):
        write_config(str(path))


def test_reasons_are_sentences_without_an_end():
    assert all(text and not text.endswith(".") for text in reasons().values())
