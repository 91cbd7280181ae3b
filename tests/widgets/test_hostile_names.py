"""Names come from whoever made a dataset: in a tool's texts they are words, never elements."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from seglab import YOLO
from seglab.data.collate import collate
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.sample import Sample
from seglab.widgets import assignment, confusion_explorer, distribution, explore, overlap_explorer, prototypes

ATTACK = "<img src=x onerror=alert(1)>\"'<script>alert(2)</script>"
ALLOWED = {"b", "br", "table", "tr", "th", "td", "svg", "g", "path", "rect", "text", "tspan", "div"}


class Elements(HTMLParser):
    def __init__(self, markup: str):
        super().__init__()
        self.found, self.attributes, self.words = set(), set(), ""
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.found.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def hostile() -> YOLO:
    model = YOLO("toybox-n")
    model.names = {class_id: f"{class_id}{ATTACK}" for class_id in model.names}
    return model


def tools():
    yield "explore", lambda model, sample, _: explore(model, sample, imgsz=320)
    yield "overlaps", lambda model, sample, _: overlap_explorer(model, sample, imgsz=320)
    yield "prototypes", lambda model, sample, _: prototypes(model, sample)
    yield "distribution", lambda model, sample, _: distribution(model, sample)
    yield "assignment", lambda model, _, batch: assignment(model, batch, image=0)
    yield "confusion", lambda model, sample, _: confusion_explorer(model, sample, imgsz=320)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in tools()])
def test_no_name_becomes_an_element(make, hostile):
    dataset = SegmentationDataset(load_dataset("toybox8-seg"), "val", 320)
    sample = dataset.sample(0)
    sample = Sample(sample.image, sample.instances, path=f"{ATTACK.replace('/', '')}.jpg")
    panel = make(hostile, sample, collate([dataset[0]]))
    if "object" in panel.controls:
        panel["object"].value = 1
    html = [each for each in everything(panel.view) if type(each).__name__ == "HTML" and "<style>" not in each.value]
    assert panel.text in html and len(html) >= 2
    for each in html:
        elements = Elements(each.value)
        assert elements.found <= ALLOWED, elements.found - ALLOWED
        assert not [name for name in elements.attributes if name.startswith("on")]


def everything(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything(child)
