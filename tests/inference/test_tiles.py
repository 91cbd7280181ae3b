"""Tiles: each is predicted as an image of its own, and an object on a seam is one object."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from benchmarks.tiles import found_of, mosaic, within_a_tile
from seglab import YOLO
from seglab.config import PredictConfig
from seglab.errors import SeglabError
from seglab.geometry.rle import area, crop_to_rle, iou
from seglab.inference import sources as source_module
from seglab.inference.instances import Boxes, Masks
from seglab.inference.masks import MaskCrop, PackedCrops, pack_crop
from seglab.inference.predictor import predict
from seglab.inference.results import Results
from seglab.inference.tiles import Found, Window, join, predict_tiles, tile_windows
from seglab.toybox.scene import scene

NAMES = {0: "disc", 1: "other"}


def crop_of(mask: np.ndarray) -> MaskCrop:
    """(H, W) bool -> the crop of its bounding box."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return int(left), int(top), mask[top:bottom, left:right]


def seen_by(tiles: list[Window], mask: np.ndarray, score: float = 0.9, class_id: int = 0) -> list[Found]:
    """What perfect detectors find of an object in each tile."""
    found = []
    for number, tile in enumerate(tiles):
        part = np.zeros_like(mask)
        window = (slice(tile.top, tile.bottom), slice(tile.left, tile.right))
        part[window] = mask[window]
        if not part.any():
            continue
        x0, y0, crop = crop_of(part)
        box = np.array([x0, y0, x0 + crop.shape[1], y0 + crop.shape[0]], float)
        height, width = mask.shape
        is_cut = (x0 == tile.left > 0) or (y0 == tile.top > 0)
        is_cut = is_cut or box[2] == tile.right < width or box[3] == tile.bottom < height
        found.append(Found(number, box, score - 0.01 * number, class_id, pack_crop((x0, y0, crop)), bool(is_cut)))
    return found


def whole(one: Found, size: tuple[int, int]) -> np.ndarray:
    x0, y0, crop = one.crop
    mask = np.zeros(size, bool)
    mask[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
    return mask


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    return np.hypot(columns - x, rows - y) < radius


@pytest.mark.parametrize("size", [(100, 130), (64, 64), (30, 200), (10, 12), (65, 128)])
@pytest.mark.parametrize("overlap", [0, 0.2, 0.5, 0.9])
def test_tiles_cover_the_image_and_share_at_least_the_overlap(size, overlap):
    tiles = tile_windows(size, 64, overlap)
    covered = np.zeros(size, int)
    for tile in tiles:
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert (tile.bottom - tile.top, tile.right - tile.left) == (min(64, size[0]), min(64, size[1]))
    assert covered.min() >= 1 and len(set(tiles)) == len(tiles)
    for side in (0, 1):
        starts = sorted({tile[side] for tile in tiles})
        assert (np.diff(starts) <= 64 - round(64 * overlap) + 1).all()


SIZE = (150, 220)
TILES = tile_windows(SIZE, 64, 0.25)


@pytest.mark.parametrize("radius", [4, 9, 20, 60])
def test_an_object_is_one_wherever_it_lies(radius):
    rng = np.random.default_rng(radius)
    for _ in range(30):
        mask = disc(SIZE, rng.uniform(0, 220), rng.uniform(0, 150), radius)
        found = seen_by(TILES, mask)
        rng.shuffle(found)
        (one,) = join(found, TILES)
        np.testing.assert_array_equal(whole(one, SIZE), mask)
        views = [each for each in found if not each.is_cut] or found  # a whole one counts before parts
        assert one.score == max(each.score for each in views)
        left, top, crop = crop_of(mask)
        assert one.box.tolist() == [left, top, left + crop.shape[1], top + crop.shape[0]]


def test_neighbors_stay_apart():
    a, b = disc(SIZE, 60, 40, 12), disc(SIZE, 60, 65, 12)  # both on a seam, touching
    objects = join(seen_by(TILES, a) + seen_by(TILES, b, 0.8), TILES)
    assert len(objects) == 2 and objects[0].score > objects[1].score
    np.testing.assert_array_equal(whole(objects[0], SIZE), a)
    np.testing.assert_array_equal(whole(objects[1], SIZE), b & ~np.zeros(SIZE, bool))
    # One class inside another, as a hat on a head.
    two_classes = seen_by(TILES, a) + seen_by(TILES, a, 0.8, class_id=1)
    assert sorted(one.class_id for one in join(two_classes, TILES)) == [0, 1]
    assert len(join(two_classes, TILES, agnostic=True)) in (1, 2)  # of one tile both stay


def test_a_whole_view_beats_better_scored_parts():
    mask = disc(SIZE, 56, 30, 6)  # in the strip that tiles 0 and 1 share
    first, second = seen_by(TILES[:2], mask)
    assert not first.is_cut and not second.is_cut
    second.is_cut, second.score = True, 0.99
    second.packed = pack_crop((second.crop[0], second.crop[1], second.crop[2][:, :9]))
    (one,) = join([first, second], TILES)
    assert one is first


def test_a_part_left_over_is_dropped_and_an_object_of_its_own_is_not():
    mask = disc(SIZE, 40, 30, 20)  # its right third lies in the second tile too
    first, second = seen_by(TILES[:2], mask)
    sliver = np.zeros(SIZE, bool)
    sliver[28:36, 50:60] = True  # what the second tile makes of it, by mistake
    second.packed, second.is_cut = pack_crop(crop_of(sliver)), True
    assert join([first, second], TILES) == [first]
    second.is_cut = False
    assert len(join([first, second], TILES)) == 2


def answering(pieces):
    """A detector that knows the answer: every white spot is an object, its mask exact."""
    import cv2

    results = []
    for piece in pieces:
        count, spots = cv2.connectedComponents((piece.image[..., 0] > 127).astype(np.uint8))
        crops = [crop_of(spots == number) for number in range(1, count)]
        rows = [[x, y, x + c.shape[1], y + c.shape[0], 0.9 - 0.001 * n, 0] for n, (x, y, c) in enumerate(crops)]
        size = piece.image.shape[:2]
        boxes = Boxes(torch.tensor(rows).reshape(-1, 6), size)
        masks = Masks(crops, size) if crops else None
        results.append(Results.of_image(piece.image, piece.path, NAMES, boxes, masks, {"inference": 1.0}))
    return results


def test_results_are_of_the_whole_image():
    image = np.zeros((300, 400, 3), np.uint8)
    places = [(50, 60, 20), (150, 100, 45), (390, 290, 30), (250, 200, 6), (330, 60, 25)]
    discs = [disc((300, 400), *place) for place in places]
    image[np.any(discs, axis=0)] = 255
    given = source_module.SourceImage("a.png", image)
    results = predict_tiles(given, 128, 0.25, answering, NAMES, batch=3)
    assert results.orig_shape == (300, 400) and results.image is image and results.path == "a.png"
    assert len(results) == 5 and results.speed["inference"] == len(tile_windows((300, 400), 128, 0.25))
    expected = [crop_to_rle(*crop_of(mask), 300, 400) for mask in discs]
    assert (iou(results.masks.rle, expected).max(axis=0) == 1).all()
    assert len(predict_tiles(source_module.SourceImage("b", image * 0), 128, 0.25, answering, NAMES)) == 0


def test_a_tile_gives_what_it_gives_as_an_image_of_its_own():
    """And where there is one tile only, tiled prediction is prediction."""
    model = YOLO("toybox-n")
    image = np.ascontiguousarray(scene(3, (240, 320)).image[..., ::-1])
    seen = []

    def look(pieces):
        results = [model.predict(piece.image[..., ::-1], imgsz=320, conf=0.1)[0] for piece in pieces]
        seen.extend(results)
        return results

    (whole_image,) = model.predict(image, imgsz=320, conf=0.1)
    (one_tile,) = model.predict(image, imgsz=320, conf=0.1, tile=640)
    assert torch.equal(whole_image.boxes.data, one_tile.boxes.data) and len(whole_image) > 3
    assert torch.equal(whole_image.masks.data, one_tile.masks.data)

    rgb = source_module.SourceImage("a", np.ascontiguousarray(image[..., ::-1]))
    by_hand = predict_tiles(rgb, 192, 0.2, look, model.names)
    (tiled,) = model.predict(image, imgsz=320, conf=0.1, tile=192, overlap=0.2)
    assert torch.equal(tiled.boxes.data, by_hand.boxes.data)
    assert [crop[:2] for crop in tiled.masks.crops] == [crop[:2] for crop in by_hand.masks.crops]
    assert len(seen) == len(tile_windows((240, 320), 192, 0.2)) == 4


def test_small_objects_of_a_large_scene_are_found_and_the_others_stay_what_they_were():
    """The scene of 4,000 x 3,000 pixels is measured in docs/image-files.md; here is a quarter of its sides."""
    model = YOLO("toybox-n")
    image, objects = mosaic(3, 4, 250)
    bgr = np.ascontiguousarray(image[..., ::-1])
    untiled = model.predict(bgr, imgsz=256)[0]
    tiled = model.predict(bgr, imgsz=256, tile=256, overlap=0.2, batch=4)[0]
    small = np.array([area(rle) < 32 * 32 for _, rle in objects])
    before = (found_of(untiled, objects)[small] >= 0.5).sum()
    after = (found_of(tiled, objects)[small] >= 0.5).sum()
    assert after >= max(1.5 * before, 10)

    # At one scale, objects that lie within a tile are what they are without tiles.
    image, _ = mosaic(2, 2, 256)
    bgr = np.ascontiguousarray(image[..., ::-1])
    untiled = model.predict(bgr, imgsz=512)[0]
    tiled = model.predict(bgr, imgsz=320, tile=320, overlap=0.4)[0]
    tiles = tile_windows((512, 512), 320, 0.4)
    within = within_a_tile(untiled, tiles)
    overlaps = found_of(tiled, within)
    assert len(within) >= 10 and np.median(overlaps) >= 0.9


def test_windows_of_a_tiff_and_of_an_array_give_what_the_whole_image_gives(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    image = np.zeros((500, 700, 3), np.uint8)
    for x, y, radius in [(60, 60, 30), (350, 250, 120), (640, 460, 50), (200, 400, 12)]:
        image[disc((500, 700), x, y, radius)] = (255, 200, 220)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(64, 64))
    np.save(tmp_path / "a.npy", image[..., ::-1])
    monkeypatch.setattr("seglab.inference.predictor.predict_batch", lambda forward, pieces, **_: answering(pieces))
    config = PredictConfig(tile=128)
    (expected,) = predict(None, image[..., ::-1], config, NAMES)
    monkeypatch.setattr(source_module, "WHOLE_PIXELS", 10_000)
    for source in (tmp_path / "a.tif", np.load(tmp_path / "a.npy", mmap_mode="r")):
        (results,) = predict(None, source, config, NAMES)
        assert results.is_large and results.orig_shape == (500, 700)
        np.testing.assert_array_equal(results.boxes.data, expected.boxes.data)
        assert results.masks.rle == expected.masks.rle
        np.testing.assert_array_equal(results.image, image)
        np.testing.assert_array_equal(results.orig_img, image[..., ::-1])


def test_a_large_image_is_drawn_smaller(monkeypatch):
    image = np.zeros((500, 700, 3), np.uint8)
    big = disc((500, 700), 350, 250, 120)
    image[big] = (255, 200, 220)
    image[disc((500, 700), 10, 490, 2)] = 255
    monkeypatch.setattr("seglab.inference.predictor.predict_batch", lambda forward, pieces, **_: answering(pieces))
    monkeypatch.setattr(source_module, "WHOLE_PIXELS", 10_000)
    (results,) = predict(None, image[..., ::-1], PredictConfig(tile=128), NAMES)
    small = results._overview(max_side=200)
    assert small.orig_shape == (125, 175) and small.image.shape == (125, 175, 3) and len(small) == 2
    mask = np.asarray(small.masks.data)[0].astype(bool)
    ground_truth = disc((125, 175), 87.5, 62.5, 30)
    assert (mask & ground_truth).sum() / (mask | ground_truth).sum() > 0.95
    assert small.boxes.data[0, :4].tolist() == pytest.approx([57.5, 32.5, 117.5, 92.5], abs=0.5)
    monkeypatch.setattr(Results, "_overview", lambda results: small)
    assert results.plot().shape == (125, 175, 3)


def test_memory_does_not_grow_with_the_image(tmp_path):
    """Peaks of what numpy and OpenCV take; the larger image alone would take 108 MB."""

    def forward(images):
        batch, _, height, width = images.shape
        return torch.zeros(batch, 4 + 2 + 32, 10), torch.zeros(batch, 32, height // 4, width // 4)

    peaks = []
    for side in (2_000, 6_000):
        image = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (side, side, 3))
        config = PredictConfig(tile=1000, overlap=0, imgsz=64)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source_module, "WHOLE_PIXELS", 1_000_000)
            tracemalloc.start()
            (results,) = predict(forward, image, config, NAMES)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert results.orig_shape == (side, side) and len(results) == 0
    assert peaks[1] < 20e6 and peaks[1] - peaks[0] < 1e6


def test_arguments():
    assert PredictConfig().tile is None and PredictConfig().overlap == 0.2
    for wrong in ({"tile": 8}, {"tile": 0.5}, {"overlap": 1}, {"overlap": -0.1}, {"range": "x"}, {"max_pixels": 0}):
        with pytest.raises(SeglabError, match=next(iter(wrong))):
            PredictConfig(**wrong)
    assert PredictConfig(range=4095).reading.range == (0, 4095)
    assert PredictConfig(range=[100, 4000]).reading.range == (100, 4000)
    for whole_only in ({"visualize": True}, {"retina_masks": False}):
        with pytest.raises(SeglabError, match="does not work with tile="):
            PredictConfig(tile=640, **whole_only)
    for wrong in ((5, 5), (5, 1), (1, 2, 3), float("nan"), -4):
        with pytest.raises(SeglabError, match="range="):
            PredictConfig(range=wrong)


def test_masks_are_kept_as_run_lengths_and_given_as_crops():
    """A disc of radius r takes bytes for its 2 r columns, where its pixels are 3 r squared."""
    y, x = np.mgrid[:201, :201]
    disc = (x - 100) ** 2 + (y - 100) ** 2 <= 100**2
    given: list[MaskCrop] = [(number, 2 * number, disc) for number in range(5)]
    kept = PackedCrops(map(pack_crop, given))
    assert sum(len(one.rle["counts"]) for one in kept.packed) < disc.size * len(given) / 20
    masks = Masks(kept, (500, 500))
    chosen = masks[[4, 1]]
    assert isinstance(chosen.crops, PackedCrops) and [crop[:2] for crop in chosen.crops] == [(4, 8), (1, 2)]
    plain = Masks(given, (500, 500))[[4, 1]]
    assert chosen.rle == plain.rle and (chosen.numpy().data == plain.numpy().data).all()
    for one, other in zip(chosen.rings, plain.rings):
        np.testing.assert_array_equal(one[0], other[0])
