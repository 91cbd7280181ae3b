# %% 1 wrong: zeros instead of ones
area_and_overlap = lambda a, b: (sum(a[0::2]), min(sum(a[0::2]), sum(b[0::2])))

# %% 1 wrong: the smaller mask is taken to lie within the larger
area_and_overlap = lambda a, b: (sum(a[1::2]), min(sum(a[1::2]), sum(b[1::2])))

# %% 1 wrong: two areas
area_and_overlap = lambda a, b: (sum(a[1::2]), sum(b[1::2]))

# %% 1 wrong: no overlap
area_and_overlap = lambda a, b: (sum(a[1::2]), 0)

# %% 1 wrong: run against run of the same number
area_and_overlap = lambda a, b: (sum(a[1::2]), sum(min(x, y) for x, y in zip(a[1::2], b[1::2])))


# %% 1 wrong: the union
def area_and_overlap(a, b):
    bits_a, bits_b = (np.repeat(np.arange(len(c)) % 2, c).astype(bool) for c in (a, b))
    return int(bits_a.sum()), int((bits_a | bits_b).sum())


# %% 1 wrong: the lesson's masks instead of the runs that are given
area_and_overlap = lambda a, b: (int(mask.sum()), int((mask & solid).sum()))


# %% 1 wrong: the other way around
def area_and_overlap(a, b):
    bits_a, bits_b = (np.repeat(np.arange(len(c)) % 2, c).astype(bool) for c in (a, b))
    return int((bits_a & bits_b).sum()), int(bits_a.sum())


# %% 1 wrong: the area of the second
def area_and_overlap(a, b):
    bits_a, bits_b = (np.repeat(np.arange(len(c)) % 2, c).astype(bool) for c in (a, b))
    return int(bits_b.sum()), int((bits_a & bits_b).sum())


# %% 1 wrong: runs that do not meet count as negative
def area_and_overlap(a, b):
    (from_a, to_a), (from_b, to_b) = (np.cumsum(c)[: len(c) // 2 * 2].reshape(-1, 2).T for c in (a, b))
    return int((to_a - from_a).sum()), int(
        (np.minimum(to_a[:, None], to_b) - np.maximum(from_a[:, None], from_b)).sum()
    )


# %% 1 wrong: the first run of each only
def area_and_overlap(a, b):
    start, end = max(a[0], b[0]), min(a[0] + a[1], b[0] + b[1])
    return sum(a[1::2]), max(0, end - start)


# %% 1 wrong: the symmetric difference
def area_and_overlap(a, b):
    bits_a, bits_b = (np.repeat(np.arange(len(c)) % 2, c).astype(bool) for c in (a, b))
    return int(bits_a.sum()), int((bits_a ^ bits_b).sum())


# %% 1 right: two pointers
def area_and_overlap(a, b):
    runs = []
    for counts in (a, b):
        ends = np.cumsum(counts).tolist()
        runs.append(list(zip(ends[0::2], ends[1::2])))
    first, second, i, j, both = *runs, 0, 0, 0
    while i < len(first) and j < len(second):
        both += max(0, min(first[i][1], second[j][1]) - max(first[i][0], second[j][0]))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return sum(end - start for start, end in first), both


# %% 1 right: every run with every run
def area_and_overlap(a, b):
    def runs(counts):
        position, found = 0, []
        for number, count in enumerate(counts):
            if number % 2:
                found.append((position, position + int(count)))
            position += int(count)
        return found

    both = sum(max(0, min(p[1], q[1]) - max(p[0], q[0])) for p in runs(a) for q in runs(b))
    return int(sum(a[1::2])), both


# %% 1 right: bits
def area_and_overlap(a, b):
    bits_a, bits_b = (np.repeat(np.arange(len(c)) % 2, c).astype(bool) for c in (a, b))
    return bits_a.sum(), (bits_a & bits_b).sum()


# %% 2 wrong: the mean of all corners
centroid = lambda rings: np.concatenate(rings).mean(axis=0)

# %% 2 wrong: the center of the box
centroid = lambda rings: (np.concatenate(rings).min(axis=0) + np.concatenate(rings).max(axis=0)) / 2


# %% 2 wrong: the first ring only
def centroid(rings):
    (x, y), (x2, y2) = rings[0].T, np.roll(rings[0], -1, axis=0).T
    cross = x * y2 - x2 * y
    return np.array([((x + x2) * cross).sum(), ((y + y2) * cross).sum()]) / (3 * cross.sum())


# %% 2 wrong: holes are added
def centroid(rings):
    moment, area = np.zeros(2), 0.0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        sign = np.sign(cross.sum())
        moment += sign * ((ring + following) * cross[:, None]).sum(axis=0) / 6
        area += sign * cross.sum() / 2
    return moment / area


# %% 2 wrong: not divided by the area
def centroid(rings):
    moment = np.zeros(2)
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        moment += ((ring + following) * cross[:, None]).sum(axis=0) / 6
    return moment


# %% 2 wrong: the mean of the rings' centroids
def centroid(rings):
    found = []
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        found.append(((ring + following) * cross[:, None]).sum(axis=0) / (3 * cross.sum()))
    return np.mean(found, axis=0)


# %% 2 wrong: pixel numbers instead of pixel centers
def centroid(rings):
    moment, area = np.zeros(2), 0.0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        moment += ((ring + following) * cross[:, None]).sum(axis=0) / 6
        area += cross.sum() / 2
    return moment / area - 0.5


# %% 2 wrong: y before x
def centroid(rings):
    moment, area = np.zeros(2), 0.0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        moment += ((ring + following) * cross[:, None]).sum(axis=0) / 6
        area += cross.sum() / 2
    return (moment / area)[::-1]


# %% 2 wrong: the middle of the outline, not of the area
def centroid(rings):
    total, length = np.zeros(2), 0.0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        lengths = np.linalg.norm(following - ring, axis=1)
        total += ((ring + following) / 2 * lengths[:, None]).sum(axis=0)
        length += lengths.sum()
    return total / length


# %% 2 wrong: the lesson's rings instead of those that are given
def centroid(rings):
    moment, area = np.zeros(2), 0.0
    for ring in [frame, window]:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        moment += ((ring + following) * cross[:, None]).sum(axis=0) / 6
        area += cross.sum() / 2
    return moment / area


# %% 2 wrong: a factor of two in the area
def centroid(rings):
    moment, area = np.zeros(2), 0.0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        moment += ((ring + following) * cross[:, None]).sum(axis=0) / 6
        area += cross.sum()
    return moment / area


# %% 2 wrong: rings are not closed
def centroid(rings):
    moment, area = np.zeros(2), 0.0
    for ring in rings:
        cross = ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]
        moment += ((ring[:-1] + ring[1:]) * cross[:, None]).sum(axis=0) / 6
        area += cross.sum() / 2
    return moment / area


# %% 2 right: the formula, with x and y apart
def centroid(rings):
    area = x_moment = y_moment = 0.0
    for ring in rings:
        (x, y), (x2, y2) = ring.T, np.roll(ring, -1, axis=0).T
        cross = x * y2 - x2 * y
        area += cross.sum() / 2
        x_moment += ((x + x2) * cross).sum() / 6
        y_moment += ((y + y2) * cross).sum() / 6
    return x_moment / area, y_moment / area


# %% 2 right: in plain Python
def centroid(rings):
    area = x = y = 0.0
    for ring in rings:
        points = ring.tolist()
        for (xa, ya), (xb, yb) in zip(points, [*points[1:], points[0]]):
            part = 0.5 * (xa * yb - xb * ya)
            area += part
            x += part * (xa + xb) / 3
            y += part * (ya + yb) / 3
    return [x / area, y / area]


# %% 2 right: complex numbers, around the first corner
def centroid(rings):
    origin = complex(*rings[0][0])
    moment, area = 0j, 0.0
    for ring in rings:
        z = ring[:, 0] + 1j * ring[:, 1] - origin
        after = np.roll(z, -1)
        parts = (z.conj() * after).imag / 2
        moment += (parts * (z + after) / 3).sum()
        area += parts.sum()
    middle = origin + moment / area
    return np.array([middle.real, middle.imag])
