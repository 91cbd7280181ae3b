"""COCO metrics against pycocotools, and against examples small enough for paper."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from seglab.errors import SeglabError
from seglab.evaluation.coco import STATS, CocoAccumulator, Instances, evaluate_files

SIDE = 200


def rectangle(x, y, w, h, side=SIDE) -> dict:
    mask = np.zeros((side, side), np.uint8, order="F")
    mask[y : y + h, x : x + w] = 1
    rle = coco_mask.encode(mask)
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def files(folder, instances, found, images=(1,), classes=(1,), kind="segm"):
    """Rows (image, class, rectangle, crowd) and (image, class, rectangle, score) -> the two COCO files."""
    annotations = [
        {
            "id": n + 1, "image_id": image, "category_id": class_id, "iscrowd": int(crowd), "bbox": list(box),
            "segmentation": rectangle(*box), "area": float(box[2] * box[3]),
        }
        for n, (image, class_id, box, crowd) in enumerate(instances)
    ]  # fmt: skip
    key = "bbox" if kind == "bbox" else "segmentation"
    results = [
        {"image_id": i, "category_id": c, "score": s, key: list(b) if kind == "bbox" else rectangle(*b)}
        for i, c, b, s in found
    ]
    ground_truth = {
        "info": {}, "images": [{"id": i, "height": SIDE, "width": SIDE} for i in images], "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in classes],
    }  # fmt: skip
    gt, dt = folder / "instances.json", folder / "results.json"
    gt.write_text(json.dumps(ground_truth))
    dt.write_text(json.dumps(results))
    return gt, dt


def assert_equals_pycocotools(gt, dt, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO(gt)
        theirs = COCOeval(ground_truth, ground_truth.loadRes(str(dt)), kind)
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    ours = evaluate_files(gt, dt, kind)
    np.testing.assert_allclose(list(ours.stats.values()), theirs.stats, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.precision, theirs.eval["precision"][..., -1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.recall, theirs.eval["recall"], rtol=0, atol=1e-9)
    return ours


def perturbed(ground_truth: dict, seed: int) -> list[dict]:
    """Detections made of shifted, dropped, repeated and misnamed objects, with many equal scores."""
    rng, results = np.random.default_rng(seed), []
    sizes = {image["id"]: (image["height"], image["width"]) for image in ground_truth["images"]}
    classes = [category["id"] for category in ground_truth["categories"]]
    for row in ground_truth["annotations"]:
        shape = coco_mask.frPyObjects(row["segmentation"], *sizes[row["image_id"]])
        mask = coco_mask.decode(coco_mask.merge(shape) if isinstance(shape, list) else shape)
        for _ in range(rng.integers(0, 6)):
            rle = coco_mask.encode(np.asfortranarray(np.roll(mask, rng.integers(-5, 6, 2), (0, 1))))
            rle["counts"] = rle["counts"].decode()
            class_id = row["category_id"] if rng.random() < 0.8 else int(rng.choice(classes))
            score = round(float(rng.random()), 1)
            results.append({"image_id": row["image_id"], "category_id": class_id, "segmentation": rle, "score": score})
    return results


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_real_annotations_give_pycocotools_metrics(datasets_folder, tmp_path, split, kind):
    gt = datasets_folder / "coco38" / "annotations" / f"instances_{split}.json"
    results = perturbed(json.loads(gt.read_text()), seed=3)
    if kind == "bbox":
        for row in results:
            row["bbox"] = coco_mask.toBbox(row.pop("segmentation")).tolist()
    dt = tmp_path / "results.json"
    dt.write_text(json.dumps(results))
    assert 0.05 < assert_equals_pycocotools(gt, dt, kind).stats["AP"] < 0.95


boxes = st.tuples(*[st.integers(0, 6).map(lambda v: 8 * v)] * 2, *[st.sampled_from([8, 16, 24, 40, 96, 110])] * 2)
instances = st.lists(st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 2, 3]), boxes, st.booleans()), max_size=12)
found = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 2, 3, 4]), boxes, st.sampled_from([0.1, 0.5, 0.5, 0.9])),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@settings(deadline=None, max_examples=60)
@given(instances, found)
def test_any_small_scene_gives_pycocotools_metrics(tmp_path_factory, kind, instances, found):
    # Few positions and few scores: overlaps tie, scores tie, classes stay empty, crowds take many detections.
    folder = tmp_path_factory.mktemp("scene")
    paths = files(folder, instances, found, images=(2, 1, 3), classes=(1, 2, 3, 5), kind=kind)
    assert_equals_pycocotools(*paths, kind)


def test_more_than_a_hundred_detections_are_cut_an_image_and_class(tmp_path):
    rng = np.random.default_rng(0)
    ground_truth = [(1, c, (10 * i, 10 * i, 30, 30), False) for i in range(12) for c in (1, 2)]
    many = [
        (1, c, (10 * int(rng.integers(12)), 10 * int(rng.integers(12)), 30, 30), round(float(rng.random()), 2))
        for c in (1, 2)
        for _ in range(180)
    ]
    assert_equals_pycocotools(*files(tmp_path, ground_truth, many, classes=(1, 2)), "segm")


def test_results_with_boxes_and_masks_take_areas_from_boxes_as_cocos_tool_does(tmp_path):
    gt, dt = files(tmp_path, [(1, 1, (0, 0, 40, 40), False)], [(1, 1, (0, 0, 38, 40), 0.5), (1, 1, (90, 9, 9, 9), 0.6)])
    rows = json.loads(dt.read_text())
    for row in rows:
        row["bbox"] = [0, 0, 120, 120]
    dt.write_text(json.dumps(rows))
    assert_equals_pycocotools(gt, dt, "segm")


def test_only_crowds_only_empty_images_and_no_detection_at_all(tmp_path):
    scene = [(1, 1, (0, 0, 100, 100), True)]
    assert assert_equals_pycocotools(*files(tmp_path, scene, [(1, 1, (5, 5, 20, 20), 0.5)]), "segm").stats["AP"] == -1
    nothing = evaluate_files(*files(tmp_path, [(1, 1, (0, 0, 50, 50), False)], []), "segm")
    assert nothing.stats["AP"] == 0 and nothing.stats["AR100"] == 0 and nothing.stats["APs"] == -1


def test_average_precision_worked_by_hand(tmp_path):
    """Two objects; by falling score the detections are a hit, a miss, a hit, all hits exact.

    Precision is 1 up to recall 1/2 and 2/3 beyond, so of the 101 recalls 51 count 1 and 50 count 2/3.
    """
    ground_truth = [(1, 1, (0, 0, 40, 40), False), (1, 1, (100, 100, 40, 40), False)]
    dt = [(1, 1, (0, 0, 40, 40), 0.9), (1, 1, (0, 100, 40, 40), 0.8), (1, 1, (100, 100, 40, 40), 0.7)]
    stats = evaluate_files(*files(tmp_path, ground_truth, dt), "segm").stats
    assert tuple(stats) == STATS
    expected = (51 * 1 + 50 * 2 / 3) / 101
    for name in ("AP", "AP50", "AP75", "APm"):
        assert stats[name] == pytest.approx(expected, abs=1e-12)
    assert (stats["AR1"], stats["AR10"], stats["APs"]) == (0.5, 1.0, -1.0)


def test_images_may_come_in_any_order_but_only_once():
    rng = np.random.default_rng(1)
    scenes = []
    for image_id in range(6):
        ground_truth, shown = rng.integers(0, 150, (4, 4)) + 10.0, rng.integers(0, 150, (9, 4)) + 10.0
        shown[:4] = ground_truth
        classes = rng.integers(0, 2, 9)
        scenes.append((
            image_id,
            Instances(classes[:4], ground_truth[:, 2] * ground_truth[:, 3], ground_truth, crowd=rng.random(4) < 0.2),
            Instances(classes, shown[:, 2] * shown[:, 3], shown, scores=rng.integers(1, 4, 9) / 4),
        ))  # fmt: skip
    orders = [CocoAccumulator([0, 1], "bbox") for _ in range(2)]
    for accumulator, step in zip(orders, (1, -1)):
        for scene in scenes[::step]:
            accumulator.add(*scene)
    assert orders[0].summarize().stats == orders[1].summarize().stats
    with pytest.raises(ValueError, match="added twice"):
        orders[0].add(*scenes[0])


def test_a_damaged_mask_string_is_named_wherever_it_stands(tmp_path):
    gt, dt = files(tmp_path, [(1, 1, (0, 0, 9, 9), False)] * 3, [(1, 1, (0, 0, 9, 9), 0.5)] * 3)
    mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
    mask[3:40, 5:50] = 1
    good = coco_mask.encode(mask)["counts"].decode()
    other = coco_mask.encode(np.asfortranarray(mask[:, :-1]))["counts"].decode()
    cut = good[: len(good) // 2]
    damaged = (
        cut,
        "",
        other,
        good + "1",
        good[:-1] + "~",
        good[:-1] + "\u20ac",
        good[:-1] + "\0",
        "o" * 40 + "0",
        good + "P",
    )
    for path, name in ((gt, "instances"), (dt, "results")):
        content = json.loads(path.read_text())
        rows = content["annotations"] if path is gt else content
        for counts in (good, *damaged):
            for row in rows:
                row["segmentation"] = {"size": [SIDE, SIDE], "counts": good}
            rows[1]["segmentation"] = {"size": [SIDE, SIDE], "counts": counts}
            path.write_text(json.dumps(content))
            if counts == good:
                evaluate_files(gt, dt)
                continue
            with pytest.raises(
                SeglabError, match=rf"{name}\.json has a row \(number 2 of the 3 of image 1\) .*its RLE"
            ):
                evaluate_files(gt, dt)
        rows[1]["segmentation"] = rows[0]["segmentation"]
        path.write_text(json.dumps(content))


def test_ids_of_two_types_give_what_ids_of_one_type_give(tmp_path):
    scene = [(1, 1, (0, 0, 50, 50), False), (2, 1, (9, 9, 30, 30), False), (2, 2, (9, 9, 30, 30), False)]
    found = [(2, 1, (0, 0, 50, 50), 0.5), (2, 1, (9, 9, 30, 30), 0.5), (1, 2, (9, 9, 30, 30), 0.5)]
    gt, dt = files(tmp_path, scene, found, images=(1, 2), classes=(1, 2))
    expected = evaluate_files(gt, dt).stats
    content, rows = json.loads(gt.read_text()), json.loads(dt.read_text())
    content["images"][1]["id"] = "b"
    content["categories"][1]["id"] = "7.5"
    for row in (*content["annotations"], *rows):
        row["image_id"] = "b" if row["image_id"] == 2 else "1"
        row["category_id"] = "7.5" if row["category_id"] == 2 else "1"
    gt.write_text(json.dumps(content))
    dt.write_text(json.dumps(rows))
    assert evaluate_files(gt, dt).stats == expected


def test_crowds_are_what_is_meant_by_text(tmp_path):
    gt, dt = files(tmp_path, [(1, 1, (0, 0, 9, 9), False)], [(1, 1, (0, 0, 9, 9), 0.5)])
    content = json.loads(gt.read_text())
    for said, expected in (("0", 1.0), ("1", -1.0), (None, 1.0)):
        content["annotations"][0]["iscrowd"] = said
        gt.write_text(json.dumps(content))
        assert evaluate_files(gt, dt).stats["AP"] == pytest.approx(expected)


def test_files_of_another_form_are_named(tmp_path):
    gt, dt = files(tmp_path, [(1, 1, (0, 0, 9, 9), False)], [(7, 1, (0, 0, 9, 9), 0.5)])
    with pytest.raises(ValueError, match="image 7"):
        evaluate_files(gt, dt)
    with pytest.raises(ValueError, match="not a COCO instances file"):
        evaluate_files(dt, dt)
    with pytest.raises(ValueError, match="choose bbox, segm"):
        CocoAccumulator([1], "keypoints")
    rows = json.loads(dt.read_text())
    dt.write_text(json.dumps([{"image_id": 1, "category_id": 1, "segmentation": rows[0]["segmentation"]}]))
    with pytest.raises(ValueError, match=r"results\.json has a row without 'score'"):
        evaluate_files(gt, dt)
    for wrong, told in (
        ({"score": None}, "not a finite number"),
        ({"score": "high"}, "cannot be read"),
        ({"bbox": [1, 2]}, "cannot be read"),
        ({"segmentation": [1, 2, 3, 4]}, "at least 3 points"),
        ({"segmentation": "text"}, "neither a mask nor an outline"),
        ({"segmentation": [["a"] * 6]}, "cannot be read"),
        ({"segmentation": [[1, 2]]}, "at least 3 points"),
        ({"segmentation": [[0, 0, 1e12, 0, 9, 9]]}, "within 100,000 pixels"),
        ({"segmentation": [[0, 0, None, 0, 9, 9]]}, "cannot be read"),
        ({"segmentation": {"size": [2, 2], "counts": [4]}}, "has the size"),
        ({"segmentation": {"size": [SIDE, SIDE], "counts": [4]}}, "damaged"),
        ({"segmentation": {"size": [SIDE, SIDE], "counts": None}}, "cannot be read"),
    ):
        dt.write_text(json.dumps([rows[0] | {"image_id": 1} | wrong]))
        with pytest.raises(SeglabError, match=rf"results\.json has a row \(number 1 of the 1 of image 1\).*{told}"):
            evaluate_files(gt, dt)
    dt.write_text("[null]")
    with pytest.raises(SeglabError, match=r"results\.json has a row that cannot be read"):
        evaluate_files(gt, dt)
    dt.write_text("[]")
    whole = gt.read_text()
    gt.write_text(json.dumps(json.loads(whole) | {"categories": []}))
    with pytest.raises(SeglabError, match=r"instances\.json has no categories"):
        evaluate_files(gt, dt)
    gt.write_text(whole.replace('"area"', '"size"'))
    with pytest.raises(ValueError, match=r"instances\.json has a row without 'area'"):
        evaluate_files(gt, dt)
    dt.write_text("{")
    with pytest.raises(ValueError, match=r"results\.json is not a JSON file"):
        evaluate_files(gt, dt)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        evaluate_files(gt, "nowhere.json")
