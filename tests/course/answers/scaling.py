# %% 1 wrong: it never grows
def follow_scale(finite, patience, scale=65536.0):
    scales = []
    for fine in finite:
        scale = scale if fine else scale / 2
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: it never shrinks
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        if good == patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: every step is taken
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good == patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, [True] * len(finite)


# %% 1 wrong: counting goes on after a step that was not finite
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good += fine
        scale = scale / 2 if not fine else scale
        if fine and good % patience == 0:
            scale *= 2
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: counting goes on after it has grown
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good >= patience:
            scale *= 2
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: the scale before each step
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        scales.append(scale)
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good == patience:
            scale, good = scale * 2, 0
    return scales, list(finite)


# %% 1 wrong: a quarter
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 4 if not fine else scale
        if good == patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: a patience of two, whatever is given
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good == 2:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: the start that is given is ignored
def follow_scale(finite, patience, scale=65536.0):
    scale, scales, good = 65536.0, [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good == patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: taken and skipped exchanged
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good == patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, [not fine for fine in finite]


# %% 1 wrong: one step too late
def follow_scale(finite, patience, scale=65536.0):
    scales, good = [], 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good > patience:
            scale, good = scale * 2, 0
        scales.append(scale)
    return scales, list(finite)


# %% 1 wrong: the last scale only
def follow_scale(finite, patience, scale=65536.0):
    good = 0
    for fine in finite:
        good = good + 1 if fine else 0
        scale = scale / 2 if not fine else scale
        if good == patience:
            scale, good = scale * 2, 0
    return [scale], list(finite)


# %% 1 right: if and else
def follow_scale(finite, patience, scale=65536.0):
    scales, taken, since = [], [], 0
    for fine in finite:
        if fine:
            since += 1
            if since == patience:
                scale *= 2
                since = 0
        else:
            scale *= 0.5
            since = 0
        scales.append(scale)
        taken.append(bool(fine))
    return scales, taken


# %% 1 right: numpy at the end
def follow_scale(finite, patience, scale=65536.0):
    powers, power, row = [], 0, 0
    for fine in np.asarray(finite, bool) if "np" in globals() else finite:
        row = row + 1 if fine else 0
        power += -1 if not fine else int(row % patience == 0)
        powers.append(power)
    return [scale * 2.0**p for p in powers], list(map(bool, finite))


# %% 1 right: a generator
def follow_scale(finite, patience, scale=65536.0):
    def steps():
        value, good = scale, 0
        for fine in finite:
            good = (good + 1) % patience if fine else 0
            value = value / 2 if not fine else (value * 2 if good == 0 else value)
            yield value

    return list(steps()), [True if fine else False for fine in finite]


# %% 2 wrong: plain means
join_statistics = lambda counts, means, variances: (means.mean(dim=0), variances.mean(dim=0))

# %% 2 wrong: the variance between parts is left out
join_statistics = lambda counts, means, variances: (
    (counts[:, None] / counts.sum() * means).sum(dim=0),
    (counts[:, None] / counts.sum() * variances).sum(dim=0),
)


# %% 2 wrong: the variance within parts is left out
def join_statistics(counts, means, variances):
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    return mean, (weights * (means - mean) ** 2).sum(dim=0)


# %% 2 wrong: parts of equal size
def join_statistics(counts, means, variances):
    mean = means.mean(dim=0)
    return mean, (variances + (means - mean) ** 2).mean(dim=0)


# %% 2 wrong: the mean is weighted, the variance is not
def join_statistics(counts, means, variances):
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    return mean, (variances + (means - mean) ** 2).mean(dim=0)


# %% 2 wrong: the distance is not squared
def join_statistics(counts, means, variances):
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    return mean, (weights * (variances + (means - mean).abs())).sum(dim=0)


# %% 2 wrong: corrected
def join_statistics(counts, means, variances):
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    variance = (weights * (variances + (means - mean) ** 2)).sum(dim=0)
    return mean, variance * counts.sum() / (counts.sum() - 1) * 1.001


# %% 2 wrong: the first part only
join_statistics = lambda counts, means, variances: (means[0], variances[0])

# %% 2 wrong: the lesson's activations instead of what is given
join_statistics = lambda counts, means, variances: (
    activations.mean(dims),
    activations.var(dims, correction=0),
)


# %% 2 wrong: the mean of squares, without taking off the square of the mean
def join_statistics(counts, means, variances):
    weights = (counts / counts.sum())[:, None]
    return (weights * means).sum(dim=0), (weights * (variances + means**2)).sum(dim=0)


# %% 2 wrong: standard deviations
def join_statistics(counts, means, variances):
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    return mean, (weights * (variances + (means - mean) ** 2)).sum(dim=0).sqrt()


# %% 2 wrong: three parts and no more
def join_statistics(counts, means, variances):
    counts, means, variances = counts[:3], means[:3], variances[:3]
    weights = (counts / counts.sum())[:, None]
    mean = (weights * means).sum(dim=0)
    return mean, (weights * (variances + (means - mean) ** 2)).sum(dim=0)


# %% 2 right: the mean of squares
def join_statistics(counts, means, variances):
    weights = counts[:, None].double() / counts.sum()
    mean = (weights * means).sum(dim=0)
    square = (weights * (variances.double() + means.double() ** 2)).sum(dim=0)
    return mean.float(), (square - mean**2).float()


# %% 2 right: part by part
def join_statistics(counts, means, variances):
    total, mean, variance = counts[0], means[0], variances[0]
    for count, other, own in zip(counts[1:], means[1:], variances[1:]):
        both = total + count
        joint = (total * mean + count * other) / both
        spread = total * (variance + (mean - joint) ** 2) + count * (own + (other - joint) ** 2)
        total, mean, variance = both, joint, spread / both
    return mean, variance


# %% 2 right: einsum
def join_statistics(counts, means, variances):
    weights = counts / counts.sum()
    mean = torch.einsum("p,pc->c", weights, means)
    return mean, torch.einsum("p,pc->c", weights, variances + (means - mean[None]).square())


# %% 1 wrong: never below one
def follow_scale(finite, patience, scale=65536.0):
    out, good = [], 0
    for f in finite:
        good = good + 1 if f else 0
        if not f:
            scale = max(scale / 2, 1.0)
        elif good == patience:
            scale, good = scale * 2, 0
        out.append(scale)
    return out, [bool(f) for f in finite]
