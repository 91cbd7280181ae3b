"""From the words of a command line to a mode and its options."""

from __future__ import annotations

import ast
from typing import Any

from seglab.config import VERBS, names_of, refuse_unknown
from seglab.errors import SeglabError

TASK = "segment"
SWITCHES = ("resume",)  # words that mean True by themselves
MAIN_ARGUMENTS = ("source", "data", "model")  # what a word without "=" was probably meant for, the likeliest first


def parse(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Words of a command line -> (mode, options by name).

    Errors: SeglabError for an unknown or missing mode, and for a word that is no option.
    """
    mode: str | None = None
    options: dict[str, Any] = {}
    for word in words:
        bare = word.removeprefix("--")
        if "=" in bare:
            name, value = bare.split("=", 1)
            options[name] = parse_value(value)
        elif word in ("-h", "--help"):  # whatever else there is, nothing is to start
            return "help", {"mode": mode}
        elif word == "--version":
            return "version", {}
        elif word.startswith("--"):
            options[bare.replace("-", "_")] = True
        elif word in VERBS and mode is None:
            mode = word
        elif word in SWITCHES:
            options[word] = True
        elif word != TASK:
            options |= _bare_word(word, mode, options)
    task = options.pop("task", TASK)
    if task != TASK:
        raise SeglabError(f"seglab supports task={TASK} only, not task={task}")
    if mode is None and not options:
        return "help", {}
    mode = mode or options.pop("mode", None)
    if mode is None:
        raise SeglabError(
            f"no mode given: write `seglab MODE {next(iter(options))}=...` with one of {', '.join(VERBS)}"
        )
    refuse_unknown([str(mode)], VERBS, "seglab", "mode")
    return mode, options


def _bare_word(word: str, mode: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """What a word without "=" means to a mode, as an option. Errors: SeglabError where it means nothing."""
    if mode is None:
        refuse_unknown([word], VERBS, "seglab", "mode")
    verb = VERBS[str(mode)]
    if verb.bare and verb.bare not in options:
        return {verb.bare: word}
    names = names_of(verb.arguments[0])
    likely = [name for name in MAIN_ARGUMENTS if name in names] or names
    advice = f"write key=value, e.g. {likely[0]}={word}" if likely else f"{mode} takes no arguments"
    raise SeglabError(f"unexpected argument '{word}': {advice}")


def parse_value(text: str) -> Any:
    """'3' -> 3, 'true' -> True, '[0,1]' -> [0, 1], '' and 'none' -> None; anything else stays a string."""
    plain = {"true": True, "false": False, "none": None, "null": None, "": None}
    if text.lower() in plain:
        return plain[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, (int, float, str, list, tuple)) else text
