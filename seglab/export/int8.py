"""Int8 for ONNX: weights and activations in 8 bits, calibrated on a few images, where that costs no accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from seglab.export.packages import require

# Only convolutions go into int8. Decoding must not: at its end boxes in pixels, scores and coefficients share one
# tensor, and one 8-bit step for all of them leaves scores of 0 or 1 and no mAP at all. Of the convolutions, the last of
# every head branch stays in float too: its outputs are logits that are read off directly, and it costs next to nothing.
_HEAD = "/network/model.23"
FLOAT_LAYERS = [f"{_HEAD}/{name}.{i}/{name}.{i}.2/Conv" for name in ("cv2", "cv3", "cv4") for i in range(3)]
FLOAT_LAYERS += [f"{_HEAD}/proto/cv3/conv/Conv"]


def quantize(path: str | Path, batches: Iterable[Tensor]) -> None:
    """Put the convolutions of an ONNX file into int8, in place; `batches` of images set the ranges."""
    require("onnxruntime", "onnxruntime")
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(batches)

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {"images": batch.numpy()}

    quantization.shape_inference.quant_pre_process(path, path, skip_optimization=True, skip_symbolic_shape=True)
    quantization.quantize_static(
        path,
        path,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=FLOAT_LAYERS,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
