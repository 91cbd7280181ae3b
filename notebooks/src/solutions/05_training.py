# %% [markdown]
# **1. A quarter turn.** Satellite images have no up and down, so turn them: a new augmentation, the image by
# `np.rot90`, the outlines by you.

# %% [markdown] tags=["hint"]
# `np.rot90` turns anticlockwise: what was at the right edge comes to the top. So a place's new x is its old y, and its
# new y is the width less its old x. A turn, unlike a mirror, leaves the direction of rings alone.


# %% tags=["solution"]
def quarter_turn(sample):
    """A sample -> the same turned anticlockwise by 90 degrees, image and outlines."""
    width = sample.image.shape[1]
    turned = [
        [np.stack((ring[:, 1], width - ring[:, 0]), axis=1) for ring in thing.rings] for thing in sample.instances
    ]
    instances = [Instance(thing.class_id, rings) for thing, rings in zip(sample.instances, turned)]
    return Sample(np.rot90(sample.image).copy(), instances)


# %% tags=["check"]
answer = quarter_turn(painted(0))
if answer is ...:
    print("exercise 1 is open")
else:
    for index in range(4):
        whole = painted(index)
        for _ in range(4):
            turned = quarter_turn(whole)
            assert np.array_equal(turned.image, np.rot90(whole.image)) and agreement(turned) > 0.97
            assert len(turned.instances) == len(whole.instances)
            whole = turned
    print("exercise 1 is right")

# %% [markdown]
# **2. Cut gradients by hand.** `clip_grad_norm_` shortens the gradient of the *whole network* when it is longer than a
# limit, and keeps its direction. Write it. What would go wrong if each tensor were shortened on its own?

# %% [markdown] tags=["hint"]
# The length of everything is the root of the sum of all squares, over all tensors. Multiply each gradient by
# limit / length, where that is less than 1. Shortened one by one, tensors would change their proportions, and so the
# direction of the step.


# %% tags=["solution"]
def cut(parameters, limit):
    """Parameters with gradients -> the length of the whole gradient before; gradients are shortened in place."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    length = torch.stack([gradient.pow(2).sum() for gradient in gradients]).sum().sqrt()
    for gradient in gradients:
        gradient.mul_((limit / length).clamp(max=1))
    return length


# %% tags=["check"]
def fresh():
    layer = torch.nn.Linear(7, 5)
    for parameter in layer.parameters():
        parameter.grad = torch.arange(parameter.numel(), dtype=torch.float32).view_as(parameter)
    return list(layer.parameters())


if cut(fresh(), 1.0) is ...:
    print("exercise 2 is open")
else:
    for limit in (0.5, 1e9):
        mine, theirs = fresh(), fresh()
        assert math.isclose(cut(mine, limit), torch.nn.utils.clip_grad_norm_(theirs, limit), rel_tol=1e-4)
        for one, other in zip(mine, theirs):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)
    print("exercise 2 is right")
