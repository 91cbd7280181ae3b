"""Official .pt checkpoints, read as data: nothing that the file names is ever imported, called or changed.

A .pt file is a zip archive: one pickle, `NAME/data.pkl`, that says how the content is built, and one file for each
storage of numbers, `NAME/data/KEY`. Unpickling runs whatever the file asks for. So the pickle is interpreted here by a
reader that knows tensors and plain containers only: other classes become inert data, and a request for anything else
ends in an error.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglab.errors import SeglabError

METADATA_KEY = "seglab"  # of our own checkpoints and safetensors headers; its value is JSON
MAX_PARTS = 10_000  # modules and tensors of a foreign checkpoint; YOLO11x-seg has some 2,000
MAX_PICKLE_BYTES = 32 << 20  # of YOLO11x it has less than a megabyte
MAX_GROWTH = 4  # bytes of tensors to a byte of the file: PyTorch compresses nothing, but tensors may share numbers
SMALL_BYTES = 10 << 20  # so much may come of any file, however small it is
MAX_LIST_LENGTH = 100  # values of one training argument of a foreign checkpoint


class Checkpoint(NamedTuple):
    """state: parameter name -> tensor, float32 where it is a float; metadata: plain data, as JSON takes it."""

    state: dict[str, Tensor]
    metadata: dict[str, Any]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """An official .pt checkpoint (or a plain state dict in one), running nothing of the file's.

    The averaged weights (`ema`) are taken where the file has them, as the official tool does.
    Errors: SeglabError when the file is no such archive, is damaged, or asks for anything but tensors and plain data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise SeglabError(
                    f"not a PyTorch checkpoint: it contains {len(pickles)} data.pkl files, not one; give a .pt "
                    "file of YOLO11-seg"
                )
            reader = _open_reader(archive, pickles[0], os.path.getsize(path))
            return _take_weights(reader)
    except SeglabError as error:
        raise SeglabError(f"cannot read {path}: {error}") from None
    except zipfile.BadZipFile:
        raise SeglabError(
            f"cannot read {path}: not a zip archive (truncated, or older than PyTorch 1.6?); get a new copy"
        ) from None
    except Exception as error:  # a damaged pickle can fail anywhere, and none of it is the user's to debug
        reason = str(error) or type(error).__name__
        raise SeglabError(f"cannot read {path}: the checkpoint is damaged ({reason}); get a new copy") from None


def is_own(path: str | Path) -> bool:
    """Whether a file is a checkpoint that seglab wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            content = _open_reader(archive, name, os.path.getsize(path)).load()
    except Exception:  # another tool's file may be anything
        return False
    return isinstance(content, dict) and isinstance(content.get(METADATA_KEY), str)


def _open_reader(archive: zipfile.ZipFile, name: str, size: int) -> _Reader:
    """The reader of an archive of `size` bytes whose pickle is called `name`.

    Errors: SeglabError for a file that would grow beyond reason, whatever is in it.
    """
    unpacked = sum(entry.file_size for entry in archive.infolist())
    budget = MAX_GROWTH * size + SMALL_BYTES
    if unpacked > budget:
        raise SeglabError(f"it would grow from {size:,} to {unpacked:,} bytes, like a zip bomb; get a new copy")
    pickled = archive.getinfo(name).file_size
    if pickled > MAX_PICKLE_BYTES:
        raise SeglabError(f"its data.pkl has {pickled:,} bytes, more than that of any network; get a new copy")
    return _Reader(archive, name.removesuffix("data.pkl"), budget)


# --- what a pickle may build ---


class _Inert:
    """Stands for whatever a file builds of a class or a function: it keeps what it was given and does nothing."""

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any, **_: Any) -> _Inert:
        self = super().__new__(cls)
        self.arguments = arguments
        self.state = None
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Of a subclass of dict: its items are not needed here."""

    def append(self, item: Any) -> None:
        """Of a subclass of list, likewise."""

    def extend(self, items: Any) -> None:
        """The same, several at once."""

    def attributes(self) -> dict:
        """What an object with a __dict__ has in it."""
        return self.state if isinstance(self.state, dict) else {}


class _InertTensor(_Inert):
    """A tensor that has not been made yet. arguments: storage, offset, size and stride, and what training needs."""


class _InertParameter(_Inert):
    """A parameter that has not been made yet. arguments: an inert tensor, and what training needs."""


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


# --- the reader ---

_PythonUnpickler: Any = pickle._Unpickler


def _refuse_key(key: Any) -> None:
    """Errors: SeglabError for keys that take for ever: to hash, such as a tuple of two, each twice the same tuple of
    two, ...; and to tell apart, such as numbers that all have one hash, which is their rest modulo a large prime."""
    for part in key if isinstance(key, (tuple, frozenset)) else (key,):
        if isinstance(part, (tuple, frozenset)):
            raise SeglabError("its dictionaries have nested tuples as keys, which no checkpoint has; get a new copy")
        if isinstance(part, (int, float)) and not abs(part) < sys.hash_info.modulus:
            raise SeglabError("it has keys that are huge numbers, which no checkpoint has; get a new copy")


class _Reader(_PythonUnpickler):
    """The standard pickle machine with its only two doors to the outside, names and persistent ids, replaced.

    It hands out nothing that can be called with an effect or changed for good: tensors too are made afterward. It is
    the machine in Python and not the one in C, since that can be told what may be a key (`_refuse_key`).
    prefix: the folder in the archive that holds data.pkl and data/; budget: bytes that all tensors may have together.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, archive: zipfile.ZipFile, prefix: str, budget: int):
        super().__init__(io.BytesIO(archive.read(prefix + "data.pkl")))
        self.archive = archive
        self.prefix = prefix
        self.budget = budget
        self.storages: dict[str, Tensor] = {}

    def load_setitem(self) -> None:
        _refuse_key(self.stack[-2])
        super().load_setitem()

    def load_setitems(self) -> None:
        for key in self.stack[::2]:
            _refuse_key(key)
        super().load_setitems()

    def load_dict(self) -> None:
        for key in self.stack[::2]:
            _refuse_key(key)
        super().load_dict()

    def load_additems(self) -> None:
        for item in self.stack:
            _refuse_key(item)
        super().load_additems()

    def load_frozenset(self) -> None:
        for item in self.stack:
            _refuse_key(item)
        super().load_frozenset()

    def load_reduce(self) -> None:
        arguments = self.stack[-1]
        if self.stack[-2] in (set, frozenset, OrderedDict) and isinstance(arguments, tuple):
            for items in arguments:
                for item in items if isinstance(items, (list, tuple)) else ():
                    _refuse_key(item)
                    for inner in item if isinstance(item, (list, tuple)) else ():
                        _refuse_key(inner)
        super().load_reduce()

    def load_bytearray8(self) -> None:
        """As it is in Python, but the bytes are read before there is room for as many as they are said to be."""
        length = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(length)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.REDUCE[0]] = load_reduce

    def find_class(self, module: str, name: str) -> Any:
        """The first door: what a name in the pickle stands for, a class of data or a number format."""
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # from Python 2's
        if known := _KNOWN.get(f"{module}.{name}"):
            return known
        if _is_data(module, name):
            return _Inert
        raise SeglabError(
            f"it asks to load '{module}.{name}', which is neither a tensor nor plain data and may run code; nothing "
            "was run; do not open this file with other tools"
        )

    def persistent_load(self, identifier: Any) -> Any:
        """The second door: where a storage is, which `tensor` follows later."""
        return identifier

    def tensor(self, inert: _InertTensor | _InertParameter) -> Tensor:
        """The tensor that an inert one describes. Errors: SeglabError if it is more than its storage holds."""
        if isinstance(inert, _InertParameter):
            inert = inert.arguments[0]
        identifier, offset, size, stride, *_ = inert.arguments
        storage = self._storage(*identifier)
        shape = torch.Size(size)
        if math.prod(shape) > storage.numel():  # a stride of 0 could unfold a few bytes into all the memory there is
            raise SeglabError(
                f"it declares a tensor of shape {tuple(shape)} over {storage.numel()} numbers; get a new copy"
            )
        self.budget -= math.prod(shape) * storage.itemsize
        if self.budget < 0:  # many tensors may share one storage
            raise SeglabError("its tensors are many times as large as the file; get a new copy")
        return storage.as_strided(shape, stride, offset).clone()

    def _storage(self, kind: Any, dtype: Any, key: Any, _: Any, count: Any) -> Tensor:
        """The numbers (count,) of a storage; several tensors may share one. The place on a device is of no interest."""
        plain = isinstance(dtype, torch.dtype) and isinstance(key, str) and isinstance(count, int)
        if kind != "storage" or not plain:
            raise SeglabError("it refers to a storage of an unknown type; get a new copy")
        if key not in self.storages:
            entry = self.archive.getinfo(f"{self.prefix}data/{key}")
            if entry.file_size != count * dtype.itemsize:
                raise SeglabError(
                    f"storage {key} has {entry.file_size} bytes where {count} numbers of {dtype} are declared; get a "
                    "new copy"
                )
            data = bytearray(self.archive.read(entry))
            self.storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self.storages[key]


# --- what is taken from a checkpoint ---


def _take_weights(reader: _Reader) -> Checkpoint:
    """What `read_checkpoint` returns, of a reader at its start."""
    content = reader.load()
    if not isinstance(content, dict):
        content = {"model": content}
    source = content.get("ema") or content.get("model") or content

    # The tensors by name, still inert: of a state dict, or of a whole module with its class names.
    values: dict[str, Any] = {}
    names = content.get("names")
    if isinstance(source, dict):
        values = {name: value for name, value in source.items() if isinstance(name, str)}
    elif isinstance(source, _Inert):
        values = _module_values(source)
        names = source.attributes().get("names")
    found = {name: value for name, value in values.items() if isinstance(value, (_InertTensor, _InertParameter))}
    if not found:
        raise SeglabError("it contains no weights; give a model checkpoint")

    state: dict[str, Tensor] = {}
    for name, value in found.items():
        tensor = reader.tensor(value)
        state[name] = tensor.float() if tensor.is_floating_point() else tensor
    if isinstance(content.get(METADATA_KEY), str):
        return Checkpoint(state, _own_metadata(content[METADATA_KEY]))
    metadata = {"names": _names(names), "train_args": _arguments(content.get("train_args")), "license": "AGPL-3.0"}
    return Checkpoint(state, {key: value for key, value in metadata.items() if value})


def _own_metadata(text: str) -> dict[str, Any]:
    """What a checkpoint of ours says about itself."""
    metadata = json.loads(text)
    if not isinstance(metadata, dict):
        raise SeglabError("its metadata is not a mapping; get a new copy")
    return metadata


def _module_values(module: _Inert) -> dict[str, Any]:
    """Parameters and buffers of an inert nn.Module, in the order and under the names of its state dict."""
    values: dict[str, Any] = {}
    waiting = [("", module)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return values
        prefix, module = waiting.pop()
        attributes = module.attributes()
        own = {**(attributes.get("_parameters") or {}), **(attributes.get("_buffers") or {})}
        transient = attributes.get("_non_persistent_buffers_set") or ()
        values |= {prefix + name: value for name, value in own.items() if name not in transient}
        children = (attributes.get("_modules") or {}).items()
        waiting += [(f"{prefix}{name}.", child) for name, child in reversed(children) if isinstance(child, _Inert)]
        if len(values) + len(waiting) > MAX_PARTS:  # a module that holds itself, or one that is everywhere
            break
    raise SeglabError(f"its model has more than {MAX_PARTS} parts; give a YOLO11-seg checkpoint")


def _names(value: Any) -> dict[str, str]:
    """Class names from a list or a mapping from class id, without what is neither. Ids are text, as in JSON."""
    rows: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        rows = list(value.items())
    elif isinstance(value, (list, tuple)):
        rows = list(enumerate(value))
    names = {}
    for number, name in rows:
        if isinstance(number, (int, str)) and isinstance(name, str) and str(number).isdecimal():
            names[str(number)] = name
    return names


def _arguments(value: Any) -> dict[str, Any]:
    """Those training arguments that are plain: single values, and short lists of them."""
    if not isinstance(value, dict):
        return {}
    return {name: given for name, given in value.items() if isinstance(name, str) and _is_plain(given)}


_SINGLE = (str, int, float, type(None))  # what JSON can say in a word


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= MAX_LIST_LENGTH and all(isinstance(one, _SINGLE) for one in value)
    return isinstance(value, _SINGLE)
