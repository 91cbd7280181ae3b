"""Images held out from training: what belongs together stays together, rare classes are on both sides, once for all."""

import errno
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from seglab.data import holdout
from seglab.data.holdout import assign_groups, group_images, hold_out, hold_out_once
from seglab.datasets.load import load_dataset
from seglab.errors import SeglabError

ROW = "0.1 0.1 0.5 0.1 0.5 0.5\n"


def make(folder, classes, names=None):
    """A folder of images of noise with YOLO labels beside them. classes: of the instance on each image."""
    folder.mkdir()
    for number, class_id in enumerate(classes):
        name = names[number] if names else f"photo_of_{chr(97 + number // 26)}{chr(97 + number % 26)}"
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"{class_id} {ROW}")
    (folder / "classes.txt").write_text("cup\nkite\ndonut\n")
    return folder


def test_a_fifth_is_held_out_and_the_same_again_for_the_same_seed(tmp_path):
    spec = load_dataset(make(tmp_path / "a", [0, 1] * 20))
    split = hold_out(spec, 0.2, 0.1, seed=3)
    sizes = {name: len(images) for name, images in split.splits.items()}
    assert sizes == {"train": 28, "val": 8, "test": 4}
    assert set().union(*split.splits.values()) == set(spec.images("train"))
    assert hold_out(spec, 0.2, 0.1, seed=3).splits == split.splits != hold_out(spec, 0.2, 0.1, seed=4).splits


def test_a_class_of_two_images_is_on_both_sides(tmp_path):
    spec = load_dataset(make(tmp_path / "a", [0] * 38 + [2] * 2))
    rare = {image.name for image in spec.images("train")[-2:]}
    for seed in range(5):
        split = hold_out(spec, 0.1, seed=seed)
        assert len(rare & {image.name for image in split.images("val")}) == 1


@pytest.mark.parametrize(
    "names, together",
    [
        (["street_jpg.rf.0a1b", "street_jpg.rf.9f8e", "lake_jpg.rf.77aa"], [2, 1]),
        (["field_0_0", "field_0_512", "wood_0_0"], [2, 1]),
        (["drive_0001", "drive_0002", "walk_0001"], [2, 1]),
        (["IMG_0007", "IMG_0199", "IMG_0512"], [1, 1, 1]),  # a camera's own numbers
        (["000000000139", "000000000285", "000000000632"], [1, 1, 1]),
    ],
)
def test_images_of_one_source_stay_together(tmp_path, names, together):
    spec = load_dataset(make(tmp_path / "a", [0] * 3, names))
    assert sorted(map(len, group_images(spec.images("train"), 0.7)), reverse=True) == together


def test_one_video_is_cut_into_pieces_of_neighbors(tmp_path):
    spec = load_dataset(make(tmp_path / "a", [0] * 40, [f"clip_{number:04}" for number in range(40)]))
    groups = group_images(spec.images("train"), 0.2)
    assert [len(group) for group in groups] == [4] * 10
    for group in groups:
        numbers = [int(image.stem[-4:]) for image in group]
        assert max(numbers) - min(numbers) == 3


def test_equal_files_stay_together(tmp_path):
    folder = make(tmp_path / "a", [0] * 4)
    shutil.copy(folder / "photo_of_aa.png", folder / "again.png")
    (folder / "again.txt").write_text(f"0 {ROW}")
    groups = group_images(load_dataset(folder).images("train"), 0.3)
    assert sorted(map(len, groups)) == [1, 1, 1, 2]


def test_groups_fill_the_shares_and_never_leave_train_without_a_class():
    rng = np.random.default_rng(0)
    groups = [[f"{number}"] for number in range(200)]
    classes = {f"{number}": {int(rng.integers(0, 12)) ** 2 // 14} for number in range(200)}
    side = assign_groups(groups, classes, {"train": 0.7, "val": 0.3, "test": 0.0}, seed=1)
    assert abs(side.count("val") - 60) <= 6 and "test" not in side
    trained_on = set().union(*(classes[group[0]] for group, split in zip(groups, side) if split == "train"))
    assert trained_on == set().union(*classes.values())


def test_a_split_is_kept_and_found_again_by_every_verb(tmp_path):
    folder = make(tmp_path / "a", [0, 1] * 10)
    spec, path = hold_out_once(load_dataset(folder), 0.2)
    assert path == folder / "seglab-split.yaml"
    assert load_dataset(folder).splits == spec.splits and len(spec.images("val")) == 4
    assert hold_out_once(load_dataset(folder), 0.2)[0].splits == spec.splits  # asked for again: it holds
    with pytest.raises(SeglabError, match=r"already holds out 0\.2 .*delete the file"):
        hold_out_once(load_dataset(folder), 0.5)
    # A new image is trained on, and one that is gone is told.
    spec.images("val")[0].unlink()
    Image.new("RGB", (8, 8)).save(folder / "new.png")
    again = load_dataset(folder)
    assert folder / "new.png" in again.images("train") and len(again.images("val")) == 3
    assert [issue.message for issue in again.issues] == ["the split names images that are not in the dataset: 1"]


def test_a_split_file_elsewhere_is_a_dataset_of_its_own(tmp_path):
    folder = make(tmp_path / "a", [0, 1] * 10)
    spec, path = hold_out_once(load_dataset(folder), 0.2, out=tmp_path / "other-split.yaml")
    assert load_dataset(path).splits == spec.splits and "val" not in load_dataset(folder).splits
    assert yaml.safe_load(path.read_text())["source"] == "a"


def test_what_cannot_be_split_says_why(tmp_path):
    folder = make(tmp_path / "a", [0] * 4)
    spec = load_dataset(folder)
    with pytest.raises(SeglabError, match="leave nothing to train on"):
        hold_out(spec, 0.6, 0.5)
    with pytest.raises(SeglabError, match="already has a val split"):
        hold_out(hold_out(spec, 0.5), 0.2)
    with pytest.raises(SeglabError, match="copies, tiles or frames of the same image"):
        hold_out(load_dataset(make(tmp_path / "b", [0] * 2, ["x_jpg.rf.1a", "x_jpg.rf.2b"])), 0.5)


def test_val_keeps_its_share_where_many_classes_are_rare():
    rng = np.random.default_rng(0)
    groups = [[f"{number}"] for number in range(300)]
    frequency = 1 / np.arange(1, 81)
    classes = {
        group[0]: set(rng.choice(80, size=3, replace=False, p=frequency / frequency.sum()).tolist()) for group in groups
    }
    side = assign_groups(groups, classes, {"train": 0.8, "val": 0.2, "test": 0.0}, seed=0)
    assert side.count("val") == 60  # 67 before surplus ones were moved
    held = {split: set().union(*(classes[g[0]] for g, s in zip(groups, side) if s == split)) for split in set(side)}
    common = {id for id in range(80) if sum(id in found for found in classes.values()) > 1}
    assert common <= held["train"] and len(common - held["val"]) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_val_never_has_more_images_than_train(seed):
    rng = np.random.default_rng(seed)
    groups = [[f"{number}"] for number in range(6)]  # few images, on which every class is rare
    classes = {group[0]: set(rng.choice(10, size=5, replace=False).tolist()) for group in groups}
    side = assign_groups(groups, classes, {"train": 0.66, "val": 0.34, "test": 0.0}, seed)
    assert 2 <= side.count("val") <= 3


def test_a_disk_that_fails_draws_no_split(tmp_path, monkeypatch):
    """A kept split is for good, so it is not drawn from the labels that happened to be read."""
    spec = load_dataset(make(tmp_path / "a", [0, 1] * 5))
    read = holdout.image_size

    def fail(image):
        if image == spec.images("train")[3]:
            raise SeglabError("no") from OSError(errno.EIO, "Input/output error")
        return read(image)

    with monkeypatch.context() as patch:
        patch.setattr(holdout, "image_size", fail)
        with pytest.raises(SeglabError, match=r"cannot be read now .*check the disk"):
            hold_out_once(spec, 0.2, out=tmp_path / "split.yaml")
    assert not (tmp_path / "split.yaml").exists()
    hold_out_once(spec, 0.2, out=tmp_path / "split.yaml")
