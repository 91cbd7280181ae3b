"""Images as vectors of features."""

from __future__ import annotations

import pytest
import torch

from seglab import YOLO
from seglab.errors import SeglabError

SIZE = 64


def test_images_become_vectors(toybox):
    model = YOLO("toybox-n")
    images = [str(path) for path in toybox.images("val")]
    one = model.predict(images, imgsz=SIZE, embed=[-2])
    assert [tuple(vector.shape) for vector in one] == [(256,)] * 4
    both = model.predict(images[0], imgsz=SIZE, embed=[22, 10])[0]
    assert torch.allclose(both[:256], one[0]) and len(both) == 512
    assert not torch.allclose(one[0], one[1])
    for layers, told in (([99], "layers 0 to 23"), ([23], "the head")):
        with pytest.raises(SeglabError, match=told):
            model.predict(images[0], imgsz=SIZE, embed=layers)
    whole = model.predict(images, imgsz=SIZE, embed=-2, batch=4)  # images of one shape, together
    assert torch.allclose(torch.stack(whole), torch.stack(one), atol=1e-4)
