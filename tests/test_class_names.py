"""Which classes of two sets are the same ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.class_names import MAX_CLASSES, equal_classes, numbered, same_classes
from seglab.errors import SeglabError


def test_equal_classes():
    known = {0: "person", 1: "traffic light", 2: "t-shirt", 3: "tshirt"}
    assert equal_classes({0: "Traffic Light", 1: "bus", 2: " person ", 3: "T_Shirt"}, known) == {0: 1, 2: 0, 3: 2}
    assert equal_classes({0: "a", 1: "b"}, {0: "0", 1: "1"}) == {0: 0, 1: 1}  # weights without names
    assert equal_classes({0: "a"}, {0: "0", 1: "1"}) == {}
    assert same_classes({0: "A b"}, {0: "a_B"}) and not same_classes({0: "a", 1: "b"}, {0: "b", 1: "a"})
    assert not same_classes({0: "a"}, {0: "a", 1: "b"})


words = st.dictionaries(st.integers(0, 9), st.text("aB -_", max_size=4), max_size=6)


@given(words, words)
@settings(max_examples=200)
def test_equal_classes_are_equal_whatever_the_spelling(names, known):
    found = equal_classes(names, known)
    assert found.keys() <= names.keys() and set(found.values()) <= known.keys() | names.keys()
    assert equal_classes({n: f" {name.upper()}" for n, name in names.items()}, known) == found


@pytest.mark.parametrize("names", [["a", "b"], {0: "a", 1: "b"}, {"1": "b", "0": "a"}, ("a", "b")])
def test_names_are_numbered_in_order(names):
    assert list(numbered(names, "w.pt").items()) == [(0, "a"), (1, "b")] == list(numbered(names, "w.pt", 2).items())


@pytest.mark.parametrize(
    "names",
    [None, 5, "ab", [], {}, {1: "a"}, {0: "a", 2: "b"}, {-1: "a", 0: "b"}, {"x": "a"}, {"\u0660": "a"}, {0: ["a"]}]
    + [{0: "a", "0": "b"}, [None], [["a"]], ["x" * 10_000], ["x"] * (MAX_CLASSES + 1), {0.0: "a"}, b"ab", {(0,): "a"}],
)
def test_names_of_strangers_are_names_or_an_error(names):
    with pytest.raises(SeglabError, match=r"^w\.pt: its class names"):
        numbered(names, "w.pt")


def test_too_few_names_are_told():
    with pytest.raises(SeglabError, match="3 names for the ids 0, 1, 2"):
        numbered(["a", "b"], "w.pt", 3)
