"""COCO JSON: the same masks as pycocotools, bad annotations told."""

import json
from contextlib import suppress

import numpy as np
import pytest

from seglab.convert.conversion import convert
from seglab.errors import SeglabError
from seglab.formats.coco import CocoFile, coco_categories, coco_images, read_coco
from seglab.formats.issues import raise_first
from seglab.geometry.raster import fill
from seglab.geometry.rle import decode

IMAGE = {"id": 5, "file_name": "a.jpg", "height": 20, "width": 30}
CATEGORIES = [{"id": 90, "name": "z"}, {"id": 1, "name": "a"}, {"id": 13, "name": "m"}]
SIZE = (20, 30)
SQUARE = [2, 3, 12, 3, 12, 13, 2, 13]
MOVED = [x + 1 for x in SQUARE]


def make(tmp_path, *annotations, images=(IMAGE,)):
    annotations = [{"id": n, "image_id": 5, "category_id": 13, "iscrowd": 0} | a for n, a in enumerate(annotations)]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": CATEGORIES}))
    return CocoFile(path)


def of_first(coco):
    """The objects of the first image and what is wrong with them."""
    return coco.instances(next(iter(coco.images.values())), SIZE)


def test_sparse_category_ids_are_sorted(tmp_path):
    coco = make(tmp_path, {"segmentation": [SQUARE]})
    assert coco.names == {0: "a", 1: "m", 2: "z"} and coco.category_ids == [1, 13, 90]
    ((found,), problems) = of_first(coco)
    assert found.class_id == 1 and not problems and fill(found.rings, 20, 30).sum() == 100


def test_parts_are_all_solid_whichever_way_they_turn(tmp_path):
    reverse = np.array(SQUARE).reshape(-1, 2)[::-1] + (14, 0)
    ((found,), _) = of_first(make(tmp_path, {"segmentation": [SQUARE, reverse.ravel().tolist()]}))
    assert fill(found.rings, 20, 30).sum() == 200


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("crowd", [0, 1])
def test_rle_keeps_the_exact_mask(tmp_path, compressed, crowd):
    mask = np.zeros((20, 30), bool)
    mask[4:9, 5:15] = True
    mask[5:7, 8:10] = False
    flat = np.concatenate(([False], mask.T.ravel(), [False]))
    runs = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(runs, prepend=0, append=600).tolist()
    if compressed:
        from pycocotools import mask as coco

        counts = coco.frPyObjects({"size": [20, 30], "counts": counts}, 20, 30)["counts"].decode()
    rle = {"size": [20, 30], "counts": counts}
    other = {"segmentation": [SQUARE]}  # without it all would be crowds, which means that none is
    ((_, found), problems) = of_first(make(tmp_path, other, {"segmentation": rle, "iscrowd": crowd}))
    assert not problems and found.crowd is bool(crowd)
    assert np.array_equal(decode(found.rle), mask) and np.array_equal(fill(found.rings, 20, 30), mask)


@pytest.mark.parametrize(
    ("annotation", "what", "kept"),
    [
        ({"segmentation": []}, "no outline", False),
        ({}, "no outline", False),
        ({"segmentation": [SQUARE], "category_id": 2}, "unknown category", False),
        ({"segmentation": [[1, 2, 3, 4]]}, "too few points", False),
        ({"segmentation": [SQUARE, [1, 2, 3, 4]]}, "part left out", True),
        ({"segmentation": [[1, 1, 5, 1, 9, 1]]}, "no area", False),
        ({"segmentation": [[1, 1, 5, 1, 9, float("nan")], SQUARE]}, "part left out", True),
        ({"segmentation": [[*SQUARE, 7]]}, "odd count", True),
        ({"segmentation": [[-9, 3, 12, 3, 12, 13]]}, "cut at the border", True),
        ({"segmentation": SQUARE[:4]}, "too few points", False),
        ({"segmentation": "text"}, "no outline", False),
        ({"segmentation": [["a"] * 6, SQUARE]}, "part left out", True),
        ({"segmentation": 7}, "no outline", False),
        ({"segmentation": [SQUARE], "category_id": [13]}, "unknown category", False),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, "cannot be read", False),
        ({"segmentation": {"size": [20, 30], "counts": [1, 2]}}, "cannot be read", False),
        ({"segmentation": {"size": [20, 30], "counts": [600]}}, "empty mask", False),
        ({"segmentation": {"size": [20, 30]}}, "cannot be read", False),
    ],
)
def test_bad_annotations(tmp_path, annotation, what, kept):
    instances, problems = of_first(make(tmp_path, {"segmentation": [MOVED]}, annotation))
    assert len(instances) == 1 + kept
    assert any(what in f"{p.message} {p.action}" for p in problems) and all("annotation 1" in p.path for p in problems)
    with pytest.raises(SeglabError, match=r"a\.jpg annotation 1"):
        raise_first(problems)


def test_an_x_without_its_y_is_left_out_as_pycocotools_does(tmp_path):
    from pycocotools import mask as coco

    odd = [*map(float, SQUARE), 7.0]
    ((found,), (problem,)) = of_first(make(tmp_path, {"segmentation": [odd]}))
    assert np.array_equal(fill(found.rings, *SIZE), coco.decode(coco.frPyObjects([odd], *SIZE))[..., 0])
    assert "odd count" in problem.message and problem.action == "last number left out"


def test_an_annotation_that_is_listed_twice_is_one_instance(tmp_path):
    first, moved = {"segmentation": [SQUARE]}, {"segmentation": [MOVED]}
    coco = make(tmp_path, first, moved, first, first | {"category_id": 1})
    found, (issue,) = of_first(coco)
    assert [instance.class_id for instance in found] == [1, 1, 0]
    assert issue.message == "duplicate annotation: the same as 0" and issue.lost == 1 and "annotation 2" in issue.path


def test_annotations_of_unknown_images_are_listed(tmp_path):
    coco = make(tmp_path, {"segmentation": [SQUARE], "image_id": 77}, {"segmentation": [SQUARE]})
    assert len(of_first(coco)[0]) == 1 and "77" in coco.unplaced()[0].message


def test_of_two_entries_of_one_file_the_first_counts_and_the_others_objects_are_listed(tmp_path):
    again = {**IMAGE, "id": 6}
    coco = make(tmp_path, {"segmentation": [SQUARE]}, {"segmentation": [SQUARE], "image_id": 6}, images=(IMAGE, again))
    assert list(coco.images) == ["a.jpg"] and len(of_first(coco)[0]) == 1
    assert "1 annotation of image id 6" in coco.unplaced()[0].message


@pytest.mark.parametrize("part", ["images", "categories"])
def test_entries_without_id_or_name_are_an_error_that_names_the_file(tmp_path, part):
    make(tmp_path)
    content = json.loads((tmp_path / "x.json").read_text())
    for key in list(content[part][0]):
        lacking = {**content, part: [{k: v for k, v in content[part][0].items() if k != key}]}
        (tmp_path / "x.json").write_text(json.dumps(lacking))
        if key in ("id", "file_name", "name"):
            with pytest.raises(
                SeglabError, match=rf"x\.json is not a COCO instances JSON \(one of its {part} lacks {key}"
            ):
                CocoFile(tmp_path / "x.json")
        else:
            CocoFile(tmp_path / "x.json")  # the image tells its size


def test_the_index_is_read_again_when_the_file_changes(tmp_path):
    make(tmp_path, {"segmentation": [SQUARE]})
    first = read_coco(tmp_path / "x.json")
    assert read_coco(tmp_path / "x.json") is first
    make(tmp_path)
    import os

    os.utime(tmp_path / "x.json", ns=(1, 1))
    assert of_first(read_coco(tmp_path / "x.json")) == ([], [])


def test_real_coco_masks_equal_pycocotools(datasets_folder):
    from pycocotools.coco import COCO

    for path in sorted((datasets_folder / "coco38/annotations").glob("*.json")):
        theirs, ours = COCO(str(path)), read_coco(path)
        assert list(ours.names.values()) == [theirs.cats[i]["name"] for i in sorted(theirs.cats)]
        for image in ours.images.values():
            instances, problems = ours.instances(image, (image["height"], image["width"]))
            annotations = theirs.imgToAnns[image["id"]]
            assert not problems and len(instances) == len(annotations)
            for instance, annotation in zip(instances, annotations):
                assert instance.crowd == annotation["iscrowd"]
                expected = theirs.annToMask(annotation)
                assert np.array_equal(fill(instance.rings, image["height"], image["width"]), expected)


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
    both = [image, {"id": "2", "file_name": "b.jpg"}]
    path.write_text(json.dumps(parts | {"images": both}))
    assert list(coco_images(path)) == both
    path.write_text(json.dumps(parts | {"categories": [{"id": [3], "name": "ant"}]}))
    with pytest.raises(SeglabError, match="must be a number or text"):
        coco_categories(path)


@pytest.mark.parametrize("value", [10**400, "9" * 5000, "x" * 5000, float("inf"), -1, True, None, {}])
@pytest.mark.parametrize("where", ["categories", "images/0/height", "images/0/file_name", "annotations/0/category_id"])
def test_a_value_beyond_all_bounds_is_told(tmp_path, where, value):
    """Numbers of hundreds of digits, and names that no disk takes, in files that are read whole and as a stream."""
    image = {"id": 1, "file_name": "a.png", "height": 8, "width": 8}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]]}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "a"}]}
    *above, last = where.split("/")
    holder = content
    for part in above:
        holder = holder[int(part) if part.isdigit() else part]
    holder[last] = value
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    for read in (read_whole, read_as_stream):
        with suppress(SeglabError):
            read(path)


def read_whole(path):
    coco = CocoFile(path)
    for entry in coco.images.values():
        coco.instances(entry, (8, 8))


def read_as_stream(path):
    coco_categories(path)
    convert(path, path.parent, path.parent / "out")


def test_nesting_without_end_is_damage_in_a_stream(tmp_path):
    (tmp_path / "a.json").write_text('{"images": ' + "[" * 100_000)
    with pytest.raises(SeglabError, match="expected less nesting at character"):
        list(coco_images(tmp_path / "a.json"))
