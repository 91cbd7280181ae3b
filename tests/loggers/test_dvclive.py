import json
import sys
import types

import pytest

from seglab.loggers.dvclive import plain
from tests.loggers.followed import Stub, follow, make_folder, resume


@pytest.fixture
def library(monkeypatch):
    live = Stub()
    live.dir = "dvclive"
    module = types.SimpleNamespace(Live=lambda **named: live.calls.append(("Live", (), named)) or live)
    monkeypatch.setitem(sys.modules, "dvclive", module)
    return live


def test_an_experiment_has_parameters_metrics_images_and_weights(library, tmp_path):
    folder = make_folder(tmp_path / "train")
    follow("dvclive", folder)
    assert library.called("Live") == [((), {"exp_name": "train", "resume": False})]
    assert library.called("log_params")[0][0][0]["keep"] == "None"
    assert (("train/box_loss", 0.5), {}) in library.called("log_metric") and len(library.called("next_step")) == 3
    assert library.called("log_image") == [(("results.png", str(folder / "results.png")), {})]
    assert library.called("log_artifact")[0][0] == (str(folder / "weights/best.pt"),)
    assert len(library.called("end")) == 1
    resume("dvclive", folder)
    assert library.called("Live")[-1][1]["resume"] is True


def test_values_that_it_cannot_write_are_text(tmp_path):
    assert plain([1, 2]) == [1, 2] and plain(0.5) == 0.5 and plain(None) == "None" and plain(tmp_path) == str(tmp_path)


def test_the_library_in_a_folder(tmp_path, monkeypatch):
    pytest.importorskip("dvclive", reason="DVCLive is not installed")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.chdir(tmp_path)
    follow("dvclive", make_folder(tmp_path / "train"))
    written = json.loads((tmp_path / "dvclive/metrics.json").read_text())
    assert written["metrics"]["mAP50-95(M)"] == 0.5 and written["step"] == 2
    lines = (tmp_path / "dvclive/plots/metrics/metrics/mAP50-95(M).tsv").read_text().splitlines()
    assert [line.split("\t") for line in lines[1:]] == [["0", "0.0"], ["1", "0.25"], ["2", "0.5"]]
