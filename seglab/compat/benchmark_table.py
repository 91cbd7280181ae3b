"""`benchmark` as scripts for ultralytics call it, and the table that they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seglab.errors import SeglabError

if TYPE_CHECKING:
    from seglab.export.benchmark import Line

# Formats as the table has them; others by their own name.
TITLES = {
    "pytorch": "PyTorch",
    "torchscript": "TorchScript",
    "onnx": "ONNX",
    "openvino": "OpenVINO",
    "engine": "TensorRT",
    "coreml": "CoreML",
    "ncnn": "NCNN",
    "litert": "LiteRT",
    "saved_model": "TensorFlow SavedModel",
    "pb": "TensorFlow GraphDef",
    "executorch": "ExecuTorch",
}
PRECISIONS = {"8": "int8", "16": "fp16", "32": "fp32", "int8": "int8", "fp16": "fp16", "fp32": "fp32"}
NO_EFFECT = ("eps", "workspace", "simplify", "opset", "batch", "task", "mode", "model")


def benchmark_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a script as those of seglab.config.BenchmarkInput.

    format: one format, "" or None for all; half, int8, quantize: one precision, by default all that a format has.
    Errors: SeglabError for a device other than the CPU, on which all formats are timed, and for a precision that there
    is not.
    """
    wanted = {name: value for name, value in given.items() if value is not None and name not in NO_EFFECT}
    format = wanted.pop("format", "")
    if format:
        wanted.setdefault("formats", str(format))
    device = str(wanted.pop("device", "cpu"))
    if device != "cpu":
        raise SeglabError(f"benchmark does not take device={device}: formats are timed on the CPU, leave it out")
    bits = str(wanted.pop("quantize", "")).lower()
    for name, number in (("int8", "8"), ("half", "16")):
        if wanted.pop(name, False):
            bits = bits or number
    if bits and bits not in PRECISIONS:
        raise SeglabError(f"quantize={bits} must be 8 (int8), 16 (fp16) or 32 (fp32)")
    if bits:
        wanted.setdefault("precisions", PRECISIONS[bits])
    return wanted


def benchmark_rows(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The table with the columns that scripts read, a row for each format and precision; None: not measured."""
    rows = []
    for line in lines:
        milliseconds = line.milliseconds
        rows.append(
            {
                "Format": TITLES.get(line.format, line.format),
                "Precision": line.precision,
                "Status\N{WHITE QUESTION MARK ORNAMENT}": "\N{WHITE HEAVY CHECK MARK}"
                if line.status == "ok"
                else line.status,
                "Size (MB)": line.megabytes,
                "metrics/mAP50-95(B)": line.box_map,
                "metrics/mAP50-95(M)": line.mask_map,
                "Inference time (ms/im)": milliseconds,
                "FPS": None if milliseconds is None else 1000 / max(milliseconds, 1e-6),
            }
        )
    return rows


def raise_failure(lines: Sequence[Line], verbose: bool | float) -> None:
    """Errors: SeglabError with verbose=True when a format has failed, with a number also when mask mAP is below it."""
    if verbose is False:
        return
    failed = [f"{line.format} {line.precision} ({line.status})" for line in lines if line.status != "ok"]
    if failed:
        raise SeglabError(
            f"benchmark: {len(failed)} formats failed, the first is {failed[0]}: choose others with formats="
        )
    if verbose is not True:
        low = [line for line in lines if line.mask_map is not None and line.mask_map < verbose]
        if low:
            raise SeglabError(
                f"benchmark: mask mAP {low[0].mask_map:.3f} of {low[0].format} {low[0].precision} is below "
                f"verbose={verbose}: look at the table in the folder of the run"
            )
