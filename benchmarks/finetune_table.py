"""The table of `benchmarks.finetune`: mean and spread of every setting, and whether seglab's reach their goals."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


def read_rows(out: Path) -> list[dict]:
    """All rows but those of single folds."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("runs/*/*/*/row.json"))]
    return [row for row in rows if row["fold"] in (None, "all")]


class Summary(NamedTuple):
    """The runs of one setting, with their means and standard deviations."""

    dataset: str
    tool: str
    setting: str
    seeds: int
    values: dict[str, tuple[float, float]]

    def mean(self, name: str) -> float:
        return self.values[name][0]


def summarize(rows: Iterable[dict]) -> list[Summary]:
    groups: dict[tuple[str, str, str], list[dict]] = defaultdict(list)
    for row in rows:
        groups[row["dataset"], row["tool"], row["setting"]].append(row)
    summaries = []
    for (dataset, tool, setting), members in sorted(groups.items()):
        columns = [figures(row) for row in members]
        values = {name: spread([column[name] for column in columns]) for name in columns[0]}
        summaries.append(Summary(dataset, tool, setting, len(members), values))
    return summaries


def figures(row: dict) -> dict[str, float]:
    """What the table shows of a run. Ultralytics' weights count as the better of the two programs decodes them."""
    decoders = [name for name in ("seglab", "peer") if f"last {name}" in row]
    found = {"seconds": row["seconds"], "cpu": row["cpu_seconds"], "moved": row["moved"]["weights"]}
    for kind in ("start", "last", "best"):
        for shape in ("box", "mask"):
            found[f"{kind} {shape}"] = max(row[f"{kind} {decoder}"][shape]["AP"] for decoder in decoders)
    found["best AP75"] = max(row[f"best {decoder}"]["mask"]["AP75"] for decoder in decoders)
    found["own"] = row[f"best {decoders[-1]}"]["mask"]["AP"]
    found["ours"] = row["best seglab"]["mask"]["AP"]
    return found


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and standard deviation (nan of one)."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def table(rows: Iterable[dict]) -> str:
    """Mean ± standard deviation of every setting as Markdown, and for seglab's whether the goals are met."""
    summaries = summarize(rows)
    columns = {
        "start mask": "start mask", "box": "best box", "mask": "best mask", "mask AP75": "best AP75",
        "last mask": "last mask", "s": "seconds", "CPU s": "cpu", "moved": "moved",
    }  # fmt: skip
    lines = [f"| dataset | tool, setting | seeds | {' | '.join(columns)} | peer's by its own / our decoding | goals |"]
    lines.append("|-" * (len(columns) + 5) + "|")
    for one in summaries:
        cells = [shown(*one.values[name], digits=0 if name in ("seconds", "cpu") else 3) for name in columns.values()]
        both = f"{one.mean('own'):.3f} / {one.mean('ours'):.3f}" if one.tool == "peer" else ""
        peers = [other for other in summaries if other.dataset == one.dataset and other.tool == "peer"]
        goals = judge_goals(one, peers) if one.tool == "seglab" else ""
        line = [one.dataset, f"{one.tool} {one.setting}", str(one.seeds), *cells, both, goals]
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines)


def shown(mean: float, deviation: float, digits: int) -> str:
    text = f"{mean:.{digits}f}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.{digits}f}"


def judge_goals(one: Summary, peers: Sequence[Summary]) -> str:
    """Differences to what is to be passed, in AP points, with a cross where it is not.

    Nuclei and toybox: mask AP +5 over ultralytics' default and +3 over its best setting; COCO photos: ultralytics' best
    less .5. Boxes no worse than the better of the two less .5, in no more CPU time than the default. The last epoch no
    worse than the start less .5, and the best +2 over it; on COCO photos as they are, which the start has learned, no
    worse than it.
    """
    known = one.dataset.startswith("coco")
    goals: list[tuple[str, float, float]] = []  # name, difference in points, at least
    default = next((peer for peer in peers if same_setting(peer.setting, "default", one.setting)), None)
    best = max(peers, key=lambda peer: peer.mean("best mask"), default=None)
    if default and not known:
        goals.append(("mask - default", one.mean("best mask") - default.mean("best mask"), 0.05))
    if best:
        goals.append(("mask - peer's best", one.mean("best mask") - best.mean("best mask"), -0.005 if known else 0.03))
        boxes = max(peer.mean("best box") for peer in (default, best) if peer)
        goals.append(("box", one.mean("best box") - boxes, -0.005))
    gain = 0.0 if one.dataset == "coco" else 0.02
    goals.append(("last - start", one.mean("last mask") - one.mean("start mask"), -0.005))
    goals.append(("best - start", one.mean("best mask") - one.mean("start mask"), gain))
    texts = [f"{name} {100 * gap:+.1f} {'✓' if gap >= least else '✗'}" for name, gap, least in goals]
    if default:
        ratio = one.mean("cpu") / default.mean("cpu")
        texts.append(f"time ×{ratio:.2f} {'✓' if ratio <= 1 else '✗'}")
    return ", ".join(texts)


def same_setting(text: str, name: str, beside: str) -> bool:
    """Whether a setting is the named one with the epochs and batch that another one has too."""
    shared_words = [word for word in beside.split() if word.startswith(("epochs=", "batch=", "nbs=", "imgsz="))]
    return text.split() == [name, *shared_words]
