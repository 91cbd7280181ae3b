# %% [markdown]
# **1. Count objects.** How many objects of each class are in an image, at a given confidence?

# %% [markdown] tags=["hint"]
# `result.boxes.cls` has the class numbers, `result.boxes.conf` the scores, and `result.names` turns a number into a
# name. `collections.Counter` counts.


# %% tags=["solution"]
def count(result, confidence):
    """A Results and a confidence -> dict, name of each class found -> number of objects with a higher score."""
    found = {}
    for class_id, score in zip(result.boxes.cls.tolist(), result.boxes.conf.tolist()):
        if score > confidence:
            found[result.names[int(class_id)]] = found.get(result.names[int(class_id)], 0) + 1
    return found


# %% tags=["check"]
if count(result, 0.5) is ...:
    print("exercise 1 is open")
else:
    for each in results:
        for level in (0.25, 0.5, 0.9):
            kept = each[each.boxes.conf > level]
            assert sum(count(each, level).values()) == len(kept)
            for name, number in count(each, level).items():
                assert number == sum(each.names[int(class_id)] == name for class_id in kept.boxes.cls) > 0
    assert count(result, 1.0) == {}
    print("exercise 1 is right")

# %% [markdown]
# **2. How much is covered?** What fraction of the image is covered by objects? Masks overlap, so adding up their areas
# counts some pixels twice.

# %% [markdown] tags=["hint"]
# A pixel is covered when *any* of the masks has it: `masks.data` is (objects, height, width), so reduce the first axis.
# Think of an image in which nothing was found: its `masks` is None.


# %% tags=["solution"]
def covered(result):
    """A Results -> the fraction of its image's pixels that belong to at least one object, 0 where there is none."""
    if result.masks is None:
        return 0.0
    return float((result.masks.data > 0).any(dim=0).float().mean())


# %% tags=["check"]
if covered(result) is ...:
    print("exercise 2 is open")
else:
    assert np.isclose(covered(result), masks.numpy().max(axis=0).mean())
    twice = result[[0, 0]]
    assert np.isclose(covered(twice), covered(result[[0]]))
    assert covered(model(np.zeros((480, 640, 3), np.uint8), conf=0.99)[0]) == 0
    print("exercise 2 is right")
