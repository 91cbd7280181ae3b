# %% [markdown]
# **1. The gradient of the distribution focal loss, without autograd.** Given the logits of one side and a true
# distance, write the derivative of the loss with respect to each logit.

# %% [markdown] tags=["hint"]
# The loss is a cross-entropy with two-bin targets, and cross-entropy after a softmax has the shortest gradient there
# is: prediction minus target.

# %% tags=["solution"]
def focal_gradient(z, distance):
    """Logits (16,) and a true distance in strides -> gradient (16,) of the distribution focal loss."""
    return z.softmax(dim=0) - target_of(distance)


# %% tags=["check"]
if focal_gradient(torch.zeros(16), 4.2) is ...:
    print("exercise 1 is open")
else:
    for distance in (0.0, 4.2, 14.9):
        z = torch.randn(16, generator=generator, requires_grad=True)
        (expected,) = torch.autograd.grad(distribution_focal(z, distance), z)
        torch.testing.assert_close(focal_gradient(z.detach(), distance), expected)
    print("exercise 1 is right")

# %% [markdown]
# **2. The best possible box.** A side can be at most 15 strides away. Given an anchor point, its stride and a true box,
# what is the best IoU that this point can ever reach? (This is why a stride-8 point cannot box an object that fills the
# image.)

# %% [markdown] tags=["hint"]
# Clamp each of the four distances to 0 … 15 strides, build the box they make, and compare it with the true one.


# %% tags=["solution"]
def best_reachable(point, stride, box):
    """point (2,), stride, box (4,) xyxy, all in pixels -> the highest IoU with the box that this point can reach."""
    distances = torch.cat((point - box[:2], box[2:] - point)).clamp(0, 15 * stride)
    reachable = torch.cat((point - distances[:2], point + distances[2:]))
    return box_iou(reachable[None], box[None])[0, 0]


# %% tags=["check"]
middle, whole = torch.tensor([320.0, 320.0]), torch.tensor([0.0, 0.0, 640.0, 640.0])
if best_reachable(middle, 8, whole) is ...:
    print("exercise 2 is open")
else:
    assert math.isclose(best_reachable(middle, 32, whole), 1.0, abs_tol=1e-5)
    assert math.isclose(best_reachable(middle, 8, whole), 240**2 / 640**2, abs_tol=1e-5)
    assert math.isclose(best_reachable(torch.tensor([4.0, 4.0]), 8, whole), 124**2 / 640**2, abs_tol=1e-5)
    print("exercise 2 is right")
