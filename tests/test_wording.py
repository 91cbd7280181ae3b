"""Numbers of things in words."""

import pytest

from seglab.wording import one_line, pluralize, shortened


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


def test_what_others_wrote_stays_on_one_line_and_is_cut():
    assert one_line("a\nb\x1b[31m\u2028c\ud800") == "a b [31m c "
    still = "käse 猫\u3000\ue000\ud7fcकुत्ता\u200d\U0001f9d1\u200d\U0001f680"  # no cursor moves in these
    assert one_line(still) == still
    assert shortened("cup") == "cup" and shortened("käse 猫") == "käse 猫"
    assert shortened("x" * 10**6, 10) == "xxxxxxx..."
