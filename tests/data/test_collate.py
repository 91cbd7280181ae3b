"""Items to one batch."""

import numpy as np
import torch

from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset


def test_collate(make_shelf):
    dataset = SegmentationDataset(make_shelf(), "val", 64)
    items = [dataset[index] for index in range(3)]
    items[1] |= {"classes": items[1]["classes"][:0], "boxes": items[1]["boxes"][:0], "masks": items[1]["masks"][:0]}
    batch = collate(items)
    assert batch["images"].shape == (3, 3, 64, 64) and batch["images"].dtype == torch.uint8
    assert batch["images"].is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(batch["images"][2].permute(1, 2, 0), items[2]["image"])
    assert batch["image_index"].tolist() == [0, 0, 2, 2] and batch["image_index"].dtype == torch.int64
    assert batch["classes"].dtype == torch.int64 and batch["boxes"].dtype == torch.float32
    assert batch["masks"].shape == (4, 16, 16) and batch["masks"].dtype == torch.float16
    assert [sample["index"] for sample in batch["samples"]] == [0, 1, 2]


def test_collate_without_any_object(make_shelf):
    dataset = SegmentationDataset(make_shelf(), "val", 64)
    item = dataset[0]
    item |= {"classes": item["classes"][:0], "boxes": item["boxes"][:0], "masks": item["masks"][:0]}
    batch = collate([item])
    assert batch["boxes"].shape == (0, 4) and batch["masks"].shape == (0, 16, 16) and not len(batch["image_index"])
