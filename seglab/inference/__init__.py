"""From network output to results: decoding, suppression, mask assembly, sources and predictions."""
