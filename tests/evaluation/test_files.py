"""Instances and results files as people have them: pycocotools' value of the repaired file, or one sentence.

Every row changes a pair of sound files. `REPAIRED` rows are scored by pycocotools after the repair that the row names.
The same kinds lie in SEGLAB_SHARED as files, and are run where they are found (tests/real/test_cases.py).
"""

from __future__ import annotations

import contextlib
import copy
import io
import json

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from seglab.errors import SeglabError
from seglab.evaluation.coco import evaluate_files

RLE = {"size": [48, 64], "counts": "Z?d0l0000000000000000000000000000000000000000000000000000000000fS1"}
SECOND_RLE = {"size": [48, 64], "counts": "Z[2d0l000000000000000000f5"}
POLYGON = [10, 10, 40, 10, 40, 30, 10, 30]
SECOND = [50, 10, 60, 10, 60, 30, 50, 30]


def sound() -> tuple[dict, list]:
    """Two instances of two images and classes, all found, one of them wrongly named: AP is neither 0 nor 1."""
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 48} for number in (1, 2)]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], "area": 600, "iscrowd": 0,
         "segmentation": [POLYGON]},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [50, 10, 10, 20], "area": 200, "iscrowd": 0,
         "segmentation": [SECOND]},
    ]  # fmt: skip
    results = [
        {"image_id": 1, "category_id": 1, "segmentation": RLE, "score": 0.9},
        {"image_id": 1, "category_id": 1, "segmentation": SECOND_RLE, "score": 0.9},
        {"image_id": 2, "category_id": 1, "segmentation": SECOND_RLE, "score": 0.95},
        {"image_id": 2, "category_id": 2, "segmentation": SECOND_RLE, "score": 0.8},
    ]
    categories = [{"id": 1, "name": "ant"}, {"id": 2, "name": "bee"}]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def respelled(key: str, spell, *lists) -> None:
    for rows in lists:
        for row in rows:
            row[key] = spell(row[key])


def text_categories(gt, dt):
    respelled("id", str, gt["categories"])
    respelled("category_id", str, gt["annotations"], dt)


def text_categories_in_rows(gt, dt):
    respelled("category_id", str, gt["annotations"])


def text_categories_in_results(gt, dt):
    respelled("category_id", str, dt)


def one_text_category(gt, dt):
    gt["categories"][0]["id"] = "1"
    gt["annotations"][0]["category_id"] = "1"


def named_categories(gt, dt):
    respelled("id", lambda number: f"c{number}", gt["categories"])
    respelled("category_id", lambda number: f"c{number}", gt["annotations"], dt)


def fractional_categories(gt, dt):
    respelled("id", lambda number: number + 0.5, gt["categories"])
    respelled("category_id", lambda number: number + 0.5, gt["annotations"], dt)


def floats(gt, dt):
    respelled("category_id", float, gt["annotations"], dt)
    respelled("image_id", float, gt["annotations"], dt)


def large_categories(gt, dt):
    respelled("id", lambda number: number + 2**63, gt["categories"])
    respelled("category_id", lambda number: number + 2**63, gt["annotations"], dt)


def text_images(gt, dt):
    respelled("id", str, gt["images"])
    respelled("image_id", str, gt["annotations"], dt)


def text_images_in_results(gt, dt):
    respelled("image_id", str, dt)


def mixed_images(gt, dt):
    gt["images"][1]["id"] = "b"
    for row in (*gt["annotations"], *dt):
        row["image_id"] = "b" if row["image_id"] == 2 else row["image_id"]


def annotation_0(gt, dt):
    gt["annotations"][0]["id"] = 0


def one_annotation_id(gt, dt):
    gt["annotations"][1]["id"] = 1


def flat_polygons(gt, dt):
    gt["annotations"][0]["segmentation"] = POLYGON


def text_polygons(gt, dt):
    gt["annotations"][0]["segmentation"] = [list(map(str, POLYGON))]


def points(gt, dt):
    gt["annotations"][0]["segmentation"] = [POLYGON[place : place + 2] for place in range(0, 8, 2)]


def rle_in_a_list(gt, dt):
    gt["annotations"][0]["segmentation"] = [RLE]


def polygons_in_results(gt, dt):
    dt[0]["segmentation"] = [POLYGON]


def text_scores(gt, dt):
    respelled("score", str, dt)


def no_crowd_key(gt, dt):
    for row in gt["annotations"]:
        del row["iscrowd"]


def bool_crowds(gt, dt):
    respelled("iscrowd", bool, gt["annotations"])


def text_sizes(gt, dt):
    respelled("width", str, gt["images"])


REPAIRED = [
    text_categories, text_categories_in_rows, text_categories_in_results, one_text_category, named_categories,
    fractional_categories, floats, large_categories, text_images, text_images_in_results, mixed_images, annotation_0,
    one_annotation_id, flat_polygons, text_polygons, points, rle_in_a_list, polygons_in_results, text_scores,
    no_crowd_key, bool_crowds, text_sizes,
]  # fmt: skip


def write(folder, gt, dt):
    paths = folder / "gt.json", folder / "dt.json"
    for path, content in zip(paths, (gt, dt)):
        path.write_text(json.dumps(content))
    return paths


def pycocotools_stats(gt, dt) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(gt))
        evaluation = COCOeval(truth, truth.loadRes(str(dt)), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize("change", REPAIRED, ids=lambda change: change.__name__)
def test_a_file_that_can_be_read_has_the_value_of_the_repaired_one(tmp_path, change):
    expected = pycocotools_stats(*write(tmp_path, *sound()))
    assert 0 < expected[0] < 1
    gt, dt = copy.deepcopy(sound())
    change(gt, dt)
    assert list(evaluate_files(*write(tmp_path, gt, dt)).stats.values()) == pytest.approx(expected, abs=1e-12)


def changed(where: str, row: int, **keys):
    def change(gt, dt):
        rows = {"dt": dt, "gt": gt["annotations"]}.get(where) or gt[where]
        rows[row] |= keys
        for key in [key for key, value in keys.items() if value is ...]:
            del rows[row][key]

    return change


SENTENCES = {
    "two points": (changed("gt", 0, segmentation=[[10, 10, 11, 10]]), "at least 3 points"),
    "an empty segmentation": (changed("gt", 0, segmentation=[]), "its segmentation is empty: give it an outline"),
    "bytes as text": (changed("dt", 0, segmentation=RLE | {"counts": "b'abc'"}), r"write counts\.decode\(\)"),
    "no score": (changed("dt", 0, score=...), "has a row without 'score'"),
    "a score that is no number": (changed("dt", 0, score=float("nan")), "its score is not a finite number"),
    "an area that is a list": (changed("gt", 0, area=[]), "its area is not a finite number"),
    "an endless area": (changed("gt", 0, area=float("inf")), "its area is not a finite number"),
    "an id with an escape": (changed("gt", 0, category_id="\x1b[31m\n"), r"its category  \[31m  is not among"),
    "no area": (changed("gt", 0, area=...), "has a row without 'area'"),
    "no size": (changed("images", 0, width=...), "has no width and height, which masks need"),
    "an empty size": (changed("images", 0, width=None), "has no width and height, which masks need"),
    "an unknown image": (
        changed("dt", 0, image_id=7),
        r"references image 7, which is missing from .*gt\.json: give two",
    ),
    "a file name for an image": (changed("dt", 0, image_id="1.jpg"), "that is a file name; write the id of the image"),
    "a stem for an image": (changed("images", 0, file_name="a/x.jpg"), None),
    "a list as id": (changed("categories", 0, id=[1]), "must be a number or text"),
    "an unknown category in the ground truth": (changed("gt", 0, category_id=9), "its category 9 is not among"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name):
    gt, dt = copy.deepcopy(sound())
    change, told = SENTENCES[name]
    change(gt, dt)
    if told is None:  # a stem names an image as well as its file name does
        dt[0]["image_id"] = "x"
        told = "that is a file name; write the id of the image there, 1"
    with pytest.raises(SeglabError, match=rf"(gt|dt)\.json.*{told}") as error:
        evaluate_files(*write(tmp_path, gt, dt))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "box", [[1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2, 3, []], [1, 2, 3, None], 5, "box", [[1, 2, 3, 4]], [1, 2, 3, 10**400]]
)
@pytest.mark.parametrize("where", ["gt", "dt"])
def test_a_box_is_four_finite_numbers(tmp_path, where, box):
    gt, dt = copy.deepcopy(sound())
    for row in dt:
        row["bbox"] = [1, 2, 3, 4]
    rows = gt["annotations"] if where == "gt" else dt
    rows[0]["bbox"] = box
    with pytest.raises(SeglabError, match=rf"{where}\.json has a row.*its bbox is not a list of 4 finite numbers"):
        evaluate_files(*write(tmp_path, gt, dt), "bbox")


def test_sizes_matter_for_masks_alone(tmp_path):
    gt, _ = copy.deepcopy(sound())
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], "score": 0.5}]
    expected = evaluate_files(*write(tmp_path, gt, boxes), "bbox").stats
    for image in gt["images"]:
        image["width"] = image["height"] = None
    assert evaluate_files(*write(tmp_path, gt, boxes), "bbox").stats == expected


def test_a_results_object_says_what_to_save(tmp_path):
    gt, dt = sound()
    with pytest.raises(
        SeglabError, match=r"dt\.json is not a COCO results file.*save only the list under 'annotations'"
    ):
        evaluate_files(*write(tmp_path, gt, {"annotations": dt}))


def test_odd_files_are_warned_of(tmp_path):
    gt, dt = copy.deepcopy(sound())
    respelled("category_id", lambda number: number - 1, dt)
    assert "of categories that" in evaluate_files(*write(tmp_path, gt, dt)).warnings[0]
    for row in gt["annotations"]:
        row["iscrowd"] = 1
    assert "are iscrowd=1, so nothing counts" in evaluate_files(*write(tmp_path, gt, dt)).warnings[-1]
