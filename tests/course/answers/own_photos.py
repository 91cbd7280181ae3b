# %% 1 wrong: scores above, not from
def stock(result, score):
    counts = {name: 0 for name in result.names.values()}
    for class_id in result[result.boxes.conf > score + 0.05].boxes.cls.tolist():
        counts[result.names[int(class_id)]] += 1
    return counts


# %% 1 wrong: the score is ignored
def stock(result, score):
    counts = {name: 0 for name in result.names.values()}
    for class_id in result.boxes.cls.tolist():
        counts[result.names[int(class_id)]] += 1
    return counts


# %% 1 wrong: classes without objects are left out
def stock(result, score):
    names = [result.names[int(class_id)] for class_id in result[result.boxes.conf >= score].boxes.cls]
    return {name: names.count(name) for name in sorted(set(names))}


# %% 1 wrong: class ids instead of names
def stock(result, score):
    ids = result[result.boxes.conf >= score].boxes.cls.int().tolist()
    return {class_id: ids.count(class_id) for class_id in result.names}


# %% 1 wrong: always a score of one half
def stock(result, score):
    ids = result[result.boxes.conf >= 0.5].boxes.cls.int().tolist()
    return {name: ids.count(class_id) for class_id, name in result.names.items()}


# %% 1 wrong: low scores instead of high ones
def stock(result, score):
    ids = result[result.boxes.conf < score].boxes.cls.int().tolist()
    return {name: ids.count(class_id) for class_id, name in result.names.items()}


# %% 1 wrong: the number of all objects for each class
def stock(result, score):
    return {name: int((result.boxes.conf >= score).sum()) for name in result.names.values()}


# %% 1 wrong: whether there is one, not how many
def stock(result, score):
    ids = result[result.boxes.conf >= score].boxes.cls.int().tolist()
    return {name: int(class_id in ids) for class_id, name in result.names.items()}


# %% 1 wrong: the names of the lesson's model
def stock(result, score):
    ids = result[result.boxes.conf >= score].boxes.cls.int().tolist()
    return {name: ids.count(class_id) for class_id, name in model.names.items()}


# %% 1 wrong: the lesson's last result instead of the argument
def stock(given, score):
    ids = result[result.boxes.conf >= score].boxes.cls.int().tolist()
    return {name: ids.count(class_id) for class_id, name in given.names.items()}


# %% 1 wrong: nothing at all
stock = lambda result, score: {name: 0 for name in result.names.values()}


# %% 1 right: with masks of booleans
def stock(result, score):
    sure = result.boxes.conf >= score
    return {name: int(((result.boxes.cls == class_id) & sure).sum()) for class_id, name in result.names.items()}


# %% 1 right: with a Counter
def stock(result, score):
    from collections import Counter

    pairs = zip(result.boxes.cls.tolist(), result.boxes.conf.tolist())
    counted = Counter(int(class_id) for class_id, conf in pairs if conf >= score)
    return {name: counted[class_id] for class_id, name in result.names.items()}


# %% 1 right: with a list
def stock(result, score):
    found = [result.names[int(each)] for each in result.boxes.cls[result.boxes.conf >= score]]
    return dict((name, found.count(name)) for name in result.names.values())


# %% 2 wrong: always one
kept_by = lambda ring, step, height, width: 1.0

# %% 2 wrong: the fraction of corners that is kept
kept_by = lambda ring, step, height, width: len(ring[::step]) / len(ring)


# %% 2 wrong: the ratio of areas
def kept_by(ring, step, height, width):
    return fill([ring[::step]], height, width).sum() / fill([ring], height, width).sum() - 0.02


# %% 2 wrong: the first corners instead of every one in step
def kept_by(ring, step, height, width):
    whole, thinned = fill([ring], height, width), fill([ring[: max(len(ring) // step, 3)]], height, width)
    return (whole & thinned).sum() / (whole | thinned).sum()


# %% 2 wrong: the step is ignored
def kept_by(ring, step, height, width):
    whole, thinned = fill([ring], height, width), fill([ring[::2]], height, width)
    return (whole & thinned).sum() / (whole | thinned).sum()


# %% 2 wrong: a square image, whatever is given
def kept_by(ring, step, height, width):
    whole, thinned = fill([ring], height, height), fill([ring[::step]], height, height)
    return (whole & thinned).sum() / (whole | thinned).sum()


# %% 2 wrong: the union over the intersection
def kept_by(ring, step, height, width):
    whole, thinned = fill([ring], height, width), fill([ring[::step]], height, width)
    return (whole | thinned).sum() / (whole & thinned).sum()


# %% 2 wrong: the fraction of equal pixels of the image
def kept_by(ring, step, height, width):
    return (fill([ring], height, width) == fill([ring[::step]], height, width)).mean()


# %% 2 wrong: the Dice coefficient
def kept_by(ring, step, height, width):
    whole, thinned = fill([ring], height, width), fill([ring[::step]], height, width)
    return 2 * (whole & thinned).sum() / (whole.sum() + thinned.sum())


# %% 2 wrong: what was lost
def kept_by(ring, step, height, width):
    whole, thinned = fill([ring], height, width), fill([ring[::step]], height, width)
    return 1 - (whole & thinned).sum() / (whole | thinned).sum()


# %% 2 wrong: always the lesson's disc
def kept_by(ring, step, height, width):
    whole, thinned = fill([disc * 20 + 30], 60, 60), fill([(disc * 20 + 30)[::step]], 60, 60)
    return (whole & thinned).sum() / (whole | thinned).sum()


# %% 2 right: with numpy's logic
def kept_by(ring, step, height, width):
    a = fill([ring], height, width)
    b = fill([ring[::step]], height, width)
    return np.logical_and(a, b).sum() / np.logical_or(a, b).sum()


# %% 2 right: with areas
def kept_by(ring, step, height, width):
    a, b = (fill([each], height, width) for each in (ring, ring[::step]))
    both = (a & b).sum()
    return both / (a.sum() + b.sum() - both)


# %% 2 right: with indices
def kept_by(ring, step, height, width):
    a = fill([ring], height, width).ravel().nonzero()[0]
    b = fill([ring[range(0, len(ring), step)]], height, width).ravel().nonzero()[0]
    return len(np.intersect1d(a, b)) / len(np.union1d(a, b))


# %% 1 wrong: strictly more than the score
def stock(result, score):
    counts = {name: 0 for name in result.names.values()}
    for c in result[result.boxes.conf > score].boxes.cls.tolist():
        counts[result.names[int(c)]] += 1
    return counts


# %% 2 wrong: divides by the whole
def kept_by(ring, step, height, width):
    a, b = fill([ring], height, width), fill([ring[::step]], height, width)
    return (a & b).sum() / a.sum()


# %% 2 wrong: ratio of areas
def kept_by(ring, step, height, width):
    a, b = fill([ring], height, width), fill([ring[::step]], height, width)
    return min(a.sum(), b.sum()) / max(a.sum(), b.sum())


# %% 1 right: classes in the order of the alphabet
def stock(result, score):
    ids = result.boxes.cls[result.boxes.conf >= score].int().tolist()
    return {result.names[number]: ids.count(number) for number in sorted(result.names, key=result.names.get)}
