"""From files on disk to training batches: formats, conversion, augmentation, catalogues and the toybox."""
