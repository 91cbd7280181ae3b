"""Synthetic scenes, so that the ground truth of every pixel is known."""

# The modules that may be used from outside.
__all__ = ["cells", "dataset", "objects", "scene"]
