"""The toybox: photographs that never happened, so the truth about every pixel of them is known."""
