"""The gate sees what it should see, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.cli import main
from seglab.data.catalogue import load_dataset
from seglab.data.image import read_image
from seglab.errors import SeglabError
from seglab.export import parity
from seglab.export.deployed import Deployed
from seglab.export.description import Description, fingerprint
from seglab.export.formats import FORMATS, module_of
from seglab.export.onnx import describe, load, write
from seglab.export.pt2 import OLDEST
from seglab.export.runtime import Runtime, load_runtime
from seglab.model.yolo11 import YOLO11Seg

FP32 = parity.LIMITS["fp32"]
needs_new_archives = pytest.mark.skipif(torch.__version__ < OLDEST, reason=f"needs PyTorch {OLDEST}")
NAMES = {0: "circle", 1: "square", 2: "star"}


@pytest.fixture(scope="session")
def photos(smooth) -> list[np.ndarray]:
    return [(smooth(1, (128, 192), seed=seed)[0].permute(1, 2, 0) * 255).byte().numpy() for seed in (7, 8)]


@torch.inference_mode()
def rows_for(network, photos, spoil) -> dict[str, parity.Row]:
    """The gate's rows when the file's outputs are the network's own, spoilt by `spoil`."""
    reference = Deployed(network)

    def forward(images):
        return spoil(*(output.clone() for output in reference(images)))

    rows = parity.compare(reference, forward, photos, (160, 160), FP32)
    return {row.name: row for row in rows}


def failed(rows: dict[str, parity.Row]) -> set[str]:
    return {name for name, row in rows.items() if not row.ok}


def test_the_network_agrees_with_itself(network, photos):
    rows = rows_for(network, photos, lambda *outputs: outputs)
    assert not failed(rows)
    assert rows["detections in both"].value == rows["mask IoU"].value == 1


def test_rounding_passes(network, photos):
    rows = rows_for(network, photos, lambda predictions, prototypes: (predictions * (1 + 1e-7), prototypes))
    assert not failed(rows)


def test_one_shifted_box_fails(network, photos):
    def shift(predictions, prototypes):
        predictions[0, 0, 17] += 0.01
        return predictions, prototypes

    assert "box, relative" in failed(rows_for(network, photos, shift)) <= {"box, relative", "box, detections (px)"}


def test_a_neighbour_that_wins_by_rounding_is_no_error_of_a_box(photos):
    """Two boxes of one thing, a pixel apart: whichever suppression keeps, each is where the network put it."""
    predictions, prototypes = torch.zeros(1, 4 + 3 + 32, 2), torch.ones(1, 32, 40, 40)
    predictions[0, :4] = torch.tensor([[50.0, 51.0], [50.0, 50.0], [40.0, 40.0], [40.0, 40.0]])
    predictions[0, 4], predictions[0, 7] = torch.tensor([0.89954, 0.89946]), 1.0
    swapped, moved = predictions.clone(), predictions.clone()
    swapped[0, 4] = predictions[0, 4].flip(0)  # they round to .900 and .899
    moved[0, 0] += 0.003

    def rows(file):
        pair = [lambda images, given=given: (given, prototypes) for given in (predictions, file)]
        found = parity.compare(*pair, photos, (160, 160), FP32)
        return {row.name: row for row in found}

    assert parity.best(predictions).boxes.shape == parity.best(swapped).boxes.shape == (1, 4)
    assert not failed(rows(swapped)) - {"mask IoU"} and rows(swapped)["detections in both"].value == 1
    assert "box, detections (px)" in failed(rows(moved))


def test_other_masks_fail_though_boxes_agree(network, photos):
    rows = rows_for(network, photos, lambda predictions, prototypes: (predictions, -prototypes))
    assert failed(rows) == {"mask IoU", "prototypes, relative"}


def test_other_classes_fail_though_boxes_agree(network, photos):
    def roll(predictions, prototypes):
        predictions[:, 4:7] = predictions[:, 4:7].roll(1, dims=1)
        return predictions, prototypes

    assert "detections in both" in failed(rows_for(network, photos, roll))


def test_other_scores_fail_though_their_order_agrees(network, photos):
    """Every detection is found in both, in the same order; prediction at conf=0.25 would find none of them."""

    def squeeze(predictions, prototypes):
        scores = predictions[:, 4:7]
        scores.copy_(torch.where(scores > 0.1, 0.1 + 0.15 * (scores - 0.1), scores))
        return predictions, prototypes

    assert "class probability" in failed(rows_for(network, photos, squeeze))


@pytest.mark.parametrize("part", [0, 1])  # predictions, prototypes
@pytest.mark.parametrize(("batch", "dynamic"), [(1, True), (4, False)])
@torch.inference_mode()
def test_a_file_that_is_right_for_the_first_picture_of_a_call_fails(network, photos, batch, dynamic, part):
    reference, shapes = Deployed(network), []

    def rows(run):
        description = Description(NAMES, (160, 160), batch, dynamic)
        return parity.compare_batch(reference, Runtime("file", description, run), photos, FP32)

    def whole(images):
        shapes.append(tuple(images.shape))
        return reference(images)

    def first(images):
        outputs = [output.clone() for output in reference(images)]
        outputs[part][1:] = 0
        return outputs

    assert all(row.ok for row in rows(whole))
    assert shapes == [(2, 3, 160, 192) if dynamic else (4, 3, 160, 160)]
    wrong = {"batch, box, relative", "batch, class probability", "batch, coefficients, relative"}
    assert {row.name for row in rows(first) if not row.ok} == ({"batch, prototypes, relative"} if part else wrong)


@torch.inference_mode()
def test_an_end_to_end_file_must_give_boxes_scores_and_masks_as_they_are(network, tmp_path):
    pytest.importorskip("onnxruntime")
    pictures = [read_image(path) for path in load_dataset("toybox8-seg").images("val")]
    model = YOLO("toybox-n")
    settings = {"conf": 0.25, "iou": 0.7, "max_det": 300, "masks": True}
    path, reference = tmp_path / "whole.onnx", Deployed(model.network)
    write(model.network, path, Description(model.names, (320, 320), end_to_end=settings))
    runtime = load(path)
    whole = runtime.complete

    def wrong(spoil):
        runtime.complete = lambda image: spoil(*whole(image))
        return {row.name for row in parity.compare_complete(reference, runtime, pictures) if not row.ok}

    def holed(boxes, scores, classes, masks):
        masks[:, ::50] = False
        return boxes, scores, classes, masks

    assert wrong(lambda *found: found) == set()
    assert wrong(lambda boxes, scores, *rest: (boxes, 0 * scores, *rest)) == {"end to end, score"}
    assert "end to end, box (px)" in wrong(lambda boxes, *rest: (boxes + np.float32(0.5), *rest))
    assert wrong(holed) == {"end to end, mask IoU"}


def test_int8_is_not_judged_by_a_network_that_finds_nothing(tmp_path):
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model, names = YOLO11Seg("n", 10).eval(), {index: str(index) for index in range(10)}
    path = tmp_path / "model.onnx"
    write(model, path, Description(names, (64, 64)))
    describe(path, Description(names, (64, 64), precision="int8"))
    with pytest.raises(SeglabError, match=r"cannot judge int8 on .*toybox8-seg"):
        parity.verify(path, model, names, "toybox8-seg")


def test_nan_fails(network, photos):
    def poison(predictions, prototypes):
        predictions[0, 2, 5] = float("nan")
        return predictions, prototypes

    assert "box, relative" in failed(rows_for(network, photos, poison))


def test_crop_iou():
    a = (2, 3, np.ones((4, 5), bool))
    assert parity.crop_iou(a, a) == 1
    assert parity.crop_iou(a, (4, 3, np.ones((4, 5), bool))) == pytest.approx(12 / 28)
    assert parity.crop_iou(a, (50, 50, np.ones((4, 5), bool))) == 0
    assert parity.crop_iou(*[(0, 0, np.zeros((4, 5), bool))] * 2) is None


def test_verify_keeps_its_table_in_the_file_and_knows_the_weights(network, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    write(network, path, Description(NAMES, (160, 160), weights=fingerprint(network)))
    assert parity.verify(path, network, NAMES)
    assert "mask IoU" in capsys.readouterr().out
    kept = load(path).description.parity
    for row in ("box, relative", "box, detections (px)"):
        assert kept[row]["ok"] and kept[row]["limit"] == FP32[row]

    earlier = {"mask mAP, file": {"value": 0.5, "limit": None, "ok": True}, "mask IoU": {"value": 0.1, "ok": False}}
    write(network, path, Description(NAMES, (160, 160), weights=fingerprint(network), parity=earlier))
    assert parity.verify(path, network, NAMES)
    assert load(path).description.parity == {**earlier, **kept}

    write(network, path, Description(NAMES, (160, 160), weights="0" * 64))
    with pytest.raises(SeglabError, match="other weights"):
        parity.verify(path, network, NAMES)


@pytest.mark.parametrize("suffix", ["onnx", pytest.param("pt2", marks=needs_new_archives)])
def test_the_command_line_verifies_again_later(suffix, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    model = YOLO("toybox-n")
    path = tmp_path / f"model.{suffix}"
    module_of(FORMATS[suffix]).write(
        model.network, path, Description(model.names, (64, 64), weights=fingerprint(model.network))
    )
    assert main(["verify", str(path), "model=toybox-n", "data=toybox8-seg"]) == 0
    kept = load_runtime(path).description.parity
    exported = YOLO(path)  # predicts and validates as the weights do, and as the gate found
    assert exported.val("toybox8-seg", verbose=False).seg.map == pytest.approx(
        kept["mask mAP, file"]["value"], abs=1e-6
    )
    picture = load_dataset("toybox8-seg").images("val")[0]
    (given,), (expected,) = exported.predict(picture), model.predict(picture, imgsz=(64, 64))
    torch.testing.assert_close(given.boxes.data, expected.boxes.data, rtol=0, atol=1e-2)
    assert main(["verify", str(path)]) == 2  # no weights beside it
    model.save(tmp_path / "model.safetensors")
    assert YOLO(tmp_path / "model.safetensors").licence == "Apache-2.0"
    assert main(["verify", str(path)]) == 0
    assert "model= which weights" in capsys.readouterr().err


def test_a_file_inside_a_folder_is_verified_as_that_folder(tmp_path):
    pytest.importorskip("openvino")
    model, folder = YOLO("toybox-n"), tmp_path / "best_openvino_model"
    module_of(FORMATS["openvino"]).write(
        model.network, folder, Description(model.names, (64, 64), weights=fingerprint(model.network))
    )
    model.save(tmp_path / "best.safetensors")
    assert main(["verify", str(folder / "model.xml")]) == 0
    assert load_runtime(folder).description.parity["mask IoU"]["ok"]
