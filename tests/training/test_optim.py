import copy
import itertools
import math

import pytest
import torch
from torch import nn

from seglab.model.yolo11 import YOLO11Seg
from seglab.training.arguments import make_config
from seglab.training.optim import (
    apply_settings,
    average_decay,
    describe,
    lr_factor,
    make_optimizer,
    make_plan,
    settings_at,
    total_steps,
    update_ema,
)


def plan(images=64, iterations=4, classes=80, **arguments):
    return make_plan(make_config(**arguments), images, iterations, classes)


def test_auto_takes_adamw_for_short_runs_and_sgd_for_long_ones():
    short = plan(images=64_000, epochs=10)  # 1,000 nominal batches an epoch
    assert (short.optimizer, short.lr, short.momentum, short.warmup_bias_lr) == ("AdamW", 0.000119, 0.9, 0.0)
    assert plan(images=64_000, epochs=10, nbs=32).optimizer == "SGD"
    long = plan(images=64_000, epochs=11)
    assert (long.optimizer, long.lr, long.momentum) == ("SGD", 0.01, 0.9)
    assert plan(classes=1).lr == 0.002


def test_what_is_given_is_honored_and_said():
    config = make_config(lr0=0.003, momentum=0.7)
    given = make_plan(config, 64, 4, 80)
    assert (given.lr, given.momentum) == (0.003, 0.7)
    assert "lr0 as given" in describe(given, config) and "momentum as given" in describe(given, config)
    config = make_config(optimizer="SGD")
    given = make_plan(config, 64, 4, 80)
    assert (given.lr, given.momentum, given.warmup_bias_lr) == (0.01, 0.937, 0.1)
    assert "auto" not in describe(given, config)


# Learning rates that ultralytics (8.4.190) wrote into results.csv for runs on 4 images; epoch -> weights, biases.
MEASURED = [
    (dict(epochs=10), 1, {2: (3.57397e-05,) * 2, 3: (6.36253e-05,) * 2, 4: (8.3657e-05,) * 2, 10: (1.2971e-05,) * 2}),
    (dict(epochs=3), 1, {1: (0, 0), 2: (3.9865e-05,) * 2, 3: (4.046e-05,) * 2}),
    (
        dict(epochs=12, batch=2, optimizer="SGD"),
        2,
        {1: (0.00166667, 0.085), 2: (0.0045875, 0.0545875), 3: (0.00695833, 0.023625), 4: (0.007525, 0.007525)},
    ),
    (
        dict(epochs=8, batch=2, optimizer="AdamW", warmup_epochs=1, cos_lr=True),
        2,
        {1: (0.005, 0.055), 2: (0.0096232,) * 2, 5: (0.00505,) * 2, 8: (0.000476796,) * 2},
    ),
]


@pytest.mark.parametrize("arguments, iterations, rates", MEASURED)
def test_learning_rates_are_the_measured_ones(arguments, iterations, rates):
    schedule = plan(images=4, iterations=iterations, **arguments)
    for epoch, expected in rates.items():
        settings = settings_at(schedule, epoch * iterations - 1)
        assert (settings.lr, settings.bias_lr) == pytest.approx(expected, rel=1e-5)


def test_warm_up_ramps_momentum_and_accumulation():
    schedule = plan(iterations=100, optimizer="SGD", batch=16)
    first, half, after = (settings_at(schedule, i) for i in (0, 150, 300))
    assert (first.lr, first.bias_lr, first.momentum, first.accumulate) == (0.0, 0.1, 0.8, 1)
    assert half.momentum == pytest.approx((0.8 + 0.937) / 2) and half.accumulate == 2
    assert (after.momentum, after.accumulate, after.lr) == (0.937, 4, after.bias_lr)
    assert settings_at(plan(iterations=100, warmup_epochs=0.0, optimizer="SGD"), 0).lr == 0.01


def test_accumulation_reaches_the_nominal_batch_and_scales_the_weight_decay():
    assert settings_at(plan(batch=4), 399).accumulate == 16
    assert plan(batch=16).weight_decay == 5e-4
    assert plan(batch=3).weight_decay == pytest.approx(5e-4 * 63 / 64)
    assert plan(batch=128).weight_decay == pytest.approx(1e-3)
    assert settings_at(plan(batch=128), 399).accumulate == 1


@pytest.mark.parametrize("cosine", [False, True])
def test_decay_runs_from_one_to_last(cosine):
    factors = [lr_factor(epoch, 50, 0.01, cosine) for epoch in range(51)]
    assert factors[0] == 1 and factors[-1] == pytest.approx(0.01)
    assert factors[25] == pytest.approx(0.505)
    assert all(a > b for a, b in itertools.pairwise(factors))


def test_only_convolution_weights_decay():
    optimizer = make_optimizer(YOLO11Seg("n", 80), plan())
    weights, norms, biases = optimizer.param_groups
    assert [len(group["params"]) for group in (weights, norms, biases)] == [100, 90, 100]
    assert [group["weight_decay"] for group in (weights, norms, biases)] == [5e-4, 0, 0]
    apply_settings(optimizer, settings_at(plan(optimizer="SGD", iterations=100), 0))
    assert (weights["lr"], norms["lr"], biases["lr"]) == (0.0, 0.0, 0.1)


def test_average_follows_the_formula_and_takes_statistics_along():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    average = copy.deepcopy(model)
    start = average[0].weight.clone()
    with torch.no_grad():
        model[0].weight += 1
        model[1].running_mean += 1
        model[1].num_batches_tracked += 3
    update_ema(average, model, average_decay("ema", 500, 1000))
    moved = 1 - 0.9999 * (1 - math.exp(-500 / 2000))
    assert torch.allclose(average[0].weight, start + moved)
    assert average[1].running_mean.item() == pytest.approx(moved)
    assert average[1].num_batches_tracked == 3


def averaged(how: str, values: list[float]) -> float:
    """The average of a network with one weight that starts at 100 and then has `values`, a step each."""
    average, model = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.constant_(average.weight, 100.0)
    for step, value in enumerate(values, start=1):
        torch.nn.init.constant_(model.weight, value)
        update_ema(average, model, average_decay(how, step, len(values)))
    return average.weight.item()


def test_averages_weigh_the_start_and_the_steps():
    values = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0]
    count = len(values)
    assert averaged("anchored", values) == pytest.approx((100.0 * count + sum(values)) / (2 * count), rel=1e-5)
    # Weights of the polynomial average, unrolled: step t keeps its share through all later steps.
    shares = [
        9 / (t + 8) * math.prod(1 - 9 / (later + 8) for later in range(t + 1, count + 1)) for t in range(1, count + 1)
    ]
    assert sum(shares) == pytest.approx(1) and shares == sorted(shares)  # nothing is left of the start
    assert averaged("late", values) == pytest.approx(sum(s * v for s, v in zip(shares, values)), rel=1e-5)
    assert average_decay("ema", 500, 1) == 0.9999 * (1 - math.exp(-500 / 2000))


def test_the_steps_of_a_run():
    assert total_steps(plan(images=64, iterations=16, epochs=10, batch=4, nbs=4)) == 160
    assert total_steps(plan(images=64, iterations=16, epochs=10, batch=4, nbs=64)) == 10
