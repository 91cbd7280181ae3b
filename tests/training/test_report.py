"""What a run says in the end."""

from __future__ import annotations

from seglab.training.arguments import make_config
from seglab.training.report import describe_gain


def history(*masks: float) -> list[dict]:
    """Rows from the start on, with a box mAP a little above the mask mAP."""
    return [{"epoch": n, "metrics/mAP50-95(M)": m, "metrics/mAP50-95(B)": m + 0.05} for n, m in enumerate(masks)]


def test_the_last_line_says_whether_training_helped():
    config = make_config()
    told = describe_gain(history(0.323, 0.3, 0.361, 0.35), 2, config, lr=1e-3)
    assert told == ("training helped: mask mAP 0.361 at epoch 2, 0.323 at the start; box mAP 0.411, 0.373 at the start")
    told = describe_gain(history(0.323, 0.3, 0.361, 0.32), 2, config, lr=1e-3)
    assert "training helped" in told and "the last epoch is below the start (0.320)" in told and "lr0=0.0003" in told
    told = describe_gain(history(0.323, 0.3, 0.31), 0, make_config(freeze_bn=True, freeze=10), lr=1e-3)
    assert told.startswith("training did not help: no epoch is better than the start (mask mAP 0.323")
    assert "freeze" not in told and "lr0=0.0003" in told
    nothing = [{"epoch": n, "metrics/mAP50-95(M)": 0.0, "metrics/mAP50-95(B)": 0.0} for n in range(3)]
    told = describe_gain(nothing, 1, config, lr=1e-3)
    assert told.startswith("training shows no gain yet") and "helped" not in told
    assert (
        describe_gain(history(0.3)[1:] + [{"epoch": 2}], 1, config, lr=1e-3) == describe_gain([], 0, config, 1.0) == ""
    )
