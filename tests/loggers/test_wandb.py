import sys
import time

import pytest

from tests.loggers.followed import Stub, follow, make_folder, resume


@pytest.fixture
def library(monkeypatch):
    stub = Stub()
    stub.run = None
    run = Stub(stub.calls, "run")
    run.id = "abc"
    stub.opened = run
    stub.init = lambda **named: stub.calls.append(("init", (), named)) or run
    monkeypatch.setitem(sys.modules, "wandb", stub)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return stub


def test_a_run_has_arguments_rows_images_and_weights(library, tmp_path):
    folder = make_folder(tmp_path / "train")
    follow("wandb", folder)
    ((_, begun),) = library.called("init")
    assert begun["project"] == "vines" and begun["name"] == "train" and begun["resume"] is None
    assert begun["config"]["lr0"] == 0.01
    rows = [(named["step"], values[0]) for values, named in library.called("run.log") if named]
    assert [step for step, _ in rows] == [0, 1, 2] and rows[1][1]["train/box_loss"] == 1
    assert library.called("Image") == [((str(folder / "results.png"),), {})]
    assert library.called("Artifact().add_file") == [((str(folder / "weights/best.pt"),), {"name": "best.pt"})]
    assert len(library.called("run.finish")) == 1
    resume("wandb", folder)
    assert library.called("init")[-1][1] | {"id": "abc", "resume": "allow"} == library.called("init")[-1][1]


def test_a_run_of_the_users_own_is_used_and_left_open(library, tmp_path):
    library.run = library.opened
    follow("wandb", make_folder(tmp_path / "train"))
    assert not library.called("init") and not library.called("run.finish")
    assert len(library.called("run.log")) == 4 and library.called("run.config.update")


def test_without_project_its_own_setting_counts(library, tmp_path, monkeypatch):
    follow("wandb", make_folder(tmp_path / "a"), project=None)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    follow("wandb", make_folder(tmp_path / "b"), project=None)
    assert [named["project"] for _, named in library.called("init")] == ["seglab", "mine"]


def test_the_library_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    follow("wandb", make_folder(tmp_path / "train"))
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    deadline = time.monotonic() + 20  # a process of the library's own writes it
    while b"metrics/mAP50-95(M)" not in file.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.1)
    written = file.read_bytes()
    assert b"metrics/mAP50-95(M)" in written and b"lr0" in written
