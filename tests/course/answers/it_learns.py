# %% 1 wrong: boxes stay where they were
def mirrored_batch(batch):
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1)}


# %% 1 wrong: masks are forgotten
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3]
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return batch | {"images": batch["images"].flip(-1), "boxes": boxes}


# %% 1 wrong: images are forgotten
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3]
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return batch | {"masks": batch["masks"].flip(-1), "boxes": boxes}


# %% 1 wrong: upside down
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    height = batch["images"].shape[2]
    boxes = torch.stack((left, height - bottom, right, height - top), dim=1)
    return batch | {"images": batch["images"].flip(-2), "masks": batch["masks"].flip(-2), "boxes": boxes}


# %% 1 wrong: left and right are not exchanged
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3]
    boxes = torch.stack((width - left, top, width - right, bottom), dim=1)
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1), "boxes": boxes}


# %% 1 wrong: a pixel too far to the left
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3] - 1
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1), "boxes": boxes}


# %% 1 wrong: the width of the masks instead of the images
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["masks"].shape[2]
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1), "boxes": boxes}


# %% 1 wrong: the given batch is changed
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3]
    batch["boxes"] = torch.stack((width - right, top, width - left, bottom), dim=1)
    batch["images"], batch["masks"] = batch["images"].flip(-1), batch["masks"].flip(-1)
    return batch


# %% 1 wrong: the order of objects is turned around
def mirrored_batch(batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3]
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1).flip(0)
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1), "boxes": boxes}


# %% 1 wrong: nothing is mirrored
mirrored_batch = lambda batch: dict(batch)


# %% 1 wrong: the lesson's last batch instead of the argument
def mirrored_batch(given_batch):
    left, top, right, bottom = batch["boxes"].T
    width = batch["images"].shape[3]
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return batch | {"images": batch["images"].flip(-1), "masks": batch["masks"].flip(-1), "boxes": boxes}


# %% 1 right: boxes by columns
def mirrored_batch(batch):
    boxes = batch["boxes"].clone()
    boxes[:, 0] = batch["images"].shape[-1] - batch["boxes"][:, 2]
    boxes[:, 2] = batch["images"].shape[-1] - batch["boxes"][:, 0]
    return {**batch, "images": batch["images"].flip(3), "masks": batch["masks"].flip(2), "boxes": boxes}


# %% 1 right: by a matrix of signs
def mirrored_batch(batch):
    width = batch["images"].size(3)
    moved = batch["boxes"][:, [2, 1, 0, 3]] * torch.tensor([-1.0, 1, -1, 1]) + torch.tensor([width, 0, width, 0])
    mirrored = dict(batch, boxes=moved)
    for name in ("images", "masks"):
        mirrored[name] = torch.flip(batch[name], (-1,))
    return mirrored


# %% 1 right: by indexing
def mirrored_batch(batch):
    width = batch["images"].shape[3]
    left, top, right, bottom = batch["boxes"].unbind(1)
    new = {name: tensor.clone() for name, tensor in batch.items()}
    new["images"] = batch["images"][..., torch.arange(width - 1, -1, -1)]
    new["masks"] = batch["masks"][..., torch.arange(batch["masks"].shape[2] - 1, -1, -1)]
    new["boxes"] = torch.stack([width - right, top, width - left, bottom], 1)
    return new


# %% 2 wrong: always yes
still_falling = lambda values, window, margin: True

# %% 2 wrong: always no
still_falling = lambda values, window, margin: False

# %% 2 wrong: the last two values alone
still_falling = lambda values, window, margin: bool(values[-1] < (1 - margin) * values[-2])

# %% 2 wrong: without the margin
still_falling = lambda values, window, margin: bool(np.mean(values[-window:]) < np.mean(values[-2 * window : -window]))


# %% 2 wrong: the margin as a difference
def still_falling(values, window, margin):
    return bool(np.mean(values[-window:]) < np.mean(values[-2 * window : -window]) - margin)


# %% 2 wrong: against the beginning of the curve
def still_falling(values, window, margin):
    return bool(np.mean(values[-window:]) < (1 - margin) * np.mean(values[:window]))


# %% 2 wrong: against all that came before
def still_falling(values, window, margin):
    return bool(np.mean(values[-window:]) < (1 - margin) * np.mean(values[:-window]))


# %% 2 wrong: rising instead of falling
def still_falling(values, window, margin):
    return bool(np.mean(values[-window:]) > (1 + margin) * np.mean(values[-2 * window : -window]))


# %% 2 wrong: a window of two, whatever is asked
still_falling = lambda values, window, margin: bool(np.mean(values[-2:]) < (1 - margin) * np.mean(values[-4:-2]))


# %% 2 wrong: a margin of five percent, whatever is asked
def still_falling(values, window, margin):
    return bool(np.mean(values[-window:]) < 0.95 * np.mean(values[-2 * window : -window]))


# %% 2 wrong: the lesson's own losses instead of the argument
def still_falling(values, window, margin):
    values = table["seg"]
    return bool(np.mean(values[-window:]) < (1 - margin) * np.mean(values[-2 * window : -window]))


# %% 2 wrong: overlapping windows
def still_falling(values, window, margin):
    return bool(np.mean(values[-window:]) < (1 - margin) * np.mean(values[-window - 1 : -1]))


# %% 2 right: by sums
def still_falling(values, window, margin):
    return bool(sum(values[-window:]) < (1 - margin) * sum(values[-2 * window : -window]))


# %% 2 right: by the ratio
def still_falling(values, window, margin):
    before, last = np.asarray(values)[-2 * window :].reshape(2, window).mean(axis=1)
    return bool((before - last) / before > margin)


# %% 2 right: by differences
def still_falling(values, window, margin):
    before = values[len(values) - 2 * window : len(values) - window]
    last = values[len(values) - window :]
    return bool(before.mean() - last.mean() > margin * before.mean())


# %% 1 wrong: the height for the width
def mirrored_batch(batch):
    w = batch["images"].shape[2]
    l, t, r, b = batch["boxes"].T
    return batch | {
        "images": batch["images"].flip(-1),
        "masks": batch["masks"].flip(-1),
        "boxes": torch.stack((w - r, t, w - l, b), 1),
    }


# %% 2 wrong: medians
def still_falling(values, window, margin):
    return bool(np.median(values[-window:]) < (1 - margin) * np.median(values[-2 * window : -window]))


# %% 2 wrong: a fraction of the last
def still_falling(values, window, margin):
    a, b = np.mean(values[-window:]), np.mean(values[-2 * window : -window])
    return bool((b - a) > margin * a)


# %% 2 wrong: lowest of each window
def still_falling(values, window, margin):
    return bool(np.min(values[-window:]) < (1 - margin) * np.min(values[-2 * window : -window]))
