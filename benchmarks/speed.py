"""Speed and memory beside ultralytics: `python -m benchmarks.speed [--busy N]`.

Each contestant runs in a process of its own and has so many of the machine's cores as its row says; importing
ultralytics sets one OpenMP thread and its prediction another number, so its threads are set in both places. All take
turns, A B C A B C ..., on the same weights and images; a figure is the median of the ratios. The last table sums up.
`--busy N` lets N processes compute beside them all the while.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import describe_machine, with_bytecode

if TYPE_CHECKING:  # where ultralytics learns it is imported first, as it sets the number of threads
    from seglab.datasets.spec import DatasetSpec

ROUNDS = {"predict": 15, "folder": 3, "video": 3, "train step": 5, "val": 5}
IMPORTS = {"torch": "import torch", "seglab": "from seglab import YOLO", "peer": "from ultralytics import YOLO"}
# Who competes in prediction: in float32, then in bf16, which ultralytics' OpenVINO chooses by itself on such CPUs.
ENGINES = (
    "seglab",
    "seglab openvino",
    "seglab torch",
    "peer",
    "peer onnx",
    "seglab bf16",
    "seglab torch bf16",
    "peer openvino",
)
CONTESTANTS = {
    "predict": ENGINES,
    "folder": ENGINES,
    "video": ENGINES,
    "train step": ("seglab", "peer"),
    "val": ("seglab", "peer"),
}


def import_seconds(statement: str) -> float:
    """Wall time of one fresh interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment())
    return time.perf_counter() - start


def environment() -> dict[str, str]:
    settings = Path(tempfile.gettempdir()) / "peer-settings"
    return {**with_bytecode(), "YOLO_OFFLINE": "1", "YOLO_CONFIG_DIR": str(settings)}


class Worker:
    """A contestant in its own process, told over a pipe what to do; answers with seconds and peak memory."""

    def __init__(self, contestant: str, task: str, data: str, threads: int):
        arguments = [sys.executable, "-m", "benchmarks.speed", "--worker", contestant, task, data, str(threads)]
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment(), "OMP_NUM_THREADS": str(threads)},
        )

    def read(self) -> dict | None:
        """The next answer; None from a contestant that cannot run here."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def go(self) -> dict:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self.read()
        if answer is None:
            raise RuntimeError(f"{' '.join(self.process.args)} ended: {self.process.stderr.read()}")
        return answer

    def close(self) -> str:
        """End it; what it said last on standard error."""
        self.process.stdin.close()
        errors = self.process.stderr.read().strip()
        self.process.wait()
        return errors.splitlines()[-1] if errors else ""


def work(contestant: str, task: str, data: str, threads: int) -> None:
    """The worker's side: prepare, warm up, then one timed round for every line on standard input."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    tool, _, engine = contestant.partition(" ")
    run = {"seglab": prepare_seglab, "peer": prepare_peer}[tool](task, data, threads, engine)
    for _ in range(2 if task == "predict" else 1):  # warm up
        run()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        start_cpu = time.process_time()
        run()
        cpu = time.process_time() - start_cpu
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak}), flush=True)


def source_of(task: str, data: str):
    """What is predicted on: a photo as cv2 reads it, a folder of files, or a video of the same."""
    from seglab.datasets.load import load_dataset

    folder = Path(load_dataset(data).images("val")[0]).parent
    if task == "predict":
        return first_image(data)
    return str(folder if task == "folder" else video_of(folder))


def video_of(folder: Path) -> Path:
    """The photos of a folder as the frames of a video beside it."""
    import cv2

    path = folder.with_suffix(".mp4")
    if not path.is_file():
        part = path.with_name("part.mp4")
        writer = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 480))
        for photo in sorted(folder.iterdir()):
            writer.write(cv2.resize(cv2.imread(str(photo)), (640, 480)))
        writer.release()
        part.replace(path)
    return path


def count_results(results) -> None:
    """Take all results of a stream, with their masks in memory."""
    for result in results:
        assert result.boxes is not None


def training_batch(data: str) -> dict:
    """Four letterboxed images at 640 with hard targets, as both tools' losses take them."""
    from seglab.data.collate import collate
    from seglab.data.dataset import SegmentationDataset
    from seglab.datasets.load import load_dataset

    dataset = SegmentationDataset(load_dataset(data), "train", 640, mask_targets="hard")
    return collate([dataset[i] for i in range(4)])


def prepare_seglab(task: str, data: str, threads: int, engine: str):
    """What one round of `task` is in seglab. engine: "", "openvino" or "torch", perhaps with "bf16" behind it."""
    import torch

    from seglab import YOLO
    from seglab.datasets.pretrained import COURSE_WEIGHTS

    torch.set_num_threads(threads)
    model = YOLO(COURSE_WEIGHTS)
    if task in ("predict", "folder", "video"):
        from seglab.export import engine as engines

        source = source_of(task, data)
        options = {"imgsz": 640, "stream": True}
        if engine.endswith("bf16"):
            options["precision"] = "bf16"
        if engine.startswith("torch"):
            options["engine"] = "torch"
        elif engine == "openvino":
            engines.PREFERRED = {"openvino": "openvino"}
        if "engine" not in options:
            precision = options.get("precision", "fp32")
            assert engines.engine_file(model.network, model.names, precision=precision), "no engine is installed"
        return lambda: count_results(model.predict(source, **options))
    if task == "val":
        return lambda: model.val(data=data, imgsz=640, workers=0, verbose=False)

    from seglab.memory import keep_freed_memory
    from seglab.training.loss import LossGains, segmentation_loss

    keep_freed_memory()  # as its training does
    network = model.network.train().to(memory_format=torch.channels_last)
    batch, optimizer = training_batch(data), torch.optim.AdamW(network.parameters(), lr=1e-5)
    images = (batch["images"].float() / 255).contiguous(memory_format=torch.channels_last)

    def step():
        total, _ = segmentation_loss(network(images), batch, LossGains())
        total.backward()
        finish(network, optimizer)

    return step


def finish(network, optimizer) -> None:
    """The end of a training step, the same in both tools."""
    import torch

    torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
    optimizer.step()
    optimizer.zero_grad()


def prepare_peer(task: str, data: str, threads: int, engine: str):
    """What the same round is in ultralytics, with the same weights. engine: "" for PyTorch, or an export format."""
    import torch
    from safetensors.torch import load_file
    from ultralytics import YOLO
    from ultralytics.nn.tasks import SegmentationModel
    from ultralytics.utils import torch_utils

    from seglab.datasets.load import load_dataset

    torch.set_num_threads(threads)
    torch_utils.NUM_THREADS = threads  # which its prediction sets, by default one less than there are cores
    spec = load_dataset(data)
    model = YOLO("yolo11n-seg.yaml", task="segment")
    settings = model.model.args  # which its export reads
    model.model = SegmentationModel("yolo11n-seg.yaml", nc=len(spec.names), verbose=False)
    model.model.args, model.model.task = settings, "segment"
    model.model.load_state_dict({name: tensor.float() for name, tensor in load_file(weights_file()).items()})
    model.model.names = dict(spec.names)
    if task in ("predict", "folder", "video"):
        source = source_of(task, data)
        if engine:
            model = YOLO(exported_by_peer(model, engine, Path(data).parent), task="segment")
        return lambda: count_results(model.predict(source, imgsz=640, verbose=False, stream=True))
    if task == "val":
        return lambda: model.val(data=str(spec.yaml), imgsz=640, workers=0, plots=False, verbose=False)

    from types import SimpleNamespace

    network = model.model.train().to(memory_format=torch.channels_last)
    network.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=True, mask_ratio=4)
    batch = peer_batch(training_batch(data))
    optimizer = torch.optim.AdamW((p for p in network.parameters() if p.requires_grad), lr=1e-5)

    def step():
        loss, _ = network(batch)
        loss.sum().backward()
        finish(network, optimizer)

    return step


def exported_by_peer(model, engine: str, folder: Path) -> str:
    """The file that ultralytics makes of its model with its default settings, kept beside the data for the next run."""
    import torch

    kept = folder / "peer" / {"onnx": "peer.onnx", "openvino": "peer_openvino_model"}[engine]
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        checkpoint = kept.parent / "peer.pt"
        model.ckpt_path = str(checkpoint)
        model.model.pt_path = model.model.yaml_file = str(checkpoint)
        made = model.export(format=engine, imgsz=640, verbose=False)
        if Path(made).resolve() != kept.resolve():
            Path(made).replace(kept)
        torch.set_num_threads(torch.get_num_threads())
    return str(kept)


def peer_batch(batch: dict) -> dict:
    """Our batch in ultralytics' terms: normalized boxes, and one index map of masks an image."""
    import torch

    from seglab.geometry.boxes import xyxy_to_xywh

    images, index = batch["images"], batch["image_index"]
    masks = torch.zeros(len(images), *batch["masks"].shape[1:])
    for image in range(len(images)):
        for number, mask in enumerate(batch["masks"][index == image], start=1):
            masks[image][mask > 0.5] = number
    return {
        "img": (images.float() / 255).contiguous(memory_format=torch.channels_last),
        "cls": batch["classes"].float()[:, None],
        "bboxes": xyxy_to_xywh(batch["boxes"]) / images.shape[-1],
        "batch_idx": index.float(),
        "masks": masks,
    }


def first_image(data: str):
    """A photo as cv2 reads it."""
    import cv2

    from seglab.datasets.load import load_dataset

    return cv2.imread(str(load_dataset(data).images("val")[0]))


def weights_file() -> str:
    from seglab.datasets.pretrained import COURSE_WEIGHTS, find_weights

    return str(find_weights(COURSE_WEIGHTS))


def compared(task: str, data: str, threads: int, contestants: list[str]) -> list[dict]:
    """Interleaved rounds of all contestants -> a row each: medians, and the ratio to the first one's time.

    A ratio above 1 means that the first one is faster. One that cannot run here has the reason instead.
    """
    rows: dict[str, dict] = {}
    workers: dict[str, Worker] = {}
    for contestant in contestants:  # one after another, since exporting takes all cores
        worker = Worker(contestant, task, data, threads)
        if worker.read() is None:
            rows[contestant] = {"name": contestant, "why": worker.close()}
        else:
            workers[contestant] = worker
    rounds = [{name: worker.go() for name, worker in workers.items()} for _ in range(ROUNDS[task])]
    first = next(iter(workers))
    for name, worker in workers.items():
        worker.close()
        mine = [answers[name] for answers in rounds]
        seconds = [answer["seconds"] for answer in mine]
        rows[name] = {
            "name": name,
            "seconds": statistics.median(seconds),
            "slowest": max(seconds) / statistics.median(seconds),
            "cpu": statistics.median(answer["cpu"] for answer in mine),
            "ratio": statistics.median(answers[name]["seconds"] / answers[first]["seconds"] for answers in rounds),
            "cpu_ratio": statistics.median(answers[name]["cpu"] / answers[first]["cpu"] for answers in rounds),
            "peak_mb": mine[-1]["peak_mb"],
        }
    return [rows[name] for name in contestants]


def burn() -> None:
    """What a busy neighbor does."""
    while True:
        sum(range(100_000))


def copied(spec: DatasetSpec, out: Path, val: str = "val") -> Path:
    """A dataset copied into the new folder `out`, validated on its split `val` -> its YAML there.

    Ultralytics writes its caches beside the labels, and takes images one by one from a text file only.
    """
    from seglab.formats.yolo import write_dataset_yaml

    shutil.copytree(spec.root, out)
    for role, split in (("train", "train"), ("val", val)):
        files = [str(out / file.relative_to(spec.root)) for file in spec.images(split)]
        (out / f"{role}.txt").write_text("\n".join(files), encoding="utf-8")
    write_dataset_yaml(out / "data.yaml", {"train": "train.txt", "val": "val.txt"}, spec.names)
    return out / "data.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="dataset to use; by default 24 toybox scenes are made, 16 of them to validate")
    parser.add_argument("--tasks", nargs="*", default=list(ROUNDS))
    parser.add_argument("--threads", nargs="*", type=int, default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--contestants", nargs="*", help="by default all; the first is what the others are compared to")
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside them all the while")
    parser.add_argument("--worker", nargs=4, metavar=("CONTESTANT", "TASK", "DATA", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        contestant, task, data, threads = options.worker
        return work(contestant, task, data, int(threads))

    folder = tempfile.TemporaryDirectory(prefix="speed-")
    if options.data is None:
        from seglab.toybox.dataset import generate_dataset

        options.data = str(generate_dataset(Path(folder.name) / "speed", 24, seed=7, val=2 / 3))
    else:
        from seglab.datasets.load import load_dataset

        options.data = str(copied(load_dataset(options.data), Path(folder.name) / "speed"))
    print(describe_machine(), file=sys.stderr)
    neighbors = [multiprocessing.Process(target=burn, daemon=True) for _ in range(options.busy)]
    for neighbor in neighbors:
        neighbor.start()
    if neighbors:
        print(f"busy: {len(neighbors)} processes compute beside all contestants")
    else:
        print_imports()
    tables = {}
    for task in options.tasks:
        for threads in options.threads:
            chosen = [name for name in CONTESTANTS[task] if not options.contestants or name in options.contestants]
            tables[task, threads] = compared(task, options.data, threads, chosen)
            print_table(task, threads, tables[task, threads])
    print_summary(tables)
    for neighbor in neighbors:
        neighbor.terminate()


def print_imports() -> None:
    """How long a fresh interpreter takes to import each tool, after one that does not count."""
    for line in IMPORTS.values():
        import_seconds(line)
    rounds = [{name: import_seconds(line) for name, line in IMPORTS.items()} for _ in range(5)]
    print("\n| import | median s | against `import torch` |\n|-|-|-|")
    for name in IMPORTS:
        seconds = [times[name] for times in rounds]
        ratio = statistics.median(times[name] / times["torch"] for times in rounds)
        print(f"| `{IMPORTS[name]}` | {statistics.median(seconds):.2f} | {ratio:.2f} |")


def print_table(task: str, threads: int, rows: list[dict]) -> None:
    first = rows[0]["name"]
    print(f"\n{task}, {threads} thread{'s' * (threads > 1)} each\n")
    print(f"| contestant | ms | CPU ms | time / {first}'s | CPU time / {first}'s | slowest round / median | peak MB |")
    print("|-|-|-|-|-|-|-|")
    for row in rows:
        name = row["name"].replace("peer", "ultralytics")
        if "why" in row:
            print(f"| {name} | could not run: {row['why']} | | | | | |", flush=True)
            continue
        print(
            f"| {name} | {1e3 * row['seconds']:.1f} | {1e3 * row['cpu']:.1f} | {row['ratio']:.2f} | "
            f"{row['cpu_ratio']:.2f} | {row['slowest']:.2f} | {row['peak_mb']:.0f} |",
            flush=True,
        )


def print_summary(tables: dict[tuple[str, int], list[dict]]) -> None:
    """How many times the time of seglab ultralytics takes: by default, with its fastest engine, and in bf16."""
    print("\nTime of ultralytics / time of seglab; above 1, seglab is faster\n")
    print("| task | threads each | both by default | its fastest in float32 | in bf16 |\n|-|-|-|-|-|")
    for (task, threads), rows in tables.items():
        seconds = {row["name"]: row["seconds"] for row in rows if "seconds" in row}
        ratios = (
            _ratio(seconds, ["peer"], ["seglab"]),
            _ratio(seconds, ["peer", "peer onnx"], ["seglab"]),
            _ratio(seconds, ["peer openvino"], ["seglab bf16", "seglab torch bf16"]),
        )
        print(f"| {task} | {threads} | {' | '.join(ratios)} |")


def _ratio(seconds: dict[str, float], theirs: list[str], ours: list[str]) -> str:
    """The fastest of theirs over the fastest of ours, "" where one side could not run or has no such engine."""
    fastest = [min((seconds[name] for name in names if name in seconds), default=None) for names in (theirs, ours)]
    return "" if None in fastest else f"{fastest[0] / fastest[1]:.2f}"


if __name__ == "__main__":
    main()
