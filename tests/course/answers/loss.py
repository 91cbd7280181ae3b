# %% 1 wrong: the target minus the prediction
focal_gradient = lambda z, distance: target_of(distance) - z.softmax(dim=0)

# %% 1 wrong: logits instead of probabilities
focal_gradient = lambda z, distance: z - target_of(distance)

# %% 1 wrong: no target
focal_gradient = lambda z, distance: z.softmax(dim=0)

# %% 1 wrong: the mean over bins
focal_gradient = lambda z, distance: (z.softmax(dim=0) - target_of(distance)) / 16

# %% 1 wrong: a sigmoid for each bin
focal_gradient = lambda z, distance: z.sigmoid() - target_of(distance)


# %% 1 wrong: the nearest bin only
def focal_gradient(z, distance):
    target = torch.zeros(16)
    target[round(distance)] = 1
    return z.softmax(dim=0) - target


# %% 1 wrong: the bin below only
def focal_gradient(z, distance):
    target = torch.zeros(16)
    target[int(distance)] = 1
    return z.softmax(dim=0) - target


# %% 1 wrong: the loss instead of its gradient
focal_gradient = lambda z, distance: distribution_focal(z, distance)

# %% 1 wrong: always one distance
focal_gradient = lambda z, distance: z.softmax(dim=0) - target_of(4.2)

# %% 1 wrong: zero
focal_gradient = lambda z, distance: torch.zeros(16)


# %% 1 wrong: the two weights exchanged
def focal_gradient(z, distance):
    target, low = torch.zeros(16), min(int(distance), 14)
    target[low], target[low + 1] = distance - low, 1 - (distance - low)
    return z.softmax(dim=0) - target


# %% 1 wrong: the logits that are given are ignored
focal_gradient = lambda z, distance: torch.zeros(16).softmax(dim=0) - target_of(distance)

# %% 1 right: with exponentials
focal_gradient = lambda z, distance: z.exp() / z.exp().sum() - target_of(distance)


# %% 1 right: the target written out
def focal_gradient(z, distance):
    low = min(int(distance), 14)
    gradient = z.softmax(dim=0)
    gradient[low] -= low + 1 - distance
    gradient[low + 1] -= distance - low
    return gradient


# %% 1 right: two cross-entropies, weighted
def focal_gradient(z, distance):
    target, total = target_of(distance), torch.zeros(16)
    for index in target.nonzero()[:, 0].tolist():
        one = torch.nn.functional.one_hot(torch.tensor(index), 16).float()
        total = total + target[index] * (z.softmax(dim=0) - one)
    return total


# %% 2 wrong: always perfect
best_reachable = lambda point, stride, box: torch.tensor(1.0)

# %% 2 wrong: a fraction of the side
best_reachable = lambda point, stride, box: (30 * stride / (box[2:] - box[:2]).max()).clamp(max=1)


# %% 2 wrong: the reach is the stride
def best_reachable(point, stride, box):
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, stride)
    reachable = torch.cat((point - distances[:2], point + distances[2:]))
    return box_iou(reachable[None], box[None])[0, 0]


# %% 2 wrong: sixteen bins reach sixteen strides
def best_reachable(point, stride, box):
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, 16 * stride)
    reachable = torch.cat((point - distances[:2], point + distances[2:]))
    return box_iou(reachable[None], box[None])[0, 0]


# %% 2 wrong: stride 8 for all
def best_reachable(point, stride, box):
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, 15 * 8)
    reachable = torch.cat((point - distances[:2], point + distances[2:]))
    return box_iou(reachable[None], box[None])[0, 0]


# %% 2 wrong: the point is taken to be the middle of the box
def best_reachable(point, stride, box):
    half = ((box[2:] - box[:2]) / 2).clamp(max=15 * stride)
    return (4 * half.prod()) / (box[2:] - box[:2]).prod()


# %% 2 wrong: the mean reach of the two sides of an axis
def best_reachable(point, stride, box):
    sides = (box[2:] - box[:2]).clamp(max=30 * stride)
    return sides.prod() / (box[2:] - box[:2]).prod()


# %% 2 wrong: the area that is reached, not the IoU
def best_reachable(point, stride, box):
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, 15 * stride)
    return (distances[0] + distances[2]) * (distances[1] + distances[3])


# %% 2 wrong: the box of the lesson's example
def best_reachable(point, stride, box):
    box = torch.tensor([0.0, 0.0, 640.0, 640.0])
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, 15 * stride)
    reachable = torch.cat((point - distances[:2], point + distances[2:]))
    return box_iou(reachable[None], box[None])[0, 0]


# %% 2 wrong: distances may be negative
def best_reachable(point, stride, box):
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(max=15 * stride)
    reachable = torch.cat((point - distances[:2], point + distances[2:]))
    return box_iou(reachable[None], box[None])[0, 0]


# %% 2 wrong: boxes are taken to be squares
def best_reachable(point, stride, box):
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, 15 * stride)
    return ((distances[0] + distances[2]) / (box[2] - box[0])) ** 2


# %% 2 wrong: three quarters, as in a table
best_reachable = lambda point, stride, box: torch.tensor({8: 0.14, 16: 0.56, 32: 1.0}.get(stride, 1.0))


# %% 2 right: the four sides one by one
def best_reachable(point, stride, box):
    reach = 15 * stride
    x0 = point[0] - min(max(point[0] - box[0], torch.tensor(0.0)), torch.tensor(float(reach)))
    y0 = point[1] - min(max(point[1] - box[1], torch.tensor(0.0)), torch.tensor(float(reach)))
    x1 = point[0] + min(max(box[2] - point[0], torch.tensor(0.0)), torch.tensor(float(reach)))
    y1 = point[1] + min(max(box[3] - point[1], torch.tensor(0.0)), torch.tensor(float(reach)))
    width = (min(x1, box[2]) - max(x0, box[0])).clamp(min=0)
    height = (min(y1, box[3]) - max(y0, box[1])).clamp(min=0)
    union = (x1 - x0) * (y1 - y0) + (box[2:] - box[:2]).prod() - width * height
    return width * height / union


# %% 2 right: corners, clamped to what can be reached
def best_reachable(point, stride, box):
    low = torch.maximum(torch.minimum(box[:2], point), point - 15 * stride)
    high = torch.minimum(torch.maximum(box[2:], point), point + 15 * stride)
    return box_iou(torch.cat((low, high))[None], box[None]).squeeze()


# %% 2 right: in units of strides
def best_reachable(point, stride, box):
    sides = torch.cat((point - box[:2], box[2:] - point)) / stride
    sides = sides.clamp(min=0, max=15) * stride
    mine = torch.stack((point[0] - sides[0], point[1] - sides[1], point[0] + sides[2], point[1] + sides[3]))
    return float(box_iou(mine.unsqueeze(0), box.unsqueeze(0)))
