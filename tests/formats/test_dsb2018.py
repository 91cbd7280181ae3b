"""Folders of one mask image an instance."""

from __future__ import annotations

import numpy as np

from seglab.convert import convert
from seglab.datasets.load import load_dataset
from seglab.formats.dsb2018 import is_here, read
from seglab.geometry.rle import area

from ..sources import HEIGHT, WIDTH, picture
from .writers import save


def write(folder, stem: str = "00ae65", masks: int = 2, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    picture(folder / stem / "images" / f"{stem}.png")
    (folder / stem / "masks").mkdir()
    for number in range(masks):
        mask = np.zeros(size, np.uint8)
        mask[2 : 6 + number, 3 + 10 * number : 11 + 10 * number] = 255
        save(mask, folder / stem / "masks" / f"{number:08x}.png")


def areas(source) -> list[list[int]]:
    return [[area(found.rle) for found in source.load(entry).instances] for entry in source.entries]


def test_every_mask_is_an_instance_and_an_image_may_have_none(tmp_path):
    write(tmp_path / "stage1_train", "a")
    write(tmp_path / "stage1_train", "b", masks=0)
    for source in (tmp_path, tmp_path / "stage1_train"):
        spec = load_dataset(source)
        assert spec.names == {0: "object"} and len(spec.images("train")) == 2
        assert areas(read(source)) == [[32, 40], []]
    assert areas(read(tmp_path / "stage1_train/a")) == [[32, 40]]


def test_a_gray_edge_is_half_inside_and_touching_parts_stay_one(tmp_path):
    write(tmp_path, "a", masks=0)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:10, 5:10] = 255
    mask[4, 5:10], mask[10, 5:10] = 200, 100
    mask[20:22, 20:22] = 255  # another part of it
    save(mask, tmp_path / "a/masks/1.png")
    assert areas(read(tmp_path)) == [[25 + 5 + 4]]


def test_a_mask_of_another_size_or_without_a_pixel_is_told(tmp_path):
    write(tmp_path, "a", masks=1)
    save(np.ones((HEIGHT, WIDTH + 1), np.uint8), tmp_path / "a/masks/wide.png")
    save(np.zeros((HEIGHT, WIDTH), np.uint8), tmp_path / "a/masks/zero.png")
    report = convert(tmp_path, out=tmp_path.with_name(f"{tmp_path.name}-out"))
    assert (report.instances, report.instances_written, report.lost) == (3, 1, 2)
    assert "wide.png  masks of two sizes" in str(report) and "zero.png  no area" in str(report)


def test_folders_called_train_and_val_are_splits(tmp_path):
    write(tmp_path / "train", "a")
    write(tmp_path / "val", "b")
    spec = load_dataset(tmp_path)
    assert {split: [image.stem for image in images] for split, images in spec.splits.items()} == {
        "train": ["a"],
        "val": ["b"],
    }


def test_one_id_map_of_the_images_own_name_is_another_format(tmp_path):
    picture(tmp_path / "train/images/a.png")
    save(np.ones((HEIGHT, WIDTH), np.uint8), tmp_path / "train/masks/a.png")
    assert not is_here(tmp_path)
