"""Boxes, masks and polygons as pure functions: nothing here knows of images on disk or of networks."""

# The modules that may be used from outside.
__all__ = ["boxes", "contours", "letterbox", "outline", "polygons", "raster", "rle"]
