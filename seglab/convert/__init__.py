"""From any format to YOLO, COCO, Labelme or CVAT, with a fidelity report."""

from __future__ import annotations

TYPE_CHECKING = False  # as in seglab/__init__.py
if TYPE_CHECKING:
    from seglab.convert.conversion import convert

# What may be used from outside: the function, and the modules with its parts.
__all__ = ["conversion", "convert", "report"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # Loaded on first use: the parts of conversion can be used without all of it.
        if name == "convert":
            from seglab.convert.conversion import convert

            return convert
        raise AttributeError(f"module 'seglab.convert' has no attribute '{name}'")
