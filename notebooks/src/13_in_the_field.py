# %% [markdown]
# # 13 · In the field
#
# A model with a good mAP is where other people's work begins: somebody wants square centimeters, counts, a video, an
# image of a whole field. None of this is in the network. This lesson answers what is asked most often, each time with a few
# lines that you can take along.
#
# After this lesson you can
#
# 1. turn masks into areas and lengths in real units, and say how wrong they may be,
# 2. predict images that are larger than any input, and follow and count objects over frames,
# 3. decide which images to label next, and what to do about empty images and rare classes.
#
# **Study time:** an hour. **Compute time:** about 20 seconds on a CPU. No GPU is needed. **Prerequisites:** lessons 00
# and 06.

# %%
import cv2
import matplotlib.pyplot as plt
import numpy as np

from seglab import YOLO
from seglab.toybox.objects import NAMES
from seglab.toybox.scene import scene

model = YOLO("toybox-n")
SEEDS = (3, 8, 15, 21, 26, 33)
scenes = [scene((41, seed)) for seed in SEEDS]
results = [model(each.image[..., ::-1], imgsz=640)[0] for each in scenes]
print(
    len(scenes), "images of", scenes[0].image.shape[:2], "with", sum(len(each.instances) for each in scenes), "objects"
)

# %% [markdown]
# ## Square centimeters
#
# Pixels become centimeters by one number, the **scale**: centimeters per pixel. It comes from something of known size in
# the same plane: a ruler, a coin, a printed square. Lengths are multiplied by the scale, areas by its square.
#
# Here a card of 8.5 cm lies beside a leaf-shaped object, and the camera looks straight down. (If it does not, the scale
# changes over the image. Then find the four corners of a printed rectangle and undo the perspective first, with
# `cv2.getPerspectiveTransform`.)

# %% alt="A drawn table top from above with a white card and a green leaf shape; the smallest rectangle around the leaf shows its length and width."
canvas = np.full((300, 420, 3), (150, 120, 90), np.uint8)
cv2.rectangle(canvas, (30, 200), (30 + 169, 200 + 79), (245, 245, 245), -1)  # the card, 170 pixels wide
leaf = np.zeros((300, 420), np.uint8)
cv2.ellipse(leaf, (280, 110), (95, 38), 25, 0, 360, 1, -1)
canvas[leaf > 0] = (70, 140, 60)
(outline,), _ = cv2.findContours(leaf, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
corners = cv2.boxPoints(cv2.minAreaRect(outline))
figure, axis = plt.subplots(figsize=(4.6, 3.2), dpi=80, layout="constrained")
axis.imshow(canvas)
axis.plot(*np.concatenate((corners, corners[:1])).T, color="white")
axis.set_axis_off()
plt.show()
scale = 8.5 / 170
print(f"scale: {scale:.3f} cm per pixel")

# %%
length, width = sorted(side + 1 for side in cv2.minAreaRect(outline)[1])[::-1]  # between centers of pixels, hence + 1
area = leaf.sum() * scale**2
print(f"length {length * scale:.1f} cm, width {width * scale:.1f} cm, area {area:.1f} square centimeters")
true_area = np.pi * 95.5 * 38.5 * scale**2
assert abs(area / true_area - 1) < 0.02 and abs(length * scale - 191 * scale) < 0.1

# %% [markdown]
# **How wrong may it be?** A mask's rim is uncertain by about half a mask cell on every side, whatever the model: two
# pixels of the input at 640 (lesson 02). So the error of an area grows with the *perimeter*, and small objects suffer:

# %%
for name, rx, ry in (("as above", 95.5, 38.5), ("half as large", 47.75, 19.25), ("a tenth", 9.55, 3.85)):
    perimeter = np.pi * (3 * (rx + ry) - np.sqrt((3 * rx + ry) * (rx + 3 * ry)))  # Ramanujan's approximation
    for rim in (0.5, 2.0):
        print(f"{name:13} rim {rim} px: area +- {rim * perimeter / (np.pi * rx * ry):4.0%}", end="   ")
    print()

# %% [markdown]
# Two remedies: come closer, or use a larger `imgsz`. And calibrate: measure ten objects by hand, plot predicted over true
# area, and correct the slope. A constant bias can be removed; scatter cannot.
#
# ## Images larger than the input
#
# A drone's image of 10,000 pixels, shrunk to 640, has lost its small objects before the network sees it. So cut it into
# overlapping **tiles**, predict each, and join. Four scenes beside each other stand in for a large image. The trap is the
# seam: an object on it is found once in each tile, or in pieces.

# %%
large = np.vstack([np.hstack([scenes[row * 2 + column].image for column in range(2)]) for row in range(2)])
whole = model(large[..., ::-1], imgsz=320, conf=0.5)[0]
naive = 0
for top in range(0, 960, 320):
    for left in range(0, 1280, 320):
        naive += len(model(large[top : top + 320, left : left + 320, ::-1], imgsz=320, conf=0.5)[0])
joined = model(large[..., ::-1], imgsz=320, conf=0.5, tile=320, overlap=0.25)[0]
truth = sum(len(each.instances) for each in scenes[:4])
print(f"objects: {truth}; found in the shrunken image {len(whole)}, in tiles side by side {naive}", end=", ")
print("in overlapping tiles that are joined", len(joined))
assert len(joined) > len(whole)

# %% alt="A part of the large image with masks from joined tiles; vertical and horizontal lines show the tiles' borders, and objects on a border have one mask each."
drawn = joined.plot(conf=False, labels=False)[..., ::-1]
figure, axis = plt.subplots(figsize=(7.5, 5.6), dpi=80, layout="constrained")
axis.imshow(drawn)
for position in range(0, 1280, 240):
    axis.axvline(position, color="white", linewidth=0.6)
    axis.axhline(position, color="white", linewidth=0.6)
axis.set(xlim=(0, 1280), ylim=(960, 0), xticks=[], yticks=[])
plt.show()
print("a tile begins every", int(320 * 0.75), "pixels")

# %% [markdown]
# Three rules make the join work: the overlap is as wide as the usual object, so that some tile sees it whole; two
# detections are one object if their *masks* agree in the strip that both tiles see; and an object is taken from a tile
# that sees it whole, or else put together from its parts. Objects larger than a tile are found better in the shrunken
# image.
#
# ## Following objects, and counting each once
#
# In a video the same object appears in every frame. To count objects, not appearances, match each frame's masks with
# those of the frame before: the same class and the largest overlap. Here the camera moves slowly over a scene.


# %%
def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def follow(tracks, masks, classes, least=0.3):
    """Numbers for the masks of a frame. tracks: number -> (class, last mask), updated in place."""
    numbers = []
    for mask, class_id in zip(masks, classes):
        rivals = {n: iou(mask, last) for n, (known, last) in tracks.items() if known == class_id and n not in numbers}
        best = max(rivals, key=rivals.get, default=None)
        number = best if best is not None and rivals[best] > least else len(tracks)
        tracks[number] = (class_id, mask)
        numbers.append(number)
    return numbers


fullest = max(scenes, key=lambda each: len(each.instances))
tracks, seen = {}, []
for shift in range(0, 96, 8):
    frame = np.ascontiguousarray(fullest.image[:, shift : shift + 480])
    found = model(frame[..., ::-1], imgsz=480, conf=0.5)[0]
    seen += follow(tracks, found.masks.data.numpy().astype(bool), found.boxes.cls.int().tolist())
steady = [number for number in tracks if seen.count(number) >= 3]
print(f"12 frames: {len(seen)} detections, {len(tracks)} tracks, {len(steady)} of them in at least three frames")
print("objects in the scene:", len(fullest.instances))
assert len(steady) <= len(tracks) < len(seen) / 2

# %% [markdown]
# That is the core of every tracker. A detection that flickers for a frame is a track of its own, so only those that last
# should be counted. Real trackers also predict where an object moves (a Kalman filter), wait some frames before they give
# up on one, and use low-scoring detections to continue tracks that were certain before. `model.track(source)` does that
# with ByteTrack or BoT-SORT from a library; `boxes.id` then holds the numbers. Two frames in which an object jumps
# farther than its own size cannot be matched by overlap: record more frames per second.
#
# ## Smooth edges, and masks cut at their boxes
#
# Masks are mixed on a coarse grid and may look frayed in a large image. Blurring a mask and cutting it at one half
# smooths its edge. It adds no detail: it is for the eye, and for outlines with fewer corners.

# %%
hidden = [(result, number) for result in results for number in range(len(result)) if result.boxes.conf[number] > 0.8]
rough, corners_before, corners_after, kept = [], [], [], []
for result, number in hidden:
    mask = result.masks.data[number].numpy()
    smooth = (cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5) > 0.5).astype(np.uint8)
    for each, counts in ((mask, corners_before), (smooth, corners_after)):
        outlines, _ = cv2.findContours(each, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        counts.append(sum(map(len, outlines)))
    kept.append(iou(mask > 0, smooth > 0))
print(f"corners per object {np.mean(corners_before):.0f} -> {np.mean(corners_after):.0f}, mean IoU {np.mean(kept):.2f}")
assert np.mean(corners_after) < np.mean(corners_before)

# %% [markdown]
# **A straight edge where none should be** means that the predicted box was too small: everything outside it is cut off
# (lesson 02). Here is a kite whose box ends in its tail. The coefficients know more than the box: mixed within a larger
# box, they draw the rest.

# %% alt="A kite twice: within the predicted box its mask ends in a straight line in the middle of the tail; within a box enlarged to the right the whole tail is there."
from seglab.inference.masks import assemble
from seglab.inference.nms import suppress
from seglab.widgets.forward_pass import run_network

once = run_network(model, scenes[0], imgsz=640)
(found,) = suppress(once.predictions, conf=0.5, iou=0.7)
largest = int((found.boxes[:, 2:] - found.boxes[:, :2]).prod(dim=1).argmax())
wider = found._replace(boxes=found.boxes.clone())
wider.boxes[largest, 2] += 0.7 * (wider.boxes[largest, 2] - wider.boxes[largest, 0])
figure, axes = plt.subplots(1, 2, figsize=(6.5, 3), dpi=80, layout="constrained")
for axis, detections, title in zip(axes, (found, wider), ("predicted box", "enlarged to the right")):
    x, y, crop = assemble(once.prototypes, detections, once.letterbox)[largest]
    axis.imshow(crop, cmap="Blues", vmin=0, vmax=1.3)
    axis.set(title=title, xticks=[], yticks=[])
    print(f"{title}: {crop.sum() / 1000:.1f} thousand pixels, in the last column {crop[:, -1].mean():.0%} of them")
plt.show()

# %% [markdown]
# The trace of such a cut is a last column or row that the mask fills to a good part. A remedy at prediction time is to
# enlarge boxes before masks are mixed, and to accept that neighbors of the same color may leak in. A remedy for good is
# better boxes: more training, or a larger input.
#
# ## A count that is right on average
#
# The default threshold of .25 is not made for counting. A low one counts false alarms, a high one misses objects. Choose
# it where the two balance, on images with known counts:

# %%
loose = [model(each.image[..., ::-1], imgsz=640, conf=0.02)[0].boxes.conf.numpy() for each in scenes]
true_counts = np.array([len(each.instances) for each in scenes])
levels = np.arange(0.05, 0.96, 0.05)
counts = np.array([[(scores > level).sum() for scores in loose] for level in levels])  # (levels, images)
bias = (counts - true_counts).mean(axis=1)
error = np.abs(counts - true_counts).mean(axis=1)
best = int(np.abs(bias).argmin())
print(f"at 0.25: {bias[4]:+.1f} objects per image; balanced at {levels[best]:.2f}, mean error {error[best]:.1f}")

# %% alt="Two curves over the confidence threshold: the mean difference to the true count falls from above zero to below, the mean absolute error has its lowest point near where the first crosses zero."
figure, axis = plt.subplots(figsize=(6, 2.6), dpi=80, layout="constrained")
axis.plot(levels, bias, label="bias: counted - true")
axis.plot(levels, error, label="mean absolute error")
axis.axhline(0, color="0.7", zorder=0)
axis.set(xlabel="confidence threshold", ylabel="objects per image")
axis.legend(frameon=False)
plt.show()
print("images to balance on:", len(scenes), "- take fifty of your own")

# %% [markdown]
# Report both: a bias can be balanced away, the mean error is what a single image will show. And balance anew when the
# camera, the light or the season changes.
#
# ## How many images, and which ones next
#
# Nobody can tell you how many images you need; your own **learning curve** can. Train on a quarter, a half and all of
# your images, with the same validation images, and plot the mAP over the logarithm of the number. Still rising: label
# more. Flat: more of the same is useless, and new *kinds* of images, cleaner labels or a larger input are what helps.
#
# When you label more, do not take them at random. Let the network predict unlabeled images, and label those it is unsure
# about first. A simple measure: the fraction of doubtful scores.


# %%
def doubt(scores, low=0.1, high=0.6):
    """Scores of an image's detections -> the fraction of those above `low` that are below `high`."""
    counted = scores[scores > low]
    return float((counted < high).mean()) if len(counted) else 1.0


doubts = np.array([doubt(scores) for scores in loose])
order = np.argsort(-doubts)
print("label in this order:", [SEEDS[index] for index in order])
assert 0 <= doubts.min() < doubts.max() <= 1

# %% alt="Two scenes: the one the network is least sure about, a cup and bananas that the image's border cuts off; and the one without any doubtful score, three kites in the sky over a picnic blanket."
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.3), dpi=80, layout="constrained")
for axis, index, title in zip(axes, (order[0], order[-1]), ("label first", "label last")):
    axis.imshow(scenes[index].image)
    axis.set(title=f"{title}: {doubts[index]:.0%} of its scores are doubtful", xticks=[], yticks=[])
plt.show()
print("doubt from", f"{doubts.min():.1f} to {doubts.max():.1f}")

# %% [markdown]
# Two warnings. The least certain images are often alike, so take the upper part of the list and spread over places and
# days. And validation images must *not* be chosen this way: they should look like what will come.
#
# ## Images with nothing on them, and classes that are rare
#
# **Background images** teach what to leave alone. They need an empty label file, and up to one image in ten is usual. Whether
# you need them is a count of false alarms on images without objects. What does our network find on bare floors, with nothing
# on them?

# %%
from seglab.toybox.builder import SceneBuilder
from seglab.toybox.layouts import above

alarms = []
for seed in range(6):
    builder = SceneBuilder(np.random.default_rng(seed), 480, 640, outdoor=False)
    above(builder)  # builder.image is the surface, before any object is painted on it
    floor = np.clip(255 * np.sqrt(builder.image.transpose(1, 2, 0)), 0, 255).astype(np.uint8)
    alarms.append(len(model(floor[..., ::-1], imgsz=640)[0]))
print("false alarms on six empty floors:", sum(alarms))
assert sum(alarms) < 6

# %% [markdown]
# **Class imbalance**: if one class has a thousand objects and another ten, a network that never says the second is nearly
# always right. A remedy that needs no new image is to show images with rare classes more often. The usual *repeat factor*
# of a class that is on a fraction $f$ of the images is
#
# $$r = \max\Big(1, \sqrt{t / f}\Big),$$
#
# with a threshold $t$, say .3 for a few classes; an image takes the largest $r$ of its classes.


# %%
def repeat_factors(images, t):
    """images: a set of class ids each. -> (for each image, how often to show it in an epoch, on average)."""
    present_in = {each: np.mean([each in image for image in images]) for each in set().union(*images)}
    factor = {each: max(1.0, np.sqrt(t / f)) for each, f in present_in.items()}
    return [max((factor[each] for each in image), default=1.0) for image in images]


present = [{instance.class_id for instance in each.instances} for each in scenes]
counted = {name: sum(class_id in image for image in present) for class_id, name in enumerate(NAMES)}
print("images with each class:", dict(sorted(counted.items(), key=lambda pair: pair[1])))
print("shown per epoch:", [f"{factor:.2f}" for factor in repeat_factors(present, t=0.5)])

# %% [markdown]
# Judge the result class by class. The mean over classes counts a class of ten objects as much as one of a thousand, and
# its AP from ten objects is hardly known at all.
#
# ## Capstone: from labels to a page
#
# Everything of this course, once, on a real small dataset: 64 microscope images of cell nuclei to train on and 64 to
# validate on, where `SEGLAB_DATASETS` names a folder that has them; otherwise the toybox, or better, images of your own.

# %% tags=["nbval-ignore-output"]
import os
from pathlib import Path

from seglab.datasets.load import load_dataset

nuclei = Path(os.environ.get("SEGLAB_DATASETS") or ".") / "nuclei"
project = load_dataset(nuclei if nuclei.is_dir() else "toybox8-seg")
print("your project:", project.name, {split: len(project.images(split)) for split in ("train", "val")})

# %% [markdown]
# Work through the steps, and grade yourself, or let somebody else do it. A step counts in full if a stranger could repeat
# it from what you wrote down.
#
# | step | what to hand in | half | full | points |
# |-|-|-|-|-|
# | labels (09, 10, 11) | the fidelity report, and a contact sheet | converted | nothing lost, or every loss explained | 15 |
# | split (11) | the two lists, and why they are fair | random | by group; no duplicates across | 15 |
# | baseline (06) | mask mAP of the starting weights and of ten epochs with default settings | one number | both, with the protocol, and the spread over two seeds | 15 |
# | one change (03, 04) | one setting changed, the result, and a reason | tried | predicted first, and explained after | 15 |
# | errors (06, 07, `seglab doctor`) | the five worst images, and what they have in common | shown | a remedy named and tried | 15 |
# | export (08) | an ONNX file, its parity check, mAP of the file | exported | verified on the device that will run it | 15 |
# | page (07) | the explorer's page, readable without a kernel, with a caption | opens | a stranger understands the model's limits from it | 10 |
#
# Sixty points are a model that you may show, eighty one that you may use. Nobody gets full points for the mAP: that
# depends on the data.
#
# ## Recap
#
# - One reference gives the scale; areas go with its square; the error goes with the perimeter.
# - Tiles should overlap by an object's size, and be joined by masks. Objects in a video are matched by overlap from frame to
#   frame.
# - Smoothing is for the eye. Straight edges come from boxes. A threshold for counting is balanced on known counts.
# - A learning curve says whether to label more, doubt says what; empty images and repeated rare ones are cheap.
#
# *To think about:* your network counts cells on microscope images, two percent too many on average. For which question
# does that matter, and for which not?
#
# ## Sources
#
# - Zhang et al., *ByteTrack*, 2022, and Aharon et al., *BoT-SORT*, 2022, for tracking.
# - Gupta, Dollár and Girshick, *LVIS*, 2019, for repeat factors; Settles, *Active Learning Literature Survey*, 2009.
# - The library: `seglab/inference/tiles.py`, `seglab/inference/tracking.py`, `seglab/inference/masks.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
