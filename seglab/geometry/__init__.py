"""Boxes, masks and polygons as pure functions: nothing here knows of images on disk or of networks."""
