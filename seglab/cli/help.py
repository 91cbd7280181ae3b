"""What `seglab help` prints: a list of the modes, or all arguments of one, as seglab.config has them."""

from __future__ import annotations

import textwrap
from dataclasses import MISSING
from typing import Any

from seglab.config import VERBS, Argument, arguments_of, describe_type
from seglab.config.argument import DATA
from seglab.version import __version__

WIDTH = 100
GAP = 2  # spaces between columns
LONGEST_NAME = 28  # characters of "name=default" in one line; longer ones are wrapped
LONGEST_VALUES = 22  # of a type with its bounds, or of the choices
INDENT = " " * GAP


def overview() -> str:
    """The first page: usage, a line for every mode, examples."""
    width = max(map(len, VERBS))
    modes = [f"{INDENT}{name:<{width}}{INDENT}{verb.text}" for name, verb in VERBS.items()]
    examples = [INDENT + verb.example for verb in VERBS.values()]
    return "\n".join(
        [
            f"seglab {__version__}: instance segmentation with YOLO11-seg, on images and videos",
            "",
            "Usage:",
            f"{INDENT}seglab MODE key=value ...",
            f"{INDENT}seglab help MODE            all arguments of a mode, with their defaults",
            "",
            "Modes:",
            *modes,
            "",
            "Examples:",
            *examples,
        ]
    )


def describe_mode(mode: str) -> str:
    """All arguments of a mode by group: name and default, type or choices, and what it is."""
    verb = VERBS[mode]
    groups: dict[str, list[tuple[str, str, str]]] = {DATA: []}  # which comes first
    for about in mode_arguments(mode):
        groups.setdefault(about.group, []).append(_row(about))
    groups = {group: members for group, members in groups.items() if members}
    lines = [f"seglab {mode}: {verb.text}", ""]
    rows = [row for group in groups.values() for row in group]
    first = min(LONGEST_NAME, max((len(name) for name, _, _ in rows), default=0))
    second = min(LONGEST_VALUES, max((len(values) for _, values, _ in rows), default=0))
    for group, members in groups.items():
        lines.append(f"{group}:" if len(groups) > 1 else "Arguments:")
        for row in members:
            lines += _wrapped(row, (first, second))
        lines.append("")
    return "\n".join([*lines, "Example:", INDENT + verb.example])


def mode_arguments(mode: str) -> list[Argument]:
    """All arguments of a mode, with the defaults that the command line has."""
    verb = VERBS[mode]
    found = []
    for config in verb.arguments:
        for about in arguments_of(config):
            if about.name in verb.defaults:
                about = about._replace(default=verb.defaults[about.name])
            found.append(about)
    return found


def _row(about: Argument) -> tuple[str, str, str]:
    """The three cells of an argument: name and default, type or choices, text."""
    default = "" if about.default is MISSING else _written(about.default)
    if about.choices:
        values = " | ".join(map(_written, about.choices))
    else:
        values = _type_and_bounds(about)
    text = about.text if about.default is not MISSING else f"{about.text} (required)"
    return f"{about.name}={default}", values, text


def _type_and_bounds(about: Argument) -> str:
    """A type as users write values of it: "float, 0 to 1", "int | list"."""
    parts = [part for part in describe_type(about.type).split(" | ") if part != "None"]
    parts = [part.partition("[")[0].replace("tuple", "list") for part in parts]
    kinds = " | ".join(dict.fromkeys(parts))
    if about.max < float("inf"):
        return f"{kinds}, {about.min:g} to {about.max:g}"
    if about.min > float("-inf"):
        return f"{kinds}, {about.min:g} or more"
    return kinds


def _written(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return str(value)


def _wrapped(row: tuple[str, str, str], widths: tuple[int, int]) -> list[str]:
    """One argument as lines of three columns, none longer than WIDTH."""
    last = WIDTH - sum(widths) - 3 * GAP
    columns = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, (*widths, last))]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    return [
        f"{INDENT}{name:<{widths[0]}}{INDENT}{values:<{widths[1]}}{INDENT}{text}".rstrip()
        for name, values, text in zip(*padded)
    ]
