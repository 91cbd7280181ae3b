"""The fast path of prediction on CPUs: the network through onnxruntime or OpenVINO, where one is installed."""

from __future__ import annotations

from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from seglab.errors import SeglabError
from seglab.export.metadata import ModelMetadata, fingerprint
from seglab.export.parity import verify
from seglab.export.registry import FORMATS, module_of
from seglab.export.runtime import Runtime, load_runtime
from seglab.files import cache_dir
from seglab.model.yolo11 import YOLO11Seg
from seglab.version import __version__

# Format -> package, the fastest with free shapes first; OpenVINO also works 0.1 to 0.2 s longer at every new shape.
PREFERRED = {"onnx": "onnxruntime", "openvino": "openvino"}


def select_engine(model: YOLO11Seg, names: dict[int, str], size: tuple[int, int] = (640, 640)) -> Runtime | None:
    """The network through the fastest engine that is installed and agrees with it; None, and a line why, without one.

    The file is made and verified on first use and kept in the cache folder under the fingerprint of the weights and the
    versions of the engine and of seglab: a verdict holds for those only. It takes any batch and size; `size` (height,
    width) is the one it is verified at.
    """
    reasons = []
    for name, package in PREFERRED.items():
        if not find_spec(package):
            reasons.append(f"{package} is not installed (pip install {package})")
            continue
        try:
            path = _made_once(name, model, names, size)
        except Exception as error:  # a converter, an engine and a folder may fail in any way; PyTorch is there
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            reasons.append(f"the {name} file could not be made ({why})")
            continue
        try:
            runtime = load_runtime(path)
        except SeglabError:
            reasons.append(f"{path} is damaged (delete it, and it is made anew)")
            continue
        if all(row["ok"] for row in runtime.description.parity.values()):
            return runtime
        reasons.append(f"{name} differs from the network beyond the gate")
    print(f"engine=auto: PyTorch is used, since {' and '.join(reasons)}")
    return None


def _made_once(name: str, model: YOLO11Seg, names: dict[int, str], size: tuple[int, int]) -> Path:
    """The verified file of one format in the cache, named last, so that a cut-off run leaves no half file."""
    weights, row, package = fingerprint(model), FORMATS[name], PREFERRED[name]
    engine = f"{package}-{version(packages_distributions()[package][0])}"  # onnxruntime-gpu holds onnxruntime too
    path = cache_dir() / "engines" / f"{weights[:16]}-{engine}-seglab-{__version__}{row.suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:
            fresh = Path(folder) / path.name
            print(f"engine=auto: writing the network for {package}, once for these weights")
            module_of(row).write(model, fresh, ModelMetadata(names, size, dynamic=True, weights=weights))
            verify(fresh, model, names)
            try:
                fresh.replace(path)
            except OSError:  # a folder of that name: another process was faster, and its file is as good
                if not path.exists():
                    raise
    return path
