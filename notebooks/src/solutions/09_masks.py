# %% [markdown]
# **1. Area without pixels.** From the run lengths of two masks of the same size: how many pixels does the first have,
# and how many are in both? (Count the second as well, and you have their IoU.) Work on the runs, without making an
# image.

# %% [markdown] tags=["hint"]
# Every second count is a run of ones. For the overlap, turn counts into positions where runs begin and end
# (`np.cumsum`), and for each pair of runs take `min(ends) - max(starts)`, where that is positive.

# %% tags=["solution"]
def area_and_overlap(a, b):
    """Counts of two masks of the same size -> (pixels of a, pixels in both)."""
    (from_a, to_a), (from_b, to_b) = (np.cumsum(counts)[: len(counts) // 2 * 2].reshape(-1, 2).T for counts in (a, b))
    both = np.minimum(to_a[:, None], to_b) - np.maximum(from_a[:, None], from_b)
    return int((to_a - from_a).sum()), int(both.clip(min=0).sum())


# %% tags=["check"]
answer = area_and_overlap(to_counts(mask), to_counts(solid))
if answer is ...:
    print("exercise 1 is open")
else:
    assert tuple(answer) == (mask.sum(), (mask & solid).sum()), answer
    big = np.roll(disc, 100, axis=1)
    assert tuple(area_and_overlap(to_counts(disc), to_counts(big))) == (disc.sum(), (disc & big).sum())
    print("exercise 1 is right")

# %% [markdown]
# **2. The center of an object** is rarely the center of its box. Compute its centroid, the mean position of everything
# that belongs to it, from its rings, including holes, without drawing it.

# %% [markdown] tags=["hint"]
# An edge from a to b forms a triangle with the origin: the triangle's centroid is `(a + b) / 3`, and its signed area is
# the edge's term of the shoelace sum, `0.5 * (xa * yb - xb * ya)`. A ring's centroid is the mean of its triangles'
# centroids, weighted by those areas. Add up over all rings: holes have negative area and subtract by themselves.


# %% tags=["solution"]
def centroid(rings):
    """Rings of one object, solid ones positive and holes negative -> its centroid (x, y)."""
    moment, area = np.zeros(2), 0.0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        parts = (ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]) / 2  # signed, one per edge
        moment += (parts[:, None] * (ring + following) / 3).sum(axis=0)
        area += parts.sum()
    return moment / area


# %% tags=["check"]
answer = centroid([frame, window])
if answer is ...:
    print("exercise 2 is open")
else:
    rows, columns = np.nonzero(fill([frame, window], 14, 16))
    assert np.allclose(answer, (columns.mean() + 0.5, rows.mean() + 0.5)), answer
    rows, columns = np.nonzero(ground_truths[0])
    answer = centroid(mask_to_rings(ground_truths[0]))
    assert np.allclose(answer, (columns.mean() + 0.5, rows.mean() + 0.5)), "right for rectangles only"
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** A checkerboard of 6 × 6 pixels begins with a 0 in its corner, and run lengths go down the
# columns. How many counts does its encoding have?

# %% tags=["guess"]
guess = 31

# %% tags=["check"]
truth = len(to_counts(np.indices((6, 6)).sum(axis=0) % 2 == 1))
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** A thin ring, six pixels wide, is stored in cells of 4 × 4 pixels. Run the cell,
# then with `cell = 8`, then with `cell = 2`. Why does the IoU fall so fast?

# %% [markdown] tags=["answer"]
# A border is off by up to half a cell, whatever the object's size. This ring is nearly all border: with cells of 8
# pixels no cell but a few is covered by more than half, and the ring falls to pieces. A disc of the same size would
# hardly notice.

# %%
cell = 4
from_center = np.hypot(*(np.mgrid[:160, :160] + 0.5 - 80))
thin = abs(from_center - 50) < 3
coarse = thin.reshape(160 // cell, cell, 160 // cell, cell).mean(axis=(1, 3)) > 0.5
print(f"cells of {cell} x {cell}: IoU {iou(coarse.repeat(cell, 0).repeat(cell, 1), thin):.3f}")

# %% [markdown]
# **5. A question.** COCO holds most objects as polygons and some as run lengths. Which of the two would you choose for
# the leaves of a tree, for a book, and for the output of a network?

# %% [markdown] tags=["answer"]
# Polygons suit what a person outlines with few corners, such as the book, and they scale to any resolution. The leaves
# have many parts and holes, and a network's output comes as pixels already: run lengths keep exactly these pixels,
# while an outline of either would be longer and have to be traced first.
