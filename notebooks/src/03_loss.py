# %% [markdown]
# # 03 · Assignment and loss: which cells learn, and what
#
# A network with 8,400 anchor points looks at an image with five objects. Which points should learn which object, and
# what should the others do? And once that is settled: what does each of the four loss terms change? This lesson works
# out the answers by hand and checks every number against the library's training code.
#
# After this lesson you can
#
# 1. assign anchor points to objects yourself, and explain why no rule about sizes is needed,
# 2. write the four terms (box, distribution, class, mask) and derive what their gradients do,
# 3. explain what the distribution focal loss is really for, and what `overlap_mask` really does.
#
# **Study time:** two hours. **Compute time:** about 15 seconds on a CPU. No GPU is needed. **Prerequisites:** lesson
# 02.

# %%
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from built import anchor_points, boxes_from  # what you wrote in lesson 02
from seglab.geometry.boxes import box_iou, complete_iou
from seglab.training import assign as assigning
from seglab.training import loss as losses

points, strides = anchor_points(64, 64)
print(
    len(points), "anchor points in 64 x 64:", [int((strides == s).sum()) for s in (8, 16, 32)], "at strides 8, 16, 32"
)

# %% [markdown]
# ## Two objects, 84 points
#
# ![Assignment in three panels: points inside two overlapping boxes are candidates; each object keeps its best four; a point that both chose goes to the object it overlaps more.](../docs/images/diagram-assignment.svg)
#
# An example small enough to see everything: two overlapping boxes, and a half-trained network that we make up. Each
# point predicts a box and a score for each of two classes. The box is a mixture of the two ground-truth boxes in which
# the nearer object has the larger weight, with an error that grows with the distance.

# %%
boxes = torch.tensor([[10.0, 10, 38, 34], [22, 18, 52, 42]])
classes = torch.tensor([0, 1])
generator = torch.Generator().manual_seed(5)
distance = torch.cdist(points, (boxes[:, :2] + boxes[:, 2:]) / 2)  # (84, 2)
nearest, mixture = distance.argmin(dim=1), (-distance / 32).softmax(dim=1)
error = torch.randn(84, 4, generator=generator) * distance.min(dim=1).values[:, None] / 8
predicted = mixture @ boxes + error  # (84, 4)
class_logits = torch.randn(2, 84, generator=generator)
class_logits[classes[nearest], torch.arange(84)] += 1
print("predicted boxes:", tuple(predicted.shape), "scores:", tuple(class_logits.shape))

# %% [markdown]
# **Step 1.** Only points strictly inside an object's box may learn it. (For this test, the sides of very small boxes are
# widened to 16 pixels; otherwise tiny objects would get no point at all.)


# %% tags=["built"]
def inside(points, boxes):
    center, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=16) / 2
    return ((points - center[:, None]).abs() < half[:, None]).all(dim=2)  # (objects, points)


# %%
may_learn = inside(points, boxes)
print("candidates of the two objects:", may_learn.sum(dim=1).tolist(), "- of both:", int(may_learn.all(dim=0).sum()))
assert torch.equal(may_learn, assigning.points_inside(points, boxes))

# %% [markdown]
# **Step 2.** How good is each candidate *already*? The overlap is the **complete IoU** (CIoU): the IoU minus a penalty
# for distant centers and a penalty for a different aspect ratio,
#
# $$\mathrm{CIoU} = \mathrm{IoU} - \frac{d^2}{c^2} - \alpha v, \qquad
# v = \frac{4}{\pi^2}\left(\arctan\frac{w'}{h'} - \arctan\frac{w}{h}\right)^2, \qquad
# \alpha = \frac{v}{1 - \mathrm{IoU} + v},$$
#
# where $d$ is the distance of the two centers, $c$ the diagonal of the smallest box around both, and $w, h$ and
# $w', h'$ are the sides of the prediction and of the ground truth. Unlike plain IoU, it says how far apart two boxes
# are that do not touch. The box term will need that; assignment does not, and clamps it at 0.


# %% tags=["built"]
def ciou(a, b):
    width_a, height_a, width_b, height_b = *(a[..., 2:] - a[..., :2]).unbind(-1), *(b[..., 2:] - b[..., :2]).unbind(-1)
    intersection = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    iou = intersection / (width_a * height_a + width_b * height_b - intersection)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    distance = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).pow(2).sum(-1) / hull.pow(2).sum(-1)
    shape = 4 / torch.pi**2 * (torch.atan(width_b / height_b) - torch.atan(width_a / height_a)) ** 2
    with torch.no_grad():  # as in the paper: the weight takes no gradient
        weight = shape / (1 - iou + shape + 1e-9)
    return iou - distance - weight * shape


# %%
left, right = torch.tensor([0.0, 0, 10, 10]), torch.tensor([20.0, 0, 30, 10])
print(f"two separate boxes: IoU {box_iou(left[None], right[None]).item():.3f}, complete IoU {ciou(left, right):.3f}")
torch.testing.assert_close(
    ciou(predicted, boxes[nearest]), complete_iou(predicted, boxes[nearest]), atol=1e-5, rtol=1e-5
)

# %% [markdown]
# The **alignment** of a point with an object, from its score $s$ for the object's class and its overlap $u$, is
#
# $$t = s^{\,0.5} \cdot u^{\,6}.$$
#
# A point must classify the object *and* localize it, and localization counts more. Choosing points by their alignment
# is called *task-aligned assignment*. (The paper uses score · overlap⁶ with plain IoU, and thirteen points; YOLO11 uses
# the square root of the score, complete IoU, and ten points.)

# %%
for name, a, b in (("good box, low class score", 0.1, 0.9), ("good class score, poor box", 0.9, 0.5)):
    print(f"{name}: alignment {a**0.5 * b**6:.3f}")

# %% [markdown]
# **Step 3.** Each object selects its ten best points. (The diagram above shows four, to stay readable.)
#
# **Step 4.** A point that several objects select is *contested*. It goes to the object that its box overlaps most; the
# alignment no longer plays a part. All objects with the point in their box compete for it, even one that did *not*
# select it: with three objects, the third may win what the first two compete for.
#
# **Step 5.** What is the *target score* of a point? Not 1. The target of an object's best-aligned point is the highest
# overlap that any of the object's points reaches; the others get less, in proportion to their alignment. So at
# prediction time the score says how good the *box* is, which is what suppression (keeping the best of several boxes on
# one object, lesson 00) needs to keep the right one.


# %% tags=["built"]
def assign(class_logits, predicted, points, classes, boxes):
    may_learn = inside(points, boxes)  # (M, A): M objects, A points
    overlap = ciou(predicted[None], boxes[:, None]).clamp(min=0) * may_learn
    alignment = class_logits[classes].sigmoid() ** 0.5 * overlap**6
    chosen = torch.zeros_like(may_learn).scatter_(1, alignment.topk(10, dim=1).indices, True) & may_learn
    owner = torch.where(chosen.any(dim=0), chosen.float().argmax(dim=0), -1)  # (A,), -1 is background
    contested = chosen.sum(dim=0) > 1
    owner[contested] = overlap.argmax(dim=0)[contested]  # overlap decides, among all objects

    own = F.one_hot(owner.clamp(min=0), len(boxes)).T.bool() & (owner >= 0)  # (M, A)
    best_alignment, best_overlap = ((own * values).amax(dim=1, keepdim=True) for values in (alignment, overlap))
    targets = own * alignment / (best_alignment + 1e-9) * best_overlap
    return owner, targets.sum(dim=0)  # (A,) each


# %%
owner, targets = assign(class_logits, predicted, points, classes, boxes)
theirs = assigning.assign(class_logits[None], predicted[None], points, classes, boxes, classes * 0)  # both on image 0
assert torch.equal(owner, theirs.instance_index[0])
torch.testing.assert_close(targets, theirs.scores[0], atol=1e-4, rtol=1e-4)
print("points of the two objects:", [int((owner == number).sum()) for number in (0, 1)])
print("their best targets:", [f"{targets[owner == number].max():.3f}" for number in (0, 1)])

# %% [markdown]
# Small gray points are assigned to no object, colored ones to the object of their color, and the larger a point, the
# higher its target score. Each object's best predicted box is dotted.

# %% alt="Two overlapping boxes on the grid of anchor points; assigned points are colored, larger for a higher target score; the best predicted box of each object is dotted."
figure, axis = plt.subplots(figsize=(4.6, 4.6), dpi=80)
axis.scatter(*points.T, s=8, color="0.8")
for number, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=f"C{number}"))
    mine = owner == number
    axis.scatter(*points[mine].T, s=20 + 160 * targets[mine], color=f"C{number}", alpha=0.8)
    x0, y0, x1, y1 = predicted[(targets * mine).argmax()].tolist()
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=f"C{number}", linestyle=":"))
axis.set(xlim=(0, 64), ylim=(64, 0), aspect="equal", title="assigned points; size: target score")
axis.set(xlabel="x, pixels", ylabel="y, pixels")
plt.show()
print(int((owner >= 0).sum()), "points are assigned")

# %% [markdown]
# ## Why no rule about sizes is needed
#
# No rule says that small objects belong to stride 8. Look at an untrained network: all its 16 bins are equally likely,
# so every side lies 7.5 strides away, and every box is 15 strides wide.

# %%
from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.model.yolo11 import YOLO11Seg

seeded = torch.manual_seed(0)
dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 640)
batch = collate([dataset[0], dataset[1]])
model = YOLO11Seg("n", classes=10).eval()
raw = model(batch["images"].float() / 255)
points, strides = anchor_points(640, 640)
predicted = boxes_from(raw.boxes.detach(), points, strides)  # (2, 8400, 4)
width = (predicted[..., 2] - predicted[..., 0]).mean(dim=0)
print("mean widths:", [round(width[strides[:, 0] == s].mean().item()) for s in (8, 16, 32)], "pixels")

# %% alt="A scene with its assigned points: small dots of stride 8 on small objects, larger dots of a coarser stride on large ones."
figure, axis = plt.subplots(figsize=(6.4, 4.8), dpi=80)
axis.imshow(batch["images"][0].permute(1, 2, 0), extent=(0, 640, 640, 0))
for x0, y0, x1, y1 in batch["boxes"][batch["image_index"] == 0].tolist():
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="white"))
of_first = batch["image_index"] == 0
owner, _ = assign(raw.classes[0].detach(), predicted[0], points, batch["classes"][of_first], batch["boxes"][of_first])
learning = owner >= 0
for stride, color in ((8, "C1"), (16, "C0"), (32, "C3")):
    here = learning & (strides[:, 0] == stride)
    axis.scatter(*points[here].T, s=stride * 2, color=color, label=f"stride {stride}", edgecolors="black")
axis.legend(loc="upper left", fontsize=8)
axis.set(xlim=(0, 640), ylim=(560, 80))
axis.set_axis_off()
plt.show()
print("assigned:", int(learning.sum()), "of", len(points), "points")

# %% [markdown]
# Objects have found the stride whose boxes fit them, because overlap to the sixth power favors it. (Stride 32 has no
# point here: no object in this image is close to its boxes of 480 pixels.) And as the network learns, the assignment
# changes with it: that is why it is recomputed at every step.
#
# ## The positives
#
# Points that are assigned to an object are called *positives*, all others *background*. Three of the four terms use
# positives only. Find them in every image of the batch, each with its object and its target score.


# %% tags=["built"]
def find_positives(raw, batch, points, strides):
    predicted = boxes_from(raw[0].detach(), points, strides)  # (B, A, 4)
    found = []
    for image, logits in enumerate(raw[1].detach()):
        rows = (batch["image_index"] == image).nonzero()[:, 0]
        owner, targets = assign(logits, predicted[image], points, batch["classes"][rows], batch["boxes"][rows])
        anchor = (owner >= 0).nonzero()[:, 0]
        found.append((torch.full_like(anchor, image), anchor, rows[owner[anchor]], targets[anchor]))
    return [torch.cat(parts) for parts in zip(*found)]  # image, point, object, target score: (P,) each


# %%
image, anchor, assigned, target_scores = find_positives(raw, batch, points, strides)
ground_truth = batch["classes"], batch["boxes"], batch["image_index"]
theirs = assigning.assign(raw.classes.detach(), predicted, points, *ground_truth)
assert torch.equal(assigned, theirs.instance_index[image, anchor])
assert len(image) == (theirs.instance_index >= 0).sum()
print(len(image), "positives in", len(batch["images"]), "images")

# %% [markdown]
# Gather their predictions and their targets, and begin with **the box term**: 1 − CIoU, weighted by the target score
# $\hat s$, so that good points count more,
#
# $$L_\mathrm{box} = \sum_{i} \hat s_i \, (1 - \mathrm{CIoU}_i).$$


# %% tags=["built"]
def box_loss(logits, at, stride, true_boxes, target_scores):
    predicted = boxes_from(logits.T[None], at, stride)[0]  # (P, 4)
    return ((1 - ciou(predicted, true_boxes)) * target_scores).sum()


# %%
logits = raw.boxes[image, :, anchor]  # (P, 64)
true_boxes, at, stride = batch["boxes"][assigned], points[anchor], strides[anchor]
box_term = box_loss(logits, at, stride, true_boxes, target_scores)
torch.testing.assert_close(
    box_term, losses.box_loss(logits, at, stride, true_boxes, target_scores), atol=1e-3, rtol=1e-4
)
print(f"box term, by hand and by the library: {box_term:.1f}")

# %% [markdown]
# ## What the distribution is for
#
# The usual explanation is that a distribution can express uncertainty about a blurred side. It can, but prediction
# takes its **mean** and throws the uncertainty away. So why 16 numbers, and why a separate loss for them, when the box
# term already trains the mean?
#
# Look at the gradient. With probabilities $p_k$ and the mean $m = \sum_k k\,p_k$, the derivative with respect to
# logit $z_k$ is
#
# $$\frac{\partial m}{\partial z_k} = p_k\,(k - m),$$
#
# so it is proportional to the bin's **own probability**.

# %%
bins = torch.arange(16.0)
z = torch.randn(16, generator=generator, requires_grad=True)
p = z.softmax(dim=0)
mean = (p * bins).sum()
(gradient,) = torch.autograd.grad(mean, z)
torch.testing.assert_close(gradient, (p * (bins - mean)).detach())
print("the gradient of the mean is p * (k - mean)")

# %% [markdown]
# Now suppose the network is confident in a wrong distance: nearly all probability in bin 2, ground truth 10.4. Bins 10
# and 11 have almost no probability, so almost nothing pulls them up. The **distribution focal loss** targets the two
# neighbors of the ground truth $d$ directly: 0.6 in bin 10 and 0.4 in bin 11. With $k = \lfloor d \rfloor$,
#
# $$L_\mathrm{dfl} = -\big((k + 1 - d)\log p_k + (d - k)\log p_{k+1}\big).$$
#
# Its gradient is $p$ minus the target, however small $p$ is. (Nothing in it is focal; the name is inherited. It is
# cross-entropy with two target bins.)


# %%
def target_of(distance):
    lower = int(distance)
    target = torch.zeros(16)
    target[lower], target[lower + 1] = lower + 1 - distance, distance - lower
    return target


def distribution_focal(z, distance):
    return -(target_of(distance) * z.log_softmax(dim=-1)).sum(dim=-1)


wrong_start = torch.zeros(16)
wrong_start[2] = 9.0
z = wrong_start.clone().requires_grad_()
(by_mean,) = torch.autograd.grad(((z.softmax(0) * bins).sum() - 10.4).abs(), z)
(by_bins,) = torch.autograd.grad(distribution_focal(z, 10.4), z)
torch.testing.assert_close(by_bins, (z.softmax(0) - target_of(10.4)).detach())
print(f"pull on bin 10: through the mean {-by_mean[10]:.3f}, by the distribution focal loss {-by_bins[10]:.3f}")

# %% [markdown]
# Let both train for a while, from the same wrong start. In the figure that follows, the gray line is the ground truth:


# %%
def train(loss, steps=200):
    z, means = wrong_start.clone().requires_grad_(), []
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(loss(z), z)
        z = (z - gradient).detach().requires_grad_()
        means.append((z.softmax(0) * bins).sum().item())
    return z.detach().softmax(0), means


through_mean = train(lambda z: F.smooth_l1_loss((z.softmax(0) * bins).sum(), torch.tensor(10.4)))
through_bins = train(lambda z: distribution_focal(z, 10.4))
arrival = [next(i for i, m in enumerate(means) if abs(m - 10.4) < 1) for _, means in (through_mean, through_bins)]
assert arrival[0] > 5 * arrival[1]
print("steps until the mean is within 1: by the mean alone", arrival[0], "- by bins", arrival[1])
assert abs(through_mean[1][-1] - 10.4) < 0.5 and abs(through_bins[1][-1] - 10.4) < 0.5

# %% alt="Left, distance over steps: correct at once with the distribution loss, late with the mean only. Right, final probabilities: two neighboring bins with the distribution loss, smeared over all bins with the mean only."
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(9, 2.8), dpi=80)
for number, (name, (p, means)) in enumerate((("mean only", through_mean), ("distribution focal", through_bins))):
    left_axis.plot(means, color=f"C{1 - number}", label=name)
    right_axis.bar(bins + 0.4 * number - 0.2, p, width=0.4, color=f"C{1 - number}", label=name)
left_axis.axhline(10.4, color="0.7", zorder=0)
left_axis.set(xlabel="step", ylabel="distance in strides")
right_axis.set(xlabel="bin", ylabel="probability", xticks=range(0, 16, 2))
left_axis.legend(frameon=False)
plt.show()
both = [f"{p[10:12].sum():.2f}" for p, _ in (through_bins, through_mean)]
print("in bins 10 and 11: distribution focal", both[0], "- mean only", both[1])

# %% [markdown]
# The mean alone gets there too, but much later, and with its probability smeared over every bin. So that is what the
# loss is for: **sixteen bins turn a regression into a classification**, whose gradient does not vanish where the
# network is confident and wrong; and targeting two neighboring bins picks one of the infinitely many distributions with
# the same mean. Uncertainty is another matter. If labels say 3 and 9 equally often, the best distribution has two
# peaks, and the box is drawn at 6, where no label ever was:

# %%
z = torch.zeros(16, requires_grad=True)
for _ in range(500):
    (gradient,) = torch.autograd.grad((distribution_focal(z, 3.0) + distribution_focal(z, 9.0)) / 2, z)
    z = (z - gradient).detach().requires_grad_()
p = z.detach().softmax(0)
print("the two likeliest bins:", sorted(p.topk(2).indices.tolist()), f"- their mean: {(p * bins).sum():.1f}")

# %% [markdown]
# The term itself, for all positives: the mean over the four sides, weighted by the target score. Distances beyond bin
# 15 cannot be expressed, which is one more reason why a large object needs a coarse stride.


# %% tags=["built"]
def distribution_loss(logits, at, stride, true_boxes, target_scores):
    distances = torch.cat((at - true_boxes[:, :2], true_boxes[:, 2:] - at), dim=1) / stride  # (P, 4) in strides
    distances = distances.clamp(0, 14.99)
    lower = distances.long()
    upper_weight = (distances - lower)[..., None]  # (P, 4, 1)
    target = F.one_hot(lower, 16) * (1 - upper_weight) + F.one_hot(lower + 1, 16) * upper_weight  # (P, 4, 16)
    entropy = -(target * logits.view(-1, 4, 16).log_softmax(dim=2)).sum(dim=2)  # (P, 4)
    return (entropy.mean(dim=1) * target_scores).sum()


# %%
dfl_term = distribution_loss(logits, at, stride, true_boxes, target_scores)
arguments = logits, at, stride, true_boxes, target_scores
torch.testing.assert_close(dfl_term, losses.distribution_loss(*arguments), atol=1e-3, rtol=1e-4)
one_by_one = 0.0
for row, point, width, box, weight in zip(*arguments):
    sides = torch.cat((point - box[:2], box[2:] - point)) / width
    each = [distribution_focal(side, float(d)) for side, d in zip(row.view(4, 16), sides.clamp(0, 14.99))]
    one_by_one = one_by_one + torch.stack(each).mean() * weight
torch.testing.assert_close(dfl_term, one_by_one, atol=1e-3, rtol=1e-4)
print(f"distribution term, all at once, side by side, and by the library: {dfl_term:.1f}")

# %% [markdown]
# ## The class term
#
# Binary cross-entropy on every point and class, positives and background alike. Its gradient is the simplest there is:
# **score minus target**. For background the target is 0, at thousands of points.
#
# If all scores started at one half, the first steps would do nothing but push 84,000 numbers down: ten classes at 8,400
# points. So the class branch starts with a bias that reflects how rare objects are: as if there were 5 on each of the
# three maps of a 640-pixel image.


# %% tags=["built"]
def class_loss(class_logits, image, classes, anchor, target_scores):
    target = torch.zeros_like(class_logits)  # (B, C, A)
    target[image, classes, anchor] = target_scores
    return F.binary_cross_entropy_with_logits(class_logits, target, reduction="sum")


def start_biases(head, classes):
    for class_branch, stride in zip(head.cv3, (8, 16, 32)):
        nn.init.constant_(class_branch[-1].bias, math.log(5 / classes / (640 / stride) ** 2))


# %%
positives = image, batch["classes"][assigned], anchor, target_scores
class_term = class_loss(raw.classes, *positives)
(gradient,) = torch.autograd.grad(class_term, raw.classes, retain_graph=True)
score_minus_target = raw.classes.sigmoid().detach()
score_minus_target[image, batch["classes"][assigned], anchor] -= target_scores
torch.testing.assert_close(gradient, score_minus_target)
torch.testing.assert_close(class_term, losses.class_loss(raw.classes, *positives), atol=1e-3, rtol=1e-4)
print(f"class term, by hand and by the library: {class_term:.1f}")

# %%
for name, start in (("bias 0", lambda s: 0.0), ("rare objects", lambda s: math.log(5 / 10 / (640 / s) ** 2))):
    pushes = sum((640 // s) ** 2 * 10 / (1 + math.exp(-start(s))) for s in (8, 16, 32))
    print(f"{name}: background pushes down with {pushes:,.1f} in total")
fresh = YOLO11Seg("n", classes=10)
expected = [branch[-1].bias.clone() for branch in fresh.head.cv3]
start_biases(fresh.head, 10)
assert all(torch.equal(branch[-1].bias, bias) for branch, bias in zip(fresh.head.cv3, expected))

# %% [markdown]
# ## The mask term
#
# For each positive: coefficients times prototypes gives a logit in each mask cell, compared with the target by binary
# cross-entropy (BCE), **only inside the object's box** $B$, and divided by the box's area,
#
# $$L_\mathrm{mask} = \sum_i \frac{1}{|B_i|} \sum_{(x, y) \in B_i}
# \mathrm{BCE}\Big(\sum_k c_{ik} P_k(x, y),\; m_i(x, y)\Big).$$
#
# So a small object counts as much as a
# large one. A cell counts when its upper left corner is in the box. And unlike in the other terms, every positive
# counts the same, whatever its target score.


# %% tags=["built"]
def mask_loss(prototypes, coefficients, masks, boxes):
    total = 0.0
    for prototype, mixing, mask, box in zip(prototypes, coefficients, masks.float(), boxes / 4):
        left, top, right, bottom = box.ceil().long().tolist()
        logits = torch.einsum("k,kyx->yx", mixing, prototype[:, top:bottom, left:right])
        entropy = F.binary_cross_entropy_with_logits(logits, mask[top:bottom, left:right], reduction="sum")
        total = total + entropy / ((box[2] - box[0]) * (box[3] - box[1]))
    return total


# %%
coefficients = raw.coefficients[image, :, anchor]  # (P, 32)
mask_term = mask_loss(raw.prototypes[image], coefficients, batch["masks"][assigned], true_boxes)
instances = (batch["masks"], batch["boxes"], batch["image_index"], assigned)
by_library = losses.mask_loss(raw.prototypes, coefficients, *instances)
torch.testing.assert_close(mask_term, by_library, atol=1e-3, rtol=1e-4)
print(f"mask term, by hand and by the library: {mask_term:.1f}")

# %% [markdown]
# Its gradient reaches the prototypes inside boxes only. Outside, they can be anything: prediction crops masks to the
# box, so those values are never used. This is the flip side of YOLACT's trick of letting the box do half of the work
# (lesson 02).

# %%
(gradient,) = torch.autograd.grad(mask_term, raw.prototypes, retain_graph=True)
touched = gradient.abs().sum(dim=1) > 0  # (2, 160, 160)
covered = torch.zeros_like(touched)
for number, (left, top, right, bottom) in zip(batch["image_index"], (batch["boxes"] / 4).ceil().long().tolist()):
    covered[number, top:bottom, left:right] = True
print(
    "cells that learn inside of boxes:", int((touched & covered).sum()), "- outside:", int((touched & ~covered).sum())
)

# %% [markdown]
# ## What `overlap_mask` does
#
# Trainers often store all masks of an image as one map of object numbers, to save memory. One number per cell means
# that **every cell belongs to one object only, the smallest one there**. The target of a larger object then has a hole
# where a smaller one lies on it, though its own outline has none. (The notch in the hole's corner is a cell that
# rounding took from the smaller one.) The setting applies to hard targets only, `mask_targets="hard"`. With the
# library's soft targets every object keeps its own mask, and a cell on its edge says what fraction of it is covered.

# %% alt="A large square and a small one on it: with overlap_mask the large one's target has a hole, without it has none; the soft target has none either, and a pale rim."
import numpy as np

from seglab.data.mask_targets import hard_masks, soft_masks


def side_by_side(masks):
    _, axes = plt.subplots(1, len(masks), figsize=(8, 2.7), dpi=80)
    for axis, (title, mask) in zip(axes, masks.items()):
        axis.imshow(mask, cmap="Blues", vmin=0, vmax=1.3)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    plt.show()


large, small = (np.array([[a, a], [b, a], [b, b], [a, b]], dtype=float) for a, b in ((9, 71), (30, 50)))
variants = {"overlap_mask=True": hard_masks([[large], [small]], 80, 80, overlap=True)[0]}
variants["overlap_mask=False"] = hard_masks([[large], [small]], 80, 80, overlap=False)[0]
variants["soft targets"] = soft_masks([[large], [small]], 80, 80)[0]
side_by_side({f"large square\n{name}": mask for name, mask in variants.items()})
print({name: float(mask.sum()) for name, mask in variants.items()}, "cells; its area:", (71 - 9) ** 2 / 4**2)

# %% [markdown]
# That is all it does; it is a way of storing targets, not a loss and not a form of suppression. With it, the best mask
# AP that perfect training could reach on 239 COCO photos was .727; without it .764; with soft targets .880.
#
# ## Finer masks from the same prototypes
#
# A kite's tail is three pixels wide and a mask cell four. Where the tail lies across two cells, it covers less than
# half of each. A soft target says exactly that, and prediction, which keeps what is above one half, loses the tail
# there. But prediction first *upsamples* the sum of prototypes to the resolution of the image, and nothing forces the
# loss to compare before that. With `mask_ratio=2` the loss upsamples the prototypes by two and compares at half of the
# input's resolution instead of a quarter. The network is the same, with the same prototypes; only the target is closer
# to the mask that prediction reads. Here are mask logits that fit each target, upsampled as in prediction. (For the
# first target, the logit of a cell is its fraction minus one half, which always has the right sign; for the second,
# gradient descent finds the logits, in `fit_coarse_logits`.)

# %%
from seglab.diagnosis.upper_bound import fit_coarse_logits

x = np.linspace(6, 90, 80)
middle = np.stack((x, 48 + 20 * np.sin(x / 11)), axis=1)
along = np.gradient(middle, axis=0)
across = along[:, ::-1] * (-1, 1) / np.linalg.norm(along, axis=1, keepdims=True)
tail = np.concatenate((middle - 1.6 * across, (middle + 1.6 * across)[::-1]))  # a band 3.2 pixels wide
ground_truth = torch.from_numpy(soft_masks([[tail]], 96, 96, ratio=1)[0] > 0.5)
quarter, half = (torch.from_numpy(soft_masks([[tail]], 96, 96, ratio)).float() for ratio in (4, 2))  # (1, 24, 24), ...
found = {"the ground truth": ground_truth}
for name, logits in (("mask_ratio=4", quarter - 0.5), ("mask_ratio=2", fit_coarse_logits(half))):  # (1, 24, 24) each
    found[name] = F.interpolate(logits[None], size=ground_truth.shape, mode="bilinear")[0, 0] > 0
ious = {name: float((mask & ground_truth).sum() / (mask | ground_truth).sum()) for name, mask in found.items()}
assert ious["mask_ratio=4"] < ious["mask_ratio=2"] - 0.1

# %% alt="A thin wavy band: with a target at a quarter of the resolution it comes back in pieces, with one at half the resolution it stays whole."
side_by_side({f"{name}, IoU {ious[name]:.2f}": mask for name, mask in found.items()})

# %% [markdown]
# That is what a perfect network could gain. A trained one gains too: YOLO11n with COCO's weights, fine-tuned on 64
# microscope images of cell nuclei (10 epochs at 320 pixels), reaches a mask AP of .474 with hard targets, .523 with
# soft ones, .549 with soft ones and `mask_ratio=2`, and .551 with `mask_ratio=1`, on 64 other images; its box AP stays
# about the same.
#
# **The other half of the measurements.** Soft targets do not win everywhere. In runs that overfit four COCO photos,
# they scored .13 higher by COCO's protocol, at the photos' own resolution, but .04 *lower* by the YOLO protocol, which
# compares with hard outlines at a quarter of the resolution: each type of target wins under the metric that draws its
# ground truth the same way. And on 8,000 toybox scenes at 160 pixels, where objects are smaller than a few cells, hard
# targets beat plain soft ones by .011; with `mask_ratio=2`, soft targets beat both, by .022 and .033. One run each. So:
# soft targets with `mask_ratio=2` for masks at the resolution of the image, hard ones if you are judged by the YOLO
# protocol. (`docs/LOG.md` has all runs.)
#
# On toybox `mask_ratio=2` raises the mask AP that perfect training could reach from .91 to .95 at 640 pixels, and the last stages
# of training the course weights used it. A step takes about 10 % longer; the default is 4, as in other YOLO
# trainers.
#
# ## The total loss
#
# The box, class and distribution terms are divided by the sum of the target scores, the mask term by the number of
# positives; then each is multiplied by its *gain*, a fixed weight: 7.5 for boxes and masks, 0.5 for classes, 1.5 for
# distributions. The total is multiplied by the number of images, so that several small batches add up to a large one.
#
# Two of the four can be predicted for any untrained network. Sixteen equally likely bins cost ln 16 per side, times 1.5
# is 4.2; a mask logit near 0 costs ln 2, times 7.5 is 5.2. If your training starts far from there, look for a bug.


# %% tags=["built"]
def segmentation_loss(raw, batch):
    points, strides = anchor_points(*(4 * side for side in raw[3].shape[2:]))
    image, anchor, instance, scores = find_positives(raw, batch, points, strides)
    sides = raw[0][image, :, anchor], points[anchor], strides[anchor], batch["boxes"][instance], scores
    coefficients, masks = raw[2][image, :, anchor], batch["masks"][instance]
    score_sum, count = scores.sum().clamp(min=1), max(len(scores), 1)
    terms = {
        "box": 7.5 * box_loss(*sides) / score_sum,
        "seg": 7.5 * mask_loss(raw[3][image], coefficients, masks, batch["boxes"][instance]) / count,
        "cls": 0.5 * class_loss(raw[1], image, batch["classes"][instance], anchor, scores) / score_sum,
        "dfl": 1.5 * distribution_loss(*sides) / score_sum,
    }
    return sum(terms.values()) * len(raw[0]), {name: float(term.detach()) for name, term in terms.items()}


# %%
total, terms = segmentation_loss(raw, batch)
by_library, library_terms = losses.segmentation_loss(raw, batch, losses.LossGains())
torch.testing.assert_close(total, by_library, atol=1e-3, rtol=1e-4)
for name, term in terms.items():
    assert math.isclose(term, library_terms[name], rel_tol=1e-3), name
print("by hand and by the library:", {name: f"{term:.1f}" for name, term in terms.items()})
assert abs(terms["dfl"] - 1.5 * math.log(16)) < 0.1 and abs(terms["seg"] - 7.5 * math.log(2)) < 0.2

# %% [markdown]
# Everything is there now: the network of lesson 02 and this loss. In lesson 05 the two are trained.

# %% [markdown]
# ## Recap
#
# - A point learns an object if it lies in the object's box and is among the ten that already classify and localize it
#   best; a contested point goes to the object it overlaps most. The network's own boxes sort objects by stride.
# - Scores are trained to say how good the box is.
# - The distribution focal loss turns distances into a classification: its gradient does not vanish when the network is
#   confident and wrong, and it has one solution instead of many. Prediction uses the mean only.
# - Class gradient: score minus target. Mask gradient: inside boxes only, and small objects count as much as large ones.
# - `overlap_mask` gives each cell to the smallest object on it, and costs accuracy. `mask_ratio=2` compares upsampled
#   masks, as prediction does, and gains some.
#
# ## Sources
#
# - Feng et al., *TOOD: Task-aligned One-stage Object Detection*, 2021; Zheng et al., *Enhancing Geometric Factors in
#   Model Learning and Inference* (complete IoU), 2020.
# - Li et al., *Generalized Focal Loss*, 2020, equation 6; Bolya et al., *YOLACT*, 2019; Lin et al., *Focal Loss for
#   Dense Object Detection*, 2017, for the bias.
# - The library: `seglab/training/assign.py`, `seglab/training/loss.py`, `seglab/data/mask_targets.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
