# %% [markdown]
# **1. Minimal padding.** Write the letterbox that prediction with weights uses: the long side becomes `longest`, the
# short side follows, and the canvas is rounded up to multiples of 32 on each side. Only its geometry is needed.

# %% [markdown] tags=["hint"]
# The scaled photo's sides are `round(side * ratio)` with `ratio = longest / max(height, width)`. Rounding up to 32:
# `-(-side // 32) * 32`. The padding goes half before and half after the image, the odd pixel after it.


# %% tags=["solution"]
def minimal_padding(height, width, longest):
    """Photo sides, new long side -> (canvas height, canvas width), (first row, first column) of the photo."""
    ratio = longest / max(height, width)
    inner = [round(side * ratio) for side in (height, width)]
    outer = [-(-side // 32) * 32 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% tags=["check"]
if minimal_padding(480, 640, 320) is ...:
    print("exercise 1 is open")
else:
    wide = [(480, 640, 320), (480, 640, 640), (427, 640, 640), (1080, 1920, 640), (33, 1000, 320), (70, 100, 330)]
    for height, width, longest in wide + [(width, height, longest) for height, width, longest in wide]:
        box = smallest_letterbox((height, width), longest)
        assert np.array_equal(minimal_padding(height, width, longest), (box.size, box.pad)), (height, width, longest)
    print("exercise 1 is right")

# %% [markdown]
# **2. One step size per row.** Round a tensor to eight bits so that scores survive: every row gets its own step size.
# Then the largest number of each row sets the step size of that row, and pixels no longer ruin probabilities. Runtimes
# do this for *weights*; an output tensor usually has one step size for all rows. That is why the library leaves the
# last layers in float.

# %% [markdown] tags=["hint"]
# `np.abs(rows).max(axis=1, keepdims=True) / 127` is a column of step sizes, one per row. A row of zeros would divide by
# zero: give it any step size.


# %% tags=["solution"]
def eight_bits(rows):
    """(R, A) floats -> whole numbers in -127..127 (R, A) as int8, and the step size of each row (R, 1)."""
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(rows / step).astype(np.int8), step


# %% tags=["check"]
if eight_bits(predictions[0]) is ...:
    print("exercise 2 is open")
else:
    whole_numbers, step = eight_bits(predictions[0])
    again = whole_numbers * step
    assert whole_numbers.dtype == np.int8 and step.shape == (46, 1)
    assert np.all(np.abs(again - predictions[0]) <= step / 2 + 1e-5), (
        "no number may be off by more than half a step size"
    )
    assert np.abs(again[4:14] - predictions[0, 4:14]).max() <= 0.004, "scores survive"
    zeros = np.array([[0, 0, 0], [0.5, -1, 0]], np.float32)
    whole_numbers, step = eight_bits(zeros)
    assert np.isfinite(step).all() and (step > 0).all(), "a row of zeros needs a step size too"
    assert whole_numbers.tolist() in ([[0, 0, 0], [64, -127, 0]], [[0, 0, 0], [63, -127, 0]]), whole_numbers
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** Numbers from -1 to 1 are rounded to whole multiples of 1/127. How large is the largest
# error? (Three decimals will do.)

# %% tags=["guess"]
guess = 0.004

# %% tags=["check"]
numbers = np.linspace(-1, 1, 100_001)
truth = round(float(np.abs(np.round(numbers * 127) / 127 - numbers).max()), 3)
if guess is ...:
    print("exercise 3 is open")
elif abs(guess - truth) <= 0.0006:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then with `kind = np.float32`. Half precision has eleven
# significant bits. What does this mean for boxes in an image that is 4,000 pixels wide?

# %% [markdown] tags=["answer"]
# From 2,048 on, float16 only has even numbers, from 4,096 on multiples of four: a side at 2,049 becomes 2,048. Scores
# and coefficients bear half precision; coordinates of large inputs are better left in float32, or given relative to
# their anchor point.

# %%
kind = np.float16
print([float(kind(x)) for x in (1023.0, 2047.0, 2049.0, 4001.0)])

# %% [markdown]
# **5. A question.** An exported file gives a mAP that is 0.03 below that of its weights. Which three things do you
# check first?

# %% [markdown] tags=["answer"]
# The letterbox (same scaling, same padding, same gray), the order of colors and the range of values, and the thresholds
# and the maximum number of detections. Only when the same input tensor gives other outputs is it the file itself; then
# compare output by output, boxes, scores and coefficients apart, since rounding hurts them differently.
