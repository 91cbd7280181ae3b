"""How labelled instances lie on disk: one file a format."""
