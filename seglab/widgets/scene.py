"""An image with everything a network said of it: looked at under other thresholds without the network.

The candidates of `decode` are kept, and for each candidate that was ever shown the weighted sums of its mask, so a new
threshold costs one comparison a pixel inside the boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from seglab.data.augment import transform_instances
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import is_dataset_name, load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.device import to_device
from seglab.errors import SeglabError
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.letterbox import Letterbox
from seglab.geometry.polygons import ring_area
from seglab.geometry.rle import crop_to_rle, iou, rings_to_rle, rle_to_crop
from seglab.inference.decode import decode
from seglab.inference.masks import MaskCrop, weighted_sums
from seglab.inference.nms import Detections, candidates, nms, suppress
from seglab.inference.predictor import fit, to_tensor
from seglab.inference.results import Results
from seglab.inference.sources import load
from seglab.model.head import COEFFICIENTS, RawOutput
from seglab.sample import Instance, Sample
from seglab.wording import pluralize

SHOWN = 1280  # pixels of the longest side; a larger image is scaled down to this before it is explored
LOWEST = 0.05  # score from which boxes are candidates
MAX_DETECTIONS = 300  # on an image, as in predict
MOST_PIXELS = 1 << 26  # of sums kept: 256 MB
MATCH = 0.5  # IoU of masks from which a detection has found an object
WRONG, UNCOUNTED = -1, -2  # verdicts on detections that found no object: a false positive; one on a crowd region

Sums = Callable[[list[int]], Iterable[tuple[int, int, np.ndarray]]]  # candidates -> left, top, (h, w) float32 each


class Scene:
    """One image, its candidates best first, and the objects that are truly on it (none where nobody knows)."""

    def __init__(
        self, image: np.ndarray, found: Detections, boxes: np.ndarray, sums: Sums, names: dict[int, str],
        ground_truth: Sequence[Instance] = (), settled: bool = False,
    ):  # fmt: skip
        """image: (H, W, 3) uint8 RGB; found: N candidates, suppressed in the frame their boxes have; boxes: the same
        boxes (N, 4) xyxy in the image frame; sums: weighted sums of the masks; ground_truth: instances in the image
        frame; settled: no threshold changes the masks."""
        self.image, self.names, self.settled = image, names, settled
        self.thickness = 1 + (max(image.shape[:2]) > 800)  # pixels of a rim
        self.candidates, self.boxes, self._make_sums = found, boxes, sums
        self.scores, self.classes = found.scores.numpy(), found.classes.numpy()
        self.ground_truth = list(ground_truth)
        self.ground_truth_rles = [rings_to_rle(item.rings, *image.shape[:2]) for item in ground_truth]
        self.ground_truth_crops = [rle_to_crop(rle) for rle in self.ground_truth_rles]
        self._sums: dict[int, tuple[int, int, np.ndarray]] = {}
        self._made: dict[tuple[str, int], Any] = {}  # what belongs to the present mask threshold
        self._mask = 0.5

    def __len__(self) -> int:
        return len(self.scores)

    def found(self, confidence: float = 0.25, overlap: float = 0.7, hidden: Iterable[int] = ()) -> list[int]:
        """The candidates that survive: score above `confidence`, suppressed at IoU `overlap`, class not `hidden`."""
        keep = torch.from_numpy((self.scores > confidence) & ~np.isin(self.classes, list(hidden)))
        # Numbers travel in the place of the coefficients, so suppression says which candidates it kept.
        numbered = self.candidates._replace(coefficients=torch.arange(len(self)))
        return nms(numbered.pick(keep), overlap, MAX_DETECTIONS).coefficients.tolist()

    def crops(self, numbers: Sequence[int], mask: float = 0.5) -> list[MaskCrop]:
        """The masks of candidates in the image frame: pixels whose probability exceeds `mask`."""
        if mask != self._mask:
            self._made.clear()
            self._mask = mask
        missing = [number for number in numbers if number not in self._sums]
        if missing:
            if sum(sums.size for _, _, sums in self._sums.values()) > MOST_PIXELS:
                self._sums.clear()
                missing = list(numbers)
            self._sums.update(zip(missing, self._make_sums(missing)))
        logit = np.float32(np.log(mask / (1 - mask)))
        return self._once("crop", numbers, [self._sums[n] for n in numbers], lambda sums: _above(sums, logit))

    def edges(self, numbers: Sequence[int], mask: float) -> list[MaskCrop]:
        """The rims of the masks, inside them, as crops."""
        return self._once("edge", numbers, self.crops(numbers, mask), lambda crop: rim(crop, self.thickness))

    def outlines(self, numbers: Sequence[int], mask: float) -> list[str]:
        """The masks' contours as SVG paths, in the image frame, to within a pixel."""
        return self._once("outline", numbers, self.crops(numbers, mask), svg_path)

    def contours(self, numbers: Sequence[int], mask: float) -> list[str]:
        """What is told of the masks' contours."""
        return self._once("contour", numbers, self.crops(numbers, mask), lambda crop: contour_words(crop[2]))

    def overlaps(self, numbers: Sequence[int], mask: float = 0.5) -> np.ndarray:
        """IoU of the masks of candidates with every true object (N, M); over the candidate alone for a crowd."""
        size, crowd = self.image.shape[:2], [item.crowd for item in self.ground_truth]

        def row(crop: MaskCrop) -> np.ndarray:
            return iou([crop_to_rle(*crop, *size)], self.ground_truth_rles, crowd)[0]

        rows = self._once("overlap", numbers, self.crops(numbers, mask), row)
        return np.array(rows).reshape(len(numbers), len(self.ground_truth))

    def verdicts(self, numbers: Sequence[int], mask: float = 0.5) -> list[int]:
        """For each candidate, best first: the object it found, WRONG, or UNCOUNTED.

        COCO's rule at IoU 0.5: each takes the free object of its class that it overlaps most.
        """
        crowd = np.array([item.crowd for item in self.ground_truth], dtype=bool)
        kinds = np.array([item.class_id for item in self.ground_truth], dtype=int)
        free, verdicts = ~crowd, []
        for number, overlap in zip(numbers, self.overlaps(numbers, mask)):
            fits = (overlap >= MATCH) & (kinds == self.classes[number])
            if (fits & free).any():
                verdicts.append(int(np.where(fits & free, overlap, -1).argmax()))
                free[verdicts[-1]] = False
            else:
                verdicts.append(UNCOUNTED if (fits & crowd).any() else WRONG)
        return verdicts

    def label(self, number: int) -> str:
        """Class and score of a candidate, in words."""
        return f"{self.names[int(self.classes[number])]} {self.scores[number]:.2f}"

    def facts(self, number: int, mask: float = 0.5) -> dict[str, str]:
        """What is known of a candidate: class, score, box, area and contour; its overlap with the ground truth."""
        (_, _, crop), x = self.crops([number], mask)[0], self.boxes[number]
        facts = {
            "class": self.names[int(self.classes[number])],
            "score": f"{self.scores[number]:.3f}",
            "box": f"x {x[0]:.0f} to {x[2]:.0f}, y {x[1]:.0f} to {x[3]:.0f}",
            "area": f"{crop.sum()} px, {100 * crop.sum() / self.image[..., 0].size:.1f} % of the image",
            "contour": self.contours([number], mask)[0],
        }
        if self.ground_truth:
            overlap = self.overlaps([number], mask)[0]
            best = int(overlap.argmax())
            name = self.names.get(self.ground_truth[best].class_id, "?")
            facts["ground truth"] = (
                f"IoU {overlap[best]:.2f} with this: {name}" if overlap[best] else "overlaps no object"
            )
        return facts

    def _once(self, what: str, numbers: Sequence[int], given: Sequence[Any], make: Callable[[Any], Any]) -> list[Any]:
        """What is made of what is `given` for each candidate, and kept."""
        for number, each in zip(numbers, given):
            if (what, number) not in self._made:
                self._made[what, number] = make(each)
        return [self._made[what, number] for number in numbers]


def _above(sums: tuple[int, int, np.ndarray], logit: np.float32) -> MaskCrop:
    return sums[0], sums[1], sums[2] > logit


def contour_words(mask: np.ndarray) -> str:
    """How long the contour of a (h, w) bool mask is along its pixels' edges, and of what it consists."""
    rings = mask_to_rings(mask)
    holes = sum(ring_area(ring) < 0 for ring in rings)
    edge = sum(int(np.abs(np.roll(ring, -1, axis=0) - ring).sum()) for ring in rings)
    return f"{edge} px long, {pluralize(len(rings) - holes, 'part')}, {pluralize(holes, 'hole')}"


def rim(crop: MaskCrop, thickness: int) -> MaskCrop:
    """The pixels of a mask within `thickness` of its contour."""
    x0, y0, mask = crop
    square = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    inner = cv2.erode(mask.view(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return x0, y0, mask > inner.view(bool)


def svg_path(crop: MaskCrop) -> str:
    """A mask's contour, simplified by at most a pixel, as an SVG path; pixels of a mask touch, hence the halves."""
    x0, y0, mask = crop
    if not mask.any():
        return ""
    rings, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    corners = [cv2.approxPolyDP(ring, 1.0, True)[:, 0] + (x0, y0) for ring in rings]
    return "".join("M" + "L".join(f"{x}.5 {y}.5" for x, y in ring.tolist()) + "Z" for ring in corners)


class Seen(NamedTuple):
    """One run of a network over one image: what went in, what came out, all on the CPU."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    ground_truth: list[Instance]  # image frame
    letterbox: Letterbox
    predictions: Tensor  # (1, 4 + C + 32, A), letterbox frame
    prototypes: Tensor  # (32, h, w)
    raw: RawOutput | None  # undecoded; None from exported files
    mask_targets: str  # soft or hard, what the network was trained with


def see(model: Any, sample: Sample, imgsz: int | tuple[int, int] | None = None) -> Seen:
    """Run a facade's network, or the file it was exported to, over an image, once.

    imgsz: the network's input size, by default the one the model was trained at.
    """
    image, instances = shown(sample)
    fixed = model.runtime.imgsz if model.network is None else model.overrides.get("imgsz")
    box = fit([image.shape[:2]], imgsz or fixed or 640)[0]
    pixels = to_tensor([box.apply(image)])
    if model.network is None:
        predictions, prototypes = (output.float().cpu() for output in model.runtime.forward(pixels))
        return Seen(image, instances, box, predictions, prototypes[0], None, model.mask_targets)
    raw = raw_output(model, pixels)
    return Seen(image, instances, box, decode(raw, *box.size), raw.prototypes[0], raw, model.mask_targets)


def raw_output(model: Any, images: Tensor) -> RawOutput:
    """A facade's network on letterboxed images (B, 3, H, W), undecoded, on the CPU."""
    if model.network is None:
        raise SeglabError("an exported file gives decoded output only: open the weights it came from")
    with torch.no_grad():
        return RawOutput(*(field.float().cpu() for field in model.network.eval()(to_device(images, model.device))))


def look(model: Any, sample: Sample, imgsz: int | tuple[int, int] | None = None) -> Scene:
    """Run the network over an image, once, and keep what it says. Arguments as for `see`."""
    seen = see(model, sample, imgsz)
    found = candidates(seen.predictions, LOWEST)[0]

    def sums(numbers: list[int]) -> Iterator[tuple[int, int, np.ndarray]]:
        return weighted_sums(seen.prototypes, found.pick(torch.tensor(numbers)), seen.letterbox, seen.mask_targets)

    boxes = seen.letterbox.boxes_to_image(found.boxes).numpy()
    return Scene(seen.image, found, boxes, sums, model.names, seen.ground_truth)


def detected_anchors(seen: Seen) -> Tensor:
    """(N,) the anchor points whose boxes are detections, best score first."""
    predictions = seen.predictions.clone()
    # Numbers travel in the place of the coefficients, so suppression says which anchor points it kept.
    predictions[:, -COEFFICIENTS:] = torch.arange(predictions.shape[2], dtype=torch.float32)
    return suppress(predictions)[0].coefficients[:, 0].long()


def scene_of(results: Results, sample: Sample | None = None) -> Scene:
    """A scene of what was predicted before: its candidates are the results, and its masks are settled.

    sample: the same image, with the objects that are truly on it.
    """
    if sample is not None and sample.image.shape != results.image.shape:
        sizes = " and ".join("{1}x{0}".format(*image.shape) for image in (results.image, sample.image))
        raise SeglabError(f"results and ground truth of {results.path} are of images that differ in size: {sizes}")
    boxes = results.boxes.cpu().data.float()
    found = Detections(boxes[:, :4], boxes[:, 4], boxes[:, 5].long(), boxes[:, :0])
    crops = results.masks.crops if results.masks else []

    def sums(numbers: list[int]) -> Iterator[tuple[int, int, np.ndarray]]:
        # certain, so that no threshold changes them
        return ((x0, y0, np.where(crop, np.inf, -np.inf)) for x0, y0, crop in map(crops.__getitem__, numbers))

    ground_truth = sample.instances if sample else ()
    return Scene(results.image, found, boxes[:, :4].numpy(), sums, results.names, ground_truth, settled=True)


def shown(sample: Sample) -> tuple[np.ndarray, list[Instance]]:
    """Image and objects of a sample, scaled down together where the image is larger than SHOWN."""
    height, width = sample.image.shape[:2]
    share = SHOWN / max(height, width)
    if share >= 1:
        return sample.image, sample.instances
    size = max(1, round(width * share)), max(1, round(height * share))
    matrix = np.diag((size[0] / width, size[1] / height)) @ np.eye(2, 3)
    return cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA), transform_instances(
        sample.instances, matrix, size[::-1]
    )


def samples(images: Any, split: str = "val") -> list[tuple[str, Callable[[], Sample]]]:
    """Names of images and what reads each: of a dataset's split with its objects (a name such as "toybox8-seg", a
    YAML, a DatasetSpec), of a list of samples, or of anything predict takes, without objects."""
    if isinstance(images, (str, Path)) and (is_dataset_name(str(images)) or Path(images).suffix in (".yaml", ".yml")):
        images = load_dataset(images)
    if isinstance(images, DatasetSpec):
        dataset = SegmentationDataset(images, split, 640)
        return [(path.name, lambda i=i: dataset.sample(i)) for i, path in enumerate(dataset.images)]
    given = [images] if isinstance(images, Sample) else images
    if not isinstance(given, (list, tuple)) or not all(isinstance(item, Sample) for item in given):
        given = [Sample(frame.image, path=frame.path) for frame in load(images)]
    if not given:
        raise SeglabError("there is no image to explore: give a dataset's name, a path, or images")
    return [(Path(item.path).name or f"image {i + 1}", lambda item=item: item) for i, item in enumerate(given)]


def one_sample(image: Any) -> Sample:
    """The first image of what `samples` takes."""
    return samples(image)[0][1]()
