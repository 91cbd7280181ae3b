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
class OnPaper:
    """An explored image that is written down: each detection's score, and the object that it found, or -1."""

    def __init__(self, detections, objects):
        self.detections, self.ground_truth = detections, list(range(objects))

    def found(self, confidence=0.25):
        return [number for number, (score, _) in enumerate(self.detections) if score > confidence]

    def verdicts(self, numbers):
        return [self.detections[number][1] for number in numbers]


choices = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85]
answer = best_confidence(explored, choices)
if answer is ...:
    print("exercise 1 is open")
else:
    for each in (explored, kites):
        verdicts = [each.verdicts(each.found(choice)) for choice in choices]
        right = np.array([sum(one >= 0 for one in many) for many in verdicts])
        f1 = 2 * right / (np.array([len(many) for many in verdicts]) + len(each.ground_truth))
        assert best_confidence(each, choices) == choices[int(f1.argmax())], answer
    on_paper = OnPaper([(0.9, 0), (0.8, -1), (0.7, 1), (0.4, -1)], objects=2)
    assert best_confidence(on_paper, [0.3, 0.5, 0.6, 0.75, 0.85]) == 0.5
    assert best_confidence(OnPaper([(0.9, 0), (0.6, -1)], objects=1), [0.5, 0.7]) == 0.7
    assert best_confidence(on_paper, [0.6, 0.85, 0.5]) == 0.6, "the first of equals, in the order given"
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
    for each in (explored, kites):
        for number in each.found():
            loose, tight = (each.crops([number], threshold)[0][2] for threshold in (0.3, 0.7))
            assert np.isclose(stability(each, number), (loose & tight).sum() / loose.sum()), number
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** Three boxes of one class stand in a row, best score first. Neighbors overlap with an IoU of
# 0.6, the first and the last with 0.33. How many are left at a limit of 0.5?

# %% tags=["guess"]
guess = 2

# %% tags=["check"]
from torchvision.ops import nms

in_a_row = torch.tensor([[0.0, 0, 100, 10], [25, 0, 125, 10], [50, 0, 150, 10]])
truth = len(nms(in_a_row, torch.tensor([0.9, 0.8, 0.7]), 0.5))
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then with `threshold = 0.1`, then with 0.9. Why does the mask
# change so little for some objects (try another number than 0) and so much for others?

# %% [markdown] tags=["answer"]
# Along a sharp edge the probability falls from 1 to 0 within a cell or two, and the threshold moves the border by a
# fraction of that. Where the network is unsure whether a part belongs to the object, the probability stays in between
# over a whole area, and the threshold decides about all of it.

# %%
threshold = 0.5
number = explored.found()[0]
print(f"at {threshold}: {int(explored.crops([number], threshold)[0][2].sum())} pixels, {explored.label(number)}")

# %% [markdown]
# **5. A question.** Raising the confidence removes the least certain detections. Can precision fall when you do so?

# %% [markdown] tags=["answer"]
# Yes. Among those that are removed there may be more right ones than wrong ones, if a wrong detection has a high score.
# Only recall must fall or stay; precision rises as a rule, with exceptions. That is why precision is drawn as a curve,
# and why AP takes its envelope.
