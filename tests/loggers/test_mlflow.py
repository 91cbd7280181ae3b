import sys
import types

import pytest

from tests.loggers.followed import Stub, follow, make_folder, resume


@pytest.fixture
def library(monkeypatch):
    stub = Stub()
    stub.active = None
    stub.opened = types.SimpleNamespace(info=types.SimpleNamespace(run_id="r1"))
    stub.active_run = lambda: stub.active
    stub.start_run = lambda **named: stub.calls.append(("start_run", (), named)) or stub.opened
    monkeypatch.setitem(sys.modules, "mlflow", stub)
    return stub


def test_a_run_has_parameters_metrics_and_artifacts(library, tmp_path):
    folder = make_folder(tmp_path / "train")
    follow("mlflow", folder)
    assert library.called("set_experiment") == [(("vines",), {})]
    assert library.called("start_run") == [((), {"run_id": None, "run_name": "train"})]
    assert library.called("log_params")[0][0][0]["freeze"] == "[1, 2]"
    metrics = library.called("log_metrics")
    assert [named["step"] for _, named in metrics] == [0, 1, 2]
    assert metrics[2][0][0]["metrics/mAP50-95M"] == 0.5  # MLflow takes no brackets
    assert [values for values, _ in library.called("log_artifact")] == [
        (str(folder / "results.png"),),
        (str(folder / "weights/best.pt"), "weights"),
    ]
    assert len(library.called("end_run")) == 1
    resume("mlflow", folder)
    assert library.called("start_run")[-1][1] == {"run_id": "r1", "run_name": None}
    assert len(library.called("log_params")) == 1  # they are written once


def test_a_run_of_the_users_own_is_used_and_left_open(library, tmp_path):
    library.active = library.opened
    follow("mlflow", make_folder(tmp_path / "train"))
    assert not library.called("start_run") and not library.called("set_experiment") and not library.called("end_run")
    assert len(library.called("log_metrics")) == 3


def test_the_library_in_a_folder(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    try:
        follow("mlflow", make_folder(tmp_path / "train"))
        client = mlflow.MlflowClient()
        (run,) = client.search_runs([client.get_experiment_by_name("vines").experiment_id])
        history = client.get_metric_history(run.info.run_id, "metrics/mAP50-95M")
        assert [(each.step, each.value) for each in history] == [(0, 0), (1, 0.25), (2, 0.5)]
        assert run.data.params["lr0"] == "0.01" and run.info.status == "FINISHED"
        assert {each.path for each in client.list_artifacts(run.info.run_id)} == {"results.png", "weights"}
    finally:
        mlflow.set_tracking_uri(before)
