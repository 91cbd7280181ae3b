# %% [markdown]
# # 09 · Masks, polygons and run lengths
#
# An instance mask says which pixels belong to one object. That sounds too simple for a lesson. Yet between an outline and
# a grid there are several steps at which tools lose a rim of pixels without noticing, and on small objects a rim is much
# of the object.
#
# After this lesson you can
#
# 1. say exactly which part of the plane a pixel covers, and compute the overlap (IoU) of two masks by hand,
# 2. write a mask as run lengths and as a polygon with holes, and read both back without losing a pixel,
# 3. explain why a binary mask at a quarter of the resolution loses small objects, and what soft targets keep.
#
# **Study time:** an hour. **Compute time:** about 15 seconds on a CPU. No GPU is needed. **Prerequisites:** numpy.

# %%
import cv2
import matplotlib.pyplot as plt
import numpy as np

from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset

dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 640)
sample = dataset.sample(0)
print("an image is", sample.image.shape, sample.image.dtype)

# %% [markdown]
# The image is one of eight that come with the course: scenes made by a generator, so the ground truth of every object
# is known exactly, to a fraction of a pixel. Each object is a list of *rings*: arrays of corner points, x before y.

# %% alt="A generated image of everyday objects; every object has a colored outline, and holes have their own."
figure, axis = plt.subplots(figsize=(8, 6), dpi=80)
axis.imshow(sample.image, extent=(0, 640, 480, 0))  # a pixel's center lies at a half
for number, instance in enumerate(sample.instances):
    for ring in instance.rings:
        axis.fill(*ring.T, facecolor="none", edgecolor=f"C{number}", linewidth=2)
axis.set(xlim=(0, 640), ylim=(480, 0))
axis.set_axis_off()
plt.show()
print("a ring is an (n, 2) array:", sample.instances[0].rings[0].shape[1], "columns, x and y in pixels")

# %% [markdown]
# ## A mask, and how much two masks overlap
#
# Start with a mask small enough to see every pixel: eight columns, six rows, a frame around a hole, and a single pixel
# on its own.
#
# One convention settles a hundred later questions. **The pixel in row r and column c is a square**: it covers x from c
# to c + 1 and y from r to r + 1, and its center lies at (c + ½, r + ½). Coordinates are points in the plane, never
# indices.

# %%
drawing = """
........
.####...
.#..#...
.####...
......#.
........"""
mask = np.array([[letter == "#" for letter in row] for row in drawing.split()])
print(mask.shape, "and", mask.sum(), "pixels belong to it")

# %% [markdown]
# **Intersection over union** (IoU) is the one number that all of evaluation rests on: the pixels in both masks, divided
# by the pixels in either. Boxes have an IoU too, and boxes may agree where masks do not.

# %%
from seglab.geometry import rle


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


solid = mask.copy()
solid[1:4, 1:5] = True  # the same shape with its hole filled
print(f"the frame with and without its hole: mask IoU {iou(mask, solid):.3f}")
assert np.isclose(iou(mask, solid), rle.iou([rle.encode(mask)], [rle.encode(solid)])[0, 0])

falling, rising = np.eye(8, dtype=bool), np.eye(8, dtype=bool)[:, ::-1]
boxes = [stick.any(axis=1)[:, None] & stick.any(axis=0) for stick in (falling, rising)]
print(f"two diagonal sticks in one box: box IoU {iou(*boxes):.3f}, mask IoU {iou(falling, rising):.3f}")

# %% [markdown]
# ## Run lengths
#
# A mask is mostly long runs of the same value. COCO stores the lengths of the runs, **column by column**, and always
# starts with the zeros: a mask whose first pixel is set starts with a run of length 0.


# %%
def to_counts(mask):
    pixels = mask.T.ravel()  # down the first column, then down the second, ...
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(np.concatenate(([0], changes, [len(pixels)])))
    return [0, *counts.tolist()] if pixels[0] else counts.tolist()


counts = to_counts(mask)
print(counts)
assert counts == rle.counts_of(rle.encode(mask)).tolist()

# %% [markdown]
# Reading them back is one call to `repeat`: zeros and ones alternate.


# %%
def from_counts(counts, height, width):
    values = np.arange(len(counts)) % 2 == 1  # no, yes, no, yes, ...
    return np.repeat(values, counts).reshape(width, height).T


again = from_counts(counts, 6, 8)
assert np.array_equal(again, mask)
print(mask.sum(), "pixels, from", len(counts), "counts:", again.sum())
assert np.array_equal(again, rle.decode(rle.encode(mask)))

# %% [markdown]
# In a JSON file the counts are a string. The first three are stored as they are; from each later one, **the count two
# positions before it is subtracted** (neighboring columns look alike, so the difference is small). Each number is split
# into groups of five bits, a sixth bit says whether more groups follow, and 48 is added to get a printable character.


# %%
def pack(counts):
    text = bytearray()
    for position, count in enumerate(counts):
        value = count - counts[position - 2] if position > 2 else count
        while True:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)  # the sign lives in the fifth bit of the last group
            text.append(group + 32 * more + 48)
            if not more:
                break
    return bytes(text)


print(pack(counts))
assert pack(counts) == rle.encode(mask)["counts"]

# %% [markdown]
# Fifteen bytes here. The saving grows with the image, because the number of runs follows the length of the outline, not
# the area:

# %%
y, x = np.mgrid[:1000, :1000]
disc = (x - 500) ** 2 + (y - 500) ** 2 < 400**2
packed = pack(to_counts(disc))
print(f"{disc.size:,} pixels in {len(packed):,} bytes")
assert packed == rle.encode(disc)["counts"]

# %% [markdown]
# ## Polygons
#
# A ring's **signed area** comes from the shoelace formula. With y pointing down, a ring that runs clockwise on the
# screen has positive area. The course's library uses the sign to say what a ring *is*: positive is solid, negative is
# a hole.

# %%
from seglab.geometry.polygons import ring_area


def shoelace(ring):
    x, y = ring.T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


frame = np.array([[2.0, 2], [14, 2], [14, 12], [2, 12]])
window = np.array([[5.0, 4], [5, 9], [11, 9], [11, 4]])  # the other way round
print(shoelace(frame), shoelace(window), "so the object covers", shoelace(frame) + shoelace(window))
assert shoelace(frame) == ring_area(frame) and shoelace(window) == ring_area(window)

# %% [markdown]
# **From polygon to mask**, the simple way: a pixel belongs to the object when its *center* is inside, and a point is
# inside when a ray to the right crosses the outline an odd number of times.


# %%
def fill_by_centers(ring, height, width):
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    inside = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0)):
        if y0 != y1:
            at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)  # where the edge's line passes this height
            inside ^= ((y0 <= y) != (y1 <= y)) & (x < at)
    return inside


by_hand = fill_by_centers(frame, 14, 16) & ~fill_by_centers(window, 14, 16)
print(by_hand.sum(), "pixels")

# %% [markdown]
# COCO's tool, which the library's `fill` follows, walks along the outline in steps of a fifth of a pixel instead of
# testing centers. Where all edges run along the grid, as in our frame, both agree. Along slanted edges they may differ,
# even between whole-number corners, but only in pixels on the outline.

# %%
from seglab.geometry.raster import coverage, fill

assert np.array_equal(by_hand, fill([frame, window], 14, 16))
angle = np.linspace(0, 2 * np.pi, 7, endpoint=False)
heptagon = np.stack((12.3 + 9 * np.cos(angle), 10.7 + 7 * np.sin(angle)), axis=1)
ours, coco = fill_by_centers(heptagon, 20, 24), fill([heptagon], 20, 24)
print(f"{(ours != coco).sum()} of {coco.sum()} pixels differ, IoU {iou(ours, coco):.3f}")

# %% [markdown]
# ## How much of a pixel?
#
# Both answers are yes or no. The exact answer is a fraction: an outline cuts a pixel in two, and the object covers,
# say, 0.37 of it. To get that fraction by hand, **clip the polygon to the pixel's square**, one side at a time, and
# take the area of what is left (Sutherland and Hodgman, 1974).


# %%
def clip(ring, axis, limit, side):
    kept = []
    for a, b in zip(ring, np.roll(ring, -1, axis=0)):
        before, after = side * (a[axis] - limit), side * (b[axis] - limit)
        if before >= 0:
            kept.append(a)
        if before * after < 0:
            kept.append(a + (b - a) * before / (before - after))
    return np.array(kept).reshape(-1, 2)


left_half = clip(heptagon, axis=0, limit=12, side=-1)
print(f"area {shoelace(heptagon):.3f}, of which {shoelace(left_half):.3f} left of x = 12")


# %%
def fraction_of_pixel(ring, row, column):
    for axis, low in ((0, column), (1, row)):
        ring = clip(ring, axis, low, side=1)
        ring = clip(ring, axis, low + 1, side=-1) if len(ring) else ring
        if not len(ring):
            return 0.0
    return shoelace(ring)


fractions = np.array([[fraction_of_pixel(heptagon, row, column) for column in range(24)] for row in range(20)])
print(f"all fractions together {fractions.sum():.3f}, the polygon's area {shoelace(heptagon):.3f}")
assert np.allclose(fractions, coverage([heptagon], 20, 24), atol=1e-6)

# %% [markdown]
# The library's `coverage` gives the same numbers in a single pass over the edges, for any ring, with holes, at any
# scale. Here is the left half of the heptagon in all three versions, with the polygon in red and a dot where the two
# fill methods differ:

# %% alt="The left half of one heptagon on three grids: two all blue or white, an orange dot on each of the two pixels in which they differ, and one with paler edges."
figure, axes = plt.subplots(1, 3, figsize=(8, 3.5), dpi=80, layout="constrained")
titles = ("center inside?", "COCO's fill", "fraction of the pixel")
rows, columns = np.nonzero(ours != coco)
for axis, grid, title in zip(axes, (ours, coco, fractions), titles):
    axis.imshow(grid, cmap="Blues", vmin=0, vmax=1.3, extent=(0, 24, 20, 0))
    axis.fill(*heptagon.T, facecolor="none", edgecolor="C3", linewidth=1.5)
    axis.plot(columns + 0.5, rows + 0.5, "o", color="C1")
    axis.set(xlim=(2, 14), ylim=(19, 3), xticks=[], yticks=[])
    axis.set_title(title, fontsize=10)
plt.show()
gray = (fractions > 1e-9) & (fractions < 1 - 1e-9)
assert gray[ours != coco].all()
print(gray.sum(), "pixels are partly covered;", (ours != coco).sum(), "differ, all of them among these")

# %% [markdown]
# ## The fill method that most training code uses
#
# Many trainers truncate coordinates to whole numbers and call a drawing routine that also paints the pixels of the
# outline itself. On a large object nobody notices. Put discs of several sizes at random positions and see:


# %%
def fill_by_truncation(ring, height, width):
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [ring.astype(np.int32)], 1).astype(bool)


turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
circle = np.stack((np.cos(turn), np.sin(turn)), axis=1)
rng = np.random.default_rng(0)
truncated = {}
for radius in (4, 8, 16, 32):
    rings = [radius * circle + 40 + rng.random(2) for _ in range(50)]
    truncated[radius] = np.mean([iou(fill_by_truncation(ring, 80, 80), fill([ring], 80, 80)) for ring in rings])
    print(f"radius {radius:2}: mean IoU with COCO's own mask {truncated[radius]:.2f}")
assert truncated[4] < 0.9 < truncated[16] < truncated[32]

# %% [markdown]
# The polygons in the file were fine; the fill method damaged them. For objects eight pixels across, a perfect network
# trained on such masks would score lower for reproducing them exactly.
#
# ## A quarter of the resolution
#
# YOLO networks draw their masks on a grid four times coarser than their input (lesson 02 shows why). So the training
# *target* is a coarse mask as well. A hard target says yes or no for each cell; a soft target gives the covered
# fraction.

# %% alt="One small object cut out three times: at full resolution, as hard quarter cells, and as soft quarter cells."
ring_sets = [instance.rings for index in range(len(dataset)) for instance in dataset.instances(index)]
sizes = np.array([np.ptp(np.concatenate(rings), axis=0).max() for rings in ring_sets])
rings = ring_sets[int(np.abs(sizes - 60).argmin())]  # one of about 60 pixels
x0, y0 = (np.concatenate(rings).min(axis=0) // 4 * 4 - 4).astype(int)
moved = [ring - (x0, y0) for ring in rings]
soft = coverage(moved, 20, 20, scale=1 / 4)
figure, axes = plt.subplots(1, 3, figsize=(9, 3), dpi=80)
for axis, grid, title in zip(axes, (fill(moved, 80, 80), soft >= 0.5, soft), ("the object", "hard, 1/4", "soft, 1/4")):
    axis.imshow(grid, cmap="Blues", vmin=0, vmax=1.3, extent=(0, 80, 80, 0))
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
plt.show()
print("16 pixels become one cell:", fill(moved, 80, 80).shape, "->", soft.shape)

# %% [markdown]
# The target limits what a network can learn. Suppose it learns the target perfectly: upsample the target four times, as
# prediction does, threshold it at one half, and compare with the ground-truth mask. First for discs, whose sizes we can
# choose:


# %%
def read_back(target):
    height, width = target.shape
    upsampled = cv2.resize(target.astype(np.float32), (4 * width, 4 * height), interpolation=cv2.INTER_LINEAR)
    return upsampled > 0.5


for radius in (4, 8, 16, 32):
    rings = [radius * circle + 40 + rng.random(2) for _ in range(50)]
    targets = [coverage([ring], 20, 20, scale=1 / 4) for ring in rings]
    discs = [fill([ring], 80, 80) for ring in rings]
    hard_iou = np.mean([iou(read_back(target >= 0.5), disc) for target, disc in zip(targets, discs)])
    soft_iou = np.mean([iou(read_back(target), disc) for target, disc in zip(targets, discs)])
    print(f"radius {radius:2}: best IoU from a hard target {hard_iou:.2f}, from a soft one {soft_iou:.2f}")
    assert soft_iou > hard_iou

# %% [markdown]
# Then for every object in the course's own scenes, with hard masks as trainers really draw them (`hard_masks`
# truncates, as above; soft masks are `coverage` and nothing else). In the figure after that, objects left of the gray
# line have fewer than 32² pixels, which COCO calls small:

# %%
from seglab.data.mask_targets import hard_masks, soft_masks

hard, soft = hard_masks(ring_sets, 480, 640, overlap=False), soft_masks(ring_sets, 480, 640)
ground_truths = [fill(rings, 480, 640) for rings in ring_sets]
from_hard = np.array([iou(read_back(target), ground_truth) for target, ground_truth in zip(hard, ground_truths)])
from_soft = np.array([iou(read_back(target), ground_truth) for target, ground_truth in zip(soft, ground_truths)])
assert np.array_equal(soft[0], coverage(ring_sets[0], 120, 160, 1 / 4).astype(np.float16))
assert from_soft.mean() > from_hard.mean()
print(f"mean of the best possible IoU: hard targets {from_hard.mean():.2f}, soft targets {from_soft.mean():.2f}")

# %% alt="Best possible IoU of every object over its size, as two dots joined by a line: the soft target's dot lies above the hard target's."
figure, axis = plt.subplots(figsize=(6.5, 3.2), dpi=80)
pixels = [ground_truth.sum() for ground_truth in ground_truths]
axis.vlines(pixels, from_hard, from_soft, color="0.85", zorder=0)
axis.scatter(pixels, from_hard, s=18, color="C1", label="hard targets")
axis.scatter(pixels, from_soft, s=18, color="C0", label="soft targets")
axis.axvline(32**2, color="0.8", zorder=0)
axis.set(xscale="log", xlabel="pixels of the object (the line: COCO's 'small')", ylabel="best possible IoU")
axis.legend(frameon=False)
plt.show()
print("soft is better for", (from_soft > from_hard).sum(), "of", len(from_soft), "objects")
class_ids = [instance.class_id for index in range(len(dataset)) for instance in dataset.instances(index)]
hardest = class_ids[int(from_soft.argmin())]
print("and yet one of them keeps an IoU below .75: a", dataset.names[hardest])

# %% [markdown]
# On 239 COCO photos, perfect predictions of hard targets would reach .76 AP, or .73 where all objects share one map, as
# is usual, and perfect predictions of soft targets .88 (`seglab.diagnosis.upper_bound`; AP, a score from 0 to 1, is
# explained in lesson 06). Soft targets cost nothing at prediction time. They have a limit too: an object part that
# covers less than half of every cell, such as the thin tail of a kite, still vanishes.
#
# ## Back from mask to polygon
#
# Follow the pixels' edges with the object always on the right-hand side. Every pixel of the object has up to four such
# directed edges: those that face a pixel outside.


# %%
def border_edges(mask):
    edges = {}
    for row, column in np.argwhere(mask):
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        neighbors = [(row - 1, column), (row, column + 1), (row + 1, column), (row, column - 1)]
        for side, (r, c) in enumerate(neighbors):
            inside = 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1] and mask[r, c]
            if not inside:
                edges[tuple(map(int, corners[side]))] = tuple(map(int, corners[(side + 1) % 4]))
    return edges


edges = border_edges(mask)
print(len(edges), "edges; the one from (1, 1) leads to", edges[1, 1])

# %% [markdown]
# Then walk: the end of each edge is the start of the next, until the walk is back where it began. An edge that is left
# over starts the next ring. Holes automatically come out in the opposite direction. One case would need more care: where
# two pixels touch only at a corner, two edges begin at the same point, and our dict keeps the last. (The library turns
# right there, so that each pixel has a ring of its own.)


# %%
def trace(mask):
    edges, rings = border_edges(mask), []
    while edges:
        start = next(iter(edges))
        ring, point = [start], edges.pop(start)
        while point != start:
            ring.append(point)
            point = edges.pop(point)
        rings.append(np.array(ring, dtype=float))
    return rings


areas = [float(shoelace(ring)) for ring in trace(mask)]
print("areas:", areas, "- a solid ring, its hole, and the pixel on its own")

# %%
from seglab.geometry.contours import mask_to_rings

assert sorted(areas) == sorted(map(ring_area, mask_to_rings(mask)))
assert np.array_equal(fill(mask_to_rings(mask), 6, 8), mask)
for ground_truth in ground_truths:
    assert np.array_equal(fill(mask_to_rings(ground_truth), 480, 640), ground_truth)
print("mask -> rings -> mask gives every pixel back, for", len(ground_truths), "objects, holes included")

# %% [markdown]
# Our version fails where two pixels touch only at a corner: two edges start there, and a dict keeps one of them (try
# `trace(np.eye(2, dtype=bool))`). The library's version treats such pixels as separate, keeps only true corners, and is
# fast. Beware of the usual shortcut: `cv2.findContours` runs through pixel *centers*, which cuts half a pixel off on
# every side.

# %%
square = np.zeros((8, 8), np.uint8)
square[2:6, 2:6] = 1
outlines, _ = cv2.findContours(square, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
print("a square of", square.sum(), "pixels: findContours gives", cv2.contourArea(outlines[0]), end=", ")
print("edges give", ring_area(mask_to_rings(square.astype(bool))[0]))

# %% [markdown]
# ## Recap
#
# - A pixel is a square with its center at ½; coordinates are points in the plane. This rule prevents half of all
#   off-by-one bugs.
# - IoU compares two masks; run lengths store them, column by column, zeros first; polygons store their corners.
# - Rings of positive area are solid, rings of negative area are holes, and tracing pixel edges gives both without loss.
# - Coverage is the exact fraction of each cell inside the object. As a training target it keeps much of what a hard
#   mask at a quarter of the resolution throws away.
#
# ## Sources
#
# - Lin et al., *Microsoft COCO: Common Objects in Context*, 2014, and the run-length format of its tools,
#   pycocotools.
# - Sutherland and Hodgman, *Reentrant polygon clipping*, Communications of the ACM 17, 1974.
# - The library: `seglab/geometry/rle.py`, `polygons.py`, `raster.py` and `contours.py`;
#   `seglab/data/mask_targets.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
