"""Settings say where files go, and take what seglab can do."""

from __future__ import annotations

import os

import pytest

from seglab.compat.settings import ROOT, increment_path, settings
from seglab.errors import SeglabError
from seglab.files import cache_dir, new_run_dir


def test_settings_are_a_mapping(monkeypatch, tmp_path):
    monkeypatch.delenv("SEGLAB_DATASETS", raising=False)
    monkeypatch.delenv("SEGLAB_RUNS", raising=False)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    assert dict(settings) == {
        "datasets_dir": "datasets",
        "weights_dir": str(tmp_path / "cache"),
        "runs_dir": "runs",
    }
    assert settings["sync"] is False and settings.get("wandb") is False and (ROOT / "version.py").is_file()
    assert "runs_dir: runs" in repr(settings) and len(settings) == 3
    settings.update({"datasets_dir": str(tmp_path / "data"), "weights_dir": tmp_path / "w", "sync": False})
    assert settings["datasets_dir"] == os.environ["SEGLAB_DATASETS"] == str(tmp_path / "data")
    assert cache_dir() == tmp_path / "w"
    settings["runs_dir"] = tmp_path / "elsewhere"
    assert settings["runs_dir"] == str(tmp_path / "elsewhere")
    assert new_run_dir("predict") == tmp_path / "elsewhere/segment/predict"
    with pytest.raises(SeglabError, match=r"no neptune to switch on: it follows trainings with tensorboard, wandb"):
        settings.update(neptune=True)
    settings.reset()
    assert settings["runs_dir"] == "runs" and settings["datasets_dir"] == "datasets"
    assert settings["weights_dir"] == str(tmp_path / "cache")


def test_what_the_environment_said_is_said_again_after_a_reset(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path))
    settings.reset()
    assert os.environ["SEGLAB_DATASETS"] == str(tmp_path)
    settings["datasets_dir"] = "first"
    settings["datasets_dir"] = "second"
    assert os.environ["SEGLAB_DATASETS"] == "second"
    settings.reset()
    assert os.environ["SEGLAB_DATASETS"] == str(tmp_path)


def test_a_free_path(tmp_path):
    assert increment_path(tmp_path / "run") == tmp_path / "run"
    (tmp_path / "run").mkdir()
    assert increment_path(tmp_path / "run", mkdir=True) == tmp_path / "run2"
    assert increment_path(tmp_path / "run", sep="_") == tmp_path / "run_2"
    assert increment_path(tmp_path / "run") == tmp_path / "run3"
    assert increment_path(tmp_path / "run", exist_ok=True) == tmp_path / "run"


def test_trackers_are_switched_on_by_name(monkeypatch, capsys):
    monkeypatch.setattr("seglab.compat.settings.is_installed", lambda name: name != "mlflow")
    settings.update({"wandb": True, "dvc": True, "comet": False, "mlflow": True})
    assert settings.trackers() == ["wandb", "dvclive"]
    assert settings["wandb"] is settings["dvc"] is True and settings["mlflow"] is settings["comet"] is False
    assert "mlflow needs the package mlflow: pip install mlflow; training continues" in capsys.readouterr().out
    assert "wandb: True" in repr(settings)
    settings.reset()
    assert settings.trackers() == [] and settings["wandb"] is False
