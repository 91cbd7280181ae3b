# %% [markdown]
# # 02 · The model from an empty cell
#
# YOLO11-seg looks at an image once and predicts, for thousands of locations at the same time, what is there, where its
# four sides are, and which pixels belong to it. This lesson writes the whole network, block by block, and checks every
# block against the library's, number for number.
#
# After this lesson you can
#
# 1. write each of its blocks yourself, and explain what the block is good for,
# 2. follow an image's shape through backbone, neck and head, and account for every one of its 2,876,848 parameters,
# 3. turn the head's raw numbers into boxes and masks, and explain why masks are blocky.
#
# **Study time:** two hours. **Compute time:** about 20 seconds on a CPU. No GPU is needed. **Prerequisites:** lesson
# 00, and what a convolution is.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

from seglab.model import blocks, head
from seglab.model.yolo11 import YOLO11Seg, count_parameters


def agree(mine, theirs, *inputs):
    """Same parameters under the same names, and, given the same values, the same output."""
    mine.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(mine.eval()(*inputs), theirs.eval()(*inputs))
    return count_parameters(mine)


generator = torch.manual_seed(0)
x = torch.randn(1, 64, 20, 20)
print("a feature map:", tuple(x.shape), "= images, channels, rows, columns")

# %% [markdown]
# The names of attributes matter from the first class on: the official weights are stored under names such as
# `model.0.conv.weight`, so a network with the same names can load them. Names like `cv1` are not pretty, but they are
# the price of compatibility.
#
# Here is the whole in one diagram, to come back to; the shapes are those for an input of 640 × 640. The following
# sections write it from left to right.
#
# ![The network: a backbone that halves the image to strides 8, 16 and 32; a neck that goes up to the finer maps and down again; and a head with prototypes, sides, classes and mask coefficients.](../docs/images/diagram-network.svg)
#
# ## Conv: the only building block
#
# Convolution, batch normalization, SiLU. The convolution needs no bias, because the normalization has one. *Stride* is
# how far the kernel moves at each step: with `padding = kernel // 2`, stride 1 keeps the size; stride 2 visits every
# second position and halves it.
#
# Count its parameters: 64 · 32 kernels of 3 · 3 weights, and for each of the 32 output channels a scale and a shift,
# 18,496 in total. Where every channel is convolved separately (*depthwise*, `groups`), there are far fewer.


# %% tags=["built"]
class Conv(nn.Module):
    def __init__(self, c_in, c_out, kernel=1, stride=1, groups=1, act=True):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU() if act else nn.Identity()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


# %%
print(tuple(Conv(64, 32, 3, 2)(x).shape), "with", agree(Conv(64, 32, 3), blocks.Conv(64, 32, 3), x), "parameters")
depthwise = Conv(64, 64, 3, groups=64)
print("depthwise:", agree(depthwise, blocks.Conv(64, 64, 3, groups=64), x), "parameters")

# %% [markdown]
# ## Bottleneck: learn a correction
#
# Two convolutions, and the input added to the result. The block only has to learn what to *change*, and the gradient
# has a path around it.


# %% tags=["built"]
class Bottleneck(nn.Module):
    def __init__(self, channels, expansion=0.5):
        super().__init__()
        hidden = int(channels * expansion)
        self.cv1 = Conv(channels, hidden, 3)
        self.cv2 = Conv(hidden, channels, 3)

    def forward(self, x):
        return x + self.cv2(self.cv1(x))


# %%
print(agree(Bottleneck(64), blocks.Bottleneck(64), x), "parameters")

# %% [markdown]
# ## C3k: half goes through, half goes around
#
# The cross-stage partial idea: two 1 × 1 convolutions reduce the input to two maps of half the channels. Only the first
# is processed further; the second bypasses this, and a third 1 × 1 convolution merges both. On half the channels, a 3 ×
# 3 convolution costs a quarter.


# %% tags=["built"]
class C3k(nn.Module):
    def __init__(self, channels):
        super().__init__()
        hidden = channels // 2
        self.cv1 = Conv(channels, hidden)  # the half that is processed
        self.cv2 = Conv(channels, hidden)  # the half that goes around
        self.cv3 = Conv(2 * hidden, channels)
        self.m = nn.Sequential(Bottleneck(hidden, 1.0), Bottleneck(hidden, 1.0))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


# %%
print(agree(C3k(64), blocks.C3k(64), x), "parameters")

# %% [markdown]
# ## C3k2: YOLO11's workhorse
#
# The same idea again, but every intermediate result goes into the merge as well. The network has eight of these. In the
# smallest size, n, three of them have a C3k inside, all on coarse maps; the others have bottlenecks.


# %% tags=["built"]
class C3k2(nn.Module):
    def __init__(self, c_in, c_out, depth, c3k, expansion=0.5):
        super().__init__()
        hidden = int(c_out * expansion)
        self.cv1 = Conv(c_in, 2 * hidden)
        self.cv2 = Conv((2 + depth) * hidden, c_out)
        self.m = nn.ModuleList(C3k(hidden) if c3k else Bottleneck(hidden) for _ in range(depth))

    def forward(self, x):
        parts = list(self.cv1(x).chunk(2, dim=1))
        for block in self.m:
            parts.append(block(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))


# %%
for c3k in (False, True):
    print(agree(C3k2(64, 128, 1, c3k), blocks.C3k2(64, 128, 1, c3k), x), "parameters,", "C3k" if c3k else "Bottleneck")

# %% [markdown]
# ## SPPF: see further at almost no cost
#
# Three max-pooling layers in a row with windows of 5, and their results concatenated: a cell now knows the maximum
# within 5, 9 and 13 cells. Stacking small windows is the trick: two maxima over 5 in a row *are* the maximum over 9.

# %%
pool5, pool9 = nn.MaxPool2d(5, 1, 2), nn.MaxPool2d(9, 1, 4)
difference = (pool5(pool5(x)) - pool9(x)).abs().max()
print(f"two windows of 5 against one of 9: the results differ by at most {difference:.1f}")
assert difference == 0


# %% tags=["built"]
class SPPF(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.cv1, self.cv2 = Conv(channels, channels // 2), Conv(2 * channels, channels)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        return self.cv2(torch.cat(maps, dim=1))


# %%
print(agree(SPPF(64), blocks.SPPF(64), x), "parameters, none of them in the pooling")

# %% [markdown]
# ## Attention: every position can look at every other
#
# Where the size has been halved five times, one position stands for 32 × 32 pixels of the image: this is called *stride
# 32*. A 640-pixel image has only 20 × 20 = 400 such positions, few enough to compare all with all. Each position has a
# *query*, a *key* and a *value*; how well a query matches a key decides how much of that key's value is passed on:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt{d_k}}\Big)\, V.$$
#
# Attention itself ignores where a position lies, so a depthwise convolution of the values (`pe`) adds that information
# back.


# %% tags=["built"]
class Attention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads, self.width = heads, channels // heads
        self.qkv = Conv(channels, 2 * channels, act=False)  # keys and queries are half as wide as values
        self.proj = Conv(channels, channels, act=False)
        self.pe = Conv(channels, channels, 3, groups=channels, act=False)

    def forward(self, x):
        half = self.width // 2
        q, k, v = self.qkv(x).unflatten(1, (self.heads, -1)).flatten(3).split([half, half, self.width], dim=2)
        weights = (q.transpose(2, 3) @ k / half**0.5).softmax(dim=3)  # (B, heads, HW, HW): rows sum to 1
        mixed = (v @ weights.transpose(2, 3)).view_as(x)
        return self.proj(mixed + self.pe(v.reshape(x.shape)))


# %%
z = torch.randn(1, 128, 20, 20)
print(agree(Attention(128, 2), blocks.Attention(128, 2), z), "parameters; pairs of positions:", z[0, 0].numel() ** 2)

# %% [markdown]
# Around it come two 1 × 1 convolutions, which treat every position separately, two residual connections (`PSABlock`),
# and one more split in half (`C2PSA`). This is the end of the backbone.


# %% tags=["built"]
class PSABlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.attn = Attention(channels, channels // 64)
        self.ffn = nn.Sequential(Conv(channels, 2 * channels), Conv(2 * channels, channels, act=False))

    def forward(self, x):
        x = x + self.attn(x)
        return x + self.ffn(x)


# %%
print(agree(PSABlock(128), blocks.PSABlock(128), z), "parameters")


# %% tags=["built"]
class C2PSA(nn.Module):
    def __init__(self, channels, depth):
        super().__init__()
        self.cv1, self.cv2 = Conv(channels, channels), Conv(channels, channels)
        self.m = nn.Sequential(*(PSABlock(channels // 2) for _ in range(depth)))

    def forward(self, x):
        kept, attended = self.cv1(x).chunk(2, dim=1)
        return self.cv2(torch.cat((kept, self.m(attended)), dim=1))


# %%
print(agree(C2PSA(128, 1), blocks.C2PSA(128, 1), z), "parameters")

# %% [markdown]
# ## Backbone and neck
#
# The smallest network, n, has these 23 layers. The **backbone** (0 to 10) halves the image five times and gives three
# maps, at strides 8, 16 and 32: fine maps know *where*, coarse maps know *what*. The **neck** (11 to 22) lets the maps
# exchange this: meaning goes down to the fine maps, position up to the coarse ones.
#
# ```text
# stride 8     0-4 --------------------> concat --> 16 --------------------> out3
#               |                          ^         |
#               |                       up |         17
#               v                          |         v
# stride 16    5, 6 ---> concat --> 13 ----+----> concat --> 19 -----------> out4
#               |          ^                                  |
#               |       up |                                  20
#               v          |                                  v
# stride 32    7-10 -------+-------------------------------> concat --> 22 --> out5
# ```
#
# *concat* stacks channels, *up* doubles height and width. These layers (11, 12, 14, 15, 18 and 21) have no parameters,
# but they keep their numbers, because weights are stored by number.


# %% tags=["built"]
def backbone_and_neck():
    return nn.ModuleList(
        [Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), C3k2(32, 64, 1, False, 0.25)]  # 0, 1, 2
        + [Conv(64, 64, 3, 2), C3k2(64, 128, 1, False, 0.25)]  # 3, 4: stride 8
        + [Conv(128, 128, 3, 2), C3k2(128, 128, 1, True)]  # 5, 6: stride 16
        + [Conv(128, 256, 3, 2), C3k2(256, 256, 1, True), SPPF(256), C2PSA(256, 1)]  # 7 to 10: stride 32
        + [nn.Identity(), nn.Identity(), C3k2(384, 128, 1, False)]  # 11, 12, 13: down to stride 16
        + [nn.Identity(), nn.Identity(), C3k2(256, 64, 1, False)]  # 14, 15, 16: down to stride 8
        + [Conv(64, 64, 3, 2), nn.Identity(), C3k2(192, 128, 1, False)]  # 17, 18, 19: up to stride 16
        + [Conv(128, 128, 3, 2), nn.Identity(), C3k2(384, 256, 1, True)]  # 20, 21, 22: up to stride 32
    )


# %%
layers = backbone_and_neck()
print(len(layers), "layers,", sum(map(count_parameters, layers[:11])), "parameters in the backbone,", end=" ")
print(sum(map(count_parameters, layers[11:])), "in the neck")


# %% tags=["built"]
def features(layer, images):
    p3 = layer[4](layer[3](layer[2](layer[1](layer[0](images)))))  # stride 8
    p4 = layer[6](layer[5](p3))  # stride 16
    p5 = layer[10](layer[9](layer[8](layer[7](p4))))  # stride 32
    double = nn.Upsample(scale_factor=2)
    n4 = layer[13](torch.cat((double(p5), p4), dim=1))
    out3 = layer[16](torch.cat((double(n4), p3), dim=1))
    out4 = layer[19](torch.cat((layer[17](out3), n4), dim=1))
    out5 = layer[22](torch.cat((layer[20](out4), p5), dim=1))
    return [out3, out4, out5]


# %%
images = torch.rand(1, 3, 256, 320)
maps = features(layers, images)
print([tuple(each.shape) for each in maps])

# %% [markdown]
# ## The head
#
# For every cell of the three maps, three small branches answer three questions. **Where are the four sides?** 16
# numbers for each side; how they make a box comes further down. **What is it?** One number per class. **Which pixels?**
# 32 *coefficients*. The box and coefficient branches have the same structure; the class branch uses cheaper, depthwise
# convolutions.


# %% tags=["built"]
def branch(c_in, hidden, c_out):
    return nn.Sequential(Conv(c_in, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, c_out, 1))


def class_branch(c, hidden, classes):
    first = nn.Sequential(Conv(c, c, 3, groups=c), Conv(c, hidden))
    second = nn.Sequential(Conv(hidden, hidden, 3, groups=hidden), Conv(hidden, hidden))
    return nn.Sequential(first, second, nn.Conv2d(hidden, classes, 1))


# %%
for channels in (64, 128, 256):
    parts = branch(channels, 64, 64), class_branch(channels, 80, 80), branch(channels, 32, 32)
    print(channels, "channels: box, class and mask branch have", [count_parameters(part) for part in parts])

# %% [markdown]
# And once for the whole image there are **prototypes**: 32 maps at twice the resolution of the finest feature map.


# %% tags=["built"]
class Prototypes(nn.Module):
    def __init__(self, c_in, hidden):
        super().__init__()
        self.cv1, self.cv2 = Conv(c_in, hidden, 3), Conv(hidden, hidden, 3)
        self.upsample = nn.ConvTranspose2d(hidden, hidden, 2, 2)  # learned upsampling by two
        self.cv3 = Conv(hidden, 32)

    def forward(self, x):
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


# %%
print(agree(Prototypes(64, 64), head.Prototypes(64, 64), x), "parameters:", tuple(x.shape[2:]), "->", end=" ")
print(tuple(Prototypes(64, 64)(x).shape))

# %% [markdown]
# Now put it together. Each branch's maps are flattened, so that the cells of all three strides form one row: for 640 ×
# 640 that is 80² + 40² + 20² = 8,400 *anchor points*. (`Bins` holds the numbers 0 to 15; the official files store them
# as weights, so they count as parameters.)


# %% tags=["built"]
class Bins(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data = torch.arange(16.0).view(1, 16, 1, 1)


class SegmentHead(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.cv2 = nn.ModuleList(branch(c, 64, 64) for c in channels)
        self.cv3 = nn.ModuleList(class_branch(c, max(channels[0], min(classes, 100)), classes) for c in channels)
        self.cv4 = nn.ModuleList(branch(c, 32, 32) for c in channels)
        self.dfl, self.proto = Bins(), Prototypes(channels[0], 64)

    def forward(self, maps):
        rows = [[b(x).flatten(2) for b, x in zip(own, maps)] for own in (self.cv2, self.cv3, self.cv4)]
        return *(torch.cat(row, dim=2) for row in rows), self.proto(maps[0])


# %%
own_head = SegmentHead((64, 128, 256), 80)
for name, part in zip(("boxes", "classes", "coefficients", "prototypes"), own_head(maps)):
    print(f"{name:13}", tuple(part.shape))

# %% [markdown]
# ## The whole network, number for number
#
# Twenty-four layers. The library's model has the same names, so its parameters load into ours; then both must give the
# same output for the same image.


# %% tags=["built"]
class Network(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.model = nn.ModuleList([*backbone_and_neck(), SegmentHead((64, 128, 256), classes)])

    def forward(self, images):
        return self.model[23](features(self.model, images))


# %%
mine, library = Network(80), YOLO11Seg("n")
mine.load_state_dict(library.state_dict())
with torch.no_grad():
    ours, theirs = mine.eval()(images), library.eval()(images)
for part, their_part in zip(ours, theirs):
    torch.testing.assert_close(part, their_part)
parts = [sum(map(count_parameters, group)) for group in (layers[:11], layers[11:], [own_head])]
print(" + ".join(f"{part:,}" for part in parts), f"= {count_parameters(mine):,} parameters, every output the same")

# %% [markdown]
# Backbone, neck and head. The tool that the model was published with prints the same total. The larger sizes follow the
# same plan: s has more channels; m has still more, and C3k inside every block; l has two inner blocks in each `C3k2`
# and in `C2PSA` instead of one; x has these too, and the most channels.

# %%
from seglab.model.yolo11 import SCALES

totals = {}
for scale in SCALES:
    with torch.device("meta"):  # shapes without memory
        totals[scale] = count_parameters(YOLO11Seg(scale))
    depth, width, most, c3k = SCALES[scale]
    inner = "C3k" if c3k else "bottlenecks"
    print(f"{scale}: {totals[scale]:>10,} parameters; depth x {depth}, channels x {width} up to {most}, {inner} inside")
assert totals["n"] == 2_876_848 and totals["x"] == 62_142_656

# %% [markdown]
# **Trained weights** load by name as well. Load those of `toybox-n` into our network. That model knows ten classes, and
# the class branch depends on their number, so we build our network anew. Then run both networks on one of the
# course's images. (The dataset returns images *letterboxed*: scaled to fit 640 × 640, and padded with gray above and
# below. Official weights are read by `seglab.model.weights.load_weights("yolo11n-seg.pt")`; their eighty classes fit
# the head that we had before.)

# %%
from seglab import YOLO
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset

toybox = YOLO("toybox-n")
mine = Network(len(toybox.names))
mine.eval().load_state_dict(toybox.network.state_dict())
item = SegmentationDataset(load_dataset("toybox8-seg"), "train", 640)[0]
pixels = torch.from_numpy(item["image"]).permute(2, 0, 1)[None] / 255
with torch.no_grad():
    for part, their_part in zip(mine(pixels), toybox.network(pixels)):
        torch.testing.assert_close(part, their_part, rtol=1e-4, atol=1e-4)
print("trained on", len(toybox.names), "classes:", tuple(their_part.shape), "prototypes, and every output the same")

# %% [markdown]
# ## From raw numbers to a box
#
# An anchor point is the center of a cell. The four sides are given as distances from it, and each distance as a
# distribution over 16 bins, 0 to 15, each one stride wide. The distance is the mean of the distribution, from its logits
# $z_0, \dots, z_{15}$ and the stride $s$:
#
# $$d = s \sum_{k=0}^{15} k\, p_k, \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}.$$
#
# (Why not simply one number? Lesson 03 answers that.)

# %%
logits = torch.full((4, 16), -4.0)
logits[0, 2], logits[1, 3], logits[2, 4], logits[3, [1, 2]] = 9, 9, 9, torch.tensor([9.0, 9.0])
probabilities = logits.softmax(dim=1)
left, top, right, bottom = (probabilities * torch.arange(16)).sum(dim=1).tolist()
print(f"left {left:.1f}, top {top:.1f}, right {right:.1f}, bottom {bottom:.1f} strides")
x0, y0, stride = 100.0, 60.0, 8
box = [x0 - left * stride, y0 - top * stride, x0 + right * stride, y0 + bottom * stride]
print("box around (100, 60):", [round(side) for side in box])
by_library = head.boxes_from_distribution(logits.view(1, 64, 1), torch.tensor([[x0, y0]]), torch.tensor([[8.0]]))
torch.testing.assert_close(by_library[0, 0], torch.tensor(box))
print("the farthest a side can be:", [15 * stride for stride in head.STRIDES], "pixels at strides", head.STRIDES)

# %% [markdown]
# The same for all anchor points of a batch: their coordinates, and the boxes around them.


# %% tags=["built"]
def anchor_points(height, width):
    points, strides = [], []
    for stride in (8, 16, 32):
        x, y = ((torch.arange(side // stride) + 0.5) * stride for side in (width, height))
        points.append(torch.cartesian_prod(y, x).flip(1))  # row by row, as (x, y)
        strides.append(torch.full((len(points[-1]), 1), float(stride)))
    return torch.cat(points), torch.cat(strides)  # (A, 2), (A, 1)


def boxes_from(logits, points, strides):
    probabilities = logits.unflatten(1, (4, 16)).softmax(dim=2)  # (B, 4, 16, A)
    distances = torch.einsum("bska,k->bas", probabilities, torch.arange(16.0)) * strides  # (B, A, 4) pixels
    return torch.cat((points - distances[..., :2], points + distances[..., 2:]), dim=2)  # (B, A, 4)


# %%
points, strides = anchor_points(256, 320)
raw_boxes = torch.randn(2, 64, len(points))
torch.testing.assert_close((points, strides), head.anchor_points(256, 320))
own_boxes = boxes_from(raw_boxes, points, strides)
torch.testing.assert_close(own_boxes, head.boxes_from_distribution(raw_boxes, points, strides), atol=1e-3, rtol=1e-4)
print("boxes:", tuple(own_boxes.shape))
print(len(points), "anchor points for 256 x 320; the first", points[0].tolist(), "the last", points[-1].tolist())

# %% [markdown]
# ## From coefficients to a mask
#
# A mask is a **weighted sum of the 32 prototypes** $P_k$ with the object's coefficients $c_k$, cropped to its box $B$:
#
# $$m(x, y) = \Big[\sum_{k=1}^{32} c_k\, P_k(x, y) > 0\Big] \quad \text{for } (x, y) \in B.$$
#
# Where the sum is positive, the cell belongs to the object. One matrix product gives the masks of all objects. How well can 32 numbers describe an object?
# First without any learning: use fixed cosine waves as prototypes, and find by least squares the 32 coefficients that
# fit an object best inside its box. Then (`predict_parts`) with the trained network's own prototypes and coefficients.
#
# In the figures the black rectangle is the object's box; in sums and prototypes, red is above zero and blue below.

# %%
boxes = torch.from_numpy(item["boxes"])  # letterbox pixels; the image fills rows 80 to 560
whole = (boxes[:, :2] > torch.tensor([4, 84])).all(dim=1) & (boxes[:, 2:] < torch.tensor([636, 556])).all(dim=1)
area = torch.from_numpy(item["masks"]).float().sum(dim=(1, 2)) * 16  # pixels
filled = area / (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
chosen = int((area * (filled < 0.6) * whole).argmax())  # the largest whose box alone says little about its mask
target = torch.from_numpy(item["masks"][chosen]).float()  # (160, 160), the covered fraction of each cell
left, top, right, bottom = (item["boxes"][chosen] / 4).round().astype(int)


def iou(a, b):
    return ((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum()


waves = torch.cos(torch.pi * torch.arange(8)[:, None] * (torch.arange(160) + 0.5) / 160)  # (8, 160)
prototypes = torch.einsum("ay,bx->abyx", waves[::2], waves).flatten(0, 1)  # (32, 160, 160)
window = (slice(None), slice(top, bottom), slice(left, right))
inside, values = prototypes[window].flatten(1).T, target[window[1:]].reshape(-1, 1) - 0.5
coefficients = torch.linalg.lstsq(inside, values, rcond=1e-3, driver="gelsd").solution  # the smallest where many fit
names = toybox.names
print(
    names[int(item["classes"][chosen])], f"fills {filled[chosen]:.0%} of its box; prototypes", tuple(prototypes.shape)
)

# %% alt="Enlarged, the target mask of a pair of scissors with its box; one cosine prototype of the whole image; enlarged, the weighted sum of all, and the sum cropped to the box and thresholded at zero: roughly the scissors."
summed = torch.einsum("kyx,k->yx", prototypes, coefficients[:, 0])
assembled = torch.zeros(160, 160)
assembled[window[1:]] = (summed[window[1:]] > 0).float()
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), dpi=80)
panels = (target, prototypes[10], summed.clamp(-0.5, 0.5), assembled)
for axis, image, title in zip(axes, panels, ("target", "one prototype", "weighted sum", "cropped to box, > 0")):
    axis.imshow(image, cmap="Blues" if image.min() == 0 else "RdBu_r")
    axis.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False))
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
    if title != "one prototype":  # the others are enlarged
        axis.set(xlim=(left - 12, right + 12), ylim=(bottom + 25, top - 25))
plt.show()
box_only = torch.zeros(160, 160)
box_only[window[1:]] = 1
print(f"IoU with the target: the box alone {iou(box_only, target):.2f}, the waves in it {iou(assembled, target):.2f}")

# %%
from torchvision.ops import box_iou


def predict_parts(size, index):
    """An input size and an object -> prototypes; coefficients and box of the highest-scoring anchor on the object."""
    with torch.no_grad():
        parts = head.RawOutput(*mine(nn.functional.interpolate(pixels, (size, size), mode="area")))
    found = head.boxes_from_distribution(parts.boxes, *head.anchor_points(size, size))[0] * (640 / size)
    near = box_iou(boxes[[index]], found)[0] > 0.7
    best = int((parts.classes[0].amax(dim=0).sigmoid() * near).argmax())
    return parts.prototypes[0], parts.coefficients[0, :, best], found[best]


own_prototypes, weights, own_box = predict_parts(640, chosen)
print("prototypes", tuple(own_prototypes.shape), "coefficients", tuple(weights.shape), "box", tuple(own_box.shape))

# %% alt="Three of the network's prototypes, each times its coefficient, and the sum of all 32, with the box of a pair of scissors: in the sum the scissors are red, what lies around them in the box is blue."
products = weights[:, None, None] * own_prototypes
total = products.sum(dim=0)
x0, y0, x1, y1 = (own_box / 4).round().int().tolist()
inside = (slice(None), slice(y0, y1), slice(x0, x1))
strongest = products[inside].abs().mean(dim=(1, 2)).argsort(descending=True)[:3].tolist()
panels = {f"{weights[k]:.1f} x prototype {k}": products[k] for k in strongest} | {"sum of all 32": total}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), dpi=80)
for axis, (title, panel) in zip(axes, panels.items()):
    axis.imshow(panel, cmap="RdBu_r", vmin=-5, vmax=5)
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False))
    axis.set(title=title, xticks=[], yticks=[])
plt.show()
own_mask = torch.zeros(160, 160)
own_mask[inside[1:]] = (total[inside[1:]] > 0).float()
assert iou(own_mask, target) > 0.7
print(f"IoU of the network's own mask: {iou(own_mask, target):.2f}")

# %% [markdown]
# An IoU of .54 is what **the box alone** gives: the sum only has to be right inside it. The waves know nothing about the
# image, but their 32 coefficients were fitted to this very mask, and in so small a window they go a long way. The network
# has an image and no mask: it must predict the coefficients, and gets nearly as far, with prototypes that follow the
# image's edges and serve all objects at once. No prototype stands for a single object. In the sum, the scissors are red
# and what surrounds them is blue; the red on other objects is cropped off by the box.
#
# The library's `assemble` does the same at the resolution of the original image, interpolating between the cells. Given
# the prototypes and the coefficients of each object, one call returns every mask:

# %%
from seglab.inference.masks import assemble
from seglab.inference.nms import Detections

found = Detections(boxes[[chosen]], torch.ones(1), torch.zeros(1, dtype=torch.int64), coefficients.T)
((x0, y0, crop),) = assemble(prototypes, found, item["sample"]["letterbox"])
by_hand = nn.functional.interpolate(summed[None, None], scale_factor=4, mode="bilinear")[0, 0] > 0
pad_top, pad_left = item["sample"]["letterbox"].pad
rows = slice(y0 + pad_top, y0 + pad_top + crop.shape[0])
columns = slice(x0 + pad_left, x0 + pad_left + crop.shape[1])
different = (by_hand[rows, columns].numpy() != crop).mean()
print(f"pixels that differ: {different:.3f}")
assert different < 0.001

# %% [markdown]
# **Why masks are blocky.** The prototypes have a quarter of the *input's* resolution, whatever the size of the photo.
# In a photo 4,000 pixels wide, scaled down to 640, one mask cell covers 25 × 25 of its pixels. Clever upsampling
# afterward helps little: detail that was never drawn cannot be recovered. A larger input (`imgsz`) gives finer masks
# but takes more time. Here are a small clock in our image and its mask cells at three input sizes:

# %% alt="A small alarm clock three times under its mask cells: a few large blocks, then smaller ones, and finally cells fine enough to show feet and bells."
clock = int((item["classes"] == 3).argmax())
left, top, right, bottom = item["boxes"][clock]
figure, axes = plt.subplots(1, 3, figsize=(7.5, 3.1), dpi=80, layout="constrained")
for axis, size in zip(axes, (160, 320, 640)):
    own_prototypes, weights, _ = predict_parts(size, clock)
    cells = torch.einsum("kyx,k->yx", own_prototypes, weights) > 0
    axis.imshow(item["image"], extent=(0, 640, 640, 0))
    axis.imshow(cells, cmap="Blues", vmin=0, vmax=1.5, alpha=0.7, extent=(0, 640, 640, 0))
    axis.set(title=f"input {size}", xlim=(left - 6, right + 6), ylim=(bottom + 6, top - 6), xticks=[], yticks=[])
    print(f"input {size}: a cell covers {640 // len(cells)} x {640 // len(cells)} pixels of the image")
plt.show()

# %% [markdown]
# ## Recap
#
# - One building block, `Conv`; two ideas, residual connections and a bypass for half the channels; one attention block
#   that sees the whole image, at stride 32.
# - The backbone finds out what is there, the neck spreads it over three strides, the head answers three questions at
#   8,400 anchor points.
# - Boxes are means of 16-bin distributions. Masks are 32 prototypes, shared by all objects, times 32 coefficients each,
#   cropped to the box.
# - Mask detail follows the input size, because prototypes have a quarter of its resolution.
#
# ## Sources
#
# - He et al., *Deep Residual Learning*, 2016; Wang et al., *CSPNet*, 2020; He et al., *Spatial Pyramid Pooling*, 2015;
#   Vaswani et al., *Attention Is All You Need*, 2017; Wang et al., *YOLOv10*, 2024, for partial self-attention.
# - Lin et al., *Feature Pyramid Networks*, 2017, and Liu et al., *Path Aggregation Network*, 2018, for the neck.
# - Bolya et al., *YOLACT: Real-time Instance Segmentation*, 2019, for prototypes and coefficients; Li et al.,
#   *Generalized Focal Loss*, 2020, for the bins.
# - YOLO11's public table of sizes. The library: `seglab/model/blocks.py`, `head.py`, `yolo11.py`;
#   `seglab/inference/masks.py`.
#
# ## Exercises
#
# Write the function, then run the check below it.
