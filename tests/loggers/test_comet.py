import sys
import zipfile

import pytest

from tests.loggers.followed import Stub, follow, make_folder, resume


@pytest.fixture
def library(monkeypatch):
    stub = Stub()
    experiment = Stub(stub.calls, "experiment")
    experiment.get_key = lambda: "k" * 32
    stub.start = lambda **named: stub.calls.append(("start", (), named)) or experiment
    monkeypatch.setitem(sys.modules, "comet_ml", stub)
    monkeypatch.delenv("COMET_MODE", raising=False)
    return stub


def test_an_experiment_has_parameters_metrics_images_and_weights(library, tmp_path):
    folder = make_folder(tmp_path / "train")
    follow("comet", folder)
    ((_, begun),) = library.called("start")
    assert begun["project"] == "vines" and begun["mode"] == "create" and begun["online"] is None
    assert library.called("ExperimentConfig")[0][1]["log_code"] is False  # nothing that nobody asked for
    assert library.called("experiment.log_parameters")[0][0][0]["lr0"] == 0.01
    metrics = library.called("experiment.log_metrics")
    assert [named["epoch"] for _, named in metrics] == [0, 1, 2] and metrics[1][0][0]["train/box_loss"] == 1
    assert library.called("experiment.log_image") == [((str(folder / "results.png"),), {"name": "results"})]
    assert library.called("experiment.log_model") == [(("best", str(folder / "weights/best.pt")), {})]
    assert len(library.called("experiment.end")) == 1
    resume("comet", folder)
    begun = library.called("start")[-1][1]
    assert begun["experiment_key"] == "k" * 32 and begun["mode"] == "get_or_create"


def test_the_library_offline(tmp_path, monkeypatch):
    pytest.importorskip("comet_ml", reason="Comet is not installed")
    monkeypatch.setenv("COMET_MODE", "offline")
    monkeypatch.setenv("COMET_OFFLINE_DIRECTORY", str(tmp_path / "comet"))
    follow("comet", make_folder(tmp_path / "train"))
    (archive,) = (tmp_path / "comet").glob("*.zip")
    with zipfile.ZipFile(archive) as files:
        assert any(b"metrics/mAP50-95(M)" in files.read(name) for name in files.namelist())
