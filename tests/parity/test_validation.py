"""The YOLO protocol gives the numbers ultralytics prints for the same predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.datasets.load import load_dataset
from seglab.evaluation.coco import CocoAccumulator
from seglab.evaluation.metrics import Metrics, task_metrics
from seglab.evaluation.yolo import average_precision, quarter_detections, yolo_ground_truth
from seglab.files import bundled_data_dir, label_path
from seglab.formats.yolo import raw_rows
from seglab.geometry.letterbox import Letterbox
from seglab.inference.nms import suppress
from seglab.model.weights import load_weights

peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")
from ultralytics.nn.tasks import SegmentationModel  # noqa: E402


def imagined(batch: dict, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions (B, 4 + C + 32, A) and prototypes of a middling network: the ground truth, blurred and shaken."""
    rng = np.random.default_rng(seed)
    count, _, height, width = batch["img"].shape
    anchors = sum(height // s * (width // s) for s in (8, 16, 32))
    predictions = np.zeros((count, 4 + classes + 32, anchors), np.float32)
    prototypes = rng.normal(0, 0.3, (count, 32, height // 4, width // 4)).astype(np.float32)
    predictions[:, :4] = rng.uniform(8, 100, (count, 4, anchors))
    predictions[:, 4:-32] = np.maximum(0, rng.normal(-0.03, 0.013, (count, classes, anchors)))
    predictions[:, -32:] = rng.normal(0, 0.3, (count, 32, anchors))
    for i in range(count):
        mine = (batch["batch_idx"] == i).numpy()
        boxes, labels = batch["bboxes"][mine].numpy(), batch["cls"][mine].numpy().ravel().astype(int)
        for j, (box, label) in enumerate(zip(boxes, labels)):
            shape = (batch["masks"][i].numpy() == j + 1).astype(np.float32)
            prototypes[i, j % 32] += 3 * cv2.GaussianBlur(shape, (5, 5), 1) - 1.5
            for slot in rng.choice(anchors, rng.integers(0, 7), replace=False):
                jitter = rng.normal(1, 0.06, 4)
                predictions[i, :4, slot] = box * (width, height, width, height) * jitter
                predictions[i, 4:-32, slot] *= 0
                guess = label if rng.random() < 0.8 else rng.integers(classes)
                predictions[i, 4 + guess, slot] = rng.beta(2, 2)
                predictions[i, -32:, slot] = rng.normal(0, 0.15, 32)
                predictions[i, -32 + j % 32, slot] += 1.5
    return torch.from_numpy(predictions), torch.from_numpy(prototypes)


@pytest.fixture(scope="module")
def peers_run(datasets_folder, tmp_path_factory):
    """Ultralytics validates imagined predictions on COCO8-seg: (its figures, its batches with those predictions)."""
    from ultralytics.models.yolo.segment import SegmentationValidator
    from ultralytics.nn.autobackend import AutoBackend

    folder = tmp_path_factory.mktemp("peer")
    shutil.copytree(datasets_folder / "coco8-seg", folder / "coco8-seg")
    names = "".join(f"  {i}: c{i}\n" for i in range(80))
    (folder / "data.yaml").write_text(
        f"path: {folder / 'coco8-seg'}\ntrain: images/val\nval: [images/val, images/train]\nnames:\n{names}"
    )
    batches = []

    class Validator(SegmentationValidator):
        def preprocess(self, batch):
            batches.append(batch)
            return super().preprocess(batch)

    def forward(self, images, **_):
        if len(batches) == 0 or "predictions" in batches[-1]:  # warm-up calls come before the first batch
            return [tuple(torch.zeros(1, *shape) for shape in ((116, 8400), (32, 160, 160))), {}]
        batch = batches[-1]
        batch["predictions"], batch["prototypes"] = imagined(batch, 80, seed=len(batches))
        return [(batch["predictions"].clone(), batch["prototypes"].clone()), {}]

    real = AutoBackend.forward
    AutoBackend.forward = forward
    try:
        metrics = peer.YOLO("yolo11n-seg.yaml").val(
            data=folder / "data.yaml", validator=Validator, batch=3, plots=False, workers=0, project=str(folder)
        )
    finally:
        AutoBackend.forward = real
    return metrics, batches


def test_the_same_predictions_give_the_same_figures(peers_run):
    theirs, batches = peers_run
    box, seg = CocoAccumulator(range(80), "bbox", 300), CocoAccumulator(range(80), "segm", 300)
    for batch in batches:
        size = tuple(batch["img"].shape[-2:])
        for i, found in enumerate(suppress(batch["predictions"], 0.001, 0.7, 300, multi_label=True)):
            image, (gain, pad) = Path(batch["im_file"][i]), batch["ratio_pad"][i]
            shape = tuple(batch["ori_shape"][i])
            resized = tuple(round(side * ratio) for side, ratio in zip(shape, gain))
            ground_truth = yolo_ground_truth(raw_rows(label_path(image)), Letterbox(shape, size, resized, pad[::-1]))
            detections = quarter_detections(batch["prototypes"][i], found, size)
            for accumulator in (box, seg):
                accumulator.add(batch["im_file"][i], ground_truth, detections)
    ours = Metrics(
        task_metrics(box, average_precision), task_metrics(seg, average_precision), dict(theirs.names),
        np.zeros(80, int), np.zeros(80, int), 8,
    )  # fmt: skip
    assert list(ours.results_dict) == list(theirs.results_dict)
    for name, figure in theirs.results_dict.items():
        assert ours.results_dict[name] == pytest.approx(figure, abs=1e-4), name
    for mine, figures in ((ours.box, theirs.box), (ours.seg, theirs.seg)):
        assert 0.2 < figures.map < 0.9
        np.testing.assert_allclose(mine.mean_results(), figures.mean_results(), atol=1e-4)
        np.testing.assert_array_equal(mine.ap_class_index, figures.ap_class_index)
        for name in ("all_ap", "maps", "map75", "p", "r", "f1", "p_curve", "r_curve", "f1_curve", "prec_values"):
            np.testing.assert_allclose(getattr(mine, name), getattr(figures, name), atol=1e-4, err_msg=name)
        for i in range(len(mine.p)):
            np.testing.assert_allclose(mine.class_result(i), figures.class_result(i), atol=1e-4)


def test_the_course_weights_validate_to_the_figures_the_peer_prints(tmp_path):
    """Everything apart, nothing shared but weights and images: loading, letterbox, network, suppression, figures."""
    weights = bundled_data_dir() / "weights" / "toybox-n.safetensors"
    if not weights.is_file():
        pytest.skip("the course weights are not there")
    spec = load_dataset("toybox8-seg")
    shutil.copytree(spec.root, tmp_path / "toybox8-seg")  # ultralytics writes a cache beside the labels
    data = next((tmp_path / "toybox8-seg").glob("*.yaml"))
    data.write_text(data.read_text().replace("path: .", f"path: {data.parent}"))
    ours = YOLO(weights).val(data=data, protocol="yolo", imgsz=640, batch=2, verbose=False)

    model = peer.YOLO("yolo11n-seg.yaml", task="segment")
    model.model = SegmentationModel("yolo11n-seg.yaml", nc=len(spec.names), verbose=False)
    model.model.load_state_dict(load_weights(weights).state)
    model.model.names = dict(spec.names)
    theirs = model.val(data=data, imgsz=640, batch=2, workers=0, plots=False, verbose=False, project=str(tmp_path))
    assert theirs.seg.map > 0.2
    for name, figure in theirs.results_dict.items():
        assert ours.results_dict[name] == pytest.approx(figure, abs=1e-4), name
