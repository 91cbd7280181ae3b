"""How good a model is: the COCO and YOLO protocols, metrics and their curves."""

# The modules that may be used from outside.
__all__ = ["boundary", "coco", "confusion", "curves", "metrics", "validate", "yolo"]
