"""Much of everything, and how much memory it takes: images, frames of a video, classes, objects, threads.

The network's part is played by a stub where the question is what gathers around it.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from seglab.data.dataset import SegmentationDataset
from seglab.data.loader import build_loader
from seglab.datasets.load import load_dataset
from seglab.files import bundled_data_dir
from seglab.formats.coco import CocoFile
from seglab.formats.yolo import read_labels, write_dataset_yaml
from seglab.yolo import YOLO

MEGABYTE = 1 << 20
POINTS = 50  # of a curve
MAX_GROWTH = 32  # MB between the second quarter of a stream and its last
MAX_CROWDED = 4096  # MB, for 2,000 objects in an image
FPS = 25
SIDE = 64


def memory_now() -> float:
    """What this process has in memory, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MEGABYTE


def peak_memory() -> float:
    """The most that this process has had in memory, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- streams ---


def stub(images: Tensor) -> tuple[Tensor, Tensor]:
    """Stands for a network: three instances in every image, of ten classes."""
    count, _, height, width = images.shape
    anchors = sum(height // stride * (width // stride) for stride in (8, 16, 32))
    predictions = torch.zeros(count, 4 + 10 + 32, anchors)
    for number in range(3):
        box = torch.tensor([16.0 * number + 10, height / 2, 12, 20])
        predictions[:, :4, number] = box
        predictions[:, 4 + number, number] = 0.9
        predictions[:, 14, number] = 1
    return predictions, torch.ones(count, 32, height // 4, width // 4)


def stream(source: object, length: int, forward: Callable | None = stub, imgsz: int = SIDE) -> dict:
    """Predict on a source of so many images -> the curve of memory over it, and findings."""
    torch.set_num_threads(1)
    model = YOLO("toybox-n")
    if forward is not None:
        model._forward = lambda *arguments, **named: forward  # type: ignore[method-assign]
    curve = []
    seen = 0
    instances = 0
    began = time.monotonic()
    # The stub stands for the network in PyTorch, which an engine would take the place of.
    results = model.predict(source, stream=True, imgsz=imgsz, verbose=False, engine="torch")
    for seen, result in enumerate(results, start=1):
        instances += len(result)
        if seen % max(1, length // POINTS) == 0:
            curve.append(round(memory_now(), 1))
    quarter = len(curve) // 4
    growth = max(curve[-quarter:]) - max(curve[quarter : 2 * quarter])
    findings = [] if seen == length else [f"{seen} of {length} images came"]
    if instances < (3 * length if forward else 1):
        findings.append(f"{instances} instances in {length} images")
    if growth > MAX_GROWTH:
        findings.append(f"memory grew by {growth:.0f} MB")
    return {
        "images": seen,
        "growth_mb": round(growth, 1),
        "peak_mb": round(peak_memory()),
        "per_second": round(seen / (time.monotonic() - began)),
        "curve": curve,
        "findings": findings,
    }


def many_images(work: Path, long: bool) -> dict:
    """A folder of 10,000 images."""
    return stream(str(write_images(work, 10_000)), 10_000)


def many_images_through_the_network(work: Path, long: bool) -> dict:
    """2,000 scenes through the real network."""
    images = sorted((bundled_data_dir() / "toybox8-seg/images").rglob("*.jpg"))
    scenes = [cv2.imread(str(path)) for path in images]
    length = 2000 if long else 100
    return stream((scenes[number % len(scenes)] for number in range(length)), length, None, 160)


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.integers(0, 255, (48, SIDE, 3), np.uint8)
        (folder / f"{number:06d}.jpg").write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())
    return folder


def video(work: Path, long: bool) -> dict:
    """The frames of a video of two hours; of six minutes in the short run."""
    work.mkdir(parents=True)
    frames = FPS * 60 * (120 if long else 6)
    writer = cv2.VideoWriter(str(work / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (SIDE, 48))
    rng = np.random.default_rng(0)
    background = rng.integers(0, 255, (48, SIDE, 3), np.uint8)
    for number in range(frames):
        writer.write(np.roll(background, number % SIDE, axis=1))
    writer.release()
    return stream(str(work / "video.mp4"), frames)


# --- crowded images, many classes ---


def shelf(work: Path, rows: Iterable[str], classes: int, side: int) -> Path:
    """A dataset of one image for both splits, with these label rows."""
    for kind in ("images", "labels"):
        (work / kind / "train").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    (work / "images/train/a.png").write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    (work / "labels/train/a.txt").write_text("".join(f"{row}\n" for row in rows))
    names = {number: f"class {number}" for number in range(classes)}
    write_dataset_yaml(work / "data.yaml", {"train": "images/train", "val": "images/train"}, names)
    return work / "data.yaml"


def square(class_id: int, x: float, y: float, side: float) -> str:
    corners = ((x, y), (x + side, y), (x + side, y + side), (x, y + side))
    return f"{class_id} " + " ".join(f"{value:.5f}" for corner in corners for value in corner)


def many_classes(work: Path, long: bool) -> dict:
    """1,000 classes, trained, validated and predicted, each in the image once."""
    rows = [square(number, number % 32 / 32, number // 32 / 32, 0.025) for number in range(1000)]
    findings = train_validate_predict(shelf(work, rows, 1000, 320), work, 320)
    return {"peak_mb": round(peak_memory()), "findings": findings}


def many_objects(work: Path, long: bool) -> dict:
    """2,000 objects in one image, trained, validated and predicted."""
    rows = [square(number % 2, number % 45 / 45, number // 45 / 45, 0.018) for number in range(2000)]
    source = shelf(work, rows, 2, 640)
    (item,) = build_loader(SegmentationDataset(load_dataset(source), "train", 640), 1)
    findings = [] if len(item["boxes"]) == 2000 else [f"{len(item['boxes'])} of 2000 objects in the training item"]
    findings += train_validate_predict(source, work, 640)
    if peak_memory() > MAX_CROWDED:
        findings.append(f"{peak_memory():.0f} MB at most")
    return {"peak_mb": round(peak_memory()), "findings": findings}


def train_validate_predict(source: Path, work: Path, imgsz: int) -> list[str]:
    """One epoch of training, a validation, and a prediction that keeps 2,000 candidates."""
    torch.set_num_threads(1)
    model = YOLO("yolo11n-seg.yaml")
    model.train(
        data=str(source), imgsz=imgsz, epochs=1, batch=1, workers=0, plots=False, mosaic=0.0, device="cpu",
        project=str(work), name="run", verbose=False,
    )  # fmt: skip
    metrics = model.val(str(source), imgsz=imgsz, plots=False, verbose=False, conf=1e-6, max_det=2000)
    found = model.predict(str(source.parent / "images/train/a.png"), imgsz=imgsz, conf=1e-9, max_det=2000, iou=0.99)
    findings = [] if np.isfinite(metrics.seg.map) else ["metrics that are not finite"]
    return findings + ([] if len(found[0]) else ["no candidates in the prediction"])


# --- large label files ---


def measured_reading(path: Path, read: Callable[[], int], expected: int) -> dict:
    """Read a file once -> its size, the CPU time and memory that it took, and a finding where something is missing."""
    before = peak_memory()
    began = time.process_time()
    found = read()
    seconds = time.process_time() - began
    return {
        "megabytes": round(path.stat().st_size / 1e6),
        "read_seconds": round(seconds, 1),
        "grown_mb": round(peak_memory() - before),
        "findings": [] if found == expected else [f"{found:,} of {expected:,} came"],
    }


def label_rows(count: int) -> Iterable[str]:
    """Rows of triangles all over the image."""
    for number in range(count):
        x, y = number % 9500 / 10_000, number // 9500 * 80 / 10_000  # no two alike: equal rows are read once
        yield f"0 {x:.5f} {y:.5f} {x + 0.01:.5f} {y:.5f} {x + 0.01:.5f} {y + 0.01:.5f}\n"


def million_rows(work: Path, long: bool) -> dict:
    """A label file of a million rows; of a tenth of that in the short run."""
    work.mkdir(parents=True)
    count = 1_000_000 if long else 100_000
    path = work / "labels.txt"
    with path.open("w") as file:
        file.writelines(label_rows(count))
    return measured_reading(path, lambda: len(read_labels(path, 640, 640, ("a",))[0]), count)


def endless_row(work: Path, long: bool) -> dict:
    """A label row of 100 MB, an outline of five million points; of a tenth of that in the short run."""
    work.mkdir(parents=True)
    count = 5_500_000 if long else 550_000
    path = work / "labels.txt"
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack((np.cos(angles), np.sin(angles)), axis=1) * 0.4 + 0.5
    path.write_text("0 " + " ".join(f"{value:.6f}" for value in points.ravel().tolist()) + "\n")
    return measured_reading(path, lambda: len(read_labels(path, 640, 640, ("a",))[0]), 1)


def million_annotations(work: Path, long: bool) -> dict:
    """A COCO JSON of a million annotations on a tenth as many images; of a tenth of that in the short run."""
    work.mkdir(parents=True)
    count = 1_000_000 if long else 100_000
    images = count // 10
    path = work / "instances.json"
    with path.open("w") as file:
        entries = (f'{{"id":{n},"file_name":"{n}.png","height":640,"width":640}}' for n in range(images))
        file.write('{"categories":[{"id":1,"name":"a"}],"images":[' + ",".join(entries) + '],"annotations":[')
        for n in range(count):
            shape = (
                f'"area":50,"bbox":[{n % 600},9,9,9],"segmentation":[[{n % 600},9,{n % 600 + 9},9,{n % 600 + 9},18]]'
            )
            file.write("," * bool(n) + f'{{"id":{n},"image_id":{n % images},"category_id":1,"iscrowd":0,{shape}}}')
        file.write("]}")
    return measured_reading(path, lambda: sum(map(len, CocoFile(path).annotations.values())), count)


# --- threads ---


def threads(work: Path, long: bool) -> dict:
    """50 threads that share one model find what one finds."""
    torch.set_num_threads(1)
    model = YOLO("toybox-n")
    images = [str(path) for path in sorted((bundled_data_dir() / "toybox8-seg/images").rglob("*.jpg"))]
    alone = [prediction(model, image) for image in images]
    different = []

    def look(number: int) -> None:
        for turn in range(10 if long else 2):
            place = (number + turn) % len(images)
            try:
                equal = all(map(np.array_equal, prediction(model, images[place]), alone[place]))
            except Exception as error:
                different.append(f"thread {number}: {type(error).__name__}: {error}")
                return
            if not equal:
                different.append(f"thread {number} found something else in image {place}")

    started = [threading.Thread(target=look, args=(number,)) for number in range(50)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return {"threads": len(started), "instances": sum(len(boxes) for boxes, _ in alone), "findings": different[:5]}


def prediction(model: YOLO, image: str) -> tuple[np.ndarray, np.ndarray]:
    result = model.predict(image, imgsz=160, verbose=False)[0]
    masks = result.masks.data if result.masks is not None else np.zeros(0)
    return result.boxes.data.numpy(), np.asarray(masks)


LOADS = {
    "10,000 images": many_images,
    "frames of a video": video,
    "images through the network": many_images_through_the_network,
    "1,000 classes": many_classes,
    "2,000 objects in an image": many_objects,
    "50 threads": threads,
    "a million label rows": million_rows,
    "a label row of 100 MB": endless_row,
    "a million annotations": million_annotations,
}
