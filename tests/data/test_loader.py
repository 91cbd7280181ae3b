"""Batches: one order for all, divided among processes, the same for any number of workers."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seglab.config import AugmentConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import EpochSampler, build_loader, start_epoch
from seglab.errors import SeglabError

SCRIPT = """
import torch
from seglab.config import AugmentConfig
from seglab.datasets.load import load_dataset
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader, start_epoch
from seglab.toybox.dataset import generate_dataset

torch.multiprocessing.set_start_method("spawn")  # refuses a second call, as in a process that read this again
loaders = []
for workers in (0, 2):
    dataset = SegmentationDataset(load_dataset("toybox-fresh:4"), "train", 64, AugmentConfig())
    loaders.append(build_loader(dataset, 2, workers, shuffle=True))
for epoch in range(2):
    for loader in loaders:
        start_epoch(loader, epoch)
    for a, b in zip(*loaders):
        assert torch.equal(a["images"], b["images"])
generate_dataset("made", 2, size=(64, 64), workers=1)
print("the same")
"""


@given(st.integers(1, 60), st.integers(1, 5), st.sampled_from([1, 2, 3]), st.booleans(), st.integers(0, 3))
def test_the_order_is_shared_out_completely(length, each, world, shuffle, epoch):
    samplers = [EpochSampler(length, each * world, shuffle, 5, rank, world) for rank in range(world)]
    whole = EpochSampler(length, each * world, shuffle, 5)
    for sampler in (*samplers, whole):
        sampler.set_epoch(epoch)
    shares = [list(sampler) for sampler in samplers]
    assert [len(share) for share in shares] == [len(sampler) for sampler in samplers]
    assert sorted(index for batch in whole for index in batch) == list(range(length))
    assert {index for share in shares for batch in share for index in batch} == set(range(length))
    if shuffle:  # every process takes part in every step
        assert len({tuple(map(len, share)) for share in shares}) == 1
    else:
        assert sum(len(batch) for share in shares for batch in share) == length
    if shuffle and length % world == 0:  # together they see what one process would
        for global_batch, *parts in zip(whole, *shares):
            assert sorted(global_batch) == sorted(index for part in parts for index in part)
    if not shuffle:  # each batch is what it is for one process, and somebody's
        assert shares == [list(whole)[rank::world] for rank in range(world)]


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        sampler = EpochSampler(20, 4, True, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2) and order(1, 2) != order(1, 3) and order(1, 2) != order(2, 2)


def test_a_batch_that_cannot_be_shared():
    with pytest.raises(SeglabError, match="multiple of 2"):
        EpochSampler(10, 3, True, world=2)


def read(dataset, workers, epochs=(0, 1), **options):
    loader = build_loader(dataset, 4, workers, shuffle=True, seed=3, **options)
    batches = []
    for epoch in epochs:
        start_epoch(loader, epoch)
        dataset.mosaic = epoch == 0
        batches += list(loader)
    return batches


def test_workers_change_nothing(make_shelf):
    spec = make_shelf(10)
    state = torch.get_rng_state()
    results = []
    for workers in (0, 1, 2):
        dataset = SegmentationDataset(spec, "train", 64, AugmentConfig(mixup=0.3), seed=3)
        results.append(read(dataset, workers))
    assert torch.equal(state, torch.get_rng_state())
    assert len(results[0]) == 6
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert all(torch.equal(a[key], b[key]) for key in a if key != "samples") and a["samples"] == b["samples"]


def test_a_temporary_folder_too_long_for_sockets_has_no_workers(make_shelf, tmp_path, monkeypatch, capsys):
    long = tmp_path / ("x" * 110)  # in which workers could not pass on what they made, and training would wait forever
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    dataset = SegmentationDataset(make_shelf(), "train", 64, AugmentConfig())
    loaders = [build_loader(dataset, 2, workers=2) for _ in range(2)]
    assert [loader.num_workers for loader in loaders] == [0, 0] and len(list(loaders[0])) == 3
    said = capsys.readouterr().out
    assert said.count("set TMPDIR to a shorter one") == 1 and str(long) in said


def test_opencv_keeps_its_threads_in_this_process(make_shelf):
    dataset, threads = SegmentationDataset(make_shelf(), "train", 64, AugmentConfig()), cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        for _ in range(2):
            cv2.resize(np.zeros((999, 999, 3), np.uint8), (1999, 1999))  # starts them
            assert len(read(dataset, 2)) == 4
            assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("shuffle", [False, True])
def test_rectangular_batches_have_one_shape(make_shelf, shuffle):
    dataset = SegmentationDataset(make_shelf(10), "val", 64, rect=True)
    loaders = [build_loader(dataset, 4, shuffle=shuffle, rank=rank, world=2) for rank in range(2)]
    shapes = [batch["images"].shape[2:] for loader in loaders for batch in loader]
    assert len(set(shapes)) > 1  # and within a batch they could be stacked


def test_a_script_without_a_guard_may_have_workers_where_processes_are_spawned(tmp_path):
    """As on Windows and macOS; the epoch reaches workers that already run."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "the same\n", done.stderr
