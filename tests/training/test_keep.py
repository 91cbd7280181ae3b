"""keep=True: what the teacher asks of the network, and that a run keeps names, rows and what is known."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import seglab.training.checkpoint as checkpoint
import seglab.training.trainer as trainer
from seglab import YOLO
from seglab.config import TrainConfig
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.join import join_datasets
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir
from seglab.model.head import RawOutput
from seglab.model.transfer import init_network, score_layers
from seglab.model.weights import load_weights
from seglab.training.distributed import Process
from seglab.training.keep import (
    NEW_ROWS_GAIN,
    OLD_GAIN,
    OLD_SIZE,
    TERMS,
    TURN,
    Knowledge,
    Rehearsal,
    Teacher,
    labeled_classes,
    rehearsal_loss,
    split,
    unlabeled_loss,
)
from seglab.training.loss import LossGains, label_loss, segmentation_loss

CLASSES, KNOWN, SIDE = 5, 4, 64
SILENT = torch.tensor([True, True, True, False, False])  # 3 is named by the data too, 4 is new


class OldImages:
    """Stands for Rehearsal where a test is about something else."""

    def survey(self):
        return [torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))]


OLD = OldImages()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def told() -> RawOutput:
    """A teacher's output on two images, sure of class 1 at some anchor points."""
    network = init_network("n", CLASSES, 0)
    with torch.no_grad():
        raw = network(torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)))
    raw.classes[:, 1, 40:44] = 2.0
    return raw


def like(raw: RawOutput, seed: int | None = None) -> RawOutput:
    """A copy that learns, with noise where a seed says so."""
    noise = torch.Generator().manual_seed(seed or 0)
    tensors = [t + 0.3 * torch.randn(t.shape, generator=noise) if seed else t.clone() for t in raw]
    return RawOutput(*(tensor.requires_grad_() for tensor in tensors))


def labeled(*boxes, classes=(4,)):
    """Targets of a batch whose first image has instances in `boxes`."""
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return {
        "classes": torch.tensor(classes[: len(boxes)], dtype=torch.int64),
        "boxes": boxes,
        "image_index": torch.zeros(len(boxes), dtype=torch.int64),
        "masks": torch.ones(len(boxes), SIDE // 4, SIDE // 4),
    }


def teacher_of(told: RawOutput, known=KNOWN) -> Teacher:
    return Teacher(init_network("n", told.classes.shape[1], 0), Knowledge(known), set(range(10)), OLD)


def write_dataset_yaml(path: Path, names) -> Path:
    """A dataset of the eight embedded toybox images with other names, labels and all."""
    root = path.parent / path.stem
    for folder in ("images", "labels"):
        shutil.copytree(bundled_data_dir() / "toybox8-seg" / folder, root / folder)
    path.write_text(yaml.safe_dump({"path": str(root), "train": "images/train", "val": "images/val", "names": names}))
    return path


NEW_NAMES = ["mug", "donut", "brolly", "dial", "glider", "flask", "plantain", "shears", "plush bear", "tome"]


@pytest.fixture(scope="module")
def new_data(tmp_path_factory) -> Path:
    """Scenes whose donuts are called as the weights know them, and nothing else is."""
    return write_dataset_yaml(tmp_path_factory.mktemp("new") / "new.yaml", NEW_NAMES)


# --- the terms ---


def test_a_network_that_agrees_with_its_teacher_loses_nothing(told):
    raw, taken = like(told), torch.zeros(2, told.classes.shape[2], dtype=torch.bool)
    new = unlabeled_loss(raw, told, taken, SILENT)
    raw.classes.data[:, KNOWN:] = -50.0  # the new class is not found, which is right
    old = rehearsal_loss(raw, told, KNOWN, LossGains())
    assert new.abs().max() < 1e-6 and old.abs().max() < 1e-6
    gradients = torch.autograd.grad((new + old).sum(), [*raw], allow_unused=True)
    assert all(gradient is None or gradient.abs().max() < 1e-6 for gradient in gradients)


def test_every_term_sees_a_network_that_disagrees(told):
    raw, taken = like(told, seed=3), torch.zeros(2, told.classes.shape[2], dtype=torch.bool)
    for terms in (unlabeled_loss(raw, told, taken, SILENT), rehearsal_loss(raw, told, KNOWN, LossGains())):
        assert (terms > 1e-4).all()
        for term, name in zip(terms, ("classes", "boxes", "coefficients")):
            (gradient,) = torch.autograd.grad(term, getattr(raw, name), retain_graph=True)
            assert gradient.abs().max() > 0


def test_without_labels_only_the_teacher_speaks_for_its_classes(told):
    raw = like(told)
    total, _, taken = label_loss(raw, labeled(), LossGains(), SILENT)
    (gradient,) = torch.autograd.grad(total, raw.classes)
    assert not taken.any()
    assert gradient[:, :3].abs().max() < 1e-7  # summed and taken off again
    assert (gradient[:, 3:] > 0).all()  # background of the classes that the data name
    plain, _ = segmentation_loss(raw, labeled(), LossGains())
    assert (torch.autograd.grad(plain, raw.classes)[0] > 0).all()
    silent_everywhere = torch.ones(CLASSES, dtype=torch.bool)
    assert label_loss(raw, labeled(), LossGains(), silent_everywhere)[0].abs() < 1e-3


def test_labels_speak_for_all_classes_where_they_are(told):
    """At anchor points of a labeled instance known classes are pushed down, and the teacher is not asked."""
    raw = like(told, seed=3)
    targets = labeled([8.0, 8.0, 56.0, 56.0])
    total, _, taken = label_loss(raw, targets, LossGains(), SILENT)
    assert taken[0].any() and not taken[1].any()
    (gradient,) = torch.autograd.grad(total, raw.classes, retain_graph=True)
    by_anchor = gradient[:, :3].transpose(1, 2)  # (B, A, 3)
    assert (by_anchor[taken] > 0).all() and by_anchor[~taken].abs().max() < 1e-7

    terms = unlabeled_loss(raw, told, taken, SILENT)
    for name in ("classes", "boxes", "coefficients"):
        other = getattr(told, name).clone()
        other.transpose(1, 2)[taken] += 5.0  # whatever the teacher says there
        same = unlabeled_loss(raw, told._replace(**{name: other}), taken, SILENT)
        assert torch.allclose(same, terms)


def test_an_unsure_teacher_asks_for_no_boxes_and_no_masks(told):
    raw, taken = like(told, seed=3), torch.zeros(2, told.classes.shape[2], dtype=torch.bool)
    unsure = told._replace(classes=torch.full_like(told.classes, -3.0))
    classes, boxes, masks = unlabeled_loss(raw, unsure, taken, SILENT)
    assert classes > 0 and boxes == 0 and masks == 0


def test_old_images_come_behind_the_new_ones(told):
    teacher = teacher_of(told)
    teacher.silent = SILENT
    raw, targets, gains = like(told, seed=3), labeled([8.0, 8.0, 56.0, 56.0]), LossGains()
    (first, second), (told_first, told_second) = split(raw, 1), split(told, 1)
    total, terms = teacher.loss(raw, told_second, targets, gains, new=1)
    labels, plain, taken = label_loss(first, targets, gains, SILENT)
    rehearsed = OLD_GAIN * rehearsal_loss(second, told_second, KNOWN, gains)
    assert list(terms) == [*plain, *TERMS]
    assert all(torch.equal(terms[name], plain[name]) for name in plain)
    kept = torch.stack([terms[name] for name in TERMS])
    assert torch.allclose(kept, rehearsed)
    assert torch.allclose(total, labels + kept.sum())

    _, terms = teacher.loss(raw, told, targets, gains, new=1)  # a step in which the teacher looks at the new image too
    kept = torch.stack([terms[name] for name in TERMS])
    assert torch.allclose(kept, rehearsed + TURN * unlabeled_loss(first, told_first, taken, SILENT))


def test_the_teacher_looks_at_new_images_in_one_step_of_a_few(told):
    teacher = teacher_of(told)
    assert sum(teacher.looks_at_new(step) for step in range(10 * TURN)) == 10


def test_old_images_show_no_new_class(told):
    """A new class that is found there goes down, the known ones stay."""
    raw = like(told)
    total = rehearsal_loss(raw, told, KNOWN, LossGains()).sum()
    (gradient,) = torch.autograd.grad(total, raw.classes)
    assert (gradient[:, KNOWN:] > 0).all()
    assert gradient[:, :KNOWN].abs().max() < 1e-6


def test_the_teacher_is_the_start(told):
    teacher = teacher_of(told)
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        outputs = init_network("n", CLASSES, 0)(images)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(teacher.ask(images), outputs))


def test_only_rows_of_new_classes_move_freely(told):
    teacher, network = teacher_of(told), init_network("n", CLASSES, 0)
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    with torch.no_grad(), teacher.quiet_step(network):
        for tensor in network.parameters():
            if tensor.requires_grad:
                tensor += 0.1
    for name, tensor in network.named_parameters():
        moved = (tensor - before[name]).detach()
        if name in score_layers(network):
            assert torch.allclose(moved[KNOWN:], torch.tensor(0.1 * NEW_ROWS_GAIN), atol=1e-5)
            moved = moved[:KNOWN]
        if name.endswith("bias") or tensor.ndim == 1:
            assert moved.abs().max() == 0
        else:
            assert moved.norm() < 0.1001 * moved.numel() ** 0.5


def labels_of(spec) -> set[str]:
    dataset = SegmentationDataset(spec, "train", SIDE)
    return {spec.names[number] for number in labeled_classes(dataset)}


def test_labels_speak_for_what_all_joined_datasets_name(new_data):
    spec = load_dataset("toybox8-seg")
    assert labels_of(spec) == set(spec.names.values())
    assert labels_of(load_dataset(["toybox8-seg", new_data])) == {"donut"}
    known = join_datasets([load_dataset(new_data)], known=spec.names)
    assert labels_of(known) == set(NEW_NAMES)
    labeled = labeled_classes(SegmentationDataset(known, "train", SIDE))
    teacher = Teacher(init_network("n", len(known.names), 0), Knowledge(10), labeled, OLD)
    silent = {known.names[number] for number in teacher.silent.nonzero()[:, 0].tolist()}
    assert silent == set(spec.names.values()) - {"donut"}


def test_labels_say_nothing_of_a_class_that_is_named_and_never_labeled(tmp_path):
    """A project's list of names, of which only the last class has been labeled on these images."""
    path = write_dataset_yaml(tmp_path / "all.yaml", [*load_dataset("toybox8-seg").names.values(), "gadget"])
    for file in (tmp_path / "all/labels").rglob("*.txt"):
        rows = [row.split(maxsplit=1)[1] for row in file.read_text().splitlines()]
        file.write_text("".join(f"10 {row}\n" for row in rows))
    assert labels_of(load_dataset(path)) == {"gadget"}


# --- old images ---


def rehearsal(side: int) -> Rehearsal:
    config = TrainConfig(imgsz=side, batch=8, workers=0)
    return Rehearsal(load_dataset("toybox8-seg"), config, Process(0, 1, torch.device("cpu")))


def test_old_images_are_as_large_as_new_ones_or_larger():
    """A ramp in both directions: how steep it is says by how much it was scaled."""
    old = rehearsal(SIDE)
    ramp = torch.arange(2.0 * SIDE) / SIDE
    images = torch.stack((ramp.expand(2 * SIDE, -1), ramp.expand(2 * SIDE, -1).T))[None]
    factors = set()
    for number in range(40):
        part = old.part(images, number)
        assert part.shape == (1, 2, SIDE, SIDE)
        assert torch.equal(part, old.part(images, number))
        inner = part[0, :, 4:-4, 4:-4]  # the border of an image is scaled otherwise
        across, down = inner[0].diff(dim=1).mean(), inner[1].diff(dim=0).mean()
        assert across == pytest.approx(float(down), rel=0.02)
        factors.add(round(float(1 / (across * SIDE)), 2))
    assert min(factors) < 0.6 and max(factors) > 0.9
    assert all(0.49 <= factor <= 1.01 for factor in factors)


def test_some_old_images_are_surveyed_whole_and_twice_as_large():
    sizes = [tuple(images.shape[2:]) for images in rehearsal(SIDE).survey()]
    assert set(sizes) == {(SIDE, SIDE), (2 * SIDE, 2 * SIDE)}
    assert sizes.count((SIDE, SIDE)) > sizes.count((2 * SIDE, 2 * SIDE))


@pytest.mark.parametrize("side", [SIDE, OLD_SIZE, OLD_SIZE + SIDE])
def test_rehearsed_images_fit_beside_new_ones(side):
    old = rehearsal(side)
    assert old.largest == max(side, min(2 * side, OLD_SIZE))
    images = next(old.batches(3))
    assert images.shape == (2, 3, side, side)
    assert torch.equal(images, next(rehearsal(side).batches(3)))


# --- runs ---


def run(data, folder, name, **arguments):
    model = YOLO("toybox-n")
    settings = {"imgsz": 64, "epochs": 2, "batch": 4, "nbs": 4, "workers": 0, "device": "cpu", "plots": False}
    model.train(data=data, project=str(folder), name=name, **{"keep": True, **settings, **arguments})
    return model


def assert_same(a, b):
    a, b = load_weights(a).state, load_weights(b).state
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_joins_names_and_says_what_it_does(new_data, tmp_path, capsys):
    start = YOLO("toybox-n")
    model = run(new_data, tmp_path, "run", batch=2, nbs=2)  # the first step is one of nothing
    said = capsys.readouterr().out
    assert "4 images of toybox8-seg are rehearsed" in said
    assert "10 of 19 classes known by name" in said and "new: mug, brolly" in said
    assert "forgets" not in said
    assert [model.names[number] for number in range(10)] == list(start.names.values())
    assert set(model.names.values()) == set(start.names.values()) | set(NEW_NAMES)

    folder = tmp_path / "run"
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for term in TERMS:
        assert float(rows[-1][f"train/{term}_loss"]) > 0
    assert not (folder / "weights/teacher.safetensors").exists()  # nothing to resume
    again = YOLO(folder / "weights/best.safetensors")
    assert again.names == model.names
    assert again.overrides["old_data"] == [load_dataset("toybox8-seg").source]
    metrics = again.val(imgsz=64, verbose=False)  # of the new data, whose ten classes are some of the model's
    present = {again.names[number] for number in metrics.ap_class_index}
    assert present and present <= set(NEW_NAMES)


def test_what_a_model_has_learned_in_several_runs_is_rehearsed(new_data, tmp_path, capsys):
    first = run(new_data, tmp_path, "first", epochs=1)
    third = write_dataset_yaml(tmp_path / "third.yaml", [f"thing {number}" for number in range(10)])
    capsys.readouterr()
    first.train(
        data=third, keep=True, imgsz=64, epochs=1, batch=4, workers=0, device="cpu", plots=False,
        project=str(tmp_path), name="second",
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "of toybox8-seg are rehearsed" in said and "of new are rehearsed" in said
    assert len(first.names) == 29


def test_batch_norm_statistics_stay(new_data, tmp_path):
    start, model = YOLO("toybox-n").network.state_dict(), run(new_data, tmp_path, "run", epochs=1).network.state_dict()
    statistics = [name for name in start if "running_" in name]
    assert statistics and all(torch.equal(start[name], model[name]) for name in statistics)


def test_a_cut_run_continues_bit_for_bit(new_data, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    whole = run(new_data, tmp_path, "whole", epochs=3, val=False)
    learn, epochs = trainer.train_one_epoch, []

    def cut(*arguments, **options):
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return learn(*arguments, **options)

    monkeypatch.setattr(trainer, "train_one_epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        run(new_data, tmp_path, "cut", epochs=3, val=False)
    monkeypatch.setattr(trainer, "train_one_epoch", learn)
    folder = tmp_path / "cut"
    assert (folder / "weights/teacher.safetensors").is_file()
    assert yaml.safe_load((folder / "args.yaml").read_text())["keep"] is True
    resumed = YOLO(folder / "weights/last.safetensors")
    resumed.train(resume=True)
    assert resumed.names == whole.names
    assert_same(tmp_path / "whole/weights/last.safetensors", folder / "weights/last.safetensors")
    assert_same(tmp_path / "whole/weights/best.safetensors", folder / "weights/best.safetensors")


def test_a_joined_run_resumes_with_its_data(new_data, tmp_path, monkeypatch):
    """Without keep too: data and class names are found again."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    data = ["toybox8-seg", str(new_data)]
    whole = run(data, tmp_path, "whole", keep=False, val=False)
    assert len(whole.names) == 19
    learn, epochs = trainer.train_one_epoch, []

    def cut(*arguments, **options):
        epochs.append(1)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return learn(*arguments, **options)

    monkeypatch.setattr(trainer, "train_one_epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path, "cut", keep=False, val=False)
    monkeypatch.setattr(trainer, "train_one_epoch", learn)
    saved = yaml.safe_load((tmp_path / "cut/args.yaml").read_text())["data"]
    assert saved == load_dataset(data).source
    resumed = YOLO(tmp_path / "cut/weights/last.safetensors")
    resumed.train(resume=True)
    assert_same(tmp_path / "whole/weights/last.safetensors", tmp_path / "cut/weights/last.safetensors")
    assert resumed.overrides["data"] == saved


PAIR = """
import sys, torch
torch.set_num_threads(1)
from seglab import YOLO
YOLO("toybox-n").train(data=sys.argv[1], project=sys.argv[2], name=sys.argv[3], keep=True, imgsz=64, epochs=2, batch=4,
    nbs=4, workers=0, device="cpu", plots=False, val=False, optimizer="SGD", lr0=1e-3, warmup_epochs=0)
"""


def test_two_processes_keep_as_one_where_each_sees_an_old_image(new_data, tmp_path, monkeypatch):
    """Not the numbers of one process, which rehearses one image a step; but a whole run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-c", PAIR, str(new_data), str(tmp_path), "pair"]
    processes = [subprocess.Popen(command, env={**environment, "RANK": rank, "LOCAL_RANK": rank}) for rank in "01"]
    assert [process.wait() for process in processes] == [0, 0]
    names = load_weights(tmp_path / "pair/weights/best.safetensors").metadata["names"]
    assert len(names) == 19


def test_plain_fine_tuning_says_what_it_forgets(new_data, tmp_path, capsys):
    run(new_data, tmp_path, "plain", keep=False, epochs=1)
    said = capsys.readouterr().out
    known = [name for name in YOLO("toybox-n").names.values() if name != "donut"]
    assert f"this run forgets 9 classes the weights know ({', '.join(known)}): pass keep=True to keep them" in said
    run("toybox8-seg", tmp_path, "same", keep=False, epochs=1)
    assert "forgets" not in capsys.readouterr().out


def test_untrained_weights_have_nothing_to_keep(new_data, tmp_path):
    model = YOLO("yolo11n-seg.yaml")
    with pytest.raises(SeglabError, match="learned no classes"):
        model.train(data=str(new_data), keep=True, project=str(tmp_path))


def test_without_old_images_a_run_says_so(new_data, tmp_path, capsys):
    model = YOLO("toybox-n")
    model.overrides["data"] = "gone.yaml"
    model.train(
        data=str(new_data), keep=True, imgsz=64, epochs=1, batch=4, workers=0, device="cpu", plots=False,
        project=str(tmp_path),
    )  # fmt: skip
    said = capsys.readouterr().out
    assert (
        "no images of gone.yaml can be rehearsed" in said
        and "are used instead" in said
        and "data=[new.yaml, old.yaml]" in said
    )
