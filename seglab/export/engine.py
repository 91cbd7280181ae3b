"""The fast path of prediction on CPUs: the network through onnxruntime or OpenVINO, where one is installed."""

from __future__ import annotations

from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from seglab.errors import SeglabError
from seglab.export.metadata import ModelMetadata, fingerprint
from seglab.export.parity import verify
from seglab.export.registry import FORMATS, load_runtime
from seglab.export.runtime import Runtime
from seglab.files import cache_dir, publish, staging_dir
from seglab.model.yolo11 import YOLO11Seg
from seglab.version import __version__

# Format -> package, the fastest with free shapes first; OpenVINO also takes 0.1 to 0.2 s more at every new shape.
PREFERRED = {"onnx": "onnxruntime", "openvino": "openvino"}


def select_engine(model: YOLO11Seg, names: dict[int, str], size: tuple[int, int] = (640, 640)) -> Runtime | None:
    """The network through the fastest engine that is installed and agrees with it; None, and a line why, without one.

    The file is written and verified on first use and kept in the cache folder under the fingerprint of the weights and
    the versions of the engine and of seglab: the parity check holds for those only. It takes any batch and size; `size`
    (height, width) is the one it is verified at.
    """
    reasons = []
    for name, package in PREFERRED.items():
        if not find_spec(package):
            reasons.append(f"{package} is not installed (pip install {package})")
            continue
        try:
            path = _cached_file(name, model, names, size)
        except Exception as error:  # a converter, an engine and a folder may fail in any way; PyTorch is there
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            reasons.append(f"the {name} file could not be made ({why})")
            continue
        try:
            runtime = load_runtime(path, trust=True)
        except SeglabError:
            reasons.append(f"{path} is damaged (delete it, and it will be written again)")
            continue
        if all(row["ok"] for row in runtime.metadata.parity.values()):
            return runtime
        reasons.append(f"the {name} file fails the parity check")
    print(f"engine=auto: using PyTorch, since {' and '.join(reasons)}")
    return None


def _cached_file(name: str, model: YOLO11Seg, names: dict[int, str], size: tuple[int, int]) -> Path:
    """The verified file of one format in the cache; it gets its name last, so that a killed run leaves no half file."""
    its = FORMATS[name]
    package = PREFERRED[name]
    weights = fingerprint(model)
    distribution = packages_distributions()[package][0]  # onnxruntime-gpu holds onnxruntime too
    engine = f"{package}-{version(distribution)}"
    path = cache_dir() / "engines" / f"{weights[:16]}-{engine}-seglab-{__version__}{its.SUFFIX}"
    if path.exists():
        return path
    with staging_dir(path) as folder:
        staged = folder / path.name
        print(f"engine=auto: exporting the network for {package}, once for these weights")
        its.write(model, staged, ModelMetadata(names, size, dynamic=True, weights=weights))
        verify(staged, model, names)
        publish(staged, path)
    return path
