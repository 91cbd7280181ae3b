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
    wide = torch.tensor([100.0, 50.0, 500.0, 90.0])
    assert math.isclose(best_reachable(torch.tensor([120.0, 70.0]), 8, wide), 140 / 400, abs_tol=1e-5)
    assert math.isclose(best_reachable(torch.tensor([300.0, 70.0]), 16, wide), 1.0, abs_tol=1e-5)
    beside = best_reachable(torch.tensor([80.0, 70.0]), 8, wide)  # a point that is not in the box
    assert math.isclose(beside, 100 * 40 / (400 * 40 + 20 * 40), abs_tol=1e-5), beside
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** The true distance is 4.2 strides. What does the target distribution say of bin 4?

# %% tags=["guess"]
guess = 0.8

# %% tags=["check"]
truth = round(target_of(4.2)[4].item(), 3)
if guess is ...:
    print("exercise 3 is open")
elif abs(guess - truth) <= 0.005:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Two points compete for an object: one with a high score and a poor box, one with
# a low score and a good box. Run the cell, then with `power = 1`. Which one is assigned, and what would training become
# if the power were 1?

# %% [markdown] tags=["answer"]
# With the power 6 the good box wins, with 1 the high score. Scores are high where the network already was right about
# the class, so with 1 it would keep learning from the same points, even where their boxes fit badly. The high power has
# the box decide.

# %%
power = 6
score, overlap_of_box = torch.tensor([0.9, 0.3]), torch.tensor([0.6, 0.8])
alignment = score**0.5 * overlap_of_box**power
print([round(value, 3) for value in alignment.tolist()], "best aligned: point", int(alignment.argmax()))

# %% [markdown]
# **5. A question.** What would happen if every anchor point inside an object's box were assigned to it?

# %% [markdown] tags=["answer"]
# A large object would have thousands of positive points and a small one a handful, so large objects would rule the
# loss. Points on the background within the box, and on other objects, would be told to give a high score. And as every
# point would learn to find the object, there would be many duplicates with equal scores.
