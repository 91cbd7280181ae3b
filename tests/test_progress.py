"""A bar is shown for long work only, and never changes what is worked on."""

from __future__ import annotations

from math import inf

import pytest
import tqdm.auto

from seglab.progress import LARGE_FILE, MIN_ITEMS, byte_progress, with_progress


@pytest.fixture
def bars(monkeypatch):
    """What bars are made with; each gives its items on."""
    made = []

    class Bar(tqdm.std.tqdm):
        def __init__(self, *items, **how):
            made.append(how)
            super().__init__(*items, **how, disable=True)

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    return made


@pytest.mark.parametrize("count", [0, MIN_ITEMS - 1, MIN_ITEMS, 2 * MIN_ITEMS])
def test_long_work_has_a_bar_and_all_of_it_is_done(bars, count):
    assert list(with_progress(range(count), "count")) == list(range(count))
    assert len(bars) == (count >= MIN_ITEMS)


def test_work_of_unknown_length_has_one_too(bars):
    assert list(with_progress(iter("abc"), "letters")) == ["a", "b", "c"]
    assert bars[0]["total"] == inf
    assert list(with_progress(iter("abc"), "letters", count=3)) == ["a", "b", "c"]
    assert len(bars) == 1


def test_bytes_are_counted_for_large_files(bars):
    with byte_progress("small", LARGE_FILE - 1) as advance:
        advance(1000)
    assert not bars
    with byte_progress("large", LARGE_FILE) as advance:
        advance(1000)
    assert bars[0]["total"] == LARGE_FILE and bars[0]["unit"] == "B"


def test_a_bar_ends_when_the_work_fails(bars):
    with pytest.raises(OSError, match="disk"), byte_progress("large", LARGE_FILE):
        raise OSError("disk")
    assert len(bars) == 1
