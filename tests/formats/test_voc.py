"""Pascal-VOC masks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from seglab.convert import convert
from seglab.convert.rows import same
from seglab.datasets.load import load_dataset
from seglab.geometry.rle import encode, iou

from ..sources import (
    HEIGHT,
    WIDTH,
    ids_picture,
    picture,
    read_back,
)


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
    assert ("they do not tell instances of one class apart" in str(report)) == (not instances)
    if instances:  # of one image only
        (tmp_path / "SegmentationObject/b.png").unlink()
        report = convert(tmp_path, out=tmp_path / "partly")
        assert report.instances == 5 and str(report).count("do not tell instances of one class apart") == 1
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


def write_masks(folder, names: tuple[str, ...]) -> None:
    for name in names:
        for part in ("SegmentationClass", "SegmentationObject"):
            place = folder / part / f"{name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((HEIGHT, WIDTH), 15, np.uint8)).save(place)
        picture(folder / f"JPEGImages/{name}.jpg")


def test_lists_of_subsets_are_splits_and_images_may_lie_in_folders(tmp_path):
    write_masks(tmp_path, ("one/a", "two/a", "b"))
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "Train.txt").write_text("one/a\n")
    (lists / "Validation.txt").write_text("two/a\n")
    (lists / "default.txt").write_text("one/a\ntwo/a\nb\n")
    spec = load_dataset(tmp_path)
    folder = tmp_path / "JPEGImages"
    names = {split: [path.relative_to(folder).as_posix() for path in paths] for split, paths in spec.splits.items()}
    assert names == {"train": ["b.jpg", "one/a.jpg"], "val": ["two/a.jpg"]}
    report = convert(tmp_path, out=tmp_path.with_name(f"{tmp_path.name}-out"), strict=1.0)
    assert report.passed and report.instances_written == 3


def test_the_folder_above_is_the_same_dataset(tmp_path):
    write_masks(tmp_path / "VOCdevkit/VOC2012", ("a",))
    for source in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit/VOC2012"):
        assert [path.name for path in load_dataset(source).images("train")] == ["a.jpg"]
