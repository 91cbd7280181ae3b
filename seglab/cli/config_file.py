"""All arguments of the verbs as one YAML: what `seglab cfg` prints and cfg= reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import yaml

from seglab.compat.arguments import TRANSLATED
from seglab.config import VERBS, Argument, arguments_of
from seglab.errors import SeglabError
from seglab.files import atomic_write
from seglab.version import __version__

COLUMN = 26  # where the comments begin


def config_text() -> str:
    """The arguments of train, val, predict and export, each once, with a comment; null is every verb's own default."""
    lines = [
        f"# The arguments of seglab {__version__}: {', '.join(TRANSLATED)}.",
        "# A file like this is read by cfg=, as in `seglab train cfg=mine.yaml`.",
        "# null stands for the default of the mode that reads it.",
    ]
    heading = ""
    for about, default in _each_argument():
        if about.group != heading:
            heading = about.group
            lines += ["", f"# {heading}"]
        value = yaml.safe_dump({about.name: default}, default_flow_style=True).strip().strip("{}").strip()
        lines.append(f"{value:<{COLUMN}}  # {about.text}")
    return "\n".join(lines) + "\n"


def write_config(out: str) -> Path:
    """Write `config_text` into a new file. Errors: SeglabError where there is one already."""
    path = Path(out)
    if path.exists():
        raise SeglabError(f"{path} already exists and may contain your changes: choose another name with out=")
    return atomic_write(path, config_text().encode())


def _each_argument() -> Iterator[tuple[Argument, Any]]:
    """Every argument once, group by group, with its default where all verbs have the same, and else None."""
    found: dict[str, list[Argument]] = {}
    for verb in TRANSLATED:
        for config in VERBS[verb].arguments:
            for about in arguments_of(config):
                found.setdefault(about.name, []).append(about)
    groups = list(dict.fromkeys(abouts[0].group for abouts in found.values()))
    for group in groups:
        for abouts in found.values():
            if abouts[0].group == group:
                defaults = [None if about.default is MISSING else about.default for about in abouts]
                alike = all(default == defaults[0] for default in defaults)
                yield abouts[0], defaults[0] if alike else None
