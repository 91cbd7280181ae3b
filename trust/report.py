"""docs/reliability.md and its curves, from trust/results.json."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "trust/results.json"
PAGE = ROOT / "docs/reliability.md"
CURVES = ROOT / "docs/images/reliability"
RUNS = {"short": "`make trust`", "long": "at length"}

INTRODUCTION = """
    # Reliability

    What [SECURITY.md](../SECURITY.md) promises is tested by trying to break it. `make trust` takes about thirty-five
    minutes on two cores; `python -m trust --long` takes hours, and a workflow (`.github/workflows/trust.yml`) runs it
    every night. The code is in `trust/`, one file per idea. All figures on this page are measured by it, and written
    here by `python -m trust` itself; a dash means that nobody has run it yet.

    A finding is whatever breaks a promise below. One that is fixed stays in the corpus or gets a test.
    [Every promise with what shows it](decisions/0023-hostile-files-kills-and-the-network.md) is a page of its own.
"""
TEXTS = {
    "fuzz": """
        ## Hostile files

        Coverage-guided fuzzing ([atheris](https://github.com/google/atheris)) of everything that reads what strangers
        write. Whatever the bytes are, the answer is an object or one `SeglabError`: no other exception, no more than 5
        seconds, no more than 1 GB. Inputs that reach new code are kept in
        `trust/corpus`, which `make test` runs too. At length, a parser gets a million inputs, or
        five hours.
    """,
    "faults": """
        ## Disks that fail

        Every write, fsync, rename and creation of a file fails once (EIO), and again with all that come after it, as on
        a disk that is full (ENOSPC); reads are sampled. `make trust` takes three operations of each kind of a training
        and a validation, and all of the other verbs; at length, all are taken. After each failure, everything on disk
        under its final name loads, nothing unfinished is left (but the part of a download, which is continued), and a
        second run ends with the same bits as one that never failed.
    """,
    "kills": """
        ## Processes that are killed

        SIGKILL in front of file operations that are spread over the run. Every second kill of a training is followed by
        one of the resumed run; of two processes that train together as under torchrun, the first is killed, which
        writes. After each, everything on disk under its final name loads; the next run ends with the same bits as one
        that was never killed, and removes what the killed one left (where the output was complete, the next to write
        beside it does); no process outlives it.
    """,
    "conditions": """
        ## What else befalls a run

        A disk that cannot be written on, or is full from a point on; SIGTERM and SIGINT; a clock that is put ten years
        ahead or back: each at points spread over every verb. The stop button of a notebook; losses that are not finite;
        a step that does not fit into memory, after which batches have half the size. The promises are those above;
        after an interruption, a notebook's model still predicts and its run can be resumed, and a clock that jumps
        changes nothing.
    """,
    "load": """
        ## Much of everything

        A stub stands for the network where the question is what gathers around it. Growth is what the last quarter of a
        stream has at most over the second quarter; 32 MB are allowed. Of large label files, `make trust` reads a tenth,
        so that both columns together show whether time and memory are in proportion.
    """,
}


def read_results() -> dict:
    """Run ("short" or "long") -> part -> item -> what was measured."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {run: found.get(run, {}) for run in RUNS}


def write_page(results: dict) -> None:
    """Write docs/reliability.md and the curves that it shows."""
    parts = [paragraphs(INTRODUCTION)]
    parts += [paragraphs(times(results, run)) for run in RUNS if results[run]]
    for part, text in TEXTS.items():
        parts += [paragraphs(text), "\n".join(ROWS[part](results, part))]
    parts.append("\n\n".join(curves(results)))
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n")


def times(results: dict, run: str) -> str:
    """How long the items of a run took, and when the first and the last of them were measured."""
    measured = [result for part, items in results[run].items() if part != "fuzz" for result in items.values()]
    fuzzed = results[run].get("fuzz", {}).values()
    dates = [result["date"] for result in [*measured, *fuzzed]]
    minutes = sum(result["cpu_seconds"] for result in measured) / 60
    clock = sum(result["seconds"] for result in fuzzed) / 60
    when = " to ".join(sorted({min(dates), max(dates)}))
    return f"{RUNS[run]}, {when}: {minutes:.0f} minutes of CPU, and {clock:.0f} minutes by the clock of fuzzing."


def paragraphs(text: str) -> str:
    """A text with its paragraphs wrapped as the pages in docs are."""
    found = textwrap.dedent(text).strip().split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(one.split()), 100, break_on_hyphens=False) for one in found)


# --- tables ---


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|" + "-|" * len(head)]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def items(results: dict, part: str) -> list[str]:
    return list(dict.fromkeys(item for run in RUNS for item in results[run].get(part, {})))


def of_runs(results: dict, part: str, item: str, text) -> list[str]:
    """One cell a run: what `text` says of the result, or a dash."""
    found = [results[run].get(part, {}).get(item) for run in RUNS]
    return [text(one) if one else "–" for one in found]


def findings(result: dict) -> str:
    count = len(result["findings"])
    return f"{count} finding{'' if count == 1 else 's'}"


def ends(result: dict) -> str:
    words = {"error": "a sentence", "done": "coped", "killed": "ended", "interrupted": "interrupted"}
    return ", ".join(f"{count} {words.get(how, how)}" for how, count in sorted(result.get("ends", {}).items()))


def fuzz_rows(results: dict, part: str) -> list[str]:
    def text(result: dict) -> str:
        return f"{result.get('runs', 0):,} inputs, {result.get('branches', 0)} branches, {findings(result)}"

    return table(["parser", *RUNS.values()], [[i, *of_runs(results, part, i, text)] for i in items(results, part)])


def fault_rows(results: dict, part: str) -> list[str]:
    def text(result: dict) -> str:
        return f"{result.get('cases', 0)} failures ({ends(result)}), {findings(result)}"

    def operations(item: str) -> str:
        known = next(results[run][part][item] for run in RUNS if item in results[run].get(part, {}))
        return ", ".join(f"{count} {kind}" for kind, count in known.get("operations", {}).items() if count)

    rows = [[i, operations(i), *of_runs(results, part, i, text)] for i in items(results, part)]
    return table(["verb", "operations", *RUNS.values()], rows)


def kill_rows(results: dict, part: str) -> list[str]:
    def text(result: dict) -> str:
        return f"{result.get('kills', 0)} kills, {findings(result)}"

    return table(["verb", *RUNS.values()], [[i, *of_runs(results, part, i, text)] for i in items(results, part)])


def condition_rows(results: dict, part: str) -> list[str]:
    def text(result: dict) -> str:
        how = f" ({ends(result)})" if result.get("ends") else ""
        return f"{result.get('cases', 0)} cases{how}, {findings(result)}"

    return table(["condition", *RUNS.values()], [[i, *of_runs(results, part, i, text)] for i in items(results, part)])


def load_rows(results: dict, part: str) -> list[str]:
    words = {
        "images": "{:,} images",
        "peak_mb": "{:,} MB at most",
        "growth_mb": "growth {} MB",
        "threads": "{} threads",
        "megabytes": "a file of {} MB",
        "read_seconds": "{} s of CPU",
        "grown_mb": "{:,} MB of memory",
    }

    def text(result: dict) -> str:
        said = [words[key].format(result[key]) for key in words if key in result]
        return ", ".join([*said, findings(result)])

    return table(["load", *RUNS.values()], [[i, *of_runs(results, part, i, text)] for i in items(results, part)])


ROWS = {
    "fuzz": fuzz_rows,
    "faults": fault_rows,
    "kills": kill_rows,
    "conditions": condition_rows,
    "load": load_rows,
}


# --- curves ---


def curves(results: dict) -> list[str]:
    """Draw the memory over each stream, of the longest run there is -> the images' Markdown."""
    found = []
    for item in items(results, "load"):
        known = [results[run]["load"][item] for run in RUNS if item in results[run].get("load", {})]
        if known[-1].get("curve"):
            path = CURVES / f"{item.replace(',', '').replace(' ', '-')}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(curve_svg(known[-1]["curve"], known[-1]["images"], item))
            top = max(known[-1]["curve"])
            alt = f"Memory over {item}: flat, at most {top:.0f} MB"
            found.append(f"![{alt}](images/reliability/{path.name})")
    return found


def curve_svg(curve: Sequence[float], images: int, title: str) -> str:
    """A curve of megabytes over images, from zero, so that flat looks flat."""
    width, height, left, top = 560, 180, 60, 28
    high = 100 * (int(max(curve) * 1.2) // 100 + 1)
    step = width / max(1, len(curve) - 1)
    points = " ".join(f"{left + n * step:.1f},{top + height * (1 - value / high):.1f}" for n, value in enumerate(curve))
    labels = [
        (left - 6, top + 4, "end", f"{high} MB"),
        (left - 6, top + height + 4, "end", "0"),
        (left + width, top + height + 16, "end", f"{images:,} images"),
        (left, top - 10, "start", f"memory: {title}"),
    ]
    texts = "".join(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in labels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 80}" height="{height + 56}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>'
        f'<path d="M{left} {top}v{height}h{width}" fill="none" stroke="#888"/>'
        f'<polyline points="{points}" fill="none" stroke="#1668b5" stroke-width="2"/>{texts}</svg>\n'
    )


if __name__ == "__main__":
    write_page(read_results())
