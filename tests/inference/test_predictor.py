"""From images to results with a network whose answer is known: it finds the white disc on black."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seglab.config import PredictConfig
from seglab.errors import SeglabError
from seglab.export.inference_model import InferenceModel
from seglab.inference.predictor import fit, predict, to_tensor
from seglab.model.transfer import init_network

NAMES = {0: "disc", 1: "other"}


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """(H, W, 3) uint8, white where a pixel's center lies in the circle."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return np.repeat(((np.hypot(columns - x, rows - y) < radius) * 255).astype(np.uint8)[..., None], 3, axis=2)


def forward(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One box around what is white; the first prototype is brightness at a quarter of the resolution."""
    batch, _, height, width = images.shape
    white = images[:, 0].float() > 0.7  # the gray border is .45
    prototypes = torch.zeros(batch, 32, height // 4, width // 4)
    prototypes[:, 0] = F.avg_pool2d(white[:, None].float(), 4)[:, 0] - 0.5
    prototypes[:, 1] = 1
    predictions = torch.zeros(batch, 4 + 2 + 32, 10)
    for row, mask in zip(predictions, white):
        y, x = mask.nonzero().T
        if len(x):
            left, top, right, bottom = x.min(), y.min(), x.max() + 1, y.max() + 1
            box = torch.stack(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
            row[:4, 3], row[4, 3], row[6, 3] = box, 0.9, 1.0
            row[:4, 5], row[5, 5], row[7, 5] = box, 0.8, -1.0  # a second guess whose mask is empty
    return predictions, prototypes


@pytest.mark.parametrize("shape", [(480, 640), (640, 427), (97, 61), (1200, 1600), (333, 500)])
@pytest.mark.parametrize("rect", [True, False])
def test_finds_the_disc_in_the_images_own_frame(shape, rect):
    height, width = shape
    x, y, radius = 0.6 * width, 0.4 * height, 0.3 * min(shape)
    image = disc(height, width, x, y, radius)
    (result,) = predict(forward, image, PredictConfig(rect=rect, conf=0.85), NAMES)
    tolerance = max(width, height) / 640 + 0.6  # one letterbox pixel, and half of the image's own
    assert result.boxes.xyxy[0].tolist() == pytest.approx(
        [x - radius, y - radius, x + radius, y + radius], abs=tolerance
    )
    assert result.boxes.cls.tolist() == [0] and result.boxes.conf.tolist() == pytest.approx([0.9])
    found, ground_truth = result.masks.data[0].numpy().astype(bool), image[..., 0] > 0
    assert found.shape == shape
    assert (found & ground_truth).sum() / (found | ground_truth).sum() > 0.96
    assert set(result.speed) == {"preprocess", "inference", "postprocess"} and min(result.speed.values()) >= 0


def test_single_equals_batched():
    images = [disc(120, 160, 30 + 20 * i, 60, 20 + i) for i in range(5)]
    alone = [next(predict(forward, image, PredictConfig(imgsz=160), NAMES)) for image in images]
    together = list(predict(forward, images, PredictConfig(imgsz=160, batch=3), NAMES))
    assert len(together) == 5
    for a, b in zip(alone, together):
        assert torch.equal(a.boxes.data, b.boxes.data) and torch.equal(a.masks.data, b.masks.data)


def test_raw_output_gives_the_same_as_predictions():
    model = InferenceModel(init_network("n", 2, seed=0))
    model.network.model[-1].cv3[0][-1].bias.data.fill_(0)  # so that some scores are high
    images = [disc(120, 160, 30 + 20 * i, 60, 20 + i) for i in range(6)]
    config = PredictConfig(imgsz=160, batch=6, conf=0.4)
    expected = list(predict(model, images, config, NAMES))
    results = list(predict(model.undecoded, images, config, NAMES))
    assert len(results) == 6 and any(len(result) for result in results)
    for result, same in zip(results, expected, strict=True):
        torch.testing.assert_close(result.boxes.data, same.boxes.data)
        assert (result.masks is None) == (same.masks is None)
        assert result.masks is None or torch.equal(result.masks.data, same.masks.data)


def test_masks_of_the_input_are_made_when_they_are_asked_for():
    (result,) = predict(forward, disc(100, 200, 50, 50, 20), PredictConfig(imgsz=160, retina_masks=False), NAMES)
    assert callable(result.masks.given)
    kept = pickle.loads(pickle.dumps(result.masks))
    assert kept.shape == (1, 96, 160) and torch.equal(kept.data, result.masks.data)
    assert torch.equal(result.masks[0].data, result.masks.data) and result.masks.data.any()


def test_shapes_given_to_the_network():
    seen = []

    def watch(images):
        seen.append(tuple(images.shape))
        return forward(images)

    same, other = disc(100, 200, 50, 50, 20), disc(200, 100, 50, 50, 20)
    list(predict(watch, [same, same], PredictConfig(imgsz=160, batch=2), NAMES))
    list(predict(watch, [same, other], PredictConfig(imgsz=160, batch=2), NAMES))
    list(predict(watch, same, PredictConfig(imgsz=160, rect=False), NAMES))
    list(predict(watch, same, PredictConfig(imgsz=(96, 150)), NAMES))
    assert seen == [(2, 3, 96, 160), (2, 3, 160, 160), (1, 3, 160, 160), (1, 3, 96, 160)]


def test_images_of_many_shapes_share_a_batch():
    images = [disc(100, 200, 80, 50, 30), disc(200, 120, 60, 90, 40)]
    for result, image in zip(predict(forward, images, PredictConfig(imgsz=320, batch=2), NAMES), images):
        found, ground_truth = result.masks.data[0].numpy().astype(bool), image[..., 0] > 0
        assert found.shape == image.shape[:2]
        assert (found & ground_truth).sum() / (found | ground_truth).sum() > 0.96


def test_nothing_found_and_filters():
    (result,) = predict(forward, np.zeros((64, 64, 3), np.uint8), PredictConfig(), NAMES)
    assert len(result) == 0 and result.masks is None and result.boxes.data.shape == (0, 6)
    image = disc(64, 64, 30, 30, 20)
    assert len(next(predict(forward, image, PredictConfig(classes=1), NAMES))) == 0  # its mask is empty
    assert len(next(predict(forward, image, PredictConfig(conf=0.95), NAMES))) == 0
    names = ["disc", "other"]
    assert next(predict(forward, image, PredictConfig(), names)).verbose() == "1 disc, "


def test_results_are_the_users_to_change():
    (result,) = predict(forward, disc(64, 64, 30, 30, 20), PredictConfig(), NAMES)
    result.boxes.data[:, :4] += 1
    result.masks.data.mul_(2)
    assert not result.boxes.data.is_inference()


def test_tensor_is_rgb_in_unit_range_channels_last():
    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 0], image[0, 0] = 255, (0, 51, 102)
    images = to_tensor([image, image])
    assert images.shape == (2, 3, 32, 64) and images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[1, :, 0, 0].tolist() == pytest.approx([0, 0.2, 0.4]) and images[0, :, 5, 5].tolist() == [1, 0, 0]
    assert to_tensor([image], half=True).dtype == torch.float16


def test_torchs_compiler_stays_out_of_a_prediction():
    """Its import, which torchvision's brings, takes longer than all else of a first prediction."""
    script = "import sys, seglab.inference.predictor as p, seglab.yolo; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_stream_is_lazy():
    def endless():
        while True:
            yield np.zeros((64, 64, 3), np.uint8)

    stream = predict(forward, endless(), PredictConfig(batch=2), NAMES)
    assert [len(next(stream)) for _ in range(5)] == [0] * 5


def test_config_errors():
    wrongs = [{"conf": 1.5}, {"iou": -0.1}, {"batch": 0}, {"max_det": 0}, {"imgsz": 0}, {"imgsz": (1, 2, 3)}]
    wrongs += [{"conf": "high"}, {"imgsz": "640"}, {"imgsz": ("a", 1)}, {"classes": "cup"}, {"rect": 1}]
    for wrong in wrongs:
        with pytest.raises(SeglabError, match=next(iter(wrong))):
            PredictConfig(**wrong)
    assert PredictConfig(classes=np.array([0, 2])).classes == [0, 2] and PredictConfig(conf=np.float32(0.5)).conf == 0.5
    assert PredictConfig(conf=None, batch=None) == PredictConfig(), "None stands for the default"
    assert PredictConfig(imgsz=500).imgsz == 512 and PredictConfig(imgsz=[100, 64]).imgsz == (128, 64)


def test_fit():
    assert fit([(427, 640)], 640)[0].size == (448, 640)
    assert {box.size for box in fit([(427, 640), (640, 427)], 640)} == {(640, 640)}
