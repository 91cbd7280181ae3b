"""Objects have the names, keys, columns and shapes that scripts know from the peer, asked of it as it runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.events import EVENTS
from seglab.formats.yolo import write_dataset_yaml

peer = pytest.importorskip("ultralytics", reason="the peer is not installed: pip install 'seglab[parity]'")

# What the peer's objects have for other tasks and for their own machinery.
OTHER_TASKS = {"semantic_mask", "depth", "task_map", "is_triton_model"}
INNER = {"clear_stats", "clear_image_metrics", "process", "stats", "update_stats", "update", "update_image_metrics",
         "image_metrics", "process_batch", "process_cls_preds", "plot_matches", "matches", "calibrate", "ckpt", "cfg",
         "compile"}  # fmt: skip


def public(thing) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The course weights in both, which then predict and validate alike."""
    from ultralytics.nn.tasks import SegmentationModel

    folder = tmp_path_factory.mktemp("peer")
    ours = YOLO("toybox-n")
    network = SegmentationModel("yolo11n-seg.yaml", nc=10, verbose=False)
    network.load_state_dict(ours.state_dict())
    network.names, network.args = dict(ours.names), {"task": "segment", "imgsz": 320}
    torch.save({"model": network, "train_args": network.args}, folder / "peer.pt")
    spec = load_dataset("toybox8-seg")
    images = {split: str(spec.root / "images" / split) for split in ("train", "val")}
    write_dataset_yaml(folder / "toybox.yaml", images, spec.names)
    return peer.YOLO(folder / "peer.pt"), ours, folder


@pytest.fixture(scope="module")
def found(models):
    theirs, ours, _ = models
    image = str(load_dataset("toybox8-seg").images("val")[0])
    return theirs.predict(image, imgsz=320, retina_masks=True, verbose=False)[0], ours.predict(image, imgsz=320)[0]


@pytest.fixture(scope="module")
def measured(models):
    theirs, ours, folder = models
    shared = {"data": str(folder / "toybox.yaml"), "imgsz": 320, "batch": 4, "workers": 0, "plots": True}
    shared |= {"verbose": False, "project": str(folder / "runs")}  # without plots, the peer's confusion matrix is empty
    return theirs.val(**shared, name="theirs"), ours.val(**shared, name="ours")


def test_results_have_every_name(found):
    theirs, ours = found
    for there, here in ((theirs, ours), (theirs.boxes, ours.boxes), (theirs.masks, ours.masks)):
        assert public(there) - OTHER_TASKS <= public(here)


def test_a_model_has_every_name_that_is_not_of_torch(models):
    theirs, ours, _ = models
    assert public(theirs) - public(torch.nn.Module) - OTHER_TASKS - INNER <= public(ours)
    assert set(theirs.callbacks) == set(EVENTS)
    info = ours.info(verbose=False)
    assert theirs.info(detailed=False, verbose=True)[1:3] == info[1:3] and len(info) == 4


def test_networks_are_described_alike(models):
    theirs, ours, _ = models
    there, here = theirs.model, ours.model
    assert {name: value for name, value in there.yaml.items() if name != "yaml_file"} == {
        name: value for name, value in here.yaml.items() if name != "yaml_file"
    }
    for layer, own in zip(there.model, here.model):
        assert (layer.i, layer.f, layer.np) == (own.i, own.f, own.np)
    for name in ("nc", "nl", "nm", "npr", "reg_max", "no", "i", "f"):
        assert getattr(there.model[-1], name) == getattr(here.model[-1], name)
    assert there.model[-1].stride.tolist() == here.model[-1].stride.tolist() == here.stride.tolist()
    assert list(there.save) == here.save and there.names == here.names
    assert {"task", "model", "imgsz"} <= set(theirs.overrides) & set(ours.overrides)


def test_results_hold_alike(found):
    theirs, ours = found
    assert len(ours) == len(theirs) > 3
    assert ours.boxes.data.shape == theirs.boxes.data.shape and ours.masks.data.shape == theirs.masks.data.shape
    assert ours.masks.data.dtype == theirs.masks.data.dtype and ours.orig_shape == theirs.orig_shape
    assert [outline.dtype for outline in ours.masks.xy] == [outline.dtype for outline in theirs.masks.xy]
    assert set(ours.speed) == set(theirs.speed) and ours.names == theirs.names
    assert ours.plot().shape == theirs.plot().shape and type(ours.plot(pil=True)) is not np.ndarray
    first, second = theirs.summary()[0], ours.summary()[0]
    assert list(first) == list(second) and first["name"] == second["name"]
    assert list(first["box"]) == list(second["box"]) and list(first["segments"]) == list(second["segments"])
    assert json.loads(theirs.to_json())[0].keys() == json.loads(ours.to_json())[0].keys()
    assert theirs.to_csv().splitlines()[0] == ours.to_csv().splitlines()[0]
    assert list(theirs.to_df().columns) == list(ours.to_df().columns)


def test_vectors_are_alike(models):
    theirs, ours, _ = models
    image = str(load_dataset("toybox8-seg").images("val")[0])
    (there,), (here,) = theirs.embed(image, imgsz=320, verbose=False), ours.embed(image, imgsz=320)
    assert there.shape == here.shape
    assert torch.nn.functional.cosine_similarity(there, here, dim=0) > 0.999


def test_metrics_have_every_name_and_key(measured):
    theirs, ours = measured
    for there, here in ((theirs, ours), (theirs.seg, ours.seg), (theirs.confusion_matrix, ours.confusion_matrix)):
        assert public(there) - INNER <= public(here)
    assert theirs.keys == ours.keys and list(theirs.results_dict) == list(ours.results_dict)
    assert theirs.curves == ours.curves and list(theirs.speed) == list(ours.speed)
    for (x, y, *labels), (our_x, our_y, *our_labels) in zip(theirs.curves_results, ours.curves_results):
        assert x.shape == our_x.shape and np.shape(y) == our_y.shape and labels == our_labels
    assert theirs.nt_per_class.tolist() == ours.nt_per_class.tolist()
    assert theirs.nt_per_image.tolist() == ours.nt_per_image.tolist()
    assert list(theirs.summary()[0]) == list(ours.summary()[0])
    assert list(theirs.to_df().columns) == list(ours.to_df().columns)
    assert theirs.to_csv().splitlines()[0] == ours.to_csv().splitlines()[0]


def test_confusion_matrices_are_alike(measured):
    theirs, ours = (metrics.confusion_matrix for metrics in measured)
    assert theirs.matrix.shape == ours.matrix.shape and len(theirs.tp_fp()) == len(ours.tp_fp())
    assert theirs.matrix.sum(axis=0)[:-1].tolist() == ours.matrix.sum(axis=0)[:-1].tolist()  # labels of each class
    assert theirs.to_df().shape == ours.to_df().shape and theirs.summary()[0].keys() >= {"Predicted", "background"}


def test_trainings_tell_in_the_same_order_and_leave_the_same_files(models, tmp_path):
    """What the peer never tells, such as optimizer_step, is left out, and so is its second look at the best weights."""
    theirs, _, folder = models
    told: dict[str, list[str]] = {"theirs": [], "ours": []}
    files = {}
    silent = ("optimizer_step", "on_before_zero_grad", "on_params_update")
    for name, model, epochs in (("theirs", peer.YOLO(theirs.ckpt_path), 2), ("ours", YOLO("yolo11n-seg.yaml"), 2)):
        for event in EVENTS:
            model.add_callback(event, lambda _, name=name, event=event: told[name].append(event))
        model.train(data=str(folder / "toybox.yaml"), epochs=epochs, imgsz=64, batch=4, workers=0, device="cpu",
                    project=str(tmp_path), name=name, verbose=False)  # fmt: skip
        run = tmp_path / name
        files[name] = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
        assert model.trainer.save_dir == run and model.trainer.best == run / "weights/best.pt"
    validation = ["on_val_start", "on_val_batch_start", "on_val_batch_end", "on_val_end"]
    assert told["theirs"][-7:-3] == validation
    del told["theirs"][-7:-3]
    assert [event for event in told["ours"] if event not in silent] == told["theirs"]
    assert files["theirs"] - {"train_batch1.jpg", "train_batch2.jpg"} <= files["ours"]
    theirs_columns, ours_columns = (
        {column.strip() for column in (tmp_path / name / "results.csv").read_text().splitlines()[0].split(",")}
        for name in ("theirs", "ours")
    )
    assert theirs_columns - {"train/sem_loss", "val/sem_loss"} <= ours_columns
    rows = [len((tmp_path / name / "results.csv").read_text().splitlines()) for name in ("theirs", "ours")]
    assert rows == [3, 3]
