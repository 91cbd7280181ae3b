"""The fine-tuning benchmark without a training: what its settings mean, what it measures, what its table says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from benchmarks.finetune import Run, folder_of, parse_setting, pooled_row
from benchmarks.finetune_data import chosen, task_in
from benchmarks.finetune_judge import judge
from benchmarks.finetune_table import spread, summarize, table


def metrics(box, mask):
    return {"box": {"AP": box, "AP50": box, "AP75": box}, "mask": {"AP": mask, "AP50": mask, "AP75": mask}}


def make_row(dataset="nuclei", tool="seglab", setting="ratio2", seed=0, box=0.5, mask=0.5, last=None, **other):
    decoders = ("seglab", "peer") if tool == "peer" else ("seglab",)
    row = {"dataset": dataset, "fold": None, "tool": tool, "setting": setting, "seed": seed, "seconds": 100.0}
    row |= {"cpu_seconds": 90.0, "moved": {"weights": 0.1, "statistics": 0.2}, "history": []}
    for decoder in decoders:
        row[f"start {decoder}"] = metrics(0.3, 0.3)
        row[f"last {decoder}"] = metrics(box, mask if last is None else last)
        row[f"best {decoder}"] = metrics(box, mask)
    return row | other


def goals_of(rows):
    """The last cell of seglab's only line."""
    (line,) = [line for line in table(rows).splitlines() if "| seglab " in line]
    return line.split("|")[-2].strip()


class TestSettings:
    def test_a_name_and_words_add_up_and_later_ones_win(self):
        found = parse_setting("adamw mask_ratio=1 freeze=[0,1] lr0=2e-5", "seglab")
        assert found == {"optimizer": "AdamW", "lr0": 2e-5, "warmup_bias_lr": 0.0, "mask_ratio": 1, "freeze": [0, 1]}

    def test_words_that_are_no_python_stay_text(self):
        assert parse_setting("mask_targets=hard val=False", "seglab") == {"mask_targets": "hard", "val": False}

    def test_a_setting_of_the_other_tool_alone_is_none(self):
        assert parse_setting("full", "seglab") is None
        assert parse_setting("ratio1", "peer") is None

    def test_an_unknown_name_ends_the_program(self):
        with pytest.raises(SystemExit, match="no setting fulll"):
            parse_setting("fulll", "peer")

    def test_runs_of_other_settings_have_other_folders(self, tmp_path):
        texts = ("ratio2", "ratio2 lr0=1e-4", "ratio2 lr0=1e4", "ratio2 freeze=[0,1]", "ratio2 freeze=01")
        folders = {folder_of(Run("nuclei", task_in(tmp_path), "seglab", text, 0, {}), tmp_path) for text in texts}
        assert len(folders) == len(texts)


class TestJudging:
    size = (40, 60)

    def rectangle(self, left, top, width, height):
        mask = np.zeros(self.size, np.uint8)
        mask[top : top + height, left : left + width] = 1
        rle = coco_mask.encode(np.asfortranarray(mask))
        segmentation = {"size": list(self.size), "counts": rle["counts"].decode()}
        return {"bbox": [left, top, width, height], "segmentation": segmentation, "area": width * height}

    def write(self, path, image_id, *places):
        instances = [
            {"id": 10 * image_id + n, "image_id": image_id, "category_id": 7, "iscrowd": 0, **self.rectangle(*place)}
            for n, place in enumerate(places)
        ]
        images = [{"id": image_id, "height": 40, "width": 60}]
        content = {"images": images, "annotations": instances, "categories": [{"id": 7, "name": "cup"}]}
        path.write_text(json.dumps(content))
        return path

    def found(self, image_id, score, *place):
        return {"image_id": image_id, "category_id": 7, "score": score, **self.rectangle(*place)}

    def test_perfect_detections_score_one_and_none_scores_zero(self, tmp_path):
        ground_truth = self.write(tmp_path / "a.json", 1, (5, 5, 20, 10), (30, 20, 10, 10))
        perfect = [self.found(1, 0.9, 5, 5, 20, 10), self.found(1, 0.8, 30, 20, 10, 10)]
        assert judge([ground_truth], perfect) == metrics(pytest.approx(1.0), pytest.approx(1.0))
        assert judge([ground_truth], []) == metrics(0.0, 0.0)

    def test_masks_and_boxes_are_judged_apart(self, tmp_path):
        ground_truth = self.write(tmp_path / "a.json", 1, (5, 5, 20, 10))
        half = self.found(1, 0.9, 5, 5, 20, 10) | {"segmentation": self.rectangle(5, 5, 10, 10)["segmentation"]}
        found = judge([ground_truth], [half])
        assert found["box"]["AP"] == pytest.approx(1.0)
        assert found["mask"]["AP"] == pytest.approx(0.1)  # overlap one half: good enough at the least threshold alone

    def test_detections_of_several_folds_are_ranked_together(self, tmp_path):
        ground_truths = [self.write(tmp_path / f"{n}.json", n, (5, 5, 20, 10)) for n in (1, 2)]
        right, wrong = self.found(1, 0.3, 5, 5, 20, 10), self.found(2, 0.9, 40, 30, 5, 5)
        assert judge(ground_truths[:1], [right])["mask"]["AP"] == pytest.approx(1.0)
        # The false one comes first: precision 1/2 up to a recall of 1/2, of 101 recalls that is 51.
        assert judge(ground_truths, [right, wrong])["mask"]["AP"] == pytest.approx(0.5 * 51 / 101)


class TestTable:
    peers = (
        make_row(tool="peer", setting="default", box=0.55, mask=0.46),
        make_row(tool="peer", setting="full", box=0.51, mask=0.52),
    )

    def test_mean_and_spread_over_seeds(self):
        rows = [make_row(seed=seed, mask=mask) for seed, mask in enumerate((0.50, 0.52, 0.54))]
        (summary,) = summarize(rows)
        assert summary.seeds == 3
        assert summary.values["best mask"] == pytest.approx((0.52, 0.02))
        assert "0.520 ± 0.020" in table(rows)

    def test_of_one_run_no_spread_is_claimed(self):
        assert "±" not in table([make_row()])
        assert spread([1.0])[0] == 1.0

    def test_the_peer_counts_as_the_better_decoding_shows_it(self):
        row = make_row(tool="peer", setting="default", mask=0.4) | {"best peer": metrics(0.5, 0.45)}
        (summary,) = summarize([row])
        assert summary.mean("best mask") == 0.45
        assert "0.450 / 0.400" in table([row])

    def test_new_classes_must_pass_default_and_best(self):
        goals = goals_of([*self.peers, make_row(mask=0.56, box=0.56)])
        assert goals == (
            "mask - default +10.0 ✓, mask - peer's best +4.0 ✓, box +1.0 ✓, "
            "last - start +26.0 ✓, best - start +26.0 ✓, time ×1.00 ✓"
        )
        goals = goals_of([*self.peers, make_row(mask=0.53, box=0.54, cpu_seconds=180.0)])
        assert goals == (
            "mask - default +7.0 ✓, mask - peer's best +1.0 ✗, box -1.0 ✗, "
            "last - start +23.0 ✓, best - start +23.0 ✓, time ×2.00 ✗"
        )

    def test_where_there_is_something_to_learn_it_must_show(self):
        for dataset, mark in (("coco", "✓"), ("coco-gray", "✗"), ("toybox", "✗")):
            assert f"best - start +1.0 {mark}" in goals_of([make_row(dataset, mask=0.31)])

    def test_known_classes_must_not_end_below_their_start(self):
        peers = [row | {"dataset": "coco", "fold": "all"} for row in self.peers]
        goals = goals_of([*peers, make_row("coco", mask=0.52, last=0.29, box=0.55)])
        assert goals == (
            "mask - peer's best +0.0 ✓, box +0.0 ✓, last - start -1.0 ✗, best - start +22.0 ✓, time ×1.00 ✓"
        )

    def test_a_run_of_other_epochs_is_compared_with_the_default_of_as_many(self):
        peers = [self.peers[0] | {"setting": "default epochs=3", "best seglab": metrics(0.3, 0.3)}, self.peers[0]]
        peers[0]["best peer"] = metrics(0.3, 0.3)
        assert "mask - default +4.0" in goals_of([*peers, make_row(setting="ratio2 epochs=3", mask=0.34)])


def test_folds_add_their_times_and_average_their_distances():
    first = make_row(fold=0, history=[{"epoch": 1, "box": 0.2, "mask": 0.1}])
    second = make_row(fold=1, seconds=50.0, history=[{"epoch": 1, "box": 0.4, "mask": 0.3}])
    second["moved"] = {"weights": 0.3, "statistics": 0.4}
    row = pooled_row([first, second])
    assert row["fold"] == "all" and row["seconds"] == 150.0 and row["cpu_seconds"] == 180.0
    assert row["moved"] == pytest.approx({"weights": 0.2, "statistics": 0.3})
    assert row["history"] == [pytest.approx({"epoch": 1, "box": 0.3, "mask": 0.2})]


def test_a_choice_of_images_takes_its_annotations_along():
    images = [{"id": n} for n in range(3)]
    annotations = [{"image_id": n, "id": n} for n in (0, 1, 1, 2)]
    found = chosen({"images": images, "annotations": annotations, "categories": ["all"]}, images[1:2])
    assert found == {"images": [{"id": 1}], "annotations": annotations[1:3], "categories": ["all"]}
