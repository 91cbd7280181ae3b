"""Arguments by flat names: into a config and out of it, and through the run's args.yaml."""

from __future__ import annotations

import pytest
import yaml

from seglab.errors import SeglabError
from seglab.training.arguments import flatten, make_config, read_arguments, run_folder, write_arguments
from seglab.training.recipes import RECIPES


def test_flat_names_go_in_and_come_out():
    config = make_config(epochs=3, mosaic=0.25, imgsz=320)
    assert (config.epochs, config.imgsz, config.augment.mosaic) == (3, 320, 0.25)
    values = flatten(config)
    assert "augment" not in values and values["mosaic"] == 0.25
    assert make_config(**values) == config


def test_arguments_survive_the_runs_file(tmp_path):
    config = make_config(epochs=3, mosaic=0.25, freeze=[0, 1])
    write_arguments(tmp_path, config, ["a.yaml", "b.yaml"])
    values = read_arguments(tmp_path)
    assert "data" not in values and make_config(**values) == config
    written = yaml.safe_load((tmp_path / "args.yaml").read_text())
    assert (written["task"], written["mode"], written["data"]) == ("segment", "train", ["a.yaml", "b.yaml"])
    with pytest.raises(FileNotFoundError, match=r"no args\.yaml"):
        read_arguments(tmp_path / "elsewhere")


def test_what_is_given_wins_over_the_resumed_run_and_the_recipe(tmp_path):
    recipe = RECIPES["small"]
    name, value = next((name, value) for name, value in recipe.items() if isinstance(value, float))
    assert flatten(make_config(recipe="small"))[name] == value
    assert flatten(make_config(recipe="small", **{name: value / 2}))[name] == value / 2
    write_arguments(tmp_path, make_config(epochs=7, batch=2), "a.yaml")
    resumed = make_config(resume=str(tmp_path), batch=4)
    assert (resumed.epochs, resumed.batch) == (7, 4)


@pytest.mark.parametrize(
    ("resume", "folder"), [("runs/train", "runs/train"), ("runs/train/weights/last.safetensors", "runs/train")]
)
def test_a_run_is_meant_by_its_folder_or_its_weights(resume, folder):
    assert run_folder(resume).as_posix() == folder


def test_what_cannot_be_is_refused_with_the_way_out():
    with pytest.raises(SeglabError, match="did you mean 'epochs'"):
        make_config(epoch=3)
    with pytest.raises(SeglabError, match="give its folder"):
        make_config(resume=True)
    with pytest.raises(SeglabError, match="leave out freeze_bn=False"):
        make_config(keep=True, freeze_bn=False)
