"""Every reader of files from strangers, as a function of bytes: it may raise SeglabError and nothing else.

    PARSERS[name].read(data, folder)

reads `data` as if it had come in a file; `folder` is a private one. SEEDS are valid inputs, from which fuzzing starts.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from seglab.cli.modes import split_input
from seglab.cli.parsing import parse
from seglab.compat.arguments import translate
from seglab.config import VERBS, names_of
from seglab.data.dataset import SegmentationDataset
from seglab.data.image import read_image, write_image
from seglab.datasets.load import load_dataset
from seglab.datasets.unpack import extract_zip
from seglab.errors import SeglabError
from seglab.evaluation.coco import evaluate_files
from seglab.export import pt2 as pt2_format
from seglab.export.metadata import ModelMetadata
from seglab.export.registry import load_runtime
from seglab.formats.yolo import read_labels
from seglab.geometry import rle
from seglab.model.weights import load_weights, save_checkpoint, save_weights

CLASSES = ("cup", "kite", "bowl")
SIDE = 64  # pixels, of the images beside the files that are read


@dataclass(frozen=True)
class Parser:
    """read: bytes and a private folder -> anything, or SeglabError; seeds: makes valid inputs; text: what they are."""

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    text: str


# --- labels and datasets ---


def read_label_file(data: bytes, folder: Path) -> None:
    path = folder / "labels.txt"
    path.write_bytes(data)
    read_labels(path, 640, 480, CLASSES)


def label_seeds() -> list[bytes]:
    return [
        b"0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n1 0.2 0.2 0.4 0.2 0.3 0.5\n",
        b"2 0.5 0.5 0.25 0.25\n",  # a box
        b"\xef\xbb\xbf0,0.1,0.1,0.9,0.1,0.9,0.9\r\n\r\n1 nan 0 1 0 1 1 inf 0.5\n",
        b"0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9 0.1 0.1 0.3 0.3 0.3 0.6 0.6 0.6 0.6 0.3 0.3 0.3 0.1 0.1\n",  # with a hole
        "0 ٠.١ 0.1 0.5 0.5 0.1 0.9\n".encode(),
    ]


def dataset_in(folder: Path) -> None:
    """Two images with labels below `folder`, made once."""
    if (folder / "images").exists():
        return
    for split in ("train", "val"):
        pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
        (folder / "images" / split).mkdir(parents=True)
        (folder / "labels" / split).mkdir(parents=True)
        write_image(folder / "images" / split / "a.png", pixels)
        (folder / "labels" / split / "a.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")


def read_yaml_file(data: bytes, folder: Path) -> None:
    dataset_in(folder)
    path = folder / "data.yaml"
    path.write_bytes(data)
    spec = load_dataset(path)
    for split in spec.splits:
        SegmentationDataset(spec, split, SIDE)


def yaml_seeds() -> list[bytes]:
    return [
        b"train: images/train\nval: images/val\nnames: [cup, kite]\n",
        b"path: .\ntrain: [images/train]\nval: images/val\ntest:\nnc: 2\nnames:\n  0: cup\n  1: kite\n",
        b"train: ../data/images/train\nvalid: images/val\nnames: {0: no, 1: 007}\nannotations: {train: a.json}\n",
        b"names: &n [a, b]\ntrain: images/train\nval: images/val\nother: *n\ndownload: |\n  import os\n",
        b"train: images/train\nval: images/val\nnc: 3\ncrowds: {val: c.json}\n",
    ]


def read_coco_json(data: bytes, folder: Path) -> None:
    dataset_in(folder)
    path = folder / "instances.json"
    path.write_bytes(data)
    spec = load_dataset(path, images=folder / "images/train")
    for split in spec.splits:
        dataset = SegmentationDataset(spec, split, SIDE)
        for index in range(len(dataset)):
            dataset[index]


def coco_entries() -> dict:
    image = {"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE}
    common = {"image_id": 1, "iscrowd": 0, "bbox": [5, 5, 20, 20], "area": 400.0}
    square = [[5.0, 5.0, 25.0, 5.0, 25.0, 25.0, 5.0, 25.0]]
    whole = {"size": [SIDE, SIDE], "counts": [100, 50, SIDE * SIDE - 150]}
    packed = rle.compress(whole)
    text = {"size": [SIDE, SIDE], "counts": packed["counts"].decode()}
    shapes = (square, whole, text)
    annotations = [
        {"id": number, "category_id": number % 2 + 3, "segmentation": shape, **common}
        for number, shape in enumerate(shapes, start=1)
    ]
    annotations[1]["iscrowd"] = 1
    categories = [{"id": 3, "name": "cup"}, {"id": 4, "name": "kite"}]
    return {"images": [image], "annotations": annotations, "categories": categories}


def coco_seeds() -> list[bytes]:
    whole = coco_entries()
    empty = {**whole, "annotations": []}
    return [json.dumps(whole).encode(), json.dumps(empty).encode(), json.dumps(whole, indent=1).encode("utf-8-sig")]


def read_labels_of_a_tool(data: bytes, folder: Path) -> None:
    """The file of a labeling tool beside its image, told from others by its content."""
    own = folder / "tools"
    own.mkdir(exist_ok=True)
    if not (own / "a.png").exists():
        write_image(own / "a.png", np.full((SIDE, SIDE, 3), 100, np.uint8))
    path = own / ("a.xml" if data.lstrip(b"\xef\xbb\xbf \n").startswith(b"<") else "a.json")
    path.write_bytes(data)
    try:
        spec = load_dataset(own)
        for split in spec.splits:
            dataset = SegmentationDataset(spec, split, SIDE)
            for index in range(len(dataset)):
                dataset[index]
    finally:
        path.unlink()


def tool_seeds() -> list[bytes]:
    """What Labelme, VIA, Label Studio and Supervisely write as JSON, and CVAT as XML."""
    corners = [[5, 5], [40, 5], [40, 50]]
    painted = io.BytesIO()
    Image.fromarray(np.full((6, 9), 255, np.uint8)).save(painted, "PNG")
    mask = base64.b64encode(painted.getvalue()).decode()
    shapes = [
        {"label": "cup", "points": corners, "shape_type": "polygon", "group_id": None, "flags": {}},
        {"label": "kite", "points": [[20, 20], [30, 20]], "shape_type": "circle", "group_id": 1},
        {"label": "bowl", "points": [[5, 5], [14, 11]], "shape_type": "mask", "mask": mask},
    ]
    labelme = {"version": "5", "shapes": shapes, "imagePath": "a.png", "imageHeight": SIDE, "imageWidth": SIDE}
    x, y = zip(*corners)
    forms = [
        {"name": "polygon", "all_points_x": x, "all_points_y": y},
        {"name": "circle", "cx": 10, "cy": 10, "r": 5},
        {"name": "rect", "x": 1, "y": 2, "width": 9, "height": 9},
    ]
    regions = [{"shape_attributes": form, "region_attributes": {"class": "cup"}} for form in forms]
    via = {"_via_img_metadata": {"a.png1": {"filename": "a.png", "size": 1, "regions": regions}}}
    sizes = {"original_width": SIDE, "original_height": SIDE}
    results = [
        {"type": "polygonlabels", "value": {"points": corners, "polygonlabels": ["cup"]}, **sizes},
        {"type": "rectanglelabels", "value": {"x": 1, "y": 1, "width": 9, "height": 9, "rotation": 30,
                                              "rectanglelabels": ["kite"]}, **sizes},
        {"type": "brushlabels", "value": {"format": "rle", "rle": [0, 0, 1, 2, 3], "brushlabels": ["cup"]}, **sizes},
    ]  # fmt: skip
    studio = [{"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [{"id": 2, "result": results}]}]
    bitmap = base64.b64encode(zlib.compress(painted.getvalue())).decode()
    objects = [
        {"classTitle": "cup", "geometryType": "polygon", "points": {"exterior": corners, "interior": []}},
        {"classTitle": "kite", "geometryType": "bitmap", "bitmap": {"data": bitmap, "origin": [3, 4]}},
    ]
    supervisely = {"size": {"height": SIDE, "width": SIDE}, "objects": objects, "tags": []}
    cvat = (
        f'<annotations><version>1.1</version><image id="0" name="a.png" width="{SIDE}" height="{SIDE}">'
        '<polygon label="cup" points="5,5;40,5;40,50" z_order="0"/><mask label="kite" rle="3, 4, 5" left="2" top="3" '
        'width="4" height="3"/></image></annotations>'
    )
    documents = (labelme, via, studio, supervisely)
    return [*(json.dumps(document).encode() for document in documents), cvat.encode()]


def read_results_json(data: bytes, folder: Path) -> None:
    truth = folder / "truth.json"
    if not truth.exists():
        truth.write_text(json.dumps(coco_entries()))
    path = folder / "results.json"
    path.write_bytes(data)
    evaluate_files(truth, path)


def results_seeds() -> list[bytes]:
    annotations = coco_entries()["annotations"]
    rows = [{**row, "score": 0.5 + row["id"] / 10} for row in annotations]
    boxes = [{key: row[key] for key in ("image_id", "category_id", "bbox", "score")} for row in rows]
    return [json.dumps(rows).encode(), json.dumps(rows[:1]).encode(), json.dumps(boxes).encode(), b"[]"]


def read_rle(data: bytes, folder: Path) -> None:
    """Bytes that are JSON are an RLE as a file holds it; others are the packed counts of a 64 x 64 image."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = {"size": [SIDE, SIDE], "counts": data.decode("latin-1")}
    annotation = {"image_id": 1, "category_id": 3, "segmentation": found, "score": 0.5}
    read_results_json(json.dumps([annotation]).encode(), folder)


def rle_seeds() -> list[bytes]:
    shapes = [row["segmentation"] for row in coco_entries()["annotations"][1:]]
    return [*(json.dumps(shape).encode() for shape in shapes), shapes[1]["counts"].encode()]


# --- weights ---


@cache
def small_state() -> dict[str, torch.Tensor]:
    return {"model.0.conv.weight": torch.ones(2, 3, 3, 3), "model.0.bn.num_batches_tracked": torch.tensor(1)}


def written(write: Callable[[Path], object], name: str) -> bytes:
    """What a function writes into a file of that name."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


SMALL_STATE_BYTES = 2 * 3 * 3 * 3 * 4 + 8
METADATA = {"names": {"0": "cup", "1": "kite"}, "scale": "n", "train_args": {"imgsz": 64}, "license": "unknown"}


def read_pt(data: bytes, folder: Path) -> None:
    """A whole archive, or only the pickle in one, which fuzzing would seldom reach through the archive's checksums."""
    path = folder / "weights.pt"
    if not data.startswith(b"PK"):
        storages = {f"archive/data/{number}": bytes(216) for number in range(2)}
        data = archive_of({"archive/data.pkl": data, "archive/version": b"3\n", **storages})
    path.write_bytes(data)
    load_weights(path)


def archive_of(members: dict[str, bytes]) -> bytes:
    """A zip archive, uncompressed, as PyTorch writes them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def pt_seeds() -> list[bytes]:
    whole = written(lambda path: save_checkpoint(path, small_state(), METADATA), "a.pt")
    plain = io.BytesIO()
    torch.save(small_state(), plain)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        pickled = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    return [whole, plain.getvalue(), pickled]


def read_safetensors_file(data: bytes, folder: Path) -> None:
    """A whole file, or only its header's JSON, which the length in front of it would otherwise guard."""
    path = folder / "weights.safetensors"
    if data.startswith(b"{"):
        data = len(data).to_bytes(8, "little") + data + bytes(SMALL_STATE_BYTES)
    path.write_bytes(data)
    load_weights(path)


def safetensors_seeds() -> list[bytes]:
    whole = written(lambda path: save_weights(path, small_state(), METADATA), "a.safetensors")
    length = int.from_bytes(whole[:8], "little")
    return [whole, whole[8 : 8 + length]]


# --- exported files ---


@cache
def small_onnx() -> bytes:
    """The smallest graph with metadata that onnxruntime opens."""
    import onnx
    from onnx import TensorProto, helper

    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, SIDE, SIDE]) for name in ("a", "b")]
    nodes = [helper.make_node("Identity", ["images"], [output.name]) for output in outputs]
    graph = helper.make_graph(nodes, "graph", [images], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, ModelMetadata({0: "cup"}, (SIDE, SIDE)).to_strings())
    return model.SerializeToString()


def read_onnx(data: bytes, folder: Path) -> None:
    """A whole file; or, where it begins with a brace, the metadata of a valid one as JSON."""
    path = folder / "model.onnx"
    if data.startswith(b"{"):
        data = with_metadata(data)
    path.write_bytes(data)
    load_runtime(path)


def with_metadata(data: bytes) -> bytes:
    """The small graph with what a JSON says as its metadata, every value as text; as it is where that is no mapping."""
    import onnx

    try:
        values = json.loads(data)
        strings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
        model = onnx.load_from_string(small_onnx())
        onnx.helper.set_model_props(model, strings)
        return model.SerializeToString()
    except (ValueError, RecursionError, AttributeError, UnicodeError):
        return data


def onnx_seeds() -> list[bytes]:
    own = ModelMetadata({0: "cup", 1: "kite"}, (SIDE, 2 * SIDE)).to_strings()
    other = {"names": "{0: 'cup', 1: 'kite'}", "imgsz": "[64, 64]", "stride": "32", "task": "segment", "batch": "1"}
    other |= {"args": "{'half': False, 'nms': True}", "author": "someone", "license": "AGPL-3.0"}
    return [small_onnx(), json.dumps(own).encode(), json.dumps(other).encode()]


class Doubled(torch.nn.Module):
    """Stands for a network in a pt2 file: one operation that such files may hold."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images + images, images * 2


@cache
def small_pt2() -> bytes:
    def write(path: Path) -> None:
        exported = torch.export.export(Doubled(), (torch.zeros(1, 3, SIDE, SIDE),))
        exported._example_inputs = None
        exported._guards_code = []
        for node in exported.graph.nodes:
            node.meta = {key: value for key, value in node.meta.items() if key == "val"}
        torch.export.save(exported, path, extra_files=ModelMetadata({0: "cup"}, (SIDE, SIDE)).to_strings())

    return written(write, "a.pt2")


def read_pt2(data: bytes, folder: Path) -> None:
    """A whole archive, or only the JSON of its graph, which the archive's checksums would otherwise guard."""
    path = folder / "model.pt2"
    if data.startswith(b"{"):
        with zipfile.ZipFile(io.BytesIO(small_pt2())) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        graph = next(name for name in members if name.endswith("models/model.json"))
        data = archive_of({**members, graph: data})
    path.write_bytes(data)
    pt2_format.load(path)


def pt2_seeds() -> list[bytes]:
    whole = small_pt2()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        graph = archive.read(next(name for name in archive.namelist() if name.endswith("models/model.json")))
    return [graph]


# --- images, archives, command lines ---


def read_image_file(data: bytes, folder: Path) -> None:
    path = folder / "image"
    path.write_bytes(data)
    read_image(path)


def image_seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 255, (6, 7, 3), np.uint8))
    gray = Image.fromarray(rng.integers(0, 65535, (5, 4), np.uint16))
    found = []
    for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "ICO", "JPEG2000"):
        content = io.BytesIO()
        pixels.save(content, kind)
        found.append(content.getvalue())
    for kind in ("PNG", "TIFF"):
        content = io.BytesIO()
        gray.save(content, kind)
        found.append(content.getvalue())
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    pixels.save(turned, "JPEG", exif=exif.tobytes())
    return [*found, turned.getvalue(), b"%!PS-Adobe-3.0\n"]


def read_archive(data: bytes, folder: Path) -> None:
    path = folder / "dataset.zip"
    target = folder / "unpacked"
    path.write_bytes(data)
    try:
        extract_zip(path, target)
    finally:
        shutil.rmtree(target, ignore_errors=True)
        left = sorted(name.name for name in folder.iterdir())
        assert left == ["dataset.zip"], f"left in the folder: {left}"


def archive_seeds() -> list[bytes]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/labels/train/a.txt", "0 0.1 0.1 0.9 0.1 0.9 0.9\n" * 20)
        archive.writestr("set/data.yaml", yaml_seeds()[0])
    return [content.getvalue(), archive_of({"a.txt": b"a", "folder/": b"", "folder/b.txt": b"b"}), archive_of({})]


def read_command_line(data: bytes, folder: Path) -> None:
    """Words, a line each, up to where a mode would begin its work: every argument is checked."""
    words = data.decode("utf-8", "surrogateescape").split("\n")
    mode, options = parse(words)
    checked = translate(mode, options, say=lambda text: None)
    _, rest = split_input(mode, checked)
    for config in VERBS[mode].arguments[1:]:
        config(**{name: value for name, value in rest.items() if name in names_of(config)})


def command_seeds() -> list[bytes]:
    lines = [verb.example.split()[1:] for verb in VERBS.values()]
    lines += [["train", "--imgsz", "64,96", "epochs", "=", "3", "save", "classes=[0,1]", "lr0=1e-3", "cfg=a.yaml"]]
    return ["\n".join(words).encode() for words in lines if words]


PARSERS = {
    "labels": Parser(read_label_file, label_seeds, "YOLO label files"),
    "yaml": Parser(read_yaml_file, yaml_seeds, "dataset YAML, read up to the scan of its images"),
    "coco": Parser(read_coco_json, coco_seeds, "COCO JSON, read up to training items"),
    "tools": Parser(read_labels_of_a_tool, tool_seeds, "label files of five tools, read up to training items"),
    "results": Parser(read_results_json, results_seeds, "results JSON, evaluated"),
    "rle": Parser(read_rle, rle_seeds, "RLE masks, evaluated"),
    "pt": Parser(read_pt, pt_seeds, ".pt checkpoints"),
    "safetensors": Parser(read_safetensors_file, safetensors_seeds, "safetensors, header and whole"),
    "onnx": Parser(read_onnx, onnx_seeds, "ONNX, metadata and whole, opened by onnxruntime"),
    "pt2": Parser(read_pt2, pt2_seeds, "pt2, graph and whole"),
    "images": Parser(read_image_file, image_seeds, "images of all kinds"),
    "archives": Parser(read_archive, archive_seeds, "zip archives, unpacked"),
    "cli": Parser(read_command_line, command_seeds, "command lines, up to the start of the work"),
}


def read_quietly(name: str, data: bytes, folder: Path) -> bool:
    """Run a parser without what it prints -> whether it took the input. Errors: whatever is a finding."""
    silence = io.StringIO()
    try:
        with redirect_stdout(silence), redirect_stderr(silence):
            PARSERS[name].read(data, folder)
    except SeglabError:
        return False
    except FileNotFoundError as error:
        if error.errno is not None:  # the system's own, which says nothing on what to do
            raise
        return False
    return True
