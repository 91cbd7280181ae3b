import csv
import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from seglab.data.catalogue import load_dataset
from seglab.errors import SeglabError
from seglab.model.weights import load_weights
from seglab.model.yolo11 import YOLO11Seg

WORKER = Path(__file__).with_name("worker.py")
specification = importlib.util.spec_from_file_location("training_worker", WORKER)
worker = importlib.util.module_from_spec(specification)
specification.loader.exec_module(worker)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums run in another order on more threads
    yield
    torch.set_num_threads(before)


def start(arguments, **environment):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, str(WORKER), json.dumps(arguments)], env=environment)


def assert_same(a, b):
    a, b = load_weights(a).state, load_weights(b).state
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def table(result):
    with open(result.folder / "results.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A short run: four epochs of two batches, a step each, the last without mosaic."""
    torch.set_num_threads(1)
    arguments = {"epochs": 4, "batch": 2, "nbs": 2, "close_mosaic": 1, "optimizer": "SGD"}
    project = str(tmp_path_factory.mktemp("reference"))
    result, model = worker.run(project=project, **arguments)
    return arguments, result, model


def test_a_run_leaves_what_users_look_for(reference):
    _, result, model = reference
    assert result.folder.name == "train"
    assert_same(result.best, result.last)  # without validation the last weights are the result
    weights = load_weights(result.best)
    assert all(torch.equal(tensor, weights.state[name]) for name, tensor in model.state_dict().items())
    names = load_dataset("toybox8-seg").names
    assert weights.metadata["names"] == {str(index): name for index, name in names.items()}
    assert weights.metadata["train_args"]["epochs"] == 4 and weights.metadata["train_args"]["data"]
    assert yaml.safe_load((result.folder / "args.yaml").read_text())["batch"] == 2
    assert not (result.folder / "weights" / "resume.safetensors").exists()
    rows = table(result)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    columns = ["epoch", "time", *(f"train/{term}_loss" for term in ("box", "seg", "cls", "dfl"))]
    assert list(rows[0]) == [*columns, "lr/pg0", "lr/pg1", "lr/pg2"]


def test_runs_repeat_bit_for_bit(reference, tmp_path):
    arguments, result, _ = reference
    again, _ = worker.run(project=str(tmp_path), **arguments)
    assert_same(result.best, again.best)
    other, _ = worker.run(project=str(tmp_path), seed=1, **arguments)
    assert other.folder == tmp_path / "train2"
    with pytest.raises(AssertionError):
        assert_same(result.best, other.best)


def test_a_killed_run_continues_bit_for_bit(reference, tmp_path):
    arguments, result, _ = reference
    folder = str(tmp_path / "train")
    step = random.SystemRandom().randint(1, 5)  # in the first three epochs
    first = start({**arguments, "project": str(tmp_path), "dies_at": ["step", step]})
    assert first.wait() == -signal.SIGKILL
    sync = random.SystemRandom().randint(1, 3)  # while the first files after that are written
    second = start({"resume": folder, "dies_at": ["sync", sync]})
    assert second.wait() == -signal.SIGKILL
    resumed, _ = worker.run(resume=folder)
    print(f"killed at batch {step}, then at flush {sync}")
    assert_same(result.last, resumed.last)
    assert_same(result.best, resumed.best)
    losses = [[{k: v for k, v in row.items() if k != "time"} for row in table(run)] for run in (result, resumed)]
    assert losses[0] == losses[1]
    with pytest.raises(SeglabError, match="finished"):
        worker.run(resume=folder)


def test_two_processes_train_as_one(tmp_path):
    arguments = {"epochs": 3, "batch": 4, "nbs": 4, "optimizer": "SGD", "lr0": 1e-3, "project": str(tmp_path)}
    alone, _ = worker.run(name="alone", **arguments)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [start({**arguments, "name": "pair"}, RANK=rank, LOCAL_RANK=rank, **together) for rank in "01"]
    assert [process.wait() for process in processes] == [0, 0]
    one, two = load_weights(alone.last).state, load_weights(tmp_path / "pair/weights/last.safetensors").state
    torch.manual_seed(1)
    before = YOLO11Seg("n", 10).state_dict()
    for name, tensor in one.items():
        if tensor.is_floating_point():
            moved = (tensor - before[name]).norm()
            assert (two[name] - tensor).norm() <= 1e-3 * moved + 1e-6, name
