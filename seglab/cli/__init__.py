"""The command line: `seglab MODE key=value ...`, the verbs of `YOLO` and the tools around them.

`seglab segment train data=coco8-seg model=yolo11n-seg.yaml epochs=100` and `seglab train segment ...` mean the same;
`strict` and `--strict` are short for `strict=True`, and `--conf 0.3` for `conf=0.3`. `seglab help train` lists all that
train takes, with its defaults.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from seglab.cli.modes import run
from seglab.cli.parsing import parse
from seglab.errors import SeglabError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command line (by default this process's own) and return its exit status.

    0: done; 1: a check that was asked for failed; 2: a wrong request; 130: interrupted; 141: nobody reads the output.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, TextIOWrapper):  # a Windows console may lack letters of class names and paths
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        mode, options = parse(words)
        status = run(mode, options)
        print(end="", flush=True)
        return status
    except BrokenPipeError:  # what reads the output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
        return 141
    except (SeglabError, OSError) as error:
        print(f"seglab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:  # a training says in its text how to resume it
        print(f"seglab: {interruption}" if str(interruption) else "seglab: interrupted", file=sys.stderr)
        return 130
