# %% 1 wrong: photos instead of groups
def split_by_group(groups, fraction, seed=0):
    order = np.random.default_rng(seed).permutation(len(groups))
    inside = np.zeros(len(groups), bool)
    inside[order[: int(np.ceil(fraction * len(groups)))]] = True
    return inside


# %% 1 wrong: nothing
split_by_group = lambda groups, fraction, seed=0: np.zeros(len(groups), bool)

# %% 1 wrong: everything
split_by_group = lambda groups, fraction, seed=0: np.ones(len(groups), bool)


# %% 1 wrong: a fraction of the groups
def split_by_group(groups, fraction, seed=0):
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    return np.isin(groups, order[: max(1, round(fraction * len(order)))])


# %% 1 wrong: a different choice every time
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng().permutation(np.unique(groups)):
        if np.isin(groups, chosen).sum() >= fraction * len(groups):
            break
        chosen.append(group)
    return np.isin(groups, chosen)


# %% 1 wrong: the other way around
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        if np.isin(groups, chosen).sum() >= fraction * len(groups):
            break
        chosen.append(group)
    return ~np.isin(groups, chosen)


# %% 1 wrong: too few
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        if np.isin(groups, [*chosen, group]).sum() > fraction * len(groups):
            break
        chosen.append(group)
    return np.isin(groups, chosen)


# %% 1 wrong: one group more than needed
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        chosen.append(group)
        if np.isin(groups, chosen[:-1]).sum() >= fraction * len(groups):
            break
    return np.isin(groups, chosen)


# %% 1 wrong: numbers of photos instead of a mask
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        if np.isin(groups, chosen).sum() >= fraction * len(groups):
            break
        chosen.append(group)
    return np.flatnonzero(np.isin(groups, chosen))


# %% 1 wrong: the lesson's groups instead of those that are given
lesson_groups = groups


def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(lesson_groups)):
        if np.isin(lesson_groups, chosen).sum() >= fraction * len(lesson_groups):
            break
        chosen.append(group)
    return np.isin(lesson_groups, chosen)


# %% 1 wrong: always a quarter
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        if np.isin(groups, chosen).sum() >= 0.25 * len(groups):
            break
        chosen.append(group)
    return np.isin(groups, chosen)


# %% 1 wrong: the seed is ignored
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for group in np.unique(groups):
        if np.isin(groups, chosen).sum() >= fraction * len(groups):
            break
        chosen.append(group)
    return np.isin(groups, chosen)


# %% 1 right: sums of group sizes
def split_by_group(groups, fraction, seed=0):
    names, counts = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = np.searchsorted(np.cumsum(counts[order]), fraction * len(groups) - 1e-9) + 1
    return np.isin(groups, names[order[:enough]])


# %% 1 right: sets
def split_by_group(groups, fraction, seed=0):
    import random

    names = sorted(set(groups.tolist()))
    random.Random(seed).shuffle(names)
    chosen, photos = set(), 0
    while photos < fraction * len(groups):
        name = names.pop()
        chosen.add(name)
        photos += int((groups == name).sum())
    return np.array([name in chosen for name in groups.tolist()])


# %% 1 right: a mask that grows
def split_by_group(groups, fraction, seed=0):
    inside = np.zeros(len(groups), dtype=bool)
    for group in np.random.default_rng(seed + 1).permutation(np.unique(groups)):
        if inside.mean() < fraction:
            inside |= groups == group
    return inside


# %% 2 wrong: the most certain first
def label_next(scores, count):
    uncertainties = np.array([np.sum(1 - np.abs(2 * np.asarray(each) - 1)) for each in scores])
    return np.argsort(uncertainties, kind="stable")[:count].tolist()


# %% 2 wrong: the mean instead of the sum
def label_next(scores, count):
    uncertainties = np.array([np.mean(1 - np.abs(2 * np.asarray(each) - 1)) if len(each) else 0 for each in scores])
    return np.argsort(-uncertainties, kind="stable")[:count].tolist()


# %% 2 wrong: the most detections
label_next = lambda scores, count: np.argsort([-len(each) for each in scores], kind="stable")[:count].tolist()

# %% 2 wrong: the lowest scores
label_next = lambda scores, count: np.argsort([min(each, default=1) for each in scores], kind="stable")[:count].tolist()


# %% 2 wrong: all of them
def label_next(scores, count):
    uncertainties = np.array([np.sum(1 - np.abs(2 * np.asarray(each) - 1)) for each in scores])
    return np.argsort(-uncertainties, kind="stable").tolist()


# %% 2 wrong: the largest uncertainty of a photo
def label_next(scores, count):
    worst = [max((1 - abs(2 * s - 1) for s in each), default=0) for each in scores]
    return np.argsort(-np.array(worst), kind="stable")[:count].tolist()


# %% 2 wrong: uncertainty without its absolute value
def label_next(scores, count):
    uncertainties = np.array([np.sum(1 - np.asarray(each)) for each in scores])
    return np.argsort(-uncertainties, kind="stable")[:count].tolist()


# %% 2 wrong: in order of the folder
label_next = lambda scores, count: list(range(count))


# %% 2 wrong: values instead of numbers
def label_next(scores, count):
    return sorted((float(np.sum(1 - np.abs(2 * np.asarray(each) - 1))) for each in scores), reverse=True)[:count]


# %% 2 wrong: always three
def label_next(scores, count):
    uncertainties = np.array([np.sum(1 - np.abs(2 * np.asarray(each) - 1)) for each in scores])
    return np.argsort(-uncertainties, kind="stable")[:3].tolist()


# %% 2 wrong: equal photos in reverse
def label_next(scores, count):
    uncertainties = np.array([np.sum(1 - np.abs(2 * np.asarray(each) - 1)) for each in scores])
    return np.argsort(uncertainties, kind="stable")[::-1][:count].tolist()


# %% 2 wrong: entropy instead of the line that the task names
def label_next(scores, count):
    found = []
    for each in scores:
        p = np.clip(np.asarray(each, float), 1e-9, 1 - 1e-9)
        found.append(float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).sum()))
    return np.argsort(-np.array(found), kind="stable")[:count].tolist()


# %% 2 right: sorted with a key
def label_next(scores, count):
    def uncertainty(number):
        return sum(1 - abs(2 * float(s) - 1) for s in scores[number])

    return sorted(range(len(scores)), key=lambda number: -round(uncertainty(number), 12))[:count]


# %% 2 right: twice the distance to the nearer end
def label_next(scores, count):
    sums = []
    for each in scores:
        values = np.asarray(each, dtype=float)
        sums.append(2 * np.minimum(values, 1 - values).sum())
    return np.argsort(-np.round(sums, 9), kind="stable")[:count].tolist()


# %% 2 right: pairs
def label_next(scores, count):
    pairs = []
    for number, each in enumerate(scores):
        total = 0.0
        for score in each:
            total += 2 * score if score < 0.5 else 2 * (1 - score)
        pairs.append((-round(float(total), 6), number))
    return [number for _, number in sorted(pairs)][:count]


# %% 2 wrong: photos without detections are left out
def label_next(scores, count):
    u = [(-np.sum(1 - np.abs(2 * np.asarray(s) - 1)), i) for i, s in enumerate(scores) if len(s)]
    return [i for _, i in sorted(u)][:count]


# %% 2 right: sorted, as an array
def label_next(scores, count):
    def doubt(i):
        return sum(1 - abs(2 * float(s) - 1) for s in scores[i])

    return np.array(sorted(range(len(scores)), key=doubt, reverse=True)[:count])


# %% 1 wrong: groups are assumed to be 0, 1, 2 ...
def split_by_group(groups, fraction, seed=0):
    chosen = []
    for g in np.random.default_rng(seed).permutation(len(np.unique(groups))):
        if np.isin(groups, chosen).sum() >= fraction * len(groups):
            break
        chosen.append(g)
    return np.isin(groups, chosen)
