# %% [markdown]
# # 10 · From COCO JSON to YOLO-seg and back, without loss
#
# COCO stores its annotations in one JSON file, YOLO tools in a small text file per image. Many scripts convert one into
# the other, and what they lose, they lose silently. This lesson rebuilds what the best-known converter does, measures
# what it keeps and what it loses, and fixes it.
#
# After this lesson you can
#
# 1. read both formats by eye and say what each can express and the other cannot,
# 2. find by measurement what a converter loses: crowds, holes, class numbers, half pixels,
# 3. convert both ways without losing a pixel, and read the fidelity report that proves it.
#
# **Study time:** 45 minutes. **Compute time:** about 15 seconds on a CPU. No GPU is needed. **Prerequisites:** lesson
# 09.

# %%
import json
import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np

from seglab.geometry import rle
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.raster import fill

folder = Path(tempfile.mkdtemp())
print("files in the working folder:", len(list(folder.iterdir())))

# %% [markdown]
# ## A dataset of one image
#
# One image of 80 × 60 pixels, with four annotations: a book whose middle is hidden by a bottle, so that **two parts** of
# it are visible; a donut with a **hole**; a cup; and a pile of books that nobody wanted to outline one by one, a
# **crowd**.

# %%
y, x = np.mgrid[:60, :80] + 0.5  # centers of pixels
donut = (np.hypot(x - 58, y - 18) < 13) & (np.hypot(x - 58, y - 18) > 5)
pile = (x > 48) & (y > 40) & (y < 56)
book = [[6, 6, 18, 6, 18, 30, 6, 30], [24, 6, 38, 6, 38, 30, 24, 30]]  # two parts: x y x y ...
cup = [[10.1, 38.3, 30.7, 38.3, 28.2, 54.9, 12.4, 54.9]]


def uncompressed_rle(mask):
    return {"size": list(mask.shape), "counts": rle.counts_of(rle.encode(mask)).tolist()}


shapes = [(84, book, 0), (60, uncompressed_rle(donut), 0), (47, cup, 0), (84, uncompressed_rle(pile), 1)]
print([("RLE" if isinstance(shape, dict) else f"{len(shape)} polygon(s)") for _, shape, _ in shapes])

# %% [markdown]
# Here is the same as JSON. Note two points: COCO's category ids have **gaps** (84 is the book), and a mask is either a
# list of polygons or run lengths (RLE, lesson 09).

# %%
categories = [{"id": 47, "name": "cup"}, {"id": 60, "name": "donut"}, {"id": 84, "name": "book"}]
annotations = [
    {"id": number, "image_id": 7, "category_id": category, "segmentation": shape, "iscrowd": crowd}
    for number, (category, shape, crowd) in enumerate(shapes, start=1)
]
image = {"id": 7, "file_name": "still_life.png", "width": 80, "height": 60}
content = {"images": [image], "annotations": annotations, "categories": categories}
(folder / "instances_train.json").write_text(json.dumps(content))
cv2.imwrite(str(folder / "still_life.png"), np.full((60, 80, 3), 235, np.uint8))
print(json.dumps(annotations[0]))

# %% [markdown]
# The ground truth, as COCO draws it, one color per annotation: this is what every conversion is measured against.


# %% alt="Four masks on a small image: a book in two parts, a ring-shaped donut, a cup, and a crowd of books."
def true_mask(annotation):
    shape = annotation["segmentation"]
    if isinstance(shape, dict):
        return rle.decode(shape)
    return fill([np.reshape(part, (-1, 2)) for part in shape], 60, 80)


ground_truth = [true_mask(annotation) for annotation in annotations]
canvas = sum(number * mask for number, mask in enumerate(ground_truth, start=1))
figure, axis = plt.subplots(figsize=(4.8, 3.6), dpi=80)
axis.imshow(np.ma.masked_equal(canvas, 0), cmap="tab10", vmin=0, vmax=9, extent=(0, 80, 60, 0))
for x_at, y_at, name in ((22, 3, "book, two parts"), (58, 3, "donut"), (20, 36, "cup"), (64, 38, "books, a crowd")):
    axis.text(x_at, y_at, name, ha="center", va="center", fontsize=9)
axis.set(xlabel="x, pixels", ylabel="y, pixels")
plt.show()
print("pixels:", [int(mask.sum()) for mask in ground_truth])

# %% [markdown]
# ## What the usual converter does
#
# A YOLO-seg label file has one row per object: `class x1 y1 x2 y2 ...`, with coordinates as fractions of the image's size.
# So there is **one** polygon per row, without holes, and there are no crowds. The best-known converter is `convert_coco`
# of the ultralytics package (its predecessor was JSON2YOLO, a repository by the same authors). Its documentation says
# what happens to an object with several parts: they are joined into one polygon by a thin line between their nearest
# points. What else it does can be seen by converting small files with it (version 8.4): crowds are dropped; the class is
# the category id minus 1, or taken from a fixed table of COCO's 80 classes; and a run-length mask is traced through the
# *centers* of its outermost pixels, without its holes.
#
# Joining parts is the clever bit. The format has one polygon per row, but no rule says that a polygon must not touch
# itself. Follow the first ring, cross over to the second at the nearest corners, go around it, and come back **the same
# way**. This seam has no width: a fill method that counts crossings counts it twice, so it has no effect.


# %%
def join(a, b):
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)  # from every corner of a to every corner of b
    i, j = np.unravel_index(squares.argmin(), squares.shape)
    return np.concatenate((a[: i + 1], b[j:], b[: j + 1], a[i:]))


parts = [np.reshape(part, (-1, 2)).astype(float) for part in book]
row = join(*parts)
print(len(parts[0]), "+", len(parts[1]), "corners become", len(row), "with two for the way there and back")

# %% [markdown]
# With this function, here is the whole converter, in code of our own:

# %%
from functools import reduce


def usual_outline(shape):
    if isinstance(shape, dict):
        outlines, _ = cv2.findContours(rle.decode(shape).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return reduce(join, [outline.reshape(-1, 2).astype(float) for outline in outlines])
    return reduce(join, [np.reshape(part, (-1, 2)).astype(float) for part in shape])


def usual_script(annotations):
    rows = []
    for annotation in annotations:
        if not annotation["iscrowd"]:
            outline = usual_outline(annotation["segmentation"]) / (80, 60)
            rows.append(f"{annotation['category_id'] - 1} " + " ".join(f"{v:.6f}" for v in outline.ravel()))
    return rows


rows = usual_script(annotations)
print(" ".join(f"{float(word):g}" for word in rows[0].split()[:7]), "...")

# %% [markdown]
# Read the rows back, draw them as COCO does, and compare with the ground truth, object by object.


# %%
def read_row(row):
    outline = np.array(row.split()[1:], dtype=float).reshape(-1, 2) * (80, 60)
    return fill([outline], 60, 80) | fill([outline[::-1]], 60, 80)  # in either direction


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


usual = [read_row(row) for row in rows]
for name, mask, real in zip(("book", "donut", "cup"), usual, ground_truth):
    print(f"{name:6} IoU {iou(mask, real):.3f}, pixels {mask.sum()} of {real.sum()}")

# %% alt="The ground truth beside what the usual converter kept of it: both parts of the book are there, the donut is a smaller disc without its hole."
figure, axes = plt.subplots(1, 2, figsize=(8, 3), dpi=80)
for axis, masks, title in zip(axes, (ground_truth[:3], usual), ("ground truth", "after the usual converter")):
    canvas = sum(number * mask for number, mask in enumerate(masks, start=1))
    axis.imshow(np.ma.masked_equal(canvas, 0), cmap="tab10", vmin=0, vmax=9, extent=(0, 80, 60, 0))
    axis.set(title=title, xticks=[], yticks=[])
plt.show()
print("class numbers written:", [int(row.split()[0]) for row in rows], "for a dataset of", len(categories), "classes")

# %% [markdown]
# Count the losses. The book's **parts** are all there: with COCO's fill method, nothing is lost. The **crowd** is silently
# dropped: evaluation will count every detection on that pile as wrong. The **hole** is filled, and the donut's rim is
# **half a pixel** too far inside, as with every run-length mask. The **class numbers** do not fit the three class names;
# with COCO's list of 80 names, 59 and 46 would be wrong classes that nobody notices (donut is 54, cup is 41), and 83
# would be beyond the end of the list. And the fill method matters, as a later section shows: many trainers fill with cv2.
#
# ## Fixing it, one loss at a time
#
# **Classes**: sort the category ids and number them from 0. Never subtract.

# %%
class_of = {category["id"]: number for number, category in enumerate(sorted(categories, key=lambda c: c["id"]))}
print(class_of)
assert [class_of[category] for category in (47, 60, 84)] == [0, 1, 2]

# %% [markdown]
# **Outlines of run-length masks**: follow the edges of the pixels, as in lesson 09. Holes become rings in the opposite
# direction.

# %%
from seglab.geometry.polygons import join_rings, ring_area, split_row

rings = mask_to_rings(ground_truth[1])
print(
    "areas:",
    [ring_area(ring) for ring in rings],
    "- together",
    sum(map(ring_area, rings)),
    "pixels, as many as in the ground truth",
)
assert np.array_equal(fill(rings, 60, 80), ground_truth[1])

# %% [markdown]
# **Holes in a row**: the same kind of seam connects them. A hole's ring runs in the opposite direction, so its area is
# negative.

# %%
assert ring_area(row) == sum(map(ring_area, parts))
assert np.array_equal(fill([row], 60, 80), ground_truth[0])
own, library = join(*rings), join_rings(rings)
assert np.array_equal(fill([own], 60, 80), ground_truth[1]) and np.array_equal(fill([library], 60, 80), ground_truth[1])
again = split_row(library)
print("split_row takes the row apart again, into rings of areas", [ring_area(r) for r in again])
assert sorted(map(ring_area, again)) == sorted(map(ring_area, rings))

# %% alt="The donut's outline as one polygon: around the rim, along a seam to the hole, around the hole, and back."
figure, axis = plt.subplots(figsize=(4, 4), dpi=80)
axis.fill(*own.T, color="C1", alpha=0.4)
axis.plot(*np.concatenate((own, own[:1])).T, color="C1")
i = int(((rings[0][:, None] - rings[1][None]) ** 2).sum(axis=2).min(axis=1).argmin())
axis.plot(*own[i : i + 2].T, color="C3", linewidth=3, label="the seam, there and back")
axis.set(xlim=(43, 73), ylim=(33, 3), aspect="equal")
axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False, fontsize=9)
plt.show()
print("one closed polygon with", len(own), "corners")

# %% [markdown]
# **Decimals.** Fractions are written as text, with a limited number of digits. How many does a mask need? Take discs of
# radius 10 in an image 640 pixels wide:

# %%
turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
rng = np.random.default_rng(0)
rings = [10 * np.stack((np.cos(turn), np.sin(turn)), axis=1) + rng.uniform(20, 600, 2) for _ in range(40)]
for decimals in (2, 3, 4, 6):
    masks = [(fill([np.round(ring / 640, decimals) * 640], 640, 640), fill([ring], 640, 640)) for ring in rings]
    print(f"{decimals} decimals: mean IoU {np.mean([iou(*pair) for pair in masks]):.3f}")

# %% [markdown]
# Six are enough for most masks. But COCO's own fill method rounds coordinates to fifths of a pixel, so the last digit
# can still move a corner that lies halfway between two fifths. The library writes nine decimals, and keeps coordinates
# away from those halfway points.
#
# **Crowds** cannot be expressed as a label row. They are stored in a small JSON file next to the labels, which
# evaluation reads.
#
# ## The library's converter, and its report
#
# One call links the images, writes the labels and stores crowds separately; then it draws every object again and
# compares it with its source. The output is written completely or not at all.

# %%
from seglab.convert import convert

report = convert(folder / "instances_train.json", images=folder, out=folder / "mine")
print(
    report.instances,
    "objects:",
    report.instances_written,
    "written,",
    report.crowds,
    "crowd stored separately,",
    report.lost,
    "lost",
)
small = report.own["small"]
print(f"{small.instances} small objects, mean IoU {small.mean:.3f}, worst {small.worst:.3f}")
assert report.worst == 1.0

# %%
labels = (folder / "mine" / "labels" / "train" / "still_life.txt").read_text().splitlines()
print("\n".join(f"class {label.split()[0]}: {len(label.split()) // 2} corners" for label in labels))
assert [int(label.split()[0]) for label in labels] == [class_of[each["category_id"]] for each in annotations[:3]]
for label, mask in zip(labels, ground_truth):
    assert np.array_equal(read_row(label), mask)
print("every row, read as one polygon, gives the mask of its source")

# %% [markdown]
# The report measures fidelity for two types of reader. `report.own` is for this library, which splits rows at their
# seams. `report.other` is for a reader that takes each row as one polygon. Both are 1 here: the labels work for both, as
# long as polygons are filled as COCO does. A trainer that fills with cv2 (lesson 09) also paints the seam, as a line one
# pixel wide. Without the seam its masks would hardly be better, since cv2 makes every outline thicker:


# %%
def by_cv2(rings):
    return cv2.fillPoly(np.zeros((60, 80), np.uint8), [ring.astype(np.int32) for ring in rings], 1).astype(bool)


outline = np.array(labels[0].split()[1:], dtype=float).reshape(-1, 2) * (80, 60)  # the book's
with_seam, without = by_cv2([outline]), by_cv2(split_row(outline))
print("the seam costs", (with_seam & ~without).sum(), "pixels, the thick outline", (without & ~ground_truth[0]).sum())
ious = [iou(mask, ground_truth[0]) for mask in (with_seam, without)]
print(f"the book's IoU by cv2: {ious[0]:.2f} with the seam, {ious[1]:.2f} without")

# %% [markdown]
# **If nothing may be lost**, tell the converter so: with `strict=0.99`, it writes nothing at all if any object is lost
# or has an IoU below .99.

# %%
broken = json.loads(json.dumps(content))
broken["annotations"][2]["segmentation"] = [[10, 10, 12, 10]]  # two points, no area
(folder / "broken_train.json").write_text(json.dumps(broken))
refused = convert(folder / "broken_train.json", images=folder, out=folder / "broken", strict=0.99)
assert not refused.passed and not (folder / "broken").exists()
print("nothing written, because:", refused.issues[0].message)

# %% [markdown]
# ## And back
#
# Convert the YOLO folder to a JSON file, including the crowd and the category ids, and compare it with the original.

# %%
back = convert(folder / "mine", out=folder / "back.json", to="coco")
returned = json.loads((folder / "back.json").read_text())
print("categories:", {c["id"]: c["name"] for c in returned["categories"]})


def key(annotation):
    return annotation["category_id"], annotation["iscrowd"]


for before, after in zip(sorted(annotations, key=key), sorted(returned["annotations"], key=key)):
    assert key(before) == key(after) and np.array_equal(true_mask(before), true_mask(after))
print(len(returned["annotations"]), "annotations, each with its original pixels")

# %% [markdown]
# ## On the course's scenes
#
# The course's own scenes come with a COCO JSON file. Some of their objects are cut in two by others, and handles and
# rings have holes. Here are the usual converter and the library's on the same file:

# %%
from seglab.datasets.load import load_dataset

toybox = load_dataset("toybox8-seg").root
source = json.loads((toybox / "annotations" / "instances_train.json").read_text())


def native(shape, outline=None):
    if outline is not None:
        return fill([outline], 480, 640) | fill([outline[::-1]], 480, 640)
    return rle.decode(shape) if isinstance(shape, dict) else fill([np.reshape(p, (-1, 2)) for p in shape], 480, 640)


shapes = [annotation["segmentation"] for annotation in source["annotations"]]
kept = np.array([iou(native(shape, usual_outline(shape)), native(shape)) for shape in shapes])
report = convert(
    toybox / "annotations" / "instances_train.json", images=toybox / "images" / "train", out=folder / "toys"
)
print(f"library: {report.lost} objects lost, worst IoU {report.worst:.3f}")
print(
    f"usual converter: mean IoU {kept.mean():.3f}, worst {kept.min():.3f}, {(kept < 0.9).sum()} of {len(kept)} under .9"
)
assert report.worst > kept.mean() and report.instances_written == len(kept)

# %% alt="The object that the usual converter damages most, as it is and as the converter leaves it, and what differs."
worst = int(kept.argmin())
before, after = native(shapes[worst]), native(shapes[worst], usual_outline(shapes[worst]))
rows, columns = np.nonzero(before | after)
window = slice(max(rows.min() - 5, 0), rows.max() + 5), slice(max(columns.min() - 5, 0), columns.max() + 5)
figure, axes = plt.subplots(1, 3, figsize=(9, 3), dpi=80)
for axis, image, title in zip(axes, (before, after, before ^ after), ("source", "usual converter", "what differs")):
    axis.imshow(image[window], cmap="Reds" if title == "what differs" else "Blues", vmin=0, vmax=1.3)
    axis.set(title=title, xticks=[], yticks=[])
plt.show()
solid = sum(ring_area(ring) > 0 for ring in mask_to_rings(before))
print(f"an object in {solid} parts, of which the usual converter keeps {len(mask_to_rings(after))}")

# %% [markdown]
# On 239 COCO photos, polygons written to the text format had a mean IoU of .999 with their sources when filled by COCO's
# own method. **The text format is not the problem**; converters and fill methods are.
#
# ## Recap
#
# - COCO JSON can express parts, holes and crowds; a YOLO row is one polygon. Seams of zero width connect parts and holes
#   in it.
# - Number the categories by sorted id. Trace the edges of pixels, not their centers. Store crowds separately, since
#   evaluation needs them.
# - Do not trust a converter that does not redraw what it wrote and compare it with the source: that costs seconds.
#
# ## Sources
#
# - Lin et al., *Microsoft COCO: Common Objects in Context*, 2014, and the format described at cocodataset.org.
# - The library: `seglab/convert/conversion.py`, `seglab/convert/rows.py`, `seglab/formats/yolo.py`,
#   `seglab/geometry/polygons.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
