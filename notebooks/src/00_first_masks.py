# %% [markdown]
# # 00 · First masks in five minutes
#
# A photograph goes in; for every object on it come out its name, a box, and exactly those pixels that belong to it.
# That is *instance segmentation*. This first lesson only uses it. The lessons after it take the machine apart, down
# to the last number.
#
# After this lesson you can
#
# 1. find the objects on images, and get at their boxes, scores, masks and outlines,
# 2. choose by confidence and by class, feed your own images, and save what was found,
# 3. say how good a model is in one call, and name the five steps between a photograph and its masks.
#
# **Time** about 15 seconds of computing on a CPU, the same on a T4. (Times on a T4, a common GPU on Colab, are
# estimates in all these lessons.) **Before** nothing but a little Python.

# %%
from seglab import YOLO

model = YOLO("toybox-n")
print(len(model.names), "kinds of things:", ", ".join(model.names.values()))

# %% [markdown]
# `toybox-n` is a small network that comes with the course. It was trained on *toybox* scenes: images made by a
# generator, so that the ground truth about every object is known exactly. Eight others, which it has never seen, come with
# the course under the name `toybox8-seg`: four to train with, and four to check with (the *validation* split, `val` for
# short). (Official weights, `YOLO("yolo11n-seg.pt")`, know eighty kinds of things on photos. They are downloaded
# when you ask for them.)
#
# Using it is one call. Given the name of a dataset, it looks at the images to check with. `imgsz` is the size at
# which the network looks at an image: larger is finer, and slower.

# %%
results = model("toybox8-seg", imgsz=640)
result = results[0]
print(len(results), "images; the first has (height, width)", result.orig_shape)

# %% alt="A generated photograph of everyday things; every thing that was found has a box, a tinted mask with an outline, and its name."
import matplotlib.pyplot as plt


def show(picture, width=6):
    plt.figure(figsize=(width, width * picture.shape[0] / picture.shape[1]), dpi=80)
    plt.imshow(picture)
    plt.axis("off")
    plt.tight_layout(pad=0)
    plt.show()


drawn = result.plot(conf=False)  # blue, green, red, as OpenCV wants it
show(drawn[..., ::-1])  # red, green, blue, as matplotlib wants it
print("drawn on an image of the same size:", drawn.shape == result.image.shape)

# %% [markdown]
# ## Boxes and scores
#
# A `Results` object holds what was found on one image, the highest-scoring first. A box is left, top, right, bottom in the
# image's own pixels. The **score** lies between 0 and 1 and says how sure the network is, of the name and of the
# place together (lesson 04 shows how it learns that).

# %% tags=["nbval-ignore-output"]
for box, score, kind in zip(result.boxes.xyxy, result.boxes.conf, result.boxes.cls):
    print(f"{model.names[int(kind)]:<11} score {score:.2f}   box", [round(side) for side in box.tolist()])

# %% [markdown]
# Look at the list's end. Near (405, 276) the network sees a book *and* an umbrella: duplicates are removed within one
# kind only. Three of the last six rows are mistakes, this umbrella among them; all rows above are right. But the very
# last row, the banana on the teddy's head, is right as well. A low score says unsure, not wrong.

# %%
from torchvision.ops import box_iou

height, width = result.orig_shape
left, top, right, bottom = result.boxes.xyxy.T
scores, kinds = result.boxes.conf, result.boxes.cls
assert (scores[:-1] >= scores[1:]).all() and scores[-1] > 0.25  # less sure ones are not shown
assert (left >= 0).all() and (right <= width).all() and (top >= 0).all() and (bottom <= height).all()
pairs = (box_iou(result.boxes.xyxy, result.boxes.xyxy) > 0.8).triu(diagonal=1).nonzero().tolist()
print("nearly the same box:", [[model.names[int(kinds[index])] for index in pair] for pair in pairs])
assert pairs and all(kinds[one] != kinds[other] for one, other in pairs)

# %% [markdown]
# ## Masks
#
# One mask per object, at the **image's own resolution**: 1 where the object is, 0 elsewhere. (Many tools hand out
# masks at the size of the network's input, and leave it to you to stretch them back.)

# %%
masks = result.masks.data
print("masks:", tuple(masks.shape[1:]), masks.dtype, "and one for every box:", len(masks) == len(result))
outside = 0
for mask, (x0, y0, x1, y1) in zip(masks, result.boxes.xyxy.round().int().tolist()):
    assert mask.any()
    outside += int(mask.sum() - mask[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1].sum())
print("pixels more than one pixel outside their box:", outside)
assert outside == 0

# %% [markdown]
# With a mask you can do what no box allows: measure an object, cut it out, put it somewhere else. Here is the largest
# of the highest-scoring:

# %% alt="One object three times: cut to its box, as a black and white mask, and cut out along its outline on white."
import numpy as np

largest = int((masks.sum(dim=(1, 2)) * (scores > 0.8)).argmax())
x0, y0, x1, y1 = result.boxes.xyxy[largest].round().int().tolist()
window = slice(y0, y1), slice(x0, x1)
photo, mask = result.image[window], masks[largest].numpy()[window].astype(bool)
figure, axes = plt.subplots(1, 3, figsize=(7, 2.5), dpi=80, layout="constrained")
for axis, picture, title in zip(axes, (photo, mask, np.where(mask[..., None], photo, 255)), ("box", "mask", "cut out")):
    axis.imshow(picture, cmap="gray")
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
plt.show()
print("an object covers less than its box:", 0 < mask.mean() < 1)

# %% [markdown]
# The right edge is frayed where the book meets the bottle and a banana. Lesson 03 shows one reason: the grid that the
# network draws masks on is coarse.
#
# **Outlines** are the same masks as lists of corner points, for programs that want vectors. `masks.rings` has all
# rings of an object, with parts and holes; filling them gives the mask back, every pixel of it (lesson 01 does this by
# hand). `masks.xy` has only the largest ring of each.

# %%
from seglab.geometry.raster import fill

for mask, rings in zip(masks.numpy(), result.masks.rings):
    assert np.array_equal(fill(rings, height, width), mask.astype(bool))
rings = result.masks.rings[0]  # of the highest-scoring
print("the", model.names[int(kinds[0])], "has", len(rings), "rings, arrays of", rings[0].shape[1], "columns, x and y")

# %% [markdown]
# ## Choosing
#
# Results can be cut like arrays. Or say beforehand what you want; it comes to the same:

# %%
sure = result[result.boxes.conf > 0.6]
again = model("toybox8-seg", imgsz=640, conf=0.6)[0]
assert np.allclose(sure.boxes.xyxy, again.boxes.xyxy)

kind = int(result.boxes.cls[0])  # the class of the highest-scoring
same_kind = result[result.boxes.cls == kind]
again = model("toybox8-seg", imgsz=640, classes=[kind])[0]
assert np.allclose(same_kind.boxes.xyxy, again.boxes.xyxy)
print(
    "fewer when you ask for more certainty:",
    len(sure) <= len(result),
    "- one kind only:",
    set(same_kind.boxes.cls.tolist()) == {kind},
)

# %% [markdown]
# What is the right confidence? That depends on which mistake is worse, a miss or a false alarm; lesson 06 chooses it
# by measurement. Here is how much the choice changes:

# %% alt="Four falling curves, one for each image: how many objects are found over the confidence asked for; nearly flat in the middle, steep beyond 0.85."
eager = model("toybox8-seg", imgsz=640, conf=0.05)
levels = np.linspace(0.05, 1, 96)
plt.figure(figsize=(6, 2.6), dpi=80)
for number, each in enumerate(eager):
    plt.plot(levels, [int((each.boxes.conf > level).sum()) for level in levels], label=f"image {number}")
plt.axvline(0.25, color="0.7", zorder=0)
plt.xlabel("confidence asked for (grey line: the default)")
plt.ylabel("objects found")
plt.legend(frameon=False)
plt.tight_layout()
plt.show()
print("less certainty, more objects:", all(len(a) >= len(b) for a, b in zip(eager, results)))

# %%
lost = [((each.boxes.conf > 0.2) & (each.boxes.conf < 0.6)).sum() for each in eager]
sure = np.concatenate([each.boxes.conf for each in results])
print("more than half of all scores lie between 0.85 and 0.95:", ((sure > 0.85) & (sure < 0.95)).sum() > len(sure) / 2)
assert max(lost) < 6 and (sure > 0.95).sum() < 6

# %% [markdown]
# Between 0.2 and 0.6 the curves are nearly flat: there the exact choice hardly matters. Beyond 0.85 they drop steeply:
# most scores lie there, and hardly any beyond 0.95. No curve says by itself where to cut.

# %% [markdown]
# ## Your own images
#
# Give a path, a folder, a video, a web address, or an image that you have already opened. One thing goes wrong every
# day: **an array is taken to be BGR**, as OpenCV reads it, while a PIL image is RGB. Mix them up and red things turn
# blue. Nothing fails; the results are merely worse.

# %%
import cv2
from PIL import Image

path = result.path
from_file = model(path, imgsz=640)[0]
from_opencv = model(cv2.imread(path), imgsz=640)[0]
from_pil = model(Image.open(path), imgsz=640)[0]
assert np.array_equal(from_file.image, from_pil.image)
same = [np.array_equal(from_file.boxes.data, each.boxes.data) for each in (from_opencv, from_pil)]
print("the same boxes from a path, from OpenCV's array and from PIL's image:", all(same))

# %% tags=["nbval-ignore-output"]
wrong = model(cv2.imread(path)[..., ::-1], imgsz=640)[0]  # RGB, taken for BGR
for name in ("banana", "bottle"):
    before, after = ([model.names[int(kind)] for kind in each.boxes.cls].count(name) for each in (from_file, wrong))
    print(f"{name}: {before} with the right colors, {after} with red and blue mixed up")
assert len(wrong) != len(from_file)

# %% [markdown]
# No banana is left: blue bananas are bottles to it.

# %% [markdown]
# **Saving**: a drawn image, a label file as YOLO tools read it, and COCO's format for everything else.

# %%
import json
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
result.save(folder / "drawn.jpg")
result.save_txt(folder / "labels.txt")
(folder / "coco.json").write_text(json.dumps(result.to_coco(image_id=1)))
assert len((folder / "labels.txt").read_text().splitlines()) == len(result)
print(sorted(file.name for file in folder.iterdir()))
print("of one object, COCO wants", sorted(result.to_coco(image_id=1)[0]))

# %% [markdown]
# ## How good is it?
#
# One call compares what is found with the ground truth, on the four images to check with. **mAP**, mean average precision,
# lies between 0 and 1; lesson 06 computes it by hand. It is stricter than it looks: on COCO's photos the smallest
# official network reaches .32 for masks, the largest .44. (Do not compare those with the figures below: other
# images, other kinds of things.)

# %% tags=["nbval-ignore-output"]
metrics = model.val(data="toybox8-seg", imgsz=640, verbose=False)
print(f"mAP50-95 of boxes {metrics.box.map:.3f}, of masks {metrics.seg.map:.3f}")
assert 0.2 < metrics.seg.map <= 1

# %% [markdown]
# A figure never replaces looking. A part of the first image, left the ground truth, right what was found:

# %% alt="A part of one scene twice, tinted: on the left the true masks, on the right those found, where a donut stands in for scissors before a book."
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.drawing.overlays import draw_instances
from seglab.drawing.plots import contact_sheet

ground_truth = SegmentationDataset(load_dataset("toybox8-seg"), "val", 640).sample(0)
true_rings = [thing.rings for thing in ground_truth.instances]
drawn = []
for classes, many in (
    ([t.class_id for t in ground_truth.instances], true_rings),
    (kinds.int().tolist(), result.masks.rings),
):
    crops = [(0, 0, fill(rings, height, width)) for rings in many]
    drawn.append(draw_instances(result.image, classes, crops=crops, opacity=0.6)[190:400, 220:560])
show(contact_sheet(drawn, ["ground truth", "found"], columns=2, cell=340), width=8)
print("the same image:", np.array_equal(ground_truth.image, result.image))

# %% [markdown]
# The scissors before the book were taken for a donut: two rings, after all. And the green book wears a
# second name: the umbrella's color lies over the book's.
#
# ## What happened inside
#
# Five steps, which the other lessons take apart. *Letterbox*: scale the photograph into the network's input.
# *Network*: for thousands of places at once, what is here, where are its sides, which mixture of mask prototypes is
# it? *Decode*: turn raw numbers into boxes and probabilities. *Suppress*: of several boxes **of one kind** that overlap
# by more than `iou` (lesson 01), keep the highest-scoring. *Assemble*: mix the prototypes into masks, in the photograph's own
# pixels. By hand:

# %%
import torch

from seglab.geometry.letterbox import smallest_letterbox
from seglab.inference.decode import decode
from seglab.inference.masks import assemble
from seglab.inference.nms import suppress

frame = smallest_letterbox(result.orig_shape, 640)
pixels = torch.from_numpy(frame.apply(result.image)).permute(2, 0, 1)[None].float() / 255
with torch.inference_mode():
    raw = model.network(pixels)
(detections,) = suppress(decode(raw, *frame.size), conf=0.25, iou=0.7)
crops = assemble(raw.prototypes[0], detections, frame)
print("the network takes", tuple(pixels.shape), "and mixes", tuple(raw.prototypes.shape[1:]), "prototypes")

# %%
assert len(detections.scores) == len(result)
assert torch.allclose(frame.boxes_to_image(detections.boxes), result.boxes.xyxy, atol=0.1)
same = []
for (x, y, crop), whole in zip(crops, masks.numpy()):
    by_hand = np.zeros((height, width), bool)
    by_hand[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    same.append((by_hand != whole.astype(bool)).sum() <= 2 + 0.002 * whole.sum())
print("by hand the same boxes, and the same masks but for rounding:", all(same))
assert all(same)

# %% [markdown]
# ## Recap
#
# - `YOLO(...)` opens weights, calling it finds objects, and a `Results` holds boxes, scores, masks and outlines, all in
#   the image's own pixels.
# - Confidence and class can be chosen before or after; arrays are BGR, PIL images are RGB.
# - `val` says how good a model is. Look at images all the same.
#
# ## The way from here
#
# | lesson | question |
# |-|-|
# | [01](01_masks.ipynb) | What is a mask, and which pixels belong to it? |
# | [02](02_conversion.ipynb) | How do datasets change their format without loss? |
# | [03](03_model.ipynb) | What is in the network, from the first convolution to the masks? |
# | [04](04_loss.ipynb) | Which places learn which object, and what pulls at them? |
# | [05](05_training.ipynb) | What does training do, step by step? |
# | [06](06_validation.ipynb) | What do the figures mean, and why do two tools disagree? |
# | [07](07_explore.ipynb) | How do masks change under your hands? |
# | [08](08_export.ipynb) | How does a model leave Python, and still say the same? |
# | [09](09_own_data.ipynb) | How do your own photos become a model? |
# | [10](10_scaling.ipynb) | What changes with large data and several GPUs? |
#
# 01 comes first. After it, those who want to *use* models may go on with 02, 06 and 09 and look things up in 05; those
# who want to *understand* them read on in order.
#
# ## Sources
#
# - Bolya et al., *YOLACT: Real-time Instance Segmentation*, 2019, where masks mixed from prototypes come from; the
#   public page of the YOLO11 models, for their figures.
# - The library: `seglab/yolo.py`, `seglab/inference/predictor.py`, `seglab/inference/results.py`.
#
# ## Exercises
#
# Write the function, run the check below it: it says that the exercise is right, or stops at what is not. Solutions to
# all lessons lie in `notebooks/src/solutions/`. (If you also run the repository's tests, solve the exercises in a copy
# of the notebook: the tests compare each lesson with its stored form.)
