"""Synthetic scenes, whose ground truth is known for every pixel."""

# The modules that may be used from outside.
__all__ = ["builder", "cells", "dataset", "layouts", "objects", "scene"]
