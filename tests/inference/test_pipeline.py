"""Several images at once: the same results in the same order, few in memory, and nothing left running."""

from __future__ import annotations

import itertools
import threading
import time

import cv2
import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.errors import SeglabError
from seglab.inference.pipeline import AHEAD, in_order

WORKERS = [0, 1, 3]


@pytest.fixture
def two_threads():
    """What a machine with two cores gives PyTorch."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def alive() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("seglab")}


@pytest.mark.parametrize("workers", WORKERS)
def test_results_come_in_the_order_of_the_items(workers):
    """Although the first ones take longest."""

    def work(number):
        time.sleep(0.002 * max(0, 5 - number))
        return number * number

    assert list(in_order(work, iter(range(20)), workers)) == [number * number for number in range(20)]
    assert list(in_order(work, iter(()), workers)) == [] and not alive()


def test_items_are_worked_on_at_once_and_read_ahead():
    """Three that wait for each other are only ever done where all three are in work."""
    barrier = threading.Barrier(3, timeout=20)
    assert list(in_order(lambda item: barrier.wait() >= 0, iter(range(6)), 3)) == [True] * 6


@pytest.mark.parametrize("workers", [1, 3])
def test_few_items_are_held(workers):
    read = []
    given = 0
    items = (read.append(number) or number for number in itertools.count())
    results = in_order(lambda number: number, items, workers)
    for _ in range(30):
        next(results)
        given += 1
        assert len(read) - given <= AHEAD * workers
    results.close()
    assert not alive()


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_comes_where_it_arose(workers):
    def items():
        yield from (0, 1, 2)
        raise SeglabError("the fourth cannot be read")

    def work(number):
        if number == fails:
            raise ZeroDivisionError
        return number

    fails = None
    given = in_order(work, items(), workers)
    assert [next(given) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SeglabError, match="the fourth"):
        next(given)
    fails = 1
    given = in_order(work, items(), workers)
    assert next(given) == 0
    with pytest.raises(ZeroDivisionError):
        next(given)
    assert not alive()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, None])
def test_a_caller_who_stops_leaves_nothing_open(workers, error):
    closed = []

    def items():
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    threads = torch.get_num_threads()
    results = in_order(lambda number: number, items(), workers)
    next(results)
    if error is None:
        results.close()
    else:
        with pytest.raises(error):
            results.throw(error)
    assert closed and not alive() and torch.get_num_threads() == threads


def same(one, other) -> bool:
    masks = [None if each.masks is None else each.masks.data.numpy() for each in (one, other)]
    return one.path == other.path and torch.equal(one.boxes.data, other.boxes.data) and np.array_equal(*masks)


@pytest.fixture
def scenes(tmp_path):
    """A folder of scenes in four sizes and a video of them."""
    from seglab.datasets.load import load_dataset

    folder = tmp_path / "scenes"
    folder.mkdir()
    paths = load_dataset("toybox8-seg").images("val")
    video = cv2.VideoWriter(str(tmp_path / "scenes.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (192, 160))
    for number, path in enumerate(paths * 2):
        image = cv2.resize(cv2.imread(str(path)), (192, 160 + 32 * (number % 4)))
        cv2.imwrite(str(folder / f"{number}.png"), image)
        video.write(image[:160])
    video.release()
    return folder


@pytest.mark.parametrize("batch", [1, 3])
def test_folders_lists_and_videos_give_what_their_images_give(scenes, two_threads, batch):
    model = YOLO("toybox-n")
    paths = sorted(scenes.iterdir())
    options = {"imgsz": 160, "conf": 0.1, "batch": batch, "engine": "torch"}
    torch.set_num_threads(1)  # then nothing is read ahead
    expected = model.predict(scenes, **options)
    expected_frames = model.predict(scenes.with_suffix(".avi"), **options)
    assert sum(map(len, expected)) > 10 and len(expected_frames) == 8 and not alive()

    torch.set_num_threads(2)
    for source in (scenes, paths, str(scenes / "*.png")):
        given = model.predict(source, **options)
        assert len(given) == len(expected) and all(map(same, given, expected))
    frames = model.predict(scenes.with_suffix(".avi"), **options)
    assert len(frames) == 8 and all(map(same, frames, expected_frames))
    assert torch.get_num_threads() == 2 and not alive()


def test_a_file_that_cannot_be_read_is_left_out(scenes, two_threads, capsys):
    (scenes / "3.png").write_bytes(b"no image")
    found = YOLO("toybox-n").predict(scenes, imgsz=64, engine="torch")
    assert len(found) == 7 and "skipped" in capsys.readouterr().out
    for path in scenes.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(SeglabError, match="no file of the folder"):
        YOLO("toybox-n").predict(scenes, imgsz=64, engine="torch")
    assert not alive()


def test_results_are_saved_while_others_are_computed(scenes, two_threads, tmp_path):
    results = YOLO("toybox-n").predict(
        scenes, stream=True, imgsz=64, save=True, project=tmp_path, name="out", engine="torch"
    )
    next(results)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.jpg"] and alive()
    results.close()
    assert not alive()
