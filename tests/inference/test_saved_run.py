"""What prediction leaves on disk, and when."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seglab.config import SaveConfig
from seglab.errors import SeglabError
from seglab.inference import saved_run
from seglab.inference.instances import Boxes, Masks
from seglab.inference.results import Results
from seglab.inference.saved_run import save_results


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def result(path: str, level: int = 0) -> Results:
    """A gray image with one cup on it."""
    boxes = Boxes(torch.tensor([[8.0, 16, 40, 40, 0.9, 0]]), (48, 64))
    masks = Masks([(8, 16, np.ones((24, 32), bool))], (48, 64))
    return Results.of_image(np.full((48, 64, 3), level, np.uint8), path, {0: "cup"}, boxes, masks, {"inference": 1.0})


def files_of(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_nothing_is_made_where_nothing_is_written(here, capsys):
    given = [result("a.jpg"), result("b.jpg")]
    passed = list(save_results(given, SaveConfig(verbose=True, name="out")))
    assert passed == given and passed[0].save_dir is None
    assert capsys.readouterr().out.splitlines() == ["a.jpg: 1 cup, 1.0 ms", "b.jpg: 1 cup, 1.0 ms"]
    assert list(save_results([], SaveConfig(save=True))) == [] and list(here.iterdir()) == []


def test_the_folder_is_made_with_the_first_file_and_told(capsys):
    stream = save_results((result(f"{name}.png") for name in "ab"), SaveConfig(save=True))
    assert not Path("runs").exists()
    first = next(stream)
    assert first.save_dir == "runs/segment/predict" and files_of(first.save_dir) == ["a.jpg"]
    assert len(list(stream)) == 1 and capsys.readouterr().out == "Results saved to runs/segment/predict\n"
    (again,) = save_results([result("a.png")], SaveConfig(save=True))
    assert again.save_dir == "runs/segment/predict2"


def test_every_kind_of_file_and_the_looks_of_the_image():
    everything = SaveConfig(save=True, save_txt=True, save_conf=True, save_crop=True, project="p", name="n")
    (one,) = save_results([result("in/photo.v2.png")], everything)
    assert files_of("p/n") == ["crops/cup/photo.v2.jpg", "labels/photo.v2.txt", "photo.v2.jpg"]
    assert Path("p/n/labels/photo.v2.txt").read_text().split()[-1] == "0.9"
    assert cv2.imread("p/n/crops/cup/photo.v2.jpg").shape == (24, 32, 3)
    for change, plot in (
        ({"show_labels": False}, {"labels": False}),
        ({"show_conf": False}, {"conf": False}),
        ({"show_boxes": False}, {"boxes": False}),
        ({"line_width": 5}, {"line_width": 5}),
    ):
        list(save_results([result("a.jpg")], SaveConfig(save=True, name="look", exist_ok=True, **change)))
        one.save("expected.jpg", **plot)
        assert Path("runs/segment/look/a.jpg").read_bytes() == Path("expected.jpg").read_bytes()
        assert Path("expected.jpg").read_bytes() != Path("p/n/photo.v2.jpg").read_bytes()


def film(path: Path, frames: int, fps: float) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (64, 48))
    for _ in range(frames):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()


def read_film(path: Path) -> tuple[float, list[float]]:
    """Frames a second, and the brightness of every frame's corner."""
    capture, levels = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        levels.append(float(read[1][-6:, -6:].mean()))
    return capture.get(cv2.CAP_PROP_FPS), levels


def test_a_video_file_becomes_a_film_at_its_own_pace(here):
    for name, frames, fps in (("a.mp4", 6, 12.0), ("b.mp4", 2, 30.0)):
        film(here / name, frames, fps)
    shown = [result("a.mp4", 40 * i) for i in range(3)] + [result("x.jpg")] + [result("b.mp4", 200)] * 2
    list(save_results(iter(shown), SaveConfig(save=True, save_txt=True), vid_stride=2))
    texts = [f"labels/{name}.txt" for name in ("a_1", "a_3", "a_5", "b_1", "b_3", "x")]
    assert files_of("runs/segment/predict") == ["a.mp4", "b.mp4", *texts, "x.jpg"]
    fps, levels = read_film(here / "runs/segment/predict/a.mp4")
    assert fps == pytest.approx(6) and levels == pytest.approx([0, 40, 80], abs=6)
    fps, levels = read_film(here / "runs/segment/predict/b.mp4")
    assert fps == pytest.approx(15) and levels == pytest.approx([200, 200], abs=6)


def test_a_stream_that_breaks_off_leaves_a_whole_film(here):
    def broken():
        yield from [result("a.mp4", 90)] * 2
        raise RuntimeError("the camera fell")

    film(here / "a.mp4", 4, 10.0)
    with pytest.raises(RuntimeError) as caught:  # its traceback keeps every variable alive
        list(save_results(broken(), SaveConfig(save=True)))
    assert len(read_film(here / "runs/segment/predict/a.mp4")[1]) == 2 and caught.tb


def test_a_video_whose_last_step_fails_leaves_no_part(here, monkeypatch):
    def full(part, path, sync):
        raise OSError(28, "No space left on device")

    film(here / "a.mp4", 2, 10.0)
    monkeypatch.setattr(saved_run, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        list(save_results([result("a.mp4", 90)], SaveConfig(save=True)))
    assert files_of("runs/segment/predict") == []


def test_frames_of_no_file_stay_images():
    for path in ("rtsp://host/a.mp4", "0"):
        list(save_results([result(path)] * 2, SaveConfig(save=True, name="frames", exist_ok=True)))
    assert files_of("runs/segment/frames") == ["0_1.jpg", "0_2.jpg", "a_1.jpg", "a_2.jpg"]


def test_names_are_free(tmp_path):
    paths = ["a/same.jpg", "b/same.jpg", "same_2.jpg", "a/same.jpg"]
    list(save_results(map(result, paths), SaveConfig(save=True)))
    assert files_of("runs/segment/predict") == ["same.jpg", "same_2.jpg", "same_2_2.jpg", "same_3.jpg"]


def test_wrong_types_are_named():
    with pytest.raises(SeglabError, match="save='yes' must be of type bool"):
        SaveConfig(save="yes")


def test_names_are_free_and_allowed_on_every_system():
    """A.jpg is a.jpg on Windows and macOS, and an address may hold what is in no file's name on Windows."""
    paths = ["a/Same.jpg", "b/same.jpg", "http://host/photo?id=3", "rtsp://host:554"]
    list(save_results(map(result, paths), SaveConfig(save=True)))
    assert files_of("runs/segment/predict") == ["Same.jpg", "host_554_1.jpg", "photo_id=3.jpg", "same_2.jpg"]
    assert result("rtsp://host:554").save() == "results_host_554.jpg"
