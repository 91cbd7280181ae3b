# %% [markdown]
# # 04 · Training: the loop, and everything around it
#
# The loop itself is four lines: predict, compute the loss, differentiate, step. Whether it works depends on what is around
# them: which images the network sees, how large a step may be and when, which weights are kept, and whether an
# interrupted run can resume as if nothing had happened. This lesson writes each of these by hand, trains with them, and
# checks that the library's training does the same.
#
# After this lesson you can
#
# 1. augment images with their outlines, and prove that the outlines still lie on the objects,
# 2. write the training loop with warm-up, schedule and averaged weights, and explain what each of them is for,
# 3. train with the library, read its curves, and resume a run bit for bit.
#
# **Study time:** an hour and a half. **Compute time:** about 45 seconds on a CPU. No GPU is needed. **Prerequisites:**
# lessons 02 and 03.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from seglab.data import augment
from seglab.drawing.overlays import draw_instances


def show(samples, titles, columns):
    rows = -(-len(samples) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3.4 * rows), dpi=80, layout="constrained")
    for axis, sample, title in zip(axes.flat, samples, titles):
        class_ids, rings = [each.class_id for each in sample.instances], [each.rings for each in sample.instances]
        axis.imshow(draw_instances(sample.image, class_ids, rings=rings))
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    plt.show()


SIZE = 320  # pixels: small, so that a CPU keeps up
print("inputs of", SIZE, "x", SIZE)

# %% [markdown]
# **The data** is COCO8-seg where it is available: four photos to train on and four to validate on, from
# `SEGLAB_DATASETS`, from the cache, or downloaded and verified. Otherwise it is toybox8-seg, which has the same layout.
# The next line says which:

# %% tags=["nbval-ignore-output"]
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError

try:
    spec = load_dataset("coco8-seg")
    print("training on COCO8-seg: photos")
except SeglabError:
    spec = load_dataset("toybox8-seg")
    print("COCO8-seg is not available here, so: training on toybox8-seg, generated scenes")

# %%
from seglab.geometry.letterbox import smallest_letterbox

originals = SegmentationDataset(spec, "train", SIZE)


def fitted(index):
    sample = originals.sample(index)
    return augment.apply_letterbox(
        sample, smallest_letterbox(sample.image.shape[:2], SIZE, stride=1)
    )  # scaled, no border


print(len(originals), "images to train on,", len(spec.images("val")), "to validate on")

# %% [markdown]
# ## What the network sees
#
# A network soon overfits four images. Augmentation changes them every time they are shown: other colors, mirrored,
# moved, scaled, four in one. The outlines have to move along, and that is where mistakes hide, because a network
# trained with outlines that are half a pixel off still learns, only a little worse, and nothing tells you why.
#
# **Mirroring.** A pixel's column c becomes width − 1 − c, but a *coordinate* x becomes width − x (lesson 09:
# coordinates are points in the plane). Mirroring also reverses the direction of every ring, and the direction is what
# tells a solid part from a hole; so the order of the ring's corners is reversed as well.


# %%
from seglab.config import AugmentConfig
from seglab.geometry.raster import coverage
from seglab.sample import Instance, Sample


def mirrored(sample):
    width = sample.image.shape[1]
    moved = [[(ring * (-1, 1) + (width, 0))[::-1] for ring in instance.rings] for instance in sample.instances]
    instances = [Instance(instance.class_id, rings) for instance, rings in zip(sample.instances, moved)]
    return Sample(np.ascontiguousarray(sample.image[:, ::-1]), instances)


mine, library = mirrored(fitted(0)), augment.flip(fitted(0))
assert np.array_equal(mine.image, library.image)
for before, a, b in zip(fitted(0).instances, mine.instances, library.instances):
    covered = [coverage(instance.rings, *mine.image.shape[:2]) for instance in (before, a, b)]
    assert np.allclose(covered[0][:, ::-1], covered[1], atol=1e-4) and np.allclose(covered[1], covered[2], atol=1e-4)
print("mirrored outlines cover the mirrored pixels, by hand and by the library")

# %% [markdown]
# **Scaling, and the half pixel.** OpenCV's `warpAffine` has its origin at the center of the first pixel: its (0, 0) is
# our (½, ½). If you pass it the matrix that transforms the outlines, the image comes out shifted by (scale − 1) / 2
# pixels: half a pixel at a scale of 2. The fix is to shift by half a pixel, transform, and shift back.

# %%
import cv2

square = np.zeros((60, 60), np.float32)
square[25:35, 25:35] = 1  # its center is at (30, 30)
matrix = np.array([[2.0, 0, -30], [0, 2, -30], [0, 0, 1]])  # doubles about (30, 30), so the center should stay
half = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
fixed = np.linalg.inv(half) @ matrix @ half
for name, used in (("as it is", matrix), ("with a shift by half a pixel and back", fixed)):
    moved = cv2.warpAffine(square, used[:2], (60, 60))
    middle = (moved.sum(axis=0) * (np.arange(60) + 0.5)).sum() / moved.sum()
    print(f"{name}: the square's center is at {middle:.1f}")

# %% [markdown]
# **A test for every augmentation.** Paint all objects white and the rest black, augment that image, and check that the
# moved outlines still enclose the white. The test needs no knowledge of what the augmentation does. (Brightness stays
# as it is, `hsv_v=0`, since changing it would turn white into gray.)
#
# A test that cannot fail proves nothing. So the second cell moves the outlines by half a pixel: does the test notice?


# %%
def union(sample):
    size = sample.image.shape[:2]
    return np.max([coverage(instance.rings, *size) for instance in sample.instances], axis=0, initial=0)


def painted(index):
    sample = fitted(index)
    white = (255 * union(sample)).round().astype(np.uint8)
    return Sample(np.repeat(white[..., None], 3, axis=2), sample.instances)


def agreement(sample):
    white, inside = sample.image[..., 0] > 127, union(sample) > 0.5
    return (white & inside).sum() / (white | inside).sum()


strong = AugmentConfig(hsv_v=0, degrees=45, shear=10, perspective=5e-4, flipud=0.5, mosaic=0.5)
many = [np.random.default_rng(seed) for seed in range(40)]
changed = [augment.augmented(painted, 0, np.arange(4), (SIZE, SIZE), strong, rng) for rng in many]
ious = np.array([agreement(sample) for sample in changed])
assert ious.min() > 0.85 and ious.mean() > 0.97
print(len(ious), f"augmented images; IoU of outlines and pixels: {ious.mean():.2f} on average")


# %% alt="White shapes on black, moved, rotated and cropped, each with its outline exactly around it."
def shifted(sample, by):
    instances = [Instance(instance.class_id, [ring + by for ring in instance.rings]) for instance in sample.instances]
    return Sample(sample.image, instances)


shifted_ious = [agreement(shifted(sample, 0.5)) for sample in changed]
assert np.mean(shifted_ious) < np.mean(ious) - 0.015
show(changed[:3], ["painted, then augmented"] * 3, 3)
print("half a pixel off, the agreement falls in", sum(np.less(shifted_ious, ious)), "of", len(ious), "images")

# %% [markdown]
# **Mosaic** puts four images around a random point near the middle of a canvas twice as wide and high, and crops what
# extends beyond it. A training item then has objects from four images, in new surroundings, and cropped on every side.


# %%
def mosaic(samples, rng):
    x, y = (int(rng.uniform(0.25, 0.75) * 2 * SIZE) for _ in range(2))
    canvas = np.full((2 * SIZE, 2 * SIZE, 3), 114, np.uint8)  # the gray around every YOLO image
    for position, image in enumerate(sample.image for sample in samples):
        height, width = image.shape[:2]
        left, top = (x if position % 2 else x - width), (y if position >= 2 else y - height)
        image = image[max(-top, 0) :, max(-left, 0) :]
        window = canvas[max(top, 0) :, max(left, 0) :]
        image = image[: window.shape[0], : window.shape[1]]
        window[: image.shape[0], : image.shape[1]] = image
    return canvas


four = [fitted(index) for index in range(4)]
library = augment.mosaic(four, (SIZE, SIZE), np.random.default_rng(1))
assert np.array_equal(mosaic(four, np.random.default_rng(1)), library.image)
print("the same canvas as the library's:", library.image.shape)

# %% alt="Six images with outlines: the first training image as it is, with other colors, mirrored, moved and scaled, a mosaic of four on gray, and a whole training item."
rng = np.random.default_rng(5)
config, size = AugmentConfig(), (SIZE, SIZE)
shown = {
    "as it is": four[0],
    "other colors": augment.hsv(four[0], config, rng),
    "mirrored": augment.flip(four[0]),
    "moved and scaled": augment.random_affine(four[0], size, config, rng),
    "mosaic, twice the size": augment.mosaic(four, size, rng),
    "all together": augment.augmented(fitted, 0, np.arange(4), size, config, rng),
}
show(list(shown.values()), list(shown), 2)
print("the six images:", ", ".join(shown))

# %% [markdown]
# ## Reproducible randomness
#
# Every random choice for an item comes from a generator seeded with **(seed, epoch, image index)**. So an item depends
# neither on the items before it nor on which of several loader processes makes it. That is what makes a run
# reproducible, and what lets it resume without storing the state of any generator.

# %%
dataset = SegmentationDataset(spec, "train", SIZE, augment=AugmentConfig(), seed=0)
upwards = [dataset[index]["image"] for index in (0, 1, 2, 3)]
downwards = [dataset[index]["image"] for index in (3, 2, 1, 0)]
print(
    "items that changed with the order:",
    sum(not np.array_equal(*pair) for pair in zip(upwards, downwards[::-1])),
    end="",
)
dataset.set_epoch(1)
print(", with the epoch:", sum(not np.array_equal(dataset[i]["image"], upwards[i]) for i in range(4)), "of 4")

# %%
import torch

from seglab.data.loader import build_loader, start_epoch

batches = {}
for workers in (0, 1):
    loader = build_loader(dataset, batch=2, workers=workers, shuffle=True, seed=0)
    start_epoch(loader, 7)
    batches[workers] = list(loader)
for here, elsewhere in zip(*batches.values()):
    assert torch.equal(here["images"], elsewhere["images"]) and torch.equal(here["masks"], elsewhere["masks"])
print("made in this process or in another: the same batches in the same order")

# %% [markdown]
# ## How large a step
#
# The learning rate rises from 0 during a **warm-up** and then falls to about a hundredth of its peak. Why not start
# high? At first the statistics of the optimizer and of batch normalization are based on a handful of batches, and a
# large step in a direction that is mostly noise is hard to undo. Biases may start with a *higher* rate than everything
# else: the outputs then reach the right range before the filters have moved much, and no filter is damaged.
#
# An *iteration* is one batch, a *step* is one update of the weights. They need not be the same: with 16 images per
# batch the library sums the gradients of four batches before each step, because learning rates are meant for a nominal
# batch size (`nbs`) of 64 images. The warm-up raises the number of batches per step from 1 to 4, and SGD's momentum
# from 0.8 to its final value.
#
# All of this is a function of the iteration, so there is no state to save. Here is a long run with the usual settings.
# (The rate changes once per epoch, so during the last of 50 epochs it is still .03 of the peak. On the right, the rate
# of the biases starts above the plot.)

# %%
from seglab.config import TrainConfig
from seglab.training.optim import make_plan, settings_at

long_plan = make_plan(TrainConfig(optimizer="SGD", epochs=50), images=1600, iterations=100, classes=80)
print("highest rate", long_plan.lr, "- warm-up", long_plan.warmup, "iterations")


# %% tags=["built"]
def rates(iteration, plan):
    """The learning rates of weights and of biases."""
    epoch = iteration // plan.iterations
    lr = plan.lr * (plan.lrf + (1 - plan.lrf) * (1 - epoch / plan.epochs))  # falls in a straight line
    part = min(iteration / plan.warmup, 1)
    return part * lr, plan.warmup_bias_lr + part * (lr - plan.warmup_bias_lr)


# %%
for iteration in range(5000):
    assert np.allclose(rates(iteration, long_plan), settings_at(long_plan, iteration)[:2])
print("batches per step at", {at: settings_at(long_plan, at).accumulate for at in (0, 100, 200, 300, 4000)})

# %% alt="Learning rates. Left, the first 600 iterations: weights rise from zero to 0.01 while biases come down from 0.1. Right, the whole run: both fall in a straight line."
curve = np.array([rates(iteration, long_plan) for iteration in range(5000)])
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.6), dpi=80, layout="constrained")
for axis, until in ((left, 600), (right, 5000)):
    axis.plot(curve[:until, 0], label="weights")
    axis.plot(curve[:until, 1], "--", label="biases")
    axis.set(xlabel="iteration", ylabel="learning rate")
    axis.legend(frameon=False)
right.set_ylim(0, 0.012)
plt.show()
print(f"in the last epoch {curve[-1, 0] / long_plan.lr:.2f} of the highest rate")

# %% [markdown]
# **Which parameters decay.** Weight decay pulls parameters toward zero. "To keep the function simple", most books say.
# But the weights of a convolution that is followed by a normalization can be doubled without any change to its output.
# What decay does there is to keep the weights from growing: the larger they are, the less a step of a given length
# changes their direction. The scales and shifts of normalizations, and biases, have no such freedom: pull them toward
# zero, and the output changes. So only convolution weights decay.

# %%
from seglab.model.blocks import Conv

with torch.no_grad():
    layer, noise = Conv(3, 8, kernel=3), torch.randn(2, 3, 16, 16)
    before = layer(noise)
    layer.conv.weight.mul_(2)
    torch.testing.assert_close(layer(noise), before, rtol=0.01, atol=0.01)
print("weights twice as large, and the same output:", tuple(before.shape))

# %% [markdown]
# From here on we use a tiny run of our own, with AdamW. (However small the gradient, AdamW changes each parameter by
# about the learning rate. A rate of 0.1 for biases, harmless with SGD, would be far too high; hence `warmup_bias_lr=0`.)

# %%
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.arguments import make_config
from seglab.training.optim import make_optimizer

chosen = {"optimizer": "AdamW", "lr0": 1e-3, "warmup_epochs": 1.0, "warmup_bias_lr": 0.0, "close_mosaic": 1}
config = make_config(epochs=3, batch=2, nbs=2, imgsz=160, **chosen)  # nbs 2: a step after every batch
plan = make_plan(config, images=4, iterations=2, classes=len(spec.names))
print(plan.optimizer, "for", plan.iterations * plan.epochs, "steps, of which", plan.warmup, "warm-up")


# %% tags=["built"]
def optimizer_for(network, plan):
    groups = {"weights": [], "norms": [], "biases": []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            group = "biases" if name.endswith("bias") else "weights" if parameter.ndim > 1 else "norms"
            groups[group].append(parameter)
    decays = [plan.weight_decay, 0.0, 0.0]
    settings = [{"params": group, "weight_decay": decay} for group, decay in zip(groups.values(), decays)]
    return torch.optim.AdamW(settings, lr=plan.lr, betas=(plan.momentum, 0.999), fused=True)


# %%
network = YOLO11Seg("n", len(spec.names))
sizes = [len(group["params"]) for group in optimizer_for(network, plan).param_groups]
assert sizes == [len(group["params"]) for group in make_optimizer(network, plan).param_groups]
print("tensors that decay, scales of normalizations, biases:", sizes)

# %% [markdown]
# ## Which weights are kept
#
# Not those of the last step: every step is partly noise, and an **exponential moving average** of all weights (including
# the statistics of normalizations) has less of it. After step $t$, with weights $w_t$,
#
# $$\bar w_t = d_t\,\bar w_{t-1} + (1 - d_t)\,w_t, \qquad d_t = 0.9999\,\big(1 - e^{-t/2000}\big).$$
#
# With a decay of $d_t$, the average looks back about $1 / (1 - d_t)$ steps. The decay grows during training, and so does
# that number of steps:


# %% tags=["built"]
def decay(updates):
    return 0.9999 * (1 - math.exp(-updates / 2000))


# %%
from seglab.training.optim import average_decay, update_ema

for updates in (1, 100, 1_000, 10_000, 100_000):
    print(f"after {updates:>7,} steps the average looks back {1 / (1 - decay(updates)):>6,.0f} steps")

average, weights = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
by_hand = decay(700) * average.weight + (1 - decay(700)) * weights.weight
update_ema(average, weights, average_decay("ema", 700, steps=10_000))
torch.testing.assert_close(average.weight, by_hand.detach())

# %% [markdown]
# Note: **in a run of a few hundred steps the average nearly equals the last weights**. It cannot rescue a short run, nor
# can it be the reason why one went wrong. For a short run, such as fine-tuning, it is better to average over the last
# ninth of its steps, or to include the starting weights (`average="late"` and `"anchored"`, lesson 11). In a long run
# the average does this (a made-up weight, with a slow drift and noise):

# %% alt="A gray band of noisy weights rising over 20,000 steps; the average, a thin line, follows the noise at first, then runs smoothly through the middle."
steps = np.arange(1, 20_001)
noisy = 1 - np.exp(-steps / 8000) + 0.15 * np.random.default_rng(0).standard_normal(len(steps))
value, smooth = 0.0, []
for step, weight in zip(steps, noisy):
    value = decay(step) * value + (1 - decay(step)) * weight
    smooth.append(value)
figure, axis = plt.subplots(figsize=(6.5, 2.6), dpi=80)
axis.plot(steps[::5], noisy[::5], ".", color="0.6", markersize=1, label="after each step")
axis.plot(steps, smooth, linewidth=1, label="average")
axis.set(xlabel="step", ylabel="a weight")
axis.legend(frameon=False, markerscale=8)
plt.show()
early, late = np.std(np.diff(smooth[:200])), np.std(np.diff(smooth[-200:]))
assert late < 0.05 * early
print(f"from step to step, the average moves {early:.3f} at first and {late:.3f} at the end")

# %% [markdown]
# ## The loop by hand
#
# Now we have all the parts. One step: set the learning rates; predict; assign and compute the loss (lesson 03);
# differentiate; clip the gradient if its norm exceeds 10, as a single unusual batch can make it; step; average.

# %%
import copy

from seglab.training.loss import LossGains, segmentation_loss


def new(seed):
    torch.manual_seed(seed)
    network = YOLO11Seg("n", len(spec.names)).to(memory_format=torch.channels_last)
    return network.train(), copy.deepcopy(network).eval()  # the second will hold the average


# %% tags=["built"]
@torch.no_grad()
def update_average(average, network, updates):
    kept, now = average.state_dict(), network.state_dict()
    for name in kept:
        if kept[name].is_floating_point():
            kept[name].lerp_(now[name], 1 - decay(updates))
        else:
            kept[name].copy_(now[name])  # a counter


def step(network, average, optimizer, batch, iteration, plan, loss):
    rate, bias_rate = rates(iteration, plan)
    for group, lr in zip(optimizer.param_groups, (rate, rate, bias_rate)):
        group["lr"] = lr
    raw = network(batch["images"].float() / 255)
    total, terms = loss(raw, batch)
    total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
    optimizer.step()
    optimizer.zero_grad()
    update_average(average, network, iteration + 1)
    return terms


# %%
def library_loss(raw, batch):  # the loss of lesson 03, faster; yours is trained in lesson 05
    return segmentation_loss(raw, batch, LossGains())


mine, my_average = new(seed=0)
numbers = sum(parameter.numel() for parameter in mine.parameters())
print(f"{numbers / 1e6:.0f} million numbers to train, and as many averages")


# %% [markdown]
# In the last epochs mosaic is switched off (`close_mosaic`), so that training ends with images like those that the
# network will see later.

# %%
dataset = SegmentationDataset(spec, "train", config.imgsz, augment=config.augment, seed=0)
loader = build_loader(dataset, config.batch, shuffle=True, seed=0)


def begin(epoch):
    start_epoch(loader, epoch)
    dataset.mosaic = epoch < config.epochs - config.close_mosaic


optimizer, my_losses = optimizer_for(mine, plan), []
for epoch in range(config.epochs):
    begin(epoch)
    iterations = enumerate(loader, start=2 * epoch)
    terms = [step(mine, my_average, optimizer, batch, i, plan, library_loss) for i, batch in iterations]
    my_losses.append({name: torch.stack([batch[name] for batch in terms]).mean() for name in terms[0]})
assert all(loss.isfinite() for losses in my_losses for loss in losses.values())
print(len(my_losses), "epochs of", len(loader), "steps, with the losses", ", ".join(my_losses[0]))

# %% [markdown]
# The same with the library's `train_one_epoch`, from the same initial weights. (The scaler is for 16-bit floats on a
# GPU and does nothing here.) After the second epoch the state is written to a file, from which the next section resumes.

# %%
import tempfile
from pathlib import Path

from seglab.training.checkpoint import Progress, capture, restore, write_state
from seglab.training.engine import Learner, train_one_epoch

folder = Path(tempfile.mkdtemp())
scaler = torch.amp.GradScaler("cpu", enabled=False)


def one_epoch(network, average, optimizer, progress):
    begin(progress.epoch)
    learner = Learner(network, average, optimizer, scaler, LossGains())
    losses, updates = train_one_epoch(learner, loader, plan, progress.epoch, progress.updates)
    return losses, Progress(progress.epoch + 1, updates)


# %%
library, library_average = new(seed=0)
optimizer, progress = make_optimizer(library, plan), Progress()
while progress.epoch < config.epochs:
    losses, progress = one_epoch(library, library_average, optimizer, progress)
    torch.testing.assert_close(losses, my_losses[progress.epoch - 1], rtol=1e-3, atol=1e-3)
    if progress.epoch == 2:
        write_state(folder, capture(library, library_average, optimizer), progress)
for ours, theirs in ((mine, library), (my_average, library_average)):
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, theirs.state_dict()[name], rtol=1e-3, atol=1e-4)
print("same losses, same weights, same averages; steps in total:", progress.updates)

# %% [markdown]
# ## Resume
#
# Suppose the machine was switched off after the second epoch. What must have been saved to continue *exactly*? The
# weights with the statistics of their normalizations, the averaged weights, the state of the optimizer (two numbers per
# weight), and the progress of the run. Not the learning rate, since it follows from the iteration, and no random state,
# since nothing here depends on one.
#
# A new network with entirely different weights loads the file and runs the third epoch:

# %%
from seglab.training.checkpoint import read_state

resumed, resumed_average = new(seed=99)
optimizer = make_optimizer(resumed, plan)
tensors, progress = read_state(folder)
restore(tensors, resumed, resumed_average, optimizer)
_, progress = one_epoch(resumed, resumed_average, optimizer, progress)
for again, whole in ((resumed, library), (resumed_average, library_average)):
    assert all(map(torch.equal, again.state_dict().values(), whole.state_dict().values()))
groups = sorted({name.split("/")[0] for name in tensors})
print("in the file:", groups, "- resumed and uninterrupted run are equal to the last bit, after epoch", progress.epoch)

# %% [markdown]
# Tools that save only the weights restart with an empty optimizer state and with the schedule from its beginning: the
# loss may jump, and the result is not that of an uninterrupted run.
#
# ## The library's training
#
# One call does all of this and more: it prints its plan, validates the averaged weights after every epoch, keeps the
# best, writes `results.csv`, and can be resumed (`seglab train resume=FOLDER`). Let it fine-tune the course weights on
# the four training images of the toybox. They are augmented only a little, and without mosaic: the network is meant to
# overfit them. The settings are those of this lesson; what training chooses by default for pretrained weights is the
# subject of lesson 11. The weights are validated *before* training as well, as row 0 of `results.csv`; without it, no
# metric could tell what training changed.

# %% tags=["nbval-ignore-output"]
import contextlib
import csv
import io

from seglab import YOLO

model = YOLO("toybox-n")
steps = {"recipe": "ultralytics", "mask_targets": "soft"}
steps |= {"epochs": 12, "batch": 2, "nbs": 2, "optimizer": "AdamW", "lr0": 3e-4, "warmup_bias_lr": 0.0, "cos_lr": True}
inputs = {"imgsz": SIZE, "mosaic": 0.0, "fliplr": 0.0, "translate": 0.05, "scale": 0.1, "hsv_s": 0.2, "hsv_v": 0.2}
with contextlib.redirect_stdout(io.StringIO()):  # it prints its folder
    output = {"project": str(folder), "name": "tuned", "plots": False, "workers": 0, "amp": False}
    metrics = model.train(data="toybox8-seg", **steps, **inputs, **output)
with open(folder / "tuned/results.csv") as file:
    start, *rows = csv.DictReader(file)
before = float(start["metrics/mAP50-95(M)"])
print(f"mask mAP50-95 on four other images: {before:.3f} before, {metrics.seg.map:.3f} in the best epoch")

# %% alt="Left: four training losses over twelve epochs, all falling. Right: mask and box mAP on the four images that were not trained on, close to a gray line, the mask mAP before training."
table = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), dpi=80, layout="constrained")
for term in ("box", "seg", "cls", "dfl"):
    left.plot(table["epoch"], table[f"train/{term}_loss"], label=term)
for letter, name in (("B", "boxes"), ("M", "masks")):
    right.plot(table["epoch"], table[f"metrics/mAP50-95({letter})"], label=name)
right.axhline(before, color="0.7", zorder=0)
for axis, title in ((left, "losses on the four training images"), (right, "mAP50-95 on four others")):
    axis.set(xlabel="epoch", title=title, ylim=(0, max(0.1, axis.get_ylim()[1])))
    axis.legend(frameon=False, fontsize=8, loc="lower left", ncols=4)
plt.show()
total = sum(table[f"train/{term}_loss"] for term in ("box", "seg", "cls", "dfl"))
assert total[-4:].mean() < total[:4].mean()
print("epochs:", len(total))

# %% [markdown]
# **How to read this.** The losses on the left must fall, since a network can overfit four images; if they do not,
# something is broken. The right side shows whether anything was learned that generalizes. The gray line is the mask mAP
# before training: weights trained on thousands of scenes learn next to nothing from four more, and may even get *worse*
# while the loss falls. That is overfitting, and it is why the best epoch by validation is kept as well as the last one.
# (The mAP of an epoch that was chosen as the best on these four images is too optimistic. To report a metric, use images
# that were not used for any choice. And inputs have 320 pixels here: at 640, the same weights reach a higher mAP, as
# lesson 06 shows.)
#
# ## Recap
#
# - Outlines must move exactly as the pixels do; painted objects test any augmentation. A coordinate x mirrors to width
#   − x, and OpenCV's transforms need a shift by half a pixel and back.
# - Randomness is a function of seed, epoch and image. So runs are reproducible, whatever the number of workers, and can
#   resume.
# - Learning rates rise, then fall; biases start high; only convolution weights decay; large gradients are clipped.
# - The average helps in long runs. In short ones it nearly equals the last weights.
# - The training loss tells whether training works; validation tells whether it was worth it.
#
# ## Sources
#
# - Bochkovskiy et al., *YOLOv4*, 2020, for mosaic; Goyal et al., *Accurate, Large Minibatch SGD*, 2017, for warm-up.
# - Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019; van Laarhoven, *L2 Regularization versus Batch
#   and Weight Normalization*, 2017; Polyak and Juditsky, *Acceleration of
#   Stochastic Approximation by Averaging*, 1992.
# - The library: `seglab/data/augment.py`, `seglab/data/loader.py`, `seglab/training/optim.py`,
#   `seglab/training/engine.py`, `seglab/training/checkpoint.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
