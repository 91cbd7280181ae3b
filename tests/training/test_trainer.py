import csv
import functools
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

import seglab.data.dataset as dataset
import seglab.training.checkpoint as checkpoint
import seglab.training.engine as engine
import seglab.training.trainer as trainer
from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir, new_run_dir
from seglab.model.weights import load_weights
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.arguments import make_config
from seglab.training.checkpoint import read_state
from seglab.training.loss import TERMS
from seglab.training.recipes import Start

WORKER = Path(__file__).with_name("worker.py")
specification = importlib.util.spec_from_file_location("training_worker", WORKER)
worker = importlib.util.module_from_spec(specification)
specification.loader.exec_module(worker)


pytestmark = pytest.mark.usefixtures("one_thread")  # sums run in another order on more threads


def start(arguments, **environment):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, str(WORKER), json.dumps(arguments)], env=environment)


def start_pair(arguments):
    """Two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [start(arguments, RANK=rank, LOCAL_RANK=rank, **together) for rank in "01"]


def assert_same(a, b):
    a, b = load_weights(a).state, load_weights(b).state
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def table(result):
    """The rows of results.csv."""
    with open(result.folder / "results.csv") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A short run: three epochs of two batches, a step each, the last without mosaic."""
    torch.set_num_threads(1)
    arguments = {"epochs": 3, "batch": 2, "nbs": 2, "close_mosaic": 1, "optimizer": "SGD"}
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
    assert weights.metadata["train_args"]["epochs"] == 3 and weights.metadata["train_args"]["data"]
    assert yaml.safe_load((result.folder / "args.yaml").read_text())["batch"] == 2
    assert not (result.folder / "weights" / "resume.safetensors").exists()
    rows = table(result)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    columns = ["epoch", "time", *(f"train/{term}_loss" for term in TERMS)]
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
    step = random.SystemRandom().randint(1, 4)  # in the first two epochs
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


def test_a_killed_run_keeps_its_best_epoch_and_its_patience(tmp_path, capsys):
    """AdamW, whose moments and counts are more than SGD keeps, and an epoch before the cut that none after it beats."""
    fitness = [0.1, 0.4, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3]
    arguments = {"epochs": 8, "batch": 2, "nbs": 2, "optimizer": "AdamW", "val": True, "patience": 3}
    arguments["project"] = str(tmp_path)
    whole, _ = worker.run(name="whole", validation=worker.planned(fitness), **arguments)
    assert "no improvement since epoch 2 (patience=3)" in capsys.readouterr().out and len(whole.history) == 5
    step = random.SystemRandom().randint(5, 8)  # in the third or fourth epoch
    killed = start({**arguments, "name": "cut", "fitness": fitness, "dies_at": ["step", step]})
    assert killed.wait() == -signal.SIGKILL
    resumed, _ = worker.run(resume=str(tmp_path / "cut"), validation=worker.planned(fitness), val=True)
    print(f"killed at batch {step}")
    assert "no improvement since epoch 2 (patience=3)" in capsys.readouterr().out
    assert_same(whole.last, resumed.last)
    assert_same(whole.best, resumed.best)
    assert load_weights(resumed.best).metadata["epoch"] == 2
    rows = [[{k: v for k, v in row.items() if k != "time"} for row in table(run)] for run in (whole, resumed)]
    assert rows[0] == rows[1] and len(rows[0]) == 5


def test_two_processes_train_as_one(tmp_path):
    """Statistics of batch normalisation, normalizers of the loss and gradients are those of the whole batch.

    Sums run in another order, so bits differ: about as much as when the images of a batch change places (1e-3 of the
    way the weights went). Leaving out any of the three moves weights by more than a third of that way.
    """
    arguments = {"epochs": 2, "batch": 4, "nbs": 4, "optimizer": "SGD", "lr0": 1e-3, "warmup_epochs": 0, "amp": False}
    arguments["project"] = str(tmp_path)
    processes = start_pair({**arguments, "name": "pair"})
    alone, _ = worker.run(name="alone", **arguments)
    assert [process.wait() for process in processes] == [0, 0]
    one, two = load_weights(alone.last).state, load_weights(tmp_path / "pair/weights/last.safetensors").state
    before = worker.new_model().state_dict()
    for part, tolerance in (("running", 1e-3), ("", 1e-2)):
        names = [name for name in one if part in name and one[name].is_floating_point()]
        apart, moved = (sum((a[n] - one[n]).square().sum() for n in names).sqrt() for a in (two, before))
        assert apart < tolerance * moved


def test_torchrun_makes_a_dataset_once_and_trains_on_it(tmp_path):
    """What every process needs is generated by one of them; the command is the one that the documentation names."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "seglab.cli",
    ]
    arguments = (
        "train data=toybox-seg:6 model=yolo11n-seg.yaml epochs=1 batch=4 imgsz=64 workers=0 device=cpu plots=False"
    )
    environment = {**os.environ, "SEGLAB_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments.split(), "val=False", f"project={tmp_path}"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("results in") == 1  # the first process alone talks
    assert (tmp_path / "train/weights/last.safetensors").is_file()


SHARED_VALIDATION = """
import json, os
from seglab import YOLO

options = {"data": "toybox-seg:40", "imgsz": 128, "batch": 4, "workers": 0, "device": "cpu"}
model = YOLO("toybox-n")
trained = model.train(**options, epochs=1, name="taught", plots=False)
model = YOLO("runs/segment/taught/weights/best.pt")
metrics = model.val(**options, save_json=True, save_txt=True, name="checked")
process = os.environ.get("RANK", "0")
maps = [metrics.box.map, metrics.seg.map, metrics.image_count]
with open(f"figures{process}.json", "w") as file:
    json.dump(maps, file)
"""


def test_processes_share_the_images_of_a_validation(tmp_path, monkeypatch):
    """After every epoch, and in `val`: figures and files are those of one process."""
    (tmp_path / "script.py").write_text(SHARED_VALIDATION, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "script.py"]
    environment = {**os.environ, "SEGLAB_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(launch, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Results saved to") == 1  # the first process alone talks
    figures = [json.loads((tmp_path / f"figures{rank}.json").read_text()) for rank in (0, 1)]
    assert figures[0] == figures[1]

    runs = tmp_path / "runs/segment"
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    options = {"data": "toybox-seg:40", "imgsz": 128, "batch": 4, "workers": 0, "device": "cpu", "verbose": False}
    saving = {"save_json": True, "save_txt": True, "project": str(tmp_path), "name": "alone"}
    alone = YOLO(runs / "taught/weights/best.pt").val(**options, **saving)
    assert figures[0] == [pytest.approx(alone.box.map, abs=1e-6), pytest.approx(alone.seg.map, abs=1e-6), 8]
    listed = [
        sorted((row["image_id"], row["category_id"], round(row["score"], 4)) for row in json.loads(file.read_text()))
        for file in (runs / "checked/predictions.json", tmp_path / "alone/predictions.json")
    ]
    assert listed[0] == listed[1] and listed[0]
    labels = [
        sorted(file.name for file in folder.iterdir())
        for folder in (runs / "checked/labels", tmp_path / "alone/labels")
    ]
    assert labels[0] == labels[1] and labels[0]

    with open(runs / "taught/results.csv") as file:
        rows = list(csv.DictReader(file))
    best = max(float(row["metrics/mAP50-95(M)"]) for row in rows)
    assert len(rows) == 2 and best == pytest.approx(alone.seg.map, abs=1e-4)
    assert all(float(row["val/seg_loss"]) > 0 for row in rows)


def test_numbers_that_are_not_finite_lead_back_to_the_last_good_state(tmp_path, monkeypatch, capsys):
    arguments = {"epochs": 3, "batch": 4, "nbs": 4, "optimizer": "SGD", "warmup_epochs": 0, "project": str(tmp_path)}
    loss, calls = engine.segmentation_loss, []

    def sometimes_nan(raw, batch, gains):
        calls.append(1)
        total, terms = loss(raw, batch, gains)
        return total * (float("nan") if len(calls) == 2 else 1.0), terms

    monkeypatch.setattr(engine, "segmentation_loss", sometimes_nan)
    result, model = worker.run(**arguments)
    assert (
        len(calls) == 4
        and "non-finite loss in epoch 2: restarting it at half the learning rate" in capsys.readouterr().out
    )
    rates = [row["lr/pg0"] for row in result.history]
    assert rates == pytest.approx([0.01, 0.01 * 0.67 / 2, 0.01 * 0.34 / 2])  # half, from the repeated epoch on
    assert engine.is_finite(model)

    def always_nan(*arguments):
        total, terms = loss(*arguments)
        return total * float("nan"), {name: value * float("nan") for name, value in terms.items()}

    monkeypatch.setattr(engine, "segmentation_loss", always_nan)
    with pytest.raises(SeglabError, match="non-finite loss in epoch 1, even at 1/8"):
        worker.run(**arguments)


def test_half_precision_scales_its_loss_and_continues_bit_for_bit(tmp_path, monkeypatch):
    """fp16 is CUDA's, but CPUs compute in it too, so the scaled loss and what is kept of it are seen here."""
    monkeypatch.setattr(trainer, "autocast_dtype", lambda amp, device: torch.float16)
    scaler = functools.partial(torch.amp.GradScaler, init_scale=2.0**10)  # too much here: first steps are skipped
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    arguments = {"epochs": 3, "batch": 2, "nbs": 2, "warmup_epochs": 0, "val": True, "project": str(tmp_path)}
    whole, model = worker.run(name="whole", **arguments)
    assert engine.is_finite(model) and [row["epoch"] for row in whole.history] == [1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        worker.run(name="cut", validation=interrupted_in_epoch(2), **arguments)
    tensors, progress = read_state(tmp_path / "cut")
    assert progress.epoch == 1 and progress.scaler["scale"] < 2**10
    assert all(tensor.dtype != torch.float16 for tensor in tensors.values())  # weights and averages stay float32
    resumed, _ = worker.run(resume=str(tmp_path / "cut"), val=True)
    assert_same(whole.last, resumed.last)
    assert_same(whole.best, resumed.best)


def test_a_run_begun_in_float32_goes_on_in_half_precision(tmp_path, monkeypatch):
    arguments = {"epochs": 2, "batch": 2, "nbs": 2, "val": True, "project": str(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        worker.run(validation=interrupted_in_epoch(2), **arguments)
    monkeypatch.setattr(trainer, "autocast_dtype", lambda amp, device: torch.float16)
    result, model = worker.run(resume=str(tmp_path / "train"), val=True)
    assert [row["epoch"] for row in result.history] == [1, 2] and engine.is_finite(model)


def interrupted_in_epoch(number):
    seen = []

    def validation(model):
        seen.append(1)
        if len(seen) == number:
            raise KeyboardInterrupt
        return worker.Figures(), {}

    return validation


def test_the_best_epoch_is_kept_and_patience_ends_a_run(tmp_path, capsys):
    seen = []

    def validation(model):
        figures = worker.Figures()
        figures.fitness = [0.1, 0.3, 0.2, 0.2][len(seen)]  # once an epoch
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return figures, {"metrics/mAP50-95(M)": figures.fitness}

    arguments = {"epochs": 9, "patience": 2, "val": True, "save_period": 3, "project": str(tmp_path)}
    result, model = worker.run(validation=validation, **arguments)
    assert len(result.history) == 4 and "patience" in capsys.readouterr().out
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in model.state_dict().items())
    assert result.metrics.fitness == 0.3
    best = load_weights(result.best)
    assert best.metadata["epoch"] == 2 and best.metadata["metrics"]["metrics/mAP50-95(M)"] == 0.3
    assert load_weights(result.last).metadata["epoch"] == 4
    names = {path.name for path in (result.folder / "weights").iterdir()}
    assert names == {f"{name}{suffix}" for name in ("best", "last", "epoch3") for suffix in (".safetensors", ".pt")}


def test_the_start_stands_for_election(tmp_path, capsys):
    """Weights that no epoch is better than are the result of a fine-tuning, and patience counts from them."""
    fitness = [0.4, 0.3, 0.39, 0.4]
    start = Start(known=10, scratch=False, mask_targets="hard")

    def validation(model):
        figures = worker.Figures()
        figures.fitness = fitness[len(seen)]
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return figures, {"metrics/mAP50-95(B)": figures.fitness / 2, "metrics/mAP50-95(M)": figures.fitness / 2}

    for expected, ending in (
        (0, "training did not help: no epoch is better than the start (mask mAP 0.200"),
        (2, "training helped: mask mAP 0.250 at epoch 2, 0.200 at the start"),
    ):
        seen: list[dict] = []
        arguments = {"epochs": 2, "val": True, "project": str(tmp_path), "start": start}
        result, model = worker.run(validation=lambda network: validation(network), **arguments)
        assert [row["epoch"] for row in table(result)] == ["0", "1", "2"]
        assert all(torch.equal(tensor, seen[expected][name]) for name, tensor in model.state_dict().items())
        metadata = load_weights(result.best).metadata
        assert metadata["epoch"] == expected
        # The start's masks are read as those of hard targets, what was trained on as those of soft ones.
        assert metadata["train_args"]["mask_targets"] == result.mask_targets == ("soft" if expected else "hard")
        assert ending in capsys.readouterr().out
        fitness = [0.4, 0.3, 0.5, 0.5]
    fitness = [0.4, 0.3, 0.3, 0.4]
    seen = []
    result, _ = worker.run(validation=lambda network: validation(network), **(arguments | {"epochs": 9, "patience": 2}))
    assert len(result.history) == 3 and "no improvement since the start (patience=2)" in capsys.readouterr().out


def test_a_killed_fine_tuning_keeps_its_start(tmp_path):
    arguments = {"epochs": 2, "val": True, "project": str(tmp_path), "start": Start(known=10, scratch=False)}
    with pytest.raises(KeyboardInterrupt):
        worker.run(validation=interrupted_in_epoch(3), **arguments)
    _, progress = read_state(tmp_path / "train")
    assert [row["epoch"] for row in progress.history] == [0, 1]
    result, _ = worker.run(**(arguments | {"resume": str(tmp_path / "train")}))
    assert [row["epoch"] for row in result.history] == [0, 1, 2]


@pytest.mark.parametrize("epochs_before", [0, 1])
def test_a_resumed_run_reads_the_masks_of_its_start_as_before(tmp_path, monkeypatch, epochs_before):
    """Weights of soft targets are fine-tuned with hard ones, and no epoch is better: the result is the start, whose
    masks are read as those of soft targets, whether the run was cut or not."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    learn, epochs = trainer.train_one_epoch, []

    def cut(*arguments):
        if len(epochs) == epochs_before:
            raise KeyboardInterrupt
        epochs.append(1)
        return learn(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "train_one_epoch", cut)
        YOLO("toybox-n").train(
            data="toybox8-seg", imgsz=320, mask_targets="hard", epochs=epochs_before + 1, lr0=0.0, workers=0,
            device="cpu", plots=False, project=str(tmp_path), name="cut",
        )  # fmt: skip
    model = YOLO(tmp_path / "cut/weights/last.safetensors")
    metrics = model.train(resume=True)
    with open(tmp_path / "cut/results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    read_as_soft, read_as_hard, *_ = (float(row["metrics/mAP50-95(M)"]) for row in rows)
    assert read_as_hard < read_as_soft  # the same weights, for the learning rate is 0
    assert load_weights(tmp_path / "cut/weights/best.safetensors").metadata["epoch"] == 0
    assert model.overrides["mask_targets"] == "soft"
    assert metrics.seg.map == pytest.approx(read_as_soft, rel=1e-5)


# --- an epoch on trial ---

LARGE = {"optimizer": "AdamW", "lr0": 1e-3, "momentum": 0.9, "average": "late"}
SMALL = {"optimizer": "SGD", "lr0": 1e-4, "momentum": 0.9, "average": "anchored"}
SHORT = {"epochs": 2, "batch": 2, "nbs": 2, "warmup_bias_lr": 0.0, "val": True, "start": Start(known=10, scratch=False)}
SHORT["amp"] = False  # in bf16, processes and runs differ by more than the order of sums
BETTER, WORSE = 1.0, -1.0  # than the start, by distance from it


@pytest.fixture(scope="module")
def untried(tmp_path_factory):
    """Runs with large and with small steps from the beginning."""
    torch.set_num_threads(1)
    project = str(tmp_path_factory.mktemp("untried"))
    return {
        gain: worker.run(worker.judged_by_distance(gain), project=project, **SHORT, **settings)[0]
        for gain, settings in ((BETTER, LARGE), (WORSE, SMALL))
    }


def assert_same_run(one, other):
    """The same weights, rows and words about them, but for what takes time."""
    assert_same(one.last, other.last)
    assert_same(one.best, other.best)
    rows = [[{k: v for k, v in row.items() if k != "time"} for row in table(run)] for run in (one, other)]
    assert rows[0] == rows[1] and [row["epoch"] for row in rows[0]] == ["0", "1", "2"]
    arguments = []
    for run in (one, other):
        told = [yaml.safe_load((run.folder / "args.yaml").read_text())]
        told += [load_weights(file).metadata["train_args"] for file in (run.best, run.last)]
        differing = ("project", "name", "resume")
        arguments.append([{k: v for k, v in values.items() if k not in differing} for values in told])
    assert arguments[0] == arguments[1]


@pytest.mark.parametrize("gain", [BETTER, WORSE])
def test_an_epoch_on_trial_is_kept_or_never_was(untried, tmp_path, capsys, gain):
    validation = worker.judged_by_distance(gain)
    result, _ = worker.run(validation, fallback=SMALL, project=str(tmp_path), **SHORT, **LARGE)
    told = capsys.readouterr().out
    assert ("larger steps are better than the start" in told) == (gain == BETTER)
    assert ("not clearly better than the start" in told) == (gain == WORSE)
    assert told.count("epoch 1/2") == (1 if gain == BETTER else 2)  # the epoch on trial is told as well
    assert told.count("optimizer: SGD lr=0.0001") == (gain == WORSE)
    assert_same_run(result, untried[gain])
    assert result.config.optimizer == ("AdamW" if gain == BETTER else "SGD")
    assert load_weights(result.best).metadata["epoch"] == (2 if gain == BETTER else 0)


@pytest.mark.parametrize(
    "gain, class_loss, optimizer", [(BETTER, 0.95, "SGD"), (BETTER, 0.85, "AdamW"), (WORSE, 0.5, "SGD")]
)
def test_fitness_and_class_loss_both_have_to_say_that_an_epoch_is_better(tmp_path, gain, class_loss, optimizer):
    validation = worker.judged_by_distance(gain, class_loss)
    arguments = {**SHORT, **LARGE, "epochs": 1, "project": str(tmp_path)}
    result, _ = worker.run(validation, fallback=SMALL, **arguments)
    assert result.config.optimizer == optimizer


def test_an_epoch_on_trial_whose_numbers_are_not_finite_is_no_better(untried, tmp_path, monkeypatch):
    loss, calls = engine.segmentation_loss, []

    def nan_at_first(*arguments):
        calls.append(1)
        total, terms = loss(*arguments)
        return total * (float("nan") if len(calls) == 1 else 1.0), terms

    monkeypatch.setattr(engine, "segmentation_loss", nan_at_first)
    validation = worker.judged_by_distance(WORSE)
    result, _ = worker.run(validation, fallback=SMALL, project=str(tmp_path), **SHORT, **LARGE)
    assert_same_run(result, untried[WORSE])


class Cut(BaseException):
    """Ends a run at once."""


def cut_at(function, count, seen):
    """A function that ends the run when it is called the `count`-th time; `seen` counts the calls."""

    def watched(*arguments):
        seen.append(1)
        if len(seen) == count:
            raise Cut
        return function(*arguments)

    return watched


@pytest.mark.parametrize("gain", [BETTER, WORSE])
def test_a_run_cut_around_its_trial_continues_bit_for_bit(untried, tmp_path, monkeypatch, gain):
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    step = random.SystemRandom().randint(1, 4)  # in the trial or the epoch after it
    print(f"cut at batch {step}")
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(engine, "segmentation_loss", cut_at(engine.segmentation_loss, step, []))
        worker.run(worker.judged_by_distance(gain), fallback=SMALL, project=str(tmp_path), name="cut", **SHORT, **LARGE)
    resumed, _ = worker.run(worker.judged_by_distance(gain), resume=str(tmp_path / "cut"), val=True)
    assert_same_run(resumed, untried[gain])


def test_a_run_cut_while_it_falls_back_begins_again_with_the_new_settings(untried, tmp_path, monkeypatch):
    """At every flush of the files that it writes then."""
    validation = worker.judged_by_distance(WORSE)
    fall_back = trainer.fall_back
    writes = 0
    while True:
        writes += 1
        name = f"cut{writes}"

        def cut_in_fall_back(*arguments, writes=writes):
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", cut_at(os.fsync, writes, []))
                fall_back(*arguments)
            raise StopIteration  # all files were written

        try:
            with monkeypatch.context() as patch:
                patch.setattr(trainer, "fall_back", cut_in_fall_back)
                worker.run(validation, fallback=SMALL, project=str(tmp_path), name=name, **SHORT, **LARGE)
        except StopIteration:
            break
        except Cut:
            resumed, _ = worker.run(validation, resume=str(tmp_path / name), val=True)
            assert_same_run(resumed, untried[WORSE])
    assert writes > 4  # arguments, best and last weights, state; each of them is at least one


def test_weights_that_know_an_images_classes_well_are_hardly_moved(tmp_path, capsys):
    """The trial as users meet it: the course weights on scenes like those that they have learned from."""
    model = YOLO("toybox-n")
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    model.train(data="toybox8-seg", imgsz=320, epochs=1, workers=0, device="cpu", plots=False, project=str(tmp_path))
    told = capsys.readouterr().out
    assert "larger steps are tried for one epoch" in told and "not clearly better than the start" in told
    arguments = yaml.safe_load((tmp_path / "train/args.yaml").read_text())
    assert model.overrides["optimizer"] == arguments["optimizer"] == "SGD"
    after = load_weights(tmp_path / "train/weights/last.safetensors").state
    names = [name for name in before if name.endswith("conv.weight")]
    moved = sum((after[name] - before[name]).square().sum() for name in names).sqrt()
    assert 0 < moved < 0.001 * sum(before[name].square().sum() for name in names).sqrt()
    with open(tmp_path / "train/results.csv") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]  # the trial is no row


def test_two_processes_judge_a_trial_alike(untried, tmp_path):
    """Though only the first one validates: they end where one process does, but for the order of sums."""
    processes = []
    for gain in untried:
        arguments = {**SHORT, **LARGE, "fallback": SMALL, "gain": gain, "project": str(tmp_path), "name": str(gain)}
        del arguments["start"]  # the worker makes its own
        processes += start_pair(arguments)
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    before = worker.new_model().state_dict()
    for gain, alone in untried.items():
        one = load_weights(alone.last).state
        two = load_weights(tmp_path / f"{gain}/weights/last.safetensors").state
        names = [name for name, tensor in one.items() if tensor.is_floating_point()]
        apart, moved = (sum((a[n] - one[n]).square().sum() for n in names).sqrt() for a in (two, before))
        assert apart < 0.1 * moved


def test_frozen_statistics_stay_as_they_were(tmp_path):
    before = worker.new_model().state_dict()
    _, model = worker.run(epochs=1, freeze_bn=True, warmup_epochs=0, project=str(tmp_path))
    after = model.state_dict()
    statistics = [name for name in before if "running_" in name or "num_batches" in name]
    assert len(statistics) > 100 and all(torch.equal(before[name], after[name]) for name in statistics)
    assert (after["model.0.bn.weight"] != before["model.0.bn.weight"]).any()


def test_frozen_layers_stay_as_they_were(tmp_path):
    before = worker.new_model().state_dict()
    arguments = {"epochs": 1, "freeze": 11, "warmup_epochs": 0, "save": False, "project": str(tmp_path)}
    result, model = worker.run(**arguments)
    changed = {int(name.split(".")[1]) for name, tensor in model.state_dict().items() if (tensor != before[name]).any()}
    assert changed == {13, 16, 17, 19, 20, 22, 23}  # the rest are frozen or have no weights
    assert {path.name for path in (result.folder / "weights").iterdir()} == {"best.safetensors", "best.pt"}


def test_without_validation_images_nothing_is_made(tmp_path):
    spec = load_dataset("toybox8-seg")
    with pytest.raises(SeglabError, match="no images in its split 'val'"):
        trainer.train(
            worker.new_model(), replace(spec, splits={"train": spec.splits["train"]}), make_config(project=tmp_path)
        )
    assert not list(tmp_path.iterdir())


def shelf(tmp_path) -> Path:
    """A copy of the embedded dataset that a test may spoil."""
    return Path(shutil.copytree(load_dataset("toybox8-seg").root, tmp_path / "shelf")) / "toybox8-seg.yaml"


@pytest.mark.parametrize("split", ["train", "val"])
def test_strict_training_looks_at_both_splits_before_anything_is_made(tmp_path, split):
    data = shelf(tmp_path)
    label = min((data.parent / "labels" / split).iterdir())
    label.write_text(label.read_text() + "0 0.1 0.1\n")
    config = make_config(strict=True, imgsz=64, device="cpu", workers=0, project=str(tmp_path / "runs"))
    with pytest.raises(SeglabError, match=rf"{label.name}:\d+: too few points"):
        trainer.train(worker.new_model(), load_dataset(data), config)
    assert not (tmp_path / "runs").exists()


def test_issues_that_the_table_leaves_out_are_listed_in_the_run(tmp_path, capsys):
    data = shelf(tmp_path)
    for split, rows in (("train", 20), ("val", 1)):
        label = min((data.parent / "labels" / split).iterdir())
        label.write_text(label.read_text() + "".join(f"0 {n}\n" for n in range(rows)))
    config = make_config(epochs=1, imgsz=64, device="cpu", workers=0, plots=False, val=False, project=str(tmp_path))
    result = trainer.train(worker.new_model(), load_dataset(data), config)
    listing = result.folder / "issues.csv"
    assert len(listing.read_text().splitlines()) == 1 + 21
    assert f"all issues: {listing}" in capsys.readouterr().out


def test_a_run_names_its_data_for_any_working_folder(tmp_path, monkeypatch):
    name = shelf(tmp_path).relative_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = make_config(epochs=1, imgsz=64, device="cpu", workers=0, plots=False, val=False, project="runs")
    spec = load_dataset(str(name))
    result = trainer.train(worker.new_model(), spec, config, lambda model: (worker.Figures(), {}))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    data = load_weights(tmp_path / result.best).metadata["train_args"]["data"]
    assert load_dataset(data).images("val") == spec.images("val")
    assert yaml.safe_load((tmp_path / result.folder / "args.yaml").read_text())["data"] == data


@pytest.mark.parametrize("ratio", [4, 1])
def test_real_validation_fills_the_table_and_draws(tmp_path, ratio):
    spec = load_dataset("toybox8-seg")
    place = {"device": "cpu", "project": str(tmp_path)}
    config = make_config(epochs=1, imgsz=64, workers=0, amp="bf16", mask_ratio=ratio, **place)
    result = trainer.train(worker.new_model(), spec, config)
    (row,) = table(result)
    expected = [f"metrics/{key}({part})" for part in "BM" for key in ("precision", "recall", "mAP50", "mAP50-95")]
    expected += [f"val/{term}_loss" for term in TERMS]
    assert list(row)[2 + len(TERMS) : -3] == expected
    assert float(row["val/cls_loss"]) > 0
    images = {
        "train_batch0.jpg",
        "val_batch0_pred.jpg",
        "val_batch0_labels.jpg",
        "confusion_matrix_normalized.png",
        "labels.jpg",
        "results.png",
        "confusion_matrix.png",
    }
    assert images <= {path.name for path in result.folder.iterdir()}
    assert 0 <= result.metrics.seg.map <= 1


def test_a_model_for_other_classes_is_refused():
    with pytest.raises(SeglabError, match="80 classes and the data 10"):
        trainer.train(YOLO11Seg("n", 80), load_dataset("toybox8-seg"), make_config(device="cpu"))


def test_folders_count_up(tmp_path):
    assert [new_run_dir("train", str(tmp_path)).name for _ in range(3)] == ["train", "train2", "train3"]
    assert new_run_dir("train", str(tmp_path), "train2", exist_ok=True).name == "train2"
    assert new_run_dir("train", str(tmp_path), "a/b") == tmp_path / "a/b"
    (tmp_path / "file").write_text("")
    for project in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(SeglabError, match="choose another one with project="):
            new_run_dir("train", project)


def test_two_trainings_do_not_write_into_one_folder(tmp_path):
    """The second one is refused while the first is at it, and has the folder afterwards."""
    arguments = {"epochs": 1, "batch": 4, "project": str(tmp_path), "name": "one", "exist_ok": True}
    refused = []

    def another(model):
        if not refused:
            with pytest.raises(SeglabError, match=r"another training writes to .*one: wait for its end") as raised:
                worker.run(**arguments)
            refused.append(raised.value)
        return worker.Figures(), {}

    worker.run(another, **arguments, val=True)
    assert refused and not (tmp_path / "one/.lock").exists()
    worker.run(**arguments)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_ends_in_a_sentence_that_says_how_to_go_on(tmp_path, workers, monkeypatch):
    monkeypatch.setattr(dataset, "RECENT_BYTES", 0)  # a few images would be kept in memory
    data = tmp_path / "data"
    for part in ("images", "labels"):
        shutil.copytree(bundled_data_dir() / "toybox8-seg" / part, data / part)
    (data / "data.yaml").write_text("train: images/train\nval: images/val\nnames: " + str([*"abcdefghij"]))

    def validation(model):
        for image in (data / "images/train").iterdir():
            image.unlink()
        return worker.Figures(), {}

    model = worker.new_model()
    spec = load_dataset(data / "data.yaml")
    options = {"epochs": 3, "batch": 4, "imgsz": 64, "workers": workers, "device": "cpu", "plots": False}
    config = make_config(**options, project=str(tmp_path), name="run")
    with pytest.raises(SeglabError, match=r"^the training stopped in epoch 2 \(.*resume=.*run$") as raised:
        trainer.train(model, spec, config, validation)
    assert "\n" not in str(raised.value) and "Traceback" not in str(raised.value)


def test_a_full_disk_ends_in_a_sentence_that_says_how_to_resume(tmp_path, monkeypatch):
    write = checkpoint.save_both

    def full(path, state, metadata):
        if metadata["epoch"] == 2:
            raise OSError(28, "No space left on device", str(path))
        write(path, state, metadata)

    monkeypatch.setattr(checkpoint, "save_both", full)
    with pytest.raises(SeglabError, match=r"stopped in epoch 2 \(.*No space left.*resume with: seglab train resume="):
        worker.run(epochs=3, batch=4, project=str(tmp_path), name="run")
    monkeypatch.setattr(checkpoint, "save_both", write)
    result, _ = worker.run(resume=str(tmp_path / "run"))
    assert len(table(result)) == 3


def test_a_worker_that_is_killed_ends_in_a_sentence_that_says_how_to_resume(tmp_path, monkeypatch):
    message = "DataLoader worker (pid(s) 7) exited unexpectedly"
    monkeypatch.setattr(trainer, "run_epoch", lambda run: (_ for _ in ()).throw(RuntimeError(message)))
    with pytest.raises(SeglabError, match=r"stopped in epoch 1 \(DataLoader worker .* resume with"):
        worker.run(epochs=1, batch=4, project=str(tmp_path), name="run")


def test_other_errors_stay_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "run_epoch", lambda run: (_ for _ in ()).throw(RuntimeError("a fault of ours")))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        worker.run(epochs=1, batch=4, project=str(tmp_path), name="run")


def test_an_interrupted_training_says_what_the_model_has(tmp_path):
    model = worker.new_model()
    config = make_config(
        epochs=3, batch=4, imgsz=64, workers=0, device="cpu", plots=False, project=str(tmp_path), name="run"
    )
    checkpoint.SECONDS_BETWEEN_SAVES = 0.0
    with pytest.raises(KeyboardInterrupt) as raised:
        trainer.train(model, load_dataset("toybox8-seg"), config, interrupted_in_epoch(2))
    told = "interrupted in epoch 2: the model has the weights of epoch 1; resume with: seglab train resume="
    assert str(raised.value) == f"{told}{tmp_path / 'run'}"
    kept = load_weights(tmp_path / "run/weights/last.safetensors").state
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())


def test_an_epoch_that_does_not_fit_into_memory_is_begun_again_with_half_the_batch(tmp_path, monkeypatch, capsys):
    """As with the smaller batch from the start: nothing of the epoch that failed is left."""
    step = engine.compute_loss

    def out_of_memory(learner, batch, *rest):
        if len(batch["images"]) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(learner, batch, *rest)

    monkeypatch.setattr(engine, "compute_loss", out_of_memory)
    result, model = worker.run(epochs=2, batch=4, nbs=4, optimizer="SGD", project=str(tmp_path), name="large")
    assert "out of memory in epoch 1: restarting it with batch=2" in capsys.readouterr().out
    assert result.config.batch == 2 and "batch: 2" in (tmp_path / "large/args.yaml").read_text()
    monkeypatch.setattr(engine, "compute_loss", step)
    _, small = worker.run(epochs=2, batch=2, nbs=4, optimizer="SGD", project=str(tmp_path), name="small")
    assert all(torch.equal(tensor, small.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_one_image_that_does_not_fit_into_memory_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "compute_loss", lambda *a: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(SeglabError, match=r"out of memory in epoch 1 with batch=1: give a smaller batch"):
        worker.run(epochs=1, batch=2, project=str(tmp_path), name="run")


STATES = {
    "no progress": {},
    "a list": {"progress": [1]},
    "text for numbers": {"progress": {"epoch": "many"}},
    "unknown fields": {"progress": {"epoch": 1, "evil": 2}},
    "a history of numbers": {"progress": {"epoch": 1, "history": [5]}},
    "a history without times": {"progress": {"epoch": 1, "history": [{"a": 1}]}},
    "another model": {"progress": {"epoch": 1}},
}


@pytest.mark.parametrize("metadata", STATES.values(), ids=STATES.keys())
def test_a_run_folder_with_other_content_is_not_resumed(metadata, tmp_path):
    from seglab.model.weights import save_weights

    folder = tmp_path / "run"
    (folder / "weights").mkdir(parents=True)
    (folder / "args.yaml").write_text("epochs: 3\nbatch: 4\n")
    save_weights(folder / checkpoint.RESUME, {"network/a": torch.zeros(3), "odd": torch.zeros(1)}, metadata)
    with pytest.raises(SeglabError, match=r"resume\.safetensors is not the state of a run.*start a new run"):
        worker.run(resume=str(folder))
