"""Pictures from arrays: overlays, contours and plots."""
