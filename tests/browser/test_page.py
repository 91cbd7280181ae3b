"""The page of docs/browser in a real browser: it finds what Python finds, and asks nobody but its own folder."""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.geometry.boxes import box_iou

ROOT = Path(__file__).resolve().parents[2]


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that `make browser` makes, served on this machine alone; yields its address."""
    for tool in ("make", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, which brings onnxruntime-web")
    folder = tmp_path_factory.mktemp("browser")
    words = ["make", "browser", f"VENV={sys.prefix}", f"BROWSER={folder}", "-o", f"{sys.prefix}/.installed-demo"]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if made.returncode and not list((ROOT / "build").glob("onnxruntime-web-*.tgz")):
        pytest.skip(f"npm could not fetch onnxruntime-web: {made.stderr.strip()[-300:]}")
    assert made.returncode == 0, made.stdout + made.stderr
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def page(site, browser):
    """The page with its network loaded; at the end, nothing may have gone wrong or left this machine."""
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    page.set_default_timeout(120_000)  # milliseconds, for machines with much else to do
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.goto(site)
    wait(page, "Ready.")
    yield page
    page.close()
    assert not wrong
    assert [url for url in asked if not url.startswith((site, "data:", "blob:"))] == []


def wait(page, text: str) -> None:
    """Until the page says so."""
    page.wait_for_function("text => document.getElementById('status').textContent.includes(text)", arg=text)


LATEST = """async () => {
  const { latest } = await import('./detect.js');
  const text = (mask) => btoa(mask.reduce((all, bit) => all + (bit ? '1' : '0'), ''));
  return latest.objects.map(({ name, classId, score, box, mask }) => ({ name, classId, score, box, mask: text(mask) }));
}"""


def test_it_finds_what_python_finds(page, tmp_path, keep):
    image = read_image(load_dataset("toybox8-seg").images("val")[0])
    cv2.imwrite(str(tmp_path / "scene.png"), image[..., ::-1])  # every decoder reads a PNG alike
    model = YOLO("toybox-n")
    (expected,) = model.predict(tmp_path / "scene.png", rect=False, max_det=100)
    page.set_input_files("#file", tmp_path / "scene.png")
    wait(page, f"{len(expected)} objects found")
    page.screenshot(path=keep("detect.png"), full_page=True)
    found = page.evaluate(LATEST)

    assert len(expected) == len(found) > 3
    boxes = torch.tensor([one["box"] for one in found])
    order = box_iou(expected.boxes.xyxy, boxes).argmax(dim=1)
    assert sorted(order.tolist()) == list(range(len(found)))
    for index, other in enumerate(order.tolist()):
        one = found[other]
        assert (one["classId"], one["name"]) == (int(expected.boxes.cls[index]), model.names[one["classId"]])
        assert one["score"] == pytest.approx(float(expected.boxes.conf[index]), abs=0.005)
        assert (boxes[other] - expected.boxes.xyxy[index]).abs().max() < 1.0  # pixels
        mask = np.frombuffer(base64.b64decode(one["mask"]), np.uint8).reshape(image.shape[:2]) == ord("1")
        wanted = expected.masks.data[index].numpy().astype(bool)
        assert (mask & wanted).sum() / (mask | wanted).sum() >= 0.99

    pixels = np.asarray(page.evaluate("() => document.getElementById('image').toDataURL('image/png').split(',')[1]"))
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(str(pixels)), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    changed = (drawn != image).any(axis=2)
    covered = expected.masks.data.numpy().astype(bool).any(axis=0)
    assert drawn.shape == image.shape and changed[covered].mean() > 0.99
    assert page.locator("#results tbody tr").count() == len(found)


def test_the_keyboard_alone_is_enough(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "example"
    page.keyboard.press("Enter")
    wait(page, "found in")
    assert page.evaluate("document.activeElement.id") == "example"  # the focus stays where it was
    for control in ("file", "camera"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == control
    assert "objects marked" in page.get_attribute("#image", "aria-label")


def test_a_photo_may_be_dropped(page):
    page.evaluate("""async () => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([await (await fetch('example.jpg')).blob()], 'example.jpg', { type: 'image/jpeg' }));
      document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer }));
    }""")
    wait(page, "found in")
    dropped = page.evaluate(LATEST)
    page.reload()
    wait(page, "Ready.")
    page.click("#example")
    wait(page, "found in")
    assert len(dropped) > 3 and page.evaluate(LATEST) == dropped


@pytest.mark.parametrize("then", ["#camera", "#example"])
def test_the_camera_takes_a_photo_and_gives_way_to_another(page, then):
    page.click("#camera")
    wait(page, "The camera is on.")
    assert page.locator("#preview").is_visible()
    page.click(then)
    wait(page, "found in")
    assert page.locator("#preview").is_hidden() and page.locator("#image").is_visible()
    assert page.evaluate("document.getElementById('preview').srcObject") is None
    assert page.inner_text("#camera") == "Start camera"


def test_what_is_no_photo_is_said_and_harms_nothing(page, tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    page.set_input_files("#file", tmp_path / "notes.txt")
    wait(page, "That did not work")
    page.click("#example")
    wait(page, "found in")
