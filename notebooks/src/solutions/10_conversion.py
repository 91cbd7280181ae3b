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
    print("exercise 2 is right")
