"""pt2: PyTorch's ExportedProgram, the whole graph without its Python, ready for torch.compile and AOTInductor."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from seglab.errors import SeglabError
from seglab.export.inference_model import DTYPES, InferenceModel
from seglab.export.metadata import KEYS, ModelMetadata, write_inside
from seglab.export.runtime import Runtime
from seglab.model.yolo11 import YOLO11Seg

OLDEST = "2.9"  # PyTorch whose archives can be looked through before they are read

describe = write_inside


def program(model: YOLO11Seg, description: ModelMetadata) -> torch.export.ExportedProgram:
    """The exported program, with free batch, height and width when the description says dynamic."""
    deployed = InferenceModel(model, DTYPES[description.precision])
    batch, shapes = description.batch, None
    if description.dynamic:
        batch = max(batch, 2)  # a size of 1 would be taken for a constant
        sides = [32 * torch.export.Dim(name, min=2) for name in ("rows", "columns")]
        shapes = {"images": {0: torch.export.Dim("batch"), 2: sides[0], 3: sides[1]}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(deployed, (torch.zeros(batch, 3, *description.size),), dynamic_shapes=shapes)


def write(model: YOLO11Seg, path: Path, description: ModelMetadata) -> None:
    """Write the exported program with its description as extra files of the archive.

    Left out is what the graph does not need: example inputs (a pickle), guards (Python code), paths of the writer.
    Errors: SeglabError with a PyTorch whose archives are of the older kind.
    """
    if torch.__version__ < OLDEST:
        raise SeglabError(
            f"pt2 files need PyTorch {OLDEST} or newer, and this is {torch.__version__}: upgrade it, or export "
            "format=torchscript"
        )
    exported = program(model, description)
    exported._example_inputs = None
    exported._guards_code = []
    for node in exported.graph.nodes:
        node.meta = {key: value for key, value in node.meta.items() if key == "val"}
    torch.export.save(exported, path, extra_files=description.to_strings())


def load(path: Path) -> Runtime:
    """Run the file in this process. Errors: SeglabError when it is damaged or carries anything that could run code."""
    _refuse_code(path)
    strings = dict.fromkeys(KEYS, "")
    exported = torch.export.load(path, extra_files=strings)
    strings = {key: value for key, value in strings.items() if value}
    return Runtime(path, ModelMetadata.from_strings(strings, str(path)), torch.inference_mode()(exported.module()))


# --- the check before reading ----------------------------------------------------------------------------------------
# torch.export.load unpickles whatever an archive marks as a pickle, runs its guards as Python, evaluates its size
# expressions and calls what its nodes name. Files of ours need none of that, so nothing else is let through.

_WORD = re.compile(r"[\w.+]*")
_TREE = re.compile(r'[\w\s.,:"\[\]{}]*')  # JSON that says how inputs and outputs nest
_NODE = re.compile(r"(torch\.ops\.aten|_operator)\.[\w.]+")
_SIZE = re.compile(r"(Symbol|Integer|Mul|Add|Pow|Min|Max|FloorDiv|Mod|positive|integer|True|[suz]\d+|[\d\s(),='*+/-])*")
_PROGRAM = "models/model.json"


def _refuse_code(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name.partition("/")[2]: name for name in archive.namelist()}
            sizes = {inner: archive.getinfo(name).file_size for inner, name in files.items()}
            weights, constants, graph = (
                json.loads(archive.read(files[inner]))
                for inner in (
                    "data/weights/model_weights_config.json",
                    "data/constants/model_constants_config.json",
                    _PROGRAM,
                )
            )
    except (zipfile.BadZipFile, KeyError, OSError, ValueError):
        raise SeglabError(f"{path} is no whole pt2 archive of PyTorch {OLDEST} or newer: export it again") from None
    tensors = {f"data/weights/{entry['path_name']}" for entry in weights["config"].values()}
    known = {"data/weights/model_weights_config.json", "data/constants/model_constants_config.json", _PROGRAM}
    known |= tensors | {"archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id"}
    foreign = [name for name, size in sizes.items() if size and name not in known and not name.startswith("extra/")]
    if any(entry["use_pickle"] for entry in weights["config"].values()) or constants["config"] or graph["guards_code"]:
        foreign.append("pickled tensors, constants or guards")
    foreign += _suspicious(graph)
    if foreign:
        raise SeglabError(
            f"{path} holds more than a graph of tensor operations ({foreign[0][:80]!r}), which may run code when it is "
            "read; nothing was run: use files exported by seglab"
        )


def _suspicious(value: Any, key: str = "") -> list[str]:
    """Texts in a serialised program that are neither names, nor sizes, nor known tensor operations."""
    if isinstance(value, dict):
        keys = [] if key == "range_constraints" else [name for name in value if not _WORD.fullmatch(name)]
        keys += [name for name in value if key == "range_constraints" and not _SIZE.fullmatch(name)]
        return keys + [text for name, inner in value.items() for text in _suspicious(inner, name)]
    if isinstance(value, list):
        return [text for inner in value for text in _suspicious(inner, key)]
    if not isinstance(value, str):
        return []
    allowed = {"target": _NODE, "expr_str": _SIZE, "in_spec": _TREE, "out_spec": _TREE}.get(key, _WORD)
    return [] if allowed.fullmatch(value) else [value]
