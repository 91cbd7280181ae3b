# %% 1 wrong: the first
best_confidence = lambda explored, choices: choices[0]

# %% 1 wrong: the default
best_confidence = lambda explored, choices: 0.25

# %% 1 wrong: the most right ones
best_confidence = lambda explored, choices: max(
    choices, key=lambda c: sum(v >= 0 for v in explored.verdicts(explored.found(c)))
)

# %% 1 wrong: the best precision
best_confidence = lambda explored, choices: max(
    choices, key=lambda c: np.mean([v >= 0 for v in explored.verdicts(explored.found(c))] or [0])
)

# %% 1 wrong: the most detections
best_confidence = lambda explored, choices: max(choices, key=lambda c: len(explored.found(c)))

# %% 1 wrong: the last of equals
best_confidence = lambda explored, choices: max(
    reversed(choices),
    key=lambda c: (
        2
        * sum(v >= 0 for v in explored.verdicts(explored.found(c)))
        / (len(explored.found(c)) + len(explored.ground_truth))
    ),
)

# %% 1 wrong: the worst
best_confidence = lambda explored, choices: min(
    choices,
    key=lambda c: (
        2
        * sum(v >= 0 for v in explored.verdicts(explored.found(c)))
        / (len(explored.found(c)) + len(explored.ground_truth))
    ),
)

# %% 1 wrong: the F1 instead of the confidence
best_confidence = lambda explored, choices: max(
    2
    * sum(v >= 0 for v in explored.verdicts(explored.found(c)))
    / (len(explored.found(c)) + len(explored.ground_truth))
    for c in choices
)

# %% 1 wrong: object 0 is taken for none
best_confidence = lambda explored, choices: max(
    choices,
    key=lambda c: (
        2
        * sum(v > 0 for v in explored.verdicts(explored.found(c)))
        / (len(explored.found(c)) + len(explored.ground_truth))
    ),
)

# %% 1 wrong: the lesson's image instead of the one that is given
lesson_explored = explored
best_confidence = lambda explored, choices: max(
    choices,
    key=lambda c: (
        2
        * sum(v >= 0 for v in lesson_explored.verdicts(lesson_explored.found(c)))
        / (len(lesson_explored.found(c)) + len(lesson_explored.ground_truth))
    ),
)

# %% 1 wrong: false alarms cost nothing
best_confidence = lambda explored, choices: max(
    choices, key=lambda c: sum(v >= 0 for v in explored.verdicts(explored.found(c))) / len(explored.ground_truth)
)

# %% 1 wrong: other choices than those that are given
best_confidence = lambda explored, choices: max(
    [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85],
    key=lambda c: (
        2
        * sum(v >= 0 for v in explored.verdicts(explored.found(c)))
        / (len(explored.found(c)) + len(explored.ground_truth))
    ),
)


# %% 1 right: a loop
def best_confidence(explored, choices):
    best, value = None, -1.0
    for choice in choices:
        numbers = explored.found(choice)
        right = len([one for one in explored.verdicts(numbers) if one != -1])
        f1 = 2 * right / (len(numbers) + len(explored.ground_truth))
        if f1 > value:
            best, value = choice, f1
    return best


# %% 1 right: precision and recall
def best_confidence(explored, choices):
    scores = []
    for choice in choices:
        verdicts = explored.verdicts(explored.found(choice))
        right = sum(v >= 0 for v in verdicts)
        precision = right / len(verdicts) if verdicts else 0
        recall = right / len(explored.ground_truth)
        scores.append(round(2 * precision * recall / (precision + recall), 12) if right else 0)
    return choices[scores.index(max(scores))]


# %% 1 right: argmax
def best_confidence(explored, choices):
    def f1(choice):
        verdicts = np.array(explored.verdicts(explored.found(choice)))
        return 2 * (verdicts >= 0).sum() / (len(verdicts) + len(explored.ground_truth))

    return choices[int(np.argmax([f1(choice) for choice in choices]))]


# %% 2 wrong: always sharp
stability = lambda explored, number: 1.0

# %% 2 wrong: the other way around
stability = lambda explored, number: (
    explored.crops([number], 0.3)[0][2].sum() / explored.crops([number], 0.7)[0][2].sum()
)

# %% 2 wrong: from a half
stability = lambda explored, number: (
    explored.crops([number], 0.7)[0][2].sum() / explored.crops([number], 0.5)[0][2].sum()
)

# %% 2 wrong: to a half
stability = lambda explored, number: (
    explored.crops([number], 0.5)[0][2].sum() / explored.crops([number], 0.3)[0][2].sum()
)

# %% 2 wrong: the score
stability = lambda explored, number: float(explored.scores[number]) if hasattr(explored, "scores") else 0.5

# %% 2 wrong: what is lost
stability = lambda explored, number: (
    1 - explored.crops([number], 0.7)[0][2].sum() / explored.crops([number], 0.3)[0][2].sum()
)

# %% 2 wrong: the first object, whichever is meant
lesson_first = explored.found()[0]
stability = lambda explored, number: (
    explored.crops([lesson_first], 0.7)[0][2].sum() / explored.crops([lesson_first], 0.3)[0][2].sum()
)

# %% 2 wrong: the lesson's image instead of the one that is given
lesson_explored = explored
stability = lambda explored, number: (
    lesson_explored.crops([number], 0.7)[0][2].sum() / lesson_explored.crops([number], 0.3)[0][2].sum()
)

# %% 2 wrong: the fraction of the crop
stability = lambda explored, number: explored.crops([number], 0.7)[0][2].mean()

# %% 2 wrong: percent
stability = lambda explored, number: (
    100 * explored.crops([number], 0.7)[0][2].sum() / explored.crops([number], 0.3)[0][2].sum()
)

# %% 2 wrong: sides instead of areas
stability = lambda explored, number: (
    explored.crops([number], 0.7)[0][2].shape[0] / explored.crops([number], 0.3)[0][2].shape[0]
)

# %% 2 wrong: the square
stability = lambda explored, number: (
    (explored.crops([number], 0.7)[0][2].sum() / explored.crops([number], 0.3)[0][2].sum()) ** 2
)


# %% 2 right: step by step
def stability(explored, number):
    ((_, _, loose),) = explored.crops([number], 0.3)
    ((_, _, tight),) = explored.crops([number], 0.7)
    return float(np.count_nonzero(tight)) / np.count_nonzero(loose)


# %% 2 right: two counts
def stability(explored, number):
    counts = [int(explored.crops([number], level)[0][2].sum()) for level in (0.7, 0.3)]
    return counts[0] / counts[1]


# %% 2 right: means of one window
def stability(explored, number):
    areas = {}
    for level in (0.3, 0.7):
        for _, _, crop in explored.crops([number], level):
            areas[level] = crop.mean() * crop.size
    return areas[0.7] / areas[0.3]


# %% 1 wrong: the lowest of equals
def best_confidence(explored, choices):
    def f(c):
        n = explored.found(c)
        return 2 * sum(v >= 0 for v in explored.verdicts(n)) / (len(n) + len(explored.ground_truth))

    return max(sorted(choices), key=f)
