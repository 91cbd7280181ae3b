# %% 1 wrong: without the normalization's two numbers a channel
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden = int(c_out * expansion)
    return c_in * 2 * hidden + (2 + depth) * hidden * c_out + depth * 2 * 9 * hidden * (hidden // 2)


# %% 1 wrong: inner blocks as wide as the outside of them
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden = int(c_out * expansion)
    ends = c_in * 2 * hidden + 4 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + depth * 2 * (9 * hidden * hidden + 2 * hidden)


# %% 1 wrong: one inner block whatever the depth
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = int(c_out * expansion), int(c_out * expansion) // 2
    ends = c_in * 2 * hidden + 4 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + 2 * 9 * hidden * narrow + 2 * narrow + 2 * hidden


# %% 1 wrong: the last convolution takes two halves, without the blocks' outputs
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = int(c_out * expansion), int(c_out * expansion) // 2
    ends = c_in * 2 * hidden + 4 * hidden + 2 * hidden * c_out + 2 * c_out
    return ends + depth * (2 * 9 * hidden * narrow + 2 * narrow + 2 * hidden)


# %% 1 wrong: the expansion is always a half
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = c_out // 2, c_out // 4
    ends = c_in * 2 * hidden + 4 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + depth * (2 * 9 * hidden * narrow + 2 * narrow + 2 * hidden)


# %% 1 wrong: the first convolution has half of its channels
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = int(c_out * expansion), int(c_out * expansion) // 2
    ends = c_in * hidden + 2 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + depth * (2 * 9 * hidden * narrow + 2 * narrow + 2 * hidden)


# %% 1 wrong: a bias in each convolution
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = int(c_out * expansion), int(c_out * expansion) // 2
    ends = c_in * 2 * hidden + 6 * hidden + (2 + depth) * hidden * c_out + 3 * c_out
    return ends + depth * (2 * 9 * hidden * narrow + 3 * narrow + 3 * hidden)


# %% 1 wrong: one size for all
c3k2_parameters = lambda c_in, c_out, depth, expansion: count_parameters(C3k2(64, 128, 1, False, 0.5))


# %% 1 wrong: kernels of 1 x 1 inside
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = int(c_out * expansion), int(c_out * expansion) // 2
    ends = c_in * 2 * hidden + 4 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + depth * (2 * hidden * narrow + 2 * narrow + 2 * hidden)


# %% 1 wrong: input channels that are always the output's
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden, narrow = int(c_out * expansion), int(c_out * expansion) // 2
    ends = c_out * 2 * hidden + 4 * hidden + (2 + depth) * hidden * c_out + 2 * c_out
    return ends + depth * (2 * 9 * hidden * narrow + 2 * narrow + 2 * hidden)


# %% 1 wrong: no number at all
c3k2_parameters = lambda c_in, c_out, depth, expansion: None


# %% 1 right: layer by layer
def c3k2_parameters(c_in, c_out, depth, expansion):
    def of(inputs, outputs, kernel):
        return inputs * outputs * kernel**2 + 2 * outputs

    hidden = int(c_out * expansion)
    inner = of(hidden, hidden // 2, 3) + of(hidden // 2, hidden, 3)
    return of(c_in, 2 * hidden, 1) + depth * inner + of((2 + depth) * hidden, c_out, 1)


# %% 1 right: a loop over the blocks
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden = int(c_out * expansion)
    total = c_in * 2 * hidden + 2 * 2 * hidden
    for _ in range(depth):
        total += 9 * hidden * (hidden // 2) + 2 * (hidden // 2) + 9 * (hidden // 2) * hidden + 2 * hidden
    total += (2 + depth) * hidden * c_out + 2 * c_out
    return total


# %% 1 right: a list of layers
def c3k2_parameters(c_in, c_out, depth, expansion):
    hidden = int(expansion * c_out)
    layers = [(c_in, 2 * hidden, 1), ((2 + depth) * hidden, c_out, 1)]
    layers += depth * [(hidden, hidden // 2, 3), (hidden // 2, hidden, 3)]
    return sum(i * o * k * k + 2 * o for i, o, k in layers)


# %% 2 wrong: the convolution as it is
folded = lambda conv: (conv.conv.weight, conv.bn.bias)


# %% 2 wrong: the scale along the wrong axis
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.mean(), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 wrong: the variance instead of its root
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps)
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 wrong: the mean is not scaled
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean


# %% 2 wrong: the mean is added
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias + conv.bn.running_mean * scale


# %% 2 wrong: the learned scale is left out
def folded(conv):
    scale = 1 / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 wrong: the learned bias is left out
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), -conv.bn.running_mean * scale


# %% 2 wrong: no shift
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), torch.zeros_like(scale)


# %% 2 wrong: the lesson's convolution instead of the one that is given
lesson_conv = conv if "conv" in globals() else Conv(64, 32, 3).eval()


def folded(conv):
    conv = lesson_conv
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 wrong: divided by the scale
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var + conv.bn.eps).sqrt()
    return conv.conv.weight / scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 wrong: epsilon outside of the root
def folded(conv):
    scale = conv.bn.weight / (conv.bn.running_var.sqrt() + 0.1)
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 wrong: without epsilon
def folded(conv):
    scale = conv.bn.weight / conv.bn.running_var.sqrt()
    return conv.conv.weight * scale.view(-1, 1, 1, 1), conv.bn.bias - conv.bn.running_mean * scale


# %% 2 right: with rsqrt and einsum
def folded(conv):
    scale = conv.bn.weight * torch.rsqrt(conv.bn.running_var + conv.bn.eps)
    return torch.einsum("o,oikl->oikl", scale, conv.conv.weight), conv.bn.bias - scale * conv.bn.running_mean


# %% 2 right: channel by channel
def folded(conv):
    weight, bias = conv.conv.weight.detach().clone(), conv.bn.bias.detach().clone()
    for channel in range(len(bias)):
        scale = conv.bn.weight[channel].item() / (conv.bn.running_var[channel].item() + conv.bn.eps) ** 0.5
        weight[channel] *= scale
        bias[channel] -= conv.bn.running_mean[channel] * scale
    return weight, bias


# %% 2 right: torch's own
folded = lambda conv: (lambda one: (one.weight, one.bias))(torch.nn.utils.fusion.fuse_conv_bn_eval(conv.conv, conv.bn))
