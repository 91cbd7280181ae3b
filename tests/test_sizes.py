"""One side or two become (height, width), and nothing else does."""

from __future__ import annotations

import pytest

from seglab.errors import SeglabError
from seglab.sizes import as_size, size_text


def test_one_side_stands_for_both():
    assert as_size(640) == as_size([640]) == as_size((640, 640)) == (640, 640)
    assert as_size((384, 640)) == as_size([384, 640]) == (384, 640)


@pytest.mark.parametrize("size", [0, -32, (640, 0), (), (1, 2, 3), (640.0, 640), [None]])
def test_what_is_no_size_is_refused_by_its_name(size):
    with pytest.raises(SeglabError, match="tile must be one side or"):
        as_size(size, "tile")


def test_people_write_the_width_first():
    assert size_text((480, 640)) == "640 x 480"
