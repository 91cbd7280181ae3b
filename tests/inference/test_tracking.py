"""Instances keep their numbers from frame to frame, and their masks stay with them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from seglab import YOLO, Results, SeglabError
from seglab.inference.instances import Boxes, Masks
from seglab.inference.masks import MaskCrop
from seglab.inference.tracking import Tracker, tracker_config
from tests.toybox_video import SIZE, cutouts, frames, write_video

trackers = pytest.importorskip("trackers", reason="the package trackers is not installed: pip install trackers")
from trackers.eval import box_iou, compute_clear_metrics, compute_identity_metrics  # noqa: E402

KINDS = ("botsort", "bytetrack")
NAMES = {0: "toy", 1: "other toy"}


def result(boxes, scores, path="image0.jpg") -> Results:
    """Results with a mask a box: its number of pixels tells which box it belongs to."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    classes = np.arange(len(boxes)) % 2
    rows = torch.from_numpy(np.column_stack((boxes, scores, classes)).astype(np.float32).reshape(-1, 6))
    crops: list[MaskCrop] = []
    for left, top, right, bottom in boxes.astype(int):
        crops.append((left, top, np.ones((bottom - top, right - left), dtype=bool)))
    image = np.zeros((*SIZE, 3), np.uint8)
    masks = Masks(crops, SIZE) if crops else None
    return Results(image, path, NAMES, boxes=Boxes(rows, SIZE), masks=masks)


def noisy(seed: int, count: int = 90, objects: int = 6):
    """Boxes on straight ways, one in ten not detected and one in seven with a low score; the true ones beside them."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform([40, 40], [280, 200], (objects, 2))
    moves = rng.uniform(-2.5, 2.5, (objects, 2))
    sizes = rng.uniform(24, 60, (objects, 2))
    for _ in range(count):
        centers = centers + moves
        moves = np.where((centers < 20) | (centers > np.array(SIZE[::-1]) - 20), -moves, moves)
        truth = np.concatenate((centers - sizes / 2, centers + sizes / 2), axis=1).clip(0, [320, 240, 320, 240])
        seen = rng.random(objects) > 0.1
        found = (truth[seen] + rng.normal(0, 1, (seen.sum(), 4))).clip(0, [320, 240, 320, 240])
        scores = np.where(rng.random(len(found)) < 0.15, rng.uniform(0.1, 0.3, len(found)), 0.9)
        yield truth, result(found, scores)


def judge(pairs) -> dict[str, float]:
    """Identity F1 and number of switches of (true boxes by toy, tracked results) a frame, at IoU 0.5."""
    truths, ids, overlaps = [], [], []
    for truth, tracked in pairs:
        visible = np.isfinite(truth[:, 0])
        truths.append(np.flatnonzero(visible))
        ids.append(tracked.boxes.id.numpy().astype(int))
        overlaps.append(box_iou(truth[visible], tracked.boxes.xyxy.numpy()))
    clear = compute_clear_metrics(truths, ids, overlaps)
    return {"IDF1": compute_identity_metrics(truths, ids, overlaps)["IDF1"], "switches": clear["IDSW"]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_numbers_stay_though_detections_come_and_go(kind, seed):
    tracker = Tracker(tracker_config(kind))
    found = judge((truth, tracker.update(detected)) for truth, detected in noisy(seed))
    assert found["IDF1"] > 0.85 and found["switches"] <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_masks_classes_and_scores_stay_with_their_boxes(kind):
    """Three boxes that trade their places in the results from frame to frame."""
    boxes = np.array([[10, 10, 30, 20], [100, 20, 150, 50], [200, 100, 220, 180]], dtype=float)
    tracker = Tracker(tracker_config(kind))
    numbers = {}
    for step in range(12):
        order = np.roll(np.arange(3), step)
        tracked = tracker.update(result(boxes[order] + step, np.array([0.9, 0.8, 0.7])[order]))
        if step < 2:
            continue  # tracks are begun
        assert len(tracked) == 3 and tracked.boxes.is_track and tracked.boxes.data.shape == (3, 7)
        for box, number, mask, score in zip(
            tracked.boxes.xyxy, tracked.boxes.id.tolist(), tracked.masks.data, tracked.boxes.conf.tolist()
        ):
            width, height = (box[2:] - box[:2]).tolist()
            assert mask.sum() == width * height
            numbers.setdefault(round(score, 1), set()).add(number)
    assert sorted(numbers) == [0.7, 0.8, 0.9] and all(len(found) == 1 for found in numbers.values())
    assert set.union(*numbers.values()) == {1.0, 2.0, 3.0}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_tracked_where_nothing_is_found(kind):
    tracker = Tracker(tracker_config(kind))
    for _ in range(3):
        tracked = tracker.update(result([], np.zeros(0)))
        assert len(tracked) == 0 and tracked.boxes.id.shape == (0,) and tracked.masks is None


def test_every_video_begins_anew_and_images_are_one_sequence():
    box = [[10, 10, 60, 60]]
    paths = ["a.mp4"] * 3 + ["b.mp4"] * 3 + ["1.jpg", "2.jpg", "3.jpg"]
    stream = [result(np.add(box, 90 * (path == "b.mp4")), [0.9], path) for path in paths]
    numbers = [tracked.boxes.id.tolist() for tracked in Tracker(tracker_config()).follow(stream)]
    assert [found[-1] for found in numbers if found] == [1.0] * len([found for found in numbers if found])
    assert all(numbers[index] for index in (2, 5, 8))


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_has_numbers_also_the_first(kind):
    tracker = Tracker(tracker_config(kind))
    for step in range(4):
        tracked = tracker.update(result(np.add([[10, 10, 60, 60], [100, 100, 160, 150]], step), [0.9, 0.7]))
        assert tracked.boxes.id.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_in_one_frame_alone_is_no_track(kind):
    tracker = Tracker(tracker_config(kind))
    box, other = [10, 10, 60, 60], [100, 100, 160, 150]
    numbers = [tracker.update(result([box, other][:count], [0.9] * count)).boxes.id.tolist() for count in (1, 1, 2, 1)]
    assert numbers == [[1.0]] * 4


# --- settings ---


def test_settings_come_from_a_file_of_the_common_kind(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "tracker_type: bytetrack\ntrack_high_thresh: 0.3\ntrack_buffer: 5\nfuse_score: True\nwith_reid: False\n"
        "proximity_thresh: 0.5\nappearance_thresh: 0.8\nmodel: auto\n"
    )
    config = tracker_config(path)
    assert (config.tracker_type, config.track_high_thresh, config.track_buffer) == ("bytetrack", 0.3, 5)
    assert tracker_config("bytetrack.yaml") == tracker_config("bytetrack")


def test_lost_tracks_are_found_again_for_as_long_as_the_setting_says(tmp_path):
    found = {}
    for buffer in (2, 30):
        path = tmp_path / f"{buffer}.yaml"
        path.write_text(f"tracker_type: bytetrack\ntrack_buffer: {buffer}\n")
        tracker = Tracker(tracker_config(path))
        steps = [result([[10, 10, 60, 60]], [0.9])] * 4 + [result([], np.zeros(0))] * 8
        for step in steps + [result([[10, 10, 60, 60]], [0.9])] * 4:
            tracked = tracker.update(step)
        found[buffer] = tracked.boxes.id.tolist()
    assert found == {2: [2.0], 30: [1.0]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("track_bufer: 3", "did you mean 'track_buffer'"),
        ("track_buffer: -3", "track_buffer"),
        ("tracker_type: deepsort", "tracker_type"),
        ("with_reid: True", "set with_reid: False"),
        ("- 1\n- 2", "has no settings"),
        ("a: [", "is not a valid YAML file"),
    ],
)
def test_what_a_file_cannot_say_is_told(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SeglabError, match=told):
        tracker_config(path)


@pytest.mark.parametrize("name", ["nowhere/mine.yaml", "deepsort", "deepsort.yaml", ""])
def test_an_unknown_tracker_is_told(name):
    with pytest.raises(SeglabError, match="tracker"):
        tracker_config(name)


def test_without_the_package_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(SeglabError, match="pip install trackers"):
        Tracker(tracker_config())


# --- the whole of it ---


@pytest.fixture(scope="module")
def video():
    return list(frames(cutouts(5), 30))


@pytest.fixture(scope="module")
def model():
    return YOLO("toybox-n")


def test_toys_keep_their_numbers_in_a_video(model, video, tmp_path):
    path = write_video(tmp_path / "toys.mp4", [frame.image for frame in video])
    tracked = model.track(path, stream=True, imgsz=320, save=True, project=tmp_path, name="tracked")
    found = list(tracked)
    assert len(found) == len(video)
    metrics = judge((frame.boxes, result) for frame, result in zip(video, found))
    assert metrics["IDF1"] > 0.75 and metrics["switches"] <= 3
    assert (tmp_path / "tracked/toys.mp4").stat().st_size > 1000


def test_frames_one_by_one_go_on_with_persist_and_begin_anew_without(model, video):
    bgr = [np.ascontiguousarray(frame.image[..., ::-1]) for frame in video[:8]]
    together = model.track(bgr, imgsz=320)
    one_by_one = [model.track(image, persist=index > 0, imgsz=320)[0] for index, image in enumerate(bgr)]
    for expected, found in zip(together, one_by_one):
        assert torch.equal(expected.boxes.data, found.boxes.data)
    alone = model.track(bgr[-1], imgsz=320)[0]
    assert alone.boxes.id.tolist() == list(range(1, len(alone) + 1))
    assert model.predict(bgr[-1], imgsz=320)[0].boxes.id is None
