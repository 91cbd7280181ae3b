"""The trained model in other formats, run and checked against the original."""

# The modules that may be used from outside.
__all__ = [
    "benchmark",
    "decode_numpy",
    "engine",
    "exporter",
    "inference_model",
    "metadata",
    "parity",
    "reference",
    "registry",
    "runtime",
]
