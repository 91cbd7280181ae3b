import sys
import types

import pytest

from tests.loggers.followed import Stub, follow, make_folder


def test_every_column_is_a_curve_at_its_epoch(tmp_path, monkeypatch):
    writer = Stub()
    module = types.SimpleNamespace(SummaryWriter=lambda folder: writer if folder == str(tmp_path / "run") else None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setitem(sys.modules, "tensorboard", types.ModuleType("tensorboard"))
    folder = make_folder(tmp_path / "run")
    follow("tensorboard", folder)
    scalars = [values for values, _ in writer.called("add_scalar")]
    assert ("train/box_loss", 0.5, 2) in scalars and ("metrics/mAP50-95(M)", 0.0, 0) in scalars
    (((name, image), options),) = writer.called("add_image")
    assert name == "results" and image.shape == (24, 32, 3) and options == {"dataformats": "HWC"}
    assert image[0, -1].tolist() == [200, 100, 10]  # RGB
    assert writer.calls[-1][0] == "close" and not (folder / "loggers.json").exists()


def test_the_library_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = make_folder(tmp_path / "run")
    follow("tensorboard", folder)
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [(each.step, each.value) for each in events.Scalars("metrics/mAP50-95(M)")] == [(0, 0), (1, 0.25), (2, 0.5)]
    assert events.Tags()["images"] == ["results"]
