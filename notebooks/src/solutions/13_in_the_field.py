# %% [markdown]
# **1. A scale from four corners.** A printed square of 10 cm lies on the table, seen at a slant, so that the scale is not
# the same everywhere. Write the transformation from pixels to centimeters.

# %% [markdown] tags=["hint"]
# `cv2.getPerspectiveTransform` takes two arrays of four corners, float32, and gives a 3 x 3 matrix.
# `cv2.perspectiveTransform` applies it to points of shape (n, 1, 2).


# %% tags=["solution"]
def to_centimeters(points, corners, side):
    """points (n, 2) in pixels; corners (4, 2) in pixels of a square with that side: top left, top right, bottom right,
    bottom left -> points (n, 2) in centimeters from the square's top left corner."""
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square)
    return cv2.perspectiveTransform(np.asarray(points, np.float32)[:, None], matrix)[:, 0]


# %% tags=["check"]
upright = np.array([[20, 30], [120, 30], [120, 130], [20, 130]], float)
if to_centimeters(upright, upright, 10.0) is ...:
    print("exercise 1 is open")
else:
    assert np.allclose(to_centimeters([[45, 80], [120, 30]], upright, 10.0), [[2.5, 5], [10, 0]], atol=1e-3)
    assert np.allclose(to_centimeters([[70, 80]], upright, 4.0), [[2, 2]], atol=1e-3), "the side is an argument"
    slanted = np.array([[100, 100], [200, 100], [250, 220], [50, 220]], float)
    middle = to_centimeters([[150, 140]], slanted, 10.0)[0]  # where the diagonals cross
    assert np.allclose(middle, (5, 5), atol=0.05), middle
    print("exercise 1 is right")

# %% [markdown]
# **2. Lost and found.** `follow` compares with the last mask that each object had, however long ago that was. Write the
# rule that forgets objects: which tracks have not been seen in the last `patience` frames?

# %% [markdown] tags=["hint"]
# Keep for every number the frame in which it was last seen, and compare with the present one.


# %% tags=["solution"]
def forgotten(seen, patience):
    """seen: the list of numbers in every frame -> the numbers, sorted, that are in none of the last `patience`."""
    last = {number: frame for frame, numbers in enumerate(seen) for number in numbers}
    return sorted(number for number, frame in last.items() if frame < len(seen) - patience)


# %% tags=["check"]
if forgotten([[0]], 1) is ...:
    print("exercise 2 is open")
else:
    film = [[0, 1], [0, 1, 2], [0, 2], [0], [3, 0], []]
    assert [forgotten(film, patience) for patience in (1, 2, 4, 5, 6)] == [[0, 1, 2, 3], [1, 2], [1], [], []]
    assert forgotten([[2], [1], []], 1) == [1, 2], "sorted"
    assert forgotten([], 3) == [] and forgotten([[5], [], [5]], 1) == []
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** An image of 4,000 × 3,000 pixels is cut into tiles of 640 with an overlap of a quarter. How
# many tiles are there?

# %% tags=["guess"]
guess = 48

# %% tags=["check"]
from seglab.inference.tiles import tile_windows

truth = len(tile_windows((3000, 4000), 640, 0.25))
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then with `t = 0.1` and with `t = 1.0`. What does the threshold
# decide?

# %% [markdown] tags=["answer"]
# Classes on a smaller fraction of the images than `t` are repeated, the rarer the more often, by a square root so that
# the rarest do not take over. With .1 nothing is rare here and all factors are 1. With 1 every class is rare that is not on
# all images, and the factors only say how much rarer one is than another.

# %%
t = 0.5
print("shown per epoch:", [f"{factor:.2f}" for factor in repeat_factors([{0}, {0, 1}, {0}, {0}, {0, 2}], t)])

# %% [markdown]
# **5. A question.** A count is balanced: its bias is zero on fifty images. On an image with twice as many objects as usual
# it is ten too low. Why, and what would help?

# %% [markdown] tags=["answer"]
# The bias was balanced for a usual density. Misses grow with crowding (objects cover each other, suppression merges
# them), false alarms do not, so the balance tips. Report the error by density, balance for dense images apart, raise the
# `iou` of suppression, and raise `max_det` if the count comes near it.
