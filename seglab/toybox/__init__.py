"""The toybox: photos that never happened, so the ground truth about every pixel of them is known."""
