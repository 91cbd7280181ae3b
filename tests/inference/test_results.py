"""Results: every form in which they can be had says the same."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab.errors import SeglabError
from seglab.geometry import rle as run_lengths
from seglab.geometry.polygons import split_row
from seglab.geometry.raster import fill
from seglab.inference.results import Boxes, Masks, Results

HEIGHT, WIDTH = 60, 80


@pytest.fixture
def results() -> Results:
    """Three instances: a ring with a hole, a full rectangle, two parts of different size."""
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    y, x = np.mgrid[:30, :30] - 14.5
    distance = np.hypot(x, y)
    parts = np.zeros((12, 20), dtype=bool)
    parts[:, :12] = parts[:4, 16:] = True
    crops = [(5, 7, (distance < 14) & (distance > 5)), (40, 10, np.ones((20, 30), bool)), (60, 48, parts)]
    rows = [[5.2, 7, 35, 37.4, 0.9, 0], [40, 10, 70, 30, 0.8, 1], [60, 48, 80, 60, 0.7, 1]]
    shape = (HEIGHT, WIDTH)
    return Results(image, "folder/photo.png", {0: "cup", 1: "car"}, Boxes(torch.tensor(rows), shape),
                   Masks(crops, shape), {"preprocess": 1.0, "inference": 2.0, "postprocess": 3.0})  # fmt: skip


@pytest.fixture
def nothing(results) -> Results:
    return Results(results.image, "p.jpg", results.names, Boxes(torch.zeros(0, 6), results.orig_shape), None, {})


def test_boxes_in_all_frames(results):
    boxes = results.boxes
    assert boxes.xywh[0].tolist() == pytest.approx([20.1, 22.2, 29.8, 30.4])
    assert boxes.xyxyn[1].tolist() == pytest.approx([0.5, 10 / 60, 70 / 80, 0.5])
    torch.testing.assert_close(boxes.xywhn * torch.tensor([80, 60, 80, 60]), boxes.xywh)
    assert boxes.cls.tolist() == [0, 1, 1] and len(boxes) == 3
    assert boxes.shape == (3, 6) and boxes.id is None and not boxes.is_track
    in_numpy = boxes.numpy()
    for name in ("data", "xyxy", "xywh", "xyxyn", "xywhn", "conf", "cls"):
        assert isinstance(getattr(in_numpy, name), np.ndarray)
        np.testing.assert_allclose(getattr(in_numpy, name), getattr(boxes, name).numpy(), rtol=1e-6)
    assert boxes.to(torch.float64).xywh.dtype == torch.float64
    assert [float(box.conf[0]) for box in boxes] == pytest.approx([0.9, 0.8, 0.7])
    assert isinstance(in_numpy.cpu().data, torch.Tensor)


def test_masks_in_all_forms(results):
    masks = results.masks
    assert masks.data.shape == masks.shape == (3, HEIGHT, WIDTH) and masks.data.dtype == torch.uint8
    for full, rings, rle, (x0, y0, crop) in zip(masks.data.numpy(), masks.rings, masks.rle, masks.crops):
        assert full.sum() == crop.sum()
        assert np.array_equal(full[y0 : y0 + len(crop), x0 : x0 + crop.shape[1]], crop)
        assert np.array_equal(fill(rings, HEIGHT, WIDTH), full)
        assert np.array_equal(run_lengths.decode(rle), full)
    assert [len(rings) for rings in masks.rings] == [2, 1, 2]
    assert masks.xy[1].tolist() in ([[40, 10], [70, 10], [70, 30], [40, 30]], masks.rings[1][0].tolist())
    assert masks.xy[2].max(axis=0).tolist() == [72, 60]  # the larger part
    np.testing.assert_allclose(masks.xyn[0] * [WIDTH, HEIGHT], masks.xy[0], rtol=1e-6)
    assert isinstance(masks.numpy().data, np.ndarray) and isinstance(masks.numpy().cpu().data, torch.Tensor)


def test_indexing_gives_results_of_their_own(results):
    assert [len(one) for one in results] == [1, 1, 1]
    assert results[2].boxes.xyxy.tolist() == [[60, 48, 80, 60]]
    assert np.array_equal(results[-1].masks.data[0], results.masks.data[2])
    for choice in (slice(1, 3), [1, 2], torch.tensor([1, 2]), results.boxes.cls == 1, np.array([False, True, True])):
        chosen = results[choice]
        assert chosen.boxes.conf.tolist() == pytest.approx([0.8, 0.7])
        assert len(chosen.masks) == 2 and chosen.masks.crops[0][0] == 40
    assert len(results[results.boxes.conf > 1]) == len(results[[]]) == 0
    best = results[results.boxes.conf.argmax()]  # a tensor without dimensions
    assert best.boxes.xyxy.tolist() == results[0].boxes.xyxy.tolist() and len(best.masks) == 1
    for wrong in (3, -4, torch.tensor(3), [0, 3], np.array([True, False])):
        for view in (results, results.boxes, results.masks, results.numpy().boxes):
            with pytest.raises(IndexError):
                view[wrong]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_choice_on_a_gpu(results):
    there = results.cuda()
    assert there.boxes.data.is_cuda and there.masks.data.is_cuda
    chosen = there[there.boxes.cls == 1]
    assert len(chosen.boxes) == len(chosen.masks) == 2 and chosen.boxes.data.is_cuda


def test_conversions_and_picture(results):
    assert isinstance(results.numpy().boxes.data, np.ndarray) and isinstance(results.numpy().masks.data, np.ndarray)
    assert isinstance(results.numpy().cpu().boxes.data, torch.Tensor)
    np.testing.assert_array_equal(results.orig_img, results.image[..., ::-1])
    assert results.orig_shape == (HEIGHT, WIDTH)
    assert results.probs is results.keypoints is results.obb is results.save_dir is None


def test_plot_and_save(results, nothing, tmp_path, monkeypatch):
    drawn = results.plot()
    assert drawn.shape == results.image.shape and drawn.dtype == np.uint8 and (drawn != results.orig_img).any()
    np.testing.assert_array_equal(results.plot(boxes=False, masks=False), results.orig_img)
    np.testing.assert_array_equal(nothing.plot(), nothing.orig_img)
    masks_only = results.plot(boxes=False, line_width=1)
    assert (masks_only[:, :3] == results.orig_img[:, :3]).all()
    assert (results.plot(labels=False) != results.plot(conf=False)).any()
    with pytest.raises(
        SeglabError, match="no argument 'font_size': valid names are boxes, conf, labels, line_width, masks"
    ):
        results.plot(font_size=3)

    written = results.save(tmp_path / "deep" / "out.png")
    np.testing.assert_array_equal(cv2.imread(written), drawn)
    monkeypatch.chdir(tmp_path)
    assert results.save() == "results_photo.jpg" and Path("results_photo.jpg").is_file()
    with pytest.raises(SeglabError, match=r"\.jpg or \.png"):
        results.save("picture.odd")
    assert cv2.imdecode(np.frombuffer(results._repr_jpeg_(), np.uint8), 1).shape == drawn.shape


def test_show_where_there_is_no_window(results, capsys):
    from matplotlib import pyplot

    with pyplot.rc_context({"backend": "agg"}):
        results.show()
    assert "save()" in capsys.readouterr().out and not pyplot.get_fignums()


def test_a_place_that_cannot_be_written_to_is_an_error(results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SeglabError, match="cannot write the image"):
        results.save(tmp_path / "file" / "a.jpg")


def test_save_txt_rows_draw_the_masks_again(results, nothing, tmp_path):
    path = tmp_path / "labels" / "photo.txt"
    for save_conf in (False, True):
        rows = [line.split() for line in Path(results.save_txt(path, save_conf)).read_text().splitlines()]
        assert [row[0] for row in rows] == ["0", "1", "1"]
        assert [float(row[-1]) for row in rows] == pytest.approx([0.9, 0.8, 0.7]) or not save_conf
        for row, full in zip(rows, results.masks.data.numpy()):
            numbers = np.array(row[1 : -1 if save_conf else None], dtype=float).reshape(-1, 2)
            rings = split_row((numbers * [WIDTH, HEIGHT]).round(3))
            assert np.array_equal(fill(rings, HEIGHT, WIDTH), full)
    assert Path(nothing.save_txt(path)).read_text() == ""


def test_save_crop(results, tmp_path):
    results.save_crop(tmp_path, "photo")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    assert files == ["car/photo.jpg", "car/photo2.jpg", "cup/photo.jpg"]
    assert cv2.imread(str(tmp_path / "car/photo.jpg")).shape == (20, 30, 3)
    results.names[1] = "../a/b"
    results.save_crop(tmp_path / "inside")
    assert (tmp_path / "inside" / "__a_b" / "im.jpg").is_file()


def test_json_and_frames(results, nothing):
    items = json.loads(results.to_json())
    assert items == results.summary() and [item["name"] for item in items] == ["cup", "car", "car"]
    assert items[1]["box"] == {"x1": 40.0, "y1": 10.0, "x2": 70.0, "y2": 30.0}
    assert set(zip(items[1]["segments"]["x"], items[1]["segments"]["y"])) == {(40, 10), (70, 10), (70, 30), (40, 30)}
    shares = json.loads(results.tojson(normalize=True))[1]
    assert shares["box"]["x2"] == 0.875 and max(shares["segments"]["y"]) == 0.5
    assert nothing.to_json() == "[]"
    rows = list(csv.DictReader(io.StringIO(results.to_csv())))
    assert [row["name"] for row in rows] == ["cup", "car", "car"] and json.loads(rows[1]["box"]) == items[1]["box"]
    assert json.loads(rows[2]["segments"]) == items[2]["segments"] and len(nothing.to_csv().splitlines()) == 1
    pytest.importorskip("pandas")
    assert list(results.to_df()["confidence"].round(3)) == [0.9, 0.8, 0.7]


def test_coco(results, nothing):
    items = results.to_coco(42, category_ids=[7, 9])
    json.dumps(items)
    assert [item["category_id"] for item in items] == [7, 9, 9]
    assert results.to_coco(42)[1]["category_id"] == 3 and nothing.to_coco(1) == []
    assert items[1]["bbox"] == pytest.approx([40, 10, 30, 20]) and items[0]["image_id"] == 42
    for item, full in zip(items, results.masks.data.numpy()):
        assert np.array_equal(run_lengths.decode(item["segmentation"]), full)


def test_supervision(results, nothing):
    pytest.importorskip("supervision")
    detections = results.to_supervision()
    assert len(detections) == 3 and detections.mask.shape == (3, HEIGHT, WIDTH)
    assert list(detections.data["class_name"]) == ["cup", "car", "car"]
    assert len(nothing.to_supervision()) == 0


def test_one_line(results, nothing):
    assert results.verbose() == "1 cup, 2 cars" and nothing.verbose() == "(no detections)"
    assert repr(results) == "Results(photo.png, 80 x 60: 1 cup, 2 cars)"
