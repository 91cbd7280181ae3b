"""Drawing as scripts do it: on the image that was given, in the color that was given."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from seglab.compat.annotator import Annotator, Colors, colors, save_one_box

RED = (0, 0, 255)  # BGR


@pytest.fixture
def image() -> np.ndarray:
    return np.full((80, 120, 3), 90, np.uint8)


def test_colors_are_rgb_or_bgr():
    assert colors(3, True) == colors(3)[::-1] and colors(torch.tensor(3.0)) == colors(3) == Colors()(3)
    assert len({colors(number) for number in range(colors.n)}) == colors.n


def test_boxes_and_labels_are_drawn_in_place(image):
    annotator = Annotator(image, line_width=2)
    annotator.box_label(torch.tensor([20.0, 30, 100, 70]), "cup 0.9", color=RED)
    assert annotator.result() is image and (image == RED).all(axis=2).sum() > 200
    without = np.full_like(image, 90)
    Annotator(without, line_width=2).box_label([20, 30, 100, 70], color=RED)
    assert (without != image).any() and (without == RED).all(axis=2).any()


def test_masks_outlines_rectangles_and_text(image):
    annotator = Annotator(image)
    masks = torch.zeros(1, 80, 120)
    masks[0, :10, :10] = 1
    annotator.masks(masks, [RED], alpha=1.0)
    assert (image[:10, :10] == RED).all() and (image[20:, 20:] == 90).all()
    annotator.rectangle([50, 50, 59, 59], fill=(1, 2, 3), outline=(9, 9, 9))
    assert image[55, 55].tolist() == [1, 2, 3] and image[50, 50].tolist() == [9, 9, 9]
    before = image.copy()
    annotator.seg_bbox(np.array([[60, 20], [100, 20], [80, 40]], np.float32), mask_color=RED, label="id 1")
    assert (image != before).any()
    annotator.seg_bbox(np.zeros((0, 2)))
    before = image.copy()
    annotator.text((5, 70), "hello", anchor="bottom")
    assert (image[:70] != before[:70]).any() and (image[72:] == before[72:]).all()
    annotator.fromarray(before)
    assert annotator.result() is before


def test_from_and_to_pil(tmp_path):
    annotator = Annotator(Image.new("RGB", (30, 20), (255, 0, 0)))
    assert annotator.result()[0, 0].tolist() == list(RED)
    assert annotator.result(pil=True).getpixel((0, 0)) == (255, 0, 0)
    annotator.save(tmp_path / "a.png")
    assert cv2.imread(str(tmp_path / "a.png"))[0, 0].tolist() == list(RED)


def test_one_box_is_cut_out(image, tmp_path):
    image[30:50, 40:70] = RED
    crop = save_one_box([40, 30, 70, 50], image, tmp_path / "c.jpg", gain=1.0, pad=0, BGR=True)
    assert crop.shape == (20, 30, 3) and (crop == RED).all() and (tmp_path / "c.jpg").is_file()
    square = save_one_box(torch.tensor([[40, 30, 70, 50]]), image, gain=1.0, pad=4, square=True, save=False)
    assert square.shape == (34, 34, 3) and square[17, 17].tolist() == [255, 0, 0]


def test_helpers_of_colors_and_boxes():
    assert Colors.hex2rgb("#FF3838") == Colors.hex2rgb("ff3838") == (255, 56, 56)
    annotator = Annotator(np.zeros((8, 8, 3), np.uint8))
    assert annotator.get_txt_color((250, 240, 230)) == (0, 0, 0)
    assert annotator.get_txt_color((20, 30, 40)) == (255, 255, 255)
    assert Annotator.get_bbox_dimension((1, 2, 5, 10)) == (4, 8, 32)
