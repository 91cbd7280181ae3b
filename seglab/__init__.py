"""seglab: the instance-segmentation course you can import."""

from __future__ import annotations

__version__ = "0.2.0"
__all__ = ["YOLO", "Results", "__version__"]


def __getattr__(name: str):
    # Loaded on first use, so that `import seglab` itself costs nothing.
    if name == "YOLO":
        from seglab.yolo import YOLO

        return YOLO
    if name == "Results":
        from seglab.inference.results import Results

        return Results
    raise AttributeError(f"module 'seglab' has no attribute '{name}'")
