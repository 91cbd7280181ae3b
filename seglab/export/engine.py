"""The fast path of prediction on CPUs: the network through onnxruntime or OpenVINO, where one is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from seglab.export import onnx, openvino
from seglab.export.metadata import ModelMetadata, fingerprint
from seglab.export.registry import FORMATS, format_of
from seglab.export.runtime import Runtime
from seglab.files import atomic_write, cache_dir, publish, staging_dir
from seglab.model.yolo11 import YOLO11Seg
from seglab.version import __version__

# Format -> package, the fastest in float32 first: OpenVINO takes longer with shapes that change.
PREFERRED = {"onnx": "onnxruntime", "openvino": "openvino"}
WITH_BF16 = ("openvino",)  # the formats whose engine computes in bf16 too, where the CPU does
REFUSED = ".refused"  # behind the name of a file that could not be made: why not


def engine_file(
    model: YOLO11Seg, names: dict[int, str], size: tuple[int, int] = (640, 640), precision: str = "fp32"
) -> Path | None:
    """The network in the format of the fastest engine that is installed and agrees with it; None where there is none.

    The file is written and verified on first use, which a line says, and kept in the cache folder under the fingerprint
    of the weights and the versions of the engine and of seglab: the parity check holds for those only. That an engine
    does not agree, or its file cannot be made, is kept there too and said in a line. The file takes any batch and size;
    `size` (height, width) is the one it is verified at. precision: "fp32", or "bf16" for an engine that has it; the
    file is the same, and what is verified is float32.
    """
    reasons = []
    for name, package in PREFERRED.items():
        lacks_precision = precision == "bf16" and name not in WITH_BF16
        if lacks_precision or not find_spec(package):
            continue
        try:
            path = _cached_file(name, model, names, size)
            reason = _why_not(path)
        except Exception as error:  # a converter, an engine and a folder may fail in any way; PyTorch is there
            reason = f"the {name} file could not be made ({_first_line(error)})"
        if not reason:
            return path
        reasons.append(reason)
    if reasons:
        print(f"engine=auto: using PyTorch, since {' and '.join(reasons)}")
    return None


def open_engine(path: Path, streams: int = 1, precision: str = "fp32") -> Runtime:
    """The file of `engine_file`, opened to be called by so many threads at once. Errors: SeglabError for a damaged one.

    precision: what the file was asked for.
    """
    if format_of(path) is openvino:
        return openvino.load(path, streams, precision)
    return onnx.load(path, streams)


def _cached_file(name: str, model: YOLO11Seg, names: dict[int, str], size: tuple[int, int]) -> Path:
    """The file of one format in the cache; it gets its name last, so that a killed run leaves no half file.

    Where it could not be made, what is there says why, under the file's name and REFUSED.
    """
    its = FORMATS[name]
    package = PREFERRED[name]
    weights = fingerprint(model)
    path = cache_dir() / "engines" / f"{weights[:16]}-{package}-{_version(package)}-seglab-{__version__}{its.SUFFIX}"
    if path.exists() or _refusal(path).exists():
        return path
    from seglab.export.parity import measure  # which imports evaluation, and is needed once

    with staging_dir(path) as folder:
        staged = folder / path.name
        print(f"engine=auto: exporting the network for {package} and checking that it agrees, once for these weights")
        try:
            its.write(model, staged, ModelMetadata(names, size, dynamic=True, weights=weights))
            rows = measure(staged, model, names)[1]
        except OSError:  # of a full disk, or a folder that is not ours: nothing to remember
            raise
        except Exception as error:
            return _refuse(path, f"the {name} file could not be made ({_first_line(error)})")
        differing = [row.name for row in rows if not row.ok]
        if differing:
            return _refuse(path, f"the {name} file fails the parity check ({', '.join(differing)})")
        publish(staged, path)
    return path


def _refuse(path: Path, reason: str) -> Path:
    """Remember why there is no such file."""
    atomic_write(_refusal(path), reason.encode())
    return path


def _why_not(path: Path) -> str:
    """Why a file of the cache is not to be used, "" where it is."""
    if path.exists():
        return ""
    return f"{_refusal(path).read_text(encoding='utf-8')}; to try again, delete {_refusal(path)}"


def _refusal(path: Path) -> Path:
    return path.with_name(path.name + REFUSED)


def _version(package: str) -> str:
    """The version of an engine, whose package may come in a distribution of another name, as onnxruntime-gpu."""
    try:
        return version(package)
    except PackageNotFoundError:  # which takes half a second to find out
        return version(packages_distributions()[package][0])


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
