# %% 1 wrong: the confidence is ignored
count = lambda result, confidence: {
    result.names[int(c)]: (result.boxes.cls == c).sum().item() for c in result.boxes.cls
}

# %% 1 wrong: numbers instead of names
import collections

count = lambda result, confidence: dict(
    collections.Counter(result.boxes.cls[result.boxes.conf > confidence].int().tolist())
)

# %% 1 wrong: the lesson's result instead of the one that is given
import collections

lesson_result = result
count = lambda result, confidence: dict(
    collections.Counter(
        lesson_result.names[int(c)] for c, s in zip(lesson_result.boxes.cls, lesson_result.boxes.conf) if s > confidence
    )
)

# %% 1 wrong: always the default confidence
import collections

count = lambda result, confidence: dict(
    collections.Counter(result.names[int(c)] for c, s in zip(result.boxes.cls, result.boxes.conf) if s > 0.25)
)

# %% 1 wrong: lower scores
import collections

count = lambda result, confidence: dict(
    collections.Counter(result.names[int(c)] for c, s in zip(result.boxes.cls, result.boxes.conf) if s < confidence)
)

# %% 1 wrong: a score that equals the confidence is not higher
import collections

count = lambda result, confidence: dict(
    collections.Counter(result.names[int(c)] for c, s in zip(result.boxes.cls, result.boxes.conf) if s >= confidence)
)

# %% 1 wrong: classes that are not there, with zero
count = lambda result, confidence: {
    name: int(((result.boxes.cls == number) & (result.boxes.conf > confidence)).sum())
    for number, name in result.names.items()
}

# %% 1 wrong: one for every class
count = lambda result, confidence: {result.names[int(c)]: 1 for c in result.boxes.cls[result.boxes.conf > confidence]}

# %% 1 wrong: one number for all classes
count = lambda result, confidence: int((result.boxes.conf > confidence).sum())

# %% 1 wrong: nothing
count = lambda result, confidence: {}


# %% 1 wrong: the confidence counts for the first object of a class only
def count(result, confidence):
    found = {}
    for c, s in zip(result.boxes.cls, result.boxes.conf):
        name = result.names[int(c)]
        if name in found or s > confidence:
            found[name] = found.get(name, 0) + 1
    return found


# %% 1 right: a Counter
import collections

count = lambda result, confidence: collections.Counter(
    result.names[int(c)] for c, s in zip(result.boxes.cls, result.boxes.conf) if s > confidence
)


# %% 1 right: a loop
def count(result, confidence):
    found = {}
    for index in range(len(result)):
        if result.boxes.conf[index] > confidence:
            name = result.names[int(result.boxes.cls[index])]
            found[name] = found.get(name, 0) + 1
    return found


# %% 1 right: a filter first, then unique class numbers
def count(result, confidence):
    kept = result[result.boxes.conf > confidence]
    numbers, counts = np.unique(kept.boxes.cls.numpy(), return_counts=True)
    return {result.names[int(number)]: int(many) for number, many in zip(numbers, counts)}


# %% 2 wrong: overlaps count twice
covered = lambda result: 0.0 if result.masks is None else result.masks.data.sum().item() / result.image[..., 0].size

# %% 2 wrong: an image without objects breaks it
covered = lambda result: result.masks.data.any(dim=0).float().mean().item()


# %% 2 wrong: boxes instead of masks
def covered(result):
    inside = np.zeros(result.orig_shape, bool)
    for x0, y0, x1, y1 in result.boxes.xyxy.round().int().tolist():
        inside[y0:y1, x0:x1] = True
    return inside.mean()


# %% 2 wrong: the largest object only
covered = lambda result: 0.0 if result.masks is None else result.masks.data.float().mean(dim=(1, 2)).max().item()

# %% 2 wrong: pixels, not a fraction
covered = lambda result: 0 if result.masks is None else int(result.masks.data.any(dim=0).sum())

# %% 2 wrong: what is not covered
covered = lambda result: 0.0 if result.masks is None else 1 - result.masks.data.any(dim=0).float().mean().item()

# %% 2 wrong: percent
covered = lambda result: 0.0 if result.masks is None else 100 * result.masks.data.any(dim=0).float().mean().item()

# %% 2 wrong: the lesson's result instead of the one that is given
lesson_result = result
covered = lambda result: 0.0 if result.masks is None else lesson_result.masks.data.any(dim=0).float().mean().item()

# %% 2 wrong: pixels that every object has
covered = lambda result: 0.0 if result.masks is None else result.masks.data.all(dim=0).float().mean().item()

# %% 2 wrong: the mean over objects
covered = lambda result: 0.0 if result.masks is None else result.masks.data.float().mean().item()

# %% 2 wrong: nothing is covered
covered = lambda result: 0.0

# %% 2 right: the largest along the first axis
covered = lambda result: 0.0 if result.masks is None else float(result.masks.data.amax(dim=0).float().mean())


# %% 2 right: one mask after the other
def covered(result):
    inside = np.zeros(result.orig_shape, bool)
    for mask in [] if result.masks is None else result.masks.data.numpy():
        inside |= mask.astype(bool)
    return inside.mean()


# %% 2 right: the sum is above zero
def covered(result):
    if not len(result):
        return 0
    height, width = result.orig_shape
    return (result.masks.data.sum(dim=0) > 0).sum().item() / (height * width)
