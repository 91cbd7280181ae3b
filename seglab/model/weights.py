"""Weights on disk: our own as safetensors with JSON beside the numbers, official checkpoints read without running them.

An official .pt file is a zip archive around a pickle, and unpickling runs whatever the file asks for. `read_checkpoint`
interprets that pickle with a reader that knows tensors and plain containers only: other classes become inert data, and
a request for anything else ends in an error. Nothing that the file names is ever imported, called or changed.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError
from seglab.files import atomic_write

CHECKPOINT_SUFFIXES = (".pt", ".pth")  # of other tools' weights
METADATA_KEY = "seglab"  # the one key of the safetensors header; its value is JSON
MOST_PARTS = 10_000  # modules and tensors of a foreign checkpoint; YOLO11x-seg has some 2,000
LONGEST_LIST = 100  # values of one training argument of a foreign checkpoint


class Weights(NamedTuple):
    """state: parameter name -> tensor; metadata: plain JSON data such as names, scale and training arguments."""

    state: dict[str, Tensor]
    metadata: dict[str, Any]


def save_weights(path: str | Path, state: dict[str, Tensor], metadata: dict[str, Any]) -> Path:
    """Write safetensors with JSON metadata, atomically: an interrupted run leaves the old file or the new."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return atomic_write(Path(path), save(tensors, {METADATA_KEY: json.dumps(metadata)}))


def load_weights(path: str | Path) -> Weights:
    """Read a .safetensors file of ours or an official .pt checkpoint; tensors come as float32 on the CPU.

    Errors: FileNotFoundError; SeglabError for a file that is neither, is damaged, or asks to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: check the path")
    return read_checkpoint(path) if path.suffix in CHECKPOINT_SUFFIXES else _read_safetensors(path)


def class_names(weights: Weights, classes: int) -> dict[int, str]:
    """Class id -> name as the weights say; the ids as text for weights without names."""
    names = weights.metadata.get("names") or range(classes)
    items = names.items() if isinstance(names, dict) else enumerate(names)
    return {int(class_id): str(name) for class_id, name in items}


def read_checkpoint(path: str | Path) -> Weights:
    """An official .pt checkpoint (or a plain state dict in one) -> Weights in float32, running nothing of the file's.

    The averaged weights (`ema`) are taken where the file has them, as the official tool does.
    Errors: SeglabError when the file is no such archive, is damaged, or asks for anything but tensors and plain data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise SeglabError(f"it is not a PyTorch checkpoint: it holds {len(pickles)} data.pkl, not one")
            return _take_weights(_Reader(archive, pickles[0].removesuffix("data.pkl")))
    except SeglabError as error:
        raise SeglabError(f"cannot read {path}: {error}") from None
    except zipfile.BadZipFile:
        raise SeglabError(
            f"cannot read {path}: it is no zip archive, so it is cut short or older than PyTorch 1.6; get it again"
        ) from None
    except Exception as error:  # a damaged pickle can fail anywhere, and none of it is the user's to debug
        raise SeglabError(f"cannot read {path}: the checkpoint is damaged ({error}); get it again") from None


def _read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            # Copies, since the file's own keep it open: Windows would not let a resumed run replace it.
            state = {name: file.get_tensor(name).clone() for name in file.keys()}
        if not isinstance(metadata, dict):
            raise ValueError("its metadata are no mapping")
    except (SafetensorError, ValueError, RecursionError) as error:
        raise SeglabError(f"cannot read {path}: not a readable safetensors file ({error}); get it again") from None
    return Weights({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, metadata)


# --- the reader of pickles that runs nothing -------------------------------------------------------------------------


class _Inert:
    """Stands for whatever a file builds of a class or a function: it keeps what it was given and does nothing."""

    def __new__(cls, *arguments: Any, **_: Any) -> _Inert:
        self = super().__new__(cls)
        self.arguments, self.state = arguments, None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Of a kind of dict: what it holds is of no use here."""

    def extend(self, items: Any) -> None:
        """Of a kind of list, likewise."""

    def attributes(self) -> dict:
        return self.state if isinstance(self.state, dict) else {}


class _InertTensor(_Inert):
    """arguments: storage, offset, size and stride, and what training needs."""


class _InertParameter(_Inert):
    """arguments: an inert tensor, and what training needs."""


_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_KNOWN: dict[str, type | torch.dtype] = {
    "torch._utils._rebuild_tensor_v2": _InertTensor,
    "torch._utils._rebuild_parameter": _InertParameter,
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    **{f"torch.{name}": dtype for name, dtype in _DTYPES.items()},
    **{f"torch.{name}": dtype for name, dtype in vars(torch).items() if isinstance(dtype, torch.dtype)},
}
# Modules of the standard library whose classes are data, and single names of data: in small letters, or among others.
_DATA_MODULES = {"argparse", "builtins", "collections", "datetime", "decimal", "enum", "fractions", "pathlib", "uuid"}
_DATA_NAMES = {
    f"{module}.{name}"
    for modules, names in (
        ("builtins", "bool bytearray bytes complex dict float int list object range slice str tuple type"),
        ("_codecs", "encode"),
        ("collections", "defaultdict deque"),
        ("copyreg", "_reconstructor"),
        ("datetime", "date datetime time timedelta timezone"),
        ("numpy", "dtype ndarray " + " ".join(name for name in np.sctypeDict if isinstance(name, str))),
        ("numpy.core.multiarray numpy._core.multiarray", "scalar _reconstruct"),
        ("torch", "device"),
        ("types", "SimpleNamespace"),
    )
    for module in modules.split()
    for name in names.split()
}


def _is_data(module: str, name: str) -> bool:
    """Whether a name stands for data: a listed one, or one written like a class, with a capital letter, that is not of
    those modules of the standard library that act.

    Nothing is run either way: a wrong guess may keep quiet about what a file is after, or refuse a harmless one.
    """
    package = module.split(".")[0]
    like_a_class = all(part != part.lower() for part in name.split("."))
    harmless = package in _DATA_MODULES or package not in sys.stdlib_module_names
    return f"{module}.{name}" in _DATA_NAMES or (like_a_class and harmless)


class _Reader(pickle.Unpickler):
    """The standard pickle machine with its only two doors to the outside, names and persistent ids, replaced.

    It hands out nothing that can be called with an effect or changed for good: tensors too are made afterwards.
    """

    def __init__(self, archive: zipfile.ZipFile, prefix: str):
        super().__init__(io.BytesIO(archive.read(prefix + "data.pkl")))
        self.archive, self.prefix = archive, prefix
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> type | torch.dtype:
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # from Python 2's
        if known := _KNOWN.get(f"{module}.{name}"):
            return known
        if _is_data(module, name):
            return _Inert
        raise SeglabError(
            f"it asks to load '{module}.{name}', which is neither a tensor nor plain data and may run code; nothing "
            "was run, do not open this file with other tools"
        )

    def persistent_load(self, identifier: Any) -> Any:
        return identifier

    def tensor(self, inert: _InertTensor | _InertParameter) -> Tensor:
        """The tensor that an inert one describes. Errors: SeglabError if it is more than its storage holds."""
        if isinstance(inert, _InertParameter):
            inert = inert.arguments[0]
        identifier, offset, size, stride, *_ = inert.arguments
        storage, size = self._storage(*identifier), torch.Size(size)
        if math.prod(size) > storage.numel():  # a stride of 0 could unfold a few bytes into all the memory there is
            raise SeglabError(f"it declares a tensor of shape {tuple(size)} over {storage.numel()} numbers")
        return storage.as_strided(size, stride, offset).clone()

    def _storage(self, kind: str, dtype: torch.dtype, key: str, _: str, count: int) -> Tensor:
        if kind != "storage" or not (
            isinstance(dtype, torch.dtype) and isinstance(key, str) and isinstance(count, int)
        ):
            raise SeglabError("it refers to a storage of an unknown kind")
        if key not in self.storages:
            entry = self.archive.getinfo(f"{self.prefix}data/{key}")
            if entry.file_size != count * dtype.itemsize:
                raise SeglabError(
                    f"storage {key} has {entry.file_size} bytes where {count} numbers of {dtype} are declared"
                )
            data = bytearray(self.archive.read(entry))
            self.storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self.storages[key]


def _take_weights(reader: _Reader) -> Weights:
    """What `read_checkpoint` gives, of a reader at its start."""
    content = reader.load()
    content = content if isinstance(content, dict) else {"model": content}
    source = content.get("ema") or content.get("model") or content
    found, names = {}, content.get("names")
    if isinstance(source, dict):
        found = {name: value for name, value in source.items() if isinstance(name, str)}
    elif isinstance(source, _Inert):
        found, names = _module_values(source), source.attributes().get("names")
    found = {name: value for name, value in found.items() if isinstance(value, (_InertTensor, _InertParameter))}
    if not found:
        raise SeglabError("it holds no weights; give a model checkpoint")
    state = {name: reader.tensor(value) for name, value in found.items()}
    metadata = {"names": _names(names), "train_args": _arguments(content.get("train_args")), "license": "AGPL-3.0"}
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return Weights(state, {key: value for key, value in metadata.items() if value})


def _module_values(module: _Inert) -> dict[str, Any]:
    """Parameters and buffers of an inert nn.Module, in the order and under the names of its state dict."""
    values, waiting = {}, [("", module)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return values
        prefix, module = waiting.pop()
        attributes = module.attributes()
        own = {**(attributes.get("_parameters") or {}), **(attributes.get("_buffers") or {})}
        transient = attributes.get("_non_persistent_buffers_set") or ()
        values |= {prefix + name: value for name, value in own.items() if name not in transient}
        children = (attributes.get("_modules") or {}).items()
        waiting += [(f"{prefix}{name}.", child) for name, child in reversed(children) if isinstance(child, _Inert)]
        if len(values) + len(waiting) > MOST_PARTS:  # a module that holds itself, or one that is everywhere
            break
    raise SeglabError(f"its model has more than {MOST_PARTS} parts; give a YOLO11-seg checkpoint")


def _names(value: Any) -> dict[str, str]:
    """Class names from a list or a mapping from class id, without what is neither."""
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    rows = [(str(number), name) for number, name in rows if isinstance(number, (int, str)) and isinstance(name, str)]
    return {number: name for number, name in rows if number.isdecimal()}


def _arguments(value: Any) -> dict[str, Any]:
    """Those training arguments that are plain: single values, and short lists of them."""
    rows = value.items() if isinstance(value, dict) else ()
    return {name: given for name, given in rows if isinstance(name, str) and _is_plain(given)}


_SINGLE = (str, int, float, type(None))  # what JSON can say in a word


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= LONGEST_LIST and all(isinstance(one, _SINGLE) for one in value)
    return isinstance(value, _SINGLE)
