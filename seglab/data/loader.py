"""Batches in an order that depends on (seed, epoch) alone, however many workers and processes share the work."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset, epoch_order
from seglab.errors import SeglabError
from seglab.parallel import cores, starting_processes


class EpochSampler(Sampler):
    """Lists of indexes, one a batch; process `rank` of `world` gets its share of every global batch.

    batch: images over all processes together. A shuffled order is filled up from its own start to a multiple of
    `world`, so that no process of a training run waits for a batch that another does not have.
    """

    def __init__(self, length: int, batch: int, shuffle: bool, seed: int = 0, rank: int = 0, world: int = 1):
        if batch < 1 or batch % world:
            raise SeglabError(f"a batch of {batch} cannot be shared by {world} processes: use a multiple of {world}")
        self.length, self.batch, self.shuffle, self.seed = length, batch, shuffle, seed
        self.rank, self.world, self.epoch = rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def _own(self) -> np.ndarray:
        order = np.arange(self.length)
        if self.shuffle:
            order = epoch_order(self.length, self.seed, self.epoch)
            order = np.concatenate((order, np.resize(order, -self.length % self.world)))
        return order[self.rank :: self.world]

    def __len__(self) -> int:
        return -(-len(self._own()) // (self.batch // self.world))

    def __iter__(self) -> Iterator[list[int]]:
        own, each = self._own(), self.batch // self.world
        for first in range(0, len(own), each):
            yield own[first : first + each].tolist()


class _Loader(DataLoader):
    """Starts its workers as `starting_processes` says."""

    def __iter__(self) -> Iterator[dict]:
        with starting_processes():
            return super().__iter__()


def build_loader(
    dataset: SegmentationDataset,
    batch: int,
    workers: int = 0,
    shuffle: bool = False,
    seed: int = 0,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
) -> DataLoader:
    """A loader of batches as `collate` makes them. batch: images a step over all `world` processes together.

    pin_memory: for batches that go on to a CUDA GPU, which then fetches them while it works.

    `start_epoch` chooses the order. Neither the order nor the items depend on `workers`, nor do they touch torch's
    global random state.
    """
    dataset.group = batch
    workers = max(0, min(workers, cores()))  # those this process may use: torch warns about more
    return _Loader(
        dataset,
        batch_sampler=EpochSampler(len(dataset), batch, shuffle, seed, rank, world),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        worker_init_fn=_quiet_worker,
        generator=torch.Generator(),
    )


def start_epoch(loader: DataLoader, epoch: int) -> None:
    """Before iterating: choose the epoch of order and augmentation."""
    loader.dataset.set_epoch(epoch)
    loader.batch_sampler.set_epoch(epoch)


def _quiet_worker(worker: int) -> None:
    cv2.setNumThreads(0)  # the workers themselves are the parallelism
