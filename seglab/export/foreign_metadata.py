"""What files that other YOLO tools exported say about themselves.

All of it is known from files that people have, opened and looked at; docs/export.md lists what was found.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 16 << 20  # characters: names of so many classes as a network can have
MAX_SIDE = 16_384  # pixels of the input
MAX_BATCH = 4096  # images of a call


def read_metadata(text: str) -> dict[str, Any]:
    """A mapping written as JSON, as a Python literal or as YAML. Errors: ValueError when it is none of these."""
    import yaml  # takes 10 ms, which opening a model need not wait for

    from seglab.formats.text_files import parse_yaml

    value = read_value(text)
    if isinstance(value, str):
        try:
            value = parse_yaml(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None
    if not isinstance(value, Mapping):
        raise ValueError("the metadata is not a mapping of names to values")
    return {str(key): inner for key, inner in value.items()}


def read_value(value: Any) -> Any:
    """What a text stands for where it is JSON or a Python literal; else the text, and anything else as it is.

    Errors: ValueError for a text that is longer than any metadata.
    """
    if not isinstance(value, str):
        return value
    if len(value) > MAX_TEXT:
        raise ValueError(f"a text of {len(value):,} characters is not metadata")
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return value


def read_size(value: Any) -> tuple[int, int]:
    """(height, width), from one side or two. Errors: ValueError for anything else, and for what no image is."""
    sides = value if isinstance(value, (list, tuple)) else [value, value]
    if len(sides) != 2 or not all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in sides):
        raise ValueError(f"'imgsz' must be one or two sides of 1 to {MAX_SIDE:,} pixels")
    return int(sides[0]), int(sides[1])


def read_batch(value: Any) -> int:
    """Images per call. Errors: ValueError for what is none."""
    if value is None:
        return 1
    if not isinstance(value, int) or not 0 < value <= MAX_BATCH:
        raise ValueError(f"'batch' must be 1 to {MAX_BATCH:,} images")
    return int(value)


def read_origin(values: Mapping[str, Any]) -> dict[str, Any]:
    """Producer, version, license and what the export arguments say, as fields of ModelMetadata."""
    given = values.get("args")
    arguments = given if isinstance(given, Mapping) else {}
    return {
        "producer": str(values.get("author") or "an unknown tool"),
        "version": str(values.get("version") or ""),
        "license": license_name(values.get("license")),
        "precision": _precision(values, arguments),
        "dynamic": bool(arguments.get("dynamic")),
        "mask_targets": "hard",  # the only ones that other tools have
        "has_nms": bool(arguments.get("nms") or values.get("end2end")),
    }


def license_name(text: Any) -> str:
    """ "AGPL-3.0 License (https://...)" -> "AGPL-3.0"; other texts stay as they are, and nothing is "unknown"."""
    name = re.sub(r"\s*\(?https?://[^\s)]*\)?", "", str(text or ""))
    name = re.sub(r"\s+licen[cs]e$", "", name.strip(), flags=re.IGNORECASE)
    return name or "unknown"


def _precision(values: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """By the export arguments, or by the mark that onnxruntime's quantization leaves; fp32 where nothing is said."""
    bits = str(arguments.get("quantize"))
    if arguments.get("int8") or bits in ("8", "int8") or values.get("onnx.infer") == "onnxruntime.quant":
        return "int8"
    if arguments.get("half") or bits in ("16", "fp16"):
        return "fp16"
    return "fp32"
