"""Weights on disk: safetensors with JSON metadata, and .pt checkpoints for scripts that ask for `best.pt`.

What is written as .pt is a dict of tensors and plain data, which torch.load(weights_only=True) opens: nothing in it
runs. Those of other tools are read as data too (see `checkpoint_reader`).
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seglab.class_names import numbered
from seglab.errors import SeglabError, reading
from seglab.files import atomic_write
from seglab.model.checkpoint_reader import METADATA_KEY, is_own, read_checkpoint

CHECKPOINT_SUFFIXES = (".pt", ".pth")


class Weights(NamedTuple):
    """state: parameter name -> tensor; metadata: plain JSON data such as names, scale and training arguments."""

    state: dict[str, Tensor]
    metadata: dict[str, Any]


def save_weights(path: str | Path, state: dict[str, Tensor], metadata: dict[str, Any]) -> Path:
    """Write safetensors with JSON metadata, atomically: an interrupted run leaves the old file or the new."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return atomic_write(Path(path), save(tensors, {METADATA_KEY: json.dumps(metadata)}))


def save_checkpoint(path: str | Path, state: dict[str, Tensor], metadata: dict[str, Any]) -> Path:
    """Write a .pt checkpoint atomically: `model` (the state dict), `names`, `train_args`, and our metadata as JSON.

    Errors: SeglabError where the file is a checkpoint of another tool.
    """
    path = Path(path)
    if path.exists() and not is_own(path):
        raise SeglabError(f"{path} is a checkpoint of another tool, which seglab does not overwrite: give another name")
    content = {
        "model": {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()},
        "names": {int(class_id): name for class_id, name in dict(metadata.get("names") or {}).items()},
        "train_args": json.loads(json.dumps(metadata.get("train_args") or {})),
        METADATA_KEY: json.dumps(metadata),
    }
    data = io.BytesIO()
    torch.save(content, data)
    return atomic_write(path, data.getvalue())


def load_weights(path: str | Path) -> Weights:
    """Read a .safetensors file of ours or an official .pt checkpoint; tensors come as float32 on the CPU.

    Errors: FileNotFoundError; SeglabError for a file that is neither, is damaged, or asks to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: check the path")
    state, metadata = read_checkpoint(path) if path.suffix in CHECKPOINT_SUFFIXES else read_safetensors(path)
    with reading(path, "a file of numbers that PyTorch can convert"):  # of those of 4 bits it cannot
        floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return Weights(floats, metadata)


def class_names(weights: Weights, classes: int, source: str = "these weights") -> dict[int, str]:
    """Class id -> name as the weights say; the ids as text for weights without names. source: named in errors.

    Errors: SeglabError where they name other than `classes` classes.
    """
    return numbered(weights.metadata.get("names") or [str(number) for number in range(classes)], source, classes)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file in their own number formats, and our metadata, {} where it has none.

    Errors: SeglabError for a file that is no such file, or a damaged one.
    """
    from safetensors import safe_open

    with reading(path, "a safetensors file"):
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            # Copies, since the file's own keep it open: Windows would not let a resumed run replace it.
            state = {name: file.get_tensor(name).clone() for name in file.keys()}
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is not a mapping")
    return state, metadata
