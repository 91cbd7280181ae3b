"""The table people choose a format by, measured on their own machine: size, accuracy, latency, and what went wrong."""

from __future__ import annotations

import csv
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.device import choose_device, memory_format
from seglab.errors import SeglabError
from seglab.export.exporter import export
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import FORMATS, find_format
from seglab.export.runtime import load_runtime
from seglab.files import cache_dir
from seglab.inference.predictor import Forward
from seglab.model.packed import pack
from seglab.model.transfer import transfer
from seglab.model.weights import load_weights
from seglab.model.yolo11 import YOLO11Seg, count_flops, count_parameters, fuse
from seglab.sizes import as_size

WARM_UP, ROUNDS = 3, 20
# COCO val2017 at 640: mask and box mAP, parameters in millions, FLOPs in billions, as published for YOLO11-seg.
PUBLISHED = {
    "n": (32.0, 38.9, 2.9, 9.7),
    "s": (37.8, 46.6, 10.1, 33.0),
    "m": (41.5, 51.5, 22.4, 113.2),
    "l": (42.9, 53.4, 27.6, 132.2),
    "x": (43.8, 54.7, 62.1, 296.4),
}


class Line(NamedTuple):
    """One format. None stands for what could not be measured; `status` says why."""

    format: str
    precision: str
    megabytes: float | None
    box_map: float | None
    mask_map: float | None
    milliseconds: float | None
    status: str


def benchmark(
    model: YOLO11Seg,
    names: dict[int, str],
    data: str = "toybox8-seg",
    imgsz: int | tuple[int, int] = 640,
    formats: list[str] | str | None = None,
    out: str | Path = "runs/benchmark",
    license: str = "unknown",
    mask_targets: str = "soft",
) -> list[Line]:
    """Export `model` to every format this machine has the packages for, verify, validate and time each, one table.

    data: whose validation split gives the mAP; imgsz: side in pixels or (height, width); formats: some of
    formats.FORMATS, as a list or "onnx,openvino", all by default; license: of the weights; mask_targets: soft or hard,
    what they were trained with. Latency is that of the network on one image in milliseconds, all formats taking turns
    after a warm-up, the median of the rounds, on as many threads as torch uses. Writes benchmark.md, benchmark.csv and
    benchmark.png beside the files into `out`.
    """
    from tqdm.auto import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    formats = formats.replace(" ", "").split(",") if isinstance(formats, str) else formats
    chosen = [find_format(name)[0] for name in formats] if formats else list(FORMATS)
    variants = [(name, precision) for name in chosen for precision in FORMATS[name].precisions]
    eager = InferenceModel(model).to(memory_format=torch.channels_last)
    forwards: dict[tuple[str, str], Forward] = {("pytorch", "fp32"): eager}
    weights = sum(tensor.nbytes for tensor in eager.state_dict().values()) / 1e6
    eager.network = pack(eager.network)  # as prediction runs it
    lines = {("pytorch", "fp32"): Line("pytorch", "fp32", weights, None, None, None, "ok")}
    for name, precision in tqdm(variants, desc="export", unit="format"):
        key = name, precision
        options = {"half": precision == "fp16", "int8": precision == "int8"}
        options |= {"imgsz": imgsz, "data": data, "license": license, "mask_targets": mask_targets}
        megabytes = None
        try:
            path = export(model, names, name, out / f"model-{precision}", **options)
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            runtime = load_runtime(path)
        except Exception as error:  # a converter may fail in any way; that is a line of the table, not the table's end
            kind = "" if isinstance(error, SeglabError) else f"{type(error).__name__}: "
            lines[key] = Line(*key, megabytes, None, None, None, f"{kind}{error}".splitlines()[0])
            continue
        parity = {row: entry["value"] for row, entry in runtime.description.parity.items()}
        lines[key] = Line(*key, megabytes, parity["box mAP, file"], parity["mask mAP, file"], None, "ok")
        forwards[key] = runtime.forward
        own = {"box_map": parity["box mAP, network"], "mask_map": parity["mask mAP, network"]}
        lines["pytorch", "fp32"] = lines["pytorch", "fp32"]._replace(**own)
    images = torch.rand(1, 3, *as_size(imgsz)).contiguous(
        memory_format=torch.channels_last
    )  # as prediction hands them over
    for key, seconds in interleaved(forwards, images).items():
        lines[key] = lines[key]._replace(milliseconds=1e3 * statistics.median(seconds))
    result = list(lines.values())
    write_report(result, out)
    print(markdown(result))
    print(f"Results saved to {out}")
    return result


@torch.inference_mode()
def interleaved(
    forwards: dict[tuple[str, str], Forward], images: Tensor, rounds: int = ROUNDS
) -> dict[tuple[str, str], list[float]]:
    """Seconds of every round of every callable on `images`; they take turns, so that a busy machine is fair to all."""
    for forward in forwards.values():
        for _ in range(WARM_UP):
            forward(images)
    seconds = {key: [] for key in forwards}
    for _ in range(rounds):
        for key, forward in forwards.items():
            start = time.perf_counter()
            forward(images)
            seconds[key].append(time.perf_counter() - start)
    return seconds


def markdown(lines: list[Line]) -> str:
    """The lines as a Markdown table."""
    rows = ["| format | precision | MB | box mAP | mask mAP | ms | status |", "|-|-|-|-|-|-|-|"]
    for line in lines:
        size, box, mask, latency = (
            "" if value is None else f"{value:.{digits}f}" for value, digits in zip(line[2:6], (1, 3, 3, 1))
        )
        rows.append(f"| {line.format} | {line.precision} | {size} | {box} | {mask} | {latency} | {line.status} |")
    return "\n".join(rows)


def write_report(lines: list[Line], out: Path) -> None:
    """benchmark.md, benchmark.csv and benchmark.png in the folder `out`."""
    (out / "benchmark.md").write_text(markdown(lines) + "\n", encoding="utf-8")
    with (out / "benchmark.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Line._fields)
        writer.writerows(lines)
    draw_bars([line for line in lines if line.milliseconds is not None], out / "benchmark.png")


def draw_bars(lines: list[Line], path: Path) -> None:
    """A row of bars for every line that was measured, the fastest on top: latency, mask mAP, size."""
    from matplotlib.figure import Figure

    lines = sorted(lines, key=lambda line: line.milliseconds, reverse=True)
    figure = Figure(figsize=(10, 1.5 + 0.3 * len(lines)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    columns = (("milliseconds", "ms an image, network only", ".1f"), ("mask_map", "mask mAP50-95", ".3f"))
    for axes, (column, title, digits) in zip(panels, (*columns, ("megabytes", "MB", ".1f"))):
        values = [getattr(line, column) or 0 for line in lines]
        bars = axes.barh([f"{line.format} {line.precision}" for line in lines], values, color="#5179ff")
        axes.bar_label(bars, [format(value, digits) for value in values], padding=3, fontsize=8)
        axes.set_title(title)
        axes.set_xlim(right=1.2 * max(values) or 1)
        axes.spines[["top", "right"]].set_visible(False)
    if lines[-1].milliseconds * 20 < lines[0].milliseconds:  # one slow format must not flatten the others
        panels[0].set_xscale("log")
        panels[0].set_xlim(lines[-1].milliseconds / 2, 4 * lines[0].milliseconds)
    figure.savefig(path, dpi=120)


def published_table(data: str | None = None) -> str:
    """Markdown: parameters and FLOPs of the five scales beside the published figures.

    data: a COCO val2017 dataset; with it, which takes hours on a CPU, mAP of the scales whose official weights are in
    the cache folder too, ours beside the published one, in per cent. Errors: SeglabError for data that is not there.
    """
    spec = load_dataset(data, "val") if data else None
    rows = ["| model | mask mAP (published) | box mAP (published) | parameters, M | FLOPs, B |", "|-|-|-|-|-|"]
    for scale, (mask, box, parameters, flops) in PUBLISHED.items():
        with torch.device("meta"):
            network = fuse(YOLO11Seg(scale))
            counted = count_parameters(network), count_flops(network)
        found = official_map(scale, spec) if spec else None
        masks, boxes = (f"{100 * value:.1f}" for value in found) if found else ("-", "-")
        rows.append(
            f"| YOLO11{scale}-seg | {masks} ({mask}) | {boxes} ({box}) | {counted[0] / 1e6:.1f} ({parameters}) "
            f"| {counted[1] / 1e9:.1f} ({flops}) |"
        )
    return "\n".join(rows)


def official_map(scale: str, spec: DatasetSpec) -> tuple[float, float] | None:
    """(mask, box) mAP of the official weights of one scale on a dataset; None when they are not in the cache folder.

    On the best device there is, with progress.
    """
    from seglab.config import ValidateConfig
    from seglab.evaluation.validate import validate_dataset

    path = cache_dir() / f"yolo11{scale}-seg.pt"
    if not path.exists():
        return None
    weights, network = load_weights(path), YOLO11Seg(scale)
    transfer(network, weights.state)
    device = choose_device(None)
    forward = InferenceModel(network).to(device, memory_format=memory_format(device))
    metrics = validate_dataset(forward, spec, spec.names, ValidateConfig(batch=1, mask_targets="hard"), device)
    return metrics.seg.map, metrics.box.map
