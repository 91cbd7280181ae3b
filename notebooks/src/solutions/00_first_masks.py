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
        for level in (0.25, 0.5, 0.9, float(each.boxes.conf[3])):  # the last one is the score of an object
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
    for each in results:
        assert np.isclose(covered(each), each.masks.data.numpy().max(axis=0).mean())
    twice = result[[0, 0]]
    assert np.isclose(covered(twice), covered(result[[0]]))
    assert covered(model(np.zeros((480, 640, 3), np.uint8), conf=0.99)[0]) == 0
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** The images are 480 × 640 pixels, and the sides of the network's input are multiples of 32.
# With `imgsz=320`, how many rows does the input have?

# %% tags=["guess"]
guess = 256

# %% tags=["check"]
truth = smallest_letterbox(result.orig_shape, 320).size[0]
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell with `overlap = 0.7`, then with 0.95, then with 0.1. Why does the
# number of objects change in both directions?

# %% [markdown] tags=["answer"]
# At 0.95 hardly any two boxes overlap enough to be taken for one object, so duplicates of the same object stay. At 0.1
# even neighbors of one class that only touch each other are taken for duplicates, and real objects are lost.

# %%
overlap = 0.7  # of two boxes of one class, from which the lower score is suppressed
print(len(model("toybox8-seg", imgsz=640, iou=overlap)[0]), "objects")

# %% [markdown]
# **5. A question.** A detection has a score of 0.9. Are nine out of ten such detections right?

# %% [markdown] tags=["answer"]
# Not necessarily. The score is what training made it: here it also says how well the box should fit, so it is rarely
# above 0.95 even for objects that are plain to see. Whether 0.9 means nine out of ten has to be counted on validation
# images; where it does, a network is called *calibrated*.
