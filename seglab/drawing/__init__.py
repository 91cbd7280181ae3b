"""Images from arrays: overlays and plots."""

# The modules that may be used from outside.
__all__ = ["overlays", "plots"]
