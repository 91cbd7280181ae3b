import sys
import types

import pytest

from tests.loggers.followed import Stub, follow, make_folder, resume


@pytest.fixture
def library(monkeypatch):
    task = Stub()
    task.id = "t1"
    task.current = None
    task.offline = False
    task.current_task = lambda: task.current
    task.is_offline = lambda: task.offline
    task.init = lambda **named: task.calls.append(("init", (), named)) or task
    monkeypatch.setitem(sys.modules, "clearml", types.SimpleNamespace(Task=task))
    return task


def test_a_task_has_parameters_curves_images_and_weights(library, tmp_path):
    folder = make_folder(tmp_path / "train")
    follow("clearml", folder)
    ((_, begun),) = library.called("init")
    assert (begun["project_name"], begun["task_name"], begun["continue_last_task"]) == ("vines", "train", False)
    assert begun["auto_connect_frameworks"] is False  # nothing that nobody asked for
    assert library.called("connect")[0][0][0]["lr0"] == 0.01
    scalars = library.called("get_logger().report_scalar")
    assert (("train", "box_loss", 0.5), {"iteration": 2}) in scalars
    assert (("metrics", "mAP50-95(M)", 0.0), {"iteration": 0}) in scalars
    assert library.called("get_logger().report_image")[0][1]["local_path"] == str(folder / "results.png")
    assert library.called("update_output_model")[0][1]["model_path"] == str(folder / "weights/best.pt")
    assert len(library.called("close")) == 1
    resume("clearml", folder)
    assert library.called("init")[-1][1]["continue_last_task"] == "t1"


def test_a_task_of_the_users_own_is_used_and_left_open(library, tmp_path):
    library.current = library
    follow("clearml", make_folder(tmp_path / "train"))
    assert not library.called("init") and not library.called("close") and library.called("connect")


def test_offline_the_weights_are_a_file_of_the_session(library, tmp_path):
    library.offline = True
    folder = make_folder(tmp_path / "train")
    follow("clearml", folder)
    assert not library.called("update_output_model")
    assert library.called("upload_artifact") == [(("best", str(folder / "weights/best.pt")), {})]
