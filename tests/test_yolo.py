"""The facade: the habits people have, word for word where the YOLO11 segmentation page writes them."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.class_names import COCO_NAMES
from seglab.cli import main
from seglab.datasets.load import load_dataset
from seglab.datasets.pretrained import find_weights
from seglab.errors import SeglabError
from seglab.events import EXPORT_EVENTS, PREDICT_EVENTS, TRAIN_EVENTS, VAL_EVENTS
from seglab.export.registry import weights_beside
from seglab.formats.yolo import write_dataset_yaml
from seglab.model.transfer import Transfer, describe_transfer, init_network
from seglab.model.weights import load_weights, save_weights
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.checkpoint import CheckpointWriter
from seglab.training.trainer import TrainResult


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
    assert model.license == "AGPL-3.0"
    assert "561 of 561 tensors" in capsys.readouterr().out
    expected = load_weights(tmp_path / "pretrained.safetensors").state
    assert torch.equal(model.network.state_dict()["model.0.conv.weight"], expected["model.0.conv.weight"])


@pytest.fixture
def given_to_training(monkeypatch, tmp_path):
    """First weights, arguments and license of every training, which then does nothing."""
    given = []
    best = tmp_path / "best.safetensors"

    def train(network, spec, config, license, **others):
        given.append((network.state_dict()["model.0.conv.weight"].clone(), config, license))
        return TrainResult(tmp_path, best, last=best, metrics=None, history=[], config=config)

    monkeypatch.setattr("seglab.training.trainer.train", train)
    return given


def test_the_seed_decides_the_first_weights_and_loaded_ones_stay(given_to_training):
    def first_weights(model, seed):
        model.train(data="toybox8-seg", seed=seed)
        return given_to_training[-1][0]

    torch.manual_seed(5)  # what was drawn before plays no part
    zero = first_weights(YOLO("yolo11n-seg.yaml"), 0)
    assert torch.equal(zero, first_weights(YOLO("yolo11n-seg.yaml"), 0))
    assert not torch.equal(zero, first_weights(YOLO("yolo11n-seg.yaml"), 1))
    model = YOLO("yolo11n-seg.yaml")
    with torch.no_grad():
        model.network.model[0].conv.weight.fill_(0.5)
    assert (first_weights(model, 1) == 0.5).all()


def test_pretrained_says_where_training_starts(given_to_training, tmp_path, capsys):
    started = load_weights(find_weights("toybox-n")).state["model.0.conv.weight"]
    drawn = YOLO("yolo11n-seg.yaml").network.state_dict()["model.0.conv.weight"]
    other = save_weights(tmp_path / "other.safetensors", YOLO11Seg("n", 10).state_dict(), {"license": "MIT"})
    for model, pretrained, expected, license in (
        ("toybox-n", True, started, "Apache-2.0"),
        ("toybox-n", None, started, "Apache-2.0"),  # None stands for the default, as everywhere
        ("toybox-n", False, drawn, "unknown"),
        ("toybox-n", other, load_weights(other).state["model.0.conv.weight"], "MIT"),
        ("yolo11n-seg.yaml", str(other), load_weights(other).state["model.0.conv.weight"], "MIT"),
        ("yolo11n-seg.yaml", True, drawn, "unknown"),
    ):
        YOLO(model).train(data="toybox8-seg", pretrained=pretrained)
        assert main(["train", f"model={model}", "data=toybox8-seg", f"pretrained={pretrained}"]) == 0
        for first, config, told in given_to_training[-2:]:
            assert torch.equal(first, expected) and told == license and config.recipe == "auto"
    with pytest.raises(SeglabError, match="no model 'nowhere'"):
        YOLO("toybox-n").train(data="toybox8-seg", pretrained="nowhere")
    with pytest.raises(SeglabError, match=r"pretrained=\[\] must be of type"):
        YOLO("toybox-n").train(data="toybox8-seg", pretrained=[])


def test_to_says_where_the_verbs_run(given_to_training, monkeypatch):
    model = YOLO("yolo11n-seg.yaml")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # what would be chosen
    assert model.to("cpu") is model and model.fuse() is model and model.model is model.network
    assert len(model.predict(np.zeros((64, 64, 3), np.uint8), imgsz=64)) == 1
    model.train(data="toybox8-seg")
    model.train(data="toybox8-seg", device=0)
    assert [config.device for _, config, _ in given_to_training] == ["cpu", 0]

    monkeypatch.setattr("seglab.yolo.choose_device", torch.device)
    moved = YOLO("yolo11n-seg.yaml").to("meta")  # a place without memory, where the weights become others
    assert moved.device.type == "meta"
    moved.train(data="toybox8-seg", seed=1)  # still untrained, so the seed draws them
    assert torch.equal(given_to_training[-1][0], init_network("n", 10, 1).state_dict()["model.0.conv.weight"])


def test_loading_into_an_untrained_model_takes_the_classes_too(tmp_path, capsys):
    model = YOLO("yolo11n-seg.yaml").load("toybox-n")
    assert "561 of 561 tensors" in capsys.readouterr().out
    known = YOLO("toybox-n")
    assert model.names == known.names and model.network.class_width == known.network.class_width
    assert all(torch.equal(model.network.state_dict()[k], v) for k, v in known.network.state_dict().items())


def test_weights_say_what_masks_they_learned_from(trained, tmp_path):
    """What says nothing comes from elsewhere, where targets are hard."""
    silent = save_weights(tmp_path / "silent.safetensors", init_network("n", 10, seed=0).state_dict(), {})
    model = YOLO(silent)
    assert model.mask_targets == "hard" and YOLO("toybox-n").mask_targets == trained.mask_targets == "soft"
    assert YOLO(model.save(tmp_path / "saved")).mask_targets == "hard"
    assert model.load("toybox-n").mask_targets == "soft"
    assert YOLO(model.save(tmp_path / "loaded")).mask_targets == "soft"


def test_every_verb_cuts_masks_by_what_the_weights_learned_from(tmp_path, monkeypatch):
    """An object's mask begins inside its box, in prediction, validation and the exported file."""
    pytest.importorskip("onnxruntime")
    about = {"names": YOLO("toybox-n").names}
    model = YOLO(save_weights(tmp_path / "foreign.safetensors", YOLO("toybox-n").network.state_dict(), about))
    image = load_dataset("toybox8-seg").images("val")[0]

    def pixels(model, **arguments):
        return model.predict(image, imgsz=640, **arguments)[0].masks.data.sum().item()

    inset = pixels(model)
    assert inset == pixels(YOLO("toybox-n"), mask_targets="hard") < pixels(YOLO("toybox-n"))
    exported = YOLO(model.export(out=tmp_path / "foreign.onnx", imgsz=(480, 640)))
    assert exported.mask_targets == "hard"
    apart = abs(exported.predict(image)[0].masks.data.sum().item() - inset)
    assert apart < 1e-3 * inset  # the sign of a sum that is nearly zero

    seen = []
    monkeypatch.setattr("seglab.evaluation.validate.validate_dataset", lambda *given, **_: seen.append(given[3]))
    for examined in (model, YOLO("toybox-n")):
        examined.val(data="toybox8-seg")
    assert [config.mask_targets for config in seen] == ["hard", "soft"]


def test_loading_into_a_trained_model_keeps_its_classes(tmp_path, capsys):
    """It takes the class branch whatever its width, and the scores of the classes of equal names."""
    other = init_network("n", 80, seed=3)
    about = {"names": {n: {5: "Toy-Bus"}.get(n, f"{n}?") for n in range(80)}}
    about["names"][7] = YOLO("toybox-n").names[2].upper()
    path = save_weights(tmp_path / "coco.safetensors", other.state_dict(), about)
    model = YOLO("toybox-n")
    before = model.network.state_dict()["model.23.cv3.1.2.weight"].clone()
    names = dict(model.names)
    model.load(path)
    assert model.names == names and model.network.class_width == 80
    assert f"1 of 10 classes known by name ({names[2]})" in capsys.readouterr().out
    after = model.network.state_dict()["model.23.cv3.1.2.weight"]
    assert torch.equal(after[2], other.state_dict()["model.23.cv3.1.2.weight"][7])
    assert after.shape[1] == 80 and before.shape[1] == 64


def test_other_weights_are_not_written_over_the_first_ones_files(tmp_path):
    model = YOLO("toybox-n")
    model.save(tmp_path / "a.safetensors")
    assert YOLO(tmp_path / "a.safetensors").load("toybox-n").path is None  # its export would be a.onnx


def test_a_model_made_in_inference_mode_is_like_any_other():
    with torch.inference_mode():
        made = [YOLO("yolo11n-seg.yaml"), YOLO("toybox-n")]
        assert len(made[1].predict("toybox8-seg"))
    assert not any(tensor.is_inference() for model in made for tensor in model.network.state_dict().values())


def test_a_transfer_lists_everything_by_branch():
    names = [f"model.{layer}.cv1.{part}" for layer in range(9) for part in ("conv.weight", "bn.weight")]
    text = describe_transfer(Transfer(["a"], names, ["model.23.dfl.conv.weight"], []), "x.pt")
    listed = ", ".join(f"model.{layer}.cv1.* (2 tensors)" for layer in range(9))
    assert text.splitlines()[1:] == [
        f"  another shape, left as initialized: {listed}",
        "  missing from the weights, left as initialized: model.23.dfl.* (1 tensor)",
    ]


def test_the_doctor_leaves_the_network_where_and_as_it_is(trained, monkeypatch):
    seen = {}
    monkeypatch.setattr("seglab.diagnosis.doctor.doctor", lambda *_, network, **__: seen.update(network=network))
    trained.doctor("toybox8-seg", device="cpu")
    assert seen["network"] is not trained.network
    own, examined = trained.network.state_dict(), seen["network"].state_dict()
    assert all(torch.equal(own[name], examined[name]) and own[name] is not examined[name] for name in own)
    with pytest.raises(SeglabError, match="doctor has no argument 'model'"):
        trained.doctor(model="x")


def write_checkpoint(path, weights: str, **train_args):
    """A file as ultralytics writes it, with the tensors and names of `weights`."""
    found = load_weights(find_weights(weights))
    content = {"model": dict(found.state), "names": found.metadata["names"], "train_args": train_args}
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("data", "classes", "expected"),
    [
        ("/usr/src/ultralytics/ultralytics/cfg/datasets/coco.yaml", 80, "coco8-seg"),  # nobody asked for 20 GB
        ("/gone/mine.yaml", 80, "mine"),
        ("/gone/coco-private.yaml", 80, "coco8-seg"),
        ("C:\\gone\\coco.yaml", 80, "coco8-seg"),
        ("/gone/toybox8-seg.yaml", 10, "toybox8-seg"),
        ("/gone/pizza.yaml", 10, "/gone/pizza.yaml"),  # its classes are nobody else's: the error must name it
        (None, 10, None),
    ],
)
def test_the_data_of_a_training_elsewhere(tmp_path, monkeypatch, data, classes, expected):
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path))
    (tmp_path / "mine.yaml").touch()
    names = dict(enumerate(COCO_NAMES if classes == 80 else map(str, range(10))))
    content = {"model": YOLO11Seg("n", classes).state_dict(), "names": names, "train_args": {"data": data, "box": 3.0}}
    torch.save(content, tmp_path / "y.pt")
    overrides = YOLO(tmp_path / "y.pt").overrides
    assert overrides.get("data") == expected and overrides["box"] == 3.0


def test_data_that_is_here_stays(tmp_path):
    spec = load_dataset("toybox8-seg")
    write_dataset_yaml(tmp_path / "coco.yaml", {"train": str(spec.root / "images/train")}, spec.names)
    path = write_checkpoint(tmp_path / "y.pt", "toybox-n", data=str(tmp_path / "coco.yaml"))
    assert YOLO(path).overrides["data"] == str(tmp_path / "coco.yaml")


def test_what_is_saved_as_pt_opens_as_pt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = YOLO("toybox-n")
    for name in ("y.pt", "z.pth", "x.safetensors", "y.pt"):  # its own it may write again
        assert model.save(name) == Path(name) and Path(name).is_file()
        again = YOLO(name)
        assert again.names == model.names and again.license == "Apache-2.0"
        assert again.mask_targets == model.mask_targets
        assert again.overrides == {**model.overrides, "model": name}
        for key, tensor in model.network.state_dict().items():
            assert torch.equal(again.network.state_dict()[key], tensor)
    content = torch.load("y.pt", weights_only=True)  # as other tools open it: nothing but tensors and plain data
    assert content["names"] == model.names and set(content["model"]) == set(model.network.state_dict())
    write_checkpoint("old.pt", "toybox-n")
    with pytest.raises(SeglabError, match=r"old\.pt is a checkpoint of another tool, .*: give another name"):
        model.save("old.pt")


def test_scripts_copy_and_open_the_weights_of_a_run(trained, tmp_path, capsys):
    best, last = (trained.path.with_name(name) for name in ("best.pt", "last.pt"))
    assert os.path.exists(best) and os.path.exists(last)
    shutil.copy(best, tmp_path / "mine.pt")
    content = torch.load(tmp_path / "mine.pt", map_location="cpu", weights_only=True)
    again = YOLO(tmp_path / "mine.pt")
    assert again.names == trained.names == content["names"] and again.overrides["imgsz"] == 96
    for name, tensor in YOLO(trained.path).network.state_dict().items():
        assert torch.equal(content["model"][name], tensor)
        assert torch.equal(again.network.state_dict()[name], tensor)


def test_models_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toybox-n").mkdir()  # a folder of that name is no file of weights
    assert YOLO("toybox-n.pt").names == YOLO("toybox-n").names
    for name in ("yolov8n-seg", "yolo26n-seg", "yolov5nu", "yolo11n-pose", "yolov9c-seg", "sam_b", "FastSAM-s"):
        with pytest.raises(SeglabError, match=r"since seglab has YOLO11 only: use yolo11n-seg\.pt"):
            YOLO(f"{name}.pt")
    with pytest.raises(SeglabError, match=r"since seglab has YOLO11 only: use yolo11x-seg\.pt"):
        YOLO("yolo12x-seg.pt")
    with pytest.raises(SeglabError, match=r"has YOLO11: use yolo11m-seg\.yaml"):
        YOLO("yolov8m-seg.yaml")
    for wrong in ("runs/best.pt", "", "11"):
        with pytest.raises(SeglabError, match="give a file, or one of toybox-n, yolo11n-seg, yolo11s-seg"):
            YOLO(wrong)


def test_an_export_lands_beside_the_file_or_here(tmp_path, monkeypatch):
    places = []

    def export(network, names, format, out, imgsz, license, mask_targets, simplify=True, opset=17):
        places.append(out)

    monkeypatch.setattr("seglab.export.exporter.export", export)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    write_checkpoint(tmp_path / "cache/yolo11n-seg.pt", "toybox-n")
    monkeypatch.setattr("seglab.datasets.pretrained.fetch", lambda name: tmp_path / "cache" / name)
    own = YOLO("toybox-n").save(tmp_path / "best.safetensors")
    for model in ("toybox-n", "yolo11n-seg.pt", own, "yolo11n-seg.yaml"):
        YOLO(model).export(simplify=True, device="cpu", opset=17)
    YOLO("toybox-n").export(out="there")
    assert [place and str(place) for place in places] == [
        "toybox-n", "yolo11n-seg", str(tmp_path / "best"), None, "there"
    ]  # fmt: skip


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


def test_changed_weights_are_used_at_once(trained, tmp_path):
    trained = copy.deepcopy(trained)  # what is loaded below is not what the file of its weights holds

    def best_score() -> float:
        predictions, _ = trained._forward("cpu")(torch.full((1, 3, 96, 96), 0.5))
        return float(predictions[:, 4:14].max())

    def shift(amount: float) -> None:
        with torch.no_grad():
            for branch in trained.network.head.cv3:
                branch[-1].bias += amount

    before = best_score()
    weights = trained.save(tmp_path / "now.safetensors")
    shift(1.0)
    assert best_score() > before
    trained.load(weights)
    assert best_score() == before
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
    monkeypatch.setattr("seglab.datasets.pretrained.fetch", lambda name: asked.append(name) or path)
    monkeypatch.chdir(tmp_path)
    return asked


def test_detection_weights_stand_for_those_with_masks(official, capsys):
    YOLO("yolo11n-seg.yaml").load("yolo11n.pt")
    assert official == ["yolo11n-seg.pt"] and "using yolo11n-seg.pt" in capsys.readouterr().out


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A folder with a yolo11n-seg.pt as ultralytics writes it: the course weights, since nothing may be downloaded."""
    monkeypatch.chdir(tmp_path)
    where = "/usr/src/ultralytics/ultralytics/cfg/datasets/toybox8-seg.yaml"
    return write_checkpoint(tmp_path / "yolo11n-seg.pt", "toybox-n", data=where, imgsz=320)


def test_the_segmentation_page_builds_and_trains(stand_in):
    for model in (YOLO("yolo11n-seg.yaml"), YOLO("yolo11n-seg.pt"), YOLO("yolo11n-seg.yaml").load("yolo11n-seg.pt")):
        results = model.train(data="toybox8-seg.yaml", epochs=1, imgsz=64, plots=False, workers=0)
        assert load_weights(model.path).metadata["license"] == model.license
        assert model.val().seg.map == pytest.approx(results.seg.map)


def test_the_segmentation_page_validates_predicts_and_exports(stand_in, monkeypatch):
    pytest.importorskip("onnxruntime")
    model = YOLO("yolo11n-seg.pt")
    metrics = model.val()  # no arguments needed, dataset and size remembered
    for part in (metrics.box, metrics.seg):
        assert 0.2 < part.map <= part.map75 <= part.map50 <= 1
        assert len(part.maps) == 10 and np.mean(part.maps) == pytest.approx(part.map, abs=0.05)

    picture = load_dataset("toybox8-seg").images("val")[0]
    results = model(str(picture))
    for result in results:
        assert len(result.masks.xy) == len(result.masks.xyn) == len(result.masks.data) == len(result) > 0
        height, width = result.orig_shape
        for polygon, shares, mask in zip(result.masks.xy, result.masks.xyn, result.masks.data):
            assert mask.shape == (height, width) and polygon.shape[1] == 2
            np.testing.assert_allclose(shares * [width, height], polygon, rtol=1e-5)
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    with pytest.raises(SeglabError, match=r"cannot fetch https://ultralytics\.com/images/bus\.jpg while SEGLAB"):
        model("https://ultralytics.com/images/bus.jpg")

    exported = model.export(format="onnx")
    assert exported == "yolo11n-seg.onnx"
    (again,) = YOLO(exported)(str(picture), conf=0.5)
    assert len(again) == len(model(str(picture), conf=0.5, rect=False)[0]) > 0


@pytest.mark.parametrize("data", ["toybox8-seg", "toybox-fresh:3"])  # files, and images made when needed
def test_resume_goes_on_with_the_run_of_the_weights(tmp_path, monkeypatch, data):
    arguments = {"data": data, "imgsz": 64, "batch": 4, "workers": 0, "plots": False, "val": False}

    def stop_after_one(self, good, progress, better):
        add(self, good, progress, better)
        raise KeyboardInterrupt

    add = CheckpointWriter.add
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointWriter, "add", stop_after_one)
        YOLO("yolo11n-seg.yaml").train(epochs=2, project=str(tmp_path), name="cut", **arguments)
    YOLO("yolo11n-seg.yaml").train(epochs=2, project=str(tmp_path), name="whole", **arguments)
    assert main(["train", "resume", f"model={tmp_path}/cut/weights/last.pt"]) == 0
    cut, whole = (load_weights(tmp_path / name / "weights/last.safetensors").state for name in ("cut", "whole"))
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


def test_a_resumed_run_brings_its_model_and_its_data(tmp_path, monkeypatch):
    project, spec = str(tmp_path / "runs"), load_dataset("toybox8-seg")
    small = {"imgsz": 32, "batch": 4, "workers": 0, "plots": False, "val": False, "project": project, "name": "cut"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointWriter, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        YOLO("yolo11s-seg.yaml").train(data="toybox8-seg", epochs=1, **small)
    write_dataset_yaml(
        tmp_path / "two.yaml", {split: str(spec.root / "images" / split) for split in ("train", "val")}, {0: "a"}
    )
    with pytest.raises(SeglabError, match=r"has 10 classes, but .* has 1"):
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
    with pytest.raises(SeglabError, match="pass model="):
        weights_beside(tmp_path / "last.onnx")


def test_a_prediction_saves_what_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = YOLO("toybox-n")
    list(model.predict("toybox8-seg", imgsz=64, verbose=True, stream=True))
    assert not Path("runs").exists()
    results = model.predict("toybox8-seg", save=True, save_crop=True, show_labels=False, imgsz=320)
    assert {result.save_dir for result in results} == {"runs/segment/predict"}
    assert len(list(Path("runs/segment/predict").glob("*.jpg"))) == 4
    assert len(list(Path("runs/segment/predict/crops").rglob("*.jpg"))) == sum(map(len, results)) > 20
    with pytest.raises(SeglabError, match="save='yes' must be of type bool"):
        model.predict("toybox8-seg", save="yes", stream=True)  # at once, not with the first image


# What scripts ask of the model itself


def test_classes_are_renamed_on_the_network_too(tmp_path):
    """As scripts for ultralytics do, where results, metrics and files follow."""
    model = YOLO("toybox-n")
    model.model.names = {**model.model.names, 0: "renamed"}
    assert model.names[0] == "renamed" and model.model.names is model.names
    image = np.zeros((64, 64, 3), np.uint8)
    assert model(image, imgsz=64, verbose=False)[0].names[0] == "renamed"
    model.model.names[1] = "another"
    assert copy.deepcopy(model).names[1] == "another"
    assert YOLO(model.save(tmp_path / "renamed.safetensors") or tmp_path / "renamed.safetensors").names[0] == "renamed"
    model.names = list(model.names.values())
    assert model.model.names[0] == "renamed"


def test_the_attributes_and_methods_of_a_model(trained, capsys):
    assert trained.task == "segment" and trained.transforms is None and trained.device.type == "cpu"
    assert trained.ckpt_path == str(trained.path) and YOLO("yolo11n-seg.yaml").ckpt_path is None
    assert trained.model.names == trained.names and trained.model.stride.tolist() == [8, 16, 32]
    assert trained.trainer.best == trained.trainer.save_dir / "weights/best.pt" and trained.trainer.best.is_file()
    assert trained.metrics.results_dict and trained.predict("toybox8-seg") is trained.predictor.results

    info = trained.info(verbose=False)
    assert capsys.readouterr().out == ""
    assert info.parameters == sum(parameter.numel() for parameter in trained.parameters())
    assert info.gradients < info.parameters
    assert trained.info(verbose=False, imgsz=320).gflops == pytest.approx(info.gflops / 4, rel=0.01)
    trained.info(detailed=True)
    assert "model.0.conv.weight" in capsys.readouterr().out
    assert trained.cpu().eval().fuse() is trained and not trained.network.training
    assert trained.train_mode().network.training and not trained.train_mode(False).network.training
    assert list(trained.state_dict()) == list(trained.network.state_dict())
    names = [name for name, _ in trained.named_parameters()]
    assert len(names) == len(list(trained.parameters())) and info.layers == 203


def test_half_and_back(tmp_path):
    model = YOLO("toybox-n")
    before = model("toybox8-seg", conf=0.5)
    assert model.half().network.model[0].conv.weight.dtype == torch.float16
    rounded = model("toybox8-seg", conf=0.5)
    assert model.float().network.model[0].conv.weight.dtype == torch.float32
    assert [len(result) for result in rounded] == pytest.approx([len(result) for result in before], abs=1)
    model.load_state_dict(YOLO("toybox-n").state_dict())
    assert torch.equal(model("toybox8-seg")[0].boxes.data, YOLO("toybox-n")("toybox8-seg")[0].boxes.data)


def test_reset_weights_forgets_everything():
    model = YOLO("toybox-n")
    names = dict(model.names)
    assert model.reset_weights() is model and model.names == names and model.license == "unknown"
    assert model.ckpt_path is None and not len(model("toybox8-seg", conf=0.5)[0])
    with pytest.raises(SeglabError, match="has learned no classes"):
        model.train(data="toybox8-seg", keep=True)


def test_an_image_becomes_a_vector(trained):
    one, two, *_ = trained.embed(load_dataset("toybox8-seg").images("val"))
    assert one.shape == two.shape == (256,) and not torch.equal(one, two)
    (again,) = trained.embed(load_dataset("toybox8-seg").images("val")[0])
    torch.testing.assert_close(again, one)
    assert not trained.network.model[22]._forward_hooks
    with pytest.raises(SeglabError, match="did you mean 'imgsz'"):
        trained.embed("a.jpg", imgz=3)


def test_no_image_is_no_source(trained):
    """What cv2.imread gives for a file it cannot read: no other images may take its place."""
    for call in (trained, trained.predict, lambda source: trained.predict(source=source, stream=True)):
        with pytest.raises(SeglabError, match=r"no image to predict on: .*cv2\.imread"):
            call(None)
    assert len(trained.predict()) == 4  # asked for nothing, it shows what it can do


def test_copies_and_pickles(trained, tmp_path):
    found = trained("toybox8-seg", conf=0.01, max_det=3)
    for again in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert again.names == trained.names and again.trainer is None
        for ours, theirs in zip(found, again("toybox8-seg", conf=0.01, max_det=3)):
            assert torch.equal(ours.boxes.data, theirs.boxes.data)
    assert trained.trainer is not None
    pytest.importorskip("onnxruntime")
    exported = YOLO(trained.export(format="onnx", out=tmp_path / "m", imgsz=96))
    again = pickle.loads(pickle.dumps(exported))
    assert len(again("toybox8-seg")) == 4 and again.names == exported.names


# Callbacks


def test_every_event_is_told_in_its_order(tmp_path):
    """A training of two epochs of two batches: what is called when, and with what."""
    model, told, seen = YOLO("yolo11n-seg.yaml"), [], {}

    def note(event):
        def function(run):
            told.append(event)
            seen.setdefault(event, run)
            run.mine = event  # the object is the same at the next event

        return function

    for event in TRAIN_EVENTS + VAL_EVENTS:
        model.add_callback(event, note(event))

    def look(trainer):
        assert trainer.loss_names == ("box_loss", "seg_loss", "cls_loss", "dfl_loss")
        assert set(trainer.loss_items) == set(trainer.tloss) == set(trainer.loss_names)
        labeled = trainer.label_loss_items(trainer.tloss, prefix="train")
        assert list(labeled) == [f"train/{name}" for name in trainer.loss_names] and labeled["train/box_loss"] > 0
        assert (
            trainer.optimizer.param_groups and trainer.args.epochs == trainer.epochs == 2 and trainer.lr["lr/pg0"] >= 0
        )
        assert trainer.last.parent == trainer.wdir and trainer.data["nc"] == 10 and trainer.batch_size == 2

    model.add_callback("on_train_batch_end", look)
    epochs, files = [], []
    model.add_callback("on_fit_epoch_end", lambda trainer: epochs.append((trainer.epoch, len(trainer.metrics))))
    model.add_callback("on_model_save", lambda trainer: files.append(trainer.last.stat().st_mtime_ns))
    metrics = model.train(data="toybox8-seg", epochs=2, imgsz=64, batch=2, nbs=2, workers=0, project=str(tmp_path))

    batch = ["on_train_batch_start", "optimizer_step", "on_before_zero_grad", "on_params_update", "on_train_batch_end"]
    validation = ["on_val_start", *["on_val_batch_start", "on_val_batch_end"] * 2, "on_val_end"]
    epoch = ["on_train_epoch_start", *batch * 2, "on_train_epoch_end", *validation, "on_model_save", "on_fit_epoch_end"]
    start = ["on_pretrain_routine_start", "on_pretrain_routine_end", "on_train_start"]
    assert told == [*start, *epoch * 2, "on_fit_epoch_end", "on_train_end", "teardown"]
    assert [number for number, _ in epochs] == [0, 1, 1] and epochs[0][1] == 12 and len(set(files)) == 2
    assert seen["on_train_start"] is seen["teardown"] is model.trainer and model.trainer.mine == "teardown"
    assert model.trainer.fitness == metrics.fitness and seen["on_val_end"].metrics is not None


def test_a_callback_may_end_a_training(tmp_path):
    model = YOLO("yolo11n-seg.yaml")
    model.add_callback("on_train_epoch_end", lambda trainer: setattr(trainer, "stop", True))
    model.train(data="toybox8-seg", epochs=5, imgsz=64, batch=4, workers=0, plots=False, project=str(tmp_path))
    assert len((model.trainer.csv).read_text().splitlines()) == 2


def test_callbacks_of_the_other_verbs(trained, tmp_path):
    model, told = copy.deepcopy(trained), []
    for event in VAL_EVENTS + PREDICT_EVENTS + EXPORT_EVENTS:
        model.add_callback(event, lambda _, event=event: told.append(event))
    model.val(data="toybox8-seg", imgsz=64, batch=2, verbose=False)
    assert told == ["on_val_start", *["on_val_batch_start", "on_val_batch_end"] * 2, "on_val_end"]

    told.clear()
    model.add_callback("on_predict_batch_end", lambda p: setattr(p, "results", zip(p.results, p.batch[1])))
    pairs = model.predict("toybox8-seg", batch=3, save=True, project=str(tmp_path))
    assert len(pairs) == 4 and all(image is result.orig_img for result, image in pairs)
    assert len(list((tmp_path / "predict").glob("*.jpg"))) == 4 and model.predictor.save_dir == tmp_path / "predict"
    batch = ["on_predict_batch_start", "on_predict_postprocess_end", "on_predict_batch_end"]
    assert told == ["on_predict_start", *batch * 2, "on_predict_end"]

    told.clear()
    files = []
    model.add_callback("on_export_end", lambda exporter: files.append(exporter.file))
    written = model.export(format="torchscript", out=tmp_path / "m", imgsz=64)
    assert told == ["on_export_start", "on_export_end"] and files == [written]

    model.clear_callback("on_predict_batch_end")
    assert len(model.predict("toybox8-seg")[0]) >= 0
    told.clear()
    model.reset_callbacks()
    model.predict("toybox8-seg")
    assert not told
    with pytest.raises(SeglabError, match="did you mean 'on_train_end'"):
        model.add_callback("on_train_ends", print)
