"""Fine-tuning COCO weights on other images, here and by ultralytics: nuclei, toybox scenes and COCO photos.

    python -m benchmarks.finetune run nuclei coco --seeds 0 1 2 [--tools peer] [--settings default "adamw freeze=10"]
    python -m benchmarks.finetune table

Both tools start from the same weights (SEGLAB_SHARED names the folder that holds them and the datasets), train on the
same YOLO-seg folder made by `seglab convert`, for equally many epochs on one thread, and validate after every epoch.
What they end with is judged by pycocotools at native resolution on the original ground truth: the last weights and the
best ones, decoded by seglab and, where they are ultralytics', by its own code with retina_masks too.

Datasets: `nuclei`, `toybox` (64 + 64 scenes), `coco` (38 photos in five folds, whose detections make one AP), the same
photos without color or sharpness (`coco-gray`, `coco-blur`); `nuclei-10`, `toybox-1000`: that many training images.
A setting is a name of SETTINGS, key=value words, or a name and words: "ratio2 lr0=1e-4".

Every run has processes and a folder of its own under --out, with one JSON row in the end; what has a row is not run
again, so a cut benchmark goes on where it stopped, and several may run at a time. Delete a folder to run it anew.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.finetune_data import FOLDS, WEIGHTS, Task, prepare, shared
from benchmarks.finetune_judge import evaluate, judge, starts_folder, write_json
from benchmarks.finetune_table import read_rows, table
from benchmarks.speed import environment

COMMON = {"imgsz": 320, "epochs": 10, "batch": 4, "nbs": 4, "workers": 0, "device": "cpu", "plots": False}
ADAMW = {"optimizer": "AdamW", "lr0": 1e-4, "warmup_bias_lr": 0.0}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "peer": {
        "default": {},
        "full": {"mask_ratio": 1, "overlap_mask": False},
        "adamw": ADAMW,
    },
    "seglab": {
        "default": {},
        "auto": {"recipe": "auto"},
        "ultralytics": {"recipe": "ultralytics"},
        "ratio4": {"mask_ratio": 4},
        "ratio2": {"mask_ratio": 2},
        "ratio1": {"mask_ratio": 1},
        "adamw": {**ADAMW, "mask_ratio": 2},
    },
}


class Run(NamedTuple):
    """One training."""

    dataset: str
    task: Task
    tool: str
    setting: str
    seed: int
    arguments: dict[str, Any]


# --- training: in a process of its own ---


def train(folder: Path) -> None:
    """Run what plan.json says and write training.json."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    learn = {"seglab": learn_seglab, "peer": learn_peer}[plan["tool"]]
    ready = learn(plan, folder)
    started, busy = time.perf_counter(), cpu_seconds()
    ready()
    answer = {"seconds": time.perf_counter() - started, "cpu_seconds": cpu_seconds() - busy}
    import torch

    answer |= {"threads": torch.get_num_threads(), "load": os.getloadavg()[1], "versions": versions(plan["tool"])}
    answer["args"] = read_arguments(folder / "run/args.yaml")
    write_json(folder / "training.json", answer)


def learn_seglab(plan: dict, folder: Path):
    """-> what is to be timed."""
    import cv2
    import torch

    from seglab import YOLO

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = YOLO(shared() / WEIGHTS)
    place = {"project": str(folder), "name": "run", "exist_ok": True}
    return lambda: model.train(data=plan["data"], seed=plan["seed"], **place, **plan["arguments"])


def learn_peer(plan: dict, folder: Path):
    """-> what is to be timed."""
    import torch
    import ultralytics.utils.torch_utils as torch_utils
    from ultralytics import YOLO

    torch_utils.NUM_THREADS = 1  # or training sets more
    torch.set_num_threads(1)
    model = YOLO(str(folder / "start.pt"))
    place = {"project": str(folder), "name": "run", "exist_ok": True}
    return lambda: model.train(data=plan["data"], seed=plan["seed"], **place, **plan["arguments"])


def write_peer_start(path: Path) -> None:
    """The weights that both start from, as ultralytics saves a model of its own."""
    from safetensors.torch import load_file
    from ultralytics import YOLO

    from seglab.class_names import COCO_NAMES

    model = YOLO("yolo11n-seg.yaml")
    state = {name: tensor.float() for name, tensor in load_file(shared() / WEIGHTS).items()}
    model.model.load_state_dict(state)
    model.model.names = dict(enumerate(COCO_NAMES))
    model.save(str(path))


def cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def versions(tool: str) -> dict[str, str]:
    import torch

    if tool == "peer":
        import ultralytics

        return {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {"torch": torch.__version__, "seglab": commit}


def read_arguments(path: Path) -> dict[str, Any]:
    """What a tool says it was told: all arguments."""
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


# --- running ---


def parse_setting(text: str, tool: str) -> dict[str, Any] | None:
    """ "ratio2 lr0=1e-4" -> arguments; None for a name that the tool has no setting of."""
    arguments: dict[str, Any] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if equals:
            arguments[name] = parse_value(value)
        elif name in SETTINGS[tool]:
            arguments |= SETTINGS[tool][name]
        elif any(name in settings for settings in SETTINGS.values()):
            return None
        else:
            sys.exit(f"there is no setting {name}: write key=value, or one of {', '.join(SETTINGS[tool])}")
    return arguments


def parse_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def plan_runs(options: argparse.Namespace) -> list[Run]:
    """All runs that the command line asks for: one seed after the other, so that every setting has a figure early."""
    extra = ["batch=16", "nbs=64"] if options.defaults else []
    extra += [f"epochs={options.epochs}"] if options.epochs else []
    runs = []
    for name in options.datasets:
        dataset = f"{name}-{options.images}" if options.images else name
        tasks = prepare(dataset, options.out)
        for seed in options.seeds:
            for tool in options.tools:
                for text in options.settings or SETTINGS[tool]:
                    setting = " ".join([text, *extra])
                    own = parse_setting(setting, tool)
                    if own is not None:
                        runs += [Run(dataset, task, tool, setting, seed, COMMON | own) for task in tasks]
    return runs


def folder_of(run: Run, out: Path) -> Path:
    label = re.sub(r"[^\w.=,-]+", "_", run.setting)
    return out / "runs" / run.task.name / run.tool / f"{label}-seed{run.seed}"


def carry_out(run: Run, out: Path) -> None:
    """Train and evaluate one run in two processes, unless it has its row or another process is at it."""
    folder = folder_of(run, out)
    if (folder / "row.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if not claim(folder):
        print(f"{folder}: another process is at it", flush=True)
        return
    fold = re.search(r"-fold(\d+)$", run.task.name)
    plan = {**run._asdict(), "task": list(map(str, run.task)), "data": str(run.task.yaml)}
    write_json(folder / "plan.json", plan | {"fold": int(fold[1]) if fold else None})
    try:
        if not (folder / "training.json").is_file():
            shutil.rmtree(folder / "run", ignore_errors=True)
            if run.tool == "peer":
                start_process("start", folder)
            start_process("train", folder)
        start_process("evaluate", folder)
    except RuntimeError as error:
        print(error, flush=True)
        return
    finally:
        (folder / "running").unlink()
    print(describe(json.loads((folder / "row.json").read_text(encoding="utf-8"))), flush=True)


def claim(folder: Path) -> bool:
    """Whether this process may work in a folder: no other living one does."""
    file = folder / "running"
    if file.is_file() and Path(f"/proc/{file.read_text()}").exists():
        return False
    file.write_text(str(os.getpid()))
    return True


def start_process(step: str, folder: Path) -> None:
    """One step of a run in a process of its own, on one thread. Errors: RuntimeError with the end of what it said."""
    command = [sys.executable, "-m", "benchmarks.finetune", step, str(folder)]
    own = {**environment(), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with open(folder / f"{step}.log", "w", encoding="utf-8") as log:
        code = subprocess.run(command, env=own, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        said = (folder / f"{step}.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"{folder}: {step} failed\n{said[-1500:]}")


def describe(row: dict) -> str:
    """A finished run in a line."""
    place = row["dataset"] + ("" if row["fold"] is None else f" fold {row['fold']}")
    parts = [f"{place} | {row['tool']} {row['setting']} | seed {row['seed']} | {row['seconds']:.0f} s"]
    for kind in ("start seglab", "last seglab", "best seglab", "last peer", "best peer"):
        if kind in row:
            parts.append(f"{kind} {row[kind]['box']['AP']:.3f}/{row[kind]['mask']['AP']:.3f}")
    return " | ".join(parts)


def pool(runs: Iterable[Run], out: Path) -> None:
    """Where all folds of a dataset have their rows, write one row for them, with the AP of all detections together."""
    groups: dict[tuple[str, str, str, int], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.dataset, run.tool, run.setting, run.seed].append(run)
    for (dataset, *_), folds in groups.items():
        whole = folds[0]._replace(task=folds[0].task._replace(name=dataset))
        folders = [folder_of(run, out) for run in folds]
        place = folder_of(whole, out)
        complete = len(folds) == FOLDS and all((folder / "row.json").is_file() for folder in folders)
        if not complete or (place / "row.json").is_file():
            continue
        row = pooled_row([json.loads((folder / "row.json").read_text(encoding="utf-8")) for folder in folders])
        ground_truths = [run.task.ground_truth for run in folds]
        for column in [name for name in row if name.split(" ")[0] in ("start", "last", "best")]:
            kind, decoder = column.split(" ")
            if kind == "start":
                imgsz = whole.arguments["imgsz"]
                files = [starts_folder(run.task.yaml, imgsz) / f"detections-{decoder}.json.gz" for run in folds]
            else:
                files = [folder / f"detections-{kind}-{decoder}.json.gz" for folder in folders]
            detections = [found for file in files for found in json.loads(gzip.decompress(file.read_bytes()))]
            row[column] = judge(ground_truths, detections)
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / "row.json", row)
        print(describe(row), flush=True)


def pooled_row(rows: Sequence[dict]) -> dict:
    """The rows of all folds as one: times added, distances averaged, the AP columns still to be filled."""
    row = rows[0] | {"fold": "all"}
    for name in ("seconds", "cpu_seconds"):
        row[name] = sum(fold[name] for fold in rows)
    row["moved"] = {name: statistics.mean(fold["moved"][name] for fold in rows) for name in row["moved"]}
    row["history"] = [
        {name: statistics.mean(fold[name] for fold in epoch) for name in ("epoch", "box", "mask")}
        for epoch in zip(*(fold["history"] for fold in rows))
    ]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("run", "table", "start", "train", "evaluate"))
    parser.add_argument("datasets", nargs="*", help="names; of start, train and evaluate (run's own) a run's folder")
    default_out = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seglab-finetune"
    parser.add_argument("--out", type=Path, default=default_out, help=f"folder of results: {default_out}")
    parser.add_argument("--tools", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--settings", nargs="*", help="all of SETTINGS by default")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="train on the first N images only, as nuclei-N does")
    parser.add_argument("--epochs", type=int, help="other than 10")
    parser.add_argument("--defaults", action="store_true", help="both tools' own batch and nbs, 16 and 64")
    options = parser.parse_args()
    options.out = options.out.absolute()
    if options.step in ("start", "train", "evaluate"):
        folder = Path(options.datasets[0])
        if options.step == "start":
            write_peer_start(folder / "start.pt")
        else:
            {"train": train, "evaluate": evaluate}[options.step](folder)
    elif options.step == "table":
        rows = read_rows(options.out)
        print(table(row for row in rows if not options.datasets or row["dataset"] in options.datasets))
    else:
        runs = plan_runs(options)
        for run in runs:
            carry_out(run, options.out)
            pool((other for other in runs if other.dataset == run.dataset), options.out)


if __name__ == "__main__":
    main()
