"""Interactive exploration of masks, prototypes and assignments in notebooks."""
