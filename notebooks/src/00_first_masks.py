# %% [markdown]
# # 00 · First masks in five minutes
#
# An image goes in. For every object in it, a class name, a box and exactly the pixels that belong to it come out. That
# is *instance segmentation*. This first lesson only uses it. The lessons that follow take the model apart, down to the
# last number.
#
# After this lesson you can
#
# 1. find the objects in images, and get their boxes, scores, masks and outlines,
# 2. filter by confidence and by class, use your own images, and save the results,
# 3. measure how good a model is in one call, and name the five steps from an image to its masks.
#
# **Study time:** 45 minutes. **Compute time:** about 15 seconds on a CPU. No GPU is needed. **Prerequisites:** a little
# Python.

# %%
from seglab import YOLO

model = YOLO("toybox-n")
print(len(model.names), "classes:", ", ".join(model.names.values()))

# %% [markdown]
# `toybox-n` is a small network that comes with the course. It was trained on *toybox* scenes: images made by a
# generator, so the ground truth of every object is known exactly. Eight more scenes, which it has never seen, come with
# the course as the dataset `toybox8-seg`: four to train on, and four to validate on (the *validation* split, `val` for
# short). (The official weights, `YOLO("yolo11n-seg.pt")`, know eighty classes of objects in photos. They are downloaded
# only when you ask for them.)
#
# Using the model takes one call. Given the name of a dataset, it runs on the validation images. `imgsz` is the size at
# which the network sees an image: larger is finer, and slower.

# %%
results = model("toybox8-seg", imgsz=640)
result = results[0]
print(len(results), "images; the first has (height, width)", result.orig_shape)

# %% alt="A generated image of everyday objects; every detected object has a box, a tinted mask with an outline, and its name."
import matplotlib.pyplot as plt


def show(image, width=6):
    plt.figure(figsize=(width, width * image.shape[0] / image.shape[1]), dpi=80)
    plt.imshow(image)
    plt.axis("off")
    plt.tight_layout(pad=0)
    plt.show()


drawn = result.plot(conf=False)  # blue, green, red, as OpenCV expects it
show(drawn[..., ::-1])  # red, green, blue, as matplotlib expects it
print("drawn:", drawn.shape, "- the image itself:", result.image.shape)

# %% [markdown]
# ## Boxes and scores
#
# A `Results` object holds the detections of one image, the highest-scoring first. A box is left, top, right, bottom in
# pixels of the original image. The **score** lies between 0 and 1 and says how sure the network is of the class and the
# box together (lesson 03 shows how it learns that).

# %% tags=["nbval-ignore-output"]
for box, score, class_id in zip(result.boxes.xyxy, result.boxes.conf, result.boxes.cls):
    print(f"{model.names[int(class_id)]:<11} score {score:.2f}   box", [round(side) for side in box.tolist()])

# %% [markdown]
# Look at the end of the list. Near (405, 276) the network sees a book *and* an umbrella: duplicates are removed only
# within a class. Three of the last six rows are mistakes, this umbrella among them; all rows above are right. But the
# very last row, the banana on the teddy bear's head, is right as well. A low score means unsure, not wrong.

# %%
from torchvision.ops import box_iou

height, width = result.orig_shape
left, top, right, bottom = result.boxes.xyxy.T
scores, class_ids = result.boxes.conf, result.boxes.cls
assert (scores[:-1] >= scores[1:]).all() and scores[-1] > 0.25  # lower scores are left out
assert (left >= 0).all() and (right <= width).all() and (top >= 0).all() and (bottom <= height).all()
pairs = (box_iou(result.boxes.xyxy, result.boxes.xyxy) > 0.8).triu(diagonal=1).nonzero().tolist()
print("nearly the same box:", [[model.names[int(class_ids[index])] for index in pair] for pair in pairs])
assert pairs and all(class_ids[one] != class_ids[other] for one, other in pairs)

# %% [markdown]
# ## Masks
#
# One mask per object, at the **image's own resolution**: 1 where the object is, 0 elsewhere. (Many tools return masks
# at the size of the network's input and leave it to you to scale them back.)

# %%
masks = result.masks.data
assert len(masks) == len(result)
print(len(masks), "masks for", len(result), "boxes, each", tuple(masks.shape[1:]), masks.dtype)
outside = 0
for mask, (x0, y0, x1, y1) in zip(masks, result.boxes.xyxy.round().int().tolist()):
    assert mask.any()
    outside += int(mask.sum() - mask[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1].sum())
print("pixels more than one pixel outside their box:", outside)
assert outside == 0

# %% [markdown]
# With a mask you can do what a box does not allow: measure an object, cut it out, paste it somewhere else. Here is the
# largest object with a score above 0.8:

# %% alt="One object three times: cut to its box, as a black and white mask, and cut out along its outline on white."
import numpy as np

largest = int((masks.sum(dim=(1, 2)) * (scores > 0.8)).argmax())
x0, y0, x1, y1 = result.boxes.xyxy[largest].round().int().tolist()
window = slice(y0, y1), slice(x0, x1)
crop, mask = result.image[window], masks[largest].numpy()[window].astype(bool)
figure, axes = plt.subplots(1, 3, figsize=(7, 2.5), dpi=80, layout="constrained")
for axis, image, title in zip(axes, (crop, mask, np.where(mask[..., None], crop, 255)), ("box", "mask", "cut out")):
    axis.imshow(image, cmap="gray")
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
plt.show()
print(f"the object fills {mask.mean():.0%} of its box")

# %% [markdown]
# The right edge is frayed where the book meets the bottle and a banana. Lesson 02 shows one reason: the network draws
# masks on a coarse grid.
#
# **Outlines** are the same masks as lists of corner points, for programs that work with vectors. `masks.rings` has all
# rings of an object, including parts and holes; filling them gives back every pixel of the mask (lesson 09 does this by
# hand). `masks.xy` is one line for each object, through the centers of its outermost pixels, as cv2.fillPoly takes it.

# %%
from seglab.geometry.raster import fill

for mask, rings in zip(masks.numpy(), result.masks.rings):
    assert np.array_equal(fill(rings, height, width), mask.astype(bool))
rings = result.masks.rings[0]  # of the highest-scoring object
print(
    "the", model.names[int(class_ids[0])], "has", len(rings), "rings, arrays of", rings[0].shape[1], "columns, x and y"
)

# %% [markdown]
# ## Filtering
#
# Results can be indexed like arrays. Or pass the filter to the model; the result is the same:

# %%
confident = result[result.boxes.conf > 0.6]
again = model("toybox8-seg", imgsz=640, conf=0.6)[0]
assert np.allclose(confident.boxes.xyxy, again.boxes.xyxy)

class_id = int(result.boxes.cls[0])  # of the highest-scoring object
same_class = result[result.boxes.cls == class_id]
again = model("toybox8-seg", imgsz=640, classes=[class_id])[0]
assert np.allclose(same_class.boxes.xyxy, again.boxes.xyxy)
print(
    f"{len(result)} objects above 0.25, {len(confident)} of them above 0.6, {len(same_class)} of the first one's class"
)

# %% [markdown]
# What is the right confidence? That depends on which mistake is worse, a miss or a false positive; lesson 06 chooses it
# by measurement. Here is what the choice changes:

# %% alt="Four falling curves, one for each image: the number of objects found over the confidence threshold; nearly flat in the middle, steep beyond 0.85."
loose = model("toybox8-seg", imgsz=640, conf=0.05)
levels = np.linspace(0.05, 1, 96)
plt.figure(figsize=(6, 2.6), dpi=80)
for number, each in enumerate(loose):
    plt.plot(levels, [int((each.boxes.conf > level).sum()) for level in levels], label=f"image {number}")
plt.axvline(0.25, color="0.7", zorder=0)
plt.xlabel("confidence threshold (gray line: the default)")
plt.ylabel("objects found")
plt.legend(frameon=False)
plt.tight_layout()
plt.show()
print(
    "objects in the four images: above 0.05",
    [len(each) for each in loose],
    "above 0.25",
    [len(each) for each in results],
)

# %%
lost = [((each.boxes.conf > 0.2) & (each.boxes.conf < 0.6)).sum() for each in loose]
kept = np.concatenate([each.boxes.conf for each in results])
print(f"{((kept > 0.85) & (kept < 0.95)).mean():.0%} of all scores lie between 0.85 and 0.95")
assert max(lost) < 6 and (kept > 0.95).sum() < 6

# %% [markdown]
# Between 0.2 and 0.6 the curves are nearly flat: there the exact choice hardly matters. Beyond 0.85 they drop steeply:
# most scores lie there, and hardly any beyond 0.95. No curve alone says where to set the threshold.

# %% [markdown]
# ## Your own images
#
# Pass a path, a folder, a video, a URL, or an image that you have already opened. One mistake is very common: **arrays
# are read as BGR**, the way OpenCV loads them, while PIL images are RGB. Mix them up and red objects turn blue. Nothing
# fails; the results are just worse.

# %%
import cv2
from PIL import Image

path = result.path
from_file = model(path, imgsz=640)[0]
from_opencv = model(cv2.imread(path), imgsz=640)[0]
from_pil = model(Image.open(path), imgsz=640)[0]
assert np.array_equal(from_file.image, from_pil.image)
for each in (from_opencv, from_pil):
    assert np.array_equal(from_file.boxes.data, each.boxes.data)
print(len(from_file), "boxes from the path, the same from OpenCV's array and from PIL's image")

# %% tags=["nbval-ignore-output"]
wrong = model(cv2.imread(path)[..., ::-1], imgsz=640)[0]  # RGB, read as BGR
for name in ("banana", "bottle"):
    before, after = (
        [model.names[int(class_id)] for class_id in each.boxes.cls].count(name) for each in (from_file, wrong)
    )
    print(f"{name}: {before} with the right colors, {after} with red and blue mixed up")
assert len(wrong) != len(from_file)

# %% [markdown]
# No banana is left: the network takes blue bananas for bottles.

# %% [markdown]
# **Saving**: an annotated image, a label file that YOLO tools read, and COCO's format for everything else.

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
print("fields of one object in COCO's format:", sorted(result.to_coco(image_id=1)[0]))

# %% [markdown]
# ## How good is it?
#
# One call compares the detections with the ground truth on the four validation images. **mAP**, mean average precision,
# lies between 0 and 1; lesson 06 computes it by hand. It is stricter than it looks: on COCO's photos the smallest
# official network reaches .32 for masks, the largest .44. (Do not compare those with the values below: the images and
# the classes are different.)

# %% tags=["nbval-ignore-output"]
metrics = model.val(data="toybox8-seg", imgsz=640, verbose=False)
print(f"mAP50-95 of boxes {metrics.box.map:.3f}, of masks {metrics.seg.map:.3f}")
assert 0.2 < metrics.seg.map <= 1

# %% [markdown]
# No metric replaces looking. Here is a part of the first image, the ground truth on the left, the detections on the
# right:

# %% alt="A part of one scene twice, tinted: on the left the ground truth, on the right the predictions, where scissors in front of a book are called a donut."
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.drawing.overlays import draw_instances
from seglab.drawing.plots import contact_sheet

ground_truth = SegmentationDataset(load_dataset("toybox8-seg"), "val", 640).sample(0)
true_rings = [instance.rings for instance in ground_truth.instances]
drawn = []
for classes, many in (
    ([instance.class_id for instance in ground_truth.instances], true_rings),
    (class_ids.int().tolist(), result.masks.rings),
):
    crops = [(0, 0, fill(rings, height, width)) for rings in many]
    drawn.append(draw_instances(result.image, classes, crops=crops, opacity=0.6)[190:400, 220:560])
show(contact_sheet(drawn, ["ground truth", "predicted"], columns=2, cell=340), width=8)
assert np.array_equal(ground_truth.image, result.image)
print("objects:", len(true_rings), "- predicted:", len(result))

# %% [markdown]
# The scissors in front of the book were taken for a donut: their handles are two rings, after all. And the book
# has a second label: the umbrella's color lies over its own.
#
# ## What happened inside
#
# ![From files to samples, to letterboxed batches, to the raw output of the network; then, in training, assignment, loss and a step, and in prediction, decoding, suppression and the assembly of masks.](../docs/images/diagram-data.svg)
#
# Five steps, which the other lessons take apart. *Letterbox*: scale the image to fit the network's input. *Network*:
# for thousands of locations at once, predict what is there, where its sides are, and which mixture of mask prototypes
# it is. *Decode*: turn raw numbers into boxes and probabilities. *Suppress*: of several boxes **of one class** that
# overlap by more than `iou` (lesson 09), keep the highest-scoring. *Assemble*: mix the prototypes into masks, in pixels
# of the original image. By hand:

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
assert all(same)
print(len(same), "boxes and masks by hand, equal to those of the library except for rounding")

# %% [markdown]
# ## Recap
#
# - `YOLO(...)` loads weights, calling it finds objects, and a `Results` holds boxes, scores, masks and outlines, all in
#   pixels of the original image.
# - Filter by confidence and class before or after prediction; arrays are BGR, PIL images are RGB.
# - `val` measures how good a model is. Look at the images anyway.
#
# ## The map
#
# **Three tasks.** *Semantic segmentation* gives every pixel a class, but two cups that touch are one region. *Instance
# segmentation* gives every object its own mask and leaves the rest alone. *Panoptic segmentation* does both: objects one
# by one, and what cannot be counted, such as sky or road, by pixels.
#
# **Two designs.** *Two-stage* networks (Mask R-CNN) first propose boxes, then look at each one again and draw its mask on
# a grid of its own: good edges, one small computation per object. *One-stage* networks (YOLACT, and the YOLO family) do
# everything at once, with masks mixed from shared prototypes: the time hardly depends on the number of objects.
#
# **The YOLO family.** v5 brought this kind of mask head into a widely used tool. v8 dropped anchor boxes: every point
# predicts the distances to its four sides, as distributions. 11, which this course builds, has the same head with a
# lighter class branch, and an attention block at the end of its backbone. v10 and 26 also train a head that needs no
# suppression, and 26 does without the distributions. What you learn here carries over to all of them.
#
# **SAM** (Segment Anything) cuts out whatever you point at, without naming it; its third version also finds what a short
# phrase describes. It is large, and was not trained on classes of yours. Use it to label images faster; train a network like this one to find *your* objects, in milliseconds.
#
# **When not to use this.** If boxes or counts are enough, a detector is simpler and smaller. If regions cannot be counted,
# use semantic segmentation. If edges must be exact to the pixel on large objects, use larger inputs, or refine masks
# afterward. If you have no labels and few images, try SAM first, or a model that takes text.
#
# Words of the field are explained in the [glossary](../docs/glossary.md).
#
# ## Where to go from here
#
# | lesson | question |
# |-|-|
# | [01](01_own_photos.ipynb) | How do I get a model for my own photos, today? |
# | [02](02_model.ipynb) | What is in the network, from the first convolution to the masks? |
# | [03](03_loss.ipynb) | Which points learn which object, and what does the loss teach them? |
# | [04](04_training.ipynb) | What does training do, step by step? |
# | [05](05_it_learns.ipynb) | Does what I wrote by hand learn? |
# | [06](06_validation.ipynb) | What do the metrics mean, and why do two tools disagree? |
# | [07](07_explore.ipynb) | How do masks change when you move the thresholds? |
# | [08](08_export.ipynb) | How does a model leave Python and still give the same results? |
# | [09](09_masks.ipynb) | What is a mask, and which pixels belong to it? |
# | [10](10_conversion.ipynb) | How is a dataset converted to another format without loss? |
# | [11](11_own_data.ipynb) | How do splits, leaks and label mistakes decide what my own data is worth? |
# | [12](12_scaling.ipynb) | What changes with large data and several GPUs? |
# | [13](13_in_the_field.ipynb) | Square centimeters, huge images, videos, counts: what comes after mAP? |
#
# If you want to *use* models, read 01, 06, 08, 11 and 13. If you want to *understand* them, read on in order; 02 to 04
# build a network, its loss and its training by hand, and in 05 it learns.
#
# ## Sources
#
# - Bolya et al., *YOLACT: Real-time Instance Segmentation*, 2019, for masks mixed from prototypes; the public page of
#   the YOLO11 models, for their metrics.
# - For the map: Kirillov et al., *Panoptic Segmentation*, 2019; He et al., *Mask R-CNN*, 2017; Wang et al., *YOLOv10*,
#   2024; Kirillov et al., *Segment Anything*, 2023; the public documentation of YOLO26.
# - The library: `seglab/yolo.py`, `seglab/inference/predictor.py`, `seglab/inference/results.py`.
#
# ## Exercises
#
# Write the function, then run the check below it: it says that the exercise is right, or stops at what is wrong. (If you
# also run the repository's tests, solve the exercises in a copy of the notebook: the tests compare each lesson with its
# stored form.)
