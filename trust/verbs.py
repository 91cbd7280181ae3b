"""Small runs of the verbs that write: how to start one, how to start it again after a cut, and what it leaves.

Each is what a user types, made small: `start` is called with a private folder that holds copies of its inputs, and a
second time in the same folder after a failure. `products` are the files whose content a finished run decides.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import http.server
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

from seglab.convert.conversion import convert
from seglab.convert.report import Report
from seglab.data.holdout import hold_out_once
from seglab.data.image import read_image
from seglab.datasets import downloads
from seglab.datasets.load import load_dataset
from seglab.datasets.unpack import extract_zip
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir, orphans, sha256_of
from seglab.formats.yolo import read_labels, read_row
from seglab.model.weights import load_weights
from seglab.model.yolo11 import SCALES, Scale, YOLO11Seg
from seglab.toybox.dataset import generate_dataset
from seglab.training import checkpoint
from seglab.training.arguments import make_config
from seglab.training.trainer import LOCK, train
from seglab.widgets.page import explorer_page
from seglab.yolo import YOLO
from trust.disk import take_the_signal

SIDE = 64  # pixels, of the network's input
EPOCHS = 2  # of a training
SCENES = 4  # in the validation split of toybox8-seg
SCALES["trust"] = Scale(0.5, 0.125, 1024, False)  # half of n's width


@dataclass(frozen=True)
class Verb:
    """A small run. prepare: folder -> its inputs in it; start: begins it, or goes on after a cut."""

    prepare: Callable[[Path], object]
    start: Callable[[Path], object]
    text: str


# --- training ---


def prepare_training(folder: Path) -> None:
    shutil.copytree(bundled_data_dir() / "toybox8-seg", folder / "data")


def start_training(folder: Path, workers: int = 0) -> None:
    """Two epochs of two batches, written after each; a cut run is resumed, as its message says."""
    torch.set_num_threads(1)
    checkpoint.SECONDS_BETWEEN_SAVES = 0.0
    torch.manual_seed(1)
    model = YOLO11Seg("trust", 10)
    run = folder / "out/run"
    arguments = {"imgsz": SIDE, "epochs": EPOCHS, "batch": 2, "workers": workers, "device": "cpu", "plots": False}
    arguments |= {"val": False, "project": str(run.parent), "name": run.name, "exist_ok": True, "verbose": False}
    if (run / checkpoint.RESUME).exists():
        arguments = {"resume": str(run)}
    elif is_finished(run):
        return
    spec = load_dataset(folder / "data/toybox8-seg.yaml")
    train(model, spec, make_config(**arguments))


def is_finished(run: Path) -> bool:
    """Whether a run's last weights are those of its last epoch, so that there is nothing to resume."""
    last = run / checkpoint.LAST
    return last.exists() and load_weights(last).metadata["epoch"] == EPOCHS


def start_pair(folder: Path) -> None:
    """Two processes that train together, started as torchrun does; the death of one ends the other.

    A signal comes to the first, which writes the files: this one has no part in them.
    """
    port = 20_000 + os.getpid() % 20_000
    children = []
    for rank in (0, 1):
        child = os.fork()
        if child == 0:
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            os.environ |= {name: str(value) for name, value in place.items()}
            status = 1
            try:
                if rank == 0:
                    take_the_signal()
                start_training(folder)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    wait_for_pair(children)


def wait_for_pair(children: list[int]) -> None:
    """Errors: the same death as that of a child, after which the other one is killed too."""
    living = set(children)
    while living:
        child, status = os.wait()
        living.discard(child)
        if status:
            for other in living:
                os.kill(other, 9)
            if os.WIFSIGNALED(status):
                os.kill(os.getpid(), os.WTERMSIG(status))
            raise SeglabError("one of the processes failed")


# --- the other verbs ---


def prepare_conversion(folder: Path) -> None:
    shutil.copytree(bundled_data_dir() / "toybox8-seg", folder / "data")


def start_conversion(folder: Path) -> None:
    """From COCO JSON to YOLO, and from there to COCO JSON; what is there is whole, so it is not made again.

    A report that lists losses is read: whoever gets one removes the output and converts again.
    """
    yolo = folder / "out/yolo"
    coco = folder / "out/coco.json"
    if not yolo.exists():
        report = convert(folder / "data/annotations/instances_val.json", folder / "data/images/val", yolo)
        if not is_complete(report):
            shutil.rmtree(yolo)
            raise SeglabError("the report lists losses")
    if not coco.exists():
        report = convert(yolo, None, coco, to="coco")
        if not is_complete(report):
            coco.unlink()
            raise SeglabError("the report lists losses")


def is_complete(report: Report) -> bool:
    """Whether a conversion says that nothing was lost."""
    return not report.lost and report.images_written == SCENES


def prepare_export(folder: Path) -> None:
    shutil.copyfile(find_toybox_weights(), folder / "toybox-n.safetensors")


def find_toybox_weights() -> Path:
    return next(bundled_data_dir().rglob("toybox-n.safetensors"))


def start_export(folder: Path) -> None:
    torch.set_num_threads(1)
    (folder / "out").mkdir(exist_ok=True)
    YOLO(folder / "toybox-n.safetensors").export(format="onnx", imgsz=SIDE, out=str(folder / "out/model"))


def prepare_download(folder: Path) -> None:
    """The file that the server below offers: an archive of 2.5 MB, which is more than two pieces of a download."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        for number in range(5):
            info = zipfile.ZipInfo(f"made/{number}.npy.txt")
            archive.writestr(info, rng.bytes(250_000).hex())


def start_download(folder: Path) -> None:
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = folder / "made.zip"
    address = f"http://127.0.0.1:{server.server_port}/made.zip"
    downloads.ASSETS["made.zip"] = downloads.Asset(address, source.stat().st_size, sha256_of(source))
    os.environ["SEGLAB_OFFLINE"] = "0"
    os.environ["SEGLAB_CACHE"] = str(folder / "out/cache")
    try:
        archive = downloads.fetch("made.zip")
        if not (folder / "out/cache/datasets/made").exists():
            extract_zip(archive, folder / "out/cache/datasets/made")
    finally:
        server.shutdown()
        server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, also from a byte on, as resumed downloads ask for."""

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        content = Path(self.directory, self.path.lstrip("/")).read_bytes()
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])


def prepare_generation(folder: Path) -> None:
    pass


def start_generation(folder: Path) -> None:
    if not (folder / "out/scenes").exists():
        generate_dataset(folder / "out/scenes", count=5, size=(96, 128), workers=0)


def prepare_prediction(folder: Path) -> None:
    shutil.copyfile(find_toybox_weights(), folder / "toybox-n.safetensors")
    shutil.copytree(bundled_data_dir() / "toybox8-seg/images/val", folder / "images")


def start_prediction(folder: Path) -> None:
    torch.set_num_threads(1)
    model = YOLO(folder / "toybox-n.safetensors")
    where = {"project": str(folder / "out"), "name": "predict", "exist_ok": True}
    saved = {"save": True, "save_txt": True, "save_crop": True}
    model.predict(str(folder / "images"), imgsz=SIDE, verbose=False, **saved, **where)


def prepare_validation(folder: Path) -> None:
    prepare_export(folder)
    prepare_conversion(folder)


def start_validation(folder: Path) -> None:
    torch.set_num_threads(1)
    where = {"project": str(folder / "out"), "name": "val", "exist_ok": True}
    saved = {"plots": True, "save_json": True, "save_txt": True}
    data = str(folder / "data/toybox8-seg.yaml")
    YOLO(folder / "toybox-n.safetensors").val(data, imgsz=SIDE, workers=0, verbose=False, **saved, **where)


def prepare_tracking(folder: Path) -> None:
    """A video: the first scene of toybox8-seg for eight frames, each of which has tracks then."""
    prepare_export(folder)
    scene = cv2.imread(str(min((bundled_data_dir() / "toybox8-seg/images/val").iterdir())))
    writer = cv2.VideoWriter(str(folder / "scenes.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for _ in range(8):
        writer.write(cv2.resize(scene, (320, 240)))
    writer.release()


def start_tracking(folder: Path) -> None:
    torch.set_num_threads(1)
    where = {"project": str(folder / "out"), "name": "track", "exist_ok": True}
    model = YOLO(folder / "toybox-n.safetensors")
    model.track(str(folder / "scenes.mp4"), imgsz=160, verbose=False, save=True, save_txt=True, **where)


def start_looking(folder: Path) -> None:
    """What tells about a dataset, and what holds some of it out: the contact sheet of `check`, `split`, `explore`."""
    torch.set_num_threads(1)
    data = folder / "data/toybox8-seg.yaml"
    check(str(data), str(folder / "out/check"))
    hold_out_once(load_dataset(folder / "data/images/val"), 0.25, 0.0, 0, folder / "out/part-split.yaml")
    explorer_page(YOLO(folder / "toybox-n.safetensors"), str(data), str(folder / "out/explorer.html"), SIDE, "val")


VERBS = {
    "train": Verb(prepare_training, start_training, "two epochs, every one written, and resumed"),
    "train with 2 workers": Verb(
        prepare_training, functools.partial(start_training, workers=2), "the same, with data-loading processes"
    ),
    "train on 2 processes": Verb(prepare_training, start_pair, "the same, as torchrun starts it"),
    "convert": Verb(prepare_conversion, start_conversion, "COCO JSON to YOLO and back"),
    "export": Verb(prepare_export, start_export, "toybox-n to ONNX, with the parity check"),
    "download": Verb(prepare_download, start_download, "2.5 MB from a server, verified and unpacked"),
    "generate": Verb(prepare_generation, start_generation, "five scenes with labels and COCO JSON"),
    "predict": Verb(prepare_prediction, start_prediction, "four images: drawn, labels, crops"),
    "val": Verb(prepare_validation, start_validation, "plots, results JSON and labels of four images"),
    "track": Verb(prepare_tracking, start_tracking, "a video of eight frames: drawn, labels"),
    "check, split, explore": Verb(prepare_validation, start_looking, "a contact sheet, a kept split and a page"),
}


# --- what lies in a folder ---


def products(folder: Path) -> dict[str, str]:
    """Every file below `folder`/out -> a digest of what a run decides: not of times.

    The lock of a run that was killed when all was done is none: it is empty, and the next training there removes it.
    Nor is a part that such a run left, which the next write beside it removes (`leftovers`).
    """
    found = {}
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file() and path.name != LOCK and ".part." not in path.as_posix():
            found[path.relative_to(folder).as_posix()] = digest(path, folder)
    return found


def digest(path: Path, folder: Path) -> str:
    """SHA-256 of a file without times, and without the path of the folder it lies in."""
    if path.suffix in (".safetensors", ".pt"):
        weights = load_weights(path)
        content = json.dumps(without_times(weights.metadata), sort_keys=True).encode()
        content += b"".join(name.encode() + tensor.numpy().tobytes() for name, tensor in sorted(weights.state.items()))
    elif path.suffix == ".csv":
        with open(path, newline="") as file:
            content = json.dumps([without_times(row) for row in csv.DictReader(file)]).encode()
    elif path.name == "args.yaml":
        arguments = yaml.safe_load(path.read_text())
        content = json.dumps({key: value for key, value in arguments.items() if key != "resume"}).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content.replace(os.fsencode(folder), b"FOLDER")).hexdigest()


def without_times(values: object) -> object:
    if isinstance(values, dict):
        return {key: without_times(value) for key, value in values.items() if key not in ("time", "resume")}
    return [without_times(value) for value in values] if isinstance(values, list) else values


def unreadable_files(folder: Path) -> list[str]:
    """What lies below `folder`/out under its final name and cannot be read, with the reason."""
    found = []
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file() and ".part" not in path.as_posix():
            try:
                read(path)
            except Exception as error:
                found.append(f"{path.relative_to(folder)}: {error}")
    return found


def read(path: Path) -> None:
    """Read a file whole. Errors: anything, for a file that is damaged."""
    suffix = path.suffix.lower()
    if suffix in (".safetensors", ".pt"):
        load_weights(path)
    elif suffix in (".jpg", ".png"):
        read_image(path)
    elif suffix == ".json":
        json.loads(path.read_text())
    elif suffix == ".yaml":
        assert yaml.safe_load(path.read_text()), "empty"
    elif suffix == ".csv":
        with open(path, newline="") as file:
            rows = list(csv.reader(file))
        assert rows and len({len(row) for row in rows}) == 1, "rows of different lengths"
    elif suffix == ".onnx":
        import onnx

        onnx.checker.check_model(str(path), full_check=True)
    elif suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
    elif suffix == ".txt" and "labels" in path.parts:
        text = path.read_text()
        assert text.endswith("\n"), "cut short"
        if "track" in path.parts:  # whose rows end with the number of the track
            rows = [read_row(row.split()[:-1], 640, 480, 80) for row in text.splitlines()]
            assert all(found and not faults for found, faults in rows), rows
        else:
            _, issues = read_labels(path, 640, 480, range(80))
            assert not [issue for issue in issues if issue.severity != "note"], issues


def leftovers(folder: Path) -> list[str]:
    """Unfinished files and folders below `folder`, which the end of a run has to take with it."""
    found = [path for path in folder.rglob("*") if ".part" in path.name]
    found += [path for place in folder.rglob("*") if place.is_dir() for path in orphans(place)]
    return sorted({str(path.relative_to(folder)) for path in found})
