# %% [markdown]
# **1. Count without building.** How many parameters does a `C3k2` have if its inner blocks are bottlenecks? Find a
# formula, and check it for several sizes.

# %% [markdown] tags=["hint"]
# A `Conv` has `c_in * c_out * kernel ** 2 + 2 * c_out`. Inside are `depth` bottlenecks on `hidden` channels, each
# with two 3 × 3 convolutions through `hidden // 2` channels.

# %% tags=["solution"]
def c3k2_parameters(c_in, c_out, depth, expansion):
    """-> the number of parameters of C3k2(c_in, c_out, depth, c3k=False, expansion), by arithmetic alone."""
    hidden = int(c_out * expansion)
    narrow = hidden // 2
    ends = c_in * 2 * hidden + 4 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + depth * (2 * 9 * hidden * narrow + 2 * narrow + 2 * hidden)


# %% tags=["check"]
if c3k2_parameters(64, 128, 1, 0.5) is ...:
    print("exercise 1 is open")
else:
    for sizes in ((64, 128, 1, 0.5), (32, 64, 2, 0.25), (384, 128, 3, 0.5)):
        block = C3k2(*sizes[:3], False, sizes[3])
        assert c3k2_parameters(*sizes) == count_parameters(block), sizes
    print("exercise 1 is right")

# %% [markdown]
# **2. Fold the normalization away.** When the network no longer learns, batch normalization is a fixed scale and shift
# of each channel, so it can be folded into the convolution before it. That is why tools report two parameter counts for
# one model, before and after folding.

# %% [markdown] tags=["hint"]
# Normalization computes `(y - mean) / sqrt(var + eps) * weight + bias`. Write it as `y * scale + shift`; a convolution
# whose weights are scaled channel by channel, with `shift` as its bias, is the same function.


# %% tags=["solution"]
def folded(conv):
    """A Conv in evaluation mode -> (weight, bias) of the one convolution that does the same before the SiLU."""
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% tags=["check"]
conv = Conv(64, 32, 3).eval()
nn.init.uniform_(conv.bn.running_mean), nn.init.uniform_(conv.bn.running_var, 0.5, 2)
nn.init.uniform_(conv.bn.weight), nn.init.uniform_(conv.bn.bias)
if folded(conv) is ...:
    print("exercise 2 is open")
else:
    weight, bias = folded(conv)
    with torch.no_grad():
        torch.testing.assert_close(nn.functional.silu(nn.functional.conv2d(x, weight, bias, padding=1)), conv(x))
    print("exercise 2 is right")

# %% [markdown]
# **3. Predict, then run.** How many anchor points does the head have for an input of 320 × 320?

# %% tags=["guess"]
guess = 2100

# %% tags=["check"]
truth = len(head.anchor_points(320, 320)[0])
if guess is ...:
    print("exercise 3 is open")
elif guess == truth:
    print(f"it is {truth}: exercise 3 is right")
else:
    print(f"it is {truth}, and you said {guess}: where does the difference come from?")

# %% [markdown]
# **4. Change one thing, and explain.** Run the cell, then double `channels`. By what factor does the number of
# parameters grow, and why not by two?

# %% [markdown] tags=["answer"]
# By four. Each output channel has a 3 × 3 kernel for every input channel, so the weights are the product of both; only
# the two numbers of each channel's normalization double. This is why the larger sizes of the model grow much faster
# than their channels.

# %%
channels = 64
print(f"{count_parameters(Conv(channels, channels, 3)):,} parameters")

# %% [markdown]
# **5. A question.** Why 32 prototypes for the whole image, and not a mask of its own for each anchor point?

# %% [markdown] tags=["answer"]
# 8,400 masks of 160 × 160 would be 215 million numbers for one image, most of them for points on which there is no
# object. 32 prototypes are 0.8 million, and an object adds only 32 coefficients. The price: masks are mixtures of
# shared images, at a quarter of the input's resolution.
