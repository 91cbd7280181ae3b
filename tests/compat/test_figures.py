"""The curves of a training and the labels of an image, drawn by the calls that scripts use."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from seglab.compat import figures
from seglab.errors import SeglabError


def test_the_curves_of_a_run_are_drawn_beside_its_csv(tmp_path):
    (tmp_path / "results.csv").write_text("epoch,time,train/box_loss,lr/pg0\n1,1.0,2.5,0.1\n2,2.0,1.5,0.05\n")
    figures.plot_results(file=tmp_path / "results.csv")
    first = cv2.imread(str(tmp_path / "results.png"))
    assert first is not None and len(np.unique(first)) > 10
    (tmp_path / "results.png").unlink()
    figures.plot_results(dir=tmp_path)
    assert np.array_equal(cv2.imread(str(tmp_path / "results.png")), first)
    with pytest.raises(SeglabError, match=r"there is no .*other\.csv: give the results.csv of a training"):
        figures.plot_results(tmp_path / "other.csv")


def test_the_labels_of_an_image_are_shown(tmp_path, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(figures, "show_image", shown.append)
    image = np.full((60, 80, 3), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    labels = tmp_path / "a.txt"
    labels.write_text("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n9 0 0 1 0 1 1\n")
    figures.visualize_image_annotations(tmp_path / "a.png", labels, {0: "cup", 1: "car"})
    (drawn,) = shown
    assert drawn.shape == image.shape and (drawn[15:46, 20] != 255).any() and (drawn[:, 70] == 255).all()
    assert "a.txt" in capsys.readouterr().out  # the row of a class that is not there
    with pytest.raises(SeglabError, match="not an image that can be read"):
        figures.visualize_image_annotations(labels, labels, {})
