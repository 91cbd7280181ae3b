"""Arguments that mean the same to several verbs."""

from __future__ import annotations

from functools import partial

from seglab.config.argument import DETECTION, MACHINE, OUTPUT, argument

WEIGHTS = partial(argument, text="weights (.safetensors, .pt), or a name such as yolo11n-seg.pt or toybox-n")
MODEL = partial(
    argument, text="weights (.safetensors, .pt), a name such as yolo11n-seg.pt or toybox-n, or an exported file"
)
DATASET = partial(
    argument,
    text="any labeled folder or file, or the name of a dataset; several as a,b; None: the dataset that the weights "
    "were trained on, or else coco8-seg",
)
TRUST = partial(
    argument,
    text="open TorchScript files and engines, which can run code, even if another machine exported them",
)
LABELS = partial(argument, text="folder or file with the labels, in any format, if they are not next to the images")
INSTANCES = partial(
    argument,
    text="for mask images with a single value: each connected region is an instance (components), or all of them are "
    "one (values)",
    choices=("components", "values"),
)
ALLOW_EMPTY = partial(argument, text="accept a dataset without a single instance, which is otherwise an error")
HOLDOUT = partial(
    argument,
    text="fraction of the images to hold out for validation; the split is saved to a file for later runs; 0: validate "
    "on the training images",
    min=0,
    max=0.9,
)
TEST = partial(argument, text="with holdout: fraction of the images to hold out as the test split", min=0, max=0.9)
DEVICE = partial(argument, text='"cpu", "cuda:1", 1 or "mps"; None: the first CUDA GPU, else the CPU', group=MACHINE)
WORKERS = partial(argument, text="processes that load data, at most one per core", group=MACHINE, min=0)
STRICT = partial(argument, text="stop at the first issue in the data instead of listing all issues")
CONF = partial(argument, text="minimum confidence score of a detection", group=DETECTION, min=0, max=1)
IOU = partial(argument, text="NMS: IoU above which the lower-scoring box is dropped", group=DETECTION, min=0, max=1)
MAX_DET = partial(argument, text="maximum number of detections on an image", group=DETECTION, min=1)
CLASSES = partial(argument, text="only these class ids, e.g. 0 or [0, 2]; None: all", group=DETECTION)
AGNOSTIC_NMS = partial(
    argument, text="class-agnostic NMS: boxes of different classes suppress each other too", group=DETECTION
)
SINGLE_CLS = partial(argument, text="treat all classes as one, called item")
FRACTION = partial(
    argument,
    text="fraction of the images to use, evenly spread, e.g. 0.1; or how many images, 2 or more; a list has one value "
    "each for train, val and test",
)
SPLIT = partial(argument, text="split of the dataset: train, val or test")
HALF = partial(argument, text="run the network in float16", group=MACHINE)
PRECISION = partial(
    argument,
    text="number format that the network computes in: fp32, or bf16 on GPUs and CPUs that support it",
    choices=("fp32", "bf16"),
    group=MACHINE,
)
ENGINE = partial(
    argument,
    text="auto: on CPUs, run weights through onnxruntime or OpenVINO if installed, once its outputs are found to agree",
    choices=("auto", "torch"),
    group=MACHINE,
)
AUGMENT = partial(
    argument,
    text="test-time augmentation: run on every image twice, as it is and mirrored",
    group=DETECTION,
)
COMPILE = partial(
    argument,
    text="compile the network with torch.compile; True, or one of its modes, such as max-autotune-no-cudagraphs",
    group=MACHINE,
)
SAVE_TXT = partial(argument, text="write labels/NAME.txt in the YOLO format", group=OUTPUT)
SAVE_CONF = partial(argument, text="with save_txt: append the confidence score to every row", group=OUTPUT)
MASK_TARGETS = partial(
    argument,
    text="mask targets that the weights were trained with; they decide how close to the edge of its box a mask may "
    "start; if not given, as recorded in the weights",
    group=DETECTION,
    choices=("soft", "hard"),
)
LONG_SIDE = partial(
    argument,
    text="input size: long side in pixels, or (height, width); if not given, the size used in training",
    min=1,
)
RECT = partial(argument, text="pad images as little as possible; False: always to a square", group=DETECTION)
PROJECT = partial(argument, text="parent folder of runs; None: runs/segment", group=OUTPUT)
NAME = partial(argument, text="folder of this run; None: named after the mode, e.g. train", group=OUTPUT)
EXIST_OK = partial(
    argument, text="write to the run's folder even if it exists; otherwise, a number is added to its name", group=OUTPUT
)
