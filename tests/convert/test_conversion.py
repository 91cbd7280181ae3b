"""Conversion: no mask changes, nothing is lost unsaid, and the output is whole or not there."""

from __future__ import annotations

import json
import tracemalloc
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from seglab.convert import conversion, convert, dataset_writer, finish, image_table
from seglab.convert import rows as rows_module
from seglab.convert.conversion import convert_coco_labels
from seglab.convert.report import Report
from seglab.convert.rows import same
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError
from seglab.files import label_path
from seglab.formats import coco as coco_format
from seglab.formats import json_stream
from seglab.geometry.polygons import bounding_box, ring_area
from seglab.geometry.rle import area as rle_area
from seglab.geometry.rle import encode, rings_to_rle

from ..sources import (
    HEIGHT,
    SIZE,
    WIDTH,
    box,
    ground_truth,
    ids_picture,
    labelme,
    picture,
    read_back,
    write_coco,
)


def as_one_polygon(out: Path, split: str, kind: type) -> dict[str, list]:
    """What an outsider sees: every row one polygon, drawn by COCO's rasterizer."""
    found = {}
    for image in load_dataset(out).images(split):
        height, width = cv2.imread(str(image)).shape[:2]
        rows = [np.array(row.split()[1:], dtype=kind) for row in label_path(image).read_text().splitlines()]
        drawn = [(row.reshape(-1, 2) * np.array([width, height], kind)).astype(float).ravel() for row in rows]
        found[image.name] = [coco.frPyObjects([row.tolist()], height, width)[0] for row in drawn]
    return found


@pytest.fixture(scope="module")
def coco38(datasets_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("converted") / "coco38"
    folder = datasets_folder / "coco38"
    return folder / "annotations", out, convert(folder / "annotations", images=folder / "images", out=out, strict=1.0)


def test_every_real_coco_mask_survives(coco38):
    source, out, report = coco38
    assert report.instances == report.instances_written + report.crowds and report.crowds > 0 and not report.lost
    assert report.images == report.images_written == 38 and report.passed
    compared = 0
    for split in ("train", "val"):
        content = json.loads((source / f"instances_{split}2017.json").read_text())
        own, others = read_back(out, split), [as_one_polygon(out, split, kind) for kind in (np.float64, np.float32)]
        class_ids = sorted(category["id"] for category in content["categories"])
        for image in content["images"]:
            size = image["height"], image["width"]
            wanted = [each for each in content["annotations"] if each["image_id"] == image["id"] if not each["iscrowd"]]
            masks = [ground_truth(each, *size) for each in wanted]
            assert [found.class_id for found, _ in own[image["file_name"]]] == [
                class_ids.index(each["category_id"]) for each in wanted
            ]
            for read in (own[image["file_name"]], *(other[image["file_name"]] for other in others)):
                assert len(read) == len(masks)
                for mask, found in zip(masks, read):
                    assert same(mask, found[1] if isinstance(found, tuple) else found) == 1.0
                    compared += 1
    assert compared == 3 * report.instances_written


def objects_of(path: Path) -> dict:
    """The images of a COCO JSON by id -> their objects in an order that depends on nothing but what they are."""
    content = json.loads(path.read_text())
    found = {
        image["id"]: sorted(
            (each["iscrowd"], each["category_id"], ground_truth(each, image["height"], image["width"])["counts"])
            for each in content["annotations"]
            if each["image_id"] == image["id"]
        )
        for image in content["images"]
    }
    assert len({each["id"] for each in content["annotations"]}) == sum(map(len, found.values()))
    assert all(each["bbox"][2] > 0 for each in content["annotations"])
    return found | {"categories": [(each["id"], each["name"]) for each in content["categories"]]}


def test_real_coco_goes_there_and_back(coco38, tmp_path):
    source, out, _ = coco38
    report = convert(out / "coco38.yaml", to="coco", out=tmp_path / "back.json", strict=1.0)
    for split in ("train", "val"):
        assert objects_of(source / f"instances_{split}2017.json") == objects_of(tmp_path / f"back_{split}.json")
    assert report.crowds == 5


@pytest.mark.parametrize("split, crowds", [("train", 4), ("val", 1)])
def test_a_split_alone_goes_there_and_back_with_its_crowds(coco38, tmp_path, split, crowds):
    source, _, _ = coco38
    convert(source / f"instances_{split}2017.json", out=tmp_path / "alone")
    spec = load_dataset(str(tmp_path / "alone" / "alone.yaml"))
    assert set(spec.crowds) == set(spec.splits) == {split}  # nobody asked for another
    report = convert(spec.yaml, to="coco", out=tmp_path / "back.json", strict=1.0)
    assert objects_of(source / f"instances_{split}2017.json") == objects_of(tmp_path / "back.json")
    assert report.crowds == crowds


def synthetic(folder: Path, order=("images", "annotations", "categories")) -> tuple[Path, np.ndarray]:
    """A COCO JSON with one of everything; also the mask of its RLE object."""
    for name in ("a.jpg", "sub/b.png", "turned.jpg", "empty.jpg"):
        picture(folder / "images" / name)
    holed = np.zeros((HEIGHT, WIDTH), dtype=bool)
    holed[5:30, 10:40] = True
    holed[10:20, 15:30] = False
    holed[14, 20] = True
    packed = coco.encode(np.asfortranarray(holed.astype(np.uint8)))
    flat = holed.ravel(order="F").astype(int)
    runs = np.diff(np.flatnonzero(np.diff(flat)) + 1, prepend=0, append=flat.size).tolist()
    size = {"height": HEIGHT, "width": WIDTH}
    content = {
        "info": {"brackets": "] } \\ [", "nested": [{"categories": []}]},
        "images": [
            {"id": 7, "file_name": "a.jpg", **size},
            {"id": 3, "file_name": "sub/b.png"},
            {"id": 4, "file_name": "turned.jpg", "height": 2 * HEIGHT, "width": 2 * WIDTH},
            {"id": 5, "file_name": "gone.jpg", **size},
            {"id": 6, "file_name": "../outside.jpg", **size},
            {"id": 8, "file_name": "empty.jpg", **size},
        ],
        "categories": [{"id": 90, "name": "zebra"}, {"id": 2, "name": "ant"}, {"id": 33, "name": "über"}],
    }
    shapes = [
        (7, 90, [box(1, 1, 9, 9)], 0),
        (7, 2, [box(1, 1, 20, 20), box(10.3, 10.1, 30, 30)], 0),  # parts that overlap
        (3, 33, {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}, 0),
        (3, 2, {"size": [HEIGHT, WIDTH], "counts": runs}, 0),
        (3, 2, {"size": [HEIGHT, WIDTH], "counts": runs}, 1),
        (7, 2, [box(-5, -5, WIDTH + 9, 12)], 0),  # leaves the image
        (7, 2, [[1.0, 2.0, 3.0, 4.0], box(40, 20, 50, 30)], 0),  # one part is a line
        (7, 2, [], 0),
        (7, 2, ["text", box(1, 2, 3, 4)[:5], None], 0),
        (7, 2, [[float("nan"), 1.0, 5.0, 1.0, 5.0, 5.0]], 0),
        (7, 55, [box(1, 1, 9, 9)], 0),  # unknown category
        (99, 2, [box(1, 1, 9, 9)], 0),  # unknown image
        (4, 2, [box(1, 1, 9, 9)], 0),  # image of another size
        (5, 2, [box(1, 1, 9, 9)], 0),  # missing image
        (7, 2, {"size": [3, 3], "counts": [9]}, 0),  # mask of another size
        (7, 2, {"size": [HEIGHT, WIDTH], "counts": [1, 2]}, 0),  # damaged mask
        (7, 2, [box(100, 100, 120, 120)], 0),  # outside
        ([7], 2, [box(1, 1, 9, 9)], 0),
        (7, [2], [box(1, 1, 9, 9)], 0),
        (7, 2, 7, 0),
        (7, 2, [[30.0, 20.0, 1e12, 20.0, 1e12, 30.0, 30.0, 30.0]], 0),  # a slip of the decimal point
    ]
    content["annotations"] = [
        {"id": i, "image_id": image, "category_id": category, "segmentation": shape, "iscrowd": crowd, "area": 50}
        for i, (image, category, shape, crowd) in enumerate(shapes)
    ]
    content["annotations"] += [None]
    path = folder / "instances.json"
    path.write_text(json.dumps({key: content[key] for key in ("info", *order)}, ensure_ascii=False), encoding="utf-8")
    return path, holed


@pytest.mark.parametrize("order", [("images", "annotations", "categories"), ("annotations", "categories", "images")])
def test_everything_in_a_coco_json_is_converted_or_named(tmp_path, order):
    source, holed = synthetic(tmp_path, order)
    report = convert(source, images=tmp_path / "images", out=tmp_path / "out")
    assert (report.instances, report.instances_written, report.crowds, report.lost) == (22, 7, 1, 14)
    assert (report.images, report.images_written) == (6, 3)
    told = str(report)
    for reason in (
        "no outline", "unknown category", "unknown image", "missing image", "another size", "unsafe image",
        "cannot be read", "no area", "no polygon", "no val split", "no image_id",
    ):  # fmt: skip
        assert reason in told
    found = read_back(tmp_path / "out", "train")
    assert sorted(found) == ["a.jpg", "b.png", "empty.jpg"] and found["empty.jpg"] == []
    assert load_dataset(tmp_path / "out").names == {0: "ant", 1: "über", 2: "zebra"}
    assert [each.class_id for each, _ in found["a.jpg"]] == [2, 0, 0, 0, 0]
    for each, mask in found["b.png"]:
        assert same(mask, encode(holed)) == 1.0
        assert min(map(ring_area, each.rings)) < 0
    union = ground_truth({"segmentation": [box(1, 1, 20, 20), box(10.3, 10.1, 30, 30)]}, HEIGHT, WIDTH)
    assert same(found["a.jpg"][1][1], union) == 1.0
    dataset = SegmentationDataset(load_dataset(tmp_path / "out"), "train", 64)
    crowds = [each for index in range(len(dataset)) for each in dataset.instances(index) if each.crowd]
    assert len(crowds) == 1 and same(crowds[0].rle, encode(holed)) == 1.0, "evaluation sees the crowds"
    aside = json.loads((tmp_path / "out/annotations/crowds_train.json").read_text())
    assert [each["id"] for each in aside["annotations"]] == [4]
    assert [each["id"] for each in aside["images"]] == [7, 3, 8] and len(aside["categories"]) == 3

    back = convert(tmp_path / "out", to="coco", out=tmp_path / "back.json", strict=1.0)
    assert back.passed
    content = json.loads((tmp_path / "back.json").read_text())
    assert (back.instances, back.instances_written, back.crowds) == (8, 7, 1)
    assert {each["category_id"] for each in content["annotations"]} == {90, 33, 2}
    assert sorted((each["file_name"], each["id"]) for each in content["images"])[1] == ("empty.jpg", 8)
    for each in content["annotations"]:
        if each["category_id"] == 33:
            assert same(ground_truth(each, HEIGHT, WIDTH), encode(holed)) == 1.0


def test_labels_alone_equal_the_folder(tmp_path):
    source, _ = synthetic(tmp_path)
    content = json.loads(source.read_text())
    content["images"] = [{**each, "height": HEIGHT, "width": WIDTH} for each in content["images"] if each["id"] != 6]
    source.write_text(json.dumps(content))
    report = convert_coco_labels(source, tmp_path / "labels")
    assert (report.instances, report.instances_written, report.crowds, report.lost) == (22, 9, 1, 12)
    assert sorted(path.name for path in tmp_path.glob("labels/**/*.txt"))[0] == "a.txt"


def test_memory_does_not_grow_with_annotations_images_or_faults(tmp_path, monkeypatch):
    """Five times the images, objects and faulty annotations, the same peak of Python's own memory."""
    for module, name, value in (
        (json_stream, "CHUNK", 1 << 14),
        (coco_format, "TAIL", 1 << 14),
        (rows_module, "WAITING", 1 << 17),
        (rows_module, "BATCH", 200),
        (image_table, "KEPT", 200),
    ):
        monkeypatch.setattr(module, name, value)
    peaks = []
    for count in (100, 2000, 10000):  # the first loads what is loaded on the way
        source = tmp_path / f"{count}.json"
        images = [{"id": number, "file_name": f"{number:012d}.jpg", **SIZE} for number in range(count // 5)]
        shapes = ([box(1, 1, 30, 20)], [box(1, 1, 30, 20)], [], [[1, 2]])
        rows = [
            {"id": n, "image_id": n % (count // 4), "category_id": 1, "segmentation": shapes[n % 4]}
            for n in range(count)
        ]
        write_coco(source, images, rows)
        del images, rows
        tracemalloc.start()
        report = convert_coco_labels(source, tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.instances_written == count * 2 // 5 and report.lost == count - report.instances_written
        assert len(report.issues) < 60 and f"{sum(report.counts.values())} issues" in str(report)
    assert peaks[2] - peaks[1] < 300_000, peaks


def test_output_is_whole_or_absent(tmp_path):
    source, _ = synthetic(tmp_path)
    with pytest.raises(SeglabError, match="must be a new path"):
        convert(source, images=tmp_path / "images", out=tmp_path / "images")
    with pytest.raises(SeglabError, match="must be a new path"):
        convert(source, images=tmp_path / "images", out=None)
    left = tmp_path / "out.part.xyz"  # by a killed run
    (left / "out").mkdir(parents=True)
    (left / "out/old").touch()
    report = convert(source, images=tmp_path / "images", out=tmp_path / "out", strict=0.99)
    with pytest.raises(SeglabError, match=r"none of its images are in .*elsewhere"):
        convert(source, images=tmp_path / "elsewhere", out=tmp_path / "out")
    assert not report.passed and "14 lost" in str(report) and "NOT WRITTEN" in str(report)
    text = source.read_text()
    source.write_text(text[: text.index('"annotations"') + 500])
    with pytest.raises(SeglabError, match="damaged"):
        convert(source, images=tmp_path / "images", out=tmp_path / "out")
    assert list(tmp_path.glob("out*")) == [left]
    source.write_text(text)
    assert convert(source, images=tmp_path / "images", out=tmp_path / "out", strict=0.0).passed
    assert not (tmp_path / "out/old").exists() and sorted(tmp_path.glob("out*")) == [tmp_path / "out", left]


@pytest.mark.parametrize("holdout", [None, 0.5])
def test_the_report_says_what_training_reads_back(tmp_path, monkeypatch, holdout):
    """A label file that is not what was written, whatever the reason, shows in its instances' IoU and in the count."""
    for number, name in enumerate("abcd"):
        picture(tmp_path / f"in/{name}.jpg", WIDTH + number)
        shapes = [{"label": "cup", "points": [[10, 10], [40, 10], [40, 30], [10, 30]]}]  # 600 pixels
        labelme(tmp_path / f"in/{name}.json", shapes, imageWidth=WIDTH + number)
    honest = convert(tmp_path / "in", out=tmp_path / "honest", strict=1.0, holdout=holdout)
    assert honest.passed and honest.own["small"].instances == honest.instances_back == 4

    def damage(part, *more):
        labels = sorted(part.rglob("*.txt"))
        labels[0].write_text(labels[0].read_text() * 2)  # a duplicate is none
        labels[1].write_text("0 .1 .1 .2 .1 .2 .2\n")
        labels[2].write_text("")
        finish.finish_yolo(part, *more)

    monkeypatch.setattr(conversion, "finish_yolo", damage)
    report = convert(tmp_path / "in", out=tmp_path / "out", strict=0.5, holdout=holdout)
    small = report.own["small"]
    assert not report.passed and not (tmp_path / "out").exists()
    assert (small.instances, small.low, small.worst) == (4, 2, 0.0) and (report.instances_back, report.lost) == (3, 1)


def test_what_another_puts_at_out_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    source, _ = synthetic(tmp_path)
    monkeypatch.setattr(conversion, "finish_yolo", lambda *arguments: (tmp_path / "out").mkdir())
    with pytest.raises(SeglabError, match="out was created during the conversion"):
        convert(source, images=tmp_path / "images", out=tmp_path / "out")
    with pytest.raises(SeglabError, match="out already exists"):
        convert_coco_labels(source, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()) and len(list(tmp_path.glob("out*"))) == 1


def test_an_odd_count_of_coordinates_is_told_and_the_polygon_used(tmp_path):
    rows = [{"image_id": 1, "category_id": 1, "segmentation": [[*box(1, 1, 9, 9), 7]]}]
    source = write_coco(tmp_path / "a.json", [{"id": 1, "file_name": "a.jpg", **SIZE}], rows)
    report = convert_coco_labels(source, tmp_path / "out")
    assert (report.instances_written, report.lost) == (1, 0)
    assert report.counts["an x without its y", "last number left out"] == 1


def test_a_coco_json_is_called_one(toybox, tmp_path):
    convert(toybox.yaml, to="coco", out=tmp_path / "toys.v2")
    names = {file.name for file in tmp_path.iterdir()}
    assert names and all(name.startswith("toys.v2") and name.endswith(".json") for name in names)


def test_unknown_sources_and_targets_say_what_is_known(tmp_path):
    with pytest.raises(SeglabError, match=r"no dataset .*nothing"):
        convert(tmp_path / "nothing", out=tmp_path / "out")
    with pytest.raises(SeglabError, match="format that seglab can write: choose one of coco, cvat, labelme, yolo"):
        convert(tmp_path, out=tmp_path / "out", to="voc")
    with pytest.raises(SeglabError, match="already a JSON"):
        convert(tmp_path / "some.json", out=tmp_path / "out", to="coco")
    for name in ("instances_val_a.json", "instances_val_b.json"):
        source, _ = synthetic(tmp_path)
        source.rename(tmp_path / name)
    with pytest.raises(SeglabError, match=r"2 COCO JSON files for its split .val.*data="):
        convert(tmp_path, images=tmp_path / "images", out=tmp_path / "out")


def test_what_a_mac_puts_beside_files_on_other_disks_is_left_alone(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / f"in/{name}.jpg")
        labelme(tmp_path / f"in/{name}.json", [{"label": "cup", "points": [[1, 1], [9, 1], [9, 9]]}])
        for ending in (".jpg", ".json"):
            (tmp_path / f"in/._{name}{ending}").write_bytes(b"\0\5\x16\7")
    assert convert(tmp_path / "in", out=tmp_path / "out").images == 2
    Image.fromarray(ids_picture()).save(tmp_path / "in/a.png")
    (tmp_path / "masks").mkdir()
    (tmp_path / "in/a.png").rename(tmp_path / "masks/a.png")
    (tmp_path / "masks/._a.png").write_bytes(b"\0\5\x16\7")
    assert convert(tmp_path / "masks", images=tmp_path / "in", out=tmp_path / "more").images == 1


def test_a_picture_never_takes_the_place_of_another(tmp_path, monkeypatch):
    """Where a.jpg is A.jpg, the first is a link to its original, which a copy of the second would overwrite."""
    for name in ("one/a", "two/A"):
        picture(tmp_path / f"in/{name}.jpg")
        labelme(tmp_path / f"in/{name}.json", [{"label": "cup", "points": [[1, 1], [9, 1], [9, 9]]}])
    (tmp_path / "in/two/A.jpg").write_bytes((tmp_path / "in/two/A.jpg").read_bytes() + b"\0")
    before = [path.read_bytes() for path in sorted(tmp_path.rglob("*.jpg"))]
    link = dataset_writer.place_image
    monkeypatch.setattr(dataset_writer, "place_image", lambda a, b: link(a, b.parents[1] / b.name.lower()))
    monkeypatch.setattr(dataset_writer, "_fault", lambda image, labeled: None)
    with pytest.raises(SeglabError, match="differ only in case"):
        convert(tmp_path / "in", out=tmp_path / "out")
    assert [path.read_bytes() for path in sorted(tmp_path.rglob("*.jpg"))] == before
    writer = rows_module.LabelWriter(tmp_path, Report(tmp_path, tmp_path))  # nor do labels, of a.jpg and A.png
    writer.file("a.txt")
    (tmp_path / "a.txt").touch()
    with pytest.raises(FileExistsError, match=r"a\.txt"):
        writer.close()


# COCO JSON as tools write it: convert, and the loader that trains, read all alike


def odd_coco(folder: Path, change=lambda content: None, name: str = "a.jpg", encoding: str = "utf-8") -> Path:
    """A JSON of one image with one instance of 600 px, made odd by `change`; its image lies beside it."""
    picture(folder / name)
    content = {
        "images": [{"id": 1, "file_name": name, **SIZE}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [box(10, 10, 40, 30)], "area": 600}
        ],
        "categories": [{"id": 1, "name": "Tasse"}],
    }
    change(content)
    path = folder / "instances_train.json"
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    return path


def areas_as_trained(data: Path) -> list[int]:
    spec = load_dataset(data)
    dataset = SegmentationDataset(spec, "train", 64)
    found = []
    for index, size in enumerate(dataset.image_sizes):
        instances = [each for each in dataset.instances(index) if not each.crowd]
        found += [int(rle_area(rings_to_rle(each.rings, *size))) for each in instances]
    return sorted(found)


def one(key: str, **values):
    def change(content):
        content[key][0] |= values

    return change


def add_parent(content):
    content["categories"] = [
        {"id": 0, "name": "toys", "supercategory": "none"},
        {"id": 1, "name": "Tasse", "supercategory": "toys"},
    ]


def in_a_folder_of_a_tool(content):
    content["images"][0]["file_name"] = "/data/upload/4/a.jpg"


def in_images(content):
    content["images"][0]["file_name"] = "images\\a.jpg"


def turned(content):
    content["images"][0] |= {"height": WIDTH, "width": HEIGHT}


ODD = {
    "text ids of images": (one("images", id="1"), ""),
    "text ids of categories": (one("categories", id="1"), ""),
    "all iscrowd=1": (one("annotations", iscrowd=1), "read as instances"),
    "sizes as text": (one("images", height=str(HEIGHT), width=str(WIDTH)), ""),
    "sizes of zero": (one("images", height=0, width=0), ""),
    "no sizes": (one("images", height=None, width=None), ""),
    "swapped sizes": (turned, "width and height swapped"),
    "Roboflow's parent": (add_parent, ""),
    "a folder of a tool": (in_a_folder_of_a_tool, "found by their file names alone"),
    "a folder called images": (in_images, "found by their file names alone"),
    "flat polygon": (one("annotations", segmentation=list(map(str, box(10, 10, 40, 30)))), ""),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_read_alike(tmp_path, name):
    change, told = ODD[name]
    source = odd_coco(tmp_path / "set", change)
    assert areas_as_trained(source) == [600]
    report = convert(source, out=tmp_path / "out", strict=1.0)
    assert report.passed and (report.instances, report.instances_written, report.instances_back) == (1, 1, 1)
    assert told in str(report) and load_dataset(tmp_path / "out").names == {0: "Tasse"}
    assert areas_as_trained(tmp_path / "out") == [600]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_and_spellings_of_names_are_read_alike(tmp_path, encoding):
    source = odd_coco(tmp_path / "set", one("categories", name="Straße"), "grün.jpg", encoding)
    (tmp_path / "set/grün.jpg").rename(tmp_path / "set" / unicodedata.normalize("NFD", "grün.jpg"))
    assert areas_as_trained(source) == [600]
    report = convert(source, out=tmp_path / "out", strict=1.0)
    assert report.passed and "file names alone" not in str(report)
    assert load_dataset(tmp_path / "out").names == {0: "Straße"} and areas_as_trained(tmp_path / "out") == [600]


def test_what_exif_turns_is_turned_with_the_image_crowds_too(tmp_path):
    def change(content):
        content["annotations"].append(content["annotations"][0] | {"id": 2, "iscrowd": 1})

    source = odd_coco(tmp_path / "set", change)
    image = Image.open(tmp_path / "set/a.jpg")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "set/a.jpg", exif=exif)
    report = convert(source, out=tmp_path / "out", strict=1.0)
    assert report.passed and "EXIF orientation 6" in str(report)
    masks = []
    for data in (source, tmp_path / "out"):
        dataset = SegmentationDataset(load_dataset(data), "train", 64)
        assert dataset.image_sizes == [(WIDTH, HEIGHT)]
        instances = sorted(dataset.instances(0), key=lambda found: found.crowd)
        assert [found.crowd for found in instances] == [False, True]
        masks += [rings_to_rle(found.rings, WIDTH, HEIGHT)["counts"] for found in instances]
        corners = list(map(float, bounding_box(instances[0].rings)))
        assert corners == pytest.approx([10, 10, 30, 40], abs=1e-6), "turned to the right by a quarter"
    assert len(set(masks)) == 1


def test_an_instance_that_lacks_a_part_counts_as_lost(tmp_path):
    shape = [box(10, 10, 40, 30), {"size": [1, 1], "counts": [1]}]
    source = odd_coco(tmp_path / "set", one("annotations", segmentation=shape))
    report = convert(source, out=tmp_path / "out")
    assert (report.instances_written, report.incomplete, report.worst) == (1, 1, 0.0)
    assert "1 of them lack a part" in str(report) and "1.000000" not in str(report)
    assert not convert(source, out=tmp_path / "strict", strict=0.5).passed and not (tmp_path / "strict").exists()
    assert areas_as_trained(source) == [600]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content.pop("annotations"), "it lacks annotations"),
        (lambda content: content["categories"].append({"id": 1, "name": "kite"}), "have the same id 1"),
        (lambda content: content["images"][0].pop("file_name"), "one of its images lacks file_name"),
    ],
)
def test_what_cannot_be_read_is_refused_alike(tmp_path, change, told):
    source = odd_coco(tmp_path / "set", change)
    with pytest.raises(SeglabError, match=told):
        load_dataset(source)
    with pytest.raises(SeglabError, match=told):
        convert(source, images=tmp_path / "set", out=tmp_path / "out")
