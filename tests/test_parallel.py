"""Work that is shared out is the same work, in the same order."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from seglab import parallel as processes
from seglab.data import scan
from seglab.data.annotations import Annotations
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.parallel import parallel_map, workers_for
from seglab.toybox.dataset import generate_dataset


def shifted(item, by, power):
    return (item + by) ** power


def touched(item, folder):
    time.sleep(0.005)
    (folder / str(item)).touch()
    return item


def refused(item):
    raise SeglabError(f"not {item}")


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_order(workers):
    assert list(parallel_map(shifted, range(500), workers, 2, 3)) == [(item + 2) ** 3 for item in range(500)]
    assert list(parallel_map(shifted, [], workers, 2, 3)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_come_home(workers):
    with pytest.raises(SeglabError, match="not 7"):
        list(parallel_map(refused, [7, 8], workers))


def test_what_is_closed_early_is_not_done_to_the_end(tmp_path):
    with closing(parallel_map(touched, range(1000), 2, tmp_path)) as done:
        assert next(done) == 0
    assert len(list(tmp_path.iterdir())) < 500


def test_few_items_need_no_company(monkeypatch):
    monkeypatch.setattr(processes, "cores", lambda: 4)
    assert workers_for(99, 100) == 0 and workers_for(100, 100) == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # two processes of torchrun, which both ask
    assert workers_for(100, 100) == 2
    monkeypatch.setattr(processes, "cores", lambda: 1)
    assert workers_for(100, 100) == 0


def test_a_split_looked_at_by_several_is_found_the_same(tmp_path, monkeypatch):
    spec = load_dataset(generate_dataset(tmp_path / "set", 6, size=(64, 64), val=1))
    (tmp_path / "set/images/val/000002.jpg").write_bytes(b"none")
    (tmp_path / "set/labels/val/000004.txt").write_text("0 .1 .1\n")
    images, annotations = spec.images("val"), Annotations(spec, "val")
    alone = scan.scan(images, annotations, strict=False)
    faulty = {Path(problem.path).stem for problem in alone[1] if not problem.is_note}
    assert len(alone[0]) == 6 and faulty == {"000002", "000004"}
    monkeypatch.setattr(scan, "MIN_SHARED", 2)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    asked = []
    monkeypatch.setattr(scan, "parallel_map", lambda *args: asked.append(args[2]) or parallel_map(*args))
    assert scan.scan(images, annotations, strict=False) == alone and asked == [2]
    with pytest.raises(SeglabError, match=r"000002\.jpg"):
        scan.scan(images, annotations, strict=True)


def ended(item):
    os._exit(1)  # as the system ends a process that takes too much memory


def test_a_process_that_is_ended_is_told():
    with pytest.raises(SeglabError, match=r"one of 2 processes .* was ended by the system.*run it again"):
        list(parallel_map(ended, range(4), 2))
