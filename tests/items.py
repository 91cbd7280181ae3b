"""Items of a dataset compared, and a dataset damaged in every way that reading survives."""

import numpy as np


def equal(a, b):
    return all(np.array_equal(a[key], b[key]) for key in ("image", "classes", "boxes", "masks"))


def damage(spec):
    images, labels = spec.root / "images/train", spec.root / "labels/train"
    (labels / "0.txt").write_text("0 0.1 0.1 0.2\n5 0.1 0.2 0.5 0.2 0.5 0.6\n1 0.1 0.2 0.5 0.2 0.5 0.6\n")
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:200])
    (images / "2.png").write_text("no image")
    (labels / "3.txt").unlink()
    (labels / "4.txt").write_text("")
