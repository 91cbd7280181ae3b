"""How labeled instances lie on disk: one file a format."""

# The modules that may be used from outside.
__all__ = ["coco", "issues", "yolo"]
