"""The YOLO11-seg network: blocks, head, the complete network and its weights."""

# The modules that may be used from outside.
__all__ = ["blocks", "head", "transfer", "weights", "yolo11"]
