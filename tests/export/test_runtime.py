"""An opened file is called as it must be, whatever batch it is given."""

from __future__ import annotations

import pytest
import torch

from seglab.errors import SeglabError
from seglab.export.metadata import ModelMetadata
from seglab.export.runtime import Runtime

from .other_tool import NAMES, SIZE


class File:
    """What a format's own call would be: it notes the shapes that it is called with, and marks each image."""

    def __init__(self):
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, images):
        self.shapes.append(tuple(images.shape))
        marks = images[:, 0, 0, 0]
        height = images.shape[2]
        return marks[:, None, None].expand(-1, 39, 21), marks[:, None, None, None].expand(-1, 32, height // 4, 1)


def marked(count: int, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Images whose first pixel says which they are."""
    return torch.arange(1, count + 1)[:, None, None, None].expand(-1, 3, *size) / 100


@pytest.mark.parametrize(("batch", "count", "calls"), [(1, 3, 3), (2, 3, 2), (4, 3, 1), (4, 8, 2)])
def test_a_fixed_batch_is_filled_up_and_what_was_added_is_cut_off(batch, count, calls):
    file = File()
    images = marked(count)
    predictions, prototypes = Runtime("file", ModelMetadata(NAMES, SIZE, batch), file).forward(images)
    assert file.shapes == [(batch, 3, *SIZE)] * calls
    torch.testing.assert_close(predictions[:, 0, 0], images[:, 0, 0, 0])
    torch.testing.assert_close(prototypes[:, 0, 0, 0], images[:, 0, 0, 0])


def test_a_dynamic_file_is_called_once_with_all():
    file = File()
    runtime = Runtime("file", ModelMetadata(NAMES, SIZE, dynamic=True), file)
    assert runtime.size is None and runtime.imgsz == max(SIZE)
    assert len(runtime.forward(marked(5, (64, 128)))[0]) == 5
    assert file.shapes == [(5, 3, 64, 128)]


def test_another_size_than_the_files_is_refused_before_it_is_called():
    file = File()
    with pytest.raises(SeglabError, match=r"was exported for \(96, 160\)"):
        Runtime("file", ModelMetadata(NAMES, SIZE), file).forward(marked(1, (64, 64)))
    assert not file.shapes


def test_outputs_are_float32_whatever_goes_in_and_comes_out():
    runtime = Runtime("file", ModelMetadata(NAMES, SIZE), lambda images: [part.half() for part in File()(images)])
    assert {part.dtype for part in runtime.forward(marked(1).double())} == {torch.float32}


def test_files_of_ours_are_never_rearranged():
    """Boxes that small are a fault of a file of ours, which the parity check must see."""
    outputs = torch.rand(1, 39, 315), torch.rand(1, 32, 24, 40)
    runtime = Runtime("file", ModelMetadata(NAMES, SIZE), lambda images: outputs)
    assert runtime.forward(torch.zeros(1, 3, *SIZE))[0].equal(outputs[0])
