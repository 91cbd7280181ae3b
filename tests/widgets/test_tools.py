"""The tools draw what their controls say. No kernel and no browser is needed for that."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from seglab.data.catalogue import load_dataset
from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.data.sample import Sample
from seglab.errors import SeglabError
from seglab.geometry.boxes import xywh_to_xyxy
from seglab.inference.suppress import candidates, suppress, thin
from seglab.training.assign import assign
from seglab.widgets.assignment import assignment
from seglab.widgets.closeup import closeup
from seglab.widgets.distribution import distribution, sides_of
from seglab.widgets.explorer import draw_scene, explore, listed_classes
from seglab.widgets.overlaps import overlap_explorer, removers
from seglab.widgets.prototypes import keep_strongest, mixed_sums, prototypes
from seglab.widgets.scene import detected_anchors


def picture_of(panel) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(panel.picture.value, np.uint8), cv2.IMREAD_COLOR)


def test_every_control_of_the_explorer_changes_the_picture(model):
    panel = explore(model, "toybox8-seg")
    seen = {panel.picture.value}
    for name, value in (
        ("confidence", 0.05), ("overlap", 0.1), ("mask", 0.9), ("opacity", 0.9), ("object", 2), ("outlines", False),
        ("boxes", True), ("truth", True), ("verdicts", True), ("picture", 2),
    ):  # fmt: skip
        panel[name].value = value
        assert panel.picture.value not in seen, name
        seen.add(panel.picture.value)
    panel.class_row.children[0].value = False
    assert panel.picture.value not in seen


def test_the_network_runs_once_a_picture(model):
    runs = []
    handle = model.network.register_forward_hook(lambda *_: runs.append(1))
    panel = explore(model, "toybox8-seg")
    panel["confidence"].value, panel["overlap"].value, panel["mask"].value = 0.1, 0.5, 0.6
    panel["picture"].value = 1
    panel["picture"].value = 0
    handle.remove()
    assert len(runs) == 2


def test_the_explorer_takes_results(model, sample):
    panel = explore(model.predict(sample.image[..., ::-1]))
    before = panel.picture.value
    panel["confidence"].value = 0.9
    assert panel.picture.value != before
    assert explore(model.predict(sample.image[..., ::-1])[0])["picture"].value == 0


def test_panels_name_themselves_without_addresses(model, sample):
    panel = explore(model, sample)
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"].startswith("<mask explorer, 1 picture: picture, confidence")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.view.model_id
    for control in panel.controls.values():
        assert control.description and (getattr(control, "tooltip", None) or control.description_tooltip)
    assert 'aria-label="mask explorer' in panel.regions.value and 'role="status"' in panel.text.value


def test_truth_stands_beside_and_colours_say_what_was_missed(scene):
    alone, count = draw_scene(scene)
    beside, _ = draw_scene(scene, truth=True, verdicts=True)
    assert beside.picture.shape[1] == 2 * alone.picture.shape[1] + 12 and count == alone.regions().count("<path")
    assert "missed of" in alone.text and f"<b>{count} objects</b>" in alone.text
    assert set(listed_classes(scene)) >= {item.class_id for item in scene.truth}


def test_without_masks_outlines_and_labels_the_picture_is_the_picture(scene):
    drawn, _ = draw_scene(scene, confidence=0.99999, opacity=0, outlines=False)
    assert np.array_equal(drawn.picture, scene.image)


def test_nothing_found_is_no_error(model):
    panel = explore(model, Sample(np.full((64, 64, 3), 128, np.uint8)))
    assert "0 objects" in panel.text.value
    panel["object"].value = 1
    for tool in (prototypes, distribution):
        with pytest.raises(SeglabError, match="nothing is found"):
            tool(model, Sample(np.full((64, 64, 3), 128, np.uint8)))


def test_the_mixer_starts_with_the_networks_own_mask(model, sample, seen, scene):
    panel = prototypes(model, sample, i=1)
    assert "IoU with the network's own mask 1.00" in panel.text.value
    found = suppress(seen.predictions)[0]
    x0, y0, sums = mixed_sums(seen, found, 1, found.coefficients[1].numpy())
    crop = scene.crops(scene.found()[1:2])[0]
    assert (x0, y0) == crop[:2] and np.array_equal(sums > 0, crop[2])
    own = picture_of(panel)
    panel["c0"].value += 3.0
    assert not np.array_equal(picture_of(panel), own)
    panel["object"].value = 1
    panel["object"].value = 2
    assert np.array_equal(picture_of(panel), own)  # another object, and back: the network's own again
    panel["strongest"].value = 0
    assert "<b>0 px</b> from 0 of 32" in panel.text.value


def test_the_strongest_are_those_of_largest_magnitude():
    assert keep_strongest(np.array([1.0, -3.0, 2.0]), 2).tolist() == [0.0, -3.0, 2.0]


def test_sides_are_the_boxes_of_the_detections(model, sample, seen):
    found = suppress(seen.predictions)[0]
    for anchor, box in zip(detected_anchors(seen).tolist(), found.boxes):
        sides = sides_of(seen, anchor, model.names)
        np.testing.assert_allclose(sides.box, box.numpy(), atol=1e-3)
        np.testing.assert_allclose(sides.box, xywh_to_xyxy(seen.predictions[0, :4, anchor]).numpy(), atol=1e-3)
        assert (sides.doubt >= 0).all()
    panel = distribution(model, sample)
    before = panel.picture.value
    panel["object"].value = 2
    assert panel.picture.value != before


@pytest.mark.parametrize("overlap", [0.05, 0.5, 0.7, 0.95])
def test_removers_are_the_librarys_suppression(seen, overlap):
    found = candidates(seen.predictions, 0.05)[0]
    by = removers(found, overlap)
    kept = by == torch.arange(len(by))
    assert torch.equal(found.boxes[kept], thin(found, overlap, max_det=10_000).boxes)
    assert (kept[by]).all() and (by <= torch.arange(len(by))).all()


def test_the_overlap_explorer_shows_who_goes(model, sample):
    panel = overlap_explorer(model, sample)
    before = panel.picture.value
    panel["overlap"].value = 0.3
    assert panel.picture.value != before and "goes" in panel.text.value
    panel["confidence"].value = 0.95


@pytest.fixture(scope="module")
def batch():
    dataset = SegmentationDataset(load_dataset("toybox8-seg"), "train", 320)
    return collate([dataset[0], dataset[1]])


@pytest.mark.parametrize("image", [0, 1])
def test_the_assignment_is_trainings(model, batch, image):
    from seglab.model.head import anchor_points, boxes_from_distribution
    from seglab.widgets.assignment import reasons_of
    from seglab.widgets.scene import raw_output

    raw = raw_output(model, batch["images"].float() / 255)
    points, strides = anchor_points(320, 320)
    predicted = boxes_from_distribution(raw.boxes, points, strides)
    whole = assign(raw.classes, predicted, points, batch["classes"], batch["boxes"], batch["image_index"])
    mine = batch["image_index"] == image
    one = type(raw)(*(field[image : image + 1] for field in raw))
    reasons = reasons_of(one, (320, 320), batch["classes"][mine], batch["boxes"][mine])
    first = int(mine.nonzero()[0])
    assert torch.equal(reasons.owner, torch.where(whole.object_index[image] < 0, -1, whole.object_index[image] - first))
    torch.testing.assert_close(reasons.asked, whole.scores[image], atol=1e-4, rtol=1e-3)
    for number in range(int(mine.sum())):
        ranked = reasons.ranked(number)
        learning = [place for place, point in enumerate(ranked) if reasons.owner[point] == number]
        verdicts = [reasons.verdict(number, place, point) for place, point in enumerate(ranked)]
        assert [i for i, verdict in enumerate(verdicts) if verdict.startswith("learns it")] == learning


def test_the_assignment_panel_explains(model, batch):
    panel = assignment(model, batch, image=1)
    before = panel.picture.value
    panel["object"].value, panel["point"].value = 2, 11
    assert panel.picture.value != before and "alignment" in panel.text.value
    with pytest.raises(SeglabError, match="no object"):
        assignment(model, batch, image=7)


def test_coordinates_follow_a_closeup():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[40:60, 20:40] = 255
    near = closeup(picture, np.array([20.0, 40.0, 40.0, 60.0]), smallest=8)
    x0, y0, x1, y1 = near.place(np.array([20.0, 40.0, 40.0, 60.0])).round().astype(int)
    assert near.picture[y0 + 12 : y1 - 12, x0 + 12 : x1 - 12].min() == 255
    assert near.picture[: y0 - 12].max() == 0
