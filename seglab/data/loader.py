"""Batches in an order that depends on (seed, epoch) alone, regardless of the number of workers and processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from seglab.data.collate import Item, collate
from seglab.data.dataset import SegmentationDataset, epoch_order
from seglab.errors import SeglabError
from seglab.parallel import can_pass_tensors, cores, end_with_parent, starting_processes


class EpochSampler(Sampler[list[int]]):
    """Lists of indexes, one a batch, of process `rank` of `world`.

    Shuffled, for training: each process gets its part of every batch, and `batch` counts the images of all processes
    together. The order is filled up from its own start to a multiple of `world`, so that no process waits for a batch
    that another does not have. In order, for validation: whole batches are dealt out in turn, so that each is what it
    is for one process. grouped: neighbors stay together, `batch` of them at a time, and only these groups are shuffled.
    """

    def __init__(
        self,
        length: int,
        batch: int,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        grouped: bool = False,
    ):
        if batch < 1 or (shuffle and batch % world):
            raise SeglabError(f"batch={batch} cannot be split evenly over {world} processes: use a multiple of {world}")
        self.length = length
        self.batch = batch
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.grouped = grouped

    @property
    def own_batch(self) -> int:
        """Images a step of this process."""
        return self.batch // self.world if self.shuffle else self.batch

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def _own_indexes(self) -> np.ndarray:
        """The indexes that this process goes through, in the epoch's order."""
        indexes = np.arange(self.length)
        if not self.shuffle:
            return indexes[indexes // self.batch % self.world == self.rank]
        missing = -self.length % self.world
        if self.grouped:
            order = self._shuffled_groups()
            added = np.resize(order[-1:], missing)  # an image of the last group's shape
        else:
            order = epoch_order(self.length, self.seed, self.epoch)
            added = np.resize(order, missing)
        return np.concatenate((order, added))[self.rank :: self.world]

    def _shuffled_groups(self) -> np.ndarray:
        """Every index once, neighbors together; the last group, which may be short, stays last."""
        indexes = np.arange(self.length)
        groups = [indexes[start : start + self.batch] for start in range(0, self.length, self.batch)]
        order = epoch_order(len(groups) - 1, self.seed, self.epoch)
        return np.concatenate([*(groups[number] for number in order), groups[-1]])

    def __len__(self) -> int:
        return -(-len(self._own_indexes()) // self.own_batch)  # rounded up

    def __iter__(self) -> Iterator[list[int]]:
        indexes = self._own_indexes()
        for start in range(0, len(indexes), self.own_batch):
            yield indexes[start : start + self.own_batch].tolist()


class BatchLoader(DataLoader[Item]):
    """A DataLoader that starts its workers as `starting_processes` says, and whose epoch can be chosen."""

    dataset: SegmentationDataset
    batch_sampler: EpochSampler

    def __iter__(self) -> Any:  # torch's own iterator, whose class is private; it yields Batch
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
) -> BatchLoader:
    """A loader of batches as `collate` makes them, of process `rank` of `world`.

    batch: images a step, over all processes together where the order is shuffled (see EpochSampler).

    workers: processes that load data, at most one per CPU that may be used; 0 loads in this one. pin_memory: for
    batches that go on to a CUDA GPU, which then fetches them while it works.

    `start_epoch` chooses the order. Neither the order nor the items depend on `workers`, nor do they touch torch's
    global random state.
    """
    dataset.group = batch
    workers = max(0, min(workers, cores()))  # those this process may use: torch warns about more
    if workers and not can_pass_tensors():
        workers = 0
    return BatchLoader(
        dataset,
        batch_sampler=EpochSampler(len(dataset), batch, shuffle, seed, rank, world, grouped=dataset.rect),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),
    )


def start_epoch(loader: BatchLoader, epoch: int) -> None:
    """Before iterating: choose the epoch of order and augmentation."""
    loader.dataset.set_epoch(epoch)
    loader.batch_sampler.set_epoch(epoch)


def _begin_worker(worker: int) -> None:
    end_with_parent()
    cv2.setNumThreads(0)  # the workers themselves are the parallelism
