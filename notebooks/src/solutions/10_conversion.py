# %% [markdown]
# **1. The other fields of COCO.** A JSON annotation also has `bbox` (left, top, width, height) and `area` (pixels in
# the mask). Compute both from one label row.

# %% [markdown] tags=["hint"]
# The box comes from the smallest and largest coordinates. The area is that of the drawn mask, and `read_row` draws
# it.

# %% tags=["solution"]
def coco_fields(row):
    """A label row of our 80 x 60 image -> (bbox as a list of four numbers, area in pixels)."""
    points = np.array(row.split()[1:], dtype=float).reshape(-1, 2) * (80, 60)
    return [*points.min(axis=0), *np.ptp(points, axis=0)], int(read_row(row).sum())


# %% tags=["check"]
if coco_fields(labels[0]) is ...:
    print("exercise 1 is open")
else:
    box, area = coco_fields(labels[0])
    assert np.allclose(box, (6, 6, 32, 24), atol=0.01) and area == ground_truth[0].sum(), (box, area)
    assert coco_fields(labels[1])[1] == ground_truth[1].sum()
    box, area = coco_fields("3 0.5 0.1 0.75 0.5 0.25 0.2 0.45 0.9")
    assert np.allclose(box, (20, 6, 40, 48)) and area == read_row("0 0.5 0.1 0.75 0.5 0.25 0.2 0.45 0.9").sum()
    print("exercise 1 is right")

# %% [markdown]
# **2. Find the seams.** You are given label rows. Which of them contain several rings? Count the edges that are
# traversed in both directions.

# %% [markdown] tags=["hint"]
# Put every directed edge (from, to) of the closed polygon into a set, and look for each one's reverse.


# %% tags=["solution"]
def count_seams(row):
    """A label row -> how many edges its polygon traverses in both directions."""
    points = [tuple(pair) for pair in np.array(row.split()[1:], dtype=float).reshape(-1, 2).tolist()]
    edges = set(zip(points, points[1:] + points[:1]))
    return sum((b, a) in edges for a, b in edges) // 2


# %% tags=["check"]
if count_seams(labels[0]) is ...:
    print("exercise 2 is open")
else:
    assert [count_seams(label) for label in labels] == [1, 1, 0]
    triangle = np.array([[5.0, 5], [15, 5], [10, 12]])
    three = join(join(triangle, triangle + (20, 0)), triangle + (40, 0)) / (80, 60)
    for first in range(len(three)):  # wherever the row begins, in the middle of a seam too
        turned = np.roll(three, first, axis=0)
        assert count_seams("0 " + " ".join(f"{value:.4f}" for value in turned.ravel())) == 2, turned
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** A square with a triangular hole is written as one row: 4 corners, 3 corners, and a seam. How
# many corners does the row have?

# %% tags=["guess"]
guess = 9

# %% tags=["check"]
square = np.array([[0.0, 0], [9, 0], [9, 9], [0, 9]])
truth = len(join(square, np.array([[3.0, 3], [4, 6], [6, 3]])))
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** The cell writes the cup with six decimals and compares the masks. Run it, then
# with `decimals = 2`. What would two decimals mean in a photo that is 4,000 pixels wide?

# %% [markdown] tags=["answer"]
# Coordinates are fractions of the image's width and height, so 0.01 is 0.8 pixels here and 40 pixels in the photo.
# Rounding moves each corner by up to half of that. With six decimals, a step is 1/250 of a pixel even in the photo.

# %%
decimals = 6
outline = np.reshape(cup[0], (-1, 2)) / (80, 60)
written = "0 " + " ".join(f"{value:.{decimals}f}" for value in outline.ravel())
print(f"{decimals} decimals: IoU with the cup {iou(read_row(written), ground_truth[2]):.3f}")

# %% [markdown]
# **5. A question.** A converter reports an IoU of 1.000 for every object. A model still gets a lower mAP on the
# converted labels than on the original ones. What may have changed?

# %% [markdown] tags=["answer"]
# Everything but the masks. Classes may be numbered in another order, or with gaps. Crowds may have been dropped, so that
# detections on them count as wrong. Images without objects may be missing, and objects may be there twice. That is why
# a report has to compare classes, crowds and images as well as masks.
