"""Times COCO -> YOLO-seg conversion against ultralytics on one JSON; watches memory on a million annotations.

    python -m benchmarks.convert annotations=30000 rounds=5
    python -m benchmarks.convert source=../shared/datasets/coco38/annotations rounds=3
    python -m benchmarks.convert million=True

Every conversion runs in a fresh process on one thread, the two tools in turn; imports are not counted. Without
`source`, the JSON is synthetic: about 7 objects an image in random order, outlines of 4 to 60 vertices with two
decimals, 6 % of them in two parts (one pair in twenty overlapping, as in COCO), 1 % crowds as plain RLE. Fidelity is
what an outsider sees: every row of the labels one polygon, drawn by pycocotools. CPU seconds are steadier than the
clock's where other programs run beside. The million needs 2 GB of disk.
"""

from __future__ import annotations

import ast
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

HEIGHT, WIDTH = 480, 640
SHOWN = {"peer": "ultralytics", "seglab": "seglab"}
CATEGORY_IDS = [i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]  # COCO's own


def outline(rng: np.random.Generator) -> list[float]:
    """A closed outline with two decimals, cut at the borders of the image."""
    count = int(rng.integers(4, 60))
    angle = (np.arange(count) + rng.uniform(0.1, 0.9, count)) * (2 * np.pi / count)
    reach = np.exp(rng.normal(3.2, 0.8)) * rng.uniform(0.7, 1.3, (count, 1))
    points = rng.uniform((0, 0), (WIDTH, HEIGHT)) + reach * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    return points.clip(0, (WIDTH, HEIGHT)).round(2).ravel().tolist()


def write_json(path: Path, annotations: int, seed: int = 0) -> None:
    """Stream a COCO JSON to disk; the outlines repeat after a while, as generating them takes the longest."""
    rng = np.random.default_rng(seed)
    outlines = [outline(rng) for _ in range(min(5000, annotations))]
    images = max(1, annotations // 7)
    size = {"height": HEIGHT, "width": WIDTH}
    crowd = {"size": [HEIGHT, WIDTH], "counts": [1000, 50, HEIGHT * WIDTH - 1050]}
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"info": {}, "images": [')
        for i in range(1, images + 1):  # one by one: a process starts with the peak of the one that started it
            file.write((", " if i > 1 else "") + json.dumps({"id": i, "file_name": f"{i:012d}.jpg", **size}))
        file.write('], "annotations": [')
        for number in range(annotations):
            shape = [outlines[rng.integers(len(outlines))]]
            if rng.random() < 0.06:
                half = np.reshape(shape[0], (-1, 2)) / 2  # the same again beside, or over, itself
                aside = (WIDTH / 2, 0) if rng.random() < 0.95 else (3, 3)
                shape = [half.round(2).ravel().tolist(), (half + aside).round(2).ravel().tolist()]
            is_crowd = rng.random() < 0.01
            annotation = {
                "segmentation": crowd if is_crowd else shape, "area": 1000.5, "iscrowd": int(is_crowd),
                "image_id": int(rng.integers(1, images + 1)), "bbox": [1.25, 2.5, 100.75, 50.0],
                "category_id": int(rng.choice(CATEGORY_IDS)), "id": number + 1,
            }  # fmt: skip
            file.write((",\n" if number else "") + json.dumps(annotation))
        categories = [{"id": i, "name": f"class {i}", "supercategory": "thing"} for i in CATEGORY_IDS]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def run(tool: str, source: Path, out: Path) -> None:
    """Convert the JSON files of a folder in this process; print the clock's seconds, the CPU's, and the growth of its
    memory's peak in MB."""
    import pycocotools.mask  # noqa: F401  what the tools would import on their way
    import tqdm.auto  # noqa: F401

    if tool == "peer":
        from ultralytics.data.converter import convert_coco
    else:
        from seglab.convert.conversion import convert_coco_labels
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, busy = time.perf_counter(), time.process_time()
    if tool == "peer":
        convert_coco(labels_dir=str(source), save_dir=str(out), use_segments=True, cls91to80=True)
    else:
        for file in sorted(source.glob("*.json")):
            convert_coco_labels(file, out / file.stem)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"\nMEASURED {seconds} {busy} {growth}")


def measure(tool: str, source: Path, out: Path) -> list[float]:
    """Into a new folder: file systems such as ext4 are slow for half a minute where many files were deleted."""
    environment = os.environ | {"YOLO_OFFLINE": "1", "OMP_NUM_THREADS": "1", "YOLO_CONFIG_DIR": str(out.parent)}
    command = [sys.executable, "-W", "ignore", __file__, f"tool={tool}", f"source={source}", f"out={out}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{tool} failed:\n{done.stderr}")
    return [float(word) for word in done.stdout.rsplit("MEASURED", 1)[1].split()]


def fidelity(source: Path, out: Path) -> np.ndarray:
    """(N,) best IoU of any row of the image's label file, for every object that is no crowd."""
    labels = {path.stem: path for path in out.rglob("*.txt")}
    ious = []
    for file in source.glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        wanted = defaultdict(list)
        for annotation in content["annotations"]:
            if not annotation["iscrowd"]:
                wanted[annotation["image_id"]].append(annotation["segmentation"])
        for image in content["images"]:
            height, width = image["height"], image["width"]
            path, shapes = labels.get(Path(image["file_name"]).stem), wanted[image["id"]]
            rows = [np.array(row.split()[1:], float) for row in path.read_text("utf-8").splitlines()] if path else []
            rows = [(row.reshape(-1, 2) * (width, height)).ravel().tolist() for row in rows if len(row) >= 6]
            drawn = coco.frPyObjects(rows, height, width) if rows else []
            masks = [coco.merge(coco.frPyObjects(shape, height, width)) for shape in shapes]
            best = coco.iou(masks, drawn, [0] * len(drawn)).max(axis=1) if rows and masks else np.zeros(len(masks))
            ious += [1.0 if coco.area(mask) == 0 else iou for mask, iou in zip(masks, best)]
    return np.array(ious)


def main(annotations: int = 30000, rounds: int = 5, million: bool = False, source: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "json"
        given.mkdir()
        file = given / "instances_train2017.json"
        if million:
            print("| annotations | JSON, MB | seconds | CPU seconds | memory above the start, MB |\n|-|-|-|-|-|")
            for count in (10_000, 100_000, 1_000_000):
                write_json(file, count)
                seconds, busy, growth = measure("seglab", given, Path(folder) / str(count))
                size = file.stat().st_size / 1e6
                print(f"| {count:,} | {size:.0f} | {seconds:.1f} | {busy:.1f} | {growth:.0f} |", flush=True)
            return
        if source is None:
            write_json(file, annotations)
        else:  # a copy, for ultralytics writes where it reads
            for path in [Path(source)] if Path(source).is_file() else Path(source).glob("*.json"):
                shutil.copy(path, given)
        tools = ("peer", "seglab")
        figures = {tool: [] for tool in tools}
        for number in range(rounds):
            for tool in tools if number % 2 else tools[::-1]:
                figures[tool].append(measure(tool, given, Path(folder) / f"{tool}{number}"))
        print("| tool, 1 thread | seconds | CPU seconds | memory above the start, MB | objects |", end="")
        print(" mean IoU | worst | under .99 |\n|-|-|-|-|-|-|-|-|")
        for tool in tools:
            seconds, busy, growth = (statistics.median(column) for column in zip(*figures[tool]))
            kept = fidelity(given, Path(folder) / f"{tool}0")
            print(f"| {SHOWN[tool]} | {seconds:.2f} | {busy:.2f} | {growth:.0f} | {len(kept)} ", end="")
            print(f"| {kept.mean():.6f} | {kept.min():.4f} | {np.sum(kept < 0.99)} |")
        for place, name in enumerate(("clock", "CPU")):
            ratios = [a[place] / b[place] for a, b in zip(figures["peer"], figures["seglab"])]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(
                f"\nultralytics / seglab, {name}: median of {rounds} rounds {statistics.median(ratios):.2f} ({spread})"
            )


if __name__ == "__main__":
    options = dict(word.split("=", 1) for word in sys.argv[1:])
    if "tool" in options:
        run(options["tool"], Path(options["source"]), Path(options["out"]))
    else:
        path = options.pop("source", None)
        main(**{name: ast.literal_eval(value) for name, value in options.items()}, source=path)
