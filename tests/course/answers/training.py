# %% 1 wrong: nothing is turned
quarter_turn = lambda sample: sample

# %% 1 wrong: the outlines stay
quarter_turn = lambda sample: Sample(np.rot90(sample.image).copy(), sample.instances)

# %% 1 wrong: the image stays
quarter_turn = lambda sample: Sample(
    sample.image,
    [
        Instance(i.class_id, [np.stack((r[:, 1], sample.image.shape[1] - r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances
    ],
)

# %% 1 wrong: clockwise
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image, -1).copy(),
    [
        Instance(i.class_id, [np.stack((sample.image.shape[0] - r[:, 1], r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances
    ],
)

# %% 1 wrong: the image one way, the outlines the other
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [
        Instance(i.class_id, [np.stack((sample.image.shape[0] - r[:, 1], r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances
    ],
)

# %% 1 wrong: half a turn
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image, 2).copy(),
    [
        Instance(i.class_id, [np.array([sample.image.shape[1], sample.image.shape[0]]) - r for r in i.rings])
        for i in sample.instances
    ],
)

# %% 1 wrong: the height for the width
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [
        Instance(i.class_id, [np.stack((r[:, 1], sample.image.shape[0] - r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances
    ],
)

# %% 1 wrong: x and y exchanged, which is a mirror
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [Instance(i.class_id, [r[:, ::-1].copy() for r in i.rings]) for i in sample.instances],
)

# %% 1 wrong: outer rings only
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [
        Instance(i.class_id, [np.stack((r[:, 1], sample.image.shape[1] - r[:, 0]), axis=1) for r in i.rings[:1]])
        for i in sample.instances
    ],
)

# %% 1 wrong: the classes are lost
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [
        Instance(0, [np.stack((r[:, 1], sample.image.shape[1] - r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances
    ],
)

# %% 1 wrong: the first object is lost
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [
        Instance(i.class_id, [np.stack((r[:, 1], sample.image.shape[1] - r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances[1:]
    ],
)


# %% 1 wrong: the lesson's image instead of the one that is given
def quarter_turn(sample):
    sample = painted(0)
    width = sample.image.shape[1]
    rings = [[np.stack((r[:, 1], width - r[:, 0]), axis=1) for r in i.rings] for i in sample.instances]
    instances = [Instance(i.class_id, each) for i, each in zip(sample.instances, rings)]
    return Sample(np.rot90(sample.image).copy(), instances)


# %% 1 wrong: pixel numbers instead of edges
quarter_turn = lambda sample: Sample(
    np.rot90(sample.image).copy(),
    [
        Instance(i.class_id, [np.stack((r[:, 1], sample.image.shape[1] - 5 - r[:, 0]), axis=1) for r in i.rings])
        for i in sample.instances
    ],
)


# %% 1 right: cv2 turns the image
def quarter_turn(sample):
    import cv2

    width = sample.image.shape[1]
    instances = []
    for instance in sample.instances:
        rings = [np.column_stack((ring[:, 1], width - ring[:, 0])) for ring in instance.rings]
        instances.append(Instance(instance.class_id, rings))
    return Sample(cv2.rotate(sample.image, cv2.ROTATE_90_COUNTERCLOCKWISE), instances)


# %% 1 right: a matrix
def quarter_turn(sample):
    matrix, shift = np.array([[0, 1], [-1, 0]]), np.array([0, sample.image.shape[1]])
    instances = [Instance(i.class_id, [ring @ matrix.T + shift for ring in i.rings]) for i in sample.instances]
    return Sample(np.ascontiguousarray(np.rot90(sample.image)), instances)


# %% 1 right: transposed, then flipped
def quarter_turn(sample):
    image = np.ascontiguousarray(sample.image.transpose(1, 0, 2)[::-1])
    instances = []
    for instance in sample.instances:
        turned = [ring[:, ::-1] * (1, -1) + (0, len(image)) for ring in instance.rings]
        instances.append(Instance(instance.class_id, turned))
    return Sample(image, instances)


# %% 2 wrong: nothing is clipped
clip = lambda parameters, limit: torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()


# %% 2 wrong: each tensor on its own
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.mul_((limit / p.grad.norm()).clamp(max=1))
    return norm


# %% 2 wrong: each number on its own
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.clamp_(-limit, limit)
    return norm


# %% 2 wrong: small gradients grow
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.mul_(limit / norm)
    return norm


# %% 2 wrong: the norm after clipping
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.mul_((limit / norm).clamp(max=1))
    return norm.clamp(max=limit)


# %% 2 wrong: the sum of norms
def clip(parameters, limit):
    norm = sum(p.grad.norm() for p in parameters)
    for p in parameters:
        p.grad.mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 wrong: the square of the norm
def clip(parameters, limit):
    norm = sum(p.grad.pow(2).sum() for p in parameters)
    for p in parameters:
        p.grad.mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 wrong: the largest number
def clip(parameters, limit):
    norm = max(p.grad.abs().max() for p in parameters)
    for p in parameters:
        p.grad.mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 wrong: a limit of one
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.mul_((1 / norm).clamp(max=1))
    return norm


# %% 2 wrong: a copy is clipped
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.clone().mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 wrong: the first tensor only
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    parameters[0].grad.mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 wrong: the weights are clipped, not the gradients
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    with torch.no_grad():
        for p in parameters:
            p.mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 wrong: a parameter without a gradient breaks it
def clip(parameters, limit):
    norm = torch.stack([p.grad.pow(2).sum() for p in parameters]).sum().sqrt()
    for p in parameters:
        p.grad.mul_((limit / norm).clamp(max=1))
    return norm


# %% 2 right: one long vector
def clip(parameters, limit):
    given = [p for p in parameters if p.grad is not None]
    norm = torch.cat([p.grad.flatten() for p in given]).norm()
    if norm > limit:
        for p in given:
            p.grad *= limit / norm
    return norm


# %% 2 right: a norm of norms
def clip(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    factor = min(1.0, limit / float(norm))
    for g in gradients:
        g.copy_(g * factor)
    return norm


# %% 2 right: torch's own
clip = lambda parameters, limit: torch.nn.utils.clip_grad_norm_(parameters, limit)


# %% 1 wrong: the given sample changes
def quarter_turn(sample):
    w = sample.image.shape[1]
    for i in sample.instances:
        for r in i.rings:
            r[:] = np.stack((r[:, 1], w - r[:, 0]), axis=1)
    return Sample(np.rot90(sample.image).copy(), sample.instances)
