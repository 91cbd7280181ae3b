# %% [markdown]
# **1. A quarter turn.** Satellite images have no up and down, so rotate them. Write this augmentation: `np.rot90`
# rotates the image, you rotate the outlines.

# %% [markdown] tags=["hint"]
# `np.rot90` rotates counterclockwise: what was at the right edge moves to the top. So a point's new x is its old y, and
# its new y is the width minus its old x. Rotating, unlike mirroring, does not change the direction of rings.


# %% tags=["solution"]
def quarter_turn(sample):
    """A sample -> a new one, rotated counterclockwise by 90 degrees, image and outlines; the given one stays."""
    width = sample.image.shape[1]
    turned = [
        [np.stack((ring[:, 1], width - ring[:, 0]), axis=1) for ring in instance.rings] for instance in sample.instances
    ]
    instances = [Instance(instance.class_id, rings) for instance, rings in zip(sample.instances, turned)]
    return Sample(np.rot90(sample.image).copy(), instances)


# %% tags=["check"]
answer = quarter_turn(painted(0))
if answer is ...:
    print("exercise 1 is open")
else:
    for index in range(4):
        whole = painted(index)
        for _ in range(4):
            kept = [ring.copy() for instance in whole.instances for ring in instance.rings]
            turned = quarter_turn(whole)
            rings = [ring for instance in whole.instances for ring in instance.rings]
            assert all(np.array_equal(one, other) for one, other in zip(rings, kept)), "the given sample was changed"
            assert np.array_equal(turned.image, np.rot90(whole.image)) and agreement(turned) > 0.97
            assert [each.class_id for each in turned.instances] == [each.class_id for each in whole.instances]
            whole = turned
    print("exercise 1 is right")

# %% [markdown]
# **2. Clip gradients by hand.** `clip_grad_norm_` scales down the gradient of the *whole network* when its norm exceeds
# a limit, and keeps its direction. Write it. What would go wrong if each tensor were clipped on its own?

# %% [markdown] tags=["hint"]
# The norm of the whole gradient is the square root of the sum of all squares, over all tensors. Multiply each gradient
# by limit / norm, if that is less than 1. If each tensor were clipped on its own, their proportions would change, and
# with them the direction of the step.


# %% tags=["solution"]
def clip(parameters, limit):
    """Parameters with gradients -> the norm of the whole gradient before clipping; gradients are clipped in place."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.stack([gradient.pow(2).sum() for gradient in gradients]).sum().sqrt()
    for gradient in gradients:
        gradient.mul_((limit / norm).clamp(max=1))
    return norm


# %% tags=["check"]
def new_parameters():
    layer = torch.nn.Linear(7, 5)
    for parameter in layer.parameters():
        parameter.grad = torch.arange(parameter.numel(), dtype=torch.float32).view_as(parameter)
    unused = torch.nn.Parameter(torch.ones(3))  # not part of the loss: its gradient is None
    return [unused, *layer.parameters()]


if clip(new_parameters(), 1.0) is ...:
    print("exercise 2 is open")
else:
    for limit in (0.5, 1e9):
        mine, theirs = new_parameters(), new_parameters()
        assert math.isclose(clip(mine, limit), torch.nn.utils.clip_grad_norm_(theirs, limit), rel_tol=1e-4)
        assert mine[0].grad is None
        for one, other in zip(mine[1:], theirs[1:]):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** Weights are averaged with a constant decay of 0.9. After how many updates do the initial
# weights make up less than half of the average?

# %% tags=["guess"]
guess = 7

# %% tags=["check"]
left, truth = 1.0, 0
while left >= 0.5:
    left, truth = left * 0.9, truth + 1
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** The cell runs gradient descent on w²/2, whose gradient is w, starting at w = 1.
# Run it, then with `rate = 1.9`, then with 2.1. What happens beyond 2?

# %% [markdown] tags=["answer"]
# Each step multiplies w by 1 - rate. At 1.9 that is -0.9: the steps overshoot from side to side and still shrink. At
# 2.1 it is -1.1: they overshoot by more each time. In a network the bound depends on the curvature, which differs from
# weight to weight and is largest at the start; that is what warm-up is for.

# %%
rate = 0.1
weight = 1.0
for _ in range(20):
    weight -= rate * weight
print(f"after 20 steps with a rate of {rate}: {weight:.3f}")

# %% [markdown]
# **5. A question.** Weight decay is not applied to biases, nor to the scales and shifts of batch normalization. Why?

# %% [markdown] tags=["answer"]
# Decay pulls toward zero. A convolution's weights may shrink, since the normalization that follows scales its output
# back up. But nothing makes up for that normalization's own scale and for the biases: pulled toward zero, they would
# switch channels off. And there are too few of them to overfit.
