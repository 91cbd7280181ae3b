"""From images and labels to training batches: reading, augmentation, mask targets, loaders."""

# The modules that may be used from outside.
__all__ = ["augment", "collate", "dataset", "image", "loader", "mask_targets"]
