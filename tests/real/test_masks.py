"""Masks of COCO weights on real photos: as good as they can be cut, and the same objects that ultralytics finds."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from seglab import YOLO
from seglab.class_names import COCO_NAMES
from seglab.config import ValidateConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.load import load_dataset
from seglab.evaluation.validate import evaluated_images, native_instances
from seglab.model.weights import load_weights

SPLITS = [
    ("coco38/annotations/instances_train2017.json", "train"),
    ("coco38/annotations/instances_val2017.json", "val"),
    ("coco8-seg.yaml", "train"),
    ("coco8-seg.yaml", "val"),
]


def look(model: YOLO, specs: list) -> list:
    """What the network says of every image of (dataset, split), before masks are cut."""
    forward, config = model._forward("cpu"), ValidateConfig()
    seen = []
    for spec, split in specs:
        dataset = SegmentationDataset(spec, split, 640, mask_targets=None, rect=True)
        seen += evaluated_images(forward, build_loader(dataset, 1), dataset, config)
    return seen


@pytest.fixture(scope="module")
def photos(shared_folder, coco_weights) -> list:
    specs = [(load_dataset(shared_folder / "datasets" / path), split) for path, split in SPLITS]
    return look(YOLO(coco_weights), specs)


def mask_ap(seen: list, targets: str) -> float:
    """Mask AP by pycocotools at native resolution."""
    images, annotations, results = [], [], []
    for number, one in enumerate(seen, 1):
        height, width = one.letterbox.image_size
        images.append({"id": number, "height": height, "width": width})
        ground_truth, found = native_instances(one._replace(mask_targets=targets), every_mask=True)
        for category, area, box, mask, crowd in zip(
            ground_truth.classes, ground_truth.areas, ground_truth.boxes, ground_truth.masks, ground_truth.crowds
        ):
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": int(category), "area": float(area),
                "bbox": box.tolist(), "segmentation": mask, "iscrowd": int(crowd),
            })  # fmt: skip
        results += [
            {"image_id": number, "category_id": int(category), "score": float(score), "segmentation": mask}
            for category, score, mask, area in zip(found.classes, found.scores, found.masks, found.areas)
            if area
        ]
    categories = [{"id": index, "name": name} for index, name in enumerate(COCO_NAMES)]
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO()
        ground_truth.dataset = {"images": images, "annotations": annotations, "categories": categories}
        ground_truth.createIndex()
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def moved(one, pixels: float):
    """An image whose boxes lie further right and down by so many of its pixels."""
    scale = torch.tensor(one.letterbox.scale * 2)
    return one._replace(detections=one.detections._replace(boxes=one.detections.boxes + pixels * scale))


def test_coco_weights_gain_from_the_window_of_hard_targets(photos, coco_weights):
    """Above the pixels whose centers, and above those whose upper left corners lie in the box."""
    assert YOLO(coco_weights).mask_targets == "hard" and len(photos) == 46
    chosen, centers = mask_ap(photos, "hard"), mask_ap(photos, "soft")
    corners = mask_ap([moved(one, 0.5) for one in photos], "soft")
    assert chosen > centers + 0.001 and chosen > corners


def test_the_course_s_weights_are_not_harmed():
    """They learned from soft targets: each object loses by the other window, on average."""
    model = YOLO("toybox-n")
    assert model.mask_targets == "soft"
    seen = look(model, [(load_dataset("toybox8-seg"), "val")])
    assert mask_ap(seen, "soft") > mask_ap(seen, "hard")


@pytest.fixture(scope="module")
def ultralytics_model(coco_weights):
    peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")
    weights = load_weights(coco_weights)
    model = peer.YOLO("yolo11n-seg.yaml")
    model.model.load_state_dict(weights.state)
    model.model.names = {int(index): name for index, name in weights.metadata["names"].items()}
    return model


def apart_inside(one: torch.Tensor, other: torch.Tensor) -> float:
    """Share of two masks (h, w) on which they differ, the outermost two rows and columns aside."""
    both = one | other
    rows, columns = both.any(dim=1).nonzero()[:, 0], both.any(dim=0).nonzero()[:, 0]
    inside = (one ^ other)[rows[0] + 2 : rows[-1] - 1, columns[0] + 2 : columns[-1] - 1]
    return inside.sum().item() / both.sum().item()


def test_the_same_objects_as_ultralytics(shared_folder, coco_weights, ultralytics_model):
    """Boxes and scores are equal, and so are masks but for what the windows differ in."""
    ours = YOLO(coco_weights)
    overlaps, inside, count = [], [], 0
    for path in sorted((shared_folder / "datasets").glob("coco*/images/*/*.jpg")):
        (expected,) = ultralytics_model.predict(path, verbose=False, save=False, retina_masks=True)
        (found,) = ours.predict(path)
        assert len(found) == len(expected)
        count += len(found)
        apart = (found.boxes.data[:, None] - expected.boxes.data[None]).abs()  # (N, N, 6)
        same = (apart <= torch.tensor([2e-3] * 4 + [1e-5, 0])).all(dim=2)
        here, there = same.nonzero(as_tuple=True)
        assert sorted(here.tolist()) == sorted(there.tolist()) == list(range(len(found)))
        if not len(found):
            continue
        for one, other in zip(found.masks.data[here].bool(), expected.masks.data[there].bool()):
            overlaps.append(((one & other).sum() / (one | other).sum()).item())
            inside.append(apart_inside(one, other))
    assert count > 300 and np.mean(overlaps) > 0.985 and np.quantile(overlaps, 0.02) > 0.93
    assert np.mean(inside) < 1e-3 and max(inside) < 0.02  # the two enlarge prototypes in other steps
