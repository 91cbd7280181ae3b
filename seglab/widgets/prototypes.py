"""The prototype mixer: 32 prototypes, one object's coefficients, and the mask that their weighted sum makes."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch

from seglab.drawing.overlays import class_color, draw_box, draw_label, draw_mask, write
from seglab.errors import SeglabError
from seglab.inference.masks import weighted_sums
from seglab.inference.nms import Detections, suppress
from seglab.model.head import COEFFICIENTS, PROTOTYPE_STRIDE
from seglab.widgets.explored_image import CropSums
from seglab.widgets.forward_pass import ForwardPass, run_network
from seglab.widgets.images import first_sample
from seglab.widgets.panel import Drawn, Panel, slider

COLUMNS = 8  # prototypes in a row
TILE = 112  # pixels of one
TILE_GAP = 6  # pixels between them
ROW_GAP = 10  # pixels between the upper images and the prototypes
WIDTH = COLUMNS * (TILE + TILE_GAP) - TILE_GAP  # pixels of it all
STEP = 0.05  # of a coefficient's slider
RED = np.array((202, 30, 40))  # above zero
BLUE = np.array((30, 80, 200))  # below zero


def prototypes(model: Any, image: Any, i: int = 0, imgsz: int | None = None) -> Panel:
    """The mixer for the i-th detection on an image, highest score first. Arguments as for `explore`."""
    import ipywidgets as widgets

    forward_pass = run_network(model, first_sample(image), imgsz)
    detections = suppress(forward_pass.predictions)[0]
    count = len(detections.scores)
    if not count:
        raise SeglabError("nothing is detected on this image, so there is no mask to mix: choose another image")

    # One slider a prototype, wide enough for the largest coefficient of any detection.
    limit = math.ceil(float(detections.coefficients.abs().max()))
    mixers = {
        f"c{k}": slider(f"{k}", 0.0, -limit, limit, STEP, f"Coefficient of prototype {k}") for k in range(COEFFICIENTS)
    }
    for mixer in mixers.values():
        mixer.layout.width = "230px"
        mixer.style.description_width = "24px"
    chooser = slider("object", min(i, count - 1) + 1, 1, count, 1, "Which detection")
    strongest_only = slider(
        "strongest",
        COEFFICIENTS,
        0,
        COEFFICIENTS,
        1,
        "Mix only this many prototypes, those with the largest coefficients",
    )
    controls = {"object": chooser, "strongest": strongest_only, **mixers}
    present: list[int] = []  # the object that the mixers are set for

    def set_mixers(number: int) -> None:
        present[:] = [number]
        for mixer, value in zip(mixers.values(), detections.coefficients[number - 1].tolist()):
            # Rounded as a browser does: what it rounds it sends back, over what was set in the meantime.
            mixer.value = round(round(value / STEP) * STEP, 2)

    def draw(object: int, strongest: int, **_: float) -> Drawn:
        # Another object brings its own coefficients.
        if present != [object]:
            set_mixers(object)
        mixed = np.array([mixer.value for mixer in mixers.values()], dtype=np.float32)
        own = detections.coefficients[object - 1].numpy()
        # Sliders go in steps; a coefficient that nobody moved counts in full.
        is_unmoved = np.abs(mixed - own) <= STEP / 2
        coefficients = keep_strongest(np.where(is_unmoved, own, mixed), strongest)
        return draw_mixture(forward_pass, detections, object - 1, coefficients, model.names)

    reset = widgets.Button(description="the network's own", tooltip="Reset every coefficient")
    panel = Panel("prototype mixer", controls, draw, [[chooser, strongest_only, reset], list(mixers.values())])

    def set_back(_: Any) -> None:
        present.clear()
        panel.redraw()

    reset.on_click(set_back)
    return panel


def keep_strongest(coefficients: np.ndarray, count: int) -> np.ndarray:
    """(32,) coefficients with all but the `count` of largest magnitude at zero."""
    weakest = np.argsort(-np.abs(coefficients), kind="stable")[count:]
    kept = coefficients.copy()
    kept[weakest] = 0
    return kept


def mixed_sums(forward_pass: ForwardPass, detections: Detections, number: int, coefficients: np.ndarray) -> CropSums:
    """The weighted sums (h, w) of one detection under other coefficients (32,), in its box's window, image frame."""
    one = detections.pick(torch.tensor([number]))._replace(coefficients=torch.from_numpy(coefficients)[None])
    return next(weighted_sums(forward_pass.prototypes, one, forward_pass.letterbox, forward_pass.mask_targets))


def draw_mixture(
    forward_pass: ForwardPass, detections: Detections, number: int, coefficients: np.ndarray, names: dict[int, str]
) -> Drawn:
    """Image with the mask, the sum over the whole grid, and below them every prototype with its coefficient."""
    image = forward_pass.image
    x0, y0, sums = mixed_sums(forward_pass, detections, number, coefficients)
    mask = sums > 0
    own_mask = mixed_sums(forward_pass, detections, number, detections.coefficients[number].numpy())[2] > 0

    # The image with the mask.
    class_id = int(detections.classes[number])
    color = class_color(class_id)
    box = forward_pass.letterbox.boxes_to_image(detections.boxes[number : number + 1])[0].numpy()
    masked = np.ascontiguousarray(image).copy()
    draw_mask(masked, (x0, y0, mask), color, 0.6)
    draw_box(masked, box, color, 2)
    draw_label(masked, f"{names[class_id]} {detections.scores[number]:.2f}", box, color, 2)

    # Both halves of the upper row.
    half = (WIDTH - TILE_GAP) // 2
    height = round(half * image.shape[0] / image.shape[1])
    upper = np.full((height, WIDTH, 3), 255, np.uint8)
    upper[:, :half] = cv2.resize(masked, (half, height), interpolation=cv2.INTER_AREA)
    probability = np.tanh(_sum_on_image(forward_pass, coefficients) / 2)  # full color when sure
    heatmap = cv2.resize(heat(probability), (half, height), interpolation=cv2.INTER_NEAREST)
    draw_box(heatmap, box * (half / image.shape[1]), (0, 0, 0), 1)
    upper[:, -half:] = heatmap

    # Below them all prototypes; then how far this mask is from the network's own.
    gap = np.full((ROW_GAP, WIDTH, 3), 255, np.uint8)
    canvas = np.concatenate((upper, gap, tiles(forward_pass.prototypes.numpy(), coefficients)))

    used = int((coefficients != 0).sum())
    overlap = (mask & own_mask).sum() / max(1, (mask | own_mask).sum())
    text = (
        f"<b>{mask.sum()} px</b> from {used} of {COEFFICIENTS} prototypes; IoU with the network's own mask "
        f"{overlap:.2f}<br>Left the mask, right the sum on the prototypes' grid (red above zero, blue below), "
        "and below the prototypes with their coefficients. Pixels outside its box are cut off."
    )
    return Drawn(canvas, text)


def _sum_on_image(forward_pass: ForwardPass, coefficients: np.ndarray) -> np.ndarray:
    """The weighted sum of the prototypes (32, h, w), without the letterbox's padding."""
    total = np.tensordot(coefficients, forward_pass.prototypes.numpy(), axes=1)  # (h, w)
    top, left = forward_pass.letterbox.pad
    rows, columns = forward_pass.letterbox.resized
    edges = np.round(np.array([top, top + rows, left, left + columns]) / PROTOTYPE_STRIDE).astype(int)
    first_row, last_row, first_column, last_column = edges
    return total[first_row:last_row, first_column:last_column]


def tiles(prototypes: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Prototypes (32, h, w) in rows of eight, framed by the sign and strength of their coefficients."""
    height = round(TILE * prototypes.shape[1] / prototypes.shape[2])
    row_height = height + 18 + TILE_GAP  # with the text below
    rows = math.ceil(len(prototypes) / COLUMNS)
    canvas = np.full((rows * row_height, WIDTH, 3), 255, np.uint8)
    strongest = max(1e-9, float(np.abs(coefficients).max()))
    for k, (prototype, value) in enumerate(zip(prototypes, coefficients.tolist())):
        row, column = divmod(k, COLUMNS)
        y = row * row_height
        x = column * (TILE + TILE_GAP)
        tile = cv2.resize(heat(prototype), (TILE, height), interpolation=cv2.INTER_AREA)
        if not value:
            tile = 255 - (255 - tile) // 4  # unused ones fade
        canvas[y : y + height, x : x + TILE] = tile

        strength = abs(value) / strongest
        frame = (RED if value > 0 else BLUE) * strength + 235 * (1 - strength)
        color = tuple(frame.astype(int).tolist())
        cv2.rectangle(canvas, (x + 1, y + 1), (x + TILE - 2, y + height - 2), color, 3)
        write(canvas, f"{k}: {value:+.2f}", x + 2, y + height + 2, 11, (60, 60, 60))
    return canvas


def heat(values: np.ndarray) -> np.ndarray:
    """(h, w) numbers -> (h, w, 3) uint8: white at zero, red above, blue below, full color at the largest."""
    relative = values / max(1e-9, float(np.abs(values).max()))
    full_color = np.where(relative[..., None] > 0, RED, BLUE)
    return (255 + (full_color - 255) * np.abs(relative)[..., None]).astype(np.uint8)
