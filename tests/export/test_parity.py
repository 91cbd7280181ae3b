"""The parity check sees what it should see, and nothing else."""

from __future__ import annotations

import copy
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from seglab import YOLO
from seglab.cli import main
from seglab.data.image import read_image
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.export import differences, parity
from seglab.export.inference_model import InferenceModel
from seglab.export.metadata import ModelMetadata, fingerprint
from seglab.export.onnx import load, write, write_metadata
from seglab.export.pt2 import OLDEST
from seglab.export.reference import Reference
from seglab.export.registry import FORMATS, load_runtime
from seglab.export.runtime import Runtime
from seglab.geometry.letterbox import letterbox
from seglab.model.yolo11 import YOLO11Seg

from .conftest import smooth_noise
from .planted import assert_sound_passes_and_faults_do_not, reference_for
from .written import written

FP32 = parity.LIMITS["fp32"]
needs_new_archives = pytest.mark.skipif(torch.__version__ < OLDEST, reason=f"needs PyTorch {OLDEST}")
NAMES = {0: "circle", 1: "square", 2: "star"}


@pytest.fixture(scope="module")
def reference(network) -> Reference:
    return reference_for(network)


@torch.inference_mode()
def rows_for(reference, photos, spoil) -> dict[str, parity.Row]:
    """The rows when the file's outputs are the network's own, spoilt by `spoil`."""

    def forward(images):
        return spoil(*(output.clone() for output in reference.network(images)))

    rows = parity.compare(reference, forward, photos, (160, 160), FP32)
    return {row.name: row for row in rows}


def failed(rows: dict[str, parity.Row]) -> set[str]:
    return {name for name, row in rows.items() if not row.ok}


def test_the_network_agrees_with_itself(reference, photos):
    rows = rows_for(reference, photos, lambda *outputs: outputs)
    assert not failed(rows)
    assert rows["matched detections"].value == rows["mask IoU, mean"].value == 1
    assert all(row.limit > 0 for name, row in rows.items() if name != "mask IoU, min")


def test_rounding_passes(reference, photos):
    rows = rows_for(reference, photos, lambda predictions, prototypes: (predictions * (1 + 1e-7), prototypes))
    assert not failed(rows)


def test_limits_are_the_network_s_own_rounding_on_the_same_images(network, reference, photos):
    """Ten times the largest difference between float32 and float64, measured here by hand."""
    exact, plain = InferenceModel(network, torch.float64), InferenceModel(network)
    largest = {"class probabilities, max error": 0.0, "boxes of all anchors, max error (px)": 0.0}
    for photo in photos:
        box = letterbox(photo.shape[:2], (160, 160))
        images = torch.from_numpy(box.apply(photo)).permute(2, 0, 1)[None].contiguous() / 255
        (a, _), (b, _) = exact(images), plain(images)
        assert a.dtype == torch.float64 and b.dtype == torch.float32
        for name, part in (
            ("class probabilities, max error", slice(4, 7)),
            ("boxes of all anchors, max error (px)", slice(0, 4)),
        ):
            largest[name] = max(largest[name], (a[:, part] - b[:, part]).abs().max().item())
    rows = rows_for(reference, photos, lambda *outputs: outputs)
    for name, error in largest.items():
        assert error > 0 and rows[name].limit == pytest.approx(10 * error, rel=1e-3)


def test_one_shifted_box_fails(reference, photos):
    sound = rows_for(reference, photos, lambda *outputs: outputs)
    far = 2 * sound["boxes of all anchors, max error (px)"].limit

    def shift(predictions, prototypes):
        predictions[0, 0, 17] += far
        return predictions, prototypes

    names = {"boxes of all anchors, max error (px)", "boxes of detections, max error (px)"}
    assert "boxes of all anchors, max error (px)" in failed(rows_for(reference, photos, shift)) <= names


def test_a_quantity_without_rounding_still_has_a_limit():
    """A constant output shows no error, and one step of its size is allowed all the same."""
    step = torch.finfo(torch.float32).eps
    assert parity.rounding(0.0, 640.0, torch.float32) == 640 * step
    assert parity.rounding(1e-3, 640.0, torch.float32) == 1e-3
    for error in (float("inf"), float("nan")):  # the precision cannot hold the network: that excuses nothing
        assert parity.rounding(error, 1.0, torch.float16) == torch.finfo(torch.float16).eps


def test_a_network_that_half_precision_cannot_hold_excuses_nothing(network, photos):
    """Activations beyond 65,504 are infinite in float16, in the file and in the measured rounding alike."""
    large = copy.deepcopy(network)
    large.model[0].conv.weight.data *= 1e6
    large.model[0].bn.running_mean *= 0
    reference = Reference.of(large, "fp16")
    broken = InferenceModel(large, torch.float16)
    with torch.inference_mode():
        rows = parity.compare(reference, broken, photos[:1], (160, 160), parity.LIMITS["fp16"])
    assert not all(row.ok for row in rows)


def test_a_neighbor_that_wins_by_rounding_is_no_error_of_a_box(photos):
    """Two boxes of one thing, a pixel apart: whichever suppression keeps, each is where the network put it."""
    predictions, prototypes = torch.zeros(1, 4 + 3 + 32, 2), torch.ones(1, 32, 40, 40)
    predictions[0, :4] = torch.tensor([[50.0, 51.0], [50.0, 50.0], [40.0, 40.0], [40.0, 40.0]])
    predictions[0, 4], predictions[0, 7] = torch.tensor([0.89954, 0.89946]), 1.0
    swapped, moved = predictions.clone(), predictions.clone()
    swapped[0, 4] = predictions[0, 4].flip(0)  # they round to .900 and .899
    moved[0, 0] += 0.003

    def gives(predictions):
        return lambda images: (predictions, prototypes)

    network = gives(predictions)
    reference = Reference(network, gives(predictions.double()), network)

    def rows(file):
        found = parity.compare(reference, gives(file), photos, (160, 160), FP32)
        return {row.name: row for row in found}

    assert (
        differences.top_detections(predictions).boxes.shape == differences.top_detections(swapped).boxes.shape == (1, 4)
    )
    found = rows(swapped)
    assert found["boxes of detections, max error (px)"].ok and found["matched detections"].value == 1
    assert "boxes of detections, max error (px)" in failed(rows(moved))


def test_other_masks_fail_though_boxes_agree(reference, photos):
    rows = rows_for(reference, photos, lambda predictions, prototypes: (predictions, -prototypes))
    assert failed(rows) == {"mask IoU, mean", "prototypes, max error (relative)", "prototypes, RMS error (relative)"}


def test_other_classes_fail_though_boxes_agree(reference, photos):
    def roll(predictions, prototypes):
        predictions[:, 4:7] = predictions[:, 4:7].roll(1, dims=1)
        return predictions, prototypes

    assert "matched detections" in failed(rows_for(reference, photos, roll))


def test_other_scores_fail_though_their_order_agrees(reference, photos):
    """Every detection is found in both, in the same order; prediction at conf=0.25 would find none of them."""

    def squeeze(predictions, prototypes):
        scores = predictions[:, 4:7]
        scores.copy_(torch.where(scores > 0.1, 0.1 + 0.15 * (scores - 0.1), scores))
        return predictions, prototypes

    assert "class probabilities, max error" in failed(rows_for(reference, photos, squeeze))


@pytest.mark.parametrize("part", [0, 1])  # predictions, prototypes
@pytest.mark.parametrize(("batch", "dynamic"), [(1, True), (4, False)])
@torch.inference_mode()
def test_a_file_that_is_right_for_the_first_image_of_a_call_fails(reference, photos, batch, dynamic, part):
    shapes = []

    def rows(run):
        metadata = ModelMetadata(NAMES, (160, 160), batch, dynamic)
        return parity.compare_batch(reference, Runtime("file", metadata, run), photos, FP32)

    def whole(images):
        shapes.append(tuple(images.shape))
        return reference.network(images)

    def first(images):
        outputs = [output.clone() for output in reference.network(images)]
        outputs[part][1:] = 0
        return outputs

    assert all(row.ok for row in rows(whole))
    assert shapes == [(2, 3, 160, 192) if dynamic else (4, 3, 160, 160)]
    in_predictions = {
        "batch, boxes of all anchors, max error (px)",
        "batch, class probabilities, max error",
        "batch, coefficients, max error (relative)",
    }
    stopped_by = {row.name for row in rows(first) if not row.ok and "RMS" not in row.name}
    assert stopped_by == ({"batch, prototypes, max error (relative)"} if part else in_predictions)


@torch.inference_mode()
def test_an_end_to_end_file_must_give_boxes_scores_and_masks_as_they_are(network, tmp_path):
    pytest.importorskip("onnxruntime")
    images = [read_image(path) for path in load_dataset("toybox8-seg").images("val")]
    model = YOLO("toybox-n")
    settings = {"conf": 0.25, "iou": 0.7, "max_det": 300, "masks": True}
    path, reference = tmp_path / "whole.onnx", InferenceModel(model.network)
    write(model.network, path, ModelMetadata(model.names, (320, 320), end_to_end=settings))
    runtime = load(path)
    whole = runtime.end_to_end

    def wrong(spoil):
        runtime.end_to_end = lambda image: spoil(*whole(image))
        return {
            row.name for row in parity.compare_end_to_end(reference, runtime, runtime.end_to_end, images) if not row.ok
        }

    def holed(boxes, scores, classes, masks):
        masks[:, ::50] = False
        return boxes, scores, classes, masks

    assert wrong(lambda *found: found) == set()
    assert wrong(lambda boxes, scores, *rest: (boxes, 0 * scores, *rest)) == {"end to end, scores, max error"}
    assert "end to end, boxes, max error (px)" in wrong(lambda boxes, *rest: (boxes + np.float32(0.5), *rest))
    assert wrong(holed) == {"end to end, mask IoU, mean"}


def test_int8_is_not_judged_by_a_network_that_finds_nothing(tmp_path):
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model, names = YOLO11Seg("n", 10).eval(), {index: str(index) for index in range(10)}
    path = tmp_path / "model.onnx"
    write(model, path, ModelMetadata(names, (64, 64)))
    write_metadata(path, ModelMetadata(names, (64, 64), precision="int8"))
    with pytest.raises(SeglabError, match=r"cannot judge int8 on .*toybox8-seg"):
        parity.verify(path, model, names, "toybox8-seg")


def test_nan_fails(reference, photos):
    def poison(predictions, prototypes):
        predictions[0, 2, 5] = float("nan")
        return predictions, prototypes

    assert "boxes of all anchors, max error (px)" in failed(rows_for(reference, photos, poison))


def test_verify_keeps_its_table_in_the_file_and_knows_the_weights(network, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    write(network, path, ModelMetadata(NAMES, (160, 160), weights=fingerprint(network)))
    assert parity.verify(path, network, NAMES)
    assert "mask IoU, mean" in capsys.readouterr().out
    kept = load(path).metadata.parity
    for row in ("boxes of all anchors, max error (px)", "boxes of detections, max error (px)"):
        assert kept[row]["ok"] and 0 < kept[row]["limit"] < 1

    earlier = {
        "mask mAP, file": {"value": 0.5, "limit": None, "ok": True},
        "mask IoU, mean": {"value": 0.1, "ok": False},
    }
    write(network, path, ModelMetadata(NAMES, (160, 160), weights=fingerprint(network), parity=earlier))
    assert parity.verify(path, network, NAMES)
    assert load(path).metadata.parity == {**earlier, **kept}

    write(network, path, ModelMetadata(NAMES, (160, 160), weights="0" * 64))
    with pytest.raises(SeglabError, match="other weights"):
        parity.verify(path, network, NAMES)


@pytest.mark.parametrize("suffix", ["onnx", pytest.param("pt2", marks=needs_new_archives)])
def test_the_command_line_verifies_again_later(suffix, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    model = YOLO("toybox-n")
    path = tmp_path / f"model.{suffix}"
    FORMATS[suffix].write(model.network, path, ModelMetadata(model.names, (64, 64), weights=fingerprint(model.network)))
    assert main(["verify", str(path), "model=toybox-n", "data=toybox8-seg"]) == 0
    kept = load_runtime(path).metadata.parity
    exported = YOLO(path)  # predicts and validates as the weights do, and as the parity check found
    assert exported.val("toybox8-seg", verbose=False).seg.map == pytest.approx(
        kept["mask mAP, file"]["value"], abs=1e-6
    )
    image = load_dataset("toybox8-seg").images("val")[0]
    (given,), (expected,) = exported.predict(image), model.predict(image, imgsz=(64, 64))
    torch.testing.assert_close(given.boxes.data, expected.boxes.data, rtol=0, atol=1e-2)
    assert main(["verify", str(path)]) == 2  # no weights beside it
    model.save(tmp_path / "model.safetensors")
    assert YOLO(tmp_path / "model.safetensors").license == "Apache-2.0"
    assert main(["verify", str(path)]) == 0
    assert "pass model=, the weights that" in capsys.readouterr().err


def test_a_file_inside_a_folder_is_verified_as_that_folder(tmp_path):
    pytest.importorskip("openvino")
    model, folder = YOLO("toybox-n"), tmp_path / "best_openvino_model"
    FORMATS["openvino"].write(
        model.network, folder, ModelMetadata(model.names, (64, 64), weights=fingerprint(model.network))
    )
    model.save(tmp_path / "best.safetensors")
    assert main(["verify", str(folder / "model.xml")]) == 0
    assert load_runtime(folder).metadata.parity["mask IoU, mean"]["ok"]


# --- sound files pass, faults do not, in every format ---------------------------------------------------------------


@pytest.fixture(scope="module")
def toybox():
    """The course weights, what they are judged by, and two scenes."""
    model = YOLO("toybox-n")
    scenes = [read_image(path) for path in load_dataset("toybox8-seg").images("val")[:2]]
    return model, reference_for(model.network), scenes


@pytest.mark.parametrize("name", FORMATS)
def test_planted_faults_exceed_the_limits_a_hundred_times_in_every_format(name, toybox, tmp_path):
    model, reference, scenes = toybox
    metadata = ModelMetadata(model.names, (320, 320))
    is_installed = all(find_spec(package) for package in FORMATS[name].needs())
    if not (is_installed and FORMATS[name].runs_here()):
        # What cannot run here is stood in for by the network with its sums in another order.
        network = InferenceModel(model.network).to(memory_format=torch.channels_last)
        forward = Runtime("file", metadata, network).forward
    else:
        forward = load_runtime(written(name, model.network, metadata, tmp_path), trust=True).forward
    assert_sound_passes_and_faults_do_not(reference, forward, scenes, (320, 320))


def network_with_large_activations(scale: float, seed: int) -> YOLO11Seg:
    """Random weights whose layers put out values of the size of `scale` where trained ones have about 1."""
    torch.manual_seed(seed)
    model = YOLO11Seg("n", classes=len(NAMES))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain average of what it sees
            torch.nn.init.constant_(module.weight, scale)
            torch.nn.init.normal_(module.bias, std=scale)
    for branch in (*model.head.cv2, *model.head.cv3, *model.head.cv4):
        branch[-1].weight.data /= scale  # logits of an ordinary size
    with torch.no_grad():
        for seed in range(2):
            model(smooth_noise(4, seed=seed))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(("scale", "seed"), [(1, 0), (3, 1), (10, 0), (10, 1), (30, 0)])
@pytest.mark.parametrize("name", ["onnx", "openvino", "ncnn"])
def test_large_activations_are_no_fault(name, scale, seed, photos, tmp_path):
    model = network_with_large_activations(scale, seed)
    path = written(name, model, ModelMetadata(NAMES, (160, 160)), tmp_path)
    forward = load_runtime(path, trust=True).forward
    assert_sound_passes_and_faults_do_not(reference_for(model), forward, photos, (160, 160), subtle=False)
