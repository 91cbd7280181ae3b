# %% [markdown]
# # 10 · Scaling up: GPUs, half precision, and the published table
#
# Everything so far fitted a laptop. COCO does not: 118,287 photos, each seen a hundred times or more. This lesson is
# about what changes when work is spread over time, over number formats and over processes. The surprise is how little
# may change: a trick is harmless if it leaves the gradient as it was, up to rounding. Which ones do, and which only
# nearly, is what we find out, trick by trick.
#
# After this lesson you can
#
# 1. estimate before you start how long a training takes, and what a GPU must be fed to be busy,
# 2. say what mixed precision, accumulation and several GPUs do to a gradient, and show by hand when it stays the same,
# 3. read a published table like an auditor: what reproduces it, what has been verified and what has not.
#
# **Time** about 30 seconds of computing on a CPU, the same on a T4: one cell computes on a GPU, and says so.
# **Before** lessons 03 to 05.

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
# Count operations. A convolution does, for each output number, one multiplication and one addition for every input it
# looks at. The first layer: 3 × 3 × 3 inputs, 16 channels, 320 × 320 places.

# %%
from seglab.model.yolo11 import YOLO11Seg, count_flops, fuse

by_hand = 2 * (3 * 3 * 3) * 16 * 320 * 320
assert by_hand == count_flops(nn.Conv2d(3, 16, 3, 2, 1, bias=False), 640)
with torch.device("meta"):  # shapes without numbers: counting needs no arithmetic
    forward = count_flops(fuse(YOLO11Seg("n")), 640)
print(f"first layer {by_hand / 1e9:.2f}, the whole network {forward / 1e9:.1f} GFLOPs per image of 640 x 640")

# %% [markdown]
# Training costs about three times that: once forward, once for the gradient of what goes into each layer, once for the
# gradient of its weights.

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
print(f"100 epochs of COCO: {needed / 1e18:.2f} million million million operations")
for name, rate in (("0.1 TFLOP/s, a laptop's CPU", 1e11), ("5 TFLOP/s, a modest GPU", 5e12), ("100 TFLOP/s", 1e14)):
    hours = needed / rate / 3600
    print(f"{name:28} {hours:6.0f} hours, and {rate / (3 * forward):5.0f} images a second to be read and augmented")

# %% [markdown]
# These are rates *achieved*, and devices achieve a fraction of what their brochures say; small networks a small one.
# The last column is the one that is forgotten. A core reads and augments some tens of images a second, so a fast GPU
# waits for its data unless many processes read (`workers=8`) or the decoded images are kept (`cache="ram"`, if they
# fit). Measure before buying. Here is what the CPU under this page achieved (yours will differ):

# %% tags=["nbval-ignore-output"]
import time

fused, picture = fuse(YOLO11Seg("n")).eval(), torch.rand(1, 3, 320, 320)
with torch.inference_mode():
    fused(picture)
    start = time.perf_counter()
    for _ in range(5):
        fused(picture)
rate = 5 * count_flops(fused, 320) / (time.perf_counter() - start)
print(f"{rate / 1e9:.0f} GFLOP/s forward, on {torch.get_num_threads()} thread(s)")

# %% [markdown]
# ## A GPU
#
# Nothing in the code changes but the place where tensors live. `train`, `val` and `predict` take the first CUDA GPU
# there is; `device="cpu"`, `device=1` or, on a Mac, `device="mps"` says otherwise. The result must be the same up to
# rounding. (Where there is no GPU, the cell compares the CPU with itself.)

# %%
model = YOLO("toybox-n")
images, targets = batch_to_device(collate([dataset[index] for index in range(4)]), torch.device("cpu"))
place = "cuda" if torch.cuda.is_available() else "cpu"
with torch.inference_mode():
    here = model.network(images)
    there = model.network.to(place)(images.to(place))
model.network.to("cpu")
for one, other in zip(here, there):
    torch.testing.assert_close(one, other.cpu(), atol=0.1, rtol=0.01)  # GPUs may round products to 10 bits
print("the fastest device here gives the same answer")

# %% [markdown]
# ## Half precision: what 16 bits can hold
#
# Number formats differ in how many bits go into the exponent (range) and how many into the fraction (steps). float16
# has short range and medium steps, bfloat16 has float32's range and coarse steps. The step next to x is a power of two:


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

# %% alt="Step between neighbouring numbers over their size, on logarithmic axes: three rising staircases; at 640 float16 has steps of half a pixel and bfloat16 of four."
x = np.geomspace(0.01, 1300, 2000)
figure, axis = plt.subplots(figsize=(7, 3), dpi=80)
for name, (_, bits) in formats.items():
    axis.plot(x, step_at(x, bits), label=name)
axis.axvline(640, color="0.7", zorder=0)
axis.set(xscale="log", yscale="log", xlabel="number (the line: a coordinate of 640)", ylabel="step to the next one")
axis.legend(frameon=False)
plt.show()
print("float16 halves a pixel at 640, bfloat16 knows every fourth:", step_at(640, 10), step_at(640, 7))

# %% [markdown]
# So *mixed* precision: products and convolutions, where the work is, in 16 bits; everything that is summed, decoded or
# stepped in 32. The network may run in half precision, but coordinates are never computed there. That is a rule the
# library keeps in `decode` and in the loss:

# %%
from seglab.inference.decode import decode
from seglab.training.loss import LossGains, segmentation_loss

model.network.eval()
with torch.no_grad():
    exact = model.network(images)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.network(images)
print("the network says it in", mixed.boxes.dtype, "- decoded boxes are", decode(mixed, 160, 160).dtype)
losses = [segmentation_loss(raw, targets, LossGains())[0].item() for raw in (exact, mixed)]
print("the loss changes by less than 5 %:", abs(losses[1] / losses[0] - 1) < 0.05)
assert mixed.boxes.dtype == torch.bfloat16 and abs(losses[1] / losses[0] - 1) < 0.05

# %% [markdown]
# ## What becomes of small gradients
#
# float16 has a floor too: its smallest number is 6e-8, and below half of it there is only zero. And from 6e-5 down to
# that floor its steps no longer become smaller, so that numbers there have ever fewer digits. Look at the gradients
# that flow through a middle layer of the network, and see what becomes of them; then multiply the *loss* by 1,024, which
# multiplies every gradient.

# %%
kept = {}


def remember(layer, inputs, output):
    output.retain_grad()
    kept["layer 16"] = output


handle = model.network.model[16].register_forward_hook(remember)
total, _ = segmentation_loss(model.network(images), targets, LossGains())
(total / 4).backward()  # the total is multiplied by the number of images (lesson 04)
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
# Few vanish here (two in a thousand), but half lie below 6e-5, where float16 has ever fewer digits. **Loss scaling**
# multiplies, and divides again before the optimiser steps. How large may the scale be? As large as possible without an
# overflow, and nobody knows that in advance: so double it after many good steps, and on the first infinite gradient
# halve it and *leave that step out* (exercise 1). bfloat16 has float32's range and needs none of this, which is why
# the library prefers it on GPUs that compute in it (`amp=True` chooses; `amp=False` switches off). On a CPU with bf16
# units, `amp="bf16"` about halves the time of a step.
#
# ## Gradient accumulation
#
# A batch of 64 does not fit? Add up the gradients of 16 batches of 4, then step once. For a plain network and a loss
# that is a sum over images this is not an approximation, it is the same sum with brackets:

# %%
small = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 1, 3)).double()  # 16 digits: rounding cannot hide
precise = images.double()


def gradient_of(loss, network):
    parts = torch.autograd.grad(loss, [p for p in network.parameters() if p.requires_grad])
    return torch.cat([part.flatten() for part in parts])


whole = gradient_of(small(precise).square().mean(), small)
halves = [gradient_of(small(precise[part]).square().mean(), small) for part in (slice(0, 2), slice(2, 4))]
torch.testing.assert_close((halves[0] + halves[1]) / 2, whole)
apart = ((halves[0] + halves[1]) / 2 - whole).norm() / whole.norm()
print("the mean of two halves' gradients is the whole batch's, to ten digits:", apart.item() < 1e-10)


# %% [markdown]
# In a detector two things tie the images of a batch together, and both break the equality. **Batch normalisation**
# takes mean and variance over the batch. And **the loss is divided** by how much is asked for in the batch (lesson 04):
# an image with thirty objects weighs more when it is divided together with an empty one. The second alone is a small
# matter. To see that, let the statistics rest (evaluation mode), then let them live:


# %%
def detector_gradient(part):
    raw = model.network(images[part])
    own = (targets["image_index"] >= part.start) & (targets["image_index"] < part.stop)
    batch = {name: value[own] for name, value in targets.items()}
    batch["image_index"] = batch["image_index"] - part.start
    return gradient_of(segmentation_loss(raw, batch, LossGains())[0], model.network)


def cosine_of_halves_and_whole(live):
    model.network.train(live)
    halves = detector_gradient(slice(0, 2)) + detector_gradient(slice(2, 4))
    return torch.nn.functional.cosine_similarity(halves, detector_gradient(slice(0, 4)), dim=0).item()


# %% tags=["nbval-ignore-output"]
resting, live = cosine_of_halves_and_whole(live=False), cosine_of_halves_and_whole(live=True)
print(f"cosine of the angle between both gradients: {resting:.2f} with resting statistics, {live:.2f} with live ones")
assert 0.8 < resting < 0.9999 and live < resting

# %% [markdown]
# Halves of two small images are an extreme: the coarsest maps of each have fifty cells to take statistics from. Parts
# with more and larger images come nearer, never quite: accumulation gives a large batch's sum, not its statistics.
#
# The library accumulates by itself: `nbs=64` is the nominal batch, and with `batch=16` four batches make one step (once
# the warm-up is over). `nbs=16` beside it, or whatever the batch is, switches that off.

# %% [markdown]
# ## Several GPUs
#
# One process per GPU, each with its own copy of the network and its own share of every batch. All compute a gradient,
# the gradients are averaged over processes, all take the same step: so the copies stay equal for ever. That is all of
# data parallelism, and it is accumulation in space instead of time. The two ties come back, but now they *can* be cut,
# because the processes run at the same moment: they may ask each other.
#
# Statistics of a batch from those of its halves, for example. The mean is the mean of means; the variance is the mean
# of variances **plus the variance of the means**:

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
too_small = within < activations.var(dims, correction=0)
print("without the last term the variance of every channel would be too small:", bool(too_small.all()))

# %% [markdown]
# The library does both: batch normalisation over all processes (`share_batch_statistics`), and sums of what is asked
# taken over all processes before the loss divides. Try it for real. This program computes one gradient of the detector
# over four images: alone, or as one of several processes.

# %%
PROGRAM = """
import sys, numpy as np, torch
from seglab import YOLO, device
from seglab.data import collate, dataset
from seglab.datasets import load as catalogue
from seglab.training import distributed, loss

out = globals().get("out") or sys.argv[1]  # where the gradient goes
process = distributed.join(torch.device("cpu"))  # alone, unless torchrun says otherwise
data = dataset.SegmentationDataset(catalogue.load_dataset("toybox8-seg"), "train", 160)
mine = [data[index] for index in range(4)[process.rank :: process.world]]  # this process's share of the batch
images, targets = device.batch_to_device(collate.collate(mine), process.device)
network = YOLO("toybox-n").network.train()
"""
print("each process takes its share:", [list(range(4))[rank::2] for rank in range(2)])

# %%
import re

PROGRAM += """
for statistics in ("own", "shared"):
    if statistics == "shared" and process.world > 1:
        distributed.share_batch_statistics(network, process)
    # its normalisers (how much is asked for in the batch) are summed over all processes
    total, _ = loss.segmentation_loss(network(images), targets, loss.LossGains())
    parts = torch.autograd.grad(total, [p for p in network.parameters() if p.requires_grad])
    gradient = distributed.mean(process, torch.cat([part.flatten() for part in parts]))
    np.save(f"{out}_{statistics}_{process.rank}.npy", gradient.numpy())
distributed.leave(process)
"""
(folder / "share.py").write_text(PROGRAM)
print("what it calls of seglab.training.distributed:", ", ".join(re.findall(r"distributed\.(\w+)\(", PROGRAM)))

# %% [markdown]
# `torchrun` starts the program several times and tells each its number. On a machine with four GPUs the same command
# trains on four: `torchrun --nproc-per-node 4 -m seglab.cli train data=coco model=yolo11n-seg.yaml batch=64` (`batch`
# counts all processes together). Here two processes share the CPU.

# %%
import os
import runpy
import socket
import subprocess
import sys

runpy.run_path(str(folder / "share.py"), {"out": folder / "alone"})  # one process: this one
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
torchrun = "-m torch.distributed.run --nproc-per-node 2 --master-addr 127.0.0.1 --master-port".split()
line = [sys.executable, *torchrun, port, str(folder / "share.py"), str(folder / "two")]
done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
assert done.returncode == 0, done.stderr[-2000:]
print(len(list(folder.glob("*.npy"))), "gradients: alone and on two processes, with own and with shared statistics")

# %% tags=["nbval-ignore-output"]
alone, shared, own = (np.load(folder / f"{name}_0.npy") for name in ("alone_shared", "two_shared", "two_own"))


def distance(gradient):
    return np.linalg.norm(gradient - alone) / np.linalg.norm(alone)


assert np.array_equal(shared, np.load(folder / "two_shared_1.npy"))  # both processes hold the same average
print(f"two processes' gradient is {distance(shared):.0e} of its length away from one process's")
print(f"and if each normalises by its own images: {distance(own):.2f}")
assert distance(shared) < 0.01 and distance(own) > 100 * distance(shared)

# %% [markdown]
# Not equal to the last bit, since sums run in another order; but more than a hundred times nearer than where each
# process takes the statistics of its own images.
#
# **Who gets which images** must be settled without a word being exchanged. So the order of an epoch is a function of
# seed and epoch alone: every process computes it and takes every `world`-th entry. The number of processes then changes
# who does the work, and not what is done:

# %%
from seglab.data.dataset import epoch_order
from seglab.data.loader import EpochSampler

order = np.random.default_rng((0, 5)).permutation(64)  # seed 0, epoch 5
assert np.array_equal(order, epoch_order(64, 0, 5))
shares = []
for rank in range(4):
    sampler = EpochSampler(64, batch=16, shuffle=True, seed=0, rank=rank, world=4)
    sampler.set_epoch(5)
    assert [batch == order[rank::4][4 * n : 4 * n + 4].tolist() for n, batch in enumerate(sampler)] == [True] * 4
    shares.append(list(sampler))
first = sorted(index for share in shares for index in share[0])
print("the first step's images over four processes are one process's:", first == sorted(order[:16].tolist()))

# %% [markdown]
# ## Data that does not fit into memory
#
# COCO's training photos are 19 GB as files and about 118,287 × 640 × 480 × 3 bytes = 109 GB as arrays. Unless you ask
# for it (`cache="ram"`), nothing in the library holds a dataset: it holds a list of paths, and reads an image when it
# is its turn. The difference, measured:

# %%
import tracemalloc

from seglab.data.image import read_image


def peak_of(work):
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


paths = [path for split in ("train", "val") for path in load_dataset("toybox8-seg").images(split)]
everything = peak_of(lambda: [read_image(path) for path in paths])
in_turn = peak_of(lambda: [read_image(path).mean() for path in paths])
print("a list of 8 images takes more than twice the memory of 8 images in turn:", everything > 2 * in_turn)
assert everything > 2 * in_turn

# %% [markdown]
# The same holds on every other path: `predict(folder, stream=True)` yields results one by one, and the converter reads
# a JSON of gigabytes object by object. What grows with a dataset is a list of names, and the order of an epoch, which
# is eight bytes per image.
#
# Data need not exist at all. `seglab train model=yolo11n-seg.yaml data=toybox-fresh:2000` draws 2,000 *new* scenes in
# every epoch and writes none. Scene n of epoch e is a function of n and e, so any number of workers, and a resumed run,
# see the same ones. Nothing can be learned by heart. The price is feeding: a core draws about 20 scenes a second.

# %% alt="Three generated scenes side by side: scene 0 of epochs 0, 1 and 0 again. The second shows other things in another place, the third is the first."
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
print("another one in another epoch:", not np.array_equal(scenes[0], scenes[1]), end=", ")
print("the same when that epoch comes again:", np.array_equal(scenes[0], scenes[2]))
assert not np.array_equal(scenes[0], scenes[1]) and np.array_equal(scenes[0], scenes[2])

# %% [markdown]
# ## The published table
#
# YOLO11-seg comes with published figures: five sizes, mAP on COCO's 5,000 validation photos at 640 pixels. A
# reproduction begins with what can be counted. In brackets the published figure, before it ours:

# %%
from seglab.export.benchmark import PUBLISHED, published_table

print(published_table())
with torch.device("meta"):
    for scale in PUBLISHED:
        assert abs(count_flops(fuse(YOLO11Seg(scale))) / 1e9 / PUBLISHED[scale][3] - 1) < 0.015

# %% [markdown]
# The dashes are mAP, and they are the point: **a table is reproduced when somebody has run it.** These commands do, on
# a machine with 3 GB of free disk for COCO's validation photos (official weights are AGPL-3.0, COCO has its own terms;
# both are fetched when you ask, never shipped):
#
#     seglab val model=yolo11n-seg.pt data=coco                       # box and mask mAP by the COCO protocol
#     seglab val model=yolo11n-seg.pt data=coco protocol=yolo         # by YOLO tools' rules; lesson 06 has the gap
#     python -c "from seglab.export.benchmark import published_table; print(published_table('coco'))"
#
# And from nothing, on several GPUs, for days, with 45 GB for the training photos too:
# `torchrun --nproc-per-node 8 -m seglab.cli train data=coco model=yolo11n-seg.yaml epochs=600 batch=128`. The
# publishers' exact schedule is not known here, so expect to land near a figure, not on it.
#
# What this project has verified, and what it has not:
#
# | claim | checked by | state |
# |-|-|-|
# | parameters of all five sizes | lesson 03, `tests/model` | equal, to the last one |
# | operations | the table above | within 1.5 % |
# | the same weights give the same boxes, scores and prototypes | `tests/parity`, beside the peer | equal, to 1e-4 |
# | the same batch gives the same four loss terms | `tests/parity` | equal, to 3e-6 |
# | mAP of given detections | `tests/evaluation`, beside pycocotools | equal, to 1e-9 |
# | mAP of the official weights on COCO's 5,000 photos | the commands above | **not verified**: never run here |
# | training from nothing to the published mAP | several GPUs, days | **not attempted** |
# | milliseconds on a T4 | an NVIDIA T4 | **not measured** |
#
# An implementation whose network, loss and metric are each proved equal leaves little room for a surprise. Little is
# not none. Where you have run one of the last three, write the figure down with the command beside it.
#
# ## Recap
#
# - A budget is operations times three times images times epochs, over what the device achieves; then ask who feeds it.
# - Mixed precision: products in 16 bits, sums and coordinates in 32; float16 needs its loss scaled, bfloat16 does not.
# - Accumulating or sharing a batch gives the same gradient if nothing ties its images together; batch statistics and
#   normalisers do, and several processes must exchange both.
# - Order is a function of seed and epoch; data is read in turn; a table is reproduced when it has been run.
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
# Write the function, run the check below it.
