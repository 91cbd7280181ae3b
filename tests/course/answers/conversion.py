# %% 1 wrong: corners instead of width and height
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    return [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()], int(read_row(row).sum())


# %% 1 wrong: fractions instead of pixels
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, x1 - x0, y1 - y0], int(read_row(row).sum())


# %% 1 wrong: the area of the box
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, x1 - x0, y1 - y0], (x1 - x0) * (y1 - y0)


# %% 1 wrong: the middle of the box, as YOLO has it
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], int(read_row(row).sum())


# %% 1 wrong: the class counts as a coordinate
def coco_fields(row):
    words = np.array(row.split(), float)
    xs, ys = words[0::2][: len(words) // 2] * 80, words[1::2] * 60
    return [xs.min(), ys.min(), np.ptp(xs), np.ptp(ys)], int(read_row(row).sum())


# %% 1 wrong: height before width
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, y1 - y0, x1 - x0], int(read_row(row).sum())


# %% 1 wrong: x scaled by the height
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (60, 80)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, x1 - x0, y1 - y0], int(read_row(row).sum())


# %% 1 wrong: always the first object of the lesson
coco_fields = lambda row: (
    lambda p: ([*p.min(axis=0), *np.ptp(p, axis=0)], int(read_row(usual_script(annotations)[0]).sum()))
)(np.array(usual_script(annotations)[0].split()[1:], float).reshape(-1, 2) * (80, 60))


# %% 1 wrong: the box of the first corners
def coco_fields(row):
    points = np.array(row.split()[1:9], float).reshape(-1, 2) * (80, 60)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, x1 - x0, y1 - y0], int(read_row(row).sum())


# %% 1 wrong: the area as a fraction of the image
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, x1 - x0, y1 - y0], read_row(row).mean()


# %% 1 wrong: one too wide, as if pixels were counted
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return [x0, y0, x1 - x0 + 1, y1 - y0 + 1], int(read_row(row).sum())


# %% 1 right: minimum and extent
def coco_fields(row):
    points = np.array(row.split()[1:], float).reshape(-1, 2) * (80, 60)
    return [*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist()], int(read_row(row).sum())


# %% 1 right: in plain Python
def coco_fields(row):
    numbers = [float(word) for word in row.split()[1:]]
    xs = [80 * value for value in numbers[0::2]]
    ys = [60 * value for value in numbers[1::2]]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return box, sum(sum(line) for line in read_row(row).tolist())


# %% 1 right: with the area counted by numpy
def coco_fields(row):
    outline = np.asarray(row.split()[1:], dtype=np.float64).reshape(-1, 2) * np.array([80.0, 60.0])
    low, high = outline.min(0), outline.max(0)
    return np.concatenate((low, high - low)).tolist(), np.count_nonzero(read_row(row))


# %% 2 wrong: every edge
count_seams = lambda row: len(row.split()) // 2


# %% 2 wrong: whether there is a seam
def count_seams(row):
    points = list(zip(row.split()[1::2], row.split()[2::2]))
    edges = set(zip(points, points[1:] + points[:1]))
    return int(any((b, a) in edges for a, b in edges))


# %% 2 wrong: both directions count
def count_seams(row):
    points = list(zip(row.split()[1::2], row.split()[2::2]))
    edges = set(zip(points, points[1:] + points[:1]))
    return sum((b, a) in edges for a, b in edges)


# %% 2 wrong: corners that occur twice
def count_seams(row):
    points = list(zip(row.split()[1::2], row.split()[2::2]))
    return len(points) - len(set(points))


# %% 2 wrong: the polygon is not closed
def count_seams(row):
    points = list(zip(row.split()[1::2], row.split()[2::2]))
    edges = set(zip(points, points[1:]))
    return sum((b, a) in edges for a, b in edges) // 2


# %% 2 wrong: none
count_seams = lambda row: 0

# %% 2 wrong: one
count_seams = lambda row: 1


# %% 2 wrong: a row that the lesson has, not the one that is given
def count_seams(row):
    words = (
        label_usual_script(annotations)[0].split()
        if "label_rows" in globals()
        else usual_script(annotations)[0].split()
    )
    points = list(zip(words[1::2], words[2::2]))
    edges = set(zip(points, points[1:] + points[:1]))
    return sum((b, a) in edges for a, b in edges) // 2


# %% 2 wrong: edges that are traversed twice in the same direction
def count_seams(row):
    points = list(zip(row.split()[1::2], row.split()[2::2]))
    edges = list(zip(points, points[1:] + points[:1]))
    return len(edges) - len(set(edges))


# %% 2 wrong: the class is taken for a coordinate
def count_seams(row):
    points = list(zip(row.split()[0::2], row.split()[1::2]))
    edges = set(zip(points, points[1:] + points[:1]))
    return sum((b, a) in edges for a, b in edges) // 2


# %% 2 wrong: rings, not seams
count_seams = lambda row: len(split_row(np.array(row.split()[1:], float).reshape(-1, 2)))


# %% 2 right: text as it stands
def count_seams(row):
    points = list(zip(row.split()[1::2], row.split()[2::2]))
    edges = set(zip(points, points[1:] + points[:1]))
    return sum((b, a) in edges for a, b in edges) // 2


# %% 2 right: numbers, and pairs in order
def count_seams(row):
    numbers = np.array(row.split()[1:], float).reshape(-1, 2)
    points = [tuple(point) for point in numbers.tolist()]
    edges = {(a, b) for a, b in zip(points, [*points[1:], points[0]])}
    return len([1 for a, b in edges if a < b and (b, a) in edges])


# %% 2 right: one edge after the other
def count_seams(row):
    words = row.split()[1:]
    corners = [(words[i], words[i + 1]) for i in range(0, len(words), 2)]
    seen, seams = set(), 0
    for number, corner in enumerate(corners):
        before = corners[number - 1]
        if (corner, before) in seen:
            seams += 1
        seen.add((before, corner))
    return seams
