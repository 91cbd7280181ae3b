"""The facade: the habits people have, word for word where the YOLO11 segmentation page writes them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.cli import main
from seglab.data.catalogue import load_dataset, write_yaml
from seglab.errors import SeglabError
from seglab.model.weights import load_weights, save_weights
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.record import Record
from seglab.yolo import weights_beside


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> YOLO:
    """A model after two short epochs on the embedded data."""
    model = YOLO("yolo11n-seg.yaml")
    folder = tmp_path_factory.mktemp("runs")
    model.train(data="toybox8-seg", epochs=2, imgsz=96, batch=4, workers=0, plots=False, project=str(folder))
    return model


def test_build_from_yaml_then_load(tmp_path, capsys):
    save_weights(tmp_path / "pretrained.safetensors", YOLO11Seg("n", 80).state_dict(), {"license": "AGPL-3.0"})
    model = YOLO("yolo11n-seg.yaml").load(tmp_path / "pretrained.safetensors")
    assert model.licence == "AGPL-3.0"
    assert "561 of 561 tensors" in capsys.readouterr().out
    expected = load_weights(tmp_path / "pretrained.safetensors").state
    assert torch.equal(model.network.state_dict()["model.0.conv.weight"], expected["model.0.conv.weight"])


def test_the_seed_decides_the_first_weights_and_loaded_ones_stay(tmp_path, monkeypatch):
    def first_weights(model, seed):
        taken = []
        monkeypatch.setattr(
            "seglab.training.trainer.train", lambda network, *_, **__: taken.append(network) or _Nothing()
        )
        model.train(data="toybox8-seg", seed=seed)
        return taken[0].state_dict()["model.0.conv.weight"]

    torch.manual_seed(5)  # what was drawn before plays no part
    zero = first_weights(YOLO("yolo11n-seg.yaml"), 0)
    assert torch.equal(zero, first_weights(YOLO("yolo11n-seg.yaml"), 0))
    assert not torch.equal(zero, first_weights(YOLO("yolo11n-seg.yaml"), 1))
    model = YOLO("yolo11n-seg.yaml")
    with torch.no_grad():
        model.network.model[0].conv.weight.fill_(0.5)
    assert (first_weights(model, 1) == 0.5).all()


class _Nothing:
    best, metrics = None, None


def test_loading_other_classes_lists_what_does_not_fit(tmp_path, capsys):
    save_weights(tmp_path / "five.safetensors", YOLO11Seg("n", 5).state_dict(), {})
    YOLO("yolo11n-seg.yaml").load(tmp_path / "five.safetensors")
    printed = capsys.readouterr().out
    assert "another shape, left as initialised: model.23.cv3" in printed


def test_weights_of_another_scale_that_do_not_fit_are_refused(tmp_path):
    save_weights(tmp_path / "odd.safetensors", {"other": torch.zeros(1)}, {})
    with pytest.raises(SeglabError, match="no tensor that fits"):
        YOLO("yolo11n-seg.yaml").load(tmp_path / "odd.safetensors")


def test_train_then_val_without_arguments(trained):
    metrics = trained.val()
    for part in (metrics.box, metrics.seg):
        assert 0 <= part.map <= part.map50 <= 1 and 0 <= part.map75 <= 1
        assert len(part.maps) == 10
    assert trained.names == load_dataset("toybox8-seg").names


def test_the_best_weights_open_by_path_also_under_the_name_people_type(trained):
    again = YOLO(trained.path.with_suffix(".pt"))
    assert again.names == trained.names and again.overrides["imgsz"] == 96
    for name, tensor in trained.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])


def test_predict_gives_results_with_the_usual_views(trained):
    results = trained("toybox8-seg", conf=0.0, max_det=5)
    assert len(results) == 4
    for result in results:
        height, width = result.orig_shape
        assert result.masks is None or result.masks.data.shape[1:] == (height, width)
        for box in result.boxes:
            assert int(box.cls) in trained.names and 0 <= float(box.conf) <= 1
        if result.masks is not None:
            assert len(result.masks.xy) == len(result.masks.xyn) == len(result)


def test_stream_gives_one_at_a_time_and_the_same_things(trained):
    listed = trained.predict("toybox8-seg", conf=0.001, max_det=3)
    streamed = trained.predict("toybox8-seg", conf=0.001, max_det=3, stream=True)
    assert not isinstance(streamed, list)
    for a, b in zip(listed, streamed):
        assert torch.equal(a.boxes.data, b.boxes.data)


def test_numpy_is_bgr_and_pil_is_rgb(trained):
    image = pytest.importorskip("PIL.Image")
    rgb = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    from_numpy = trained.predict(rgb[..., ::-1], conf=0.0, max_det=5)[0]
    from_pil = trained.predict(image.fromarray(rgb), conf=0.0, max_det=5)[0]
    assert np.array_equal(from_numpy.image, rgb) and torch.equal(from_numpy.boxes.data, from_pil.boxes.data)


def test_changed_weights_are_used_at_once(trained):
    def best_score() -> float:
        predictions, _ = trained._forward("cpu")(torch.full((1, 3, 96, 96), 0.5))
        return float(predictions[:, 4:14].max())

    def shift(amount: float) -> None:
        with torch.no_grad():
            for branch in trained.network.head.cv3:
                branch[-1].bias += amount

    before = best_score()
    shift(1.0)
    raised = best_score()
    shift(-1.0)
    assert raised > before and best_score() == pytest.approx(before, abs=1e-6)


def test_export_and_predict_on_the_export(trained, tmp_path):
    pytest.importorskip("onnxruntime")
    path = trained.export(format="onnx", out=tmp_path / "model", imgsz=96)
    exported = YOLO(path)
    assert exported.names == trained.names
    for ours, theirs in zip(trained.predict("toybox8-seg", rect=False), exported.predict("toybox8-seg")):
        assert len(ours) == len(theirs)
    a, b = trained.val(rect=False), exported.val(data="toybox8-seg")
    assert a.seg.map == pytest.approx(b.seg.map, abs=1e-3) and a.box.map == pytest.approx(b.box.map, abs=1e-3)
    assert len(exported.predict("toybox8-seg", imgsz=64)) == 4  # the file's own size is taken: it knows no other
    with pytest.raises(SeglabError, match="exported file"):
        exported.train(data="toybox8-seg")


def test_wrong_requests_name_the_way_out(trained):
    with pytest.raises(SeglabError, match="did you mean 'epochs'"):
        trained.train(data="toybox8-seg", epoch=3)
    with pytest.raises(SeglabError, match="did you mean 'conf'"):
        trained.predict("toybox8-seg", cnf=0.5)
    with pytest.raises(SeglabError, match="did you mean 'imgsz'"):
        trained.val(imgz=640)
    with pytest.raises(SeglabError, match=r"yolo11n-seg\.yaml"):
        YOLO("yolo99n-seg.yaml")
    with pytest.raises(SeglabError, match="segment"):
        YOLO("yolo11n-seg.yaml", task="detect")


def test_offline_official_weights_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeglabError) as caught:
        YOLO("yolo11n-seg.pt")
    for part in ("yolo11n-seg.pt", "https://", str(tmp_path), "toybox-n"):
        assert part in str(caught.value)


@pytest.fixture
def official(monkeypatch, tmp_path):
    """Something under the official name: random weights of the right shapes, as nothing may be downloaded here."""
    path = save_weights(tmp_path / "yolo11n-seg.safetensors", YOLO11Seg("n", 80).state_dict(), {"license": "AGPL-3.0"})
    asked = []
    monkeypatch.setattr("seglab.yolo.fetch", lambda name: asked.append(name) or path)
    monkeypatch.chdir(tmp_path)
    return asked


def test_detection_weights_stand_for_those_with_masks(official, capsys):
    YOLO("yolo11n-seg.yaml").load("yolo11n.pt")
    assert official == ["yolo11n-seg.pt"] and "taking yolo11n-seg.pt" in capsys.readouterr().out


def test_the_ways_the_segmentation_page_builds_trains_and_validates(official):
    for model in (YOLO("yolo11n-seg.yaml"), YOLO("yolo11n-seg.pt"), YOLO("yolo11n-seg.yaml").load("yolo11n-seg.pt")):
        results = model.train(data="toybox8-seg.yaml", epochs=1, imgsz=64, plots=False, workers=0)
        assert load_weights(model.path).metadata["license"] == model.licence
        metrics = model.val()
        for part in (metrics.box, metrics.seg):
            assert part.map <= part.map50 and len(part.maps) == 10 and part.map75 >= 0
        assert metrics.seg.map == pytest.approx(results.seg.map)


@pytest.mark.parametrize("data", ["toybox8-seg", "toybox-fresh:3"])  # files, and pictures made when needed
def test_resume_goes_on_with_the_run_of_the_weights(tmp_path, monkeypatch, data):
    arguments = {"data": data, "imgsz": 64, "batch": 4, "workers": 0, "plots": False, "val": False}

    def stop_after_one(self, good, progress, better):
        add(self, good, progress, better)
        raise KeyboardInterrupt

    add = Record.add
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Record, "add", stop_after_one)
        YOLO("yolo11n-seg.yaml").train(epochs=2, project=str(tmp_path), name="cut", **arguments)
    YOLO("yolo11n-seg.yaml").train(epochs=2, project=str(tmp_path), name="whole", **arguments)
    assert main(["train", "resume", f"model={tmp_path}/cut/weights/last.pt"]) == 0
    cut, whole = (load_weights(tmp_path / name / "weights/last.safetensors").state for name in ("cut", "whole"))
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


def test_a_resumed_run_brings_its_model_and_its_data(tmp_path, monkeypatch):
    project, spec = str(tmp_path / "runs"), load_dataset("toybox8-seg")
    small = {"imgsz": 32, "batch": 4, "workers": 0, "plots": False, "val": False, "project": project, "name": "cut"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Record, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        YOLO("yolo11s-seg.yaml").train(data="toybox8-seg", epochs=1, **small)
    write_yaml(
        tmp_path / "two.yaml", {split: str(spec.root / "images" / split) for split in ("train", "val")}, {0: "a"}
    )
    with pytest.raises(SeglabError, match=r"learns 10 classes and .* has 1"):
        YOLO("yolo11n-seg.yaml").train(resume=tmp_path / "runs/cut", data=tmp_path / "two.yaml")
    assert main(["train", f"resume={project}/cut"]) == 0  # neither data nor model is the default one
    best = YOLO(tmp_path / "runs/cut/weights/best.safetensors")
    assert best.network.scale == "s" and best.names == spec.names
    with pytest.raises(SeglabError, match="the run is finished"):
        YOLO("yolo11n-seg.yaml").train(resume=tmp_path / "runs/cut")


def test_an_exported_file_finds_its_weights(tmp_path):
    save_weights(tmp_path / "best.safetensors", {"a": torch.zeros(1)}, {})
    for name in ("best.onnx", "best_ncnn_model", "best.torchscript"):
        assert weights_beside(tmp_path / name) == tmp_path / "best.safetensors"
    with pytest.raises(SeglabError, match="say model="):
        weights_beside(tmp_path / "last.onnx")


def test_every_picture_of_a_run_keeps_its_own_file(trained, tmp_path):
    image = load_dataset("toybox8-seg").images("val")[0]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(image, tmp_path / folder / "same.jpg")
    shutil.copy(image, tmp_path / "same_2.jpg")
    sources = [tmp_path / name for name in ("a/same.jpg", "b/same.jpg", "same_2.jpg", "a/same.jpg")]
    trained.predict(sources, save=True, project=str(tmp_path), name="out")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.jpg"))
    assert names == ["same.jpg", "same_2.jpg", "same_2_2.jpg", "same_3.jpg"]
