"""Times COCO evaluation: seglab, pycocotools, faster-coco-eval and hotcoco, where it is installed, on the same files.

The files are synthetic, and the tools take turns in one run:

    python -m benchmarks.evaluation images=5000 rounds=3 kind=segm
    python -m benchmarks.evaluation images=5000 rounds=3 kind=bbox

Every tool starts from the two JSON files and ends with the twelve figures, which must agree. Scenes are like COCO's:
about 7 objects of 80 classes an image, 100 detections around them, masks as compressed RLE, 2 % crowds. Reading the
files takes every tool the same time, so it is also printed apart: `evaluation` is what comes after json.load.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

HEIGHT, WIDTH, CLASSES = 480, 640, 80


def blob(rng: np.random.Generator, center: np.ndarray, radius: np.ndarray) -> list[float]:
    """A wobbly closed outline of 24 vertices, as one COCO polygon."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = radius * (1 + 0.15 * rng.standard_normal((24, 1)))
    points = center + reach * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    return np.clip(points, 0, (WIDTH, HEIGHT)).round(2).ravel().tolist()


def scenes(images: int, seed: int = 0) -> tuple[dict, list[dict]]:
    """Ground ground truth and detections as the two COCO files hold them."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image_id in range(1, images + 1):
        instances = []
        for _ in range(max(1, rng.poisson(7))):
            center, radius = rng.uniform((0, 0), (WIDTH, HEIGHT)), np.exp(rng.normal(3.4, 0.8, 2))
            instances.append((int(min(rng.geometric(0.08), CLASSES)), center, radius))
            outline = blob(rng, center, radius)
            rle = coco_mask.merge(coco_mask.frPyObjects([outline], HEIGHT, WIDTH))
            crowd = int(rng.random() < 0.02)
            counts = {"size": rle["size"], "counts": rle["counts"].decode()}
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": image_id, "category_id": instances[-1][0], "iscrowd": crowd,
                    "segmentation": counts if crowd else [outline], "area": float(coco_mask.area(rle)),
                    "bbox": coco_mask.toBbox(rle).tolist(),
                }
            )  # fmt: skip
        for _ in range(100):
            class_id, center, radius = instances[rng.integers(len(instances))]
            drift = np.exp(rng.normal(-2.5, 1.2)) * radius.min()
            outline = blob(rng, center + rng.normal(0, drift, 2), radius * np.exp(rng.normal(0, 0.1, 2)))
            rle = coco_mask.merge(coco_mask.frPyObjects([outline], HEIGHT, WIDTH))
            results.append(
                {
                    "image_id": image_id, "score": round(float(rng.beta(0.4, 2)), 5),
                    "category_id": class_id if rng.random() < 0.7 else int(rng.integers(1, CLASSES + 1)),
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                }
            )  # fmt: skip
    listing = [{"id": i, "height": HEIGHT, "width": WIDTH, "file_name": f"{i}.jpg"} for i in range(1, images + 1)]
    classes = [{"id": i, "name": str(i)} for i in range(1, CLASSES + 1)]
    return {"info": {}, "images": listing, "annotations": annotations, "categories": classes}, results


def run_seglab(gt: Path, dt: Path, kind: str) -> list[float]:
    from seglab.evaluation.coco import evaluate_files

    return list(evaluate_files(gt, dt, kind).stats.values())


def run_pycocotools(gt: Path, dt: Path, kind: str) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ground_truth = COCO(gt)
    return _summary(COCOeval(ground_truth, ground_truth.loadRes(str(dt)), kind))


def run_faster(gt: Path, dt: Path, kind: str) -> list[float]:
    from faster_coco_eval import COCO, COCOeval_faster

    ground_truth = COCO(str(gt))
    return _summary(COCOeval_faster(ground_truth, ground_truth.loadRes(str(dt)), kind))


def run_hotcoco(gt: Path, dt: Path, kind: str) -> list[float]:
    from hotcoco import COCO, COCOeval

    ground_truth = COCO(str(gt))
    return _summary(COCOeval(ground_truth, ground_truth.load_res(str(dt)), kind))


def _summary(evaluation) -> list[float]:
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats[:12]]


def main(images: int = 5000, rounds: int = 3, kind: str = "segm") -> None:
    tools = {"pycocotools": run_pycocotools, "faster-coco-eval": run_faster, "seglab": run_seglab}
    if find_spec("hotcoco"):
        os.environ["RAYON_NUM_THREADS"] = "1"  # otherwise it takes all cores
        tools["hotcoco"] = run_hotcoco
    with tempfile.TemporaryDirectory() as folder:
        gt, dt = Path(folder) / "instances.json", Path(folder) / "results.json"
        ground_truth, results = scenes(images)
        if kind == "bbox":
            for row in results:
                row["bbox"] = coco_mask.toBbox(row.pop("segmentation")).tolist()
        gt.write_text(json.dumps(ground_truth), encoding="utf-8")
        dt.write_text(json.dumps(results), encoding="utf-8")
        print(f"{images} images, {len(ground_truth['annotations'])} objects, {len(results)} detections, kind={kind}")
        del ground_truth, results

        reading, seconds = [], {name: [] for name in tools}
        for _ in range(rounds):
            start = time.perf_counter()
            for path in (gt, dt):
                json.loads(path.read_text(encoding="utf-8"))
            reading.append(time.perf_counter() - start)
            figures = {}
            for name, run in tools.items():
                start = time.perf_counter()
                with contextlib.redirect_stdout(io.StringIO()):
                    figures[name] = run(gt, dt, kind)
                seconds[name].append(time.perf_counter() - start)
            for name, values in figures.items():
                difference = max(abs(a - b) for a, b in zip(values, figures["pycocotools"]))
                assert difference < 1e-9, f"{name} differs from pycocotools by {difference}"

    ours = [whole - read for whole, read in zip(seconds["seglab"], reading)]
    print(f"reading the two files: {statistics.median(reading):.2f} s; AP {figures['seglab'][0]:.4f} in every tool")
    print("x: time over seglab's, median of the rounds' ratios; every tool on one thread\n")
    print("| tool | whole, s | evaluation, s | whole, x | evaluation, x |\n|-|-|-|-|-|")
    for name, whole in seconds.items():
        after = [value - read for value, read in zip(whole, reading)]
        ratio = statistics.median(a / b for a, b in zip(whole, seconds["seglab"]))
        evaluation = statistics.median(a / b for a, b in zip(after, ours))
        row = [
            name,
            f"{statistics.median(whole):.2f}",
            f"{statistics.median(after):.2f}",
            f"{ratio:.2f}",
            f"{evaluation:.2f}",
        ]
        if name == "hotcoco":  # has a reader of its own, faster than json.load: there is nothing to take off
            row[2] = row[4] = ""
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(int(given.get("images", 5000)), int(given.get("rounds", 3)), given.get("kind", "segm"))
