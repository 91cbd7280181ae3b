"""The mask explorer: thresholds, classes, ground truth and verdicts on images, redrawn at every key press."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seglab.drawing.overlays import Color, class_color, draw_box, draw_label, draw_labels, draw_mask
from seglab.errors import SeglabError
from seglab.inference.masks import MaskCrop
from seglab.inference.results import Results
from seglab.sample import Sample
from seglab.widgets.closeup import IMAGE_GAP, side_by_side
from seglab.widgets.explored_image import (
    IGNORED,
    WRONG,
    ExploredImage,
    describe_contour,
    from_results,
    predict_candidates,
    rim,
    svg_path,
)
from seglab.widgets.images import ReadSample, samples
from seglab.widgets.panel import Drawn, Panel, chooser, enable, slider, toggle
from seglab.wording import pluralize

# Distinct to color-blind eyes as well.
RIGHT_COLOR = (0, 190, 140)
WRONG_COLOR = (240, 90, 20)
IGNORED_COLOR = (150, 150, 150)
WHITE = (255, 255, 255)
MAX_LABELS = 60  # on one image; with more, nothing can be read, and the image below them not seen
MAX_CLASS_BUTTONS = 16  # those of the highest scores
MIN_BUTTON_SCORE = 0.15  # from which a class gets a button
TIPS = {
    "mask": "A pixel belongs to the mask above this probability",
    "ground_truth": "Show the ground truth next to the prediction",
    "verdicts": "Color by right and wrong instead of by class",
}
SETTLED = "The masks of results are final: explore the model to move their threshold"
NO_GROUND_TRUTH = "This image has no ground truth"


class ExplorerPanel(Panel):
    """A panel with a row of buttons, one per class of the image. extras: buttons that are no argument of drawing."""

    extras: Sequence[Any] = ()

    def __init__(self, class_row: Any, *arguments: Any) -> None:
        self.class_row = class_row
        super().__init__(*arguments)


def explore(model_or_results: Any, images: Any = None, imgsz: int | None = None, split: str = "val") -> ExplorerPanel:
    """The explorer for the images in `images` (see `images.samples`), or for a list of Results.

    model_or_results: a `seglab.YOLO`, whose network runs once per image, when it is first chosen; or Results of
    predict, of which only what was predicted can be thresholded further. With Results, `images` give the ground
    truth, to the results of the same file name (its suffix aside). imgsz: the network's input size, by default the
    one it was trained at.

    Errors: SeglabError when `images` has none of the images that the Results are of.
    """
    if isinstance(model_or_results, Results) or not hasattr(model_or_results, "names"):
        results = [model_or_results] if isinstance(model_or_results, Results) else list(model_or_results)
        names = [result.path.replace("\\", "/").split("/")[-1] for result in results]
        loaders = _with_ground_truth(results, names, [] if images is None else samples(images, split))
        add = None
    else:
        found = samples("toybox8-seg" if images is None else images, split)
        names = [name for name, _ in found]
        loaders = [partial(_predict, model_or_results, read, imgsz) for _, read in found]
        add = partial(_predict_upload, model_or_results, imgsz)
    loaded: dict[int, ExploredImage] = {}

    def load(number: int) -> ExploredImage:
        if number not in loaded:
            loaded[number] = loaders[number]()
        return loaded[number]

    def load_upload(content: bytes) -> int:
        assert add is not None, "only a model's panel has the button"
        number = len(loaders) + len(uploads)
        loaded[number] = add(content)
        uploads.append(number)
        return number

    uploads: list[int] = []
    return _panel(names, load, load_upload if add else None)


def _predict(model: Any, read: ReadSample, imgsz: int | None) -> ExploredImage:
    return predict_candidates(model, read(), imgsz)


def _predict_upload(model: Any, imgsz: int | None, content: bytes) -> ExploredImage:
    """An image file's bytes, explored. Errors: SeglabError when they are not an image."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SeglabError("this file is not an image that can be read: upload a JPEG, PNG or WebP file")
    return predict_candidates(model, Sample(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)), imgsz)


def _with_ground_truth(
    results: Sequence[Results], names: Sequence[str], labeled: Sequence[tuple[str, ReadSample]]
) -> list[Callable[[], ExploredImage]]:
    """What loads each result, with the ground truth of the labeled image of that name, if any."""
    by_stem = {Path(name).stem: read for name, read in labeled}
    reads = [by_stem.get(Path(name).stem) for name in names]
    if by_stem and not any(reads):
        raise SeglabError(
            f"`images` has none of the images of these results: it has no {names[0]}, for example; give the "
            "images that were predicted on"
        )
    return [partial(_load_result, result, read) for result, read in zip(results, reads)]


def _load_result(result: Results, read: ReadSample | None) -> ExploredImage:
    return from_results(result, read() if read else None)


def _panel(
    names: Sequence[str], load: Callable[[int], ExploredImage], load_upload: Callable[[bytes], int] | None = None
) -> ExplorerPanel:
    """The panel for images of these names; `load` gives the one of a number, `load_upload` the number of a new one."""
    import ipywidgets as widgets

    controls = _controls(names)
    # Buttons of classes depend on the image and are made when it is drawn.
    class_row = widgets.Box(layout=widgets.Layout(flex_flow="row wrap"))
    hidden: set[int] = set()
    present: list[ExploredImage] = []  # the image that the controls are set for

    def draw(image: int, object: int, zoom: int, **options: Any) -> Drawn:
        explored = load(image)
        # Another image: its own class buttons, and only those controls that mean something for it.
        if present != [explored]:
            present[:] = [explored]
            class_row.children = [class_button(explored, class_id) for class_id in listed_classes(explored)]
            enable(controls["mask"], TIPS["mask"], SETTLED if explored.settled else "")
            for name in ("ground_truth", "verdicts"):
                enable(controls[name], TIPS[name], "" if explored.ground_truth else NO_GROUND_TRUTH)
        drawn, count = draw_explored(explored, hidden=hidden, object=object, **options)
        controls["object"].max = max(1, count)
        if zoom == 1:
            return drawn
        height, width = explored.image.shape[:2]
        center = (width / 2, height / 2)
        if 0 < object <= count:
            numbers = explored.found(options["confidence"], options["overlap"], hidden)
            box = explored.boxes[numbers[object - 1]]
            center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return zoomed(drawn, (height, width), center, zoom)

    def class_button(explored: ExploredImage, class_id: int) -> Any:
        name = explored.names.get(class_id, str(class_id))
        button = toggle(name, class_id not in hidden, f"Show the class {name}")

        def switch(change: dict[str, Any]) -> None:
            if change["new"]:
                hidden.discard(class_id)
            else:
                hidden.add(class_id)
            panel.redraw()

        button.observe(switch, names="value")
        return button

    def sort_images(change: dict[str, Any]) -> None:
        """Those with the most errors at the present thresholds first, or all in their own order."""
        options = list(controls["image"].options)
        if change["new"]:
            levels = {name: controls[name].value for name in ("confidence", "overlap", "mask")}
            options.sort(key=lambda option: -count_errors(load(option[1]), **levels))
        else:
            options.sort(key=lambda option: option[1])
        controls["image"].options = options
        controls["image"].value = options[0][1]

    def take_upload(change: dict[str, Any]) -> None:
        for name, content in uploaded(change["new"]):
            assert load_upload is not None, "only then is there a button"
            try:
                number = load_upload(content)
            except SeglabError as error:
                panel.text.value = escape(str(error))
                return
            controls["image"].options = [*controls["image"].options, (name, number)]
            controls["image"].value = number

    worst_first = toggle("worst first", False, "Sort the images by their errors at these thresholds")
    worst_first.observe(sort_images, names="value")
    extras = [worst_first] if len(names) > 1 else []
    if load_upload is not None:
        upload = widgets.FileUpload(accept="image/*", multiple=False, description="your image")
        upload.observe(take_upload, names="value")
        extras.append(upload)

    # Sliders first, then what is switched on and off.
    rows = [
        [controls[name] for name in ("image", "confidence", "overlap", "mask", "opacity", "object", "zoom")],
        [*(controls[name] for name in ("outlines", "boxes", "ground_truth", "verdicts")), *extras],
        [class_row],
    ]
    title = f"mask explorer, {pluralize(len(names), 'image')}"
    panel = ExplorerPanel(class_row, title, controls, draw, rows)
    panel.extras = extras
    return panel


def uploaded(value: Any) -> list[tuple[str, bytes]]:
    """Names and contents of what a FileUpload holds, in ipywidgets 7 and 8."""
    items = [{"name": name, **item} for name, item in value.items()] if isinstance(value, dict) else value
    return [(item["name"], bytes(item["content"])) for item in items]


def count_errors(explored: ExploredImage, confidence: float, overlap: float, mask: float) -> int:
    """Detections that are wrong, and true objects that are missed; 0 where there is no ground truth."""
    if not explored.ground_truth:
        return 0
    judged = explored.verdicts(explored.found(confidence, overlap), mask)
    missed = sum(not item.crowd and index not in judged for index, item in enumerate(explored.ground_truth))
    return sum(verdict == WRONG for verdict in judged) + missed


def _controls(names: Sequence[str]) -> dict[str, Any]:
    """The controls, by the names of the arguments of `draw_explored` that they set."""
    return {
        "image": chooser("image", names, "Which image"),
        "confidence": slider("confidence", 0.25, 0.05, 0.95, 0.05, "Min score of what is shown"),
        "overlap": slider(
            "overlap (IoU)", 0.7, 0.05, 0.95, 0.05, "Above this overlap the lower-scoring of two boxes is removed"
        ),
        "mask": slider("mask", 0.5, 0.05, 0.95, 0.05, TIPS["mask"]),
        "opacity": slider("opacity", 0.45, 0.0, 1.0, 0.05, "How strongly masks are tinted"),
        "object": slider("object", 0, 0, 1, 1, "Number of an object to look at, highest score first; 0 for none"),
        "zoom": slider("zoom", 1, 1, 8, 1, "How close to look, at the object that is chosen or at the middle"),
        "outlines": toggle("outlines", True, "Draw the masks' outlines"),
        "boxes": toggle("boxes", False, "Draw the boxes"),
        "ground_truth": toggle("ground truth", False, TIPS["ground_truth"]),
        "verdicts": toggle("right or wrong", False, TIPS["verdicts"]),
    }


def listed_classes(explored: ExploredImage) -> list[int]:
    """The classes an image has buttons for: those of the ground truth, and those that score high enough."""
    best = {item.class_id: 1.0 for item in explored.ground_truth}
    for class_id, score in zip(explored.classes.tolist(), explored.scores.tolist()):
        if score >= MIN_BUTTON_SCORE:
            best[class_id] = max(best.get(class_id, 0.0), score)
    by_score = sorted(best, key=lambda class_id: -best[class_id])
    return sorted(by_score[:MAX_CLASS_BUTTONS])


def draw_explored(
    explored: ExploredImage,
    confidence: float = 0.25,
    overlap: float = 0.7,
    mask: float = 0.5,
    hidden: Iterable[int] = (),
    opacity: float = 0.45,
    outlines: bool = True,
    boxes: bool = False,
    ground_truth: bool = False,
    verdicts: bool = False,
    object: int = 0,
) -> tuple[Drawn, int]:
    """What the explorer shows, and how many detections there are.

    overlap: IoU of NMS; mask: probability a pixel needs; hidden: class ids left out; ground_truth: the true objects
    on a second copy of the image, where they are known; verdicts: colors by right and wrong; object: number of the
    detection to point out, from 1, or 0.
    """
    # Which candidates the thresholds leave; one whose mask is empty has nothing to show.
    hidden = set(hidden)
    numbers = explored.found(confidence, overlap, hidden)
    numbers = [number for number, (_, _, crop) in zip(numbers, explored.crops(numbers, mask)) if crop.any()]
    class_ids = explored.classes[numbers].tolist()
    labels = [explored.label(number) for number in numbers]
    colors = [class_color(class_id) for class_id in class_ids]
    # With ground truth, labels and colors can say what is right and what is wrong.
    judged = explored.verdicts(numbers, mask) if explored.ground_truth else []
    if judged and verdicts:
        labels = [f"{_mark(verdict)} {label}" for verdict, label in zip(judged, labels)]
        colors = [_verdict_color(verdict) for verdict in judged]

    # The detections; the best are drawn last, so that they lie on top.
    crops = explored.crops(numbers, mask)
    rims = explored.edges(numbers, mask) if outlines else []
    canvas = paint(explored.image, crops, rims, colors, opacity)
    drawn_boxes = explored.boxes[numbers]
    shown_labels = labels if len(numbers) <= MAX_LABELS else [""] * len(numbers)
    if boxes:
        for box, color in zip(drawn_boxes[::-1], colors[::-1]):
            draw_box(canvas, box, color, 1)
    draw_labels(canvas, shown_labels, drawn_boxes, colors, 2)

    # The detection that is pointed out stands in front of the others, dimmed.
    facts: dict[str, str] = {}
    if 0 < object <= len(numbers):
        chosen = object - 1
        point_out(canvas, crops[chosen], drawn_boxes[chosen], f"{object}: {labels[chosen]}")
        facts = explored.facts(numbers[chosen], mask)

    # On a second copy, because outlines of both on one image cannot be told apart.
    with_ground_truth = ground_truth and bool(explored.ground_truth)
    if with_ground_truth:
        missed = None
        if verdicts:
            missed = [index not in judged and not item.crowd for index, item in enumerate(explored.ground_truth)]
        canvas = side_by_side(canvas, draw_ground_truth(explored, hidden, missed, opacity, outlines))

    # Made when the pointer asks for it: while a slider moves, nobody reads it.
    def all_regions() -> str:
        found = regions(explored, numbers, mask, labels)
        return found + ground_truth_regions(explored, hidden) if with_ground_truth else found

    text = summary(explored, class_ids, judged, hidden) + fact_table(object, facts)
    return Drawn(canvas, text, all_regions), len(numbers)


def zoomed(drawn: Drawn, size: tuple[int, int], center: tuple[float, float], zoom: int) -> Drawn:
    """A window of what is drawn, enlarged to the whole: of each copy where there are two side by side.

    size: (height, width) of one copy; center: (x, y) of the window in it, moved where it would reach out.
    """
    height, width = size
    part_height, part_width = height // zoom, width // zoom
    x0 = int(np.clip(center[0] - part_width / 2, 0, width - part_width))
    y0 = int(np.clip(center[1] - part_height / 2, 0, height - part_height))
    image = drawn.image.copy()
    lefts = range(0, image.shape[1], width + IMAGE_GAP)
    for left in lefts:
        window = drawn.image[y0 : y0 + part_height, left + x0 : left + x0 + part_width]
        image[:height, left : left + width] = cv2.resize(window, (width, height), interpolation=cv2.INTER_CUBIC)

    def parts() -> str:
        shapes = drawn.regions()
        return "".join(
            f'<svg x="{left}" y="0" width="{width}" height="{height}" preserveAspectRatio="none" '
            f'viewBox="{left + x0} {y0} {part_width} {part_height}">{shapes}</svg>'
            for left in lefts
        )

    return Drawn(image, drawn.text, parts)


def paint(
    image: np.ndarray, crops: Sequence[MaskCrop], rims: Sequence[MaskCrop], colors: Sequence[Color], opacity: float
) -> np.ndarray:
    """A copy of an image with masks tinted, small ones over large ones, and their rims, the best on top."""
    canvas = np.ascontiguousarray(image).copy()
    if opacity:
        for index in _large_to_small(crops):
            draw_mask(canvas, crops[index], colors[index], opacity)
    for (x0, y0, edge), color in zip(rims[::-1], colors[::-1]):
        window = canvas[y0 : y0 + edge.shape[0], x0 : x0 + edge.shape[1]]
        window[edge] = color
    return canvas


def _large_to_small(crops: Sequence[MaskCrop]) -> list[int]:
    return sorted(range(len(crops)), key=lambda index: -crops[index][2].size)


def point_out(canvas: np.ndarray, crop: MaskCrop, box: np.ndarray, label: str) -> None:
    """Dim everything but one object, and name it."""
    x0, y0, mask = crop
    inside = np.zeros(canvas.shape[:2], dtype=bool)
    inside[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
    kept = canvas[inside]
    cv2.convertScaleAbs(canvas, dst=canvas, alpha=0.45)
    canvas[inside] = kept
    draw_box(canvas, box, WHITE, 2)
    draw_label(canvas, label, box, WHITE, 2)


def draw_ground_truth(
    explored: ExploredImage, hidden: set[int], missed: Sequence[bool] | None, opacity: float, outlines: bool
) -> np.ndarray:
    """The true objects on the image, colored by class or, given what was missed, by found and missed."""
    shown = _shown_ground_truth(explored, hidden)
    crops = [explored.ground_truth_crops[index] for index in shown]
    labels = []
    colors = []
    for index in shown:
        item = explored.ground_truth[index]
        label = explored.names.get(item.class_id, "?")
        color = class_color(item.class_id)
        if missed is not None and item.crowd:
            color = IGNORED_COLOR
        elif missed is not None and missed[index]:
            label = f"missed {label}"
            color = WRONG_COLOR
        elif missed is not None:
            color = RIGHT_COLOR
        labels.append(label)
        colors.append(color)

    rims = [rim(crop, explored.thickness) for crop in crops] if outlines else []
    canvas = paint(explored.image, crops, rims, colors, opacity)
    if len(shown) <= MAX_LABELS:
        extents = [(x0, y0, x0 + mask.shape[1], y0 + mask.shape[0]) for x0, y0, mask in crops]
        draw_labels(canvas, labels, np.array(extents).reshape(-1, 4), colors, 2)
    return canvas


def _shown_ground_truth(explored: ExploredImage, hidden: set[int]) -> list[int]:
    return [index for index, item in enumerate(explored.ground_truth) if item.class_id not in hidden]


def _verdict_color(verdict: int) -> Color:
    return {WRONG: WRONG_COLOR, IGNORED: IGNORED_COLOR}.get(verdict, RIGHT_COLOR)


def _mark(verdict: int) -> str:
    return {WRONG: "\N{BALLOT X}", IGNORED: "~"}.get(verdict, "\N{CHECK MARK}")


def summary(explored: ExploredImage, class_ids: Sequence[int], judged: Sequence[int], hidden: set[int]) -> str:
    """What is shown: objects by class, and how right they are."""
    counts = Counter(explored.names[class_id] for class_id in class_ids)
    by_class = ", ".join(f"{count} {escape(name)}" for name, count in counts.most_common())
    line = f"<b>{pluralize(len(class_ids), 'object')}</b>"
    if by_class:
        line += f": {by_class}"
    if explored.ground_truth:
        countable = {
            index for index, item in enumerate(explored.ground_truth) if not item.crowd and item.class_id not in hidden
        }
        right = sum(verdict >= 0 for verdict in judged)
        wrong = sum(verdict == WRONG for verdict in judged)
        missed = len(countable - set(judged))
        line += f"<br>{right} right, {wrong} wrong, {missed} missed of {len(countable)} there"
    return line


def fact_table(number: int, facts: dict[str, str]) -> str:
    """The facts of the object pointed out, as a table."""
    if not facts:
        return ""
    rows = "".join(f"<tr><th scope=row>{name}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table aria-label='facts of object {number}'>{rows}</table>"


def regions(explored: ExploredImage, numbers: Sequence[int], mask: float, labels: Sequence[str]) -> str:
    """SVG regions over the detections: pointing at one, or clicking it, tells its class, score, area and contour."""
    crops = explored.crops(numbers, mask)
    contours = explored.contours(numbers, mask)
    words = [
        (f"{index}: {label}, {np.count_nonzero(crop)} px", f"contour {contour}")
        for index, (label, (_, _, crop), contour) in enumerate(zip(labels, crops, contours), 1)
    ]
    return _svg(explored, crops, explored.outlines(numbers, mask), words)


def ground_truth_regions(explored: ExploredImage, hidden: set[int]) -> str:
    """The same over the true objects, on the second copy of the image."""
    shown = _shown_ground_truth(explored, hidden)
    crops = [explored.ground_truth_crops[index] for index in shown]
    names = [explored.names.get(explored.ground_truth[index].class_id, "?") for index in shown]
    words = [
        (f"ground truth: {name}, {np.count_nonzero(crop)} px", f"contour {describe_contour(crop)}")
        for name, (_, _, crop) in zip(names, crops)
    ]
    shapes = _svg(explored, crops, [svg_path(crop) for crop in crops], words)
    return f'<g transform="translate({explored.image.shape[1] + IMAGE_GAP} 0)">{shapes}</g>'


def _svg(
    explored: ExploredImage, crops: Sequence[MaskCrop], outlines: Sequence[str], words: Sequence[tuple[str, str]]
) -> str:
    """Outlines that show two lines of text each, at the image's upper left."""
    font_size = max(12, round(explored.image.shape[1] / 45))
    parts = []
    # Large ones first, so that a small object in front of a large one can be reached.
    for index in _large_to_small(crops):
        lines = "".join(
            f'<tspan x="{font_size / 2}" dy="{1.3 * font_size:.0f}">{escape(line)} </tspan>' for line in words[index]
        )
        width = 0.62 * font_size * max(map(len, words[index])) + font_size
        parts.append(
            f'<g class="seglab-region" tabindex="-1"><path fill-rule="evenodd" d="{outlines[index]}"/>'
            f'<rect x="0" y="0" width="{width:.0f}" height="{3.2 * font_size:.0f}"/>'
            f'<text font-size="{font_size}" fill="#fff">{lines}</text></g>'
        )
    return "".join(parts)
