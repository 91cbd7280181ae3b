"""Numbers of things in words."""

import pytest

from seglab.wording import pluralize


@pytest.mark.parametrize(
    "said",
    ["1 pair", "2 pairs", "0 cups", "1 bus", "2 buses", "2 wine glasses", "3 benches", "2 toothbrushes", "1 class",
     "2 classes", "1 scissors", "2 scissors", "3 skis", "2 boxes"],
)  # fmt: skip
def test_number_and_thing_agree(said):
    number, thing = said.split(" ", 1)
    singular = {"pairs": "pair", "cups": "cup", "buses": "bus", "wine glasses": "wine glass", "benches": "bench",
                "toothbrushes": "toothbrush", "classes": "class", "boxes": "box"}.get(thing, thing)  # fmt: skip
    assert pluralize(int(number), singular) == said
