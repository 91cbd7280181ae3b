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
from seglab.widgets.panel import Drawn, Panel, slider
from seglab.widgets.scene import Seen, one_sample, see

COLUMNS, TILE, MARGIN = 8, 112, 6  # prototypes a row; pixels of one; pixels between them
STEP = 0.05  # of a coefficient's slider
RED, BLUE = np.array((202, 30, 40)), np.array((30, 80, 200))  # above and below zero


def prototypes(model: Any, image: Any, i: int = 0, imgsz: int | None = None) -> Panel:
    """The mixer for the i-th detection on an image, best score first. Arguments as for `explore`."""
    import ipywidgets as widgets

    seen = see(model, one_sample(image), imgsz)
    found = suppress(seen.predictions)[0]
    if not len(found.scores):
        raise SeglabError("nothing is found on this image, so there is no mask to mix: choose another")
    reach = math.ceil(float(found.coefficients.abs().max()))
    mixers = {f"c{k}": slider(f"{k}", 0.0, -reach, reach, STEP, f"Coefficient of prototype {k}") for k in range(32)}
    for mixer in mixers.values():
        mixer.layout.width, mixer.style.description_width = "230px", "24px"
    controls = {
        "object": slider("object", min(i, len(found.scores) - 1) + 1, 1, len(found.scores), 1, "Which detection"),
        "strongest": slider("strongest", COEFFICIENTS, 0, COEFFICIENTS, 1, "Mix only so many, the largest ones"),
        **mixers,
    }
    present: list[int] = []

    def settle(number: int) -> None:
        present[:] = [number]
        for mixer, value in zip(mixers.values(), found.coefficients[number - 1].tolist()):
            # Rounded as a browser does: what it rounds it sends back, over what was set in the meantime.
            mixer.value = round(round(value / STEP) * STEP, 2)

    def draw(object: int, strongest: int, **_: float) -> Drawn:
        if present != [object]:
            settle(object)
        mixed = np.array([mixer.value for mixer in mixers.values()], dtype=np.float32)
        own = found.coefficients[object - 1].numpy()
        # Sliders go in steps; a coefficient that nobody moved counts in full.
        mixed = keep_strongest(np.where(np.abs(mixed - own) <= STEP / 2, own, mixed), strongest)
        return draw_mixture(seen, found, object - 1, mixed, model.names)

    again = widgets.Button(description="the network's own", tooltip="Set every coefficient back")
    panel = Panel("prototype mixer", controls, draw, [[*list(controls.values())[:2], again], list(mixers.values())])
    again.on_click(lambda _: (present.clear(), panel.redraw()))
    return panel


def keep_strongest(coefficients: np.ndarray, count: int) -> np.ndarray:
    """(32,) coefficients with all but the `count` of largest magnitude at zero."""
    weakest = np.argsort(-np.abs(coefficients), kind="stable")[count:]
    kept = coefficients.copy()
    kept[weakest] = 0
    return kept


def mixed_sums(seen: Seen, found: Detections, number: int, coefficients: np.ndarray) -> tuple[int, int, np.ndarray]:
    """The weighted sums (h, w) of one detection under other coefficients (32,), in its box's window, image frame."""
    one = found.pick(torch.tensor([number]))._replace(coefficients=torch.from_numpy(coefficients)[None])
    return next(weighted_sums(seen.prototypes, one, seen.letterbox, seen.mask_targets))


def draw_mixture(
    seen: Seen, found: Detections, number: int, coefficients: np.ndarray, names: dict[int, str]
) -> Drawn:  # fmt: skip
    """Photo with the mask, the sum over the whole grid, and below them every prototype with its coefficient."""
    x0, y0, sums = mixed_sums(seen, found, number, coefficients)
    own = mixed_sums(seen, found, number, found.coefficients[number].numpy())[2] > 0
    mask, color = sums > 0, class_color(int(found.classes[number]))
    box = seen.letterbox.boxes_to_image(found.boxes[number : number + 1])[0].numpy()
    photo = np.ascontiguousarray(seen.image).copy()
    draw_mask(photo, (x0, y0, mask), color, 0.6)
    draw_box(photo, box, color, 2)
    draw_label(photo, f"{names[int(found.classes[number])]} {found.scores[number]:.2f}", box, color, 2)

    total = np.tensordot(coefficients, seen.prototypes.numpy(), axes=1)
    width = COLUMNS * (TILE + MARGIN) - MARGIN
    half = (width - MARGIN) // 2
    height = round(half * seen.image.shape[0] / seen.image.shape[1])
    (top, left), (rows, columns) = seen.letterbox.pad, seen.letterbox.resized
    corners = np.round(np.array([top, top + rows, left, left + columns]) / PROTOTYPE_STRIDE).astype(int)
    inside = total[corners[0] : corners[1], corners[2] : corners[3]]  # without the padding; tanh(x / 2): full when sure
    sum_picture = cv2.resize(heat(np.tanh(inside / 2)), (half, height), interpolation=cv2.INTER_NEAREST)
    share = half / seen.image.shape[1]
    draw_box(sum_picture, box * share, (0, 0, 0), 1)
    upper = np.full((height, width, 3), 255, np.uint8)
    upper[:, :half] = cv2.resize(photo, (half, height), interpolation=cv2.INTER_AREA)
    upper[:, -half:] = sum_picture
    canvas = np.concatenate(
        (upper, np.full((10, width, 3), 255, np.uint8), tiles(seen.prototypes.numpy(), coefficients))
    )

    used, overlap = int((coefficients != 0).sum()), (mask & own).sum() / max(1, (mask | own).sum())
    text = (
        f"<b>{mask.sum()} px</b> from {used} of {COEFFICIENTS} prototypes; IoU with the network's own mask "
        f"{overlap:.2f}<br>Left the mask, right the sum on the prototypes' grid (red above zero, blue below), "
        "and below the prototypes with their coefficients. Outside its box a mask is cut off."
    )
    return Drawn(canvas, text)


def tiles(prototypes: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Prototypes (32, h, w) in rows of eight, framed by the sign and strength of their coefficients."""
    height = round(TILE * prototypes.shape[1] / prototypes.shape[2])
    line, rows = height + 18 + MARGIN, -(-len(prototypes) // COLUMNS)
    canvas = np.full((rows * line, COLUMNS * (TILE + MARGIN) - MARGIN, 3), 255, np.uint8)
    strongest = max(1e-9, float(np.abs(coefficients).max()))
    for k, (prototype, value) in enumerate(zip(prototypes, coefficients.tolist())):
        y, x = k // COLUMNS * line, k % COLUMNS * (TILE + MARGIN)
        share = abs(value) / strongest
        tile = cv2.resize(heat(prototype), (TILE, height), interpolation=cv2.INTER_AREA)
        canvas[y : y + height, x : x + TILE] = tile if value else 255 - (255 - tile) // 4  # unused ones fade
        color = tuple(((RED if value > 0 else BLUE) * share + 235 * (1 - share)).astype(int).tolist())
        cv2.rectangle(canvas, (x + 1, y + 1), (x + TILE - 2, y + height - 2), color, 3)
        write(canvas, f"{k}: {value:+.2f}", x + 2, y + height + 2, 11, (60, 60, 60))
    return canvas


def heat(values: np.ndarray) -> np.ndarray:
    """(h, w) numbers -> (h, w, 3) uint8: white at zero, red above, blue below, full color at the largest."""
    share = values / max(1e-9, float(np.abs(values).max()))
    tint = np.where(share[..., None] > 0, RED, BLUE)
    return (255 + (tint - 255) * np.abs(share)[..., None]).astype(np.uint8)
