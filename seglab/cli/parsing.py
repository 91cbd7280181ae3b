"""From the words of a command line to a mode and its options.

Beside key=value it takes what people type: `save` for save=True, `--conf 0.3` and `--conf=0.3` for conf=0.3,
`imgsz= 640` and `imgsz = 640` with spaces, and commas behind a value.
"""

from __future__ import annotations

import ast
from typing import Any

from seglab.config import VERBS, arguments_of, describe_type, names_of, refuse_unknown
from seglab.errors import SeglabError

TASK = "segment"
MAIN_ARGUMENTS = ("source", "data", "model")  # what a word without "=" was probably meant for, the likeliest first
OLD_SWITCHES = ("hide_labels", "hide_conf", "boxes")  # of other tools, which mean True by themselves too


def parse(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Words of a command line -> (mode, options by name).

    Errors: SeglabError for an unknown or missing mode, and for a word that is no option.
    """
    words = _joined(words)
    mode = next((word for word in words if word in VERBS), None)
    options: dict[str, Any] = {}
    has_mode = False
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        bare = word.removeprefix("--")
        if "=" in bare:
            name, value = bare.split("=", 1)
            options[_plain(name)] = parse_value(value)
        elif word in ("-h", "--help"):  # whatever else there is, nothing is to start
            return "help", {"mode": mode if has_mode else None}
        elif word == "--version":
            return "version", {}
        elif word.startswith("--"):
            name = _plain(bare)
            options[name] = parse_value(waiting.pop(0)) if _takes_next(name, mode, waiting) else True
        elif word in VERBS and not has_mode:
            has_mode = True
        elif word in (*switches(mode), *OLD_SWITCHES):
            options[word] = True
        elif word != TASK:
            options |= _bare_word(word, mode if has_mode else None, options)
    task = options.pop("task", TASK)
    if task not in (TASK, None):
        raise SeglabError(f"task={task} is not supported, only task={TASK}: leave it out")
    if mode is None and not options:
        return "help", {}
    said = options.pop("mode", None) if mode != "help" else None
    mode = mode or said or _mode_of_file(options.get("cfg"))
    if mode is None:
        raise SeglabError(
            f"no mode given: write `seglab MODE {next(iter(options))}=...`, where MODE is one of {', '.join(VERBS)}"
        )
    refuse_unknown([str(mode)], VERBS, kind="mode")
    return mode, options


def _mode_of_file(cfg: Any) -> Any:
    """What a file of arguments says the mode is: `seglab cfg=mine.yaml` needs no other word. None where it does not."""
    if cfg is None:
        return None
    from seglab.compat.arguments import read_config

    return read_config(cfg).get("mode")


def switches(mode: str | None) -> list[str]:
    """The arguments of a mode (None: of any) that a word alone turns on: those that may be True."""
    modes = [mode] if mode in VERBS else list(VERBS)
    found = [about for name in modes for config in VERBS[name].arguments for about in arguments_of(config)]
    return list(dict.fromkeys(about.name for about in found if "bool" in str(about.type)))


def _joined(words: list[str]) -> list[str]:
    """The words with `imgsz= 640` and `imgsz = 640` made `imgsz=640`, and without commas behind values."""
    joined: list[str] = []
    for word in words:
        before = joined[-1] if joined else ""
        goes_on = before.endswith("=") and "=" not in word and not word.startswith("-") and word not in VERBS
        is_rest = word.startswith("=") and joined and "=" not in before
        if goes_on or is_rest:
            joined[-1] += word
        else:
            joined.append(word)
    stripped = [word.rstrip(",") for word in joined]
    return [word for word in stripped if word]


def _plain(name: str) -> str:
    return name.strip("-").replace("-", "_")


def _takes_next(name: str, mode: str | None, waiting: list[str]) -> bool:
    """Whether `--name` has its value in the next word."""
    if not waiting or waiting[0].startswith("--") or "=" in waiting[0] or waiting[0] in (*VERBS, TASK):
        return False
    if isinstance(parse_value(waiting[0]), bool):
        return True
    types = _types(name, mode)
    return types != ["bool"]  # a switch alone has no other values


def _types(name: str, mode: str | None) -> list[str]:
    """The types that an argument may have in a mode, or in any; none where nobody has it."""
    modes = [mode] if mode in VERBS else list(VERBS)
    found = [about for each in modes for config in VERBS[each].arguments for about in arguments_of(config)]
    return list(dict.fromkeys(describe_type(about.type) for about in found if about.name == name))


def _bare_word(word: str, mode: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """What a word without "=" means to a mode, as an option. Errors: SeglabError where it means nothing."""
    if mode is None:
        refuse_unknown([word], VERBS, kind="mode")
    verb = VERBS[str(mode)]
    if verb.bare and verb.bare not in options:
        return {verb.bare: word}
    names = [name for config in verb.arguments for name in names_of(config)]
    if word in names:
        raise SeglabError(f"{word} needs a value: write {word}=... (see `seglab help {mode}`)")
    names = names_of(verb.arguments[0])
    likely = [name for name in MAIN_ARGUMENTS if name in names] or names
    advice = f"write key=value, e.g. {likely[0]}={word}" if likely else f"{mode} takes no arguments"
    raise SeglabError(f"unexpected argument '{word}': {advice}")


def parse_value(text: str) -> Any:
    """'3' -> 3, 'true' -> True, '[0,1]' and '0,1' -> [0, 1], '' and 'none' -> None; anything else stays a string."""
    plain = {"true": True, "false": False, "none": None, "null": None, "": None}
    if text.lower() in plain:
        return plain[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, (int, float, str, list, tuple)) else text
