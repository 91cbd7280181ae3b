# %% [markdown]
# # 07 · Exploring masks
#
# Between the network's last layer and the colored image lie four decisions: which scores count, which boxes are the
# same object, where a mask ends, and what counts as right. Summary metrics hide them. Here you change each of them by
# hand and see at once what it does; the network runs once per image, and everything after it takes a few milliseconds.
#
# After this lesson you can
#
# 1. move every threshold between the network and the drawn image, and say what each of them can and cannot fix,
# 2. mix a mask from prototypes yourself, and read the sides of a box from its distributions,
# 3. see which points are assigned to an object and why, and share your results as a page that needs no kernel.
#
# **Study time:** an hour. **Compute time:** about 15 seconds on a CPU. No GPU is needed. **Prerequisites:** lessons 02
# and 03.
#
# Every tool works from the keyboard: Tab moves to the next control, the arrow keys move a slider, the space bar presses
# a button. Each tool is stored as a still image; run the cell to make it interactive. The page at the end of this
# lesson is interactive without a kernel.

# %%
import numpy as np
import torch

from seglab import YOLO
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset

model = YOLO("toybox-n")
spec = load_dataset("toybox8-seg")
dataset = SegmentationDataset(spec, "val", 640)
print(len(dataset), "generated images from toybox8-seg; classes:", ", ".join(model.names.values()))

# %% [markdown]
# ## What the network leaves to you
#
# One forward pass gives one box, ten class scores and 32 mask coefficients at every anchor point, and 32 prototypes for
# the whole image. Nothing is decided yet.

# %%
from seglab.widgets.forward_pass import run_network

sample = dataset.sample(0)
forward_pass = run_network(model, sample)  # runs the network
predictions, prototypes_of_it = forward_pass.predictions, forward_pass.prototypes
print("image", sample.image.shape[:2], "-> predictions", tuple(predictions.shape), end=", ")
print("prototypes", tuple(prototypes_of_it.shape))
assert predictions.shape[1] == 4 + len(model.names) + 32

# %% [markdown]
# **The first decision** is the confidence threshold: boxes below it are dropped.

# %%
best = predictions[0, 4:-32].amax(dim=0)  # (A,) the best class's score at each point
for confidence in (0.05, 0.25, 0.5, 0.75):
    print(f"score above {confidence:.2f}: {(best > confidence).sum():4} of {len(best)} boxes")
print("objects that are really there:", len(sample.instances))

# %% [markdown]
# Several boxes per object remain, because several points learned it (lesson 03). **The second decision** is when two
# boxes mean the same object: go through them from the highest score down, and keep a box unless a higher-scoring one of
# its class overlaps it too much.

# %%
from seglab.geometry.boxes import box_iou
from seglab.inference.nms import candidates, nms


def keep(boxes, classes, limit):  # best score first
    kept = []
    for number in range(len(boxes)):
        rivals = [other for other in kept if classes[other] == classes[number]]
        if not rivals or box_iou(boxes[number : number + 1], boxes[rivals]).max() <= limit:
            kept.append(number)
    return kept


above_threshold = candidates(predictions, 0.25)[0]
for limit in (0.3, 0.5, 0.7, 0.9):
    kept = keep(above_threshold.boxes, above_threshold.classes, limit)
    assert torch.equal(above_threshold.boxes[kept], nms(above_threshold, limit).boxes)
    print(f"overlap up to {limit}: {len(kept):2} of {len(above_threshold.boxes)} boxes stay")

# %% [markdown]
# Now look at it. Boxes in color stay, white ones are removed; the selected box is drawn thick, and the boxes that it
# removes in orange. In the middle of this image, kites hang close together. Lower the limit to 0.4: one of them is
# removed, although it is really there. Raise it to 0.9: a single object keeps several boxes.

# %% alt="A beach scene with all candidate boxes: those that stay in the color of their class, those that go in white. In the middle hang three kites whose boxes overlap; the selected bottle's box is thick."
from seglab.widgets import overlap_explorer

suppression = overlap_explorer(model, dataset.sample(1))  # kites hang close together
suppression

# %%
from seglab.widgets.explored_image import predict_candidates

kites = predict_candidates(model, dataset.sample(1))
twin = overlap_explorer(model, dataset.sample(1))  # what is tried here leaves your panel as it is
before = twin.image.value
for limit in (0.9, 0.7, 0.4):
    twin["overlap"].value = limit
    kept = kites.found(overlap=limit)
    right = sum(verdict >= 0 for verdict in kites.verdicts(kept))
    assert f"{len(kept)} stay" in twin.text.value
    print(f"limit {limit}: {len(kept)} boxes stay, {right} of them right")
(lost,) = set(kites.found(overlap=0.5)) - set(kept)
print("removed between 0.5 and 0.4:", model.names[int(kites.classes[lost])])
assert twin.image.value != before and right == 12

# %% [markdown]
# ## The explorer
#
# All decisions on one panel, for all images. Point at an object or click on it to see its class, score, area and
# contour; the slider *object* does the same from the keyboard, and *zoom* looks closer at it. *Worst first* sorts the
# images by their errors, and *your image* adds one from your disk.

# %% alt="A scene seen from above with every detection in the color of its class, labeled with class and score: umbrellas, bananas, books, clocks, teddy bears."
from seglab.widgets import explore

explorer = explore(model, spec)
explorer

# %% [markdown]
# Here is one of its images beside the ground truth. On the left are the detections, correct ones in green and wrong
# ones in orange; on the right the ground truth, with missed objects in orange.

# %% alt="Two copies of one generated scene. Left the detections, green where correct and orange where wrong; right the ground truth, orange where missed."
import matplotlib.pyplot as plt

from seglab.widgets.explorer import draw_explored

explored = predict_candidates(model, sample)
figure, axis = plt.subplots(figsize=(9.6, 3.6), dpi=80)
axis.imshow(draw_explored(explored, ground_truth=True, verdicts=True)[0].image)
axis.set_axis_off()
figure.tight_layout()
plt.show()
print(len(explored.found()), "detections out of", len(explored), "candidates")

# %%
twin = explore(model, dataset.sample(0))
before = twin.image.value
twin["confidence"].value = 0.6
assert twin.image.value != before
above_limit = twin.image.value
twin["object"].value = 1
assert twin.image.value != above_limit and "<th scope=row>area</th>" in twin.text.value
print("fewer objects above 0.6, and one of them selected")

# %% [markdown]
# Does the network run again when a slider moves? Count its runs:

# %%
twin = explore(model, [dataset.sample(0), dataset.sample(1)])
runs = []
handle = model.network.register_forward_hook(lambda *_: runs.append(1))
for name, value in (("object", 0), ("confidence", 0.25), ("overlap", 0.5), ("mask", 0.7), ("opacity", 0.8)):
    twin[name].value = value
print("runs after five sliders:", len(runs))
for image in (1, 0, 1):
    twin["image"].value = image
print("runs after going to the second image, back, and to the second again:", len(runs))
assert len(runs) == 1
handle.remove()

# %% [markdown]
# ## Where a mask ends
#
# **The third decision.** At every pixel the mask is a probability, usually thresholded at one half. With a higher
# threshold every mask can only shrink. How much it shrinks depends on two factors: how unsure the network is about the
# edge, and how much edge there is. Thin objects lose more. Below, the scissors are thin and the bottle is half covered:

# %% alt="Area of six objects over the mask threshold, as fractions of their area at one half: all fall from left to right, four of them slowly, the bottle faster, and the scissors fastest."
names = [model.names[class_id] for class_id in explored.classes.tolist()]
first = {names[number]: number for number in reversed(explored.found())}  # the best of a class
numbers = sorted(first[name] for name in ("umbrella", "donut", "banana", "book", "bottle", "scissors"))
thresholds = np.linspace(0.05, 0.95, 19)
areas = np.array([[crop.sum() for _, _, crop in explored.crops(numbers, t)] for t in thresholds])  # (19, 6)
assert (np.diff(areas, axis=0) <= 0).all()
figure, axis = plt.subplots(figsize=(6, 3), dpi=80)
axis.plot(thresholds, areas / areas[9], label=[explored.label(number) for number in numbers])
axis.set(xlabel="mask threshold", ylabel="area relative to one half")
axis.legend(frameon=False, fontsize=8)
plt.show()
thinnest = (areas[-1] / areas[0]).argmin()
print("no mask ever grows; the one that shrinks most:", model.names[int(explored.classes[numbers[thinnest]])])

# %% [markdown]
# Yet none of these thresholds gives a mask more detail. A mask is mixed on a grid four times coarser than the network's
# input, and interpolated between the cells: how fine masks are depends on the size of the *input*, not on any threshold
# (`imgsz=320` in `explore` shows coarser ones).
#
# ## Right or wrong
#
# **The fourth decision** is what counts as found. COCO's rule at IoU ½: the highest score chooses first; each detection
# is matched to the unmatched object of its class that its mask overlaps most; a detection without a match is wrong.


# %%
def judge(overlaps, classes, true_classes):  # (detections, objects), best score first
    free, verdicts = set(range(overlaps.shape[1])), []
    for row, class_id in zip(overlaps, classes):
        fits = [index for index in free if true_classes[index] == class_id and row[index] >= 0.5]
        verdicts.append(max(fits, key=lambda index: row[index]) if fits else -1)
        free -= {verdicts[-1]}
    return verdicts


numbers = explored.found()
true_classes = [instance.class_id for instance in explored.ground_truth]
ours = judge(explored.overlaps(numbers), explored.classes[numbers], true_classes)
assert ours == explored.verdicts(numbers)
right, there = sum(verdict >= 0 for verdict in ours), len(explored.ground_truth)
print(f"{right} right, {len(ours) - right} wrong, {there - right} missed of {there}")

# %%
found_by = {verdict: number for number, verdict in zip(numbers, ours) if verdict >= 0}  # object -> candidate
for number, verdict, overlaps in zip(numbers, ours, explored.overlaps(numbers)):
    if verdict < 0:
        under = int(overlaps.argmax())  # the object that it lies on
        finder = explored.label(found_by[under]) if under in found_by else "nothing"
        name = model.names[explored.ground_truth[under].class_id]
        print(f"{explored.label(number)} lies on this object: {name}, which was found by {finder}")

# %%
twin = explore(model, dataset.sample(0))
plain = twin.image.value
twin["ground_truth"].value = True
beside = twin.image.value
twin["verdicts"].value = True
assert len({plain, beside, twin.image.value}) == 3
print("your turn, above: *ground truth* shows it beside, *right or wrong* colors correct ones green, wrong ones orange")

# %% [markdown]
# Play with the confidence and watch the line of counts. Each step trades wrong detections for missed objects; lesson 06
# turns that trade-off into one metric.
#
# Here are the wrong detections at 0.25, one by one. The donut lies on the missed scissors: a wrong class. The umbrella
# lies on a book that was found as well: suppression compares only boxes of the same class. The banana is a second box
# on one banana: it overlaps the first one by less than 0.7.
#
# **Which class is taken for which?** Lesson 06 counts that in a confusion matrix. Here it is for all four images, with a
# button for every count: press one to see the objects behind it. The slider *cell* goes the same way from the keyboard,
# mistakes first. (As there, boxes are compared, not masks, and a duplicate counts as predicted where nothing is labeled.)

# %% alt="Close-ups of three pairs of scissors that were missed, each with the green box of its label and none from the network."
from seglab.widgets import confusion_explorer

confusions = confusion_explorer(model, spec)
confusions

# %%
twin = confusion_explorer(model, spec)
for number in range(3):
    twin["cell"].value = number
    print(twin.text.value.split("<br>")[0].replace("<b>", "").replace("</b>", ""))
assert twin.image.value != confusions.image.value

# %% [markdown]
# ## Photographs
#
# The same on COCO8-seg with the official weights, where these are available (from `SEGLAB_DATASETS`, from the cache, or
# downloaded and verified). The line below the cell says which images you see.

# %% tags=["nbval-ignore-output"] alt="An image with every detection in the color of its class, labeled with class and score."
from seglab.errors import SeglabError

try:
    photos = explore(YOLO("yolo11n-seg.pt"), load_dataset("coco8-seg"))
    print("photos of COCO8-seg, official weights")
except SeglabError:
    photos = explore(model, load_dataset("toybox8-seg"), split="train")
    print("COCO8-seg or its weights are not available here, so: the training images of toybox8-seg, course weights")
photos

# %% [markdown]
# ## How a mask is made
#
# The mask of an object is a weighted sum of 32 maps that all objects share. By hand, for the second-best detection:
# multiply, add, upsample, threshold at zero, crop to the box.

# %%
import torch.nn.functional as F

one = nms(above_threshold).pick(torch.tensor([1]))
total = torch.einsum("k,khw->hw", one.coefficients[0], prototypes_of_it)  # (120, 160)
upsampled = F.interpolate(total[None, None], scale_factor=4, mode="bilinear")[0, 0]  # (480, 640), as the image
by_hand = (upsampled > 0).numpy()
x0, y0, library = explored.crops(explored.found()[1:2])[0]
window = by_hand[y0 : y0 + library.shape[0], x0 : x0 + library.shape[1]]
assert (window != library).mean() < 0.001
print(
    "positive pixels in the box:",
    f"{window.sum() / 1000:.1f} thousand, outside: {(by_hand.sum() - window.sum()) / 1000:.1f} thousand",
)

# %% [markdown]
# The mixer shows all prototypes. Red is above zero, blue below; the frame around a prototype shows how it is used. Set
# *strongest* to a small number and increase it, or move one slider away from the network's own value.

# %% alt="Left the image with the mask of one umbrella, right the weighted sum on the coarse grid, red above zero and blue below; under them the prototypes, each with its coefficient."
from seglab.widgets import prototypes
from seglab.widgets.prototypes import keep_strongest, mixed_sums

mixer = prototypes(model, sample, i=1)
mixer

# %%
twin = prototypes(model, sample, i=1)
before = twin.image.value
twin["strongest"].value = 8
some = twin.image.value
twin["c0"].value = twin["c0"].max
assert len({before, some, twin.image.value}) == 3
print("each setting mixes another mask")

# %% [markdown]
# Is a mask made by a few strong prototypes? Leave out the weak ones and compare with the full mask. All masks are
# cropped to the same box, which does much of the work by itself (lesson 02), so the first line gives the box alone.

# %%
detections, chosen = nms(above_threshold), 1
own = detections.coefficients[chosen].numpy()
whole = mixed_sums(forward_pass, detections, chosen, own)[2] > 0  # the window is the box
print(f"box alone: IoU with the mask of all {whole.mean():.2f}")
for count in (1, 2, 4, 8, 16, 32):
    part = mixed_sums(forward_pass, detections, chosen, keep_strongest(own, count))[2] > 0
    print(f"{count:2} strongest: IoU with the mask of all {(part & whole).sum() / (part | whole).sum():.2f}")
assert np.array_equal(part, whole)

# %% [markdown]
# For a simple, nearly convex object like this umbrella one prototype is nearly enough, and a good part of that is the
# box's work. Try another object, for example `chosen = 8`: the scissors fill a quarter of their box and need more.
#
# ## A box before it is a box
#
# Each side is a distribution over 16 distances from the anchor point, one stride apart. Its mean is the position of the
# side. By hand:

# %%
from seglab.model.head import anchor_points
from seglab.widgets.forward_pass import detected_anchors

anchor = int(detected_anchors(forward_pass)[1])
points, strides = anchor_points(*forward_pass.letterbox.size)
probabilities = forward_pass.raw.boxes[0, :, anchor].view(4, 16).softmax(dim=1)  # left, top, right, bottom
left, top, right, bottom = (probabilities @ torch.arange(16.0)) * strides[anchor]
x, y = points[anchor]
box = torch.stack((x - left, y - top, x + right, y + bottom))
torch.testing.assert_close(box, detections.boxes[1])
print("anchor point of stride", int(strides[anchor]), "- the means of its distributions are the sides of the box")

# %% alt="One umbrella, enlarged, with its box and the spread of every side; beside it four histograms over 16 distances, each with one or two tall bars."
from seglab.widgets import distribution

sides = distribution(model, sample, i=1)
sides

# %%
twin = distribution(model, sample, i=1)
before = twin.image.value
twin["object"].value = 3
assert twin.image.value != before
print("look for broad distributions: sides that something else covers, or that the image cuts off")

# %% [markdown]
# ## Which points are assigned to what
#
# Back to training (lesson 03), now point by point. Filled points are assigned to the object, larger ones with a higher
# target score; for the best-aligned points the table says why.

# %% alt="Left a training image with the boxes of its objects; right one of them, a clock, enlarged: a grid of points in its box, ten of them filled."
from seglab.data.collate import collate
from seglab.widgets import assignment

learning = SegmentationDataset(spec, "train", 640)
batch = collate([learning[0], learning[1]])
points_panel = assignment(model, batch, image=0)
points_panel

# %%
twin = assignment(model, batch, image=0)
before = twin.image.value
twin["object"].value = 2
twin["point"].value = 11
assert twin.image.value != before and "is not among its 10 best" in twin.text.value
print("the eleventh best point of an object is not assigned to it")

# %% [markdown]
# ## A page to share
#
# `explorer_page` (on the command line: `seglab explore model=toybox-n source=toybox8-seg html=explorer.html`) writes
# the explorer as one HTML file that contains the images and the candidates, each candidate's outline at five levels of
# mask probability. Suppression runs in the page, so all its thresholds work without Python, without the neural network
# and without the internet; a colleague can open it from an e-mail.

# %%
import tempfile
from pathlib import Path

from seglab.widgets import explorer_page

page = explorer_page(model, spec, Path(tempfile.mkdtemp()) / "explorer.html")
text = page.read_text(encoding="utf-8")
assert "http://" not in text and "https://" not in text
print(page.name, f"loads nothing from elsewhere; {len(text) / 1e6:.0f} MB")
assert len(text) < 2_000_000

# %% [markdown]
# ## Recap
#
# - Confidence, overlap, mask threshold and the matching rule are decisions after the network. They can be changed
#   without running it, and two tools that decide differently show different results from the same weights.
# - A mask is a weighted sum of shared prototypes, thresholded at zero and cropped to its box; its detail depends on the
#   input size.
# - A side of a box is the mean of a distribution, and the width of the distribution shows uncertainty where objects
#   cover each other.
# - In training an object is learned by its ten best points. A point that several objects select goes to the object that
#   its box overlaps most, whether that one selected it or not.
#
# ## Sources
#
# - Bolya et al., *YOLACT: Real-time Instance Segmentation*, 2019: prototypes and coefficients.
# - Li et al., *Generalized Focal Loss*, 2020: sides as distributions. Feng et al., *TOOD*, 2021: the assignment.
# - The library: `seglab/widgets/explored_image.py` (what is computed), `seglab/widgets/explorer.py` (what is drawn),
#   `seglab/inference/nms.py` and `seglab/inference/masks.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
