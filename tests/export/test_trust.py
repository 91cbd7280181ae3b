"""Files that are programs are opened only if this user's seglab has written them, or if the user says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seglab import YOLO
from seglab.errors import SeglabError
from seglab.export import trust
from seglab.export.exporter import export
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import load_runtime

NAMES = {0: "circle", 1: "square", 2: "star"}


class Writes(torch.nn.Module):
    """A program of TorchScript that leaves a file where it is run."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + torch.from_file("written_by_a_program", True, 4, dtype=torch.uint8).fill_(65).sum()


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def hostile(path: Path) -> Path:
    torch.jit.save(torch.jit.script(Writes()), path, _extra_files=ModelMetadata(NAMES, (64, 64)).to_strings())
    return path


def test_a_program_of_a_stranger_is_refused_and_not_run(tmp_path):
    path = hostile(tmp_path / "best.torchscript")
    with pytest.raises(SeglabError, match=r"is a program that runs when it is opened.*trust=True"):
        YOLO(path)
    assert not Path("written_by_a_program").exists()
    load_runtime(path, trust=True)


def test_an_engine_of_a_stranger_is_refused_before_tensorrt_is_asked_for(tmp_path):
    path = tmp_path / "best.engine"
    path.write_bytes(b"anything")
    with pytest.raises(SeglabError, match="is a program"):
        load_runtime(path)


def test_what_was_exported_here_opens_wherever_it_was_copied_and_once_changed_does_not(network, tmp_path):
    path = export(network, NAMES, "torchscript", tmp_path / "own", imgsz=64)
    copied = tmp_path / "copied.torchscript"
    copied.write_bytes(path.read_bytes())
    assert YOLO(copied).names == NAMES
    with copied.open("ab") as file:
        file.write(b"\0")
    assert not trust.is_remembered(copied)
    with pytest.raises(SeglabError, match="trust=True"):
        YOLO(copied)
    assert trust.is_remembered(path)


def test_a_cache_that_cannot_be_written_to_remembers_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way of the folder")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "file"))
    path = hostile(tmp_path / "best.torchscript")
    trust.remember(path)
    assert not trust.is_remembered(path)
