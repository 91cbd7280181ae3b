"""The tools draw what their controls say. No kernel and no browser is needed for that."""

from __future__ import annotations

import base64
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.geometry.boxes import xywh_to_xyxy
from seglab.inference.nms import candidates, nms, suppress
from seglab.sample import Sample
from seglab.training.assign import assign
from seglab.widgets.assignment import assignment
from seglab.widgets.closeup import closeup
from seglab.widgets.distribution import distribution, sides_of
from seglab.widgets.explored_image import predict_candidates
from seglab.widgets.explorer import draw_explored, explore, ground_truth_regions, listed_classes, regions
from seglab.widgets.forward_pass import detected_anchors, raw_output
from seglab.widgets.overlaps import overlap_explorer, removers
from seglab.widgets.panel import plain
from seglab.widgets.prototypes import keep_strongest, mixed_sums, prototypes


def image_of(panel) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(panel.image.value, np.uint8), cv2.IMREAD_COLOR)


def tip(widget) -> str:
    return getattr(widget, "tooltip", None) or widget.description_tooltip  # the latter in ipywidgets 7


def test_every_control_of_the_explorer_changes_the_image(model):
    panel = explore(model, "toybox8-seg")
    seen = {panel.image.value}
    for name, value in (
        ("confidence", 0.05), ("overlap", 0.1), ("mask", 0.9), ("opacity", 0.9), ("object", 2), ("outlines", False),
        ("boxes", True), ("ground_truth", True), ("verdicts", True), ("image", 2),
    ):  # fmt: skip
        panel[name].value = value
        assert panel.image.value not in seen, name
        seen.add(panel.image.value)
    panel.class_row.children[0].value = False
    assert panel.image.value not in seen


def test_the_network_runs_once_per_image(model):
    runs = []
    handle = model.network.register_forward_hook(lambda *_: runs.append(1))
    panel = explore(model, "toybox8-seg")
    panel["confidence"].value, panel["overlap"].value, panel["mask"].value = 0.1, 0.5, 0.6
    panel["image"].value = 1
    panel["image"].value = 0
    handle.remove()
    assert len(runs) == 2


def test_the_explorer_takes_results(model, sample):
    panel = explore(model.predict(sample.image[..., ::-1]))
    before = panel.image.value
    panel["confidence"].value = 0.9
    assert panel.image.value != before
    assert explore(model.predict(sample.image[..., ::-1])[0])["image"].value == 0


def test_results_take_their_ground_truth_from_images_of_the_same_name(model, sample):
    spec = load_dataset("toybox8-seg")
    known, other = spec.images("val")[0], spec.images("train")[0]
    panel = explore(model.predict([str(known), str(other)]), "toybox8-seg")
    assert not panel["ground_truth"].disabled and not panel["verdicts"].disabled and "missed of" in panel.text.value
    panel["ground_truth"].value = True
    assert image_of(panel).shape[1] > 2 * sample.image.shape[1]
    panel["image"].value = 1  # a training image: not among the images, so its ground truth is not known
    assert image_of(panel).shape[1] == sample.image.shape[1] and "missed of" not in panel.text.value
    for name in ("ground_truth", "verdicts"):
        assert panel[name].disabled and tip(panel[name]) == "This image has no ground truth"
    panel["image"].value = 0
    assert not panel["ground_truth"].disabled and tip(panel["ground_truth"]).startswith("Show the ground truth")
    with pytest.raises(SeglabError, match=f"has no {Path(other).name}"):
        explore(model.predict(str(other)), "toybox8-seg")


def test_what_can_change_nothing_cannot_be_moved(model, sample):
    settled = explore(model.predict(sample.image[..., ::-1]), None)
    assert settled["mask"].disabled and "are final" in tip(settled["mask"])
    assert settled["ground_truth"].disabled and settled["verdicts"].disabled
    live = explore(model, sample)
    assert not any(control.disabled for control in live.controls.values())


def test_panels_name_themselves_without_addresses(model, sample):
    panel = explore(model, sample)
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"].startswith("<mask explorer, 1 image: image, confidence")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.view.model_id
    for control in panel.controls.values():
        assert control.description and tip(control)
    words = panel.regions.value.split('aria-label="')[1].split('"')[0]
    assert words.startswith(f"mask explorer, 1 image: {panel['object'].max} objects: ") and " missed of " in words
    assert "<" not in words


def test_a_panel_carries_a_small_still(model, sample):
    panel = explore(model, sample)
    still = base64.b64decode(panel._repr_mimebundle_()["image/jpeg"])
    image = cv2.imdecode(np.frombuffer(still, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == (360, 480) and len(still) < 50_000
    now = cv2.resize(image_of(panel), (480, 360), interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(int) - now).mean() < 12  # another image differs by 40
    panel["confidence"].value = 0.9
    assert base64.b64decode(panel._repr_mimebundle_()["image/jpeg"]) != still


def test_html_is_read_as_words():
    text = "<b>2 objects</b>: 1 cup<br>1 right<table><tr><th>a</th><td>x &amp; y</td></tr></table>"
    assert plain(text) == "2 objects: 1 cup 1 right a x & y"


def test_ground_truth_stands_beside_and_colors_say_what_was_missed(explored):
    alone, count = draw_explored(explored)
    beside, _ = draw_explored(explored, ground_truth=True, verdicts=True)
    assert beside.image.shape[1] == 2 * alone.image.shape[1] + 12 and count == alone.regions().count("<path")
    assert "missed of" in alone.text and f"<b>{count} objects</b>" in alone.text
    assert set(listed_classes(explored)) >= {item.class_id for item in explored.ground_truth}


def test_a_crowd_is_never_called_missed(explored, monkeypatch):
    written = []
    monkeypatch.setattr("seglab.widgets.explorer.draw_label", lambda image, text, *where: written.append(text))
    explored.ground_truth[0] = replace(explored.ground_truth[0], crowd=True)
    _, found = draw_explored(explored, confidence=0.99999, ground_truth=True, verdicts=True)
    first, *others = [explored.names[item.class_id] for item in explored.ground_truth]
    assert found == 0 and written == [first, *(f"missed {name}" for name in others)]


def test_regions_tell_what_is_under_them(explored):
    numbers = explored.found()
    told = regions(explored, numbers, 0.5, [explored.label(number) for number in numbers])
    assert told.count("<path") == told.count("<rect") == len(numbers)
    for number in numbers:
        facts = explored.facts(number)
        assert explored.label(number) in told and f"contour {facts['contour']} <" in told
        assert f", {facts['area'].split(' px')[0]} px <" in told
    true = ground_truth_regions(explored, {explored.ground_truth[0].class_id})
    left = [item for item in explored.ground_truth if item.class_id != explored.ground_truth[0].class_id]
    assert (
        true.count("<path")
        == true.count("ground truth: ")
        == true.count("contour ")
        == len(left)
        < len(explored.ground_truth)
    )
    beside, _ = draw_explored(explored, ground_truth=True)
    assert beside.regions().count("<path") == len(numbers) + len(explored.ground_truth)
    assert f"translate({beside.image.shape[1] - explored.image.shape[1]} 0)" in beside.regions()


def test_nothing_stands_beside_where_the_ground_truth_is_not_known(model, sample):
    drawn, _ = draw_explored(predict_candidates(model, Sample(sample.image)), ground_truth=True, verdicts=True)
    assert drawn.image.shape == sample.image.shape and "ground truth" not in drawn.regions()


def test_without_masks_outlines_and_labels_the_image_is_the_image(explored):
    drawn, _ = draw_explored(explored, confidence=0.99999, opacity=0, outlines=False)
    assert np.array_equal(drawn.image, explored.image)


def test_nothing_found_is_no_error(model):
    panel = explore(model, Sample(np.full((64, 64, 3), 128, np.uint8)))
    assert "0 objects" in panel.text.value
    panel["object"].value = 1
    for tool in (prototypes, distribution):
        with pytest.raises(SeglabError, match="nothing is detected"):
            tool(model, Sample(np.full((64, 64, 3), 128, np.uint8)))


def test_the_mixer_starts_with_the_networks_own_mask(model, sample, forward_pass, explored):
    panel = prototypes(model, sample, i=1)
    assert "IoU with the network's own mask 1.00" in panel.text.value
    found = suppress(forward_pass.predictions)[0]
    x0, y0, sums = mixed_sums(forward_pass, found, 1, found.coefficients[1].numpy())
    crop = explored.crops(explored.found()[1:2])[0]
    assert (x0, y0) == crop[:2] and np.array_equal(sums > 0, crop[2])
    own = image_of(panel)
    assert all(round(panel[f"c{k}"].value / 0.05, 6).is_integer() for k in range(32))  # a browser changes none
    panel["c0"].value += 3.0
    assert not np.array_equal(image_of(panel), own)
    panel["object"].value = 1
    panel["object"].value = 2
    assert np.array_equal(image_of(panel), own)  # another object, and back: the network's own again
    panel["strongest"].value = 0
    assert "<b>0 px</b> from 0 of 32" in panel.text.value


def test_the_strongest_are_those_of_largest_magnitude():
    assert keep_strongest(np.array([1.0, -3.0, 2.0]), 2).tolist() == [0.0, -3.0, 2.0]


def test_sides_are_the_boxes_of_the_detections(model, sample, forward_pass):
    found = suppress(forward_pass.predictions)[0]
    for anchor, box in zip(detected_anchors(forward_pass).tolist(), found.boxes):
        sides = sides_of(forward_pass, anchor, model.names)
        np.testing.assert_allclose(sides.box, box.numpy(), atol=1e-3)
        np.testing.assert_allclose(sides.box, xywh_to_xyxy(forward_pass.predictions[0, :4, anchor]).numpy(), atol=1e-3)
        assert (sides.deviations >= 0).all()
    panel = distribution(model, sample)
    before = panel.image.value
    panel["object"].value = 2
    assert panel.image.value != before


@pytest.mark.parametrize("overlap", [0.05, 0.5, 0.7, 0.95])
def test_removers_are_the_librarys_suppression(forward_pass, overlap):
    found = candidates(forward_pass.predictions, 0.05)[0]
    by = removers(found, overlap)
    kept = by == torch.arange(len(by))
    assert torch.equal(found.boxes[kept], nms(found, overlap, max_det=10_000).boxes)
    assert (kept[by]).all() and (by <= torch.arange(len(by))).all()


def test_the_overlap_explorer_shows_who_goes(model, sample):
    panel = overlap_explorer(model, sample)
    before = panel.image.value
    panel["overlap"].value = 0.3
    assert panel.image.value != before and "removed" in panel.text.value
    panel["confidence"].value = 0.95


@pytest.fixture(scope="module")
def batch():
    dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 320)
    return collate([dataset[0], dataset[1]])


@pytest.mark.parametrize("image", [0, 1])
def test_the_assignment_is_trainings(model, batch, image):
    from seglab.model.head import anchor_points, boxes_from_distribution
    from seglab.widgets.assignment import reasons_of

    raw = raw_output(model, batch["images"].float() / 255)
    points, strides = anchor_points(320, 320)
    predicted = boxes_from_distribution(raw.boxes, points, strides)
    whole = assign(raw.classes, predicted, points, batch["classes"], batch["boxes"], batch["image_index"])
    mine = batch["image_index"] == image
    one = type(raw)(*(field[image : image + 1] for field in raw))
    reasons = reasons_of(one, (320, 320), batch["classes"][mine], batch["boxes"][mine])
    first = int(mine.nonzero()[0])
    assert torch.equal(
        reasons.assigned, torch.where(whole.instance_index[image] < 0, -1, whole.instance_index[image] - first)
    )
    torch.testing.assert_close(reasons.target, whole.scores[image], atol=1e-4, rtol=1e-3)
    for number in range(int(mine.sum())):
        ranked = reasons.ranked(number)
        learning = [place for place, point in enumerate(ranked) if reasons.assigned[point] == number]
        verdicts = [reasons.verdict(number, place, point) for place, point in enumerate(ranked)]
        assert [i for i, verdict in enumerate(verdicts) if verdict.startswith("is assigned to it")] == learning


def test_the_assignment_panel_explains(model, batch):
    panel = assignment(model, batch, image=1)
    before = panel.image.value
    panel["object"].value, panel["point"].value = 2, 11
    assert panel.image.value != before and "alignment" in panel.text.value
    with pytest.raises(SeglabError, match="no object"):
        assignment(model, batch, image=7)


@pytest.mark.parametrize("size", [(160, 320), (320, 160)])
def test_the_overview_of_the_assignment_keeps_its_proportions(model, size, monkeypatch):
    """The box of a white object on black lies on its rim."""
    drawn = []
    module = sys.modules[assignment.__module__]  # whose name in the package is the function's
    monkeypatch.setattr(module, "draw_box", lambda *box: drawn.append(box))
    monkeypatch.setattr(module, "draw_label", lambda *label: None)
    images = torch.zeros(1, 3, *size, dtype=torch.uint8)
    images[..., 32:128, 96:128] = 255
    one = torch.zeros(1, dtype=torch.long)
    assignment(
        model, {"images": images, "classes": one, "boxes": torch.tensor([[96.0, 32, 128, 128]]), "image_index": one}
    )
    overview, box, *_ = drawn[0]
    rows, columns = np.nonzero(overview[..., 0] > 127)
    assert overview.shape[:2] == tuple(side * 3 // 2 for side in size)
    np.testing.assert_allclose(box, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=1)


def test_coordinates_follow_a_closeup():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 20:40] = 255
    near = closeup(image, np.array([20.0, 40.0, 40.0, 60.0]), min_side=8)
    x0, y0, x1, y1 = near.to_closeup(np.array([20.0, 40.0, 40.0, 60.0])).round().astype(int)
    assert near.image[y0 + 12 : y1 - 12, x0 + 12 : x1 - 12].min() == 255
    assert near.image[: y0 - 12].max() == 0
