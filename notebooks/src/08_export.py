# %% [markdown]
# # 08 · Export: one file, the same numbers
#
# A trained network is deployed to a phone, a browser, a camera, a program without Python. What is deployed is a file,
# and around the file somebody writes the code that prepares its input and reads its output. Nearly everything that goes
# wrong goes wrong there. This lesson exports the course's network, runs the file and decodes its raw tensors with numpy
# and cv2, and measures why an exported file so often "gives different results".
#
# After this lesson you can
#
# 1. export a network, run the file, and decode its output with numpy and cv2 into the library's boxes and masks,
# 2. tell floating-point error from a real fault, and write a parity check that accepts or rejects a file,
# 3. explain why the original and its export disagree (the letterbox, not the floats), and choose a format by measuring.
#
# **Study time:** an hour and a half. **Compute time:** about a minute on a CPU. No GPU is needed. **Prerequisites:**
# lesson 02. Besides the course's library, you need ONNX and ONNX Runtime: `pip install onnx onnxruntime`.

# %%
import contextlib
import io
import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import torch

from seglab import YOLO
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset

model = YOLO("toybox-n")
photos = [read_image(path) for path in load_dataset("toybox8-seg").images("val")]
print(len(model.names), "classes,", len(photos), "photos of", photos[0].shape)

# %% [markdown]
# ## What is exported
#
# An ONNX file is a list of operations and the numbers they need. Exporting means running the network once and recording
# every operation. First with the library, which checks each file before it returns it (that is the second half of this
# lesson) and prints the result of the check; we hide that output for the moment.
#
# Then by hand. What is exported is the network with the decoding of its boxes, and with batch normalization folded: in
# a network that no longer learns, it is a fixed scale and shift, which can be merged into the convolution before it
# (lesson 02, exercise 2). torch has two exporters. The modern one, `dynamo=True`, reads the program itself
# (`torch.export`) and turns its graph into operations of ONNX; it needs the package onnxscript. The older one runs the
# network on an example and records what happens; it depends on nothing but torch, and the library's file is made by it.
# Where onnxscript is missing, the cell uses the older one as well. The third cell looks into the library's file:
# neither batch normalization nor Python is left in it.

# %%
folder = Path(tempfile.mkdtemp())


def export(name, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        return Path(model.export(out=folder / name, imgsz=320, **options))


file = export("toybox", format="onnx")
print(f"{file.name}: {file.stat().st_size / 1e6:.0f} MB")

# %%
import warnings
from importlib.util import find_spec

from seglab.export.inference_model import InferenceModel  # the network, folded, and the decoding of its boxes

own_file, example = folder / "own.onnx", torch.zeros(1, 3, 320, 320)
options = {"input_names": ["images"], "output_names": ["predictions", "prototypes"]}
options["dynamo"] = bool(find_spec("onnxscript"))
with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")  # each says something on the other
    torch.onnx.export(InferenceModel(model.network).eval(), (example,), str(own_file), external_data=False, **options)
print(f"{own_file.name}: {own_file.stat().st_size / 1e6:.0f} MB")

# %%
import ast

import onnx

operations = [node.op_type for node in onnx.load(file).graph.node]
print(operations.count("Conv"), "convolutions,", operations.count("BatchNormalization"), "batch normalizations")
assert "Conv" in [node.op_type for node in onnx.load(own_file).graph.node]
session = onnxruntime.InferenceSession(str(file))
for tensor in (*session.get_inputs(), *session.get_outputs()):
    print(f"{tensor.name:12}", tensor.shape)
about = session.get_modelmeta().custom_metadata_map
print(list(ast.literal_eval(about["names"]).values())[:3], "... the class names travel in the file")

# %% [markdown]
# ## Preparing the input: the letterbox
#
# The file takes exactly 320 × 320. A photo does not have that shape, so it is scaled to fit and centered, and the rest
# is filled with gray 114, the border that the network saw in training. The input is RGB in 0..1, channels first.


# %%
def letterboxed(image, size=320, gray=114):
    height, width = image.shape[:2]
    ratio = min(size / height, size / width)
    inner = round(height * ratio), round(width * ratio)
    top, left = (size - inner[0]) // 2, (size - inner[1]) // 2
    canvas = np.full((size, size, 3), gray, np.uint8)
    canvas[top : top + inner[0], left : left + inner[1]] = cv2.resize(image, inner[::-1])
    return canvas, ratio, top, left


def to_input(canvas):
    return canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255


photo = photos[0]
canvas, ratio, top, left = letterboxed(photo)
print("photo", photo.shape[:2], "-> scaled by", ratio, "-> placed at row", top, "column", left)

# %%
from seglab.export import decode_numpy
from seglab.geometry.letterbox import letterbox

assert np.array_equal(canvas, letterbox(photo.shape[:2], (320, 320)).apply(photo))
images, placement = decode_numpy.preprocess(photo, (320, 320))  # placement: how it was scaled and where it was placed
assert np.array_equal(images, to_input(canvas))
predictions, prototypes = session.run(None, {"images": images})
own = onnxruntime.InferenceSession(str(own_file)).run(None, {"images": images})
difference = max(np.abs(mine - theirs).max() for mine, theirs in zip(own, (predictions, prototypes)))
print(f"largest difference to the file exported by hand: {difference:.2f}")
assert difference < 0.005
print("predictions", predictions.shape, "prototypes", prototypes.shape)

# %% [markdown]
# There are 2,100 anchor points (40² + 20² + 10²), with one column each: 4 numbers for the box, 10 class probabilities,
# 32 mask coefficients.
#
# ## Decoding, first half: from the head's raw numbers
#
# The file returns finished boxes, because their arithmetic was exported along with the network. Some devices stop
# earlier, at the head's raw output, and leave the arithmetic to you. Here it is, on plain arrays: 64 numbers per point
# (four sides, 16 bins each), class *logits*, coefficients. A point is the center of its cell; strides 8, 16 and 32
# follow each other, each row by row.
#
# Take the softmax over the 16 bins, then the mean, times the stride: these are the distances to left, top, right and
# bottom. (Subtracting the maximum first changes nothing but keeps `exp` from overflowing.)

# %%
from seglab.model.yolo11 import fuse

network = fuse(model.network)
with torch.inference_mode():
    raw = [part[0].numpy() for part in network(torch.from_numpy(images))]
bins, logits, coefficients, _ = raw
print("bins", bins.shape, "logits", logits.shape, "coefficients", coefficients.shape)
points, strides = [], []
for stride in (8, 16, 32):
    rows, columns = np.mgrid[: 320 // stride, : 320 // stride]
    points.append(np.stack((columns.ravel(), rows.ravel()), axis=1) * stride + stride / 2)
    strides.append(np.full((len(points[-1]), 1), stride))
points, strides = np.concatenate(points), np.concatenate(strides)
print("first point:", points[0].tolist(), "last:", points[-1].tolist())

# %%
b = bins.reshape(4, 16, -1)
weights = np.exp(b - b.max(axis=1, keepdims=True))
weights /= weights.sum(axis=1, keepdims=True)
distance = np.einsum("ska,k->as", weights, np.arange(16)) * strides  # (2100, 4)
corners = np.concatenate((points - distance[:, :2], points + distance[:, 2:]), axis=1)
center, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
decoded = np.concatenate((center, size, 1 / (1 + np.exp(-logits.T)), coefficients.T), axis=1).T
error = np.abs(decoded - predictions[0])
print(f"largest difference to the file's boxes {error[:4].max():.1f} px, scores {error[4:14].max():.3f}")
assert error[:4].max() < 0.01 and error[4:14].max() < 1e-5 and error[14:].max() < 1e-3

# %% [markdown]
# ## Decoding, second half: from points to objects
#
# From here on we use the file's own output. Keep the points whose best class score is high enough, best first.

# %%
columns = predictions[0].T  # (2100, 46)
columns = columns[columns[:, 4:14].max(axis=1) > 0.25]
columns = columns[np.argsort(-columns[:, 4:14].max(axis=1), kind="stable")]
scores, classes = columns[:, 4:14].max(axis=1), columns[:, 4:14].argmax(axis=1)
boxes = np.concatenate((columns[:, :2] - columns[:, 2:4] / 2, columns[:, :2] + columns[:, 2:4] / 2), axis=1)
assert len(boxes) and (scores[:-1] >= scores[1:]).all()
print("a column is one candidate:", columns.shape[1], "numbers")

# %% [markdown]
# Neighboring points detected the same object. **Non-maximum suppression**: take the best box, drop every box that
# overlaps it by more than 0.7 *and has the same class*, take the best of what is left, and so on.


# %%
def iou_with(box, others):
    shared = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None).prod(axis=1)
    area, areas = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / (area + areas - shared)


kept, waiting = [], list(range(len(boxes)))
while waiting:
    best, *rest = waiting
    kept.append(best)
    rivals = (iou_with(boxes[best], boxes[rest]) > 0.7) & (classes[rest] == classes[best])
    waiting = [index for index, rival in zip(rest, rivals) if not rival]
print(len(kept), "objects of", len(boxes), "candidates")
assert kept == decode_numpy.suppress(boxes, scores, classes, 0.7).tolist()

# %% [markdown]
# **Masks.** Coefficients times prototypes: a map of 80 × 80 for each object, positive where the object is. The photo's
# pixels are finer, so compute where each pixel *center* lies on that map, and interpolate between the four cells around
# it (bilinearly; a cell's center, too, lies at a half). A pixel outside the box cannot belong to the object.
#
# Then the test: does all this agree with the decoder that the library offers for copying into other projects, and with
# the library itself?


# %%
def read_between(grid, y, x):
    y, x = np.clip(y - 0.5, 0, len(grid) - 1), np.clip(x - 0.5, 0, grid.shape[1] - 1)
    row, column = np.minimum(y.astype(int), len(grid) - 2), np.minimum(x.astype(int), grid.shape[1] - 2)
    v, u = (y - row)[:, None], (x - column)[None]
    above = grid[row][:, column] * (1 - u) + grid[row][:, column + 1] * u
    below = grid[row + 1][:, column] * (1 - u) + grid[row + 1][:, column + 1] * u
    return above * (1 - v) + below * v


def mask_of(index):
    logit = np.tensordot(columns[index, 14:], prototypes[0], axes=1)  # (80, 80)
    y, x = np.arange(480) + 0.5, np.arange(640) + 0.5  # pixel centers of the photo
    x0, y0, x1, y1 = np.clip((boxes[index] - [left, top] * 2) / ratio, 0, [640, 480] * 2)
    inside = ((y >= y0) & (y < y1))[:, None] & ((x >= x0) & (x < x1))
    return (read_between(logit, (y * ratio + top) / 4, (x * ratio + left) / 4) > 0) & inside


masks = [mask_of(index) for index in kept]
print("masks at the photo's own resolution:", masks[0].shape)

# %%
from seglab.geometry import rle


def same_masks(mine, theirs):
    overlap = rle.iou([rle.encode(m) for m in mine], [rle.encode(m) for m in theirs])
    return len(mine) == len(theirs) and overlap.diagonal().min()


masks = [mask for mask in masks if mask.any()]  # a mask without a pixel is no object
copied = decode_numpy.decode(predictions[0], prototypes[0], placement)
(result,) = YOLO(file).predict(photo[..., ::-1], device="cpu")  # the facade takes arrays as cv2 gives them, BGR
for name, others in (("decode_numpy.py", copied[3]), ("YOLO(file).predict", result.masks.numpy().data > 0)):
    lowest = same_masks(masks, others)
    assert lowest > 0.999
    print(f"lowest IoU with the masks of {name}: {lowest:.2f}")

# %% [markdown]
# In the figure that follows, red logits are positive and blue ones negative. The map is only right inside the object's
# box (the black rectangle); outside, it was never trained (lesson 03) and may be positive on other objects as well.

# %% alt="The letterboxed photo with its gray border, one object's mask as a coarse map of logits, and the photo with every decoded mask in color."
from seglab.drawing.overlays import draw_instances

largest = max(range(len(kept)), key=lambda i: np.prod(boxes[kept[i], 2:] - boxes[kept[i], :2]))
logit = np.tensordot(columns[kept[largest], 14:], prototypes[0], axes=1)
figure, axes = plt.subplots(1, 3, figsize=(9.6, 2.9), dpi=80, width_ratios=(3, 3, 4))
axes[0].imshow(canvas)
axes[1].imshow(logit, cmap="RdBu_r", vmin=-12, vmax=12)
(x0, y0), (x1, y1) = boxes[kept[largest]].reshape(2, 2) / 4
axes[1].add_patch(plt.Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False))
axes[2].imshow(draw_instances(photo, copied[2], crops=[(0, 0, m) for m in copied[3]], opacity=0.65))
for axis, title in zip(axes, ("what goes in", "one object: 80 x 80 logits", "what is found, decoded by numpy")):
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
figure.tight_layout()
plt.show()
print("colored by class:", ", ".join(sorted({model.names[int(class_id)] for class_id in copied[2]})))

# %% [markdown]
# ## The parity check
#
# "The export works" should be a measurement. Give the *same tensor* to the network and to its file and compare
# numbers. They will not be equal: sums are taken in another order, and the seventh digit differs. What matters is
# that it is the seventh and not the second.
#
# How much is too much, then? A fixed number of pixels is the wrong measure: a network with large activations rounds
# coarsely, and a correct file would be rejected. So use the network itself. Computed in float64 it is exact for our
# purposes; the difference between its float32 version and that is *its own rounding error*, on these very images. A
# file may differ by ten times as much (fast convolutions by Winograd's method lose up to one decimal digit), and by no
# more.

# %%
reference, exact, forward = (
    InferenceModel(model.network),
    InferenceModel(model.network, torch.float64),
    YOLO(file).runtime.forward,
)
with torch.inference_mode():
    ours, ground_truth, theirs = (network(torch.from_numpy(images))[0] for network in (reference, exact, forward))
for name, rows in (("boxes", slice(0, 4)), ("scores", slice(4, 14)), ("coefficients", slice(14, 46))):
    own_rounding = (ours - ground_truth)[:, rows].abs().max().item()
    max_error = (theirs - ours)[:, rows].abs().max().item()
    print(f"{name}: largest difference {max_error:.3f}, at most ten times the network's own rounding")
    assert 0 < own_rounding < 0.01 and max_error <= 10 * own_rounding

# %% [markdown]
# Numbers alone are a poor judge, though. Suppression goes by rank, so noise may swap two nearly tied boxes, and a
# row-by-row comparison then reports errors of many pixels where nothing is wrong. So the library's parity check,
# through which every export passes, also compares detections **as sets** (has every object on one side a partner on the
# other?) and their masks. Its numbers differ from CPU to CPU in their last digits; here are its verdicts. *RMS* is the
# root mean square error over all numbers of one type: the max error reveals a single wrong number, the RMS a small
# error in all of them.

# %%
for name, row in YOLO(file).runtime.metadata.parity.items():
    if row["limit"] is not None:
        print(f"the library's parity check: {name:42} {'ok' if row['ok'] else 'FAILS'}")

# %% [markdown]
# A check that has never rejected anything is a decoration. Plant faults of the type that real converters have, and see
# whether the check catches them, and how clearly: by how many times the limit?

# %%
from seglab.export.parity import LIMITS, compare
from seglab.export.reference import Reference

judge = Reference.of(model.network, "fp32")


def rows_with(change):
    def broken(images):
        return change(*(part.clone() for part in forward(images)))

    with torch.inference_mode():
        return compare(judge, broken, photos[:2], (320, 320), LIMITS["fp32"])


def clearest(change):
    """Of the rows that fail on their numbers, the one that exceeds its limit most, and how many times."""
    rows = [row for row in rows_with(change) if row.limit is not None and not row.at_least and not row.ok]
    return max(((row.value / row.limit, row.name) for row in rows), default=(0, "nothing"))


assert all(row.ok for row in rows_with(lambda p, q: (p, q)))

# %%
faults = {
    "boxes half a pixel to the right": lambda p, q: (torch.cat((p[:, :1] + 0.5, p[:, 1:]), dim=1), q),
    "prototypes one cell too low": lambda p, q: (p, q.roll(1, dims=2)),
    "classes in another order": lambda p, q: (torch.cat((p[:, :4], p[:, 4:14].flip(1), p[:, 14:]), dim=1), q),
}
for name, change in faults.items():
    times, _ = clearest(change)
    assert times > 100
    print(f"{name:32} more than {10 ** int(np.log10(times)):,} times the limit")

# %% [markdown]
# ## Why `.pt` and export can disagree
#
# Sooner or later everybody sees this: the same photo, predicted with the original weights and with the exported file,
# gives different results. Not in the seventh digit: scores differ in the second, and now and then an object is found by
# one and not by the other. The usual explanation is "float error in the export". Measure it: a detection has an *equal*
# on the other side if there is one of the same class with the same box (IoU .99) and the same score (within .01). That
# is strict on purpose: a small shift counts as a difference. With IoU .5 and any score, only detections that were
# gained, lost or given another class are left.


# %%
def without_equal(one, other, overlap=0.99, score=0.01):
    """Fraction of the detections of two sides that have no equal on the other: same class, box and score."""
    unmatched, total = 0, 0
    for a, b in zip(one, other):
        for mine, theirs in ((a, b), (b, a)):
            total += len(mine)
            for row in mine:
                near = (iou_with(row[:4], theirs[:, :4]) >= overlap) & (np.abs(theirs[:, 4] - row[4]) <= score)
                unmatched += not (near & (theirs[:, 5] == row[5])).any()
    return unmatched / total


one = np.array([[10, 10, 50, 50, 0.8, 3]])
higher_score = one + [0, 0, 0, 0, 0.1, 0]
print("fraction without an equal:", without_equal([one], [one]), end=", ")
print("with a higher score:", without_equal([one], [higher_score]))


# %%
def results(source, **options):
    asked = {"device": "cpu", "engine": "torch", **options}  # the network itself, not a copy that runs faster
    return [source.predict(photo[..., ::-1], **asked)[0].boxes.numpy().data for photo in photos]


exported = YOLO(file)
from_weights, from_file = results(model, imgsz=320), results(exported)  # the file stores its size
differ = without_equal(from_weights, from_file)
lost = without_equal(from_weights, from_file, overlap=0.5, score=1)  # nothing of the class overlaps it by half
print(f"detections without an equal: {differ:.0%}, without any counterpart: {lost:.0%}")
assert differ > 0.1 and 0 < lost < 0.05

# %% [markdown]
# The floats are not to blame: the parity check has just shown that. What differs is the *input image*. The file takes
# 320 × 320 and nothing else. The weights take any multiple of 32, so prediction pads as little as it can, and a 640 ×
# 480 photo becomes 320 × 256 (width × height). A different border and a different position on the grid of anchor points
# give different numbers.

# %% alt="The same photo twice: padded to 320 by 256 as prediction with weights does, and to 320 by 320 as the exported file requires, with much more gray."
from seglab.geometry.letterbox import smallest_letterbox

boxed = smallest_letterbox(photo.shape[:2], 320), letterbox(photo.shape[:2], (320, 320))
figure, axes = plt.subplots(1, 2, figsize=(7, 3), dpi=80, sharey=True)
for axis, box, name in zip(axes, boxed, ("weights", "exported file")):
    axis.imshow(box.apply(photo))
    axis.set_title(f"{name}: {box.size[1]} x {box.size[0]}", fontsize=10)
    axis.set_axis_off()
plt.show()
print([f"{box.size[1]} x {box.size[0]}: the photo begins at row {box.pad[0]}" for box in boxed])

# %% [markdown]
# Remove that difference, and the disagreement is gone. You can change either side: let the weights pad to a square, or
# export a file that takes any size.

# %%
flexible = export("flexible", format="onnx", dynamic=True)
square = without_equal(results(model, imgsz=320, rect=False), from_file)
dynamic = without_equal(from_weights, results(YOLO(flexible)))
print(f"weights with rect=False against the file: {square:.0%} differ")
print(f"weights against a file with dynamic=True: {dynamic:.0%} differ")
assert square == dynamic == 0

# %% [markdown]
# Neither letterbox is wrong. The network is simply not shift-invariant: move an image by half a cell, and every score
# changes a little. So compare models with the same letterbox, and in production use the one you validated with.
#
# The other suspects are all in the few lines *before* the network. Give the same file its input in the different ways
# seen in practice:


# %%
def run_with(prepare):
    found = []
    for photo in photos:
        boxed, resized = prepare(photo)  # the canvas, and (height, width) of the photo on it
        output, its_prototypes = session.run(None, {"images": to_input(boxed)})
        corner = (320 - resized[0]) // 2, (320 - resized[1]) // 2
        its_placement = placement._replace(resized=resized, corner=corner)  # decoding goes back the same way
        boxes, scores, classes, _ = decode_numpy.decode(output[0], its_prototypes[0], its_placement)
        found.append(np.column_stack((boxes, scores, classes)))
    return found


right = run_with(lambda photo: (letterboxed(photo)[0], (240, 320)))
print(f"with the right input, {without_equal(right, from_file):.0%} of the detections differ")
assert without_equal(right, from_file) == 0

# %% alt="Bars: fraction of detections that differ, and in another color the few without any counterpart. With the floats of the export: none. With the other letterbox, a black border, swapped colors or stretching: many to all differ, one in eight at most has no counterpart."
sides = {
    "the export's floats": results(model, imgsz=320, rect=False),
    "the other letterbox": from_weights,
    "border black, not gray": run_with(lambda photo: (letterboxed(photo, gray=0)[0], (240, 320))),
    "blue and red swapped": run_with(lambda photo: (letterboxed(photo[..., ::-1])[0], (240, 320))),
    "stretched to a square": run_with(lambda photo: (cv2.resize(photo, (320, 320)), (320, 320))),
}
figure, axis = plt.subplots(figsize=(7, 2.6), dpi=80)
for name, limits in (("no equal", (0.99, 0.01)), ("no counterpart at all", (0.5, 1))):
    fractions = [without_equal(found, from_file, *limits) for found in sides.values()]
    axis.barh(list(sides)[::-1], [100 * fraction for fraction in fractions[::-1]], label=name)
axis.set(xlabel="fraction of the detections, %", xlim=(0, 100))
axis.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()
assert fractions[0] == 0 and max(fractions) < 1 / 7
print("without any counterpart:", {name: f"{fraction:.0%}" for name, fraction in zip(sides, fractions)})

# %% [markdown]
# Most of what these bars count is the same object with a shifted box or another score. Only a few in a hundred are
# gained, lost or given another class with the other letterbox or a black border, and about one in ten with swapped
# colors or stretching. What they cost is measured by mAP (lesson 06).
#
# ## Other formats
#
# Every runtime has its own file, but nothing else changes: the same two tensors, the same decoder, the same check. Half
# precision (`half=True`) rounds to three digits, and so does the network that its file is compared with.
# `docs/export.md` lists what each format needs and can do.

# %%
files = {"ONNX": file, "ONNX fp16": export("half", format="onnx", half=True)}
files["TorchScript"] = export("traced", format="torchscript")
if find_spec("openvino"):
    files["OpenVINO"] = export("intel", format="openvino")
passed = [all(row["ok"] for row in YOLO(path).runtime.metadata.parity.values()) for path in files.values()]
assert all(passed)
print("passed the parity check:", ", ".join(name for name in files if name != "OpenVINO"))

# %% [markdown]
# With `nms=True, masks=True` everything in this lesson goes into the graph: letterbox, suppression, masks. A photo of
# any size goes in, objects come out, and no code around the file is needed. (The last outputs are `output0` and
# `output1` as before, so the file also works with a decoder of your own.) The price: thresholds are fixed in the
# file, and not every runtime can run it.

# %%
whole = onnxruntime.InferenceSession(str(export("whole", format="onnx", nms=True, masks=True)))
print([tensor.name for tensor in (*whole.get_inputs(), *whole.get_outputs())])
found = []
for each in photos:
    *columns_of_it, found_masks = whole.run(["boxes", "scores", "classes", "masks"], {"image": each})
    found.append(np.column_stack(columns_of_it))
    assert found_masks.shape == (len(found[-1]), *each.shape[:2])
alone = without_equal(found, from_file)
assert alone == 0
print(sum(map(len, found)), "objects, each as decoded by hand")

# %% [markdown]
# (They are exactly equal because these photos are scaled by one half. At other ratios the graph's resize may differ
# from cv2's by one gray level.)
#
# ## Eight bits, with numbers
#
# An int8 file is a third of the size, and on hardware with 8-bit units it is faster. Every tensor in it becomes whole
# numbers from 0 to 255. Two numbers tell how to read them, the **scale** $s$, one step, and the **zero point** $z$, the
# whole number that stands for 0:
#
# $$s = \frac{x_\mathrm{max} - x_\mathrm{min}}{255}, \qquad z = \mathrm{round}\Big(\frac{-x_\mathrm{min}}{s}\Big),
# \qquad q = \mathrm{clip}\Big(\mathrm{round}\Big(\frac{x}{s}\Big) + z,\ 0,\ 255\Big), \qquad \hat x = s\,(q - z).$$
#
# SiLU never goes below -0.28, so a feature map needs hardly any of its 256 values for what is negative.


# %%
def quantize(x, low, high):
    scale = (high - low) / 255
    zero = round(-low / scale)
    return np.clip(np.round(x / scale) + zero, 0, 255).astype(np.uint8), scale, zero


def restore(q, scale, zero):
    return scale * (q.astype(np.float32) - zero)


values = np.array([-0.25, -0.1, 0, 0.5, 3, 9.5])
q, scale, zero = quantize(values, low=-0.28, high=8)
print("scale", round(scale, 3), "zero point", zero, "- stored:", q.tolist())
print("restored:", " ".join(f"{value:.2f}" for value in restore(q, scale, zero)))

# %% [markdown]
# Zero comes back exactly, which zero padding needs; 9.5 is clipped to the end of the range. Everything else is off by
# at most half a step. So the range decides: too narrow, and large values are cut off; too wide, and small ones share a
# few steps. **Calibration** finds it by running a few typical images and looking. For the feature map behind layer 4:

# %% alt="Histogram of a feature map's values on a logarithmic scale: a tall peak near zero and a long thin tail; two vertical lines mark the largest value and the 99.9th percentile, less than half as far out."
seen = []
hook = model.network.model[4].register_forward_hook(lambda module, given, output: seen.append(output.numpy()))
with torch.inference_mode():
    for photo in photos:
        model.network(torch.from_numpy(to_input(letterboxed(photo)[0])))
hook.remove()
every = np.stack(seen)
highs = {"largest value": every.max(), "percentile 99.9": np.percentile(every, 99.9)}
figure, axis = plt.subplots(figsize=(7, 2.6), dpi=80, layout="constrained")
axis.hist(every.ravel(), bins=200, log=True, color="0.6")
for number, (name, high) in enumerate(highs.items()):
    axis.axvline(high, color=f"C{number}", label=name)
axis.set(xlabel="value of the feature map", ylabel="how many")
axis.legend(frameon=False, loc="upper right", bbox_to_anchor=(0.9, 1))
plt.show()
print("largest value photo by photo:", [f"{each.max():.1f}" for each in seen])

# %%
for name, high in highs.items():
    error = np.abs(restore(*quantize(every, every.min(), high)) - every)
    step = (high - every.min()) / 255
    print(f"range up to the {name}: step {step:.3f}, median error {np.median(error):.3f}, largest {error.max():.1f}")

# %% [markdown]
# A clipped range is finer for nearly all values and quite wrong for a few. Which is better is a question for the mAP, and
# so is how many images to calibrate on: with one photo, the range would be that of one photo.
#
# **Weights** are known exactly, so they need no calibration, but the channels of a convolution differ greatly in
# magnitude. One scale for all of them wastes most steps on the largest channel. One scale **per channel** costs
# nothing.


# %%
def relative_error(weight, per_channel):
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True) if per_channel else weight.abs().max()
    step = largest / 127
    return float(((weight / step).round() * step - weight).norm() / weight.norm())


convolutions = [each for each in InferenceModel(model.network).modules() if isinstance(each, torch.nn.Conv2d)]
weights = [each.weight.detach() for each in convolutions if each.weight.shape[0] > 1]
for name, per_channel in (("one scale", False), ("one scale per channel", True)):
    errors = [relative_error(weight, per_channel) for weight in weights]
    print(f"{name:21}: relative error of the weights {np.mean(errors):.3f}, in the worst layer {max(errors):.2f}")

# %% [markdown]
# **Why the head stays in float.** The last tensor of this file holds boxes in pixels, scores between 0 and 1, and
# coefficients. One tensor has one scale, and here that of the pixels:

# %%
low, high = predictions.min(), predictions.max()
crude, scale, zero = quantize(predictions, low, high)
print(f"one step is {scale:.1f}; every score becomes one of", np.unique(restore(crude, scale, zero)[0, 4:14]).round(1))
assert scale > 1

# %% [markdown]
# No score below one half of a step survives. This is how *this* file would fail if everything in it went into int8. It
# can be avoided: divide the boxes by the input's size first, so that all values of the tensor are of one magnitude, and
# multiply them afterward, in float. Some tools do that; others give boxes, scores and coefficients a tensor each. Then
# scores are usable again:

# %%
divided = predictions.copy()
divided[:, :4] /= 320
all_int8 = restore(*quantize(divided, divided.min(), divided.max()))
step = (divided.max() - divided.min()) / 255
all_int8[:, :4] *= 320
found_float, found_int8 = (decode_numpy.decode(each[0], prototypes[0], placement) for each in (predictions, all_int8))
print(f"one step: {step:.3f} of a score, {320 * step:.1f} pixels of the input for a box")
print("objects found from floats:", len(found_float[0]), "- from eight bits:", len(found_int8[0]))
assert len(found_int8[0]) > 0

# %% [markdown]
# Usable, not good: boxes that are several pixels off overlap less, so duplicates survive suppression, and scores come in
# few steps because the coefficients, with the widest range, set the scale. So the library leaves the last convolution of
# each branch and all decoding in float. They cost next to nothing, and their outputs are read as they are, with no layer
# behind them that could average errors out. The other convolutions go into int8, and the file is judged by its mAP:

# %% tags=["nbval-ignore-output"]
small = export("small", format="onnx", int8=True, data="toybox8-seg")
maps = {}
for name, path in (("float", file), ("int8", small)):
    maps[name] = YOLO(path).val(data="toybox8-seg", verbose=False).seg.map
    print(f"{name:5} {path.stat().st_size / 1e6:4.1f} MB, mask mAP50-95 {maps[name]:.3f}")
assert maps["float"] - maps["int8"] < 0.05 and small.stat().st_size < 0.4 * file.stat().st_size

# %% [markdown]
# Four calibration images are few; a hundred of the training images are usual. At 640 pixels, the same four validation
# images give .786 in float and .776 in int8 ([docs/export.md](../docs/export.md)).
#
# ## Speed
#
# Measure on your own machine. All formats take turns, so that other load on the machine affects all of them equally;
# the median of the rounds counts. The times below were measured where this page was made, on one thread, while other
# programs ran: compare them only with each other; on your machine even the order may differ.
# `seglab.export.benchmark.benchmark` makes this table with the size and mAP of every format.

# %% tags=["nbval-ignore-output"]
import statistics

from seglab.export.benchmark import interleaved

forwards = {(name, ""): YOLO(path).runtime.forward for name, path in files.items()}
forwards = {("PyTorch", ""): InferenceModel(model.network).to(memory_format=torch.channels_last), **forwards}
for (name, _), seconds in interleaved(forwards, torch.rand(1, 3, 320, 320), rounds=8).items():
    print(f"{name:12} {1000 * statistics.median(seconds):5.0f} ms per image of 320 x 320")

# %% [markdown]
# ## Recap
#
# - An exported file consists of operations and numbers. It returns two tensors: 4 + classes + 32 numbers per point, and
#   32 prototypes.
# - Decoding is five steps: bins to distances, sigmoid, threshold, suppression, coefficients times prototypes.
# - A parity check runs the same tensor through both and compares numbers against the network's own rounding error and
#   detections as sets. Make sure that it catches planted faults.
# - Weights and export disagree because their letterboxes differ. Make the letterbox the same before you blame floats.
#
# ## Sources
#
# - Bolya et al., *YOLACT*, 2019, for prototypes and coefficients; Li et al., *Generalized Focal Loss*, 2020, for the
#   bins; Jacob et al., *Quantization and Training of Neural Networks*, 2018, for eight bits.
# - The ONNX specification of operators, [onnx.ai](https://onnx.ai/onnx/operators/).
# - The library: `seglab/export/decode_numpy.py` (to copy), `seglab/export/parity.py`, `seglab/export/onnx.py`,
#   `seglab/export/benchmark.py`; [docs/export.md](../docs/export.md).
#
# ## Exercises
#
# Write the function, then run the check below it.
