"""An image with all outputs of the network, which can be viewed under other thresholds without running it again.

The candidates of `decode` are kept, and for each candidate that was ever shown the weighted sums of its mask, so a new
threshold costs one comparison a pixel inside the boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import cv2
import numpy as np
import torch

from seglab.errors import SeglabError
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import ring_area
from seglab.geometry.rle import crop_to_rle, iou, rings_to_rle, rle_to_crop
from seglab.inference.masks import MaskCrop, weighted_sums
from seglab.inference.nms import Detections, candidates, nms
from seglab.inference.results import Results
from seglab.sample import Instance, Sample
from seglab.widgets.forward_pass import run_network
from seglab.wording import pluralize

MIN_SCORE = 0.05  # from which boxes are candidates
MAX_DETECTIONS = 300  # per image, as in predict
MAX_CACHED_PIXELS = 1 << 26  # of sums kept: 256 MB
MATCH_IOU = 0.5  # of masks, from which a detection has found an object
# Verdicts on detections that found no object.
WRONG = -1  # a false positive
IGNORED = -2  # on a crowd region

CropSums = tuple[int, int, np.ndarray]  # left, top, (h, w) float32: weighted sums of prototypes in a box's window
ComputeSums = Callable[[list[int]], Iterable[CropSums]]  # for candidates of these numbers
Given = TypeVar("Given")
Made = TypeVar("Made")


class ExploredImage:
    """One image, its candidates by falling score, and its ground truth (empty where nobody knows)."""

    def __init__(
        self,
        image: np.ndarray,
        detections: Detections,
        boxes: np.ndarray,
        compute_sums: ComputeSums,
        names: dict[int, str],
        ground_truth: Sequence[Instance] = (),
        settled: bool = False,
    ):
        """image: (H, W, 3) uint8 RGB; detections: N candidates in the frame that NMS is done in; boxes: the same boxes
        (N, 4) xyxy in the image frame; compute_sums: weighted sums of the masks; names: class id -> name; ground_truth:
        instances in the image frame; settled: no threshold changes the masks."""
        self.image = image
        self.names = names
        self.settled = settled
        self.thickness = 2 if max(image.shape[:2]) > 800 else 1  # pixels of a rim

        self.candidates = detections
        self.boxes = boxes
        self.scores = detections.scores.numpy()
        self.classes = detections.classes.numpy()

        self.ground_truth = list(ground_truth)
        self.ground_truth_rles = [rings_to_rle(item.rings, *image.shape[:2]) for item in ground_truth]
        self.ground_truth_crops = [rle_to_crop(rle) for rle in self.ground_truth_rles]

        self._compute_sums = compute_sums
        self._sums: dict[int, CropSums] = {}  # by candidate
        self._mask_threshold = 0.5
        self._cache: dict[tuple[str, int], Any] = {}  # by sort and candidate, for the present mask threshold

    def __len__(self) -> int:
        return len(self.scores)

    def found(self, confidence: float = 0.25, overlap: float = 0.7, hidden: Iterable[int] = ()) -> list[int]:
        """The candidates that are detections: score above `confidence`, kept by NMS at IoU `overlap`, class not
        `hidden`."""
        keep = torch.from_numpy((self.scores > confidence) & ~np.isin(self.classes, list(hidden)))
        # Numbers travel in the place of the coefficients, so NMS says which candidates it kept.
        numbered = self.candidates._replace(coefficients=torch.arange(len(self)))
        return nms(numbered.pick(keep), overlap, MAX_DETECTIONS).coefficients.tolist()

    def crops(self, numbers: Sequence[int], mask: float = 0.5) -> list[MaskCrop]:
        """The masks of candidates in the image frame: pixels whose probability exceeds `mask`."""
        if mask != self._mask_threshold:
            self._cache.clear()
            self._mask_threshold = mask
        missing = [number for number in numbers if number not in self._sums]
        if missing:
            cached_pixels = sum(sums.size for _, _, sums in self._sums.values())
            if cached_pixels > MAX_CACHED_PIXELS:
                self._sums.clear()
                missing = list(numbers)
            self._sums.update(zip(missing, self._compute_sums(missing)))
        logit = np.float32(np.log(mask / (1 - mask)))
        sums = [self._sums[number] for number in numbers]
        return self._once("crop", numbers, sums, partial(_above, logit=logit))

    def edges(self, numbers: Sequence[int], mask: float) -> list[MaskCrop]:
        """The rims of the masks, inside them, as crops."""
        return self._once("edge", numbers, self.crops(numbers, mask), partial(rim, thickness=self.thickness))

    def outlines(self, numbers: Sequence[int], mask: float) -> list[str]:
        """The masks' contours as SVG paths, in the image frame, to within a pixel."""
        return self._once("outline", numbers, self.crops(numbers, mask), svg_path)

    def contours(self, numbers: Sequence[int], mask: float) -> list[str]:
        """The masks' contours, described."""
        return self._once("contour", numbers, self.crops(numbers, mask), lambda crop: describe_contour(crop[2]))

    def overlaps(self, numbers: Sequence[int], mask: float = 0.5) -> np.ndarray:
        """IoU of the masks of candidates with every true object (N, M); over the candidate alone for a crowd."""
        size = self.image.shape[:2]
        crowd = [item.crowd for item in self.ground_truth]

        def row(crop: MaskCrop) -> np.ndarray:
            return iou([crop_to_rle(*crop, *size)], self.ground_truth_rles, crowd)[0]

        rows = self._once("overlap", numbers, self.crops(numbers, mask), row)
        return np.array(rows).reshape(len(numbers), len(self.ground_truth))

    def verdicts(self, numbers: Sequence[int], mask: float = 0.5) -> list[int]:
        """For each candidate, by falling score: the object it found, WRONG, or IGNORED.

        COCO's rule at IoU 0.5: each takes the free object of its class that it overlaps most.
        """
        is_crowd = np.array([item.crowd for item in self.ground_truth], dtype=bool)
        classes = np.array([item.class_id for item in self.ground_truth], dtype=int)
        is_free = ~is_crowd
        verdicts = []
        for number, overlap in zip(numbers, self.overlaps(numbers, mask)):
            fits = (overlap >= MATCH_IOU) & (classes == self.classes[number])
            if (fits & is_free).any():
                found = int(np.where(fits & is_free, overlap, -1).argmax())
                is_free[found] = False
                verdicts.append(found)
            elif (fits & is_crowd).any():
                verdicts.append(IGNORED)
            else:
                verdicts.append(WRONG)
        return verdicts

    def label(self, number: int) -> str:
        """Class and score of a candidate, in words."""
        return f"{self.names[int(self.classes[number])]} {self.scores[number]:.2f}"

    def facts(self, number: int, mask: float = 0.5) -> dict[str, str]:
        """What is known of a candidate: class, score, box, area and contour; its overlap with the ground truth."""
        _, _, crop = self.crops([number], mask)[0]
        x0, y0, x1, y1 = self.boxes[number]
        percent = 100 * crop.sum() / self.image[..., 0].size
        facts = {
            "class": self.names[int(self.classes[number])],
            "score": f"{self.scores[number]:.3f}",
            "box": f"x {x0:.0f} to {x1:.0f}, y {y0:.0f} to {y1:.0f}",
            "area": f"{crop.sum()} px, {percent:.1f} % of the image",
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

    def _once(
        self, what: str, numbers: Sequence[int], given: Sequence[Given], make: Callable[[Given], Made]
    ) -> list[Made]:
        """What is made of what is `given` for each candidate, and kept."""
        for number, each in zip(numbers, given):
            if (what, number) not in self._cache:
                self._cache[what, number] = make(each)
        return [self._cache[what, number] for number in numbers]


def predict_candidates(model: Any, sample: Sample, imgsz: int | tuple[int, int] | None = None) -> ExploredImage:
    """Run the network over an image, once, and keep every candidate. Arguments as for `run_network`."""
    forward_pass = run_network(model, sample, imgsz)
    detections = candidates(forward_pass.predictions, MIN_SCORE)[0]

    def compute_sums(numbers: list[int]) -> Iterator[CropSums]:
        chosen = detections.pick(torch.tensor(numbers))
        return weighted_sums(forward_pass.prototypes, chosen, forward_pass.letterbox, forward_pass.mask_targets)

    boxes = forward_pass.letterbox.boxes_to_image(detections.boxes).numpy()
    return ExploredImage(forward_pass.image, detections, boxes, compute_sums, model.names, forward_pass.ground_truth)


def from_results(results: Results, sample: Sample | None = None) -> ExploredImage:
    """What was predicted before: the candidates are the results, and their masks are settled.

    sample: the same image, with its ground truth. Errors: SeglabError when it differs in size.
    """
    if sample is not None and sample.image.shape != results.image.shape:
        sizes = " and ".join("{1}x{0}".format(*image.shape) for image in (results.image, sample.image))
        raise SeglabError(
            f"the results of {results.path} and its ground truth differ in image size, {sizes}: give the images that "
            "were predicted on"
        )
    boxes = torch.as_tensor(results.boxes.cpu().data).float()  # (N, 6)
    detections = Detections(boxes[:, :4], boxes[:, 4], boxes[:, 5].long(), boxes[:, :0])
    crops = results.masks.crops if results.masks else []

    def compute_sums(numbers: list[int]) -> Iterator[CropSums]:
        for number in numbers:
            x0, y0, crop = crops[number]
            yield x0, y0, np.where(crop, np.inf, -np.inf)  # certain, so that no threshold changes them

    ground_truth = sample.instances if sample else ()
    return ExploredImage(
        results.image, detections, boxes[:, :4].numpy(), compute_sums, results.names, ground_truth, settled=True
    )


def _above(sums: CropSums, logit: np.float32) -> MaskCrop:
    x0, y0, values = sums
    return x0, y0, values > logit


def describe_contour(mask: np.ndarray) -> str:
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
    """A mask's contour, simplified by at most a pixel, as an SVG path.

    cv2 gives the centers of pixels, hence the halves: the areas of neighboring masks touch.
    """
    x0, y0, mask = crop
    if not mask.any():
        return ""
    rings, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    path = ""
    for ring in rings:
        corners = cv2.approxPolyDP(ring, 1.0, True)[:, 0] + (x0, y0)
        path += "M" + "L".join(f"{x}.5 {y}.5" for x, y in corners.tolist()) + "Z"
    return path
