"""What runs a network in `predict` and `val`, kept from call to call: its fused copy in PyTorch, or an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from seglab.device import choose_device, has_bf16_units, memory_format
from seglab.errors import SeglabError
from seglab.export.inference_model import InferenceModel
from seglab.model.compiling import compile_network
from seglab.model.packed import pack
from seglab.model.weights_version import version_of
from seglab.model.yolo11 import YOLO11Seg, has_hooks

if TYPE_CHECKING:  # engines are looked for with the first prediction
    from seglab.export.runtime import Runtime
    from seglab.inference.predictor import Forward


class InferenceCache:
    """The last fused copy of a network with what it was made from, and the engines that were opened for it."""

    def __init__(self) -> None:
        self.model: InferenceModel | None = None
        self._made_from: tuple | None = None  # None also for a copy that is not kept
        self._engines: dict[tuple, Runtime | None] = {}

    def fused(
        self,
        network: YOLO11Seg,
        device: str | int | torch.device,
        dtype: torch.dtype = torch.float32,
        compiled: bool | str = False,
    ) -> InferenceModel:
        """The fused copy on a device; it is made anew for another device or type, and when a weight has changed.

        A network with hooks is copied for every call, hooks included: they may be removed again.

        Errors: SeglabError for bfloat16 on a CPU without units for it.
        """
        device = choose_device(device)
        if device.type == "cpu" and dtype == torch.bfloat16 and not has_bf16_units():
            raise SeglabError(
                "precision=bf16 would be slower here, since this CPU has no hardware support for it: leave it out"
            )
        made_from = version_of(network), device, dtype, compiled
        is_watched = has_hooks(network)
        if self.model is None or self._made_from != made_from or is_watched:
            model = InferenceModel(network, dtype)
            model.to(device).to(memory_format=memory_format(device))
            is_compiled = bool(compiled) and compile_network(model, compiled)
            if device.type == "cpu" and dtype == torch.float32 and not is_compiled and not is_watched:
                pack(model.network)
            self.model = model
            self._made_from = None if is_watched else made_from
        return self.model

    def engine(
        self, network: YOLO11Seg, names: dict[int, str], size: tuple[int, int], precision: str, streams: int
    ) -> Forward | None:
        """What engine="auto" stands for, or None, where PyTorch runs the network.

        The weights must be those of a file, and the same in every call: what is made for an engine is made once.
        It is opened for so many threads that call it at once.
        """
        if precision == "bf16" and not has_bf16_units():
            return None
        wanted = precision, streams, torch.get_num_threads()
        if wanted not in self._engines:
            self._engines[wanted] = _open_engine(network, names, size, precision, streams)
        runtime = self._engines[wanted]
        return None if runtime is None else runtime.forward


def _open_engine(
    network: YOLO11Seg, names: dict[int, str], size: tuple[int, int], precision: str, streams: int
) -> Runtime | None:
    """The engine for the network as it is; None, and a line why, where there is none."""
    from seglab.export.engine import engine_file, open_engine

    path = engine_file(network, names, size, precision)
    if path is None:
        return None
    try:
        return open_engine(path, streams, precision)
    except SeglabError:
        print(f"engine=auto: using PyTorch, since {path} is damaged: delete it, and it will be written again")
        return None
