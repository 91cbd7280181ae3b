import types

import pytest

from seglab.training import notebook
from seglab.training.notebook import NotebookLogger, bar_html, curves_html, plain_bar, plain_table, table_html
from seglab.training.rows import fitness
from seglab.training.run_log import make_row

LOSSES = {"box": 1.0, "seg": 2.0, "cls": 3.0, "dfl": 4.0}


def rows(count: int) -> list[dict[str, float]]:
    """The start and `count` epochs, the second of them the best."""
    start = {"epoch": 0, "time": 1.0, "metrics/mAP50-95(B)": 0.1, "metrics/mAP50-95(M)": 0.1}
    found = [start]
    for epoch in range(1, count + 1):
        value = 0.5 if epoch == 2 else 0.2
        columns = {"metrics/mAP50-95(B)": value, "metrics/mAP50-95(M)": value / 2}
        found.append(make_row(epoch, 10.0 * epoch, LOSSES, columns, [0.1]))
    return found


@pytest.fixture
def shown(monkeypatch):
    """Every output of a cell, as often as it was shown."""
    outputs: list[list[tuple[str, str]]] = []

    def display():
        outputs.append([])
        number = len(outputs) - 1
        return types.SimpleNamespace(show=lambda html, text: outputs[number].append((html, text)))

    monkeypatch.setattr(notebook, "Display", display)
    monkeypatch.setattr(notebook, "SECONDS_BETWEEN", 0.0)
    return outputs


def test_a_bar_moves_within_the_epoch_and_a_table_grows_by_epoch(shown):
    logger = NotebookLogger(epochs=2)
    bar, table = shown
    history = rows(2)
    assert list(logger.batches([{}, {}, {}], "epoch 1/2")) == [{}, {}, {}]
    assert [f'value="{done}" max="3"' in html for done, (html, _) in enumerate(bar)] == [True] * 4
    logger.log(history[:2])
    logger.log(history)
    logger.close(history)
    assert len(table) == 2 and table[0][0].count("<tr") == 3 and table[1][0].count("<tr") == 4
    assert bar[-1][1] == "training: 2/2 epochs |██████████|" and 'value="2" max="2"' in bar[-1][0]


def test_the_newest_epoch_is_on_top_and_the_best_one_bold():
    html = table_html(rows(3))
    lines = html.split("<tr")[2:]
    assert [line.split("<td>")[1].split("<")[0] for line in lines] == ["3", "2", "1", "start"]
    assert ["bold" in line for line in lines] == [False, True, False, False]
    assert "overflow: auto" in html and "position: sticky" in html and "white" not in html  # dark pages too
    assert table_html([]) == ""


def test_curves_stay_within_their_frame():
    html = curves_html(rows(3))
    assert html.count("<polyline") == 2 and "up to 0.500" in html
    for part in html.split('points="')[1:]:
        places = [tuple(map(float, place.split(","))) for place in part.split('"')[0].split()]
        assert len(places) == 4
        assert all(0 <= x <= notebook.WIDTH and 0 <= y <= notebook.HEIGHT for x, y in places)
    assert curves_html(rows(0)) == "" and curves_html([]) == ""


def test_a_run_without_validation_has_losses_only():
    history = [make_row(epoch, 1.0, LOSSES, {}, [0.1]) for epoch in (1, 2)]
    assert "mAP" not in table_html(history) and curves_html(history) == "" and fitness(history[0]) == 0


def test_batches_of_unknown_number_have_a_bar_too():
    assert "3/?" in bar_html("epoch 1/2", 3, 0, 1.0) and "10 s left" in bar_html("epoch 1/2", 5, 10, 10.0)
    assert plain_bar(0, 3) == "training: 0/3 epochs |          |"
    assert plain_table(rows(1)).splitlines() == [
        "epoch 0  box mAP 0.100  mask mAP 0.100",
        "epoch 1  box mAP 0.200  mask mAP 0.100",
    ]
