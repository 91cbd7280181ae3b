"""The trained model in other formats, run and checked against the original."""
