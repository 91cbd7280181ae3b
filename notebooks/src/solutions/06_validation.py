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
