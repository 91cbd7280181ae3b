# %% [markdown]
# **1. A split that keeps groups together.** Given each photo's group, choose photos for validation: whole groups only,
# at least the given fraction of photos, no more above it than the last group brings, and the same choice every time.

# %% [markdown] tags=["hint"]
# Put the groups in a random order (`np.random.default_rng(seed).permutation(np.unique(groups))`) and take groups from
# it until there are enough photos. `np.isin` says which photos belong to the chosen groups.


# %% tags=["solution"]
def split_by_group(groups, fraction, seed=0):
    """(N,) group of each photo, fraction in 0..1 -> (N,) bool, True for validation."""
    chosen = []
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        if np.isin(groups, chosen).sum() >= fraction * len(groups):
            break
        chosen.append(group)
    return np.isin(groups, chosen)


# %% tags=["check"]
if split_by_group(groups, 0.25) is ...:
    print("exercise 1 is open")
else:
    rolls, walks = np.random.default_rng(0).integers(0, 30, 200), np.repeat(np.arange(8), 5)
    uneven = np.repeat(np.arange(11), [100, *[10] * 10])
    choices = set()
    for each, fraction in (
        (groups, 0.25),
        (rolls, 0.2),
        (rolls, 0.5),
        (walks, 0.25),
        (7 * walks + 3, 0.25),
        (uneven, 0.25),
    ):
        for seed in range(5):
            inside, needed = split_by_group(each, fraction, seed), fraction * len(each)
            assert inside.dtype == bool and inside.shape == each.shape, "one bool for each photo"
            assert not set(each[inside]) & set(each[~inside]), "a group is split"
            largest = max(Counter(each[inside].tolist()).values(), default=0)
            assert inside.sum() - largest < needed <= inside.sum(), "too few or too many"
            assert np.array_equal(inside, split_by_group(each, fraction, seed)), "a different choice every time"
            choices.add(inside.tobytes())
    assert len(choices) > 10, "the seed changes nothing"
    print("exercise 1 is right")

# %% [markdown]
# **2. What to label next.** You have a thousand unlabeled photos and an evening. Rank them by how uncertain the model
# is: the uncertainty of a detection is 1 at a score of one half and falls linearly to 0 at scores 0 and 1; that of a
# photo is the sum over its detections. Equal photos keep their order.

# %% [markdown] tags=["hint"]
# The uncertainty of a score s is `1 - abs(2 * s - 1)`. `np.argsort(-uncertainties, kind="stable")` ranks photos and
# keeps the order of equal ones.


# %% tags=["solution"]
def label_next(scores, count):
    """One array of scores for each photo -> the numbers of the `count` photos to label first, in order."""
    uncertainties = np.array([np.sum(1 - np.abs(2 * np.asarray(each) - 1)) for each in scores])
    return np.argsort(-uncertainties, kind="stable")[:count].tolist()


# %% tags=["check"]
if label_next([[0.5]], 1) is ...:
    print("exercise 2 is open")
else:
    assert list(label_next([[0.99, 0.98], [0.5], [], [0.4, 0.6, 0.9]], 3)) == [3, 1, 0]
    rng = np.random.default_rng(0)
    many = [rng.random(rng.integers(0, 6)) for _ in range(40)]
    sums = [sum(1 - abs(2 * score - 1) for score in each) for each in many]
    order = list(label_next(many, 40))
    assert sorted(order) == list(range(40)), "every photo once"
    assert (np.diff([sums[number] for number in order]) <= 1e-9).all() and list(label_next(many, 5)) == order[:5]
    nothing_found = [number for number in order if not len(many[number])]
    assert nothing_found == sorted(nothing_found), "equal photos keep their order"
    seen = [result.boxes.conf.numpy() for result in model.predict(list(held_out.images), conf=0.05, engine="torch")]
    ranked = label_next(seen, len(seen))
    assert sorted(ranked) == list(range(len(seen)))
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** Forty photos come from eight walks, five photos each. Eight photos, drawn by chance, become
# the validation set. Of how many walks are there photos on both sides, on average? (Within one.)

# %% tags=["guess"]
guess = 5.5

# %% tags=["check"]
walks, rng, both = np.repeat(np.arange(8), 5), np.random.default_rng(0), []
for _ in range(2000):
    mixed = rng.permutation(walks)
    both.append(len(set(mixed[:8]) & set(mixed[8:])))
truth = round(float(np.mean(both)), 1)
if guess is ...:
    print("exercise 3 is open")
elif abs(guess - truth) <= 1:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** A model finds seven out of ten objects. The cell draws a thousand validation
# sets of ten objects. Run it, then with `objects = 100`, then with 1000. How many objects do you need to see whether a
# change from .70 to .73 is real?

# %% [markdown] tags=["answer"]
# The spread falls with the root of the number: about ± .24 with ten objects, ± .08 with a hundred, ± .02 with a
# thousand. A change of .03 needs well over a thousand objects, or the same objects judged before and after, which
# removes most of the chance.

# %%
objects = 10
found = np.random.default_rng(0).random((1000, objects)) < 0.7
low, high = np.percentile(found.mean(axis=1), [5, 95])
print(f"{objects} objects: nine out of ten validation sets say {low:.2f} to {high:.2f}")

# %% [markdown]
# **5. A question.** Validation says .95, and in the shop the model fails. What was wrong with the split?

# %% [markdown] tags=["answer"]
# Most likely training and validation photos were taken on the same day, by the same camera, of the same shelves:
# neighbors of training photos, not a sample of what comes later. Validation must differ from training in the way in
# which the future will: another day, another light, another shop.
