"""Images from arrays: overlays, contours and plots."""
