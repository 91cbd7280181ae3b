"""Ids of other people's files: found in either spelling, sorted whatever they are. test_identity has those given."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seglab.errors import SeglabError
from seglab.formats.coco_ids import ById, in_order, other_spelling, refuse_no_id

numbers = st.integers(-(10**30), 10**30)
ids = numbers | st.text(max_size=5) | numbers.map(str) | st.floats(allow_nan=False) | st.none()


@given(numbers)
def test_a_number_has_one_other_spelling(number):
    assert other_spelling(number) == str(number) and other_spelling(str(number)) == number
    assert other_spelling(f" {number} ") == number


@pytest.mark.parametrize("strange", ["", "a", "1.5", "٣", "²", 1.5, math.nan, math.inf, None, [], {}])
def test_what_is_no_whole_number_has_none(strange):
    assert other_spelling(strange) is None


@given(st.lists(ids, unique=True, max_size=8), ids)
def test_every_id_finds_its_own_value_and_no_other(known, wanted):
    table = ById({number: place for place, number in enumerate(known)})
    assert [table.get(number) for number in known] == list(range(len(known)))
    if wanted not in known:
        place = table.get(wanted)
        assert place is None or known[place] == other_spelling(wanted)


def test_ids_of_files_match_across_types():
    table = ById({1: "one", "2": "two", "x": "x"})
    assert [table.get(number) for number in ("1", 1.0, 2, "002", "x", "y", None, [1])] == [
        "one", "one", "two", None, "x", None, None, None,
    ]  # fmt: skip
    assert ById({7: "seven"}).get("007") == "seven"


@given(st.lists(ids, unique=True))
def test_all_types_of_ids_have_an_order(some):
    ordered = in_order(some)
    assert sorted(map(repr, ordered)) == sorted(map(repr, some))
    texts = [isinstance(number, str) for number in ordered if number is not None]
    assert texts == sorted(texts) and (None not in some or ordered[-1] is None)


def test_what_can_be_no_id_is_an_error_with_the_file():
    refuse_no_id("x.json", "images", "a")
    with pytest.raises(SeglabError, match=r"x\.json: the id \[3\] among its images must be a number or text"):
        refuse_no_id("x.json", "images", [3])
