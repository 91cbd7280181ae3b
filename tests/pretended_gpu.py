"""A GPU that is only pretended, for machines without one: it catches what mixes devices, and nothing about speed.

Its tensors say that they lie on cuda:0, or on an Apple GPU (mps:0), and hold an ordinary tensor of the CPU, which
does the work. As with a real GPU, an operation that is given tensors of both devices fails (numbers without dimensions
and indices may come from the CPU), and such a tensor is no numpy array before `.cpu()`. As a real one of Apple's,
mps:0 refuses float64; it also refuses what there went wrong without a word: convolutions of images whose channels lie
last, and copies that nobody waits for. Autocast and streams it does not have.

Torch's own tensors for tracing work alike: a subclass whose operations arrive in `__torch_dispatch__`, and a mode for
those that create tensors. The mode takes their slot, which is what keeps torch from looking for a driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import TorchDispatchMode

from seglab import YOLO

GPU = {"cuda": torch.device("cuda:0"), "mps": torch.device("mps:0")}
# operations that may be given both: a GPU's tensor takes indices from the CPU, and modules compare kinds
MIXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_to_copy", "_has_compatible_shallow_copy_type")


class OnGpu(Tensor):
    """A tensor of the pretended GPU; torch itself takes it for one without memory, on "meta"."""

    kind = "cuda"  # of GPU; there is one at a time

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGpu:
        self = Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device="meta"
        )
        self.held = held
        return self

    device = property(lambda self: GPU[OnGpu.kind])
    is_cuda = property(lambda self: OnGpu.kind == "cuda")
    is_mps = property(lambda self: OnGpu.kind == "mps")
    is_meta = property(lambda self: False)

    def new_tensor(self, data: Any, dtype: torch.dtype | None = None) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype, device=self.device)

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a tensor of the GPU is no numpy array: .cpu() first")

    numpy = __array__

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class Pretending(TorchDispatchMode):
    _mode_key = torch._C._TorchDispatchModeKey.FAKE
    operations = 0  # on the pretended GPU

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class WithApple(TorchFunctionMode):
    """Asks for cuda:0 where a caller asks for mps: a torch that was built without Apple's GPUs gets no further."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if isinstance(function, type):  # torch.device itself
            return function(*args, **kwargs)
        return function(*map(_asked, args), **{name: _asked(value) for name, value in kwargs.items()})


def _asked(value: Any) -> Any:
    return GPU["cuda"] if isinstance(value, (str, torch.device)) and str(value).startswith("mps") else value


def _run(operation: Any, args: tuple, kwargs: dict) -> Any:
    leaves, spec = tree.tree_flatten((args, kwargs))
    name = operation.overloadpacket.__name__
    ours = [leaf for leaf in leaves if isinstance(leaf, OnGpu)]
    places = [leaf for leaf in leaves if isinstance(leaf, torch.device)]
    if places:
        on_gpu = places[0].type in ("cuda", "mps", "meta")
    elif name == "copy_":
        on_gpu = isinstance(args[0], OnGpu)
    else:
        on_gpu = bool(ours)
        others = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, OnGpu) and leaf.dim()]
        if ours and others and name not in MIXING:
            raise RuntimeError(f"{operation} is given tensors of both devices; on the CPU: {others[0].shape}")
    Pretending.operations += on_gpu
    real_args, real_kwargs = tree.tree_unflatten([_real(leaf) for leaf in leaves], spec)
    result = operation(*real_args, **real_kwargs)
    if not on_gpu:
        return result
    if OnGpu.kind == "mps":
        _refuse_on_apple(name, real_args, kwargs, [x for x in tree.tree_leaves(result) if isinstance(x, Tensor)])
    known = {id(leaf.held): leaf for leaf in ours}  # what works in place gives back the tensor it was given
    return tree.tree_map_only(Tensor, lambda x: known[id(x)] if id(x) in known else OnGpu(x), result)


def _refuse_on_apple(name: str, args: tuple, kwargs: dict, made: list[Tensor]) -> None:
    if any(tensor.dtype == torch.float64 for tensor in made):
        raise TypeError(f"{name}: the MPS framework has no float64")
    if kwargs.get("non_blocking"):
        raise RuntimeError(f"{name}: nobody waits for this copy to mps")
    images = [x for x in args if isinstance(x, Tensor) and x.dim() == 4]
    last = [x for x in images if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()]
    if name.startswith("conv") and last:
        raise RuntimeError(f"{name} on mps of channels last: {last[0].shape}, {last[0].stride()}")


def _real(leaf: Any) -> Any:
    if isinstance(leaf, torch.device):
        return torch.device("cpu")
    return leaf.held if isinstance(leaf, OnGpu) else leaf


@contextmanager
def pretended_gpu(kind: str = "cuda") -> Iterator[type[Pretending]]:
    """One pretended GPU, "cuda" or "mps", while it lasts."""
    lifted = torch._C._only_lift_cpu_tensors()
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    torch._C._ensureCUDADeviceGuardSet()
    with pytest.MonkeyPatch.context() as patch:
        says = {"is_available": True, "device_count": 1, "current_device": 0, "is_bf16_supported": True}
        says |= {"get_device_capability": (8, 0), "synchronize": None, "set_device": None}
        for name, answer in says.items() if kind == "cuda" else ():
            patch.setattr(torch.cuda, name, lambda *args, answer=answer: answer)
        patch.setattr(torch.backends.mps, "is_available", cache(lambda: kind == "mps"))  # torch unwraps its own
        patch.setattr(torch.mps, "synchronize", lambda: None)
        patch.setattr(OnGpu, "kind", kind)
        patch.setattr(torch.accelerator, "is_available", lambda: False)  # no thread that pins memory
        patch.setattr(YOLO, "_workers", lambda self, device: 0)  # the modes below are those of one thread
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") fills it, then moves it
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # a parameter becomes one of another class
        try:
            with Pretending(), WithApple() if kind == "mps" else nullcontext():
                yield Pretending
        finally:
            torch._C._set_only_lift_cpu_tensors(lifted)
            torch.__future__.set_overwrite_module_params_on_conversion(overwritten)
