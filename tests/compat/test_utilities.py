import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from seglab.compat.utilities import (
    YAML,
    Profile,
    ThreadingLocked,
    WorkingDirectory,
    check_det_dataset,
    check_file,
    check_requirements,
    file_size,
    get_flops,
    get_num_gradients,
    get_num_params,
    img2label_paths,
    init_seeds,
    make_divisible,
    model_info,
    polygon2mask,
    polygons2masks,
    polygons2masks_overlap,
    smart_inference_mode,
    time_sync,
    unwrap_model,
    yaml_load,
    yaml_save,
)
from seglab.errors import SeglabError
from seglab.model.yolo11 import YOLO11Seg

SQUARE = np.array([[2, 2], [9, 2], [9, 9], [2, 9]], float)


def test_time_is_measured_and_summed():
    profile = Profile()
    for _ in range(2):
        with profile:
            time.sleep(0.002)
    assert 0.002 <= profile.dt < profile.t and str(profile).endswith(" s") and time_sync() > 0


def test_networks_are_counted():
    model = YOLO11Seg("n", 80)
    layers, parameters, learning, flops = model_info(model, verbose=False)
    assert (layers, parameters) == (203, get_num_params(model)) and learning == get_num_gradients(model)
    assert flops == get_flops(model) == pytest.approx(get_flops(model, [320, 320]) * 4, rel=0.01)
    assert unwrap_model(nn.DataParallel(model)) is model


def test_numbers():
    assert [make_divisible(x, 32) for x in (1, 32, 33, 96.5)] == [32, 32, 64, 128]
    init_seeds(3)
    first = torch.rand(1), np.random.rand()
    init_seeds(3)
    assert (torch.rand(1), np.random.rand()) == first
    assert not smart_inference_mode()(lambda: torch.ones(1, requires_grad=True) * 2)().requires_grad


def test_files(tmp_path):
    YAML.save(tmp_path / "deep/data.yaml", {"path": tmp_path, "names": {0: "cup"}}, "# mine\n")
    data = YAML.load(tmp_path / "deep/data.yaml", append_filename=True)
    assert data == {"path": str(tmp_path), "names": {0: "cup"}, "yaml_file": str(tmp_path / "deep/data.yaml")}
    (tmp_path / "big").write_bytes(bytes(1 << 20))
    assert file_size(tmp_path / "big") == 1 and file_size(tmp_path) > 1 and file_size(tmp_path / "none") == 0
    with WorkingDirectory(tmp_path):
        assert check_file("big") == "big" and check_file("none", hard=False) == ""
        with pytest.raises(SeglabError, match="there is no file none"):
            check_file("none")
    assert img2label_paths(["/a/images/b/images/c.png"]) == ["/a/images/b/labels/c.txt"]


@pytest.mark.parametrize("points", [SQUARE, SQUARE[::-1], SQUARE.reshape(-1)])
def test_a_polygon_is_filled_whichever_way_it_goes(points):
    mask = polygon2mask((12, 16), [points], color=5)
    assert mask.shape == (12, 16) and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 5}
    assert (mask > 0).sum() == 64
    assert polygon2mask((12, 16), [points], downsample_ratio=4).shape == (3, 4)


def test_polygons_are_mask_images_of_their_own_and_one_together():
    small = SQUARE / 2
    masks = polygons2masks((12, 16), [small, SQUARE])
    assert masks.shape == (2, 12, 16) and masks[1].sum() == 64
    together, order = polygons2masks_overlap((12, 16), [small, SQUARE])
    assert order.tolist() == [1, 0] and set(np.unique(together)) == {0, 1, 2}
    assert ((together == 2) == (masks[0] > 0)).all()  # the smaller one is on top
    outline = cv2.findContours(masks[1], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0]
    assert (polygon2mask((12, 16), [outline]) == masks[1]).all()


def test_one_thread_at_a_time_is_in_a_locked_function():
    inside = []
    most = []

    @ThreadingLocked()
    def work(number):
        inside.append(number)
        most.append(len(inside))
        time.sleep(0.002)
        inside.remove(number)
        return number

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4 and work(7) == 7 and work.__name__ == "work"


def test_requirements_are_looked_up_and_never_installed(tmp_path, capsys):
    assert check_requirements("numpy>=1.20") and check_requirements(["numpy", "torch"])
    assert not check_requirements(("numpy<1", "no-such-package-of-anyone>=2"))
    assert "pip install 'numpy<1' 'no-such-package-of-anyone>=2'" in capsys.readouterr().out
    listed = tmp_path / "requirements.txt"
    listed.write_text("numpy  # arrays\n\n# nothing\nno-such-package-of-anyone\n")
    assert not check_requirements(listed) and check_requirements(listed, exclude=["no-such-package-of-anyone"])


def test_older_names_of_yaml(tmp_path):
    yaml_save(tmp_path / "a.yaml", {"nc": 3})
    assert yaml_load(tmp_path / "a.yaml") == {"nc": 3}


def test_a_dataset_is_told_as_a_mapping(tmp_path):
    data = check_det_dataset("toybox8-seg")
    assert data["nc"] == len(data["names"]) == 10 and Path(data["train"]).is_dir() and data["channels"] == 3
    for number in (1, 2):  # images of one split in two folders
        (tmp_path / f"images{number}").mkdir()
        cv2.imwrite(str(tmp_path / f"images{number}/a{number}.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "d.yaml").write_text("train: [images1, images2]\nval: images1\nnames: [x]\n")
    data = check_det_dataset(tmp_path / "d.yaml")
    assert [Path(path).name for path in data["train"]] == ["a1.png", "a2.png"]
    assert data["val"] == str(tmp_path / "images1") and data["yaml_file"] == str(tmp_path / "d.yaml")
