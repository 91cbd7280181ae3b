"""Synthetic scenes, whose ground truth is known for every pixel."""

# The modules that may be used from outside.
__all__ = ["cells", "dataset", "objects", "scene"]
