"""Archives without a YAML, recognized by their folders."""

from seglab.datasets.load import load_dataset

from .shelf import counts, make_images


def test_a_known_folder_without_yaml_is_used_where_it_lies(tmp_path, monkeypatch):
    for split in ("train", "val"):
        make_images(tmp_path / "elsewhere/coco8-seg/images" / split, 4)
    monkeypatch.setenv("SEGLAB_DATASETS", str(tmp_path / "elsewhere"))
    spec = load_dataset("coco8-seg.yaml")
    assert counts(spec) == {"train": 4, "val": 4} and len(spec.names) == 80
    assert load_dataset(spec.yaml or spec.root) == spec
