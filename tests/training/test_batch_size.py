"""How many images fit into memory, measured."""

from __future__ import annotations

import pytest
import torch

from seglab.errors import SeglabError
from seglab.training.arguments import make_config
from seglab.training.batch_size import bytes_per_image, with_batch_that_fits
from seglab.training.distributed import Process


def test_an_automatic_batch_is_measured(worker, toybox, capsys):
    model, process = worker.new_model(), Process(0, 1, torch.device("cpu"))
    few = with_batch_that_fits(model, toybox, make_config(batch=-1, imgsz=64), process)
    told = capsys.readouterr().out
    assert few.batch == 4 and "4 images are enough: batch=4" in told  # of the four that there are
    with pytest.raises(SeglabError, match=r"batch=1e-09: one image takes .* GB"):
        with_batch_that_fits(model, toybox, make_config(batch=1e-9, imgsz=64), process)
    assert with_batch_that_fits(model, toybox, make_config(batch=3), process).batch == 3


def test_an_image_of_twice_the_side_takes_four_times_the_memory(worker):
    model = worker.new_model()
    small, large = (bytes_per_image(model, make_config(imgsz=side), torch.device("cpu")) for side in (64, 128))
    assert 3.5 < large / small < 4.5


@pytest.mark.parametrize("batch", [0, -2, 1.5, 0.0])
def test_other_batches_are_refused(batch):
    with pytest.raises(SeglabError, match="batch="):
        make_config(batch=batch)
