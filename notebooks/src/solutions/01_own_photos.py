# %% [markdown]
# **1. A count that can be trusted.** For an inventory, count only objects with a score of at least `score`, and list
# every class, including those without any.

# %% [markdown] tags=["hint"]
# `result.boxes.conf >= score` selects, `result[...]` indexes like an array, and `result.names` has all classes.


# %% tags=["solution"]
def stock(result, score):
    """A Results object and a score -> {class name: number of objects with at least that score}, for all classes."""
    confident = result[result.boxes.conf >= score]
    counts = {name: 0 for name in result.names.values()}
    for class_id in confident.boxes.cls.tolist():
        counts[result.names[int(class_id)]] += 1
    return counts


# %% tags=["check"]
trial = YOLO("toybox-n")("toybox8-seg", imgsz=320, conf=0.1)
if stock(trial[0], 0.5) is ...:
    print("exercise 1 is open")
else:
    for each in (*trial, *results):
        for score in (0.1, 0.5, 0.9, *each.boxes.conf[:3].tolist()):  # the last are scores that objects have
            counts = stock(each, score)
            assert sorted(counts) == sorted(each.names.values()), "list every class"
            for class_id, name in each.names.items():
                own = each.boxes.conf[each.boxes.cls == class_id]
                assert counts[name] == int((own >= score).sum()), (name, score)
    print("exercise 1 is right")

# %% [markdown]
# **2. How good is an outline with few corners?** People click a corner every few pixels. Keep only every `step`-th
# corner of an outline, and compute the IoU of the two masks.

# %% [markdown] tags=["hint"]
# `ring[::step]` keeps every step-th corner, and `fill([ring], height, width)` (imported in the check) draws an outline
# as a mask of booleans.
# IoU is `(a & b).sum() / (a | b).sum()`.


# %% tags=["solution"]
def kept_by(ring, step, height, width):
    """A ring (n, 2) in an image of height x width -> the IoU of its mask with that of every step-th corner."""
    whole, thinned = fill([ring], height, width), fill([ring[::step]], height, width)
    return (whole & thinned).sum() / (whole | thinned).sum()


# %% tags=["check"]
import numpy as np

from seglab.geometry.raster import fill

turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
disc = np.stack((np.cos(turn), np.sin(turn)), axis=1)
star = disc * np.where(np.arange(60) % 4 < 2, 20, 10)[:, None] + 30  # fewer corners both add and remove pixels
if kept_by(disc * 20 + 30, 1, 60, 60) is ...:
    print("exercise 2 is open")
else:
    assert kept_by(disc * 20 + 30, 1, 60, 60) == 1
    for step, low, high in ((6, 0.88, 0.99), (15, 0.55, 0.75)):
        for ring, height, width in ((disc * 20 + 30, 60, 60), (disc * (40, 15) + (50, 20), 40, 100)):
            answer = kept_by(ring, step, height, width)
            whole, thinned = fill([ring], height, width), fill([ring[::step]], height, width)
            assert np.isclose(answer, (whole & thinned).sum() / (whole | thinned).sum()) and low < answer < high, step
    whole, thinned = fill([star], 60, 60), fill([star[::3]], 60, 60)
    assert np.isclose(kept_by(star, 3, 60, 60), (whole & thinned).sum() / (whole | thinned).sum()), "of a star"
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** Twenty photos are converted with `holdout=0.25`, and training uses four images per step. How
# many steps does an epoch have?

# %% tags=["guess"]
guess = 4

# %% tags=["check"]
held_out = 20 * 0.25
truth = -(-(20 - int(held_out)) // 4)
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then run it with `level = 0.8`. What is lost, what is gained, and
# which of the two would you deliver to a customer?

# %% [markdown] tags=["answer"]
# Bananas that were called notebooks have lower scores than notebooks, so a higher threshold removes them first. Objects
# that are cut off by the image's border disappear as well. Which is better depends on what a mistake costs: a false
# positive that a person sees and removes is often cheaper than a miss that nobody sees.

# %%
level = 0.25
kept = [int((result.boxes.conf > level).sum()) for result in results]
print("photos:", len(kept), "- at a threshold of", level)

# %% [markdown]
# **5. A question.** A friend has trained on photos of one table, and gets a mask mAP50 of 1.0 on held-out photos. On
# another table, nothing is found. What went wrong, and could the metric have shown it?

# %% [markdown] tags=["answer"]
# The held-out photos show the same table as the training photos, so the metric measures how well the network knows that
# table, and says nothing about others. Hold out whole tables (or days, or cameras) instead of single photos: lesson 11.
