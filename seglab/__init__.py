"""seglab: the instance-segmentation course you can import."""

from __future__ import annotations

from seglab.dataset_names import register_dataset_names
from seglab.version import __version__

__all__ = ["YOLO", "Results", "__version__"]


register_dataset_names()


def __getattr__(name: str):
    # Loaded on first use, so that `import seglab` itself costs nothing.
    if name == "YOLO":
        from seglab.yolo import YOLO

        return YOLO
    if name == "Results":
        from seglab.inference.results import Results

        return Results
    raise AttributeError(f"module 'seglab' has no attribute '{name}'")
