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
    weight = nn.Parameter(torch.ones(1))
    optimizer, before = torch.optim.SGD([weight], lr=0.1), 1.0
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0, growth_interval=2)
    for fine, scale, taken in zip(finite, *follow_scale(finite, 2)):
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
    print("exercise 2 is right")
