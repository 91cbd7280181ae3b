"""The tools draw what their controls say. No kernel and no browser is needed for that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.sample import Sample
from seglab.widgets.distribution import distribution
from seglab.widgets.explored_image import predict_candidates
from seglab.widgets.explorer import (
    count_errors,
    draw_explored,
    explore,
    ground_truth_regions,
    listed_classes,
    regions,
    uploaded,
    zoomed,
)
from seglab.widgets.prototypes import prototypes

from .looking import image_of, tip


def test_every_control_of_the_explorer_changes_the_image(model):
    panel = explore(model, "toybox8-seg")
    seen = {panel.image.value}
    for name, value in (
        ("confidence", 0.05), ("overlap", 0.1), ("mask", 0.9), ("opacity", 0.9), ("object", 2), ("outlines", False),
        ("boxes", True), ("ground_truth", True), ("verdicts", True), ("zoom", 3), ("image", 2),
    ):  # fmt: skip
        panel[name].value = value
        assert panel.image.value not in seen, name
        seen.add(panel.image.value)
    panel["zoom"].value = 1
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


def test_ground_truth_stands_beside_and_colors_say_what_was_missed(explored):
    alone, count = draw_explored(explored)
    beside, _ = draw_explored(explored, ground_truth=True, verdicts=True)
    assert beside.image.shape[1] == 2 * alone.image.shape[1] + 12 and count == alone.regions().count("<path")
    assert "missed of" in alone.text and f"<b>{count} objects</b>" in alone.text
    assert set(listed_classes(explored)) >= {item.class_id for item in explored.ground_truth}


def test_a_crowd_is_never_called_missed(explored, monkeypatch):
    written = []
    monkeypatch.setattr("seglab.widgets.explorer.draw_labels", lambda image, texts, *where: written.extend(texts))
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


def test_zoom_enlarges_the_chosen_object_and_its_regions(explored):
    height, width = explored.image.shape[:2]
    drawn, _ = draw_explored(explored, ground_truth=True)
    close = zoomed(drawn, (height, width), (width, height), 4)  # beyond the corner: moved back into the image
    assert close.image.shape == drawn.image.shape
    for left in (0, width + 12):
        corner = drawn.image[height - height // 4 :, left + width - width // 4 : left + width]
        again = cv2.resize(close.image[:, left : left + width], corner.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(again.astype(int) - corner).mean() < 6
    assert close.regions().count("viewBox") == 2
    assert f'viewBox="{width - width // 4} {height - height // 4} {width // 4} {height // 4}"' in close.regions()


def test_worst_images_come_first_when_asked(model):
    panel = explore(model, "toybox8-seg")
    sort = next(extra for extra in panel.extras if extra.description == "worst first")
    own_order = [number for _, number in panel["image"].options]
    sort.value = True
    ranked = [number for _, number in panel["image"].options]
    assert sorted(ranked) == own_order and panel["image"].value == ranked[0]
    sort.value = False
    assert [number for _, number in panel["image"].options] == own_order


def test_errors_are_wrong_ones_and_missed_ones(explored):
    everything_missed = len([item for item in explored.ground_truth if not item.crowd])
    assert count_errors(explored, confidence=1.0, overlap=0.7, mask=0.5) == everything_missed
    assert 0 <= count_errors(explored, 0.25, 0.7, 0.5) < everything_missed


def test_an_image_of_ones_own_is_explored_and_another_file_is_named(model, sample):
    panel = explore(model, sample)
    upload = next(extra for extra in panel.extras if "image" in extra.description)
    _, data = cv2.imencode(".png", sample.image[..., ::-1])
    assert uploaded({"mine.png": {"content": data.tobytes()}}) == [("mine.png", data.tobytes())]  # ipywidgets 7
    file = {"type": "", "size": 0, "last_modified": datetime.now()}  # what a browser sends besides
    upload.value = ({**file, "name": "mine.png", "content": memoryview(data.tobytes())},)
    assert panel["image"].options[-1][0] == "mine.png" and panel["image"].value == 1 and "objects" in panel.text.value
    upload.value = ({**file, "name": "notes.txt", "content": memoryview(b"words")},)
    assert "not an image" in panel.text.value and len(panel["image"].options) == 2
    assert not [extra for extra in explore(model.predict(sample.image)).extras if "image" in extra.description]
