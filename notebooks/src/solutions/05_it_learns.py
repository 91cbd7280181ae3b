# %% [markdown]
# **1. Twice the data for nothing.** A mirrored scene is a scene. Mirror a whole batch from left to right: images, boxes
# and masks. (A batch has no outlines any more, so it is easier than in lesson 04.)

# %% [markdown] tags=["hint"]
# `flip(-1)` mirrors the last dimension of images and masks. A coordinate x becomes width − x (lesson 04), which turns
# the left side of a box into its right side.


# %% tags=["solution"]
def mirrored_batch(batch):
    """A batch -> a new batch with every image mirrored from left to right; the given one stays as it is."""
    width = batch["images"].shape[3]
    left, top, right, bottom = batch["boxes"].T
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1), "boxes": boxes}


# %% tags=["check"]
given = make_batch([plain_scene((7, number), (SIZE, SIZE)) for number in range(3)])
for name in ("images", "masks"):  # the upper halves, since not every batch is square
    given[name] = given[name][..., : given[name].shape[-2] // 2, :]
kept = {name: tensor.clone() for name, tensor in given.items()}
if mirrored_batch(given) is ...:
    print("exercise 1 is open")
else:
    answer = mirrored_batch(given)
    assert all(torch.equal(given[name], tensor) for name, tensor in kept.items()), "the given batch was changed"
    assert torch.equal(answer["images"], kept["images"].flip(-1)), "the images are not mirrored"
    assert torch.equal(answer["masks"], kept["masks"].flip(-1)), "the masks are not mirrored"
    assert torch.equal(answer["classes"], kept["classes"]) and torch.equal(answer["image_index"], kept["image_index"])
    sides = answer["boxes"][:, 2:] - answer["boxes"][:, :2]
    assert torch.allclose(sides, kept["boxes"][:, 2:] - kept["boxes"][:, :2], atol=1e-3), "the boxes changed their size"
    assert torch.allclose(answer["boxes"][:, 0], SIZE - kept["boxes"][:, 2], atol=1e-3), "left sides are wrong"
    assert torch.equal(answer["boxes"][:, 1::2], kept["boxes"][:, 1::2]), "heights must stay"
    print("exercise 1 is right")

# %% [markdown]
# **2. Did it learn, or is it noise?** Write the rule by which you would tell from a loss curve alone that it still
# falls: the mean of the last `window` values lies below the mean of the `window` values before them by more than
# `margin`, a fraction of the latter.

# %% [markdown] tags=["hint"]
# Two slices: `values[-window:]` and `values[-2 * window : -window]`.


# %% tags=["solution"]
def still_falling(values, window, margin):
    """Loss values (n,), n >= 2 * window -> whether the last window's mean is lower by more than margin (a fraction)."""
    last, before = np.mean(values[-window:]), np.mean(values[-2 * window : -window])
    return bool(last < (1 - margin) * before)


# %% tags=["check"]
if still_falling(np.ones(8), 2, 0.0) is ...:
    print("exercise 2 is open")
else:
    cases = {(8, 8, 4, 4): True, (4, 4, 8, 8): False, (5, 5, 5, 5): False, (9, 1, 5, 5, 4, 4): True}
    for values, expected in cases.items():
        assert still_falling(np.array(values, dtype=float), 2, 0.05) == expected, values
    slow = np.array([0.0, 0.0, 100, 100, 97, 97])
    assert still_falling(slow, 2, 0.02) and not still_falling(slow, 2, 0.05), "the margin is a fraction"
    assert still_falling(np.array([50.0, 4, 4, 4, 3, 3, 3]), 3, 0.1) and not still_falling(
        np.array([9.0, 3, 3]), 1, 0.1
    )
    assert not still_falling(np.array([100.0, 82]), 1, 0.2), "a fraction of the earlier mean"
    for values in ((5, 5, 5, 1, 5, 5), (1, 9, 5, 3, 3, 2)):
        assert still_falling(np.array(values, dtype=float), 3, 0.05), "compare means"
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** A mask logit of 0 costs ln 2 per cell, and the mask term is multiplied by 7.5. What does a
# network cost that is confidently wrong everywhere, with a logit of 4 in the background and -4 on the object?

# %% tags=["guess"]
guess = 30.1

# %% tags=["check"]
truth = round(7.5 * float(F.softplus(torch.tensor(4.0))), 1)
if guess is ...:
    print("exercise 3 is open")
elif abs(guess - truth) <= 0.5:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then with `lrf = 1.0`, and then train with it (set it in `plan`, make
# a new network and a new optimizer, and run the training cell again). What does the end of the loss curve look like?

# %% [markdown] tags=["answer"]
# With a constant rate the steps at the end are as long as in the middle: the loss keeps jumping, and the mAP with it. The
# falling rate lets the noise of single batches average out. That is worth more than the distance that long steps cover.

# %%
lrf = 0.01
middle, end = ((lrf + (1 - lrf) * (1 - at / 400)) * 2e-3 for at in (200, 399))
print(f"learning rate in the middle {1000 * middle:.2f}, at the end {1000 * end:.2f} thousandths")

# %% [markdown]
# **5. A question.** All terms fall from the first step on, but the mAP is zero for fifty steps. Which of the terms has to
# become small before the mAP can rise, and why does its mean not show it?

# %% [markdown] tags=["answer"]
# A detection counts only when its mask overlaps by half *and* its score puts it before the false ones. So the class term
# must have learned to rank points, which takes good boxes first, since its targets are overlaps. Its mean is ruled by
# thousands of background points, which are right after a few steps.
