"""What documents quote of the benchmarks, without a measurement."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASUREMENTS
from benchmarks.machine import describe_machine
from benchmarks.quoted import PAGES, ROOT, last_table, quote, quoted_in
from benchmarks.speed import print_summary

PAGE = """# Page

<!-- bench: a -->

old

<!-- end -->

| a | table |
|-|-|
| of | text |

<!-- bench: b, last table -->

| old |
|-|

<!-- end -->
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for page in PAGES:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text("nothing", encoding="utf-8")
    (tmp_path / PAGES[0]).write_text(PAGE, encoding="utf-8")
    return tmp_path


def test_every_measurement_is_quoted_and_every_quotation_is_measured():
    quoted = set().union(*(quoted_in((ROOT / page).read_text(encoding="utf-8")) for page in PAGES))
    assert quoted == {measurement.name for measurement in MEASUREMENTS}


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda each: each.name)
def test_its_program_is_there(measurement):
    assert find_spec(f"benchmarks.{measurement.command.split()[0]}")


def test_a_measurement_replaces_its_own_figures_alone(root):
    assert quote("a", "new " * 60 + "\n\n| x |\n|-|\n| 1 |\n", root) == [PAGES[0]]
    text = (root / PAGES[0]).read_text(encoding="utf-8")
    assert "old\n\n<!-- end -->\n\n| a | table |" not in text and text.count("new") == 60
    assert text.endswith(PAGE[PAGE.index("\n| a | table |") :]) and max(map(len, text.splitlines())) <= 100

    assert quote("b", "words\n\n| 1 |\n|-|\n\nmore\n\n| 2 |\n|-|\n| 3 |", root) == [PAGES[0]]
    text = (root / PAGES[0]).read_text(encoding="utf-8")
    assert text.endswith("<!-- bench: b, last table -->\n\n| 2 |\n|-|\n| 3 |\n\n<!-- end -->\n")
    assert quote("c", "nobody asks", root) == [] and (root / PAGES[0]).read_text(encoding="utf-8") == text


def test_a_text_without_a_table_has_no_last_one():
    assert last_table("only | words") == ""


def test_the_summary_compares_with_the_fastest_of_each(capsys):
    seconds = {"seglab": 2.0, "peer": 3.0, "peer onnx": 2.5, "seglab bf16": 2.0, "seglab torch bf16": 1.0}
    rows = [{"name": name, "seconds": value} for name, value in seconds.items()]
    print_summary({("folder", 2): [*rows, {"name": "peer openvino", "why": "not installed"}]})
    assert capsys.readouterr().out.splitlines()[-1] == "| folder | 2 | 1.50 | 1.25 |  |"


def test_the_machine_is_described_in_one_line():
    described = describe_machine()
    assert "\n" not in described and "torch" in described and "cores" in described
