# %% [markdown]
# **1. The scale of the loss.** Start at 65,536. After `patience` finite steps in a row, double; after a step whose
# gradient is not finite, halve, skip that step, and start counting again.

# %% [markdown] tags=["hint"]
# Two variables are enough: the scale, and how many finite steps there were since it last changed.


# %% tags=["solution"]
def follow_scale(finite, patience, scale=65536.0):
    """(N,) whether each step's gradient was finite -> the scale after each step, and which steps were taken."""
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        if not fine:
            scale /= 2
        elif good == patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, [bool(fine) for fine in finite]


# %% tags=["check"]
if follow_scale([True], 2) is ...:
    print("exercise 1 is open")
else:
    finite = [True, True, True, False, True, False, False, True, True, True, True, True]
    for patience, start in ((2, 65536.0), (3, 1024.0), (4, 1.0)):
        weight = nn.Parameter(torch.ones(1))
        optimizer, before = torch.optim.SGD([weight], lr=0.1), 1.0
        scaler = torch.amp.GradScaler("cpu", init_scale=start, growth_interval=patience)
        for fine, scale, taken in zip(finite, *follow_scale(finite, patience, start), strict=True):
            scaler.scale((weight * (1.0 if fine else float("inf"))).sum()).backward()
            scaler.step(optimizer), scaler.update(), optimizer.zero_grad()
            assert scaler.get_scale() == scale, "the scale differs from torch's"
            assert (weight.item() != before) == taken, "a step was taken or skipped where torch does the opposite"
            before = weight.item()
    print("exercise 1 is right")

# %% [markdown]
# **2. Statistics of unequal parts.** One process may have three images and another two. (This never happens in seglab's
# training: the sampler pads the order.) Combine the statistics of any number of parts, each with its own count.

# %% [markdown] tags=["hint"]
# The mean is the mean of means weighted by counts. The variance is the weighted mean of `variance + (mean - joint) **
# 2`.


# %% tags=["solution"]
def join_statistics(counts, means, variances):
    """P parts: counts (P,), means (P, C), variances (P, C), not corrected -> mean (C,) and variance (C,) of all."""
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    return mean, (weights * (variances + (means - mean) ** 2)).sum(dim=0)


# %% tags=["check"]
parts = [activations[:1], activations[1:3], activations[3:]]
counts = torch.tensor([float(part[:, 0].numel()) for part in parts])
means = torch.stack([part.mean(dims) for part in parts])
variances = torch.stack([part.var(dims, correction=0) for part in parts])
answer = join_statistics(counts, means, variances)
if answer is ...:
    print("exercise 2 is open")
else:
    torch.testing.assert_close(answer[0], activations.mean(dims))
    torch.testing.assert_close(answer[1], activations.var(dims, correction=0))
    others = torch.arange(9.0).view(9, 1, 1, 1) + torch.randn(9, 5, 6, 6, generator=generator)
    parts = others.split([1, 2, 2, 4])
    counts = torch.tensor([float(part[:, 0].numel()) for part in parts])
    means = torch.stack([part.mean(dims) for part in parts])
    variances = torch.stack([part.var(dims, correction=0) for part in parts])
    mean, variance = join_statistics(counts, means, variances)
    torch.testing.assert_close(mean, others.mean(dims))
    torch.testing.assert_close(variance, others.var(dims, correction=0))
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** 1,000 images, batches of 8, and the gradients of 8 batches accumulated for a step. How many
# steps does an epoch have, if the rest makes a step too?

# %% tags=["guess"]
guess = 16

# %% tags=["check"]
batches = -(-1000 // 8)
truth = -(-batches // 8)
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then with `scale = 1024`. What does scaling the loss change, and
# what does it not?

# %% [markdown] tags=["answer"]
# Below 6e-8 half precision has nothing but zero, so the gradient is lost. Scaled, it survives, and is divided by the
# scale in float32 before the step. The direction of the step stays the same; numbers that were large already may now
# become infinite, which is why the scale is adapted.

# %%
scale = 1
gradient = 1e-8
stored = torch.tensor(gradient * scale).half().item()
print(f"a gradient of {gradient:.0e} times {scale} is stored as {stored:.1e}")

# %% [markdown]
# **5. A question.** You go from one GPU to four, with a batch of 16 on each. What about the learning rate?

# %% [markdown] tags=["answer"]
# A step now averages 64 images instead of 16: its gradient has the same expectation and less noise, and there are a
# quarter as many steps an epoch. Often the rate is raised with the batch, by up to four times, with a warm-up. Leave it
# if you only want the same steps with less noise. Either way it is another training: measure.
