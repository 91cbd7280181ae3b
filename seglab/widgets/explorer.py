"""The mask explorer: thresholds, classes, ground truth and verdicts on images, redrawn at every key press."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seglab.drawing.overlays import Color, class_color, draw_box, draw_label, draw_mask
from seglab.errors import SeglabError
from seglab.inference.masks import MaskCrop
from seglab.inference.results import Results
from seglab.sample import Sample
from seglab.widgets.panel import Drawn, Panel, chooser, permit, slider, toggle
from seglab.widgets.scene import UNCOUNTED, WRONG, Scene, contour_words, look, rim, samples, scene_of, svg_path
from seglab.wording import pluralize

RIGHT_COLOR, WRONG_COLOR, UNCOUNTED_COLOR = (0, 190, 140), (240, 90, 20), (150, 150, 150)  # apart for all eyes
LEGIBLE = 60  # labels on one image; with more, nothing can be read, and the image below them not seen
GAP = 12  # pixels between prediction and ground truth
MOST_CLASSES = 16  # buttons, those of the best scores
LISTED = 0.15  # score from which a class gets a button
TIPS = {
    "mask": "A pixel belongs to the mask above this probability",
    "ground_truth": "Show what is truly there, beside the prediction",
    "verdicts": "Color by right and wrong instead of by class",
}
SETTLED = "Masks of results were cut when they were predicted: explore the model to move their threshold"
NO_TRUTH = "Nobody has said what is truly on this image"


def explore(model_or_results: Any, images: Any = None, imgsz: int | None = None, split: str = "val") -> Panel:
    """The explorer on the images of `images` (see `scene.samples`), or on a list of Results.

    model_or_results: a `seglab.YOLO`, whose network runs once an image, when it is first chosen; or Results of
    predict, of which only what was predicted can be thresholded further. With Results, `images` give the ground
    truth, to the results of the same file name (its suffix aside). imgsz: the network's input size, by default the
    one it was trained at.

    Errors: SeglabError when `images` has none of the images that the Results are of.
    """
    if isinstance(model_or_results, Results) or not hasattr(model_or_results, "names"):
        results = [model_or_results] if isinstance(model_or_results, Results) else list(model_or_results)
        names = [result.path.replace("\\", "/").split("/")[-1] for result in results]
        makers = _with_ground_truth(results, names, [] if images is None else samples(images, split))
    else:
        listed = samples("toybox8-seg" if images is None else images, split)
        names = [name for name, _ in listed]
        makers = [lambda read=read: look(model_or_results, read(), imgsz) for _, read in listed]
    scenes: dict[int, Scene] = {}

    def scene(number: int) -> Scene:
        if number not in scenes:
            scenes[number] = makers[number]()
        return scenes[number]

    return _panel(names, scene)


def _with_ground_truth(
    results: Sequence[Results], names: Sequence[str], listed: Sequence[tuple[str, Callable[[], Sample]]]
) -> list[Callable[[], Scene]]:
    """What makes the scene of each result, with the ground truth of the listed image of that name, if any."""
    known = {Path(name).stem: read for name, read in listed}
    reads = [known.get(Path(name).stem) for name in names]
    if known and not any(reads):
        raise SeglabError(f"none of the results is of an image in `images`, which has no {names[0]}, for example")
    return [lambda one=one, read=read: scene_of(one, read() if read else None) for one, read in zip(results, reads)]


def _panel(names: Sequence[str], scene: Callable[[int], Scene]) -> Panel:
    import ipywidgets as widgets

    controls = {
        "image": chooser("image", names, "Which image"),
        "confidence": slider("confidence", 0.25, 0.05, 0.95, 0.05, "Lowest score that is shown"),
        "overlap": slider("overlap (IoU)", 0.7, 0.05, 0.95, 0.05, "Above this overlap the poorer of two boxes goes"),
        "mask": slider("mask", 0.5, 0.05, 0.95, 0.05, TIPS["mask"]),
        "opacity": slider("opacity", 0.45, 0.0, 1.0, 0.05, "How strongly masks are tinted"),
        "object": slider("object", 0, 0, 1, 1, "Number of an object to look at, best score first; 0 for none"),
        "outlines": toggle("outlines", True, "Draw the masks' rims"),
        "boxes": toggle("boxes", False, "Draw the boxes"),
        "ground_truth": toggle("ground truth beside", False, TIPS["ground_truth"]),
        "verdicts": toggle("right or wrong", False, TIPS["verdicts"]),
    }
    class_row = widgets.Box(layout=widgets.Layout(flex_flow="row wrap"))
    hidden: set[int] = set()
    present: list[Scene] = []  # the scene that the controls are set for

    def draw(image: int, object: int, **options: Any) -> Drawn:
        current = scene(image)
        if present != [current]:
            present[:] = [current]
            class_row.children = [class_button(current, kind) for kind in listed_classes(current)]
            permit(controls["mask"], TIPS["mask"], SETTLED if current.settled else "")
            for name in ("ground_truth", "verdicts"):
                permit(controls[name], TIPS[name], "" if current.ground_truth else NO_TRUTH)
        drawn, count = draw_scene(current, hidden=hidden, object=object, **options)
        controls["object"].max = max(1, count)
        return drawn

    def class_button(current: Scene, kind: int) -> Any:
        name = current.names.get(kind, str(kind))
        button = toggle(name, kind not in hidden, f"Show the class {name}")

        def switch(change: dict) -> None:
            (hidden.discard if change["new"] else hidden.add)(kind)
            panel.redraw()

        button.observe(switch, names="value")
        return button

    rows = [
        [controls[name] for name in ("image", "confidence", "overlap", "mask", "opacity", "object")],
        [*(controls[name] for name in ("outlines", "boxes", "ground_truth", "verdicts")), class_row],
    ]
    panel = Panel(f"mask explorer, {pluralize(len(names), 'image')}", controls, draw, rows)
    panel.class_row = class_row
    return panel


def listed_classes(scene: Scene) -> list[int]:
    """The classes an image has buttons for: those that are there, and those that some box speaks for."""
    best = {item.class_id: 1.0 for item in scene.ground_truth}
    for kind, score in zip(scene.classes.tolist(), scene.scores.tolist()):
        if score >= LISTED:
            best[kind] = max(best.get(kind, 0.0), score)
    return sorted(sorted(best, key=lambda kind: -best[kind])[:MOST_CLASSES])


def draw_scene(
    scene: Scene, confidence: float = 0.25, overlap: float = 0.7, mask: float = 0.5, hidden: Iterable[int] = (),
    opacity: float = 0.45, outlines: bool = True, boxes: bool = False, ground_truth: bool = False,
    verdicts: bool = False, object: int = 0,
) -> tuple[Drawn, int]:  # fmt: skip
    """What the explorer shows, and how many detections there are.

    overlap: IoU of suppression; mask: probability a pixel needs; hidden: class ids left out; ground_truth: the true
    objects beside, where they are known; verdicts: colors by right and wrong; object: number of the detection to
    point out, from 1, or 0.
    """
    numbers = scene.found(confidence, overlap, hidden)
    numbers = [number for number, crop in zip(numbers, scene.crops(numbers, mask)) if crop[2].any()]
    crops, labels = scene.crops(numbers, mask), [scene.label(number) for number in numbers]
    judged = scene.verdicts(numbers, mask) if scene.ground_truth else []
    kinds = scene.classes[numbers].tolist()
    colors = [_verdict_colour(verdict) for verdict in judged] if verdicts and judged else [*map(class_color, kinds)]
    if judged and verdicts:
        labels = [f"{_mark(verdict)} {label}" for verdict, label in zip(judged, labels)]
    rims = scene.edges(numbers, mask) if outlines else []
    canvas = paint(scene.image, crops, rims, colors, opacity)
    drawn_boxes = scene.boxes[numbers]
    shown = labels if len(numbers) <= LEGIBLE else [""] * len(numbers)
    if boxes:
        for box, color in zip(drawn_boxes[::-1], colors[::-1]):
            draw_box(canvas, box, color, 1)
    for box, text, color in zip(drawn_boxes[::-1], shown[::-1], colors[::-1]):
        draw_label(canvas, text, box, color, 2)
    chosen = object - 1 if 0 < object <= len(numbers) else None
    if chosen is not None:
        point_out(canvas, crops[chosen], drawn_boxes[chosen], f"{object}: {labels[chosen]}")
    beside = ground_truth and bool(scene.ground_truth)
    if beside:
        missed = [index not in judged and not item.crowd for index, item in enumerate(scene.ground_truth)]
        other = draw_ground_truth(scene, set(hidden), missed if verdicts else None, opacity, outlines)
        canvas = np.concatenate((canvas, np.full((len(canvas), GAP, 3), 255, np.uint8), other), axis=1)
    facts = scene.facts(numbers[chosen], mask) if chosen is not None else {}
    text = summary(scene, kinds, judged, set(hidden)) + fact_table(object, facts)

    def all_regions() -> str:
        return regions(scene, numbers, mask, labels) + (ground_truth_regions(scene, set(hidden)) if beside else "")

    return Drawn(canvas, text, all_regions), len(numbers)


def paint(
    image: np.ndarray, crops: Sequence[MaskCrop], rims: Sequence[MaskCrop], colors: Sequence[Color], opacity: float
) -> np.ndarray:
    """A copy of an image with masks tinted, small ones over large ones, and their rims, the best on top."""
    canvas = np.ascontiguousarray(image).copy()
    if opacity:
        for index in sorted(range(len(crops)), key=lambda i: -crops[i][2].size):
            draw_mask(canvas, crops[index], colors[index], opacity)
    for (x0, y0, edge), color in zip(rims[::-1], colors[::-1]):
        canvas[y0 : y0 + edge.shape[0], x0 : x0 + edge.shape[1]][edge] = color
    return canvas


def point_out(canvas: np.ndarray, crop: MaskCrop, box: np.ndarray, label: str) -> None:
    """Dim everything but one object, and name it."""
    x0, y0, mask = crop
    inside = np.zeros(canvas.shape[:2], dtype=bool)
    inside[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
    kept = canvas[inside]
    cv2.convertScaleAbs(canvas, dst=canvas, alpha=0.45)
    canvas[inside] = kept
    draw_box(canvas, box, (255, 255, 255), 2)
    draw_label(canvas, label, box, (255, 255, 255), 2)


def draw_ground_truth(
    scene: Scene, hidden: set[int], missed: Sequence[bool] | None, opacity: float, outlines: bool
) -> np.ndarray:
    """The true objects on the image, by class or, given what was missed, by found and missed."""
    kept = [i for i, item in enumerate(scene.ground_truth) if item.class_id not in hidden]
    crops = [scene.ground_truth_crops[i] for i in kept]
    labels = [scene.names.get(scene.ground_truth[i].class_id, "?") for i in kept]
    colors = [class_color(scene.ground_truth[i].class_id) for i in kept]
    if missed is not None:
        colors = [
            UNCOUNTED_COLOR if scene.ground_truth[i].crowd else WRONG_COLOR if missed[i] else RIGHT_COLOR for i in kept
        ]
        labels = [f"missed {label}" if missed[i] else label for i, label in zip(kept, labels)]
    rims = [rim(crop, scene.thickness) for crop in crops] if outlines else []
    canvas = paint(scene.image, crops, rims, colors, opacity)
    if len(kept) <= LEGIBLE:
        for (x0, y0, _), label, color in zip(crops, labels, colors):
            draw_label(canvas, label, np.array([x0, y0]), color, 2)
    return canvas


def _verdict_colour(verdict: int) -> Color:
    return {WRONG: WRONG_COLOR, UNCOUNTED: UNCOUNTED_COLOR}.get(verdict, RIGHT_COLOR)


def _mark(verdict: int) -> str:
    return {WRONG: "\N{BALLOT X}", UNCOUNTED: "~"}.get(verdict, "\N{CHECK MARK}")


def summary(scene: Scene, kinds: Sequence[int], judged: Sequence[int], hidden: set[int]) -> str:
    """One line on what is shown: objects by class, and how right they are."""
    counts = Counter(scene.names[kind] for kind in kinds)
    listed = ", ".join(f"{count} {escape(name)}" for name, count in counts.most_common())
    line = f"<b>{pluralize(len(kinds), 'object')}</b>{': ' if listed else ''}{listed}"
    if scene.ground_truth:
        wanted = {i for i, item in enumerate(scene.ground_truth) if not item.crowd and item.class_id not in hidden}
        right, wrong = sum(verdict >= 0 for verdict in judged), sum(verdict == WRONG for verdict in judged)
        line += f"<br>{right} right, {wrong} wrong, {len(wanted - set(judged))} missed of {len(wanted)} there"
    return line


def fact_table(number: int, facts: dict[str, str]) -> str:
    """The facts of the object pointed out, as a table."""
    if not facts:
        return ""
    rows = "".join(f"<tr><th scope=row>{name}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table aria-label='facts of object {number}'>{rows}</table>"


def regions(scene: Scene, numbers: Sequence[int], mask: float, labels: Sequence[str]) -> str:
    """SVG regions over the detections: pointing at one, or clicking it, tells its class, score, area and contour."""
    crops, contours = scene.crops(numbers, mask), scene.contours(numbers, mask)
    words = [
        (f"{index}: {label}, {np.count_nonzero(crop[2])} px", f"contour {contour}")
        for index, (label, crop, contour) in enumerate(zip(labels, crops, contours), 1)
    ]
    return _svg(scene, crops, scene.outlines(numbers, mask), words)


def ground_truth_regions(scene: Scene, hidden: set[int]) -> str:
    """The same over the true objects, on the copy of the image that stands beside."""
    kept = [i for i, item in enumerate(scene.ground_truth) if item.class_id not in hidden]
    crops = [scene.ground_truth_crops[i] for i in kept]
    names = [scene.names.get(scene.ground_truth[i].class_id, "?") for i in kept]
    words = [
        (f"truly there: {name}, {np.count_nonzero(crop[2])} px", f"contour {contour_words(crop[2])}")
        for name, crop in zip(names, crops)
    ]
    shapes = _svg(scene, crops, [svg_path(crop) for crop in crops], words)
    return f'<g transform="translate({scene.image.shape[1] + GAP} 0)">{shapes}</g>'


def _svg(scene: Scene, crops: Sequence[MaskCrop], outlines: Sequence[str], words: Sequence[tuple[str, str]]) -> str:
    """Outlines that show two lines of text each, at the image's upper left."""
    size = max(12, round(scene.image.shape[1] / 45))
    parts = []
    # Large ones first, so that a small object in front of a large one can be reached.
    for index in sorted(range(len(crops)), key=lambda i: -crops[i][2].size):
        width = 0.62 * size * max(map(len, words[index])) + size
        lines = "".join(f'<tspan x="{size / 2}" dy="{1.3 * size:.0f}">{escape(line)} </tspan>' for line in words[index])
        parts.append(
            f'<g class="seglab-region" tabindex="-1"><path fill-rule="evenodd" d="{outlines[index]}"/>'
            f'<rect x="0" y="0" width="{width:.0f}" height="{3.2 * size:.0f}"/>'
            f'<text font-size="{size}" fill="#fff">{lines}</text></g>'
        )
    return "".join(parts)
