"""Arguments of `export`."""

from __future__ import annotations

from dataclasses import dataclass

from seglab.config.argument import DETECTION, Arguments, argument
from seglab.config.reading import ReadConfig
from seglab.config.shared import MASK_TARGETS, WEIGHTS
from seglab.errors import SeglabError
from seglab.sizes import STRIDE, Size, as_size


@dataclass(frozen=True)
class ExportInput(Arguments):
    """What is exported, as what and where to."""

    model: str = WEIGHTS("yolo11n-seg.pt")
    format: str = argument(
        "onnx",
        "torchscript, pt2, onnx, openvino, ncnn, executorch, coreml, engine (TensorRT), litert (TFLite), saved_model "
        "(TensorFlow), pb (its frozen graph) or rknn (Rockchip)",
    )
    out: str | None = argument(None, "path of the file, without suffix; None: next to the weights")


@dataclass(frozen=True)
class ExportConfig(ReadConfig):
    """How a model is written in another format. imgsz becomes (height, width)."""

    imgsz: int | tuple[int, int] = argument(
        640, "side in pixels or (height, width), multiples of 32; if not given, the size used in training"
    )
    batch: int = argument(1, "images per call", min=1)
    dynamic: bool = argument(False, "batch and size may differ from call to call")
    half: bool = argument(False, "compute in float16")
    int8: bool = argument(False, "compute in int8, except in the last layers of the head; needs data= for calibration")
    data: str | None = argument(
        None, "dataset on whose validation split the parity check compares mAP, and whose images calibrate int8"
    )
    nms: bool = argument(False, "onnx: an end-to-end file, from image to boxes, scores and classes", group=DETECTION)
    masks: bool = argument(False, "with nms: masks at the image's own resolution too", group=DETECTION)
    conf: float = argument(0.25, "with nms: minimum confidence score of a detection", group=DETECTION, min=0, max=1)
    iou: float = argument(
        0.7, "with nms: IoU above which the lower-scoring box is dropped", group=DETECTION, min=0, max=1
    )
    max_det: int = argument(300, "with nms: maximum number of detections", group=DETECTION, min=1)
    mask_targets: str = MASK_TARGETS("soft")
    opset: int | None = argument(None, "onnx: version of the operator set; None: 17", min=11, max=25)
    simplify: bool = argument(True, "onnx: fold constants when the graph is written")
    workspace: float | None = argument(None, "engine: GiB that TensorRT may use while it builds; None: all", min=0)
    name: str | None = argument(None, "rknn: the chip, e.g. rk3576; None: rk3588")
    fraction: float = argument(1.0, "int8: fraction of the calibration images to use", min=0, max=1)
    license: str = argument(
        "unknown", "license of the weights, written into the file; if not given, as recorded in the weights"
    )

    def __post_init__(self) -> None:
        if self.fraction == 0:
            raise SeglabError("fraction=0 leaves no image to calibrate on: give a fraction above 0, e.g. fraction=0.5")
        super().__post_init__()
        height, width = as_size(self.imgsz)
        if height % STRIDE or width % STRIDE:
            raise SeglabError(
                f"imgsz={self.imgsz!r} must be a multiple of {STRIDE}, or (height, width), both multiples of it"
            )
        self._set("imgsz", (height, width))

    @property
    def size(self) -> Size:
        """(height, width) of the input in pixels."""
        return as_size(self.imgsz)

    @property
    def precision(self) -> str:
        """fp32, fp16 or int8."""
        if self.int8:
            return "int8"
        return "fp16" if self.half else "fp32"
