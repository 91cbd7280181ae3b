# %% 1 wrong: the envelope is missing
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    found = [precision[np.flatnonzero(recall >= level - 1e-9)[:1]] for level in np.linspace(0, 1, 11)]
    return np.mean([each[0] if len(each) else 0 for each in found])


# %% 1 wrong: COCO's 101 recalls
voc_2007 = lambda right, instances: average_precision(right, instances)


# %% 1 wrong: ten recalls
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    return np.mean([precision[recall >= level - 1e-9].max(initial=0) for level in np.linspace(0.1, 1, 10)])


# %% 1 wrong: recall among the detections
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / max(1, right.sum())
    return np.mean([precision[recall >= level - 1e-9].max(initial=0) for level in np.linspace(0, 1, 11)])


# %% 1 wrong: recalls strictly beyond the level
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    return np.mean([precision[recall > level + 1e-9].max(initial=0) for level in np.linspace(0, 1, 11)])


# %% 1 wrong: no tolerance
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    return np.mean([precision[recall >= level].max(initial=0) for level in np.linspace(0, 1, 11)])


# %% 1 wrong: levels that are not reached are left out of the mean
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    levels = [level for level in np.linspace(0, 1, 11) if (recall >= level - 1e-9).any()]
    return np.mean([precision[recall >= level - 1e-9].max() for level in levels]) if levels else 0


# %% 1 wrong: the sum
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    return sum(precision[recall >= level - 1e-9].max(initial=0) for level in np.linspace(0, 1, 11))


# %% 1 wrong: three objects, as on paper
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / 3
    return np.mean([precision[recall >= level - 1e-9].max(initial=0) for level in np.linspace(0, 1, 11)])


# %% 1 wrong: the lesson's detections instead of those that are given
lesson_right = right


def voc_2007(right, instances):
    hits = lesson_right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    return np.mean([precision[recall >= level - 1e-9].max(initial=0) for level in np.linspace(0, 1, 11)])


# %% 1 wrong: the precision of all
voc_2007 = lambda right, instances: right.mean()


# %% 1 wrong: the mean of the precisions at hits
def voc_2007(right, instances):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    return precision[right].sum() / instances


# %% 1 right: an envelope from the right, then a look-up
def voc_2007(right, instances):
    hits = np.cumsum(right)
    precision, recall = hits / (np.arange(len(right)) + 1), hits / instances
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)
    return envelope[np.searchsorted(recall, np.arange(11) / 10 - 1e-9)].mean()


# %% 1 right: whole numbers
def voc_2007(right, instances):
    total, hits, points = 0.0, 0, []
    for rank, good in enumerate(right.tolist(), start=1):
        hits += good
        points.append((hits, hits / rank))
    for tenth in range(11):
        total += max((p for h, p in points if 10 * h >= tenth * instances), default=0)
    return total / 11


# %% 1 right: a matrix
def voc_2007(right, instances):
    hits = right.cumsum()
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / instances
    reached = recall[None] >= np.linspace(0, 1, 11)[:, None] - 1e-6
    return float((precision * reached).max(axis=1).mean())


# %% 2 wrong: the highest score
confidence_for = lambda values, right, min_precision: values[0]


# %% 2 wrong: the first that falls below
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    bad = np.flatnonzero(precision < min_precision)
    return values[bad[0]] if len(bad) else values[-1]


# %% 2 wrong: stops at the first that falls below
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    best = None
    for value, reached in zip(values, precision):
        if reached < min_precision:
            break
        best = value
    return best


# %% 2 wrong: strictly above the precision
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    good = np.flatnonzero(precision > min_precision)
    return values[good[-1]] if len(good) else None


# %% 2 wrong: the highest score that is precise enough
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    good = np.flatnonzero(precision >= min_precision)
    return values[good[0]] if len(good) else None


# %% 2 wrong: zero where nothing is good enough
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    good = np.flatnonzero(precision >= min_precision)
    return values[good[-1]] if len(good) else 0.0


# %% 2 wrong: an index instead of a score
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    good = np.flatnonzero(precision >= min_precision)
    return int(good[-1]) if len(good) else None


# %% 2 wrong: the precision for a score
confidence_for = lambda values, right, min_precision: min_precision

# %% 2 wrong: the lowest score of a right one
confidence_for = lambda values, right, min_precision: values[np.flatnonzero(right)[-1]] if right.any() else None

# %% 2 wrong: the lesson's scores instead of those that are given
lesson_values, lesson_right = scores, right


def confidence_for(values, right, min_precision):
    precision = lesson_right.cumsum() / np.arange(1, len(lesson_right) + 1)
    good = np.flatnonzero(precision >= min_precision)
    return lesson_values[good[-1]] if len(good) else None


# %% 2 wrong: always at least half
def confidence_for(values, right, min_precision):
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    good = np.flatnonzero(precision >= 0.5)
    return values[good[-1]] if len(good) else None


# %% 2 wrong: the score itself is what must be high
confidence_for = lambda values, right, min_precision: next((v for v in values[::-1] if v >= min_precision), None)


# %% 2 right: from the end
def confidence_for(values, right, min_precision):
    for count in range(len(values), 0, -1):
        if right[:count].mean() >= min_precision:
            return values[count - 1]
    return None


# %% 2 right: every score tried
def confidence_for(values, right, min_precision):
    enough = [value for value in values if right[values >= value].mean() >= min_precision]
    return min(enough) if enough else None


# %% 2 right: with where
def confidence_for(values, right, min_precision):
    precision = np.cumsum(right) / (1 + np.arange(len(right)))
    found = np.where(precision >= min_precision, values, np.inf).min(initial=np.inf)
    return None if np.isinf(found) else float(found)
