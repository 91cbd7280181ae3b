# %% [markdown]
# **1. The best confidence.** Which confidence serves one image best? Take the one with the highest F1: twice the number
# of correct detections, divided by the number of detections plus the number of ground-truth objects.

# %% [markdown] tags=["hint"]
# `explored.found(confidence)` gives the detections, and `explored.verdicts(numbers)` the object that each of them
# found, or -1. `max` takes a `key`.

# %% tags=["solution"]
def best_confidence(explored, choices):
    """An explored image and confidences -> the one of them with the highest F1 (the first of equals)."""

    def f1(confidence):
        numbers = explored.found(confidence)
        right = sum(verdict >= 0 for verdict in explored.verdicts(numbers))
        return 2 * right / (len(numbers) + len(explored.ground_truth))

    return max(choices, key=f1)


# %% tags=["check"]
choices = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85]
answer = best_confidence(explored, choices)
if answer is ...:
    print("exercise 1 is open")
else:
    counts = [(len(explored.found(c)), sum(v >= 0 for v in explored.verdicts(explored.found(c)))) for c in choices]
    assert (
        answer == choices[int(np.argmax([2 * right / (found + len(explored.ground_truth)) for found, right in counts]))]
    ), answer
    print("exercise 1 is right")

# %% [markdown]
# **2. How sure is a mask?** The score of a detection is about its box and class. For the mask, take the fraction of its
# pixels at threshold 0.3 that are still there at 0.7: it is 1 for a mask with a sharp edge. Compare objects of similar
# shape: the thinner an object, the more of it is edge, and the more it loses.

# %% [markdown] tags=["hint"]
# `explored.crops([number], threshold)` gives `(left, top, mask)` for each number. A higher threshold only takes pixels
# away, so counting is enough.


# %% tags=["solution"]
def stability(explored, number):
    """An explored image and the number of a candidate -> the fraction of its mask at 0.3 that is left at 0.7."""
    ((_, _, loose),), ((_, _, tight),) = explored.crops([number], 0.3), explored.crops([number], 0.7)
    return tight.sum() / loose.sum()


# %% tags=["check"]
answer = [stability(explored, number) for number in explored.found()]
if answer[0] is ...:
    print("exercise 2 is open")
else:
    for number, fraction in zip(explored.found(), answer):
        loose, tight = (explored.crops([number], threshold)[0][2] for threshold in (0.3, 0.7))
        assert np.isclose(fraction, (loose & tight).sum() / loose.sum()) and 0 <= fraction <= 1, fraction
    print("exercise 2 is right")
