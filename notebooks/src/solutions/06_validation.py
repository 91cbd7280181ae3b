# %% [markdown]
# **1. An older AP.** Until 2009 the PASCAL VOC challenge reported another AP, and papers on its 2007 images did so for
# years after that: the mean of the same envelope at only **eleven** recalls, 0, 0.1 … 1, and at IoU 0.5 only. Write it.
# How far is it from COCO's in our example on paper?

# %% [markdown] tags=["hint"]
# Everything but the list of recalls stays as in `average_precision`. Mind `recall >= level`: in `np.linspace(0, 1,
# 11)`, 0.3 may be 0.30000000000000004, so allow a small tolerance, such as 1e-9.


# %% tags=["solution"]
def voc_2007(right, instances):
    """(D,) bool, the highest-scoring first, and the number of objects -> the mean envelope at eleven recalls."""
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    best = [precision[recall >= level - 1e-9].max(initial=0) for level in np.linspace(0, 1, 11)]
    return np.mean(best)


# %% tags=["check"]
if voc_2007(right, 3) is ...:
    print("exercise 1 is open")
else:
    assert np.isclose(voc_2007(right, 3), (4 * 1 + 3 * 2 / 3) / 11)
    assert np.isclose(voc_2007(np.ones(3, bool), 10), 4 / 11)  # recall ends at 0.3
    assert voc_2007(np.zeros(5, bool), 2) == 0
    assert np.isclose(voc_2007(np.array([False, True, True]), 2), 2 / 3)  # the envelope looks ahead
    print("exercise 1 is right")

# %% [markdown]
# **2. A confidence for a purpose.** F1 is a compromise that suits nobody in particular. Somebody who sorts scissors out
# of toys needs at least a given *precision*, and as much recall as that allows. Find the confidence for one class.

# %% [markdown] tags=["hint"]
# A threshold between two scores keeps the same detections as the higher of the two. So only the scores themselves need
# to be tried. Among those with enough precision, take the one with the highest recall; recall only rises down the list.


# %% tags=["solution"]
def confidence_for(values, right, min_precision):
    """Falling scores (D,), which are right (D,), a precision -> the lowest score that still reaches it, or None."""
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    good = np.flatnonzero(precision >= min_precision)
    return values[good[-1]] if len(good) else None


# %% tags=["check"]
answer = confidence_for(scores, right, 0.6)
if answer is ...:
    print("exercise 2 is open")
else:
    assert answer == 0.6 and confidence_for(scores, right, 0.9) == 0.9
    assert confidence_for(scores[:2], right[1::-1], 0.9) is None  # the highest-scoring is wrong, the next one right
    values, truly, _ = ranked(7, 0.5)  # scissors
    enough = [value for value in values if truly[values >= value].mean() >= 0.5]
    assert confidence_for(values, truly, 0.5) == min(enough)
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** Four detections of two objects, by falling score: right, wrong, right, wrong. What is COCO's
# average precision? (Two decimals will do.)

# %% tags=["guess"]
guess = 0.835

# %% tags=["check"]
truth = round(float(average_precision(np.array([True, False, True, False]), 2)), 3)
if guess is ...:
    print("exercise 3 is open")
elif abs(guess - truth) <= 0.01:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** How many of the detections on paper are right? Run the cell, then with
# `threshold = 0.75`, then with 0.95. Which kind of mistake does a high threshold punish?

# %% [markdown] tags=["answer"]
# The same detections are found at every threshold; only how exactly they must fit changes. At 0.5 finding an object is
# enough, at 0.95 nearly every pixel must be right. The mean over ten thresholds rewards both, and cannot tell one from
# the other.

# %%
threshold = 0.5
judged = match(overlap, threshold)
print(f"at IoU {threshold}: {int(judged.sum())} of {len(judged)} are right")

# %% [markdown]
# **5. A question.** Two models have the same mAP50-95. One is better at IoU 0.5, the other at 0.9. Which one counts
# apples on a belt, and which one cuts them out of photos?

# %% [markdown] tags=["answer"]
# Counting needs objects to be found and kept apart, not their exact edge: the first. Cutting out needs the edge: the
# second. One number is not enough to choose by; look at the AP at the threshold that your task needs.
