"""Every verb killed (SIGKILL) in front of file operations spread over its run, and training while it resumes too.

After each kill: what lies on disk under its final name loads; the next run in the same place ends with the same bits as
one that was never killed; nothing of the killed one is left, neither files nor processes. An empty folder that is left
where the output was just complete goes with the next write beside it, since the next run has nothing to do.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from trust.disk import KINDS, Fault, in_fork, spread
from trust.faults import Reference, left_after_the_next_write
from trust.verbs import VERBS, unreadable_files


def run_case(reference: Reference, places: tuple[int, ...]) -> tuple[int, list[str]]:
    """Kill a verb at an operation, and its next run at the next place, and so on -> kills, and what was wrong."""
    folder = reference.new_folder("case")
    start = reference.verb.start
    kills = 0
    wrong = []
    for place in places:
        outcome = in_fork(lambda: start(folder), folder, Fault(KINDS, place))
        kills += outcome.how == "killed"
        if outcome.how not in ("killed", "done"):  # a resumed run may end before it gets there
            wrong.append(f"{outcome.how}: {outcome.text}")
        wrong += [f"damaged: {name}" for name in unreadable_files(folder)]
    last = in_fork(lambda: start(folder), folder)
    if last.how != "done":
        wrong.append(f"next run: {last.how}: {last.text}")
    wrong += [f"after the next run: {name}" for name in reference.differences(folder)]
    wrong += [f"after the next write: {name}" for name in left_after_the_next_write(folder)]
    shutil.rmtree(folder)
    return kills, wrong


def check(name: str, work: Path, cases: int) -> dict:
    """`cases` kills of a verb, every second one of a training followed by one of the resumed run."""
    reference = Reference(VERBS[name], work)
    total = sum(reference.operations.values())
    places = list(spread(total, cases))
    findings = []
    kills = 0
    for number, place in enumerate(places):
        again = name.startswith("train") and number % 2 == 1
        case = (place, places[-number]) if again else (place,)
        killed, wrong = run_case(reference, case)
        kills += killed
        if wrong:
            findings.append({"killed at": list(case), "of": total, "wrong": wrong[:5]})
    return {"operations": total, "cases": len(places), "kills": kills, "findings": findings}
