"""From network output to results: decoding, NMS, mask assembly, sources and predictions."""

# The modules that may be used from outside.
__all__ = ["decode", "instances", "masks", "nms", "predictor", "results", "sources", "tiles"]
