"""The command line's grammar and its exit status."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from dataclasses import MISSING
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from seglab import __version__
from seglab.cli import main
from seglab.cli.help import WIDTH, describe_mode, mode_arguments, overview
from seglab.cli.modes import MODES
from seglab.cli.parsing import parse, parse_value
from seglab.config import VERBS, verb_arguments
from seglab.datasets.load import load_dataset
from seglab.datasets.pretrained import find_weights
from seglab.errors import SeglabError
from seglab.export.metadata import ModelMetadata
from seglab.export.runtime import Runtime
from seglab.files import bundled_data_dir
from seglab.model.weights import load_weights


@pytest.mark.parametrize(
    "line",
    [
        "segment train data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
        "train segment data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
        "train data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
        "task=segment mode=train data=coco8-seg.yaml model=yolo11n-seg.yaml epochs=100 imgsz=640",
    ],
)
def test_either_word_order_means_the_same(line):
    expected = {"data": "coco8-seg.yaml", "model": "yolo11n-seg.yaml", "epochs": 100, "imgsz": 640}
    assert parse(line.split()) == ("train", expected)


def test_values_become_what_they_look_like():
    _, options = parse(
        ["val", "a=1", "b=0.5", "c=True", "d=none", "e=[0,1]", "f=coco.yaml", "g='x y'", "h=", "i=1e-3", "--strict"]
    )
    assert options == {
        "a": 1, "b": 0.5, "c": True, "d": None, "e": [0, 1], "f": "coco.yaml", "g": "x y", "h": None, "i": 1e-3,
        "strict": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line, options",
    [
        ("predict save save_crop source=a.jpg", {"save": True, "save_crop": True, "source": "a.jpg"}),
        ("predict --conf 0.3 --source x --save", {"conf": 0.3, "source": "x", "save": True}),
        ("predict --save --conf=0.3", {"save": True, "conf": 0.3}),
        ("--half predict", {"half": True}),
        ("predict --half false --iou 0.5", {"half": False, "iou": 0.5}),
        ("train --data x --epochs 3", {"data": "x", "epochs": 3}),
        ("train imgsz= 640 epochs =3 batch = 8", {"imgsz": 640, "epochs": 3, "batch": 8}),
        ("train epochs=3, imgsz=64, data=x,", {"epochs": 3, "imgsz": 64, "data": "x"}),
        ("train data= epochs=3", {"data": None, "epochs": 3}),
        ("train resume", {"resume": True}),
        ("train --resume runs/segment/train", {"resume": "runs/segment/train"}),
        ("train --cache disk --cos-lr", {"cache": "disk", "cos_lr": True}),
        ("predict classes=0,2 imgsz=480,640", {"classes": (0, 2), "imgsz": (480, 640)}),
        ("predict hide_labels", {"hide_labels": True}),
        ("export dynamic simplify format=onnx", {"dynamic": True, "simplify": True, "format": "onnx"}),
    ],
)
def test_words_as_people_type_them(line, options):
    words = line.split()
    mode = next(word for word in words if word in VERBS)
    assert parse(words) == (mode, options)


@pytest.mark.parametrize(
    "line, told",
    [
        ("train epochs", "epochs needs a value: write epochs=... (see `seglab help train`)"),
        ("predict conf source=a.jpg", "conf needs a value"),
        ("train batch_size=3", "did you mean 'batch'"),
        ("predict image=a.jpg", "did you mean 'source'"),
        ("predict protocol=yolo", "it belongs to val, pass it there"),
        ("export qqq=3", "`seglab help export` lists all"),
    ],
)
def test_wrong_words_name_what_was_meant(line, told, capsys):
    assert main(line.split() if line.startswith("train") else [*line.split(), "model=toybox-n"]) == 2
    error = capsys.readouterr().err
    assert told in error and len(error.strip().splitlines()) == 1


def test_a_runs_folder_is_a_model_and_a_yaml_a_source(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "runs/segment/train/weights"
    weights.mkdir(parents=True)
    shutil.copy(find_weights("toybox-n"), weights / "best.safetensors")
    yaml_file = bundled_data_dir() / "toybox8-seg/toybox8-seg.yaml"
    assert main(f"predict model=runs/segment/train source={yaml_file} imgsz=64 save=False".split()) == 0
    assert capsys.readouterr().out.count("toybox8-seg/images/val/") == 4
    assert find_weights(weights) == weights / "best.safetensors"
    with pytest.raises(SeglabError, match="give a run's folder"):
        find_weights(tmp_path)


@pytest.mark.parametrize("text", ["", "interrupted in epoch 2; resume with: seglab train resume=runs/segment/train"])
def test_an_interruption_is_told_once_and_says_what_the_training_says(monkeypatch, capsys, text):
    def interrupted(given, options):
        raise KeyboardInterrupt(*[text] if text else [])

    monkeypatch.setitem(MODES, "train", interrupted)
    assert main(["train"]) == 130
    assert capsys.readouterr() == ("", f"seglab: {text or 'interrupted'}\n")


def test_frames_of_a_video_are_numbered(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    writer = cv2.VideoWriter("a.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 5, (64, 64))
    for value in range(5):
        writer.write(np.full((64, 64, 3), 40 * value, np.uint8))
    writer.release()
    assert main("predict model=toybox-n source=a.mp4 imgsz=64 vid_stride=2 save_frames".split()) == 0
    shown = re.findall(r"a\.mp4 frame (\d+): ", capsys.readouterr().out)
    assert shown == ["1", "3", "5"]
    assert {path.name for path in Path("runs/segment/predict/a_frames").iterdir()} == {"1.jpg", "3.jpg", "5.jpg"}


def test_settings_and_the_file_of_all_arguments(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGLAB_CACHE", str(tmp_path / "cache"))
    assert main(["settings"]) == 0
    assert str(tmp_path / "cache") in capsys.readouterr().out
    assert main(["cfg"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    for verb in ("train", "val", "predict", "export"):
        assert set(verb_arguments(verb)) <= shown.keys()
    assert shown["epochs"] == 100 and shown["conf"] is None  # another in every verb
    assert main(["copy-cfg", "mine.yaml"]) == 0 and yaml.safe_load(Path("mine.yaml").read_text()) == shown
    assert main(["copy-cfg"]) == 0 and Path("default_copy.yaml").is_file()  # as ultralytics calls it
    assert main(["copy-cfg", "mine.yaml"]) == 2 and "already exists" in capsys.readouterr().err


def test_a_file_of_arguments_may_say_the_mode(tmp_path, monkeypatch, capsys):
    """As ultralytics takes it; a mode on the command line goes before that of the file, and so do other values."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("task: segment\nmode: predict\nmodel: toybox-n\nsource: toybox8-seg\nimgsz: 64\n")
    assert parse(["cfg=mine.yaml", "conf=0.9"]) == ("predict", {"cfg": "mine.yaml", "conf": 0.9})
    assert parse(["--cfg", "mine.yaml"])[0] == "predict"
    assert parse(["val", "cfg=mine.yaml"])[0] == "val" and parse(["mode=val", "cfg=mine.yaml"])[0] == "val"
    assert main(["cfg=mine.yaml", "save_txt", "max_det=2", "conf=0.01"]) == 0
    written = [path.read_text().splitlines() for path in Path("runs/segment/predict/labels").glob("*.txt")]
    assert written and max(map(len, written)) <= 2
    capsys.readouterr()

    Path("mine.yaml").write_text("task: segment\nmodel: toybox-n\n")
    assert main(["cfg=mine.yaml"]) == 2 and "no mode given" in capsys.readouterr().err
    Path("mine.yaml").write_text("mode: trian\n")
    assert main(["cfg=mine.yaml"]) == 2 and "did you mean 'train'" in capsys.readouterr().err
    assert main(["cfg=other.yaml"]) == 2 and "other.yaml: there is no such file" in capsys.readouterr().err


def test_an_equals_sign_inside_a_value_stays():
    assert parse(["predict", "source=https://host/a.jpg?x=1"])[1] == {"source": "https://host/a.jpg?x=1"}


def test_a_wrong_mode_names_the_nearest_one():
    with pytest.raises(SeglabError, match="did you mean 'train'"):
        parse(["trian", "data=coco8-seg"])
    with pytest.raises(SeglabError, match="did you mean 'train'"):
        parse(["mode=trian", "data=coco8-seg"])
    with pytest.raises(
        SeglabError, match=r"unexpected argument 'photo\.jpg': write key=value, e\.g\. source=photo\.jpg"
    ):
        parse(["predict", "photo.jpg"])
    with pytest.raises(SeglabError, match=r"write `seglab MODE data=\.\.\.`, where MODE is one of train, val"):
        parse(["data=coco8-seg"])
    with pytest.raises(SeglabError, match="task=detect is not supported"):
        parse(["train", "task=detect"])


@pytest.mark.parametrize("line", ["qqqq", "help qqqq", "qqqq data=a", "train task=detect", "val model=x.pt task=pose"])
def test_an_error_names_seglab_once_and_a_help_page_that_exists(line, capsys):
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("seglab: ") and not error.startswith("seglab: seglab ")
    named = re.findall(r"`seglab help (\S+)`", error)
    assert all(mode in VERBS for mode in named)
    assert "there is no mode 'qqqq': choose one of benchmark" in error or "qqqq" not in line


def test_problems_are_one_line_and_status_2(capsys):
    assert main(["train", "epocs=3", "data=toybox8-seg"]) == 2
    assert "did you mean 'epochs'" in capsys.readouterr().err
    assert main(["val", "model=nowhere.safetensors"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("seglab: ") and "nowhere.safetensors" in error and len(error.strip().splitlines()) == 1
    assert main(["evaluate", f"gt={__file__}/below", "dt=b"]) == 2  # the system's own refusals too
    assert main(["toybox", "count=2", f"out={__file__}/below"]) == 2
    assert "Not a directory" in capsys.readouterr().err
    assert main(["predict", "model=toybox-n", "conf=high"]) == 2
    assert "conf='high' must be of type float" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("val model=11", "no model '11'"),
        ("train model=toybox-n data=2024", "no dataset '2024'"),
        ("val model=toybox-n data=2024", "no dataset '2024'"),
        ("check data=2024", "no dataset '2024'"),
        ("convert source=2025 out=made", "no dataset '2025'"),
        ("evaluate gt=1 dt=2", "no file 1"),
        ("predict model=toybox-n source=1.5", "no image, video or folder at 1.5"),
        ("toybox count=many", "count='many' must be of type int"),
        ("toybox count=2.0", "count=2.0 must be of type int"),
        ("toybox size=0", "size must be one side or (height, width) in pixels, not 0"),
        ("toybox size=-64", "size must be one side or (height, width) in pixels, not -64"),
        ("toybox size=[320,320,3]", "size must be one side or (height, width) in pixels, not [320, 320, 3]"),
        ("toybox size=[320,64.0]", "size must be one side or (height, width) in pixels, not [320, 64.0]"),
        ("toybox seed=-1", "seed=-1 must be at least 0"),
        ("demo epochs=x", "epochs='x' must be of type int"),
        ("explore imgsz=big", "imgsz='big' must be of type int | None"),
        ("train --cfg", "cfg=True is not the name of a file"),
        ("verify 3", "no weights at 3.safetensors: pass model=, the weights that 3 was exported from"),
    ],
)
def test_what_does_not_fit_is_told(line, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    error = capsys.readouterr().err.strip()
    assert told in error and len(error.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_a_folder_may_be_called_2024(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundled_data_dir() / "toybox8-seg/images/val", "2024")
    assert main("predict model=toybox-n source=2024 imgsz=64 stream=true".split()) == 0
    assert len(list(Path("runs/segment/predict").glob("*.jpg"))) == 4
    shutil.copytree(bundled_data_dir() / "toybox8-seg", "2025")
    assert main("val model=toybox-n data=2025 imgsz=64 verbose=False".split()) == 0


def test_every_line_of_the_segmentation_page(tmp_path, monkeypatch, capsys):
    """With toybox8-seg for its data, fewer and smaller steps, and the course weights in a file of the official name."""
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    weights = load_weights(find_weights("toybox-n"))
    content = {"model": dict(weights.state), "names": weights.metadata["names"]}
    torch.save(content | {"train_args": {"data": "/there/toybox8-seg.yaml"}}, "yolo11n-seg.pt")
    tiny = "data=toybox8-seg.yaml epochs=1 imgsz=64 workers=0 plots=False"
    image = bundled_data_dir() / "toybox8-seg/images/val/000016.jpg"
    best = "runs/segment/train/weights/best.pt"
    for line, status in (
        (f"segment train model=yolo11n-seg.yaml {tiny}", 0),
        (f"segment train model=yolo11n-seg.pt {tiny}", 0),
        (f"segment train model=yolo11n-seg.yaml pretrained=yolo11n-seg.pt {tiny}", 0),
        ("segment val model=yolo11n-seg.pt", 0),
        (f"segment val model={best}", 0),
        ("val segment model=yolo11n-seg.pt data=toybox8-seg.yaml batch=1 device=cpu", 0),
        (f"segment predict model=yolo11n-seg.pt source={image}", 0),
        (f"segment predict model={best} source={image}", 0),
        ("segment predict model=yolo11n-seg.pt source='https://ultralytics.com/images/bus.jpg'", 2),
        ("export model=yolo11n-seg.pt format=onnx", 0),
        (f"export model={best} format=onnx", 0),
        (f"predict model=yolo11n-seg.onnx source={image}", 0),
    ):
        assert main(shlex.split(line)) == status, line
        error = capsys.readouterr().err
        assert status == 0 or ("cannot fetch https://ultralytics.com" in error and "SEGLAB_OFFLINE is set" in error)
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.suffix in (".jpg", ".onnx")}
    images = {f"runs/segment/predict{number}/000016.jpg" for number in ("", 2, 3)}
    assert made == {"yolo11n-seg.onnx", best.replace(".pt", ".onnx"), *images}


def test_training_without_a_model_begins_from_official_weights(monkeypatch, capsys):
    """Offline, and with none in the cache, one sentence says the ways out; nothing is trained from random weights."""
    monkeypatch.setenv("SEGLAB_OFFLINE", "1")
    assert main(["train", "data=toybox8-seg", "epochs=1"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "yolo11n-seg.pt could not be downloaded" in told
    for way_out in ("by hand", "a file of your own", "model=toybox-n", "model=yolo11n-seg.yaml to train from scratch"):
        assert way_out in told
    opened = []

    class Model:
        def __init__(self, model):
            opened.append(model)

        def train(self, **_):
            pass

    monkeypatch.setattr("seglab.yolo.YOLO", Model)
    for words in ([], ["pretrained=mine.safetensors"], ["pretrained=False"], ["model=a.pt", "pretrained=b.pt"]):
        assert main(["train", "data=toybox8-seg", *words]) == 0
    assert opened == ["yolo11n-seg.pt", "mine.safetensors", "yolo11n-seg.yaml", "a.pt"]


def test_what_a_mode_needs_and_does_not_know(capsys):
    for line, told in (
        ("convert sauce=a.json", "did you mean 'source'"),
        ("convert", "convert needs the argument source"),
        ("evaluate gt=a.json", "evaluate needs the argument dt"),
        ("evaluate gt=a.json dt=b.json", "no file a.json"),
        ("check data=toybox8-seg ot=none", "did you mean 'out'"),
        ("doctor model=toybox-n thres=3", "doctor has no argument 'thres'"),
        ("doktor model=toybox-n", "no mode 'doktor': did you mean 'doctor'"),
        ("mode=3", "no mode '3'"),
        ("demo epoch=3", "did you mean 'epochs'"),
        ("toybox count=0", "count=0 must be at least 1"),
        ("explore sorce=a.jpg", "did you mean 'source'"),
    ):
        assert main(line.split()) == 2
        assert told in capsys.readouterr().err


def test_convert_check_and_evaluate_from_the_command_line(tmp_path, capsys, monkeypatch):
    """Every form: both ways, --strict that passes and one that does not, figures as a table and as JSON."""
    monkeypatch.chdir(tmp_path)
    ground_truth = bundled_data_dir() / "toybox8-seg" / "annotations" / "instances_val.json"
    images = bundled_data_dir() / "toybox8-seg" / "images" / "val"
    to_yolo = f"convert source={ground_truth} images={images}".split()
    assert main([*to_yolo, "out=made", "--strict"]) == 0
    shown = capsys.readouterr().out
    assert "4 of 4" in shown and "one polygon per row" in shown and "0 lost" in shown
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"images", "labels", "annotations", "made.yaml"}
    assert main(["convert", "source=made/made.yaml", "to=coco", "out=back.json", "strict=0.99"]) == 0
    capsys.readouterr()

    content = json.loads(ground_truth.read_text())
    content["annotations"][0]["category_id"] = 99
    (tmp_path / "odd.json").write_text(json.dumps(content))
    assert main(["convert", "source=odd.json", f"images={images}", "out=odd", "--strict=0.9"]) == 1
    assert "unknown category" in capsys.readouterr().out and not (tmp_path / "odd").exists()

    rows = [
        {key: row[key] for key in ("image_id", "category_id", "segmentation", "bbox")} | {"score": 0.9}
        for row in json.loads((tmp_path / "back.json").read_text())["annotations"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    for kind in ("bbox", "segm", "boundary"):
        assert main(["evaluate", "gt=back.json", "dt=results.json", f"iou_type={kind}", "json=True"]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert len(figures) == 12 and figures["AP"] == pytest.approx(1)
    assert main(["evaluate", "gt=back.json", "dt=results.json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 12
    assert main(["evaluate", "gt=back.json", "dt=results.json", "iou_type=keypoints"]) == 2

    assert main(["check", "data=made/made.yaml"]) == 0
    assert "contact sheet" in capsys.readouterr().out and (tmp_path / "runs" / "check" / "made.jpg").is_file()


def test_doctor_from_the_command_line(capsys):
    assert main("doctor model=toybox-n data=toybox8-seg device=cpu imgsz=320".split()) == 0
    assert "Verdict" in capsys.readouterr().out


def test_whoever_asks_for_help_starts_nothing(capsys):
    for line in ("train --help", "train data=coco8-seg -h", "help train"):
        assert parse(line.split()) == ("help", {"mode": "train"})
    assert parse(["--help", "train"]) == ("help", {"mode": None})
    assert parse(["train", "--version"]) == ("version", {})


def test_a_file_is_verified_against_weights_only(capsys, monkeypatch):
    runtime = Runtime("b.onnx", ModelMetadata({0: "a"}), None)
    monkeypatch.setattr("seglab.export.registry.load_runtime", lambda path, trust: runtime)
    assert main(["verify", "a.onnx", "model=b.onnx"]) == 2
    assert "give the weights of a.onnx" in capsys.readouterr().err


def test_help_of_a_mode_lists_all_that_it_takes(capsys):
    for mode, verb in VERBS.items():
        assert main(["help", mode]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"seglab {mode}: {verb.text}") and verb.example in shown
        assert max(map(len, shown.splitlines())) <= WIDTH
        for name in verb_arguments(mode):
            assert re.search(rf"^  {name}=", shown, re.MULTILINE), name
    assert main(["help", "vall"]) == 2 and "did you mean 'val'" in capsys.readouterr().err
    assert main(["val", "--help"]) == 0 and capsys.readouterr().out == describe_mode("val") + "\n"


def test_help_shows_defaults_as_they_are_typed():
    """What is read back from it is the default."""
    for mode in VERBS:
        for about in mode_arguments(mode):
            line = next(line for line in describe_mode(mode).splitlines() if line.startswith(f"  {about.name}="))
            written = line.split()[0].partition("=")[2]
            if about.default is MISSING:
                assert written == "" and "(required)" in describe_mode(mode)
            elif isinstance(about.default, tuple):
                assert parse_value(written) == list(about.default)
            else:
                assert parse_value(written) == about.default


def test_help_groups_the_arguments_of_training():
    shown = describe_mode("train")
    headings = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
    assert {"Optimizer", "Loss", "Augmentation", "Output"} <= set(headings) and len(headings) == len(set(headings))
    optimizer = shown.partition("Optimizer:\n")[2].partition("\n\n")[0]
    assert "lr0=None" in optimizer and "mosaic" not in optimizer


def test_torchruns_processes_share_what_is_predicted_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos = load_dataset("toybox8-seg").images("val")
    for photo in photos[:3]:
        shutil.copy(photo, tmp_path / photo.name)
    words = ["predict", "model=toybox-n", f"source={tmp_path}", "imgsz=64", "save_txt=True", "save=False", "conf=0.01"]
    monkeypatch.setenv("WORLD_SIZE", "4")
    for part in range(4):
        monkeypatch.setenv("RANK", str(part))
        assert main([*words, "engine=torch"]) == 0
    assert "part 4 of 4: the source has no more images" in capsys.readouterr().out
    labels = [
        sorted(file.stem for file in Path("runs/segment").glob(f"predict-{part}-of-4/labels/*")) for part in (1, 2, 3)
    ]
    assert labels == [[photo.stem] for photo in photos[:3]]
    assert main([words[0], words[1], f"source={photos[0]}"]) == 2
    assert "cannot be shared by 4 processes" in capsys.readouterr().err


def test_the_command_line_saves_predictions_and_says_so():
    shown = {about.name: about.default for about in mode_arguments("predict")}
    assert shown["save"] is True and shown["verbose"] is True


def test_every_mode_has_a_function():
    assert list(MODES) == list(VERBS)


def test_an_example_of_every_mode_can_be_parsed():
    for mode, verb in VERBS.items():
        words = shlex.split(verb.example)
        assert words[0] == "seglab"
        parsed, options = parse(words[1:])
        assert parsed == mode and set(options) <= set(verb_arguments(mode))


def test_version_and_help(capsys):
    assert main(["version"]) == 0 and capsys.readouterr().out.strip() == __version__
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert shown == overview() + "\n"
    assert all(f"  {mode} " in shown and verb.text in shown for mode, verb in VERBS.items())
    examples = shown.partition("Examples:\n")[2].splitlines()
    assert [line.strip() for line in examples] == [verb.example for verb in VERBS.values()]


def test_a_console_that_lacks_a_letter_of_a_class_ends_nothing(tmp_path, monkeypatch):
    shutil.copytree(bundled_data_dir() / "toybox8-seg/images", tmp_path / "images")
    names = "[cup, 猫, c, d, e, f, g, h, i, j]"
    text = f"train: images/train\nval: images/val\nnames: {names}\n"
    (tmp_path / "d.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/000016.txt").write_text("1 0.1 0.1 0.5 0.1 0.5 0.5\n")
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr("sys.stdout", console)
    assert main(["check", f"data={tmp_path / 'd.yaml'}", f"out={tmp_path / 'out'}"]) == 0
    console.flush()
    assert b"\\u732b " in console.buffer.getvalue()


def test_a_message_names_the_command_once(capsys):
    assert main(["x"]) == 2
    assert capsys.readouterr().err.startswith("seglab: there is no mode 'x'")
    assert main(["predict", "model=nowhere.pt"]) == 2
    assert capsys.readouterr().err.startswith("seglab: ")
