"""Arguments that mean the same to several verbs."""

from __future__ import annotations

from functools import partial

from seglab.config.argument import DETECTION, MACHINE, OUTPUT, argument

MODEL = partial(
    argument, text="weights (.safetensors, .pt), a name such as yolo11n-seg.pt or toybox-n, or an exported file"
)
DATASET = partial(
    argument,
    text="dataset YAML, folder, name or COCO JSON; several as a,b; None: what the weights were trained on, "
    "else coco8-seg",
)
TRUST = partial(
    argument,
    text="open a TorchScript file or an engine, which are programs, although another machine exported it",
)
DEVICE = partial(argument, text='"cpu", "cuda:1", 1 or "mps"; None: the first CUDA GPU, else the CPU', group=MACHINE)
WORKERS = partial(argument, text="processes that load data, at most one per core", group=MACHINE, min=0)
STRICT = partial(argument, text="stop at the first issue in the data instead of listing all")
CONF = partial(argument, text="minimum confidence score of a detection", group=DETECTION, min=0, max=1)
IOU = partial(argument, text="NMS: overlap above which the lower-scoring box is dropped", group=DETECTION, min=0, max=1)
MAX_DET = partial(argument, text="maximum number of detections on an image", group=DETECTION, min=1)
MASK_TARGETS = partial(
    argument,
    text="mask targets the weights were trained with, which decide where masks may begin; unless given, what the "
    "weights say",
    group=DETECTION,
    choices=("soft", "hard"),
)
LONG_SIDE = partial(
    argument,
    text="input size: long side in pixels, or (height, width); unless given, the size of the training",
    min=1,
)
RECT = partial(argument, text="pad images as little as possible; False: always to a square", group=DETECTION)
PROJECT = partial(argument, text="parent folder of runs; None: runs/segment", group=OUTPUT)
NAME = partial(argument, text="folder of this run; None: the name of the verb", group=OUTPUT)
EXIST_OK = partial(
    argument, text="write into the run's folder even if it exists; else a number is added to its name", group=OUTPUT
)
