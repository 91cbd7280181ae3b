"""The one exception class of seglab's own, and the checks of arguments that every front door shares."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any


class SeglabError(ValueError):
    """A problem the user can solve; its message is one sentence that says what, where and what to do."""


def refuse_unknown(given: Iterable[str], valid: Iterable[str], where: str, kind: str = "argument") -> None:
    """Raise SeglabError for the first name of that kind that does not exist, giving the nearest one that does."""
    valid = sorted(valid)
    for name in given:
        if name not in valid:
            nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.7)  # below, advice misleads
            advice = f"did you mean '{nearest[0]}'?" if nearest else f"it takes {', '.join(valid)}"
            raise SeglabError(f"{where} has no {kind} '{name}': {advice}")


def names_of(config: type) -> list[str]:
    """The arguments that a configuration, a dataclass, takes."""
    return [field.name for field in fields(config)]


def fit_type(name: str, value: Any, annotation: str) -> Any:
    """The value of the argument `name`, brought to one of the types that its annotation names.

    A whole number may stand for a float, the text of a number for a float, and a number or a Path for text.
    Errors: SeglabError when it does not fit.
    """
    allowed = {part.partition("[")[0].strip() for part in annotation.split("|")}
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = int(value)  # numpy's own kinds too
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        value = float(value)
    kind = type(value).__name__ if value is not None else "None"
    if kind in allowed or (kind in ("list", "tuple") and allowed & {"list", "tuple"}):
        return value
    if kind == "int" and "float" in allowed:
        return float(value)
    if "str" in allowed and (isinstance(value, Path) or kind in ("int", "float")):  # a run may be called 2026
        return str(value)
    if kind == "str" and "float" in allowed:  # YAML reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            pass
    raise SeglabError(f"{name}={value!r} must be of type {annotation}")


def fit_types(config: Any, but: Collection[str] = ()) -> None:
    """Bring the fields of a dataclass to the types they are annotated with (see fit_type), but for those in `but`.

    Errors: SeglabError for the first value that does not fit.
    """
    for field in fields(config):
        if field.name not in but:
            object.__setattr__(config, field.name, fit_type(field.name, getattr(config, field.name), field.type))


def keep_within(config: Any, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Refuse numbers of a dataclass outside their bounds (least, most), both allowed; None is no number.

    Errors: SeglabError for the first one outside, which NaN always is.
    """
    for name, (least, most) in bounds.items():
        value = getattr(config, name)
        if value is not None and not least <= value <= most:
            wanted = f"at least {least}" if most == math.inf else f"in {least}..{most}"
            raise SeglabError(f"{name}={value} must be {wanted}")
