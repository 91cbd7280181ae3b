"""Rows of results.csv: what one epoch was worth."""

from __future__ import annotations

Row = dict[str, float]  # column -> value; `make_row` makes them

MAP = {"box mAP": "metrics/mAP50-95(B)", "mask mAP": "metrics/mAP50-95(M)"}  # what people call it -> its column


def fitness(row: Row) -> float:
    """What the best epoch is chosen by, mAP50-95 of boxes and masks together; 0 without a validation."""
    return sum(row.get(column, 0.0) for column in MAP.values())
