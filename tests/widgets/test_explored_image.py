"""An explored image says what predict says, at every threshold, and counts right and wrong as COCO does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab.errors import SeglabError
from seglab.geometry.contours import mask_to_rings
from seglab.inference.nms import Detections
from seglab.sample import Instance, Sample
from seglab.widgets.explored_image import (
    IGNORED,
    WRONG,
    ExploredImage,
    from_results,
    predict_candidates,
    rim,
    svg_path,
)


@pytest.mark.parametrize("confidence, overlap", [(0.25, 0.7), (0.1, 0.5), (0.6, 0.9)])
def test_an_explored_image_finds_what_predict_finds(model, sample, explored, confidence, overlap):
    (expected,) = model.predict(sample.image[..., ::-1], conf=confidence, iou=overlap)
    numbers = [n for n in explored.found(confidence, overlap) if explored.crops([n])[0][2].any()]
    boxes = expected.boxes.cpu()
    np.testing.assert_allclose(explored.boxes[numbers], boxes.xyxy, atol=0.01)
    np.testing.assert_allclose(explored.scores[numbers], boxes.conf, atol=1e-4)
    for (x0, y0, crop), (u0, v0, theirs) in zip(explored.crops(numbers), expected.masks.crops, strict=True):
        assert (x0, y0, crop.shape) == (u0, v0, theirs.shape)
        assert (crop != theirs).mean() < 0.001  # fused layers round otherwise


def test_hidden_classes_are_left_out_and_nothing_else_changes(explored):
    class_id = int(explored.classes[0])
    everything = explored.found()
    assert explored.found(hidden=[class_id]) == [n for n in everything if explored.classes[n] != class_id]


def test_masks_shrink_as_the_threshold_rises_and_come_back(explored):
    numbers = explored.found()
    areas = [[crop.sum() for _, _, crop in explored.crops(numbers, t)] for t in (0.2, 0.5, 0.8, 0.5)]
    assert all(a >= b >= c for a, b, c in zip(*areas[:3])) and areas[1] == areas[3]


def test_sums_are_made_once_a_candidate(model, sample):
    explored = predict_candidates(model, sample)
    computed = []
    make = explored._compute_sums
    explored._compute_sums = lambda numbers: (computed.extend(numbers), make(numbers))[1]
    for threshold in (0.5, 0.6, 0.5):
        for confidence in (0.5, 0.25, 0.4):
            explored.crops(explored.found(confidence), threshold)
    assert sorted(computed) == sorted(set(computed)) == sorted(explored.found(0.25))


def square(x, y, side, class_id=0, crowd=False):
    corners = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], dtype=float)
    return Instance(class_id, [corners], crowd)


def made_up(boxes, scores, classes, ground_truth):
    """An explored image of squares that are full masks."""
    boxes = torch.tensor(boxes, dtype=torch.float32)
    found = Detections(boxes, torch.tensor(scores), torch.tensor(classes), boxes[:, :0])

    def sums(numbers):
        for x0, y0, x1, y1 in boxes[numbers].int().tolist():
            yield x0, y0, np.ones((y1 - y0, x1 - x0), np.float32)

    return ExploredImage(
        np.zeros((100, 100, 3), np.uint8), found, boxes.numpy(), sums, {0: "cup", 1: "book"}, ground_truth
    )


def test_verdicts_follow_the_rule():
    ground_truth = [square(10, 10, 20), square(60, 60, 30, crowd=True), square(50, 10, 20, class_id=1)]
    boxes = [[10, 10, 30, 30], [12, 10, 32, 30], [62, 62, 80, 80], [50, 10, 70, 30], [0, 70, 20, 90]]
    explored = made_up(boxes, [0.9, 0.8, 0.7, 0.6, 0.5], [0, 0, 0, 0, 0], ground_truth)
    # the better cup takes the cup, the second finds it taken; one on a crowd; a book called cup; nothing
    assert explored.verdicts([0, 1, 2, 3, 4]) == [0, WRONG, IGNORED, WRONG, WRONG]
    assert explored.verdicts([1, 4]) == [0, WRONG]
    assert explored.facts(3)["ground truth"] == "IoU 1.00 with this: book"
    assert explored.facts(4)["ground truth"] == "overlaps no object"
    assert explored.facts(0)["area"].startswith("400 px, 4.0 %") and explored.facts(0)["contour"].startswith(
        "80 px long, 1"
    )


def test_results_become_an_explored_image(model, sample):
    (result,) = model.predict(sample.image[..., ::-1])
    explored = from_results(result)
    numbers = explored.found(0.25, 0.7)
    assert len(numbers) == len(result)
    for threshold in (0.1, 0.9):  # these masks are settled
        for ours, theirs in zip(explored.crops(numbers, threshold), result.masks.crops):
            assert np.array_equal(ours[2], theirs[2])


def test_results_are_judged_by_the_ground_truth_of_their_image(model, sample, explored):
    (result,) = model.predict(sample.image[..., ::-1])
    judged = from_results(result, sample)
    assert judged.settled and not explored.settled
    numbers = judged.found(0.25, 0.7)
    assert judged.verdicts(numbers) == explored.verdicts(explored.found()) and 0 in judged.verdicts(numbers)
    with pytest.raises(SeglabError, match="differ in image size, 640x480 and 64x48"):
        from_results(result, Sample(sample.image[:48, :64]))


def test_rims_lie_inside_and_paths_go_around():
    mask = np.zeros((9, 12), bool)
    mask[1:8, 2:11] = True
    mask[4, 5] = False
    x0, y0, edge = rim((3, 4, mask), 1)
    assert (x0, y0) == (3, 4) and not (edge & ~mask).any() and edge[1, 2] and edge[4, 4] and not edge[2, 3]
    assert svg_path((3, 4, mask)).count("M") == 2 and svg_path((0, 0, mask & False)) == ""
    assert len(mask_to_rings(mask)) == 2


def test_exported_files_can_be_explored(model, sample, tmp_path):
    from seglab import YOLO

    exported = YOLO(model.export(format="onnx", imgsz=320, dynamic=True, out=tmp_path / "model"))
    assert (
        abs(
            len(predict_candidates(exported, sample, 320).found()) - len(predict_candidates(model, sample, 320).found())
        )
        <= 1
    )
