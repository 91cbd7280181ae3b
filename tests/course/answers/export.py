# %% 1 wrong: a square canvas
minimal_padding = lambda height, width, longest: (
    (longest, longest),
    (
        (longest - round(height * longest / max(height, width))) // 2,
        (longest - round(width * longest / max(height, width))) // 2,
    ),
)


# %% 1 wrong: rounded down to 32
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    outer = [side // 32 * 32 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: no padding
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    return tuple(inner), (0, 0)


# %% 1 wrong: all padding after the image
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    return tuple(-(-side // 32) * 32 for side in inner), (0, 0)


# %% 1 wrong: width before height
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (width, height)]
    outer = [-(-side // 32) * 32 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: the short side is made `longest`
def minimal_padding(height, width, longest):
    inner = [round(side * longest / min(height, width)) for side in (height, width)]
    outer = [-(-side // 32) * 32 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: sides are cut off instead of rounded
def minimal_padding(height, width, longest):
    inner = [int(side * longest / max(height, width)) for side in (height, width)]
    outer = [-(-side // 32) * 32 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: the odd pixel before the image
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    outer = [-(-side // 32) * 32 for side in inner]
    return tuple(outer), tuple((o - i + 1) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: a full block more where none is needed
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    outer = [(side // 32 + 1) * 32 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: multiples of 64
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    outer = [-(-side // 64) * 64 for side in inner]
    return tuple(outer), tuple((o - i) // 2 for o, i in zip(outer, inner))


# %% 1 wrong: the size of the lesson's photos
minimal_padding = lambda height, width, longest: ((256, 320), (8, 0))


# %% 1 wrong: the whole padding
def minimal_padding(height, width, longest):
    inner = [round(side * longest / max(height, width)) for side in (height, width)]
    outer = [-(-side // 32) * 32 for side in inner]
    return tuple(outer), tuple(o - i for o, i in zip(outer, inner))


# %% 1 right: math.ceil
def minimal_padding(height, width, longest):
    import math

    ratio = longest / max(height, width)
    h, w = round(height * ratio), round(width * ratio)
    canvas = (math.ceil(h / 32) * 32, math.ceil(w / 32) * 32)
    return canvas, ((canvas[0] - h) // 2, (canvas[1] - w) // 2)


# %% 1 right: numpy
def minimal_padding(height, width, longest):
    inner = np.round(np.array([height, width]) * (longest / max(height, width))).astype(int)
    outer = (inner + 31) // 32 * 32
    return tuple(outer.tolist()), tuple(((outer - inner) // 2).tolist())


# %% 1 right: the remainder
def minimal_padding(height, width, longest):
    canvas, first = [], []
    for side in (height, width):
        scaled = round(side * longest / max(height, width))
        missing = -scaled % 32
        canvas.append(scaled + missing)
        first.append(missing // 2)
    return tuple(canvas), tuple(first)


# %% 2 wrong: one step size for all rows
def eight_bits(rows):
    step = np.full((len(rows), 1), np.abs(rows).max() / 127)
    step[step == 0] = 1
    return np.round(rows / step).astype(np.int8), step


# %% 2 wrong: a row of zeros divides by zero
def eight_bits(rows):
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    return np.round(rows / step).astype(np.int8), step


# %% 2 wrong: cut off instead of rounded
def eight_bits(rows):
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return (rows / step).astype(np.int8), step


# %% 2 wrong: the largest, without the sign
def eight_bits(rows):
    step = rows.max(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(rows / step).clip(-127, 127).astype(np.int8), step


# %% 2 wrong: 128 steps, which overflow
def eight_bits(rows):
    step = np.abs(rows).max(axis=1, keepdims=True) / 128
    step[step == 0] = 1
    return np.round(rows / step).astype(np.int8), step


# %% 2 wrong: along the other axis
def eight_bits(rows):
    step = np.abs(rows).max(axis=0, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(rows / step).astype(np.int8), step


# %% 2 wrong: seven bits
def eight_bits(rows):
    step = np.abs(rows).max(axis=1, keepdims=True) / 63
    step[step == 0] = 1
    return np.round(rows / step).astype(np.int8), step


# %% 2 wrong: steps without their axis
def eight_bits(rows):
    step = np.abs(rows).max(axis=1) / 127
    step[step == 0] = 1
    return np.round(rows / step[:, None]).astype(np.int8), step


# %% 2 wrong: whole numbers as floats
def eight_bits(rows):
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(rows / step), step


# %% 2 wrong: without signs
def eight_bits(rows):
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(np.abs(rows) / step).astype(np.int8), step


# %% 2 wrong: the lesson's output instead of the rows that are given
def eight_bits(rows):
    rows = predictions[0]
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(rows / step).astype(np.int8), step


# %% 2 wrong: the mean size
def eight_bits(rows):
    step = np.abs(rows).mean(axis=1, keepdims=True) / 127
    step[step == 0] = 1
    return np.round(rows / step).clip(-127, 127).astype(np.int8), step


# %% 2 right: np.where
def eight_bits(rows):
    largest = np.abs(rows).max(axis=1, keepdims=True)
    step = np.where(largest > 0, largest, 127) / 127
    return np.rint(rows / step).astype(np.int8), step


# %% 2 right: row by row
def eight_bits(rows):
    whole, steps = np.zeros(rows.shape, np.int8), np.ones((len(rows), 1))
    for number, row in enumerate(rows):
        if row.any():
            steps[number] = max(row.max(), -row.min()) / 127
            whole[number] = np.round(row / steps[number])
    return whole, steps


# %% 2 right: a floor for the step
def eight_bits(rows):
    step = np.maximum(np.abs(rows).max(axis=1), 1e-30)[:, None] / 127
    return np.clip(np.round(rows / step), -127, 127).astype("int8"), step


# %% 1 wrong: never larger
def minimal_padding(height, width, longest):
    r = min(1, longest / max(height, width))
    i = [round(s * r) for s in (height, width)]
    o = [-(-x // 32) * 32 for x in i]
    return tuple(o), tuple((a - b) // 2 for a, b in zip(o, i))


# %% 1 wrong: by the width
def minimal_padding(height, width, longest):
    r = longest / width
    i = [round(s * r) for s in (height, width)]
    o = [-(-x // 32) * 32 for x in i]
    return tuple(o), tuple((a - b) // 2 for a, b in zip(o, i))


# %% 1 wrong: the long side is not rounded up
def minimal_padding(height, width, longest):
    r = longest / max(height, width)
    i = [round(s * r) for s in (height, width)]
    o = [x if x == longest else -(-x // 32) * 32 for x in i]
    return tuple(o), tuple((a - b) // 2 for a, b in zip(o, i))


# %% 1 right: with math and lists
def minimal_padding(height, width, longest):
    import math

    r = longest / max(height, width)
    h, w = round(height * r), round(width * r)
    H, W = math.ceil(h / 32) * 32, math.ceil(w / 32) * 32
    return [H, W], [(H - h) // 2, (W - w) // 2]
