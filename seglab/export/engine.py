"""The fast path of prediction on CPUs: the network through OpenVINO or onnxruntime, where one is installed."""

from __future__ import annotations

from importlib.util import find_spec

from seglab.data.assets import cache_folder
from seglab.export.description import Description, fingerprint
from seglab.export.formats import FORMATS, module_of
from seglab.export.parity import verify
from seglab.export.runtime import Runtime, load_runtime
from seglab.model.yolo11 import YOLO11Seg

PREFERRED = {"openvino": "openvino", "onnx": "onnxruntime"}  # format -> package, the fastest first


def fastest(model: YOLO11Seg, names: dict[int, str], size: tuple[int, int] = (640, 640)) -> Runtime | None:
    """The network through the fastest engine that is installed and agrees with it; None when there is none.

    The file is made and verified on first use and kept in the cache folder under the fingerprint of the weights. It
    takes any batch and size; `size` (height, width) is the one it is verified at.
    """
    for name, package in PREFERRED.items():
        if find_spec(package) is None:
            continue
        folder = cache_folder() / "engines"
        path = folder / f"{fingerprint(model)[:16]}{FORMATS[name].suffix}"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            weights = fingerprint(model)
            module_of(FORMATS[name]).write(model, path, Description(names, size, dynamic=True, weights=weights))
        runtime = load_runtime(path)
        if not runtime.description.parity:
            verify(path, model, names)
            runtime = load_runtime(path)
        if all(row["ok"] for row in runtime.description.parity.values()):
            return runtime
    return None
