"""The toybox: photographs that never happened. Things are outlines, scenes are arrangements of things, the truth is known exactly."""
