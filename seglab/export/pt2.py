"""pt2: PyTorch's ExportedProgram, the whole graph without its Python, ready for torch.compile and AOTInductor."""

from __future__ import annotations

import json
import os
import re
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seglab.errors import SeglabError, reading
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.metadata import KEYS, ModelMetadata, write_into_archive
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

SUFFIX = ".pt2"
PRECISIONS = ("fp32", "fp16")
DYNAMIC = True
RUNS_CODE = False

OLDEST = "2.9"  # PyTorch whose archives can be looked through before they are read

write_metadata = write_into_archive


def needs() -> dict[str, str]:
    return {}


def runs_here() -> bool:
    return True


def program(model: YOLO11Seg, metadata: ModelMetadata) -> torch.export.ExportedProgram:
    """The exported program, with free batch, height and width when the metadata says dynamic."""
    inference_model = InferenceModel(model, DTYPES[metadata.precision])
    batch = metadata.batch
    shapes = None
    if metadata.dynamic:
        batch = max(batch, 2)  # a size of 1 would be taken for a constant
        rows = 32 * torch.export.Dim("rows", min=2)
        columns = 32 * torch.export.Dim("columns", min=2)
        shapes = {"images": {0: torch.export.Dim("batch"), 2: rows, 3: columns}}
    example = (torch.zeros(batch, 3, *metadata.size),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(inference_model, example, dynamic_shapes=shapes)


def write(model: YOLO11Seg, path: Path, metadata: ModelMetadata, calibration: Iterable[Tensor] = ()) -> None:
    """Write the exported program with its metadata as extra files of the archive.

    Left out is what the graph does not need: example inputs (a pickle), guards (Python code), paths of the writer.
    Errors: SeglabError with a PyTorch whose archives are of the older type.
    """
    if torch.__version__ < OLDEST:
        raise SeglabError(
            f"pt2 files need PyTorch {OLDEST} or newer, but {torch.__version__} is installed: upgrade it, or export "
            "format=torchscript"
        )
    exported = program(model, metadata)
    exported._example_inputs = None
    exported._guards_code = []
    for node in exported.graph.nodes:
        node.meta = {key: value for key, value in node.meta.items() if key == "val"}
    torch.export.save(exported, path, extra_files=metadata.to_strings())


def load(path: Path) -> Runtime:
    """Run the file in this process. Errors: SeglabError when it is damaged or carries anything that could run code."""
    with reading(path, f"a pt2 archive of PyTorch {OLDEST} or newer", "export it again"):
        _refuse_code(path)
        extra_files = dict.fromkeys(KEYS, "")  # filled by torch
        exported = torch.export.load(path, extra_files=extra_files)
        strings = {key: value for key, value in extra_files.items() if value}
        module = torch.inference_mode()(exported.module())
    metadata = ModelMetadata.from_strings(strings, str(path))
    return Runtime(path, metadata, module)


# --- the check before reading ----------------------------------------------------------------------------------------
# torch.export.load unpickles whatever an archive marks as a pickle, runs its guards as Python, evaluates its size
# expressions and calls what its nodes name. Files of seglab need none of that, so nothing else is let through.

_WORD = re.compile(r"[\w.+]*")
_TREE = re.compile(r'[\w\s.,:"\[\]{}]*')  # JSON that says how inputs and outputs nest
# What a node may call: the operations that a network of seglab consists of. Other operations of PyTorch read and write
# files or fill the memory (aten.from_file, aten.save, aten.empty), so a list of what is forbidden would never be whole.
OPERATIONS = (
    # arithmetic
    *("add", "sub", "mul", "div", "matmul", "sum", "sigmoid", "silu", "silu_", "softmax"),
    # layers
    *("conv2d", "conv_transpose2d", "max_pool2d", "upsample_nearest2d"),
    # shapes and types
    *("cat", "stack", "chunk", "split", "split_with_sizes", "slice", "flatten", "reshape", "view", "transpose"),
    *("sym_size", "to", "promote_types", "_assert_tensor_metadata"),
    # the grid of anchor points
    *("arange", "full_like", "meshgrid"),
)
_NODE = re.compile(rf"torch\.ops\.aten\.({'|'.join(OPERATIONS)})\.[a-zA-Z]\w*|_operator\.(add|sub|mul|floordiv)")
_SYMBOL = r"Symbol\('[suz]\d+'(, (positive|integer)=True)*\)"
_SIZE = re.compile(  # sums, products and small powers of symbols: 9**9**9 would never end
    rf"({_SYMBOL}|Pow\({_SYMBOL}, Integer\(\d\)\)|(Integer|Mul|Add|Min|Max|FloorDiv|Mod)\("
    r"|[suz]\d+|\d{1,19}|\*(?!\*)|[),\s+/-])*"
)
_ALLOWED_TEXT = {"target": _NODE, "expr_str": _SIZE, "in_spec": _TREE, "out_spec": _TREE}  # by key; a word elsewhere

_PROGRAM = "models/model.json"
_WEIGHTS = "data/weights/model_weights_config.json"
_CONSTANTS = "data/constants/model_constants_config.json"
MAX_GROWTH = 4  # PyTorch compresses nothing
SMALL_BYTES = 10 << 20
MAX_JSON_BYTES = 64 << 20  # of YOLO11x the graph has 5 MB
# Operations that make tensors of the size that a number says, and how large that may be: no grid has more cells.
MAKERS = ("arange", "full_like", "upsample_nearest2d")
MAX_NUMBER = 8192
_HEADERS = {"archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id"}


@dataclass
class _Archive:
    """What a pt2 archive holds, read without running any of it."""

    sizes: dict[str, int]  # entry, without the archive's own folder -> bytes
    graph: Any
    weights: Any
    constants: Any


def _read_archive(path: Path) -> _Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
            sizes = {name: entry.file_size for name, entry in entries.items()}
            unpacked = sum(sizes.values())
            if unpacked > MAX_GROWTH * os.path.getsize(path) + SMALL_BYTES:
                raise SeglabError(f"{path} would grow to {unpacked:,} bytes, like a zip bomb: export it again")
            if len(entries) < len(archive.infolist()):
                raise SeglabError(
                    f"{path} has two entries of one name, of which PyTorch may read either: export it again"
                )
            if any(sizes.get(name, 0) > MAX_JSON_BYTES for name in (_PROGRAM, _WEIGHTS, _CONSTANTS)):
                raise SeglabError(f"{path} has a larger graph than any network of seglab: export it again")
            graph = json.loads(archive.read(entries[_PROGRAM]))
            weights = json.loads(archive.read(entries[_WEIGHTS]))
            constants = json.loads(archive.read(entries[_CONSTANTS]))
    except SeglabError:
        raise
    except (zipfile.BadZipFile, KeyError, OSError, ValueError):
        raise SeglabError(
            f"{path} is not a complete pt2 archive of PyTorch {OLDEST} or newer: export it again"
        ) from None
    return _Archive(sizes, graph, weights, constants)


def _refuse_code(path: Path) -> None:
    """Errors: SeglabError when an archive holds anything but a graph of tensor operations, its weights and metadata."""
    archive = _read_archive(path)
    weights = archive.weights["config"].values()
    tensors = {f"data/weights/{entry['path_name']}" for entry in weights}
    known = tensors | _HEADERS | {_PROGRAM, _WEIGHTS, _CONSTANTS}

    suspicious = [
        name for name, size in archive.sizes.items() if size and name not in known and not name.startswith("extra/")
    ]
    has_pickles = any(entry["use_pickle"] for entry in weights)
    if has_pickles or archive.constants["config"] or archive.graph["guards_code"]:
        suspicious.append("pickled tensors, constants or guards")
    suspicious += _suspicious_texts(archive.graph) + _huge_numbers(archive.graph)
    if suspicious:
        raise SeglabError(
            f"{path} contains more than a graph of tensor operations ({suspicious[0][:80]!r}), which may run code when "
            "it is read; nothing was run: use files exported by seglab"
        )


def _suspicious_texts(value: Any, key: str = "") -> list[str]:
    """Texts in a serialized program that are not names, sizes or known tensor operations."""
    if isinstance(value, dict):
        allowed_name = _SIZE if key == "range_constraints" else _WORD
        found = [name for name in value if not allowed_name.fullmatch(name)]
        for name, inner in value.items():
            found += _suspicious_texts(inner, name)
        return found
    if isinstance(value, list):
        return [text for inner in value for text in _suspicious_texts(inner, key)]
    if not isinstance(value, str):
        return []
    allowed = _ALLOWED_TEXT.get(key, _WORD)
    return [] if allowed.fullmatch(value) else [value]


def _huge_numbers(graph: Any) -> list[str]:
    """Numbers in calls that make tensors of any size, larger than any image needs: they would fill the memory."""
    found = []
    for node in graph["graph_module"]["graph"]["nodes"]:
        if any(word in node["target"] for word in MAKERS):
            numbers = re.findall(r'"as_(?:int|ints|float|floats)": \[?([-\d., e+]+)', json.dumps(node["inputs"]))
            values = [float(word) for text in numbers for word in text.split(",") if word.strip()]
            found += [f"the number {value:g}" for value in values if abs(value) > MAX_NUMBER]
    return found
