"""Arguments of the verbs that read images: how large they may be, and what their numbers mean."""

# ruff: noqa: RUF009 - the defaults are made by calls, as those of dataclasses.field are

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from seglab.config.argument import READING, Arguments, argument
from seglab.errors import SeglabError
from seglab.image_files import MAX_PIXELS, Reading


@dataclass(frozen=True)
class ReadConfig(Arguments):
    """Which images may be read, and how. range becomes (low, high)."""

    max_pixels: int = argument(
        MAX_PIXELS,
        "maximum size of an image, height times width; larger ones are reported and skipped",
        min=1,
        group=READING,
    )
    range: int | float | list | tuple | None = argument(
        None,
        "for images of more than 8 bits: the values to read as black and white, e.g. 4095 or 100,4000; None: the full "
        "range of 16 bits",
        group=READING,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.range is not None:
            self._set("range", _sample_range(self.range))

    @property
    def reading(self) -> Reading:
        """Both, as the readers of images take them."""
        return Reading(self.max_pixels, self.range)  # type: ignore[arg-type]  # a pair since it was checked


def _sample_range(given: Any) -> tuple[float, float]:
    """A range as (low, high); one number is the high one. Errors: SeglabError for anything else."""
    pair = given if isinstance(given, (list, tuple)) else (0, given)
    try:
        low, high = (float(value) for value in pair)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (low < high and math.isfinite(high - low)):
        raise SeglabError(f"range={given!r} must be one number above 0, or two in ascending order, e.g. range=100,4000")
    return low, high
