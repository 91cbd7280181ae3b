"""How labeled instances are stored on disk: one module per format."""

# The modules that may be used from outside.
__all__ = ["coco", "issues", "yolo"]
