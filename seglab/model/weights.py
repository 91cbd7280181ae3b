"""Weights on disk: our own as safetensors with JSON beside the numbers, official checkpoints read without running them.

An official .pt file is a zip archive around a pickle, and unpickling runs whatever the file asks for. `read_checkpoint`
interprets that pickle with a reader that knows tensors and plain containers only: other classes become inert data, and
a request to call anything else ends in an error before it is carried out.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seglab.errors import SeglabError

METADATA_KEY = "seglab"  # the one key of the safetensors header; its value is JSON


class Weights(NamedTuple):
    """state: parameter name -> tensor; metadata: plain JSON data such as names, scale and training arguments."""

    state: dict[str, Tensor]
    metadata: dict[str, Any]


class Transfer(NamedTuple):
    """What `transfer` did, by parameter name."""

    loaded: list[str]
    mismatched: list[str]  # in both, but of another shape: left as initialised
    missing: list[str]  # in the model only: left as initialised
    unused: list[str]  # in the weights only


def save_weights(path: str | Path, state: dict[str, Tensor], metadata: dict[str, Any]) -> Path:
    """Write safetensors with JSON metadata, atomically: an interrupted run leaves the old file or the new."""
    from safetensors.torch import save

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()},
        {METADATA_KEY: json.dumps(metadata)},
    )
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def load_weights(path: str | Path) -> Weights:
    """Read a .safetensors file of ours or an official .pt checkpoint; tensors come as float32 on the CPU.

    Errors: FileNotFoundError; SeglabError for a file that is neither, is damaged, or asks to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: check the path")
    return read_checkpoint(path) if path.suffix in (".pt", ".pth") else _read_safetensors(path)


def transfer(model: nn.Module, state: dict[str, Tensor]) -> Transfer:
    """Copy into `model` every tensor whose name and shape match, and say what was and was not."""
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    model.load_state_dict(fitting, strict=False)
    return Transfer(
        loaded=list(fitting),
        mismatched=[name for name in own if name in state and name not in fitting],
        missing=[name for name in own if name not in state],
        unused=[name for name in state if name not in own],
    )


def read_checkpoint(path: str | Path) -> Weights:
    """An official .pt checkpoint (or a plain state dict in one) -> Weights in float32, running nothing of the file's.

    The averaged weights (`ema`) are taken where the file has them, as the official tool does.
    Errors: SeglabError when the file is no such archive, is damaged, or asks for anything but tensors and plain data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise SeglabError(f"{path} is not a PyTorch checkpoint: it holds {len(pickles)} data.pkl, not one")
            content = _InertUnpickler(archive, pickles[0].removesuffix("data.pkl")).load()
    except SeglabError as error:
        raise SeglabError(f"cannot read {path}: {error}") from None
    except zipfile.BadZipFile:
        raise SeglabError(
            f"cannot read {path}: it is no zip archive, so it is cut short or older than PyTorch 1.6; get it again"
        ) from None
    except (
        Exception
    ) as error:  # a damaged pickle can fail anywhere in the reader, and none of it is the user's to debug
        raise SeglabError(f"cannot read {path}: the checkpoint is damaged ({error}); get it again") from None

    content = content if isinstance(content, dict) else {"model": content}
    source = content.get("ema") or content.get("model") or content
    if isinstance(source, _Inert):
        state = OrderedDict(_module_tensors(source))
        names = source.attributes().get("names")
    else:
        state = OrderedDict((k, v) for k, v in source.items() if isinstance(k, str) and isinstance(v, Tensor))
        names = content.get("names")
    if not state:
        raise SeglabError(f"cannot read {path}: it holds no weights; give a model checkpoint")
    metadata = {"names": _plain(names), "train_args": _plain(content.get("train_args")), "license": "AGPL-3.0"}
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    return Weights(state, {k: v for k, v in metadata.items() if v})


def _read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise SeglabError(f"cannot read {path}: not a readable safetensors file ({error}); get it again") from None
    return Weights({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, metadata)


# --- the reader of pickles that runs nothing -------------------------------------------------------------------------


class _Inert:
    """Stands for an object of a class that is not ours to run: it keeps what the file gave it and does nothing."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def attributes(self) -> dict:
        return self.state if isinstance(self.state, dict) else {}


# Packages whose classes a checkpoint may mention as data. Their names decide nothing but the wording of an error:
# whatever is named becomes an _Inert, so a wrong guess here could hide a file's intent but never run it.
_DATA_PACKAGES = ("ultralytics.", "models.", "torch.nn.modules.", "torch.nn.parallel.")
_DATA_CLASSES = {"pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"}
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


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    if math.prod(size) > storage.numel():  # a stride of 0 could unfold a few bytes into all the memory there is
        raise SeglabError(f"it declares a tensor of shape {tuple(size)} over {storage.numel()} numbers")
    return storage.as_strided(size, stride, offset).clone()


def _rebuild_parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_KNOWN: dict[str, Any] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    "builtins.set": set,
    "__builtin__.set": set,
    "builtins.frozenset": frozenset,
    **{f"torch.{name}": dtype for name, dtype in _DTYPES.items()},
    **{f"torch.{str(dtype).removeprefix('torch.')}": dtype for dtype in _DTYPES.values()},
}


class _InertUnpickler(pickle.Unpickler):
    """The standard pickle machine with its only two doors to the outside, classes and persistent ids, replaced."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str):
        super().__init__(io.BytesIO(archive.read(prefix + "data.pkl")))
        self.archive, self.prefix = archive, prefix
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in _KNOWN:
            return _KNOWN[full]
        if "." not in name and (full.startswith(_DATA_PACKAGES) or full in _DATA_CLASSES):
            return type(name, (_Inert,), {})
        raise SeglabError(
            f"it asks to load '{full}', which is neither a tensor nor plain data and may run code; nothing was run, "
            "do not open this file with other tools"
        )

    def persistent_load(self, identifier: Any) -> Tensor:
        kind, dtype, key, _, count = identifier
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise SeglabError(f"it refers to a storage of an unknown kind ({kind}, {dtype})")
        if key not in self.storages:
            entry = self.archive.getinfo(f"{self.prefix}data/{key}")
            if entry.file_size != count * dtype.itemsize:
                raise SeglabError(
                    f"storage {key} has {entry.file_size} bytes where {count} numbers of {dtype} are declared"
                )
            data = bytearray(self.archive.read(entry))
            self.storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self.storages[key]


def _module_tensors(module: _Inert, prefix: str = "") -> list[tuple[str, Tensor]]:
    """The tensors of an inert nn.Module in the order and under the names of its state dict."""
    attributes = module.attributes()
    own = {**(attributes.get("_parameters") or {}), **(attributes.get("_buffers") or {})}
    transient = attributes.get("_non_persistent_buffers_set") or ()
    tensors = [(prefix + k, v) for k, v in own.items() if isinstance(v, Tensor) and k not in transient]
    for name, child in (attributes.get("_modules") or {}).items():
        if isinstance(child, _Inert):
            tensors += _module_tensors(child, f"{prefix}{name}.")
    return tensors


def _plain(value: Any) -> Any:
    """Keep what JSON can say, in the same shape; drop the rest."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool)) else None
