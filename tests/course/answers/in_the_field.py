# %% 1 wrong: only a scale, no perspective
def to_centimeters(points, corners, side):
    corners = np.asarray(corners, float)
    return (np.asarray(points, float) - corners[0]) * side / np.linalg.norm(corners[1] - corners[0])


# %% 1 wrong: the square is ten, whatever its side
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square)
    return cv2.perspectiveTransform(np.asarray(points, np.float32)[:, None], matrix)[:, 0]


# %% 1 wrong: from centimeters to pixels
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    matrix = cv2.getPerspectiveTransform(square, np.asarray(corners, np.float32))
    return cv2.perspectiveTransform(np.asarray(points, np.float32)[:, None], matrix)[:, 0]


# %% 1 wrong: the corners in another order
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [0, side], [side, side], [side, 0]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square)
    return cv2.perspectiveTransform(np.asarray(points, np.float32)[:, None], matrix)[:, 0]


# %% 1 wrong: an affine transformation from three corners
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side]], np.float32)
    matrix = cv2.getAffineTransform(np.asarray(corners, np.float32)[:3], square)
    return cv2.transform(np.asarray(points, np.float32)[:, None], matrix)[:, 0]


# %% 1 wrong: from the square's middle
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32) - side / 2
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square.astype(np.float32))
    return cv2.perspectiveTransform(np.asarray(points, np.float32)[:, None], matrix)[:, 0]


# %% 1 wrong: points are not moved
to_centimeters = lambda points, corners, side: np.asarray(points, float)

# %% 1 wrong: the corners instead of the points
to_centimeters = lambda points, corners, side: np.array([[0, 0], [side, 0], [side, side], [0, side]], float)


# %% 1 wrong: the scale of the lesson's card
def to_centimeters(points, corners, side):
    return (np.asarray(points, float) - np.asarray(corners, float)[0]) * scale


# %% 1 wrong: x and y exchanged
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square)
    return cv2.perspectiveTransform(np.asarray(points, np.float32)[:, None, ::-1].copy(), matrix)[:, 0]


# %% 1 wrong: the perspective without its division
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square)
    return (np.hstack((np.asarray(points, float), np.ones((len(points), 1)))) @ matrix.T)[:, :2]


# %% 1 right: with the division by hand
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), square)
    x, y, w = matrix @ np.vstack((np.asarray(points, float).T, np.ones(len(points))))
    return np.stack((x / w, y / w), axis=1)


# %% 1 right: by the inverse
def to_centimeters(points, corners, side):
    square = np.float32([[0, 0], [side, 0], [side, side], [0, side]])
    inverse = np.linalg.inv(cv2.getPerspectiveTransform(square, np.float32(corners)))
    return cv2.perspectiveTransform(np.float32(points).reshape(-1, 1, 2), inverse).reshape(-1, 2)


# %% 1 right: by findHomography
def to_centimeters(points, corners, side):
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    matrix, _ = cv2.findHomography(np.asarray(corners, float), square)
    return cv2.perspectiveTransform(np.asarray(points, float)[None], matrix)[0]


# %% 2 wrong: none
forgotten = lambda seen, patience: []

# %% 2 wrong: all
forgotten = lambda seen, patience: sorted({number for numbers in seen for number in numbers})

# %% 2 wrong: those that are not in the last frame
forgotten = lambda seen, patience: sorted({n for numbers in seen for n in numbers} - set(seen[-1] if seen else []))


# %% 2 wrong: one frame too patient
def forgotten(seen, patience):
    last = {number: frame for frame, numbers in enumerate(seen) for number in numbers}
    return sorted(number for number, frame in last.items() if frame < len(seen) - patience - 1)


# %% 2 wrong: one frame too impatient
def forgotten(seen, patience):
    last = {number: frame for frame, numbers in enumerate(seen) for number in numbers}
    return sorted(number for number, frame in last.items() if frame <= len(seen) - patience)


# %% 2 wrong: the first frame of an object instead of its last
def forgotten(seen, patience):
    first = {}
    for frame, numbers in enumerate(seen):
        for number in numbers:
            first.setdefault(number, frame)
    return sorted(number for number, frame in first.items() if frame < len(seen) - patience)


# %% 2 wrong: those that are still known
def forgotten(seen, patience):
    return sorted({number for numbers in seen[-patience:] for number in numbers})


# %% 2 wrong: in the order of their last frame
def forgotten(seen, patience):
    last = {number: frame for frame, numbers in enumerate(seen) for number in numbers}
    return [n for n, frame in sorted(last.items(), key=lambda pair: -pair[1]) if frame < len(seen) - patience]


# %% 2 wrong: a patience of two, whatever is asked
def forgotten(seen, patience):
    last = {number: frame for frame, numbers in enumerate(seen) for number in numbers}
    return sorted(number for number, frame in last.items() if frame < len(seen) - 2)


# %% 2 wrong: those that were seen in fewer frames than the patience
def forgotten(seen, patience):
    every = [number for numbers in seen for number in numbers]
    return sorted(number for number in set(every) if every.count(number) < patience)


# %% 2 wrong: with repetitions
def forgotten(seen, patience):
    recent = {number for numbers in seen[max(len(seen) - patience, 0) :] for number in numbers}
    return sorted(number for numbers in seen for number in numbers if number not in recent)


# %% 2 right: by sets
def forgotten(seen, patience):
    recent = set().union(*seen[max(len(seen) - patience, 0) :])
    return sorted(set().union(*seen) - recent)


# %% 2 right: counting back
def forgotten(seen, patience):
    gone = set()
    for number in {number for numbers in seen for number in numbers}:
        age = next(age for age, numbers in enumerate(reversed(seen)) if number in numbers)
        if age >= patience:
            gone.add(number)
    return sorted(gone)


# %% 2 right: with numpy
def forgotten(seen, patience):
    numbers = np.unique([number for frame in seen for number in frame]).astype(int)
    last = [max(index for index, frame in enumerate(seen) if number in frame) for number in numbers]
    return [int(number) for number, frame in zip(numbers, last) if len(seen) - frame > patience]


# %% 2 wrong: not sorted
def forgotten(seen, patience):
    last = {n: f for f, ns in enumerate(seen) for n in ns}
    return [n for n, f in last.items() if f < len(seen) - patience]


# %% 1 right: solved by hand
def to_centimeters(points, corners, side):
    src = np.asarray(corners, float)
    dst = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    rows, b = [], []
    for (x, y), (u, v) in zip(src, dst):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        b += [u, v]
    h = np.append(np.linalg.solve(np.array(rows), np.array(b)), 1).reshape(3, 3)
    p = np.c_[np.asarray(points, float), np.ones(len(points))] @ h.T
    return p[:, :2] / p[:, 2:]
