"""A folder as a dataset."""

from seglab.datasets.load import load_dataset

from .shelf import counts, make_dataset


def test_what_a_mac_puts_beside_files_on_other_disks_is_none_of_them(tmp_path):
    path = make_dataset(tmp_path / "shelf")
    for name in ("._mine.yaml", "images/train/._0.png", "images/val/.DS_Store", "images/val/Thumbs.db"):
        (tmp_path / "shelf" / name).write_bytes(b"\0\5\x16\7")
    assert counts(load_dataset(path.rename(tmp_path / "shelf/mine.yaml").parent)) == {"train": 3, "val": 2}
