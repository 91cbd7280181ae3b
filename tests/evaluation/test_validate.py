"""Validation of networks whose figures are known beforehand."""

from __future__ import annotations

import json
import shutil
import tracemalloc

import numpy as np
import pytest
import torch

from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.evaluation.coco import evaluate_files
from seglab.evaluation.validate import EvaluatedImage, native_instances, validate, validate_dataset
from seglab.geometry.letterbox import letterbox
from seglab.geometry.rle import area, rings_to_rle
from seglab.inference.nms import Detections
from seglab.sample import Instance


@pytest.fixture(scope="module")
def dataset(toybox):
    return SegmentationDataset(toybox, "val", 640, rect=True)


def test_a_perfect_network_is_called_perfect(dataset, oracle):
    perfect = oracle(dataset)
    metrics = validate(perfect.forward, perfect, dataset, dataset.names, ValidateConfig())
    assert metrics.box.map == pytest.approx(1) and metrics.box.map50 == pytest.approx(1)
    assert metrics.seg.map50 > 0.95 and 0.8 < metrics.seg.map < 1  # masks are a quarter as fine as images
    assert metrics.box.mp == metrics.box.mr == 1
    assert metrics.box.coco.stats["AP"] == pytest.approx(metrics.box.map)
    assert metrics.confusion_matrix.matrix.trace() == metrics.confusion_matrix.matrix.sum() == metrics.instances.sum()
    assert metrics.image_count == 4 and set(metrics.speed) == {"preprocess", "inference", "loss", "postprocess"}


@pytest.mark.parametrize("protocol", ["coco", "yolo"])
def test_what_several_processes_count_joins_into_what_one_counts(dataset, oracle, protocol, monkeypatch):
    perfect = oracle(dataset, change=lambda predictions, _: predictions.mul_(torch.tensor(0.97)))  # not all is right
    config = ValidateConfig(protocol=protocol)
    tallies = []
    monkeypatch.setattr("seglab.evaluation.validate.gather", lambda process, tally: tallies.append(tally) or [tally])
    whole = validate(perfect.forward, perfect, dataset, dataset.names, config)
    for batch in perfect:
        validate(perfect.forward, [batch], dataset, dataset.names, config)
    parts = tallies[1:]
    assert len(parts) > 1
    for part in parts[-2::-1]:  # in another order
        parts[-1].join(part)
    joined = parts[-1].metrics(dict(dataset.names), protocol)
    assert joined.mean_results() == whole.mean_results() and 0 < whole.seg.map < 0.995
    assert (joined.confusion_matrix.matrix == whole.confusion_matrix.matrix).all()
    assert (joined.images == whole.images).all() and joined.image_count == whole.image_count
    with pytest.raises(ValueError, match="added twice"):
        parts[-1].join(parts[0])


def test_the_yolo_protocol_tops_out_at_995_as_its_rule_has_it(dataset, oracle):
    perfect = oracle(dataset)
    metrics = validate(perfect.forward, perfect, dataset, dataset.names, ValidateConfig(protocol="yolo"))
    assert metrics.box.map == pytest.approx(0.995) and 0.95 < metrics.seg.map50 <= 0.995
    assert metrics.box.coco is None


@pytest.mark.parametrize("protocol", ["coco", "yolo"])
def test_a_silent_network_and_one_that_sees_things_get_nothing(dataset, oracle, protocol):
    silent = oracle(dataset, change=lambda predictions, _: predictions.zero_())
    metrics = validate(silent.forward, silent, dataset, dataset.names, ValidateConfig(protocol=protocol))
    assert metrics.mean_results() == [0.0] * 8 and metrics.confusion_matrix.matrix[-1].sum() == metrics.instances.sum()

    def elsewhere(predictions, _):
        predictions[:, :2] = 4

    blind = oracle(dataset, change=elsewhere)
    metrics = validate(blind.forward, blind, dataset, dataset.names, ValidateConfig(protocol=protocol))
    assert metrics.box.map50 == metrics.seg.map50 == 0
    assert metrics.confusion_matrix.matrix[:, -1].sum() > 0 and metrics.confusion_matrix.matrix.trace() == 0


def test_predictions_json_evaluates_to_the_printed_figures(dataset, oracle, tmp_path, monkeypatch):
    """What validation counts image by image equals COCO's evaluation of the two files."""
    monkeypatch.chdir(tmp_path)

    def shake(predictions, _):
        generator = torch.Generator().manual_seed(0)
        predictions[:, :4] *= 1 + 0.03 * torch.randn(predictions[:, :4].shape, generator=generator)

    shaken = oracle(dataset, change=shake)
    results = []
    metrics = validate(shaken.forward, shaken, dataset, dataset.names, results=results)
    annotations, images = [], []
    for index in range(len(dataset)):
        height, width = dataset.image_sizes[index]
        images.append({"id": dataset.image_id(index), "height": height, "width": width})
        for item in dataset.instances(index):
            rle = rings_to_rle(item.rings, height, width)  # polygons could not say that a ring is a hole
            x, y = np.concatenate(item.rings).T
            annotations.append({
                "id": len(annotations) + 1, "image_id": images[-1]["id"], "iscrowd": 0,
                "category_id": dataset.category_ids[item.class_id],
                "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}, "area": area(rle),
                "bbox": [x.min(), y.min(), np.ptp(x), np.ptp(y)],
            })  # fmt: skip
    categories = [{"id": dataset.category_ids[class_id], "name": name} for class_id, name in dataset.names.items()]
    ground_truth = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "truth.json").write_text(json.dumps(ground_truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    for kind, task in (("bbox", metrics.box), ("segm", metrics.seg)):
        figures = evaluate_files("truth.json", "results.json", kind).stats
        assert 0.3 < task.map < 1
        assert figures == task.coco.stats


def test_labels_that_had_to_be_mended_count_in_both_protocols(toybox, oracle, tmp_path):
    shutil.copytree(toybox.root, tmp_path / "toybox8-seg")
    for path in (tmp_path / "toybox8-seg" / "labels" / "val").iterdir():
        path.write_text(path.read_text() + "\n3 0.1 0.1 0.2\nno numbers\n")
    dataset = SegmentationDataset(load_dataset(tmp_path / "toybox8-seg"), "val", 320, rect=True)
    perfect = oracle(dataset)
    for protocol, best in (("coco", 1.0), ("yolo", 0.995)):
        metrics = validate(perfect.forward, perfect, dataset, dataset.names, ValidateConfig(protocol=protocol))
        assert metrics.box.map == pytest.approx(best)


def test_strict_validation_stops_at_the_first_fault(toybox, tmp_path, capsys):
    shutil.copytree(toybox.root, tmp_path / "toybox8-seg")
    path = min((tmp_path / "toybox8-seg" / "labels" / "val").iterdir())
    path.write_text(path.read_text() + "\n3 0.1 0.1 0.2\n")
    spec = load_dataset(tmp_path / "toybox8-seg")
    with pytest.raises(SeglabError, match=rf"{path.name}:\d+: too few points"):
        validate_dataset(None, spec, spec.names, ValidateConfig(imgsz=64, strict=True))
    assert "finding" not in capsys.readouterr().out


def test_file_names_may_repeat_and_mix_words_with_numbers(toybox, oracle, tmp_path):
    for folder in ("a", "b"):
        for kind in ("images", "labels"):
            shutil.copytree(toybox.root / kind / "val", tmp_path / folder / kind)
    for kind, suffix in (("images", "jpg"), ("labels", "txt")):
        first = min((tmp_path / "a" / kind).iterdir())
        first.rename(first.with_name(f"word.{suffix}"))
    names = dict(toybox.names)
    (tmp_path / "both.yaml").write_text(
        json.dumps({"path": ".", "val": ["a/images", "b/images"], "names": list(names.values())})
    )
    dataset = SegmentationDataset(load_dataset(tmp_path / "both.yaml"), "val", 320, rect=True)
    perfect = oracle(dataset)
    metrics = validate(perfect.forward, perfect, dataset, names)
    assert metrics.image_count == 8 and metrics.box.map == pytest.approx(1)


def test_masks_that_cannot_match_are_left_out_and_change_no_figure(dataset, oracle, monkeypatch):
    """Shaken boxes among hundreds of poor ones, some classes wrong: the same figures with every mask and with few."""
    generator = torch.Generator().manual_seed(1)
    drawn = []

    def shake(predictions, prototypes):
        anchors = predictions.shape[2]
        predictions[:, :4] *= 1 + 0.03 * torch.randn(predictions[:, :4].shape, generator=generator)
        predictions[:, :4, 40:] = torch.rand(len(predictions), 4, anchors - 40, generator=generator) * 300
        predictions[:, 4:14] += (torch.rand(predictions[:, 4:14].shape, generator=generator) - 0.99).clamp(min=0)
        predictions[:, 14:] += 0.05 * torch.randn(predictions[:, 14:].shape, generator=generator)
        drawn.append((predictions, prototypes))

    shaken = oracle(dataset, change=shake)
    few = validate(shaken.forward, shaken, dataset, dataset.names)
    whole = native_instances
    masks = []

    def counted(image, every_mask=False):
        masks.append([mask is not None for mask in whole(image)[1].masks])
        return whole(image, every_mask=True)

    monkeypatch.setattr("seglab.evaluation.validate.native_instances", counted)
    answers = iter([*drawn])
    every = validate(lambda images: next(answers), oracle(dataset), dataset, dataset.names)
    assert few.seg.coco.stats == every.seg.coco.stats and few.box.coco.stats == every.box.coco.stats
    assert 0.1 < few.seg.map < 0.95 and 0 < np.mean(np.concatenate(masks)) < 0.3


def test_large_scenes_are_not_held_as_pixels():
    """Forty detections that cover a 4K image, 332 MB as masks."""
    box = letterbox((2160, 3840), (160, 160))
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[0.0, 0.0, 160.0, 160.0]]).expand(40, 4)
    found = Detections(boxes, torch.rand(40), torch.zeros(40, dtype=torch.int64), torch.rand(40, 32))
    prototypes = torch.randn(32, 40, 40, generator=generator)
    corners = np.array([[0, 0], [3840, 0], [3840, 2160], [0, 2160]], dtype=float)
    image = EvaluatedImage(1, 1, None, box, [Instance(0, [corners])], found, prototypes)
    tracemalloc.start()
    _, instances = native_instances(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(instances.masks) == 40 and peak < 100e6


def test_validate_dataset_writes_what_was_asked_for(dataset, toybox, oracle, tmp_path, capsys, monkeypatch):
    perfect = oracle(dataset)

    def forward(images):  # the batches come from a loader of its own, in the same order
        perfect.batch = next(batches, None)
        if perfect.batch is None:  # the images that are drawn in the end
            return torch.zeros(len(images), 46, 8400), torch.zeros(len(images), 32, 160, 160)
        return perfect.forward(images)

    batches = iter(oracle(dataset, batch=2))
    config = ValidateConfig(
        imgsz=640, batch=2, plots=True, save_json=True, project=str(tmp_path), name="run", verbose=True
    )
    metrics = validate_dataset(forward, toybox, dict(toybox.names), config)
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"predictions.json", "confusion_matrix.png", "BoxPR_curve.png", "MaskF1_curve.png"} <= written
    drawn = {f"val_batch{number}_{what}.jpg" for number in (0, 1) for what in ("labels", "pred")}
    assert drawn | {"confusion_matrix_normalized.png"} <= written and metrics.save_dir == tmp_path / "run"
    assert not (tmp_path / "run/val_batch2_pred.jpg").exists()  # four images are two batches of two
    assert list(metrics.speed) == ["preprocess", "inference", "loss", "postprocess"]
    assert metrics.box.map == pytest.approx(1)
    assert "mAP50-95" in capsys.readouterr().out
    with pytest.raises(SeglabError, match="3 classes"):
        validate_dataset(forward, toybox, {0: "a", 1: "b", 2: "c"}, config)
    with pytest.raises(SeglabError, match="protocol"):
        ValidateConfig(protocol="voc")
