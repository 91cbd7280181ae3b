"""What training and validation are fed with, beside ultralytics' own loaders (run as a black box)."""

import os

import numpy as np
import pytest

os.environ["YOLO_OFFLINE"] = "1"
pytest.importorskip("ultralytics")

from PIL import Image

from seglab.config import AugmentConfig
from seglab.data.dataset import SegmentationDataset
from seglab.data.mask_targets import hard_masks
from seglab.datasets.load import load_dataset

SIZES = [(333, 500), (1000, 799), (300, 200), (100, 777), (480, 640), (640, 480), (427, 640), (512, 512)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Eight images of all shapes with a few large polygons, on disk."""
    root = tmp_path_factory.mktemp("parity") / "shelf"
    rng = np.random.default_rng(0)
    for folder in ("images/val", "labels/val"):
        (root / folder).mkdir(parents=True)
    for number, (height, width) in enumerate(SIZES):
        small = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
        Image.fromarray(small).resize((width, height)).save(root / f"images/val/{number}.png")
        rows = [" ".join(f"{v:.6f}" for v in rng.uniform(0, 1, 2 * rng.integers(4, 9))) for _ in range(4)]
        (root / f"labels/val/{number}.txt").write_text("\n".join(f"{n % 2} {row}" for n, row in enumerate(rows)))
    (root / "shelf.yaml").write_text(f"path: {root}\ntrain: images/val\nval: images/val\nnames: [a, b]\n")
    return root


def peer_items(root, size, batch, rect):
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(root / "shelf.yaml"))
    options = get_cfg(overrides={"task": "segment", "imgsz": size, "overlap_mask": True, "mask_ratio": 4})
    dataset = build_yolo_dataset(options, data["val"], batch, data, mode="val", rect=rect, stride=32)
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize(("size", "batch", "rect"), [(640, 1, True), (640, 4, True), (320, 3, True), (640, 4, False)])
def test_validation_items_equal_the_peers(shelf, size, batch, rect):
    theirs = {item["im_file"]: item for item in peer_items(shelf, size, batch, rect)}
    dataset = SegmentationDataset(load_dataset(shelf), "val", size, mask_targets="hard", rect=rect)
    dataset.group = batch
    for index in range(len(dataset)):
        item = dataset[index]
        other = theirs[item["sample"]["path"]]
        assert np.array_equal(item["image"].transpose(2, 0, 1), other["img"].numpy())
        assert item["sample"]["letterbox"].pad == tuple(other["ratio_pad"][1])[::-1]
        height, width = item["image"].shape[:2]
        x, y, w, h = (other["bboxes"].numpy() * (width, height, width, height)).T
        boxes = np.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), axis=1)
        order = np.lexsort(boxes.T.round()), np.lexsort(item["boxes"].T.round())  # theirs go by falling mask area
        assert np.allclose(boxes[order[0]], item["boxes"][order[1]], atol=0.51)
        ours, merged = item["masks"].any(axis=0), other["masks"].numpy()[0] > 0
        assert (ours & merged).sum() / (ours | merged).sum() > 0.99


def test_hard_masks_equal_the_peers():
    from ultralytics.data.utils import polygon2mask, polygons2masks_overlap
    from ultralytics.utils.ops import resample_segments

    rng, differ = np.random.default_rng(1), []
    for _ in range(50):
        polygons = [rng.uniform(0, 320, (rng.integers(3, 12), 2)).astype(np.float32) for _ in range(5)]
        rings = [[polygon.astype(np.float64)] for polygon in polygons]
        solid = [[ring if _area(ring) > 0 else ring[::-1] for ring in each] for each in rings]
        polygons = resample_segments(polygons, 1000)  # its loader does so with every outline
        for polygon, mask in zip(polygons, hard_masks(solid, 320, 320, overlap=False)):
            theirs = polygon2mask((320, 320), [polygon.ravel()], color=1, downsample_ratio=4)
            differ.append((mask != theirs).mean())
        owner, order = polygons2masks_overlap((320, 320), polygons, downsample_ratio=4)
        ours = hard_masks(solid, 320, 320)
        for place, index in enumerate(order):
            differ.append(((ours[index] > 0) != (owner == place + 1)).mean())
    assert np.mean(differ) < 1e-3 and max(differ) < 0.02  # float32 carries some points over a pixel's edge


def _area(ring):
    following = np.roll(ring, -1, axis=0)
    return (ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum()


def test_training_items_look_alike(shelf):
    """Random items cannot be equal; over many, objects an image, box sizes and brightness must agree."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(shelf / "shelf.yaml"))
    options = get_cfg(overrides={"task": "segment", "imgsz": 160})
    theirs = build_yolo_dataset(options, data["train"], 4, data, mode="train", rect=False, stride=32)
    ours = SegmentationDataset(load_dataset(shelf), "train", 160, AugmentConfig())
    [theirs[index] for index in range(8)]  # its mosaics draw on what was loaded before
    counts, sides, levels = ([], []), ([], []), ([], [])
    for epoch in range(20):
        ours.set_epoch(epoch)
        for index in range(8):
            item, other = ours[index], theirs[index]
            counts[0].append(len(item["boxes"]))
            counts[1].append(len(other["bboxes"]))
            sides[0].extend((item["boxes"][:, 2:] - item["boxes"][:, :2]).mean(axis=1) / 160)
            sides[1].extend(other["bboxes"][:, 2:].numpy().mean(axis=1))
            levels[0].append(item["image"].mean())
            levels[1].append(other["img"].float().mean().item())
    assert np.mean(counts[0]) == pytest.approx(np.mean(counts[1]), rel=0.1)
    assert np.mean(sides[0]) == pytest.approx(np.mean(sides[1]), rel=0.1)
    assert np.quantile(sides[0], 0.1) == pytest.approx(np.quantile(sides[1], 0.1), rel=0.2)
    assert np.mean(levels[0]) == pytest.approx(np.mean(levels[1]), rel=0.05)
