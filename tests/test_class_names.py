"""Which classes of two sets are the same ones."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from seglab.class_names import equal_classes, same_classes


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
