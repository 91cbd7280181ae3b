"""One epoch: what a step sums, how long gradients may be, what is left behind."""

from __future__ import annotations

import copy

import pytest
import torch

import seglab.training.engine as engine
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.load import load_dataset
from seglab.training.arguments import make_config
from seglab.training.loss import TERMS, LossGains
from seglab.training.optim import make_optimizer, make_plan

pytestmark = pytest.mark.usefixtures("one_thread")


def one_epoch(worker, config, gains=LossGains()):  # noqa: B008
    """(losses, updates) of an epoch of two batches, five updates done before, and the norm of each step's gradient."""
    loader = build_loader(SegmentationDataset(load_dataset("toybox8-seg"), "train", 64), 2)
    model = worker.new_model()
    average = copy.deepcopy(model)
    plan = make_plan(config, images=4, iterations=2, classes=10)
    optimizer, norms = make_optimizer(model, plan), []

    def note(optimizer, *_):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(torch.stack([gradient.norm() for gradient in gradients]).norm().item())

    optimizer.register_step_pre_hook(note)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    learner = engine.Learner(model, average, optimizer, scaler, gains)
    losses, updates = engine.train_one_epoch(learner, loader, plan, epoch=0, updates=5)
    return losses, updates, norms


def test_gradients_are_cut_to_a_norm_of_ten(worker, monkeypatch):
    config = make_config(batch=2, nbs=2, imgsz=64, warmup_epochs=0, lr0=1e-6)
    _, _, small = one_epoch(worker, config, LossGains(0.01, 0.01, 0.01))
    _, _, cut = one_epoch(worker, config, LossGains(100, 100, 100))
    monkeypatch.setattr(engine, "MAX_GRADIENT_NORM", float("inf"))
    _, _, whole = one_epoch(worker, config, LossGains(100, 100, 100))
    assert len(small) == len(cut) == len(whole) == 2
    assert max(small) < 9 and min(whole) > 11  # what needs no cutting, and what does
    assert cut == pytest.approx([10, 10], rel=1e-3)
    assert small == pytest.approx(one_epoch(worker, config, LossGains(0.01, 0.01, 0.01))[2])  # left as they are


@pytest.mark.parametrize("nbs, steps", [(2, 2), (4, 1), (64, 1)])
def test_batches_accumulate_to_the_nominal_batch_and_an_epoch_ends_with_a_step(worker, nbs, steps):
    losses, updates, norms = one_epoch(worker, make_config(batch=2, nbs=nbs, imgsz=64, warmup_epochs=0, lr0=1e-3))
    assert updates - 5 == steps == len(norms)
    assert list(losses) == list(TERMS) and all(value.isfinite() for value in losses.values())


def test_layers_that_rest_are_in_evaluation_mode_and_all_others_in_training_mode(worker):
    network = worker.new_model().eval()
    resting = [network.model[0], network.model[4]]
    plan = make_plan(make_config(), images=4, iterations=2, classes=10)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    learner = engine.Learner(network, network, make_optimizer(network, plan), scaler, LossGains(), resting=resting)
    engine.set_training_mode(learner)
    modes = {number: layer.training for number, layer in enumerate(network.model)}
    assert [number for number, training in modes.items() if not training] == [0, 4]
    assert not any(module.training for layer in resting for module in layer.modules())


@pytest.mark.parametrize("name", ["model.0.conv.weight", "model.0.bn.running_var", "model.23.cv2.0.2.bias"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_found_in_weights_and_statistics(worker, name, value):
    network = worker.new_model()
    assert engine.is_finite(network)
    network.state_dict()[name].view(-1)[0] = value
    assert not engine.is_finite(network)
