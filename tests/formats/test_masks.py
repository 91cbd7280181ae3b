"""Instance-mask PNGs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from seglab.convert import convert
from seglab.convert.rows import same
from seglab.datasets.load import load_dataset
from seglab.diagnosis.check import check
from seglab.errors import SeglabError
from seglab.geometry.rle import encode

from ..sources import (
    ids_picture,
    picture,
    read_back,
)


def test_instance_masks(tmp_path):
    ids = ids_picture()
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / "photos" / name)
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
    report = convert(folder, images=tmp_path / "photos", out=tmp_path / "out")
    assert (report.images, report.images_written, report.instances, report.lost) == (3, 2, 9, 3)
    assert "two sizes" in str(report) and "missing image" in str(report)
    found = read_back(tmp_path / "out", "train")
    for name, classes in (("a.jpg", [0, 0, 1, 1]), ("b.jpg", [0, 0])):
        assert [each.class_id for each, _ in found[name]] == classes
        for (_, mask), value in zip(found[name], (1, 7, 1, 7)):
            assert same(mask, encode(ids == value)) == 1.0


# Layouts: which image, class and split a mask is of


SIZE = (40, 60)  # of `picture`
WHITE = 255


def disc(*centers: tuple[int, int], values=(WHITE, WHITE)) -> np.ndarray:
    image = np.zeros(SIZE, np.uint8)
    for (x, y), value in zip(centers, values):
        image[y - 5 : y + 5, x - 5 : x + 5] = value
    return image


TWO = ((10, 10), (40, 25))


def save(path, array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def counts(folder, **more):
    """{split: {image: [class names]}}, and the messages of the check."""
    spec = load_dataset(folder, **more)
    found: dict = {}
    for entry in spec.labels.entries:
        labeled = spec.labels.load(entry)
        names = [spec.names[each.class_id] for each in labeled.instances]
        found.setdefault(entry.split, {})[labeled.name] = names
    return found, [issue.message for issue in spec.labels.issues]


def test_white_masks_are_read_by_regions_which_is_said_and_can_be_changed(tmp_path):
    folder = tmp_path / "set"
    picture(folder / "images/a.jpg")
    save(folder / "masks/a.png", disc(*TWO))
    assert counts(folder) == ({"train": {"a.jpg": ["object"] * 2}}, ["white masks: they do not tell instances apart"])
    assert counts(folder, instances="components") == ({"train": {"a.jpg": ["object"] * 2}}, [])
    assert counts(folder, instances="values") == ({"train": {"a.jpg": ["object"]}}, [])
    report = check(folder, out=None)
    assert [issue for issue in report.issues if 'instances="components"' in issue.action]
    converted = convert(folder, out=tmp_path / "out", instances="values")
    assert converted.instances == 1 and 'instances="components"' not in str(converted)
    with pytest.raises(SeglabError, match="instances='blobs' must be one of values, components"):
        load_dataset(folder, instances="blobs")


def test_a_dataset_with_ids_keeps_an_instance_in_two_parts(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / f"images/{name}.jpg")
    save(tmp_path / "masks/a.png", disc(*TWO, values=(1, 1)))
    assert counts(tmp_path)[0] == {"train": {"a.jpg": ["object"]}}
    assert "may not tell instances apart" in counts(tmp_path)[1][0]
    save(tmp_path / "masks/b.png", disc(*TWO, values=(1, 2)))
    assert counts(tmp_path) == ({"train": {"a.jpg": ["object"], "b.jpg": ["object"] * 2}}, [])
    assert counts(tmp_path, instances="components")[0]["train"]["a.jpg"] == ["object"] * 2


@pytest.mark.parametrize("word", ["_mask", "-masks", ".seg", "_instanceIds", "_gt", " label"])
def test_a_word_behind_the_name_of_the_image_is_no_part_of_it(tmp_path, word):
    picture(tmp_path / "images/a.jpg")
    save(tmp_path / f"masks/a{word}.png", disc(*TWO, values=(3, 9)))
    assert counts(tmp_path)[0] == {"train": {"a.jpg": ["object"] * 2}}


def test_folders_called_like_splits_are_splits_and_train_may_be_a_class(tmp_path):
    for split, name in (("train", "a"), ("valid", "b")):
        picture(tmp_path / f"images/{split}/{name}.jpg")
        save(tmp_path / f"masks/{split}/{name}.png", disc(*TWO, values=(1, 2)))
    assert counts(tmp_path)[0] == {"train": {"a.jpg": ["object"] * 2}, "val": {"b.jpg": ["object"] * 2}}
    save(tmp_path / "masks/bus/a.png", disc(TWO[0], values=(4,)))
    assert counts(tmp_path)[0] == {"train": {"a.jpg": ["bus", "train", "train"], "b.jpg": ["valid", "valid"]}}


def test_images_of_one_name_in_two_splits_have_their_own_masks(tmp_path):
    for split, values in (("train", (1, 2)), ("val", (1, 1))):
        picture(tmp_path / f"images/{split}/1.jpg")
        save(tmp_path / f"masks/{split}/1.png", disc(*TWO, values=values))
    assert counts(tmp_path)[0] == {"train": {"1.jpg": ["object"] * 2}, "val": {"1.jpg": ["object"]}}


def test_one_file_an_instance_says_image_class_and_number(tmp_path):
    for name in ("a", "a_1", "street 2"):
        picture(tmp_path / f"images/{name}.jpg")
    for name in ("a_cup_0", "a_cup_1", "a_traffic light_2", "a_1_cup_0", "street 2_7", "street 2-kite"):
        save(tmp_path / f"masks/{name}.png", disc(*TWO))  # an instance in two parts is one
    assert counts(tmp_path) == (
        {
            "train": {
                "a.jpg": ["cup", "cup", "traffic light"],
                "a_1.jpg": ["cup"],
                "street 2.jpg": ["kite", "object"],
            }
        },
        [],
    )


def test_a_folder_an_image_is_the_same(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / f"images/{name}.jpg")
    for name in ("a/cup_0", "a/cup_1", "a/0b7f9c", "b/3", "b/kite"):
        save(tmp_path / f"masks/{name}.png", disc(*TWO))
    assert counts(tmp_path)[0] == {"train": {"a.jpg": ["object", "cup", "cup"], "b.jpg": ["object", "kite"]}}


@pytest.mark.parametrize("names", ["names: [cup, kite]", "names: {0: cup, 1: kite}", "classes.txt"])
def test_names_of_classes_come_from_a_yaml_or_a_list(tmp_path, names):
    picture(tmp_path / "images/a.jpg")
    save(tmp_path / "masks/1/a.png", disc(*TWO, values=(1, 2)))
    save(tmp_path / "masks/0/a.png", disc(TWO[0], values=(5,)))
    if names == "classes.txt":
        (tmp_path / "masks/classes.txt").write_text("cup\nkite\n")
    else:
        (tmp_path / "masks/names.yaml").write_text(names)
    assert counts(tmp_path)[0] == {"train": {"a.jpg": ["cup", "kite", "kite"]}}
    assert load_dataset(tmp_path).names == {0: "cup", 1: "kite"}


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:255,0,0::\nkite:0,0,255::\n"),
        ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\ncup,255,0,0\nkite,0,0,255\n"),
    ],
)
def test_colors_of_a_list_are_classes_and_their_regions_instances(tmp_path, file, rows):
    picture(tmp_path / "images/a.jpg")
    ids = disc(*TWO, (10, 30), values=(1, 1, 2))
    palette = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255), (9, 99, 9)], np.uint8)
    save(tmp_path / "masks/a.png", palette[ids])
    (tmp_path / "masks" / file).write_text(rows)
    found, messages = counts(tmp_path)
    assert found == {"train": {"a.jpg": ["cup", "kite", "cup"]}} or sorted(found["train"]["a.jpg"]) == [
        "cup", "cup", "kite",
    ]  # fmt: skip
    assert "colors are classes" in messages[0]
    save(tmp_path / "masks/a.png", palette[np.where(ids == 2, 3, ids)])
    report = check(tmp_path, out=None)
    assert report.splits["train"].instances.total() == 2
    assert [issue.lost for issue in report.issues if "unknown color" in issue.message] == [1]


def test_what_is_empty_or_has_no_image_is_told(tmp_path):
    picture(tmp_path / "images/a.jpg")
    save(tmp_path / "masks/a_cup_0.png", disc())
    save(tmp_path / "masks/a_cup_1.png", disc(*TWO))
    save(tmp_path / "masks/lost.png", disc(*TWO, values=(1, 2)))
    report = convert(tmp_path, out=tmp_path / "out")
    assert (report.instances_written, report.lost) == (1, 3)
    assert "without a pixel" in str(report) and "missing image" in str(report)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    with pytest.raises(SeglabError, match="images=FOLDER"):
        load_dataset(tmp_path / "masks")
