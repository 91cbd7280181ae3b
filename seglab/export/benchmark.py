"""A table for choosing a format, measured on your own machine: size, accuracy, latency, and what went wrong."""

from __future__ import annotations

import csv
import io
import statistics
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seglab.config import refuse_unknown
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.device import choose_device, memory_format
from seglab.errors import SeglabError
from seglab.export.exporter import export
from seglab.export.inference_model import InferenceModel
from seglab.export.registry import FORMATS, find_format, load_runtime
from seglab.export.runtime import Runtime
from seglab.files import atomic_write, cache_dir
from seglab.inference.predictor import Forward
from seglab.model.packed import pack
from seglab.model.transfer import transfer
from seglab.model.weights import load_weights
from seglab.model.yolo11 import YOLO11Seg, count_flops, count_parameters, fuse
from seglab.sizes import as_size

WARM_UP = 3
ROUNDS = 20
PRECISIONS = ("fp32", "fp16", "int8")


class Published(NamedTuple):
    """COCO val2017 at 640, as published for YOLO11-seg."""

    mask_map: float  # per cent
    box_map: float
    parameters: float  # millions
    flops: float  # billions


PUBLISHED = {
    "n": Published(32.0, 38.9, 2.9, 9.7),
    "s": Published(37.8, 46.6, 10.1, 33.0),
    "m": Published(41.5, 51.5, 22.4, 113.2),
    "l": Published(42.9, 53.4, 27.6, 132.2),
    "x": Published(43.8, 54.7, 62.1, 296.4),
}

Variant = tuple[str, str]  # format and precision
PYTORCH: Variant = ("pytorch", "fp32")


@dataclass
class Line:
    """One line of the table. None stands for what could not be measured; `status` says why."""

    format: str
    precision: str
    megabytes: float | None = None
    box_map: float | None = None
    mask_map: float | None = None
    milliseconds: float | None = None
    status: str = "ok"


def benchmark(
    model: YOLO11Seg,
    names: dict[int, str],
    data: str = "toybox8-seg",
    imgsz: int | tuple[int, int] = 640,
    formats: list[str] | str | None = None,
    precisions: list[str] | str | None = None,
    out: str | Path = "runs/benchmark",
    license: str = "unknown",
    mask_targets: str = "soft",
) -> list[Line]:
    """Export `model` to every format this machine has the packages for, verify, validate and time each, one table.

    data: whose validation split gives the mAP; imgsz: side in pixels or (height, width); formats: some of
    registry.FORMATS, as a list or "onnx,openvino", all by default; precisions: some of fp32, fp16 and int8, likewise,
    which leaves out formats that have none of them; license: of the weights; mask_targets: soft or hard,
    what they were trained with. Latency is that of the network on one image in milliseconds, all formats taking turns
    after a warm-up, the median of the rounds, on as many threads as torch uses. Writes benchmark.md, benchmark.csv and
    benchmark.png beside the files into `out`.
    """
    from tqdm.auto import tqdm

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = [find_format(name)[0] for name in listed(formats)] or list(FORMATS)
    wanted = listed(precisions) or list(PRECISIONS)
    refuse_unknown(wanted, PRECISIONS, "benchmark", "precision")
    variants = [(name, precision) for name in chosen for precision in FORMATS[name].PRECISIONS if precision in wanted]

    # PyTorch itself, as prediction runs it.
    eager = InferenceModel(model).to(memory_format=torch.channels_last)
    weight_bytes = sum(tensor.nbytes for tensor in eager.state_dict().values())
    eager.network = pack(eager.network)
    lines: dict[Variant, Line] = {PYTORCH: Line(*PYTORCH, megabytes=weight_bytes / 1e6)}
    forwards: dict[Variant, Forward] = {PYTORCH: eager}

    # Then every format in every precision that it has: a file that cannot be made is a line, not an end.
    common: dict[str, Any] = {"imgsz": imgsz, "data": data, "license": license, "mask_targets": mask_targets}
    for variant in tqdm(variants, desc="export", unit="format"):
        line = lines[variant] = Line(*variant)
        runtime = exported(line, model, names, out, common)
        if runtime is None:
            continue
        forwards[variant] = runtime.forward
        # The parity check of the export has measured mAP, of the file and of the network: no need to do it twice.
        parity = {row: entry["value"] for row, entry in runtime.metadata.parity.items()}
        line.box_map = parity["box mAP, file"]
        line.mask_map = parity["mask mAP, file"]
        lines[PYTORCH].box_map = parity["box mAP, network"]
        lines[PYTORCH].mask_map = parity["mask mAP, network"]

    # All that exist take turns on one image, so that a busy moment falls on none alone.
    images = torch.rand(1, 3, *as_size(imgsz)).contiguous(memory_format=torch.channels_last)  # as prediction has them
    for variant, seconds in interleaved(forwards, images).items():
        lines[variant].milliseconds = 1e3 * statistics.median(seconds)
    result = list(lines.values())
    write_report(result, out)
    print(markdown(result))
    print(f"Results saved to {out}")
    return result


def exported(line: Line, model: YOLO11Seg, names: dict[int, str], out: Path, options: dict[str, Any]) -> Runtime | None:
    """Export to the format and precision of a line, note the size, and open the file; None, and why, where it fails."""
    is_fp16 = line.precision == "fp16"
    is_int8 = line.precision == "int8"
    into = out / f"model-{line.precision}"
    try:
        path = export(model, names, line.format, into, half=is_fp16, int8=is_int8, **options)
        line.megabytes = size_of(path) / 1e6
        return load_runtime(path, trust=True)
    except Exception as error:  # a converter may fail in any way; that is a line of the table, not the table's end
        prefix = "" if isinstance(error, SeglabError) else f"{type(error).__name__}: "
        line.status = f"{prefix}{error}".splitlines()[0]
        return None


def listed(names: list[str] | tuple[str, ...] | str | None) -> list[str]:
    """Names as a list, also where they are one text with commas."""
    if isinstance(names, str):
        names = [name for name in names.replace(" ", "").split(",") if name]
    return list(names or [])


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


@torch.inference_mode()
def interleaved(
    forwards: Mapping[Variant, Forward], images: Tensor, rounds: int = ROUNDS
) -> dict[Variant, list[float]]:
    """Seconds of every round of every callable on `images`; they take turns, so that a busy machine is fair to all."""
    for forward in forwards.values():
        for _ in range(WARM_UP):
            forward(images)
    seconds: dict[Variant, list[float]] = {variant: [] for variant in forwards}
    for _ in range(rounds):
        for variant, forward in forwards.items():
            start = time.perf_counter()
            forward(images)
            seconds[variant].append(time.perf_counter() - start)
    return seconds


def markdown(lines: list[Line]) -> str:
    """The lines as a Markdown table."""
    rows = ["| format | precision | MB | box mAP | mask mAP | ms | status |", "|-|-|-|-|-|-|-|"]
    for line in lines:
        cells = [
            line.format,
            line.precision,
            _cell(line.megabytes, 1),
            _cell(line.box_map, 3),
            _cell(line.mask_map, 3),
            _cell(line.milliseconds, 1),
            line.status,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def write_report(lines: list[Line], out: Path) -> None:
    """benchmark.md, benchmark.csv and benchmark.png in the folder `out`."""
    atomic_write(out / "benchmark.md", (markdown(lines) + "\n").encode())
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([column.name for column in fields(Line)])
    writer.writerows(astuple(line) for line in lines)
    atomic_write(out / "benchmark.csv", table.getvalue().encode())
    draw_bars(lines, out / "benchmark.png")


def draw_bars(lines: list[Line], path: Path) -> None:
    """A row of bars for every line that was timed, the fastest on top: latency, mask mAP, size."""
    from matplotlib.figure import Figure

    timed = [(line.milliseconds, line) for line in lines if line.milliseconds is not None]
    timed.sort(key=lambda pair: pair[0], reverse=True)
    labels = [f"{line.format} {line.precision}" for _, line in timed]
    columns = {
        "ms per image, network only": ([milliseconds for milliseconds, _ in timed], ".1f"),
        "mask mAP50-95": ([line.mask_map or 0 for _, line in timed], ".3f"),
        "MB": ([line.megabytes or 0 for _, line in timed], ".1f"),
    }
    figure = Figure(figsize=(10, 1.5 + 0.3 * len(timed)), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True)
    for axes, (title, (values, digits)) in zip(panels, columns.items()):
        bars = axes.barh(labels, values, color="#5179ff")
        axes.bar_label(bars, [format(value, digits) for value in values], padding=3, fontsize=8)
        axes.set_title(title)
        axes.set_xlim(right=1.2 * max(values) or 1)
        axes.spines[["top", "right"]].set_visible(False)
    slowest, fastest = timed[0][0], timed[-1][0]
    if fastest * 20 < slowest:  # one slow format must not flatten the others
        panels[0].set_xscale("log")
        panels[0].set_xlim(fastest / 2, 4 * slowest)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    atomic_write(path, picture.getvalue())


def published_table(data: str | None = None) -> str:
    """Markdown: parameters and FLOPs of the five scales beside the published metrics.

    data: a COCO val2017 dataset; with it, which takes hours on a CPU, mAP of the scales whose official weights are in
    the cache folder too, ours beside the published one, in per cent. Errors: SeglabError for data that is not there.
    """
    spec = load_dataset(data, "val") if data else None
    rows = ["| model | mask mAP (published) | box mAP (published) | parameters, M | FLOPs, B |", "|-|-|-|-|-|"]
    for scale, published in PUBLISHED.items():
        with torch.device("meta"):  # counted without memory for the weights
            network = fuse(YOLO11Seg(scale))
            parameters = count_parameters(network) / 1e6
            flops = count_flops(network) / 1e9
        found = official_map(scale, spec) if spec else None
        masks, boxes = (f"{100 * value:.1f}" for value in found) if found else ("-", "-")
        rows.append(
            f"| YOLO11{scale}-seg | {masks} ({published.mask_map}) | {boxes} ({published.box_map}) "
            f"| {parameters:.1f} ({published.parameters}) | {flops:.1f} ({published.flops}) |"
        )
    return "\n".join(rows)


def official_map(scale: str, spec: DatasetSpec) -> tuple[float, float] | None:
    """(mask, box) mAP of the official weights of one scale on a dataset; None when they are not in the cache folder.

    On the best device there is, with progress.
    """
    from seglab.config import ValidateConfig
    from seglab.evaluation.validate import validate_dataset
    from seglab.training.distributed import Process

    path = cache_dir() / f"yolo11{scale}-seg.pt"
    if not path.exists():
        return None
    network = YOLO11Seg(scale)
    transfer(network, load_weights(path).state)
    device = choose_device(None)
    forward = InferenceModel(network).to(device).to(memory_format=memory_format(device))
    config = ValidateConfig(batch=1, mask_targets="hard")
    metrics = validate_dataset(forward, spec, spec.names, config, Process(0, 1, device))
    return metrics.seg.map, metrics.box.map
