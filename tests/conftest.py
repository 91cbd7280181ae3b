"""Fixtures every test may use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.load import load_dataset
from seglab.formats.yolo import write_dataset_yaml

# Property tests draw the same examples in every run, so that a run can be repeated and a failure is a change's fault.
# To search at random instead, now and then and with more examples:
#     pytest tests/geometry tests/convert/test_rows.py --hypothesis-profile=search
# What a search finds becomes an @example of its test. A test's own max_examples count in both profiles.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("repeatable")
BROWSER_ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()


@pytest.fixture(scope="session")
def datasets_folder() -> Path:
    """The folder of real photos; tests that need it are skipped where it is not there."""
    folder = os.environ.get("SEGLAB_DATASETS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SEGLAB_DATASETS to the folder that holds coco8-seg and coco38 to run the real-photo tests")
    return Path(folder)


@pytest.fixture
def variables_stay():
    """A test that leaves seglab's environment variables otherwise than it found them fails, not the ones behind it."""
    before = _variables()
    yield
    after = _variables()
    for name in after.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    assert after == before, "set and delete environment variables by monkeypatch, or settings.reset()"


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("SEGLAB_")}


@pytest.fixture(autouse=True)
def predictions_run_through_torch(variables_stay, monkeypatch):  # in this order: monkeypatch restores first
    """What a test finds does not depend on which engines are installed. Those that are about engines ask for them."""
    monkeypatch.setattr("seglab.export.engine.PREFERRED", {})


@pytest.fixture
def one_thread():
    """Small networks train faster on one thread, and alike on every machine's number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SIZES = [(48, 64), (64, 48), (64, 64), (40, 100), (100, 40), (200, 130)]  # (height, width), train; twice for val


@pytest.fixture
def make_shelf(tmp_path):
    """(number of training images) -> DatasetSpec: noise with two objects an image, classes 0 and 1."""

    def make(count=6):
        root = tmp_path / "shelf"
        for split in ("train", "val"):
            (root / "images" / split).mkdir(parents=True, exist_ok=True)
            (root / "labels" / split).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                rng = np.random.default_rng((number, split == "val"))
                noise = rng.integers(0, 255, (*SIZES[number % len(SIZES)], 3), np.uint8)
                Image.fromarray(noise).save(root / f"images/{split}/{number}.png")
                (root / f"labels/{split}/{number}.txt").write_text(
                    "0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6\n1 0.4 0.4 0.9 0.4 0.9 0.9\n"
                )
        write_dataset_yaml(root / "shelf.yaml", {"train": "images/train", "val": "images/val"}, {0: "cup", 1: "kite"})
        return load_dataset(root)

    return make


class Oracle:
    """A network that knows the answers: it finds the ground truth of each image, so metrics are known beforehand.

    Iterate it for batches; its `forward` answers for the batch given out last. `change` spoils it."""

    def __init__(self, dataset: SegmentationDataset, batch: int = 3, change=None):
        self.loader, self.classes, self.change = build_loader(dataset, batch), len(dataset.names), change

    def __iter__(self):
        for batch in self.loader:
            self.batch = batch
            yield batch

    def forward(self, images):
        batch, (count, _, height, width) = self.batch, images.shape
        anchors = sum(height // stride * (width // stride) for stride in (8, 16, 32))
        predictions = torch.zeros(count, 4 + self.classes + 32, anchors)
        prototypes = torch.full((count, 32, height // 4, width // 4), -4.0)
        for i in range(count):
            for slot, j in enumerate(torch.nonzero(batch["image_index"] == i).ravel().tolist()):
                left, top, right, bottom = batch["boxes"][j].tolist()
                box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
                predictions[i, :4, slot] = torch.tensor(box)
                predictions[i, 4 + batch["classes"][j], slot] = 0.9 - 0.001 * slot
                predictions[i, 4 + self.classes + slot % 32, slot] = 1
                prototypes[i, slot % 32] = prototypes[i, slot % 32].maximum(8 * batch["masks"][j].float() - 4)
        if self.change:
            self.change(predictions, prototypes)
        return predictions, prototypes


@pytest.fixture(scope="session")
def toybox():
    """The embedded dataset: four validation scenes of ten classes."""
    return load_dataset("toybox8-seg")


@pytest.fixture
def oracle():
    return Oracle


@pytest.fixture(scope="module")
def browser():
    """A real browser, where one is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browsers are driven by playwright, of [test]")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        program = program or driver.chromium.executable_path  # Playwright's own
        if not Path(program).exists():
            pytest.skip("no Chromium is installed, and `make test` could not install one")
        running = driver.chromium.launch(executable_path=program, args=BROWSER_ARGUMENTS)
        yield running
        running.close()
