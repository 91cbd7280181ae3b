"""The same weights on the same made video: identities are kept at least as well as by ultralytics' trackers."""

from __future__ import annotations

import numpy as np
import pytest

from seglab import YOLO
from tests.toybox_video import cutouts, frames

peer = pytest.importorskip("ultralytics", reason="ultralytics is not installed: pip install 'seglab[parity]'")
pytest.importorskip("trackers", reason="the package trackers is not installed: pip install trackers")
pytest.importorskip("lap", reason="ultralytics tracks with the package lap: pip install lap")
from trackers.eval import box_iou, compute_clear_metrics, compute_identity_metrics  # noqa: E402
from ultralytics.nn.tasks import SegmentationModel  # noqa: E402

IMGSZ = 320
VIDEOS = 2
FRAMES = 40


@pytest.fixture(scope="module")
def videos():
    toys = cutouts(5)
    return [list(frames(toys, FRAMES, seed)) for seed in range(VIDEOS)]


@pytest.fixture(scope="module")
def models():
    """The course weights in both tools."""
    ours = YOLO("toybox-n")
    network = SegmentationModel("yolo11n-seg.yaml", nc=len(ours.names), verbose=False)
    network.load_state_dict(ours.network.state_dict())
    network.names = ours.names
    theirs = peer.YOLO("yolo11n-seg.yaml")
    theirs.model = network.eval()
    return ours, theirs


def judge(model, videos, tracker: str, **options) -> dict[str, float]:
    """Mean identity F1 and the number of switches over the videos, frames handed over one by one."""
    scores, switches = [], 0
    for video in videos:
        truths, ids, overlaps = [], [], []
        for index, frame in enumerate(video):
            image = np.ascontiguousarray(frame.image[..., ::-1])
            found = model.track(image, persist=index > 0, tracker=tracker, imgsz=IMGSZ, **options)[0].boxes
            visible = np.isfinite(frame.boxes[:, 0])
            is_tracked = found.id is not None and len(found.id) > 0
            truths.append(np.flatnonzero(visible))
            ids.append(found.id.numpy().astype(int) if is_tracked else np.zeros(0, int))
            boxes = found.xyxy.numpy() if is_tracked else np.zeros((0, 4))
            overlaps.append(box_iou(frame.boxes[visible], boxes))
        scores.append(compute_identity_metrics(truths, ids, overlaps)["IDF1"])
        switches += compute_clear_metrics(truths, ids, overlaps)["IDSW"]
    return {"IDF1": float(np.mean(scores)), "switches": switches}


@pytest.mark.parametrize("kind", ["botsort", "bytetrack"])
def test_identities_are_kept_as_well(models, videos, kind):
    ours, theirs = models
    found = judge(ours, videos, f"{kind}.yaml")
    expected = judge(theirs, videos, f"{kind}.yaml", verbose=False, device="cpu")
    assert found["IDF1"] >= expected["IDF1"] - 0.02
    assert found["switches"] <= expected["switches"] + 1
