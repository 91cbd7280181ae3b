# %% [markdown]
# # 06 · Validation: what the metrics mean
#
# "Mask mAP 0.41" is one number made of thousands of decisions. Most people who quote it could not compute it from four
# detections on a sheet of paper. After this lesson you can, and then nothing about it is mysterious: neither why two
# tools print different values for one model, nor why a metric is suddenly zero.
#
# After this lesson you can
#
# 1. compute average precision by hand, rule by rule, for boxes and for masks,
# 2. read precision-recall curves, and choose the confidence at which to use a model,
# 3. explain why two tools disagree, what a model's mistakes cost, and where to look when a metric makes no sense.
#
# **Study time:** an hour and a half. **Compute time:** about 20 seconds on a CPU. No GPU is needed. **Prerequisites:**
# lesson 00.

# %%
import contextlib
import io

import matplotlib.pyplot as plt
import numpy as np
import torch

from seglab.evaluation.coco import THRESHOLDS, CocoAccumulator, Instances

ground_truth = np.array(
    [[10, 10, 40, 40], [60, 12, 90, 36], [108, 20, 130, 50]], dtype=float
)  # left, top, right, bottom
found = np.array([[11, 11, 41, 41], [14, 8, 42, 38], [64, 14, 92, 42], [96, 4, 112, 16]], dtype=float)
scores = np.array([0.9, 0.8, 0.6, 0.5])
print(len(ground_truth), "objects,", len(found), "detections, the highest-scoring first:", scores.tolist())

# %% [markdown]
# ## One class, one image, on paper
#
# Three cups, and what a detector predicts for them. One cup was found twice, one has a box that is a little off, one
# was missed, and one detection lies on the background.

# %% alt="Three filled cups as gray boxes and four numbered outlines: two on the first cup, one on the second, one on the background; the third cup has none."
figure, axis = plt.subplots(figsize=(7, 2.8), dpi=80)
for name, (x0, y0, x1, y1) in zip("ABC", ground_truth):
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, color="0.82"))
    axis.text((x0 + x1) / 2, (y0 + y1) / 2, name, ha="center", va="center")
for number, (x, y) in enumerate([(12, 47), (31, 7), (80, 48), (113, 12)]):  # where its score is written
    x0, y0, x1, y1 = found[number]
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=f"C{number}", linewidth=2))
    axis.text(x, y, f"{scores[number]}", color=f"C{number}")
axis.set(xlim=(0, 140), ylim=(54, 0), aspect="equal")
axis.set_axis_off()
plt.show()
print(
    "detections that touch an object:",
    sum((np.minimum(f[2:], ground_truth[:, 2:]) > np.maximum(f[:2], ground_truth[:, :2])).all(1).any() for f in found),
)

# %% [markdown]
# **Overlap first.** Intersection over union of every detection with every object:

# %%
from seglab.geometry.boxes import box_iou


def overlaps(found, ground_truth):
    corner = np.minimum(found[:, None, 2:], ground_truth[:, 2:]) - np.maximum(found[:, None, :2], ground_truth[:, :2])
    shared = corner.clip(min=0).prod(axis=2)  # (detections, objects)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (found, ground_truth)]
    return shared / (area[0][:, None] + area[1] - shared)


overlap = overlaps(found, ground_truth)
assert np.allclose(overlap, box_iou(torch.from_numpy(found), torch.from_numpy(ground_truth)))
print(np.array2string(overlap, precision=3, suppress_small=True))

# %% [markdown]
# **Then decide which detections are right.** Take the detections in order of their scores. Each is matched to the
# object that it overlaps most among those not matched yet, *if* that overlap reaches a threshold. The second detection
# on cup A is therefore a mistake, however well it fits.
#
# **Then count, going down the list.** *Precision* is the fraction of the detections so far that are right; *recall* is
# the fraction of the objects that have been found so far. Both are computed after every detection, as if the list ended
# there.


# %%
def match(overlap, threshold):
    """(D, G) overlaps, the highest-scoring detection first -> (D,) bool: which are right."""
    right, taken = [], set()
    for row in overlap:
        free = [(value, number) for number, value in enumerate(row) if value >= threshold and number not in taken]
        right.append(bool(free))
        taken |= {max(free)[1]} if free else set()
    return np.array(right, dtype=bool)


right = match(overlap, 0.5)
hits = right.cumsum()
precision, recall = hits / np.arange(1, len(right) + 1), hits / len(ground_truth)
for row in zip(scores, right, precision, recall):
    print("score {:.1f}  right {:d}  precision {:.3f}  recall {:.3f}".format(*row))

# %% [markdown]
# Recall only rises; precision goes up and down. At recall ⅓ precision is 1, falls to ½ after the duplicate, and climbs
# to ⅔ when cup B comes. Nobody would stop in the dip, because continuing gives more of both. So at every recall COCO
# takes the best precision **at that recall or a higher one**. This *envelope* never rises.
#
# **Average precision** (AP) is the mean of the envelope at 101 recalls, 0.00, 0.01 … 1.00. With $p(r)$ the precision at
# recall $r$,
#
# $$\mathrm{AP} = \frac{1}{101} \sum_{r \in \{0,\ 0.01,\ \dots,\ 1\}} \; \max_{r' \ge r} \; p(r'),$$
#
# and at recalls that are never reached the envelope is 0. Here: 34 of them up to ⅓, then 33 up to ⅔, then 34 that are never reached.


# %%
def average_precision(right, instances):
    """(D,) bool, the highest-scoring first, and the number of objects -> COCO's average precision."""
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(right) + 1), hits / instances
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    values = [envelope[recall >= level][:1].sum() for level in np.linspace(0, 1, 101)]  # an empty sum is 0
    return np.mean(values)


print(f"AP at IoU 0.5: {average_precision(right, len(ground_truth)):.3f}")
assert np.isclose(average_precision(right, len(ground_truth)), (34 * 1 + 33 * 2 / 3 + 34 * 0) / 101)

# %% alt="Precision over recall for the four detections: the raw points drop into a dip, the envelope steps over it at one and two thirds, and dots mark the 101 recalls."
figure, axis = plt.subplots(figsize=(6, 3), dpi=80)
levels = np.linspace(0, 1, 101)
steps = np.select([levels <= 1 / 3, levels <= 2 / 3], [1, 2 / 3], 0)
axis.plot(recall, precision, "o:", color="0.5", label="after each detection")
axis.plot(levels, steps, ".", color="C0", markersize=4, label="envelope at 101 recalls")
axis.set(xlabel="recall", ylabel="precision", ylim=(-0.05, 1.1))
axis.legend(frameon=False)
plt.show()
assert np.isclose(steps.mean(), average_precision(right, 3))
print(f"the dots' mean height, which is the AP: {steps.mean():.3f}")

# %% [markdown]
# The metric everyone quotes, **mAP50-95**, repeats all this at ten IoU thresholds, 0.50, 0.55 … 0.95, and takes the
# mean. Reaching 0.5 is easy; only precise outlines reach 0.9. "mAP50" uses the first threshold only.
#
# The library's accumulator must give the same values, and so must COCO's own tool in the cell after that, for all its
# twelve metrics: AP, AP50 and AP75; AP of small, medium and large objects; the mean recall with at most 1, 10 or 100
# detections per image and class; and that recall by object size.

# %%
ap = np.array([average_precision(match(overlap, threshold), len(ground_truth)) for threshold in THRESHOLDS])
print(ap.round(3).tolist(), f"mean {ap.mean():.3f}")


def on_paper(boxes, **more):
    size = boxes[:, 2:] - boxes[:, :2]
    return Instances(np.zeros(len(boxes), int), size.prod(axis=1), np.hstack((boxes[:, :2], size)), **more)


paper = CocoAccumulator(classes=[0], iou_type="bbox")
paper.add(0, on_paper(ground_truth), on_paper(found, scores=scores))
assert np.allclose(ap, paper.summarize().precision[:, :, 0, 0].mean(axis=1))

# %%
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

rows = [
    {"id": number, "image_id": 1, "category_id": 1, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
    for number, (x, y, w, h) in enumerate(on_paper(ground_truth).boxes.tolist(), start=1)
]
with contextlib.redirect_stdout(io.StringIO()):  # it prints a lot
    coco = COCO()
    coco.dataset = {"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": rows, "info": {}}
    coco.createIndex()
    predictions = np.array([[1, *box, score, 1] for box, score in zip(on_paper(found).boxes, scores)])
    evaluation = COCOeval(coco, coco.loadRes(predictions), "bbox")
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
assert np.allclose(evaluation.stats, list(paper.summarize().stats.values()))
print("all twelve metrics agree")

# %% [markdown]
# ## From one image to a dataset
#
# With many images, matching stays inside each image; then **all detections of a class go into one list**, sorted by
# score. So scores must mean the same on every image. The mean is taken over classes that have objects: a class with two
# objects counts as much as one with two thousand.
#
# One more property surprises people. Let the detector add ninety boxes of pure nonsense, all with the lowest score:

# %%
nonsense = np.tile([0.0, 0, 5, 5], (90, 1))
noisy = CocoAccumulator([0], "bbox")
noisy.add(0, on_paper(ground_truth), on_paper(np.vstack((found, nonsense)), scores=np.append(scores, [0.01] * 90)))
assert noisy.summarize().stats["AP"] == paper.summarize().stats["AP"]
print(f"AP as before; precision of the whole list {hits[-1] / 4:.3f} -> {hits[-1] / 94:.3f}")

# %% [markdown]
# **What comes at the end of the list costs nothing.** It might still find something, so validation keeps everything
# above a score of 0.001. So mAP says how well a model *ranks*, not how it behaves at the threshold you will use.
#
# ## Masks
#
# Mask AP is the same procedure with another overlap, the IoU of masks. Nothing else changes. Here is a thin object in a
# large box, and a detection that has the right box and the wrong shape:

# %%
from seglab.geometry import rle

thin, block = np.eye(40, dtype=bool) | np.eye(40, k=1, dtype=bool), np.ones((40, 40), bool)
both = {}
for iou_type in ("bbox", "segm"):
    one = CocoAccumulator([0], iou_type)
    box = np.array([[0.0, 0, 40, 40]])
    one.add(0, on_paper(box, masks=[rle.encode(thin)]), on_paper(box, masks=[rle.encode(block)], scores=np.ones(1)))
    both[iou_type] = one.summarize().stats["AP"]
print(f"IoU of the boxes 1.000, of the masks {rle.iou([rle.encode(thin)], [rle.encode(block)])[0, 0]:.3f}; AP", end=" ")
print({iou_type: round(value, 3) for iou_type, value in both.items()})

# %% [markdown]
# ## A real model
#
# Now take the course weights and the four validation images of the toybox. One call gives the whole table; four images
# are far too few to compare models, but enough to see how the metrics are computed. In the table, P and R are precision
# and recall at IoU 0.5, at one confidence for all classes, chosen further down. (They are read from curves that join
# the detections with straight lines, as YOLO tools do, so three cups can have a recall that is not a multiple of ⅓. AP
# uses no such lines.) Look at the kites: their boxes are good and their masks are not. A kite's tail is thinner than a
# mask cell (lesson 03).
#
# What happens inside: run the network, suppress duplicates, and bring the ground truth and the detections of every
# image into one coordinate frame, pixels of the original image. The functions from above do the rest.

# %% tags=["nbval-ignore-output"]
from seglab import YOLO

model = YOLO("toybox-n")
metrics = model.val(data="toybox8-seg", imgsz=640, verbose=False)
print(metrics.table())

# %%
from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.load import load_dataset
from seglab.evaluation.validate import evaluated_images, native_instances, validate
from seglab.inference.decode import decode

spec, config = load_dataset("toybox8-seg"), ValidateConfig()
dataset = SegmentationDataset(spec, "val", 640, mask_targets=None, rect=True)
loader = build_loader(dataset, config.batch)


def forward(images):
    raw = model.network(images)
    return decode(raw, *images.shape[2:]), raw.prototypes


per_image = [native_instances(image, every_mask=True) for image in evaluated_images(forward, loader, dataset, config)]
print(len(per_image), "images;", sum(len(real.classes) for real, _ in per_image), "objects")


# %%
def ranked(class_id, threshold):
    """A class's detections, the highest-scoring first: scores, and whether each is right; the number of objects."""
    rows, instances = [], 0
    for real, guess in per_image:
        own, theirs = (np.flatnonzero(each.classes == class_id) for each in (real, guess))
        theirs = theirs[np.argsort(-guess.scores[theirs], kind="stable")][:100]  # COCO looks at a hundred
        overlap = rle.iou([guess.masks[i] for i in theirs], [real.masks[i] for i in own])
        rows += zip(guess.scores[theirs], match(np.reshape(overlap, (len(theirs), len(own))), threshold))
        instances += len(own)
    values, right = zip(*sorted(rows, key=lambda row: -row[0]))
    return np.array(values), np.array(right), instances


table = np.array([[average_precision(*ranked(c, t)[1:]) for t in THRESHOLDS] for c in spec.names])
by_library = validate(forward, loader, dataset, spec.names)
assert np.allclose(table, by_library.seg.all_ap) and abs(table.mean() - metrics.seg.map) < 0.01
print("every class at every threshold, by hand and by the library:", table.shape)

# %% [markdown]
# ## Choosing the confidence
#
# mAP covers all scores, but you will use the model at *one* confidence threshold. To choose it, look at precision and
# recall over the threshold, and at their harmonic mean F1, which is high only where both are high. (`np.interp` draws
# the straight lines.)


# %%
from seglab.evaluation.curves import GRID, class_curves  # a thousand confidences, 0 to 1


def confidence_curves(values, right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    precision = np.interp(-GRID, -values, precision, left=1)  # nothing shown, nothing wrong
    recall = np.interp(-GRID, -values, recall, left=0)
    return precision, recall, 2 * precision * recall / (precision + recall + 1e-16)


for class_id in spec.names:
    one = ranked(class_id, 0.5)
    assert np.allclose(confidence_curves(*one), class_curves(*one)[:3])
seg, best = by_library.seg, by_library.seg.best_confidence
low, high = (np.abs(GRID - confidence).argmin() for confidence in (0.25, 0.8))
assert seg.r_curve[:, low].mean() > 0.9 and seg.p_curve[:, high].mean() > 0.95
assert 0 < best < 1
print("points of the curves:", len(GRID), "confidences for each of", len(seg.p_curve), "classes")

# %% alt="Left: precision-recall curves of the ten classes, most of them one line at the top, scissors falling early; the mean is thick. Right: precision falling from right to left, recall rising, and F1, flat, with its best confidence marked."
figure, (left, right_axis) = plt.subplots(1, 2, figsize=(9.5, 3.2), dpi=80)
worst = seg.prec_values.mean(axis=1).argmin()
for number, name in spec.names.items():
    known = {"color": "C3", "label": name} if number == worst else {"color": "0.75"}
    left.plot(seg.px, seg.prec_values[number], linewidth=1, **known)
left.plot(seg.px, seg.prec_values.mean(axis=0), color="black", linewidth=2.5, label="mean")
left.set(xlabel="recall", ylabel="precision", title="masks at IoU 0.5")
left.legend(fontsize=8, frameon=False, loc="lower left")
for name, curve in (("precision", seg.p_curve), ("recall", seg.r_curve), ("F1", seg.f1_curve)):
    right_axis.plot(seg.px, curve.mean(axis=0), label=name)
right_axis.axvline(best, color="0.7", zorder=0)
right_axis.set(xlabel="confidence", title="mean over classes; the line: best F1")
right_axis.legend(fontsize=8)
plt.show()
print("hardest of", len(seg.prec_values), "classes:", spec.names[worst])

# %% [markdown]
# On the left, the curves of most classes coincide at the top; that of scissors falls early, because the last of them
# are found only among false positives. On the right, F1 is nearly flat over half of the range, so it is of little help. At
# 0.25 most objects are found, at 0.8 almost nothing is wrong: choose by which mistake costs more.
#
# ## Why two tools disagree
#
# YOLO tools print an mAP of their own, which differs from COCO's in four rules that matter. (A fifth hardly ever
# matters: whether a detection may be matched to its second-best object if the best is taken.) Neither is wrong, but
# values computed by different rules must not be compared in one table. Here is each rule on its own, on paper:
#
# **The AP rule.** COCO takes the mean of the envelope's 101 heights. The YOLO protocol takes the area under straight
# lines between the same heights, and lets the last one, at recall 1, fall to zero. That changes AP by a few
# thousandths, and has one visible effect: where everything is found without a mistake, COCO says 1 and YOLO tools say
# 0.995.
#
# **The detection cap.** COCO counts at most 100 detections per image *and class*, the YOLO protocol at most 300 per
# image. If 150 cups stand on a shelf and a perfect detector finds them all, COCO counts two thirds of them.

# %%
from seglab.evaluation import yolo


def area_rule(right, instances):
    hits = right.cumsum()
    recall = np.concatenate(([0], hits / instances, [hits[-1] / instances, 1]))
    precision = np.concatenate(([1], hits / np.arange(1, len(hits) + 1), [0, 0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    heights = np.interp(np.linspace(0, 1, 101), recall, envelope)
    return ((heights[1:] + heights[:-1]) / 2).sum() / 100


assert np.isclose(area_rule(right, 3), yolo.average_precision(next(paper.matches()))[0])
for name, each in (("on paper", right), ("everything right", np.ones(3, bool))):
    print(f"{name}: COCO's rule {average_precision(each, 3):.3f}, the area {area_rule(each, 3):.3f}")

# %%
shelf = np.array([[x, y, x + 8, y + 8] for y in range(0, 100, 10) for x in range(0, 150, 10)], dtype=float)
for limit in (100, 300):
    crowded = CocoAccumulator([0], "bbox", limit=limit)
    crowded.add(0, on_paper(shelf), on_paper(shelf, scores=np.linspace(1, 0.5, len(shelf))))
    print(f"{len(shelf)} cups, at most {limit} detections: AP {crowded.summarize().stats['AP']:.3f}")

# %% [markdown]
# **Crowds.** COCO marks a group of objects that nobody outlined one by one as a *crowd*. A detection on a crowd counts
# **neither as right nor as wrong** (overlap is then divided by the detection's own area, since it covers only a part of
# the crowd), and many detections may lie on one crowd. Label files of YOLO tools cannot mark crowds, so such detections
# become mistakes, often confident ones:

# %%
crowd_box, on_crowd = np.array([[0.0, 100, 140, 140]]), np.array([[20.0, 110, 40, 130]])
detections = on_paper(np.vstack((on_crowd, found)), scores=np.append(0.95, scores))
for known in (True, False):
    crowds = CocoAccumulator([0], "bbox")
    instances = on_paper(np.vstack((ground_truth, crowd_box)) if known else ground_truth)
    crowds.add(0, instances._replace(crowd=np.arange(len(instances.classes)) == 3), detections)
    (one,) = crowds.matches()
    ap50 = average_precision(one.true[~one.ignored[:, 0, 0], 0, 0], 3)
    print(f"the group is {'marked as a crowd' if known else 'not marked'}: AP at IoU 0.5 {ap50:.3f}")
    assert np.isclose(ap50, crowds.summarize().stats["AP50"])

# %% [markdown]
# **The resolution.** COCO compares masks at the resolution of the original image. The YOLO protocol compares them where
# the network draws them, at a quarter of its input, and the ground-truth masks are drawn there as well, by the
# truncating fill method of lesson 09, smaller objects on top. The next figure shows one detection of one object, at
# both resolutions.
#
# `val(explain=True)` prints how much each rule contributes, for boxes and masks. It turns the YOLO protocol into
# COCO's, one rule at a time, so that the steps add up to the whole gap. On 239 COCO photos the resolution alone made a
# difference of 0.003 to 0.017; thin and small objects, of which the toybox is full, can lose more.

# %% alt="One object and its detection twice: at the image's own resolution with fine outlines, and on the coarse grid where both are made of blocks."
from seglab.evaluation.validate import quarter_instances

first = next(iter(evaluated_images(forward, loader, dataset, config)))
protocols = native_instances(first, every_mask=True), quarter_instances(first)
ious = [rle.iou(guess.masks, real.masks) * (guess.classes[:, None] == real.classes) for real, guess in protocols]
gap = (ious[0] > 0.5) * np.abs(ious[0] - ious[1])
detection, instance = np.unravel_index(gap.argmax(), gap.shape)  # where the two resolutions differ most
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), dpi=80)
for axis, (real, guess), title in zip(axes, protocols, ("the image's own pixels", "a quarter of the input")):
    a, b = rle.decode(real.masks[instance]), rle.decode(guess.masks[detection])
    (y0, x0), (y1, x1) = np.argwhere(a | b).min(axis=0), np.argwhere(a | b).max(axis=0) + 1
    colors = plt.matplotlib.colors.ListedColormap(["white", "C3", "gold", "C0"])
    axis.imshow((a + 2.0 * b)[y0:y1, x0:x1], cmap=colors, vmin=0, vmax=3)
    axis.set(title=f"{title}: IoU {(a & b).sum() / (a | b).sum():.2f}", xticks=[], yticks=[])
plt.show()
print(f"one {spec.names[int(real.classes[instance])]}; blue: both; red: missed; yellow: extra")

# %% tags=["nbval-ignore-output"]
from seglab.diagnosis.explain import explain

explanation = explain(forward, loader, dataset, spec.names)
for task in ("box", "mask"):
    steps_of = {cause: round(step[task], 3) for cause, step in explanation.steps.items()}
    print(f"{task}: YOLO protocol {explanation.yolo[task]:.3f}", steps_of, f"COCO {explanation.coco[task]:.3f}")
    assert np.isclose(explanation.yolo[task] + sum(s[task] for s in explanation.steps.values()), explanation.coco[task])
assert np.isclose(explanation.coco["mask"], by_library.seg.map)

# %% [markdown]
# ## What do the mistakes cost?
#
# An AP of 0.55 says that something is wrong, but not what. So assign a cause to every wrong detection, fix all mistakes
# of one cause as an oracle would, and see how much AP50 gains (the idea is from TIDE). The causes: *localization*, the
# right class on an object, IoU 0.1 to 0.5; *classification*, IoU at least 0.5 with an object of another class; *both*,
# IoU 0.1 to 0.5 with an object of another class; *duplicate*, a second detection of one object; *background*, IoU under
# 0.1 with everything; and *missed*, an object that none of these explains. The gains do not add up to the missing AP:
# mistakes hide one another.
#
# On paper: remove the duplicate, or remove the box on the background, or stop counting the cup that was missed. Then
# the same for the model's masks, over all its detections, including those with low scores; hence the large counts.
#
# **By counting mistakes you would fix the wrong ones; look at what they cost.** The box on the background, for example,
# costs nothing: it comes at the end of the list.

# %%
from seglab.diagnosis.errors import ErrorBreakdown

ap50 = average_precision(right, 3)
fixed = {
    "duplicate": average_precision(right[[0, 2, 3]], 3) - ap50,
    "background": average_precision(right[:3], 3) - ap50,
    "missed": average_precision(right, 2) - ap50,
}
breakdown = ErrorBreakdown("bbox")
breakdown.add(on_paper(ground_truth), on_paper(found, scores=scores))
report = breakdown.summarize()
for cause, gain in fixed.items():
    print(f"{cause}: {report.counts[cause]} of them, fixing it gains {gain:.3f}")
    assert np.isclose(gain, report.gains[cause])

# %% tags=["nbval-ignore-output"]
for cause, count in explanation.errors.counts.items():
    print(f"{cause:<15} {count:>4} cases, fixing them gains {explanation.errors.gains[cause]:.3f} AP50")

# %% [markdown]
# ## The doctor
#
# Sometimes a metric is not poor but absurd, and the fault is in the data, not in the network. A classic: class numbers
# that are off by one. Plant that fault: copy the dataset, and write every label with the next class number. Then run
# the doctor. It checks every stage between the label files and the metric, and reports what it saw and the likely
# cause. Stages are listed in the order in which the data passes them; the verdict names the first broken one, or else
# the first doubtful one. Here the metric is bad too, but only because of the class names.

# %%
import shutil
import tempfile
from pathlib import Path


def corrupted_copy(change):
    """The dataset with every class number of the validation labels changed -> the YAML of the copy."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(spec.root, folder, dirs_exist_ok=True)
    for file in (folder / "labels" / "val").glob("*.txt"):
        rows = [row.split(" ", 1) for row in file.read_text().splitlines()]
        file.write_text("".join(f"{change(int(number))} {outline}\n" for number, outline in rows))
    return folder / spec.yaml.name


shifted = corrupted_copy(lambda number: (number + 1) % 10)
print(f"mask mAP is now {model.val(data=shifted, imgsz=640, verbose=False).seg.map:.1f}")

# %% tags=["nbval-ignore-output"]
diagnosis = model.doctor(shifted, imgsz=640)
print(diagnosis)
assert diagnosis.root_cause.name == "class names" and "off by" in diagnosis.root_cause.cause

# %% [markdown]
# Now a fault in code. A decoder that returns corners where center and size are expected is a common mistake in
# hand-written export code (lesson 08):

# %%
from seglab.diagnosis.doctor import doctor
from seglab.geometry.boxes import xywh_to_xyxy


def wrong_decoder(images):
    predictions, prototypes = forward(images)
    corners = xywh_to_xyxy(predictions[:, :4].transpose(1, 2)).transpose(1, 2)
    return torch.cat((corners, predictions[:, 4:]), dim=1), prototypes


root_cause = doctor(wrong_decoder, spec, spec.names).root_cause
print(f"{root_cause.name}: {root_cause.cause}")

# %% [markdown]
# **What the doctor cannot see.** It does notice two classes that were swapped. But suppose that somebody labeled every
# banana as a bottle. The other labels are fine, the metric is mediocre but not absurd, and the doctor finds nothing
# broken. Here the **confusion matrix** helps: the column of bananas is empty, and in the column of bottles a cell off
# the diagonal is filled. (It counts detections above confidence 0.25, paired with objects by a box IoU of at least
# 0.45, whatever their classes. A column is a label, a row is a prediction, and the color is the fraction of the column.
# The last row counts objects that were missed, the last column detections where nothing is labeled.)

# %% alt="A confusion matrix: along the diagonal most cells are dark, but the column of bananas is empty, and many labeled bottles are predicted as bananas."
merged = corrupted_copy(lambda number: 5 if number == 6 else number)  # bananas are now labeled as bottles
assert not [check for check in model.doctor(merged, imgsz=640).checks if check.state == "broken"]
confusion = model.val(data=merged, imgsz=640, verbose=False).confusion_matrix.matrix
names, fraction = [*spec.names.values(), "background"], confusion / confusion.sum(axis=0).clip(1)
figure, axis = plt.subplots(figsize=(4.6, 4.2), dpi=80)
axis.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
for row, column in np.argwhere(confusion):
    text_color = "black" if fraction[row, column] < 0.5 else "white"
    axis.text(column, row, confusion[row, column], ha="center", va="center", fontsize=7, color=text_color)
axis.set_xticks(range(11), names, rotation=90, fontsize=8)
axis.set_yticks(range(11), names, fontsize=8)
axis.set(xlabel="label", ylabel="predicted")
plt.show()
assert confusion[6, 5] > 0
print("labeled bananas:", confusion[:, 6].sum(), "- labeled bottles:", confusion[:, 5].sum())

# %% [markdown]
# ## Recap
#
# - A detection is right if it overlaps an object of its class enough and no higher-scoring detection has been matched
#   to that object. Precision and recall follow by counting; AP is the mean height of the envelope at 101 recalls; mAP
#   is the mean over classes and ten thresholds.
# - What comes at the end of the list costs nothing: mAP says how well a model ranks. To use the model, choose a
#   confidence from the curves.
# - Tools disagree because of their rules, not by mistake: AP rule, detection cap, crowds, resolution.
#   `val(explain=True)` shows how much each contributes.
# - Measure what mistakes cost, not how many there are. If a metric is absurd, run the doctor, then look at the
#   confusion matrix, then at the images.
#
# ## Sources
#
# - Lin et al., *Microsoft COCO: Common Objects in Context*, 2014, and the evaluation page at
#   [cocodataset.org](https://cocodataset.org/#detection-eval).
# - Everingham et al., *The Pascal Visual Object Classes (VOC) Challenge*, 2010; Bolya et al., *TIDE*, 2020.
# - The library: `seglab/evaluation/coco.py`, `yolo.py` and `curves.py`; `seglab/diagnosis/explain.py`, `errors.py` and
#   `doctor.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
