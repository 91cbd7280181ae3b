"""Results: every form in which they can be had says the same."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from seglab.errors import SeglabError
from seglab.geometry import rle as run_lengths
from seglab.geometry.polygons import split_row
from seglab.geometry.raster import fill
from seglab.inference import results_io
from seglab.inference.instances import Boxes, Masks
from seglab.inference.results import Results, ResultsList

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
    return Results.of_image(image, "folder/photo.png", {0: "cup", 1: "car"}, Boxes(torch.tensor(rows), shape),
                   Masks(crops, shape), {"preprocess": 1.0, "inference": 2.0, "postprocess": 3.0})  # fmt: skip


@pytest.fixture
def nothing(results) -> Results:
    return Results.of_image(
        results.image, "p.jpg", results.names, Boxes(torch.zeros(0, 6), results.orig_shape), None, {}
    )


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
    assert isinstance(masks.shape, torch.Size) and not isinstance(masks.numpy().shape, torch.Size)
    assert masks.data.shape == masks.shape == (3, HEIGHT, WIDTH) and masks.data.dtype == torch.uint8
    for full, rings, rle, (x0, y0, crop) in zip(masks.data.numpy(), masks.rings, masks.rle, masks.crops):
        assert full.sum() == crop.sum()
        assert np.array_equal(full[y0 : y0 + len(crop), x0 : x0 + crop.shape[1]], crop)
        assert np.array_equal(fill(rings, HEIGHT, WIDTH), full)
        assert np.array_equal(run_lengths.decode(rle), full)
    assert [len(rings) for rings in masks.rings] == [2, 1, 2]
    assert {tuple(point) for point in masks.xy[1].tolist()} == {(40, 10), (69, 10), (69, 29), (40, 29)}
    for full, outline in zip(masks.data.numpy(), masks.xy):
        filled = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [outline.astype(np.int32)], 1)
        seam = filled.astype(int) - full
        assert seam.min() == 0 and seam.sum() <= 4  # of the third one, whose parts are four pixels apart
    assert masks.xy[0] is not masks.xyn[0] and masks.segments[0].tolist() == masks.xyn[0].tolist()
    masks.xy.pop()
    assert len(masks.xy) == 3  # the list is the caller's own
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
    alone = results[0]  # a choice of one value is none of a number
    assert len(alone[alone.boxes.conf > 1]) == len(alone.boxes[alone.boxes.conf > 1]) == 0
    assert len(alone[alone.boxes.conf > 0]) == len(alone.masks[alone.boxes.conf > 0]) == 1
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


def test_conversions_and_image(results):
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

    written = results.save(tmp_path / "deep" / "out.png")
    np.testing.assert_array_equal(cv2.imread(written), drawn)
    monkeypatch.chdir(tmp_path)
    assert results.save() == "results_photo.jpg" and Path("results_photo.jpg").is_file()
    with pytest.raises(SeglabError, match=r"\.jpg or \.png"):
        results.save("image.odd")
    assert cv2.imdecode(np.frombuffer(results._repr_jpeg_(), np.uint8), 1).shape == drawn.shape


def test_save_txt_ends_with_the_number_of_a_track(results, tmp_path):
    plain = Path(results.save_txt(tmp_path / "plain.txt", save_conf=True)).read_text().splitlines()
    rows = results.boxes.data
    numbers = torch.arange(7, 7 + len(rows))[:, None]
    results.boxes = Boxes(torch.cat((rows[:, :4], numbers, rows[:, 4:]), dim=1), (HEIGHT, WIDTH))
    tracked = Path(results.save_txt(tmp_path / "tracked.txt", save_conf=True)).read_text().splitlines()
    assert tracked == [f"{line} {number}" for line, number in zip(plain, (7, 8, 9))]


def test_masks_without_their_boxes_are_not_drawn(results):
    results.update(boxes=results.boxes.data[:1])
    with pytest.raises(SeglabError, match="3 masks and 1 boxes"):
        results.plot()
    assert results.plot(masks=False).shape == (HEIGHT, WIDTH, 3)


def test_show_where_there_is_no_window(results, capsys):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    with pyplot.rc_context({"backend": "agg"}):
        results.show()
    assert "save()" in capsys.readouterr().out and pyplot.get_fignums() == before


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
    assert set(zip(items[1]["segments"]["x"], items[1]["segments"]["y"])) == {(40, 10), (69, 10), (69, 29), (40, 29)}
    shares = json.loads(results.tojson(normalize=True))[1]
    assert shares["box"]["x2"] == 0.875 and max(shares["segments"]["y"]) == pytest.approx(29 / 60, abs=1e-5)
    assert nothing.to_json() == "[]"
    rows = list(csv.DictReader(io.StringIO(results.to_csv())))
    assert [row["name"] for row in rows] == ["cup", "car", "car"] and json.loads(rows[1]["box"]) == items[1]["box"]
    assert json.loads(rows[2]["segments"]) == items[2]["segments"] and len(nothing.to_csv().splitlines()) == 1
    pytest.importorskip("pandas")
    assert list(results.to_df()["confidence"].round(3)) == [0.9, 0.8, 0.7]


def test_markup_and_database(results, nothing, tmp_path):
    rows = ElementTree.fromstring(results.to_xml()).findall("row")
    assert [row.find("name").text for row in rows] == ["cup", "car", "car"]
    assert json.loads(rows[1].find("box").text)["x2"] == 70
    assert results.to_html().count("<tr>") == 4 and nothing.to_html().count("<tr>") == 1
    path = tmp_path / "found.db"
    results.to_sql(db_path=path)
    results.to_sql(db_path=path)  # a second image
    nothing.to_sql("empty", db_path=path)
    with closing(sqlite3.connect(path)) as connection:
        assert (
            connection.execute("SELECT name, class FROM results").fetchall() == [("cup", 0), ("car", 1), ("car", 1)] * 2
        )
        assert connection.execute("SELECT count(*) FROM empty").fetchone() == (0,)


def test_results_made_of_arrays(tmp_path):
    """As scripts make them from another model: BGR image, rows and full masks, by keywords."""
    image = np.full((40, 60, 3), (10, 20, 30), np.uint8)
    full = np.zeros((2, 40, 60), np.float32)
    full[0, 5:20, 5:25] = full[1, 10:30, 30:50] = 1
    rows = np.array([[5, 5, 25, 20, 0.9, 0], [30, 10, 50, 30, 0.8, 1]], np.float32)
    for boxes, masks in ((rows, full), (torch.from_numpy(rows), torch.from_numpy(full))):
        made = Results(orig_img=image, path="a.jpg", names={0: "cup", 1: "car"}, boxes=boxes, masks=masks)
        assert made.orig_img is image and made.image[0, 0].tolist() == [30, 20, 10]
        assert type(made.boxes.data) is type(made.masks.data) is type(boxes)
        assert np.array_equal(np.asarray(made.masks.data), full) and len(made) == 2
        assert made.masks.crops[1][:2] == (30, 10) and made.verbose() == "1 cup, 1 car, "
    assert len(Results(image, "a.jpg", {0: "cup"})) == 0 and Results(image, "a.jpg", {}).masks is None
    with pytest.raises(SeglabError, match="takes no keypoints="):
        Results(image, "a.jpg", {}, keypoints=torch.zeros(1, 17, 3))
    with pytest.raises(SeglabError, match=r"rows of 6 values .* not of shape \(2, 4\)"):
        Boxes(torch.zeros(2, 4), (40, 60))
    with pytest.raises(SeglabError, match=r"\(N, H, W\), not \(40,\)"):
        Masks(torch.zeros(40), (40, 60))


def test_masks_of_the_letterbox_lie_where_the_image_does():
    boxed = torch.zeros(1, 64, 64)
    boxed[0, 16:32, :32] = 1  # of an image of 30 x 60, which lies between two borders of 16 rows
    masks = Masks(boxed, (30, 60))
    assert masks.shape == masks.data.shape == (1, 64, 64) and masks[0].data.shape == (1, 64, 64)
    assert masks.crops[0][:2] == (0, 0) and masks.crops[0][2].shape == (15, 30)
    assert masks.xy[0].max(axis=0).tolist() == [29, 14]


def test_the_image_can_be_drawn_on_and_replaced(results):
    before = results.plot()
    results.orig_img[:5] = (0, 0, 255)
    assert results.orig_img is results.orig_img and results.image[0, 0].tolist() == [255, 0, 0]
    assert (results.plot() != before).any() and results[0].orig_img is results.orig_img
    results.orig_img = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert not results.plot(boxes=False, masks=False).any()


def test_update_and_new(results):
    empty = results.new()
    assert len(empty) == 0 and empty.masks is None and len(results) == 3 and empty.orig_img is results.orig_img
    results.update(boxes=torch.tensor([[-5.0, 3, 90, 70, 0.5, 1]]))
    assert results.boxes.xyxy.tolist() == [[0, 3, WIDTH, HEIGHT]] and len(results.masks) == 3
    results.update(masks=torch.ones(1, HEIGHT, WIDTH))
    assert results.masks.data.sum() == WIDTH * HEIGHT
    with pytest.raises(SeglabError, match="takes no probs="):
        results.update(probs=torch.zeros(3))


def test_tensors_go_where_they_are_sent(results):
    there = results.to("cpu", torch.float64)
    assert there.boxes.data.dtype == there.masks.data.dtype == torch.float64
    assert results.to(dtype=torch.float16).masks[1:].data.dtype == torch.float16
    assert results.masks.data.dtype == torch.uint8 and results.masks.masks is results.masks.data
    assert results.boxes.boxes is results.boxes.data


def test_tracked_instances(results):
    rows = torch.tensor([[1.0, 2, 30, 40, 7, 0.9, 1]])
    results.update(boxes=rows, masks=torch.ones(1, HEIGHT, WIDTH))
    boxes = results.boxes
    assert boxes.is_track and boxes.id.tolist() == [7] and boxes.cls.tolist() == [1]
    assert boxes.conf.tolist() == pytest.approx([0.9]) and results.summary()[0]["track_id"] == 7
    assert results_io.label_of(results_io.rows_of(results.boxes)[0], results.names) == "id:7 car 0.90"
    assert "track" in repr(boxes)


def test_what_plot_draws_is_up_to_the_caller(results, tmp_path):
    usual = results.plot()
    gray = np.full((HEIGHT, WIDTH), 90, np.uint8)
    assert (results.plot(img=gray, boxes=False, masks=False) == 90).all()
    assert np.array_equal(results.plot(img=results.orig_img.copy()), usual)
    assert np.array_equal(results.plot(img=Image.fromarray(results.image)), usual)
    floats = torch.from_numpy(results.image.copy()).permute(2, 0, 1) / 255
    assert np.array_equal(results.plot(img=floats), usual)
    assert np.array_equal(np.asarray(results.plot(pil=True)), usual[..., ::-1])
    assert (results.plot(font_size=20) != usual).any() and (results.plot(txt_color=(0, 0, 255)) != usual).any()
    by_instance = results.plot(color_mode="instance", boxes=False)
    assert (by_instance != results.plot(boxes=False)).any()  # the second car has another color than the first
    assert np.array_equal(results.plot(kpt_radius=9, kpt_line=False, probs=False, im_gpu=None), usual)
    results.plot(save=True, filename=tmp_path / "a.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png")), usual)
    with pytest.raises(SeglabError, match="img= is 20 x 10, but the results are of an image of 80 x 60"):
        results.plot(img=np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(SeglabError, match="'class' or 'instance'"):
        results.plot(color_mode="rainbow")


def test_results_survive_pickle_and_copy(results):
    for again in (pickle.loads(pickle.dumps(results)), copy.deepcopy(results)):
        assert torch.equal(again.boxes.data, results.boxes.data)
        assert torch.equal(again.masks.data, results.masks.data)
        assert np.array_equal(again.plot(), results.plot())


def test_a_list_shows_itself(results, nothing):
    listed = ResultsList([results, nothing])
    assert "photo.png" in repr(listed) and repr(listed).count("\n") == 1
    page = listed._repr_html_()
    assert page.count("<img") == 2 and "1 cup, 2 cars" in page
    assert "and 1 image more" in ResultsList([results] * 13)._repr_html_()


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
    assert results.verbose() == "1 cup, 2 cars, " and nothing.verbose() == "(no detections), "
    assert repr(results) == "Results(photo.png, 80 x 60: 1 cup, 2 cars)"
