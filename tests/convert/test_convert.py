"""Conversion: no mask changes, nothing is lost unsaid, and the output is whole or not there."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco

from seglab.convert import conversion as converter
from seglab.convert import image_table as convert_images
from seglab.convert import rows as convert_rows
from seglab.convert.conversion import convert, convert_coco_labels
from seglab.convert.report import Report
from seglab.convert.rows import faithful_row, plain_rows, same, steady
from seglab.data.dataset import SegmentationDataset
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import label_path
from seglab.errors import SeglabError
from seglab.formats import json_stream as convert_stream
from seglab.formats.json_stream import coco_categories, coco_images, stream_json
from seglab.formats.yolo import read_labels
from seglab.geometry.contours import mask_to_rings
from seglab.geometry.polygons import orient, ring_area, split_row
from seglab.geometry.raster import fill
from seglab.geometry.rle import encode, iou, rings_to_rle

seeds = st.integers(0, 2**32 - 1)
WIDTH, HEIGHT = 60, 40


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 99, np.uint8))


def box(left, top, right, bottom) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def ground_truth(annotation: dict, height: int, width: int) -> dict:
    """The mask of a COCO annotation by pycocotools alone."""
    shape = annotation["segmentation"]
    if isinstance(shape, list):
        return coco.merge(coco.frPyObjects(shape, height, width))
    return coco.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape


def read_back(out: Path, split: str) -> dict[str, list]:
    spec = load_dataset(out)
    found = {}
    for image in spec.images(split):
        height, width = cv2.imread(str(image)).shape[:2]
        objects, _ = read_labels(label_path(image), width, height, spec.names)
        found[image.name] = [(each, rings_to_rle(each.rings, height, width)) for each in objects]
    return found


def as_one_polygon(out: Path, split: str, kind: type) -> dict[str, list]:
    """What an outsider sees: every row one polygon, drawn by COCO's rasteriser."""
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
    assert set(spec.crowds) == set(spec.splits) == {"train", "val"}  # one stands for the other, whole
    report = convert(spec.yaml, to="coco", out=tmp_path / "back.json", strict=1.0)
    assert objects_of(source / f"instances_{split}2017.json") == objects_of(tmp_path / "back.json")
    assert report.crowds == crowds


@given(st.lists(st.integers(0, 64000), min_size=1, max_size=50), st.integers(641, 5000))
def test_steady_coordinates_keep_their_fifth_through_text_and_single_precision(hundredths, width):
    points = np.array(hundredths) / 100
    fifths = np.trunc(5 * points + 0.5)
    written = [float(f"{x / width:.9f}") for x in steady(points)]
    np.testing.assert_array_equal(np.trunc(5 * (np.array(written) * width) + 0.5), fifths)
    single = np.array(written, np.float32) * np.float32(width)
    np.testing.assert_array_equal(np.trunc(5 * single.astype(float) + 0.5), fifths)
    assert np.abs(steady(points) - points).max() < 1.1e-4


def random_parts(rng: np.random.Generator) -> list[np.ndarray]:
    parts = []
    for _ in range(rng.integers(1, 4)):
        reach = rng.choice([0, 0, 5])  # some leave the image
        ring = rng.uniform(-reach, (WIDTH + reach, HEIGHT + reach), (rng.integers(3, 10), 2))
        if rng.random() < 0.5:  # a small convex one
            angle = np.sort(rng.uniform(0, 2 * np.pi, len(ring)))
            ring = np.stack((np.cos(angle), np.sin(angle)), axis=1) * rng.uniform(1, 8) + ring[0].clip(9, 30)
        ring = np.round(ring, rng.choice([0, 1, 2]))
        if rng.random() < 0.3:
            ring = np.concatenate((ring, ring[: rng.integers(1, 3)]))  # repeats its first vertices
        parts.append(ring)
    return parts


@settings(max_examples=100)
@given(seeds)
@example(1975)  # a sliver that draws no pixel reaches out of the image: cut at the border, it would draw one
def test_any_polygons_become_one_row_with_the_same_mask(seed):
    rng = np.random.default_rng(seed)
    objects = [(random_parts(rng), (WIDTH, HEIGHT)) for _ in range(6)]
    plain = plain_rows(objects)
    for (parts, _), quick in zip(objects, plain):
        mask = coco.merge(coco.frPyObjects([part.ravel() for part in parts], HEIGHT, WIDTH))
        careful = faithful_row(parts, None, WIDTH, HEIGHT)
        assert careful is not None or coco.area(mask) == 0
        for text in filter(None, (quick, careful and careful[0])):
            row = np.array(text.split(), dtype=float).reshape(-1, 2)
            assert row.min() >= 0 and row.max() <= 1
            drawn = row * (WIDTH, HEIGHT)
            assert same(mask, coco.frPyObjects([drawn.ravel()], HEIGHT, WIDTH)[0]) == 1.0
            assert same(mask, rings_to_rle(split_row(drawn), HEIGHT, WIDTH)) == 1.0
        if careful:
            assert careful[1:] == (1.0, 1.0)


@settings(max_examples=40)
@given(seeds)
def test_any_mask_becomes_one_row_with_the_same_mask(seed):
    rng = np.random.default_rng(seed)
    mask = cv2.blur(rng.random((HEIGHT, WIDTH)), (7, 7)) > rng.uniform(0.4, 0.6)
    mask[0, 0] = True
    text, own, other = faithful_row([], encode(mask), WIDTH, HEIGHT)
    assert (own, other) == (1.0, 1.0)
    rings = split_row(np.array(text.split(), dtype=float).reshape(-1, 2) * (WIDTH, HEIGHT))
    np.testing.assert_array_equal(fill(rings, HEIGHT, WIDTH), mask)


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
            {"id": 4, "file_name": "turned.jpg", "height": WIDTH, "width": HEIGHT},
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
        "empty segmentation", "unknown category", "unknown image", "missing image", "another size", "unsafe image",
        "cannot be read", "no area", "no polygon", "no val split", "no annotation",
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


SIZE = {"height": HEIGHT, "width": WIDTH}


def write_coco(path: Path, images: list[dict], annotations: list[dict]) -> Path:
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cup"}]}
    path.write_text(json.dumps(content))
    return path


def labels_of(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): len(path.read_text().splitlines()) for path in folder.rglob("*.txt")}


@pytest.mark.parametrize(
    ("kept", "unknown"),
    [
        ([1, 2, -7], [3, "1", 1.5, None, 10**30, float("nan"), float("inf"), ""]),
        (["1", "", "\ud800", "ü"], [1, None, "2", 1.5]),
        ([2**64 - 1, 10**30, 2**63, 0], [2**64, "0", None]),
        ([1.5, None, True], [2, "None", "1", "1.5"]),
    ],
)
def test_every_id_finds_its_own_image_or_is_named(tmp_path, kept, unknown):
    images = [{"id": id_, "file_name": f"{number}.jpg", **SIZE} for number, id_ in enumerate(kept)]
    rows = [{"id": 1, "image_id": id_, "category_id": 1, "segmentation": [box(1, 1, 9, 9)]} for id_ in kept + unknown]
    strange = [{"image_id": [1]}, {"image_id": {"id": 1}}, None, 7, [1]]
    report = convert_coco_labels(write_coco(tmp_path / "a.json", images, rows + strange), tmp_path / "out")
    assert labels_of(tmp_path / "out") == {f"{number}.txt": 1 for number in range(len(kept))}
    assert (report.instances_written, report.lost) == (len(kept), len(unknown) + len(strange))
    assert report.kinds["unknown image", "1 object left out"] == len(unknown)
    assert report.kinds["no annotation", "1 object left out"] == len(strange) and str(report)


def test_of_images_that_share_an_id_or_a_label_file_the_first_is_kept(tmp_path):
    names = ["a.jpg", "b.jpg", "a.png", "sub/a.jpg", "../c.jpg", "/d.jpg", "sub\\a.jpg", "\0.jpg", ""]
    images = [{"id": number, "file_name": name, **SIZE} for number, name in enumerate(names)]
    images.append({"id": 0, "file_name": "e.jpg", **SIZE})
    rows = [{"image_id": number, "category_id": 1, "segmentation": [box(1, 1, 9, 9)]} for number in range(len(names))]
    report = convert_coco_labels(write_coco(tmp_path / "a.json", images, rows), tmp_path / "out")
    assert labels_of(tmp_path / "out") == {"a.txt": 1, "b.txt": 1, "sub/a.txt": 1}
    assert (report.images, report.images_written, report.instances_written, report.lost) == (10, 3, 3, 6)
    assert report.kinds["name already taken", "1 object left out"] == 2
    assert report.kinds["unsafe image name", "1 object left out"] == 4
    assert report.kinds["id already taken", "0 objects left out"] == 1
    assert not [path for path in tmp_path.rglob("*") if path.suffix not in (".json", ".txt", "")]


def test_rows_that_wait_on_disk_come_back_in_their_order(tmp_path, monkeypatch):
    source = tmp_path / "a.json"
    images = [{"id": number, "file_name": f"{number}.jpg", **SIZE} for number in range(40)]
    rows = [
        {"image_id": n * 7 % 40, "category_id": 1, "segmentation": [box(1, 1, 2 + n % 50, 9)], "iscrowd": "0"}
        for n in range(3000)
    ]
    write_coco(source, images, rows)
    convert_coco_labels(source, tmp_path / "kept")
    monkeypatch.setattr(convert_rows, "WAITING", 20_000)
    monkeypatch.setattr(convert_rows, "BUCKETS", 3)
    report = convert_coco_labels(source, tmp_path / "spilled")
    assert report.instances_written == 3000 and not report.crowds, "text that means no crowd"
    for number in range(40):
        name = f"{number}.txt"
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "spilled" / name).read_bytes()
    assert len(list((tmp_path / "spilled").iterdir())) == 40


def test_memory_does_not_grow_with_annotations_images_or_faults(tmp_path, monkeypatch):
    """Five times the images, objects and faulty annotations, the same peak of Python's own memory."""
    for module, name, value in (
        (convert_stream, "CHUNK", 1 << 14),
        (convert_stream, "TAIL", 1 << 14),
        (convert_rows, "WAITING", 1 << 17),
        (convert_rows, "BATCH", 200),
        (convert_images, "KEPT", 200),
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
        assert len(report.problems) < 60 and f"{sum(report.kinds.values())} findings" in str(report)
    assert peaks[2] - peaks[1] < 300_000, peaks


def test_output_is_whole_or_absent(tmp_path):
    source, _ = synthetic(tmp_path)
    with pytest.raises(SeglabError, match="must name something new"):
        convert(source, images=tmp_path / "images", out=tmp_path / "images")
    with pytest.raises(SeglabError, match="must name something new"):
        convert(source, images=tmp_path / "images", out=None)
    left = tmp_path / "out.part.xyz"  # by a killed run
    (left / "out").mkdir(parents=True)
    (left / "out/old").touch()
    report = convert(source, images=tmp_path / "images", out=tmp_path / "out", strict=0.99)
    with pytest.raises(SeglabError, match=r"(?s)no image of .*missing image"):
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


def test_what_another_puts_at_out_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    source, _ = synthetic(tmp_path)
    monkeypatch.setattr(converter, "write_dataset_yaml", lambda *arguments, **crowds: (tmp_path / "out").mkdir())
    with pytest.raises(SeglabError, match="out appeared meanwhile"):
        convert(source, images=tmp_path / "images", out=tmp_path / "out")
    with pytest.raises(SeglabError, match="out exists already"):
        convert_coco_labels(source, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()) and len(list(tmp_path.glob("out*"))) == 1


def test_an_odd_count_of_coordinates_is_told_and_the_polygon_used(tmp_path):
    rows = [{"image_id": 1, "category_id": 1, "segmentation": [[*box(1, 1, 9, 9), 7]]}]
    source = write_coco(tmp_path / "a.json", [{"id": 1, "file_name": "a.jpg", **SIZE}], rows)
    report = convert_coco_labels(source, tmp_path / "out")
    assert (report.instances_written, report.lost) == (1, 0)
    assert report.kinds["an x without its y", "last number left out"] == 1


def test_unknown_sources_and_targets_say_what_is_known(tmp_path):
    with pytest.raises(SeglabError, match="no COCO or Labelme JSON"):
        convert(tmp_path / "nothing", out=tmp_path / "out")
    with pytest.raises(SeglabError, match="neither 'yolo' nor 'coco'"):
        convert(tmp_path, out=tmp_path / "out", to="voc")
    with pytest.raises(SeglabError, match="a JSON already"):
        convert(tmp_path / "some.json", out=tmp_path / "out", to="coco")
    for name in ("instances_val_a.json", "instances_val_b.json"):
        source, _ = synthetic(tmp_path)
        source.rename(tmp_path / name)
    with pytest.raises(SeglabError, match="one by one"):
        convert(tmp_path, images=tmp_path / "images", out=tmp_path / "out")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
@example({"cut after the first digit": 1.5, "in a list": [1e16, 2]}, 1, None)
def test_a_stream_gives_what_json_gives(tmp_path_factory, content, chunk, indent):
    path = tmp_path_factory.mktemp("stream") / "some.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False), encoding="utf-8")
    expected = [
        (key, item) for key, value in content.items() for item in (value if isinstance(value, list) else [value])
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_stream, "CHUNK", chunk)
        read = []
        assert list(stream_json(path, read.append)) == expected
    assert sum(read) == len(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": ', '{"a": [1, 2', '{"a" 1}', "{1: 2}", '{"a": [1 x]}'])
def test_a_damaged_stream_names_file_and_place(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(SeglabError, match=r"bad\.json is damaged: at character \d+"):
        list(stream_json(path))


def test_the_head_is_found_in_any_order(tmp_path):
    path = tmp_path / "some.json"
    image, category = {"id": 1, "file_name": "a.jpg"}, {"id": 3, "name": "ant"}
    parts = {"images": [image], "annotations": [{"id": 2}], "categories": [category]}
    for order in (("images", "annotations", "categories"), ("categories", "annotations", "images")):
        path.write_text(json.dumps({key: parts[key] for key in order}))
        assert (list(coco_images(path)), coco_categories(path)) == ([image], [category])
    path.write_text(json.dumps({"images": [image], "annotations": [{"id": 2}], "more": {"categories": [category]}}))
    with pytest.raises(SeglabError, match="no categories"):
        coco_categories(path)
    path.write_text(json.dumps(parts | {"images": [{"id": 1}]}))
    with pytest.raises(SeglabError, match="images need file_name and id"):
        list(coco_images(path))
    path.write_text(json.dumps(parts | {"images": []}))
    with pytest.raises(SeglabError, match="no images"):
        list(coco_images(path))
    path.write_text(json.dumps(parts | {"images": [image, {"id": "2", "file_name": "b.jpg"}]}))
    with pytest.raises(SeglabError, match="some are text"):
        list(coco_images(path))
    path.write_text(json.dumps(parts | {"categories": [{"id": [3], "name": "ant"}]}))
    with pytest.raises(SeglabError, match="ids are numbers or text"):
        coco_categories(path)


def png(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def test_labelme(tmp_path):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:5, 1:7] = 1
    mask[2:4, 3:5] = 0
    shapes = [
        {"label": "cup", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon", "group_id": None},
        {"label": "cup", "points": [[30, 1], [20, 9]], "shape_type": "rectangle", "group_id": 1},
        {"label": "cup", "points": [[40, 5], [45, 9], [40, 9]], "shape_type": "polygon", "group_id": 1},
        {"label": "ball", "points": [[30.0, 25.0], [30.0, 32.0]], "shape_type": "circle", "group_id": None},
        {"label": "frame", "points": [[50, 30], [57, 35]], "shape_type": "mask", "mask": png(mask), "group_id": None},
        {"label": "dot", "points": [[3, 3]], "shape_type": "point", "group_id": None},
    ]
    content = {"version": "5", "imageHeight": HEIGHT, "imageWidth": WIDTH, "imageData": None, "shapes": shapes}
    picture(tmp_path / "in/a.jpg")
    (tmp_path / "in/a.json").write_text(json.dumps(content | {"imagePath": "a.jpg"}))
    inside = png(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (tmp_path / "in/b.json").write_text(json.dumps(content | {"imagePath": "..\\raw\\b.png", "imageData": inside}))
    (tmp_path / "in/c.json").write_text(json.dumps(content | {"imagePath": "c.jpg"}))
    report = convert(tmp_path / "in", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (3, 2, 15, 7)
    assert "a point of 1 point ->" in str(report) and "missing image" in str(report)
    found = read_back(tmp_path / "out", "train")
    assert sorted(found) == ["a.jpg", "b.png"]
    assert load_dataset(tmp_path / "out").names == {0: "ball", 1: "cup", 2: "dot", 3: "frame"}
    for objects in found.values():
        assert [each.class_id for each, _ in objects] == [1, 1, 0, 3]
        _, pair, ball, frame = objects
        polygons = ground_truth({"segmentation": [box(20, 1, 30, 9), [40, 5, 45, 9, 40, 9]]}, HEIGHT, WIDTH)
        assert same(pair[1], polygons) == 1.0
        assert sum(map(ring_area, ball[0].rings)) == pytest.approx(np.pi * 49, abs=0.1)
        expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
        expected[30:36, 50:58] = mask
        assert same(frame[1], encode(expected)) == 1.0


def labelme(path: Path, shapes: list[dict], **more) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"imagePath": f"{path.stem}.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    path.write_text(json.dumps(content | more))


def test_labelme_files_in_folders_of_their_own_are_found(tmp_path):
    for name in ("one/a", "two/b"):
        picture(tmp_path / f"in/{name}.jpg")
        labelme(tmp_path / f"in/{name}.json", [{"label": "cup", "points": [[1, 1], [9, 1], [9, 9]]}])
    assert convert(tmp_path / "in", out=tmp_path / "out").instances_written == 2


def test_a_damaged_picture_or_a_mask_without_a_place_in_labelme_is_named(tmp_path):
    mask = {"label": "cup", "points": [], "shape_type": "mask", "mask": png(np.ones((2, 2), np.uint8))}
    square = {"label": "cup", "points": [[1, 1], [9, 1], [9, 9]]}
    picture(tmp_path / "in/a.jpg")
    labelme(tmp_path / "in/a.json", [mask, square])
    labelme(tmp_path / "in/b.json", [square], imageData="abcde")
    report = convert(tmp_path / "in", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (2, 1, 3, 2)
    assert "a mask of 0 points" in str(report) and "b.jpg, and none to be read in the JSON" in str(report)


@pytest.mark.parametrize("wrong", [{"mask": png(np.ones((9, 9), np.uint8))[:64]}, {"points": [[float("inf"), 1]]}])
def test_a_labelme_mask_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path, wrong):
    mask = {"label": "cup", "points": [[1, 1]], "shape_type": "mask", "mask": png(np.ones((9, 9), np.uint8))}
    picture(tmp_path / "in/a.jpg")
    labelme(tmp_path / "in/a.json", [mask | wrong])
    with pytest.raises(SeglabError, match=r"a\.json holds a mask that cannot be read"):
        convert(tmp_path / "in", out=tmp_path / "out")


def ids_picture() -> np.ndarray:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[2:10, 3:20] = 1
    ids[4:6, 5:9] = 0
    ids[20:30, 10:20] = 7
    ids[20:30, 30:40] = 7
    return ids


@pytest.mark.parametrize(
    "wrong",
    [{"label": None, "points": "text"}, {"points": [[1, 2], [3]]}, {"label": "cup"}, {"points": [[1, 2]]}, None],
)
def test_a_damaged_labelme_file_is_named(tmp_path, wrong):
    picture(tmp_path / "a.png")
    content = {"imagePath": None, "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": [wrong]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(SeglabError, match=r"a\.json is no Labelme JSON"):
        convert(tmp_path, out=tmp_path / "out")


def test_instance_masks(tmp_path):
    ids = ids_picture()
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / "images" / name)
    folder = tmp_path / "masks"
    for name in ("cell/a.png", "nucleus/a.png", "cell/lost.png", "cell/b.png", "nucleus/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(folder / "cell/a.png")
    Image.fromarray(ids.astype(np.uint16) * 300).save(folder / "nucleus/a.png")
    Image.fromarray(ids).save(folder / "cell/lost.png")
    Image.fromarray(np.stack((ids * 20, ids, ids), axis=2)).save(folder / "cell/b.png")
    Image.fromarray(ids[:10]).save(folder / "nucleus/b.png")
    with pytest.raises(SeglabError, match="images="):
        convert(folder, out=tmp_path / "out")
    report = convert(folder, images=tmp_path / "images", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (3, 2, 9, 3)
    assert "two sizes" in str(report) and "missing image" in str(report)
    found = read_back(tmp_path / "out", "train")
    for name, classes in (("a.jpg", [0, 0, 1, 1]), ("b.jpg", [0, 0])):
        assert [each.class_id for each, _ in found[name]] == classes
        for (_, mask), value in zip(found[name], (1, 7, 1, 7)):
            assert same(mask, encode(ids == value)) == 1.0


@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize("instances", [False, True])
def test_voc_masks(tmp_path, colors, instances):
    ids = ids_picture()
    classes = np.choose(np.minimum(ids, 2), [0, 15, 7]).astype(np.uint8)
    for array in (ids, classes):
        array[array == 0] = 255 * (np.indices(array.shape)[1][array == 0] == 59)  # a void border
    palette = np.zeros((256, 3), np.uint8)
    for index in range(256):
        for bit in range(8):
            palette[index] |= np.array([(index >> (3 * bit + c) & 1) << (7 - bit) for c in range(3)], np.uint8)
    for folder, array in (("SegmentationClass", classes), ("SegmentationObject", ids)):
        if folder == "SegmentationClass" or instances:
            for name in ("a", "b"):
                (tmp_path / folder).mkdir(exist_ok=True)
                image = Image.fromarray(palette[array] if colors else array)
                if not colors:
                    image = image.convert("P")
                    image.putdata(array.ravel().tolist())
                image.save(tmp_path / folder / f"{name}.png")
                picture(tmp_path / "JPEGImages" / f"{name}.jpg")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\n")
    report = convert(tmp_path, out=tmp_path / "out", strict=1.0)
    assert report.passed and report.instances == report.instances_written == (4 if instances else 6)
    spec = load_dataset(tmp_path / "out")
    assert [path.name for path in spec.images("val")] == ["b.jpg"] and len(spec.names) == 20
    for each, mask in read_back(tmp_path / "out", "train")["a.jpg"]:
        whole = encode(ids == (1 if spec.names[each.class_id] == "person" else 7))
        assert spec.names[each.class_id] in ("person", "car")
        if instances:
            assert same(mask, whole) == 1.0
        else:
            assert iou([mask], [whole], [True])[0, 0] == 1.0


@pytest.mark.parametrize("rows, columns", [(HEIGHT + 9, WIDTH), (HEIGHT - 9, WIDTH - 9)])
def test_voc_masks_of_two_sizes_are_named_and_their_picture_left_out(tmp_path, rows, columns):
    for folder in ("SegmentationClass", "SegmentationObject"):
        (tmp_path / folder).mkdir()
    for name, size in (("a", (HEIGHT, WIDTH)), ("b", (rows, columns))):
        picture(tmp_path / f"JPEGImages/{name}.jpg")
        Image.fromarray(np.full((HEIGHT, WIDTH), 15, np.uint8)).save(tmp_path / f"SegmentationClass/{name}.png")
        Image.fromarray(np.ones(size, np.uint8)).save(tmp_path / f"SegmentationObject/{name}.png")
    report = convert(tmp_path, out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (2, 1, 2, 1)
    assert f"b.png  masks of two sizes for one image: {columns} x {rows} beside {WIDTH} x {HEIGHT}" in str(report)


def test_voc_label_map_names_the_classes(tmp_path):
    ids = ids_picture()
    (tmp_path / "SegmentationClass").mkdir()
    Image.fromarray(np.array([[0, 0, 0], [9, 8, 7], [1, 2, 3]], np.uint8)[np.minimum(ids, 2)]).save(
        tmp_path / "SegmentationClass/a.png"
    )
    picture(tmp_path / "JPEGImages/a.jpg")
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nrust:9,8,7::\n")
    report = convert(tmp_path, out=tmp_path / "out")
    assert load_dataset(tmp_path / "out").names == {0: "rust"}
    assert (report.instances, report.instances_written) == (3, 1) and "unknown class" in str(report)


def test_rings_of_traced_masks_are_what_the_reader_gets(tmp_path):
    """The halves of the round trip meet: a traced mask written and read has the rings of the trace."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[3:9, 4:30] = True
    mask[5:7, 10:20] = False
    traced = mask_to_rings(mask)
    text, *_ = faithful_row([], encode(mask), WIDTH, HEIGHT)
    back = split_row(np.array(text.split(), dtype=float).reshape(-1, 2) * (WIDTH, HEIGHT))
    assert sorted(ring_area(orient(ring)) for ring in traced) == pytest.approx(
        sorted(ring_area(orient(ring)) for ring in back), abs=1e-3
    )


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
    link = converter._link
    monkeypatch.setattr(converter, "_link", lambda a, b: link(a, b.with_name(b.name.lower())))
    with pytest.raises(SeglabError, match="differ in case alone"):
        convert(tmp_path / "in", out=tmp_path / "out")
    assert [path.read_bytes() for path in sorted(tmp_path.rglob("*.jpg"))] == before
    writer = convert_rows.LabelWriter(tmp_path, Report(tmp_path, tmp_path))  # nor do labels, of a.jpg and A.png
    writer.file("a.txt")
    (tmp_path / "a.txt").touch()
    with pytest.raises(FileExistsError, match=r"a\.txt"):
        writer.close()
