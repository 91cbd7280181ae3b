"""Arguments of predict become one checked value, before anything runs."""

from __future__ import annotations

import pytest

from seglab.errors import SeglabError
from seglab.inference.request import read_request


def test_each_argument_finds_its_place():
    given = {"conf": 0.5, "save_txt": True, "engine": "torch", "device": "cpu", "stream": True}
    asked = read_request("a.jpg", False, given)
    assert (asked.source, asked.stream, asked.device, asked.engine) == ("a.jpg", True, "cpu", "torch")
    assert asked.config.conf == 0.5 and asked.saving.save_txt and asked.layers == []
    assert given["engine"] == "torch", "what was given stays as it is"


def test_one_layer_or_several_are_asked_for():
    assert read_request("a.jpg", False, {"embed": 0}).layers == [0]
    assert read_request("a.jpg", False, {"embed": [3, 22]}).layers == [3, 22]
    assert read_request("a.jpg", False, {"source": "b.jpg", "engine": None}).source == "b.jpg"


@pytest.mark.parametrize(
    "source, given, message",
    [
        (None, {}, "no image to predict on"),
        ("a.jpg", {"confidence": 0.5}, "confidence"),
        ("a.jpg", {"engine": "steam"}, "engine='steam'"),
        ("a.jpg", {"conf": 2}, "conf=2"),
    ],
)
def test_what_does_not_fit_is_named(source, given, message):
    with pytest.raises(SeglabError, match=message):
        read_request(source, False, given)
