# %% [markdown]
# # 12 · Scaling up: GPUs, half precision, and the published table
#
# Everything so far ran on a laptop. COCO does not: 118,287 photos, each seen a hundred times or more. This lesson is
# about what changes when work is spread over time, over number formats and over processes. The surprise is how little
# may change: a trick is harmless if it leaves the gradient as it was, up to rounding. Trick by trick, we find out which
# ones do so exactly, and which only approximately.
#
# After this lesson you can
#
# 1. estimate in advance how long training takes, and how fast a GPU must be supplied with data to stay busy,
# 2. say what mixed precision, accumulation and several GPUs do to a gradient, and show by hand when it stays the same,
# 3. read a published table like an auditor: which commands reproduce it, what has been verified and what has not.
#
# **Study time:** an hour. **Compute time:** about 30 seconds on a CPU. One cell uses a GPU where there is one.
# **Prerequisites:** lessons 02 to 04.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from seglab import YOLO
from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.device import batch_to_device

folder = Path(tempfile.mkdtemp())
dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 160)
print(len(dataset), "images of 160 x 160 to experiment with")

# %% [markdown]
# ## A budget
#
# Count operations. For each output value, a convolution does one multiplication and one addition per input value. The
# first layer has 3 × 3 × 3 inputs, 16 channels, and 320 × 320 positions.

# %%
from seglab.model.yolo11 import YOLO11Seg, count_flops, fuse

by_hand = 2 * (3 * 3 * 3) * 16 * 320 * 320
assert by_hand == count_flops(nn.Conv2d(3, 16, 3, 2, 1, bias=False), 640)
with torch.device("meta"):  # shapes without numbers: counting needs no arithmetic
    forward = count_flops(fuse(YOLO11Seg("n")), 640)
print(f"first layer {by_hand / 1e9:.2f}, the whole network {forward / 1e9:.1f} GFLOPs per image of 640 x 640")

# %% [markdown]
# Training costs about three times that: once for the forward pass, once for the gradient with respect to the input of
# each layer, once for the gradient with respect to its weights.

# %%
from torch.utils.flop_counter import FlopCounterMode

network = YOLO11Seg("n").train()
with FlopCounterMode(display=False) as counter:
    raw = network(torch.rand(2, 3, 64, 64))
    once = counter.get_total_flops()
    sum(part.sum() for part in raw).backward()
    ratio = counter.get_total_flops() / once
print(f"forward and backward together: about {ratio:.0f} times forward")
assert 2.5 < ratio < 3.5

# %%
needed = 3 * forward * 118_287 * 100
print(f"100 epochs of COCO: {needed / 1e18:.2f} quintillion (1e18) operations")
for name, rate in (("0.1 TFLOP/s, a laptop's CPU", 1e11), ("5 TFLOP/s, a modest GPU", 5e12), ("100 TFLOP/s", 1e14)):
    hours = needed / rate / 3600
    time = f"{hours / 24:6.0f} days " if hours > 100 else f"{hours:6.1f} hours"
    print(f"{name:28} {time}, and {rate / (3 * forward):5.0f} images a second to be read and augmented")

# %% [markdown]
# These are *achieved* rates, and devices achieve only a fraction of what their data sheets promise; small networks
# achieve a small fraction. The last column is the one that people forget. A core reads and augments a few dozen images
# a second, so a fast GPU waits for its data unless many processes read (`workers=8`) or the decoded images are kept in
# memory (`cache="ram"`, if they fit). Measure before you buy. Here is what the CPU that built this page achieved (yours
# will differ):

# %% tags=["nbval-ignore-output"]
import time

fused, image = fuse(YOLO11Seg("n")).eval(), torch.rand(1, 3, 320, 320)
with torch.inference_mode():
    fused(image)
    start = time.perf_counter()
    for _ in range(5):
        fused(image)
rate = 5 * count_flops(fused, 320) / (time.perf_counter() - start)
print(f"{rate / 1e9:.0f} GFLOP/s forward, on {torch.get_num_threads()} thread(s)")

# %% [markdown]
# ## A GPU
#
# Nothing in the code changes except the device that tensors live on. `train`, `val` and `predict` use the first CUDA
# GPU if there is one; choose another device with `device="cpu"`, `device=1` or, on a Mac, `device="mps"`. The result
# must be the same up to rounding. The cell compares a GPU with the CPU; where there is no GPU, there is nothing to
# compare, and it says so.

# %%
model = YOLO("toybox-n")
images, targets = batch_to_device(collate([dataset[index] for index in range(4)]), torch.device("cpu"))
devices = ["cuda"] if torch.cuda.is_available() else []
with torch.inference_mode():
    here = model.network(images)
    for device in devices:
        there = model.network.to(device)(images.to(device))
        for one, other in zip(here, there):
            torch.testing.assert_close(one, other.cpu(), atol=0.1, rtol=0.01)  # GPUs may round products to 10 bits
        model.network.to("cpu")
print("devices compared with the CPU:", devices or "none, since there is no GPU here")

# %% [markdown]
# ## Half precision: what 16 bits can hold
#
# Number formats differ in how many bits go into the exponent (range) and how many into the fraction (step size).
# float16 has a small range and medium steps; bfloat16 has float32's range and coarse steps. The step size at x is a
# power of two:


# %%
def step_at(x, fraction_bits):
    return 2.0 ** (np.floor(np.log2(x)) - fraction_bits)


formats = {"float32": (torch.float32, 23), "float16": (torch.float16, 10), "bfloat16": (torch.bfloat16, 7)}
for name, (dtype, bits) in formats.items():
    info = torch.finfo(dtype)
    assert info.eps == step_at(1.0, bits)
    largest = "65504" if dtype == torch.float16 else "3e38"
    print(f"{name:9} largest {largest:>5}, step at 1: 1/{1 / info.eps:.0f}, at 640: {step_at(640, bits):.2g} pixels")
assert (torch.tensor(640.0, dtype=torch.bfloat16) + 1).item() == 640  # one pixel is lost altogether

# %% alt="Step between neighboring numbers over their size, on logarithmic axes: three rising staircases; at 640 float16 has steps of half a pixel and bfloat16 of four."
x = np.geomspace(0.01, 1300, 2000)
figure, axis = plt.subplots(figsize=(7, 3), dpi=80)
for name, (_, bits) in formats.items():
    axis.plot(x, step_at(x, bits), label=name)
axis.axvline(640, color="0.7", zorder=0)
axis.set(xscale="log", yscale="log", xlabel="number (the line: a coordinate of 640)", ylabel="step to the next one")
axis.legend(frameon=False)
plt.show()
print("steps at 640, in pixels: float16 and bfloat16:", step_at(640, 10), step_at(640, 7))

# %% [markdown]
# Hence *mixed* precision: matrix products and convolutions, where most of the work is, in 16 bits; sums, decoding and
# optimizer steps in 32. The network may run in half precision, but coordinates are never computed in it. The library
# follows that rule in `decode` and in the loss:

# %%
from seglab.inference.decode import decode
from seglab.training.loss import LossGains, segmentation_loss

model.network.eval()
with torch.no_grad():
    exact = model.network(images)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.network(images)
print("the network's output is", mixed.boxes.dtype, "- decoded boxes are", decode(mixed, 160, 160).dtype)
losses = [segmentation_loss(raw, targets, LossGains())[0].item() for raw in (exact, mixed)]
print("the loss in both formats:", [type(loss).__name__ for loss in losses], f"a ratio of {losses[1] / losses[0]:.1f}")
assert mixed.boxes.dtype == torch.bfloat16 and abs(losses[1] / losses[0] - 1) < 0.05

# %% [markdown]
# ## What happens to small gradients
#
# float16 has a lower limit too: its smallest number is 6e-8, and anything below half of that becomes zero. And from
# 6e-5 down to that limit its steps no longer become smaller, so numbers there have fewer and fewer digits. Look at the
# gradients that flow through a middle layer of the network, and see what happens to them; then multiply the *loss* by
# 1,024, which multiplies every gradient.

# %%
kept = {}


def remember(layer, inputs, output):
    output.retain_grad()
    kept["layer 16"] = output


handle = model.network.model[16].register_forward_hook(remember)
total, _ = segmentation_loss(model.network(images), targets, LossGains())
(total / 4).backward()  # the total is multiplied by the number of images (lesson 03)
handle.remove()
flowing = kept["layer 16"].grad[kept["layer 16"].grad != 0].abs()
for scale in (1, 1024):
    x = flowing * scale
    lost, few, off = (now.float().mean() for now in (x.half() == 0, x < 2**-14, (x.half() - x).abs() > 0.01 * x))
    print(f"loss times {scale}: {lost:.1%} vanish, {few:.0%} have fewer digits, {off:.0%} are off by more than 1 %")
assert lost < 1e-4 and few < 0.01 and off < 0.001 and (flowing < 2**-14).float().mean() > 0.4

# %% alt="Histogram of gradient sizes on a logarithmic axis: a hill, half of it left of 6e-5, where float16 loses digits, and a thin tail left of 3e-8, where it rounds to zero; with the loss scaled by 1,024 nearly the whole hill lies right of both."
figure, axis = plt.subplots(figsize=(7, 2.8), dpi=80)
edges = np.geomspace(1e-10, 1e2, 70)
for name, scale in (("gradients", 1), ("loss scaled by 1,024", 1024)):
    axis.hist((flowing * scale).numpy(), bins=edges, histtype="stepfilled", alpha=0.5, label=name)
axis.axvline(2.0**-14, color="C3", linestyle="--", label="float16 loses digits left of this")
axis.axvline(2.0**-25, color="C3", label="float16 rounds to zero left of this")
axis.set(xscale="log", xlabel="size", ylabel="count")
axis.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
plt.show()
print("scaling moves all of them by", np.log2(1024), "bits")

# %% [markdown]
# Few vanish here (two in a thousand), but half lie below 6e-5, where float16 has fewer and fewer digits. **Loss
# scaling** multiplies the loss, and divides the gradients again before the optimizer step. How large should the scale
# be? As large as possible without an overflow, and nobody knows that in advance: so double it after many good steps,
# and at the first infinite gradient halve it and *skip that step* (exercise 1). bfloat16 has float32's range and needs
# none of this, which is why the library prefers it on GPUs and CPUs that have units for it: there it about halves the
# time of a step. `amp=True`, the default, chooses the format; `amp=False` switches mixed precision off.
#
# ## Gradient accumulation
#
# A batch of 64 does not fit into memory? Add up the gradients of 16 batches of 4, then step once. For a simple network
# and a loss that is a sum over images, this is not an approximation: it is the same sum, only grouped differently:

# %%
small = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 1, 3)).double()  # 16 digits: rounding cannot hide
precise = images.double()


def gradient_of(loss, network):
    parts = torch.autograd.grad(loss, [p for p in network.parameters() if p.requires_grad])
    return torch.cat([part.flatten() for part in parts])


whole = gradient_of(small(precise).square().mean(), small)
halves = [gradient_of(small(precise[part]).square().mean(), small) for part in (slice(0, 2), slice(2, 4))]
torch.testing.assert_close((halves[0] + halves[1]) / 2, whole)
difference = ((halves[0] + halves[1]) / 2 - whole).norm() / whole.norm()
assert difference < 1e-10
print(f"the mean of two halves' gradients differs from the whole batch's by {difference:.3f} of its length")


# %% [markdown]
# In a detector two operations tie the images of a batch together, and both break the equality. **Batch normalization**
# computes mean and variance over the batch. And **the loss is divided** by the sum of the batch's target scores (lesson
# 03): an image with thirty objects counts more when it shares the division with an empty one. The second effect alone
# is small. To see that, first freeze the statistics (evaluation mode), then use those of the batch:


# %%
def detector_gradient(part):
    raw = model.network(images[part])
    own = (targets["image_index"] >= part.start) & (targets["image_index"] < part.stop)
    batch = {name: targets[name][own] for name in ("image_index", "classes", "boxes", "masks")}  # a row per instance
    batch["image_index"] = batch["image_index"] - part.start
    return gradient_of(segmentation_loss(raw, batch, LossGains())[0], model.network)


def cosine_of_halves_and_whole(training):
    model.network.train(training)
    halves = detector_gradient(slice(0, 2)) + detector_gradient(slice(2, 4))
    return torch.nn.functional.cosine_similarity(halves, detector_gradient(slice(0, 4)), dim=0).item()


# %% tags=["nbval-ignore-output"]
frozen, live = cosine_of_halves_and_whole(training=False), cosine_of_halves_and_whole(training=True)
print(f"cosine between both gradients: {frozen:.2f} with frozen statistics, {live:.2f} with those of the batch")
assert 0.8 < frozen < 0.9999 and live < frozen

# %% [markdown]
# Halves of two small images are an extreme case: on the coarsest map there are only fifty cells to compute statistics
# from. Parts with more and larger images come closer, but never quite: accumulation gives a large batch's sum, not its
# statistics.
#
# The library accumulates by default: `nbs=64` is the nominal batch, and with `batch=16` four batches make one step
# (once the warm-up is over). Setting `nbs` to the batch size, here `nbs=16`, switches that off.

# %% [markdown]
# ## Several GPUs
#
# There is one process per GPU, each with its own copy of the network and its own part of every batch. Each computes a
# gradient, the gradients are averaged over all processes, and all take the same step, so the copies always stay equal.
# That is all there is to data parallelism: it is accumulation in space instead of time. The images of a batch are again
# tied together in two ways, but now the result *can* be made exact, because the processes run at the same time and can
# exchange what they need.
#
# For example, here are the statistics of a batch computed from those of its halves. The mean is the mean of the means;
# the variance is the mean of the variances **plus the variance of the means**:

# %%
generator = torch.Generator().manual_seed(0)
activations = torch.randn(4, 8, 10, 10, generator=generator) + torch.arange(4).view(4, 1, 1, 1)
one, two = activations[:2], activations[2:]
dims = (0, 2, 3)
mean = (one.mean(dims) + two.mean(dims)) / 2
within = (one.var(dims, correction=0) + two.var(dims, correction=0)) / 2
variance = within + ((one.mean(dims) - two.mean(dims)) / 2) ** 2
torch.testing.assert_close(mean, activations.mean(dims))
torch.testing.assert_close(variance, activations.var(dims, correction=0))
ratio = within / activations.var(dims, correction=0)
assert (ratio < 1).all()
print(f"without the last term the variances would be {ratio.min():.2f} to {ratio.max():.2f} of what they are")

# %% [markdown]
# The library handles both: batch normalization uses statistics of all processes (`share_batch_statistics`), and target
# scores are summed over all processes before the loss is divided. Now try it. This program computes one gradient of the
# detector over four images: alone, or as one of several processes.

# %%
PROGRAM = """
import sys, numpy as np, torch
from seglab import YOLO, device
from seglab.data import collate, dataset
from seglab.datasets.load import load_dataset
from seglab.training import distributed, loss

out = globals().get("out") or sys.argv[1]  # where the gradient goes
process = distributed.join(torch.device("cpu"))  # alone, unless torchrun says otherwise
data = dataset.SegmentationDataset(load_dataset("toybox8-seg"), "train", 160)
mine = [data[index] for index in range(4)[process.rank :: process.world]]  # this process's part of the batch
images, targets = device.batch_to_device(collate.collate(mine), process.device)
network = YOLO("toybox-n").network.train()
"""
print("each process takes its part:", [list(range(4))[rank::2] for rank in range(2)])

# %%
import re

PROGRAM += """
for statistics in ("own", "shared"):
    if statistics == "shared" and process.world > 1:
        distributed.share_batch_statistics(network, process)
    # its normalizers (the sum of target scores, and the number of positives) are summed over all processes
    total, _ = loss.segmentation_loss(network(images), targets, loss.LossGains())
    parts = torch.autograd.grad(total, [p for p in network.parameters() if p.requires_grad])
    gradient = distributed.mean(process, torch.cat([part.flatten() for part in parts]))
    np.save(f"{out}_{statistics}_{process.rank}.npy", gradient.numpy())
distributed.leave(process)
"""
(folder / "gradient.py").write_text(PROGRAM)
print("it calls, of seglab.training.distributed:", ", ".join(re.findall(r"distributed\.(\w+)\(", PROGRAM)))

# %% [markdown]
# `torchrun` starts the program several times and gives each process its number. On a machine with four GPUs the same
# command trains on all four: `torchrun --nproc-per-node 4 -m seglab.cli train data=coco model=yolo11n-seg.yaml
# batch=64` (`batch` counts all processes together). Here two processes share the CPU.

# %%
import os
import runpy
import socket
import subprocess
import sys

runpy.run_path(str(folder / "gradient.py"), {"out": folder / "alone"})  # one process: this one
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
torchrun = "-m torch.distributed.run --nproc-per-node 2 --master-addr 127.0.0.1 --master-port".split()
line = [sys.executable, *torchrun, port, str(folder / "gradient.py"), str(folder / "two")]
done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
assert done.returncode == 0, done.stderr[-2000:]
print(len(list(folder.glob("*.npy"))), "gradients: alone and on two processes, with own and with shared statistics")

# %% tags=["nbval-ignore-output"]
alone, shared, own = (np.load(folder / f"{name}_0.npy") for name in ("alone_shared", "two_shared", "two_own"))


def distance(gradient):
    return np.linalg.norm(gradient - alone) / np.linalg.norm(alone)


assert np.array_equal(shared, np.load(folder / "two_shared_1.npy"))  # both processes hold the same average
print(f"two processes' gradient is {distance(shared):.0e} of its length away from one process's")
print(f"and if each normalizes by its own images: {distance(own):.2f}")
assert distance(shared) < 0.01 and distance(own) > 100 * distance(shared)

# %% [markdown]
# The gradients are not equal to the last bit, since sums run in another order, but they are more than a hundred times
# closer than when each process uses the statistics of its own images.
#
# **Which process gets which images** must be decided without communication. So the order of an epoch is a function of
# seed and epoch alone: every process computes it and takes every `world`-th entry. The number of processes then changes
# who does the work, but not what is computed:

# %%
from seglab.data.dataset import epoch_order
from seglab.data.loader import EpochSampler

order = np.random.default_rng((0, 5)).permutation(64)  # seed 0, epoch 5
assert np.array_equal(order, epoch_order(64, 0, 5))
parts = []
for rank in range(4):
    sampler = EpochSampler(64, batch=16, shuffle=True, seed=0, rank=rank, world=4)
    sampler.set_epoch(5)
    assert [batch == order[rank::4][4 * n : 4 * n + 4].tolist() for n, batch in enumerate(sampler)] == [True] * 4
    parts.append(list(sampler))
first = sorted(index for part in parts for index in part[0])
assert first == sorted(order[:16].tolist())
print(
    "the first step's images over four processes, and over one:",
    first[:5],
    "...",
    sorted(order[:16].tolist())[:5],
    "...",
)

# %% [markdown]
# ## Data that does not fit into memory
#
# COCO's training photos are 19 GB as files and about 118,287 × 640 × 480 × 3 bytes = 109 GB as arrays. Unless you ask
# for it (`cache="ram"`), nothing in the library holds a whole dataset in memory: it holds a list of paths, and reads
# each image when it is needed. Here is the difference, measured:

# %%
import tracemalloc

from seglab.data.image import read_image


def peak_of(work):
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


paths = [path for split in ("train", "val") for path in load_dataset("toybox8-seg").images(split)]
everything = peak_of(lambda: [read_image(path) for path in paths])
in_turn = peak_of(lambda: [read_image(path).mean() for path in paths])
assert everything > 2 * in_turn
print("images in the list:", len(paths), "- all at once need more than twice the memory of one after the other")

# %% [markdown]
# The same holds everywhere else: `predict(folder, stream=True)` yields results one by one, and the converter reads a
# JSON file of several gigabytes object by object. What grows with a dataset is a list of names, and the order of an
# epoch, which takes eight bytes per image.
#
# The data need not exist as files at all. `seglab train model=yolo11n-seg.yaml data=toybox-fresh:2000` draws 2,000
# *new* scenes in every epoch and writes none. Scene n of epoch e is a function of n and e, so any number of workers,
# and a resumed run, see the same scenes. Nothing can be memorized. The price is speed: a core draws about 20 scenes a
# second.

# %% alt="Three generated scenes side by side: scene 0 of epochs 0, 1 and 0 again. The second shows other objects in other places, the third equals the first."
fresh = SegmentationDataset(load_dataset("toybox-fresh:2000"), "train", 160)
figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.1), dpi=80)
scenes = []
for axis, epoch in zip(axes, (0, 1, 0)):
    fresh.set_epoch(epoch)
    scenes.append(fresh.sample(0).image)
    axis.imshow(scenes[-1])
    axis.set_title(f"scene 0 of epoch {epoch}", fontsize=9)
    axis.set_axis_off()
plt.show()
print(len(fresh), "scenes per epoch, as files:", sum(path.exists() for path in fresh.images))
print("scenes drawn:", len(scenes), "- different ones:", len({scene.tobytes() for scene in scenes}))
assert not np.array_equal(scenes[0], scenes[1]) and np.array_equal(scenes[0], scenes[2])

# %% [markdown]
# ## The published table
#
# YOLO11-seg comes with published metrics: five sizes, mAP on COCO's 5,000 validation photos at 640 pixels. A
# reproduction begins with what can be counted. The published values are in parentheses, after ours:

# %%
from seglab.export.benchmark import PUBLISHED, published_table

print(published_table())
with torch.device("meta"):
    for scale in PUBLISHED:
        assert abs(count_flops(fuse(YOLO11Seg(scale))) / 1e9 / PUBLISHED[scale][3] - 1) < 0.015

# %% [markdown]
# The dashes stand for mAP, and they are the point: **a table is reproduced only when somebody has run it.** These
# commands do so, on a machine with 3 GB of free disk space for COCO's validation photos (the official weights are
# AGPL-3.0, and COCO has its own terms; both are downloaded only when you ask for them, never shipped):
#
#     seglab val model=yolo11n-seg.pt data=coco                       # box and mask mAP by the COCO protocol
#     seglab val model=yolo11n-seg.pt data=coco protocol=yolo         # by YOLO tools' rules; lesson 06 has the gap
#     python -c "from seglab.export.benchmark import published_table; print(published_table('coco'))"
#
# And from scratch, on several GPUs, for days, with 45 GB for the training photos too: `torchrun --nproc-per-node 8 -m
# seglab.cli train data=coco model=yolo11n-seg.yaml epochs=600 batch=128`. The publishers' exact schedule is not known
# here, so expect to come close to the published values, not to match them.
#
# What this project has verified, and what it has not:
#
# | claim | checked by | state |
# |-|-|-|
# | parameters of all five sizes | lesson 02, `tests/model` | equal, to the last one |
# | operations | the table above | within 1.5 % |
# | the same weights give the same boxes, scores and prototypes | `tests/parity`, against ultralytics | equal, to 1e-4 |
# | the same batch gives the same four loss terms | `tests/parity` | equal, to 3e-6 |
# | mAP of given detections | `tests/evaluation`, against pycocotools | equal, to 1e-9 |
# | mAP of the official weights on COCO's 5,000 photos | the commands above | **not verified**: never run here |
# | training from scratch to the published mAP | several GPUs, days | **not attempted** |
# | milliseconds on a T4 | an NVIDIA T4 | **not measured** |
#
# An implementation whose network, loss and metric have each been shown to be equal leaves little room for surprises,
# but little is not none. If you run one of the last three, write down the result together with the command.
#
# ## Recap
#
# - A budget is operations times three times images times epochs, divided by the rate that the device achieves; then
#   check that the data keeps up.
# - Mixed precision: products in 16 bits, sums and coordinates in 32; float16 needs loss scaling, bfloat16 does not.
# - Accumulating or splitting a batch gives the same gradient if nothing ties its images together; batch statistics and
#   the loss's normalizers do, so several processes must exchange both.
# - Order is a function of seed and epoch; data is read when it is needed; a table is reproduced when it has been run.
#
# ## Sources
#
# - Micikevicius et al., *Mixed Precision Training*, 2018, for loss scaling; Kalamkar et al., *A Study of BFLOAT16 for
#   Deep Learning Training*, 2019.
# - Goyal et al., *Accurate, Large Minibatch SGD*, 2017; Chan, Golub and LeVeque, *Algorithms for Computing the Sample
#   Variance*, 1983, for joining statistics.
# - The library: `seglab/training/distributed.py`, `seglab/training/engine.py`, `seglab/data/loader.py`,
#   `seglab/export/benchmark.py`; [docs/performance.md](../docs/performance.md).
#
# ## Exercises
#
# Write the function, then run the check below it.
