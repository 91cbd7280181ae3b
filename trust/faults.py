"""Every verb with each of its file operations failing: the n-th alone (EIO), and from the n-th on (a full disk).

After each failure: the verb has ended in a sentence, or has coped; what lies on disk under its final name loads;
nothing unfinished is left but what the next run continues; a second run ends with the same bits as one without
failures.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from seglab.files import atomic_write
from trust.disk import BROKEN, FULL, Fault, Outcome, counted, in_fork, spread
from trust.verbs import VERBS, Verb, leftovers, products, unreadable_files

KEPT_UNFINISHED = (".zip.part",)  # a download, which the next run continues
READS = 12  # of a verb, of hundreds


class Reference:
    """A verb's run without failures: its inputs, how many operations it had, what it left."""

    def __init__(self, verb: Verb, work: Path):
        self.verb, self.work = verb, work
        self.inputs = work / "inputs"
        self.inputs.mkdir(parents=True)
        verb.prepare(self.inputs)
        folder = self.new_folder("reference")
        outcome = in_fork(lambda: verb.start(folder), folder)
        assert outcome.how == "done", outcome
        self.operations = counted()
        self.products = products(folder)
        self.folder = folder

    def new_folder(self, name: str) -> Path:
        """A folder with copies of the inputs."""
        folder = self.work / name
        shutil.copytree(self.inputs, folder)
        (folder / "out").mkdir()
        return folder

    def differences(self, folder: Path) -> list[str]:
        """What a folder's products have otherwise than the reference's."""
        found = products(folder)
        return [f"{name} differs" for name in self.products | found if self.products.get(name) != found.get(name)]


def run_case(reference: Reference, fault: Fault) -> tuple[Outcome, list[str]]:
    """One failure and the run after it -> how the first ended, and what was wrong."""
    folder = reference.new_folder("case")
    start = reference.verb.start
    first = in_fork(lambda: start(folder), folder, fault)
    wrong = [f"{first.how}: {first.text}"] if first.how in ("crash", "hang") else []
    wrong += [f"damaged: {name}" for name in unreadable_files(folder)]
    if first.how != "killed":
        wrong += [f"left: {name}" for name in leftovers(folder) if not name.endswith(KEPT_UNFINISHED)]
    second = in_fork(lambda: start(folder), folder)
    if second.how != "done":
        wrong.append(f"second run: {second.how}: {second.text}")
    wrong += [f"after the second run: {name}" for name in reference.differences(folder)]
    wrong += [f"after the next write: {name}" for name in left_after_the_next_write(folder)]
    shutil.rmtree(folder)
    return first, wrong


def left_after_the_next_write(folder: Path) -> list[str]:
    """What is still left when something was written beside it: a run that finds all done writes nothing itself."""
    for name in leftovers(folder):
        beside = (folder / name).with_name("next")
        in_fork(lambda beside=beside: atomic_write(beside, b""), folder)
    return leftovers(folder)


def faults_of(operations: dict[str, int], cases: int | None) -> list[Fault]:
    """The failures of a verb with so many operations; cases: at most so many of a kind, None: all but of reads."""
    found = []
    for kind, count in operations.items():
        limit = READS if kind == "read" else count
        places = spread(count, min(limit, cases or limit) or 1) if count else ()
        found += [Fault((kind,), place, BROKEN) for place in places]
        if kind in ("open", "write"):
            found += [Fault(("open", "write", "fsync", "rename"), place, FULL, onwards=True) for place in places]
    return found


def check(name: str, work: Path, cases: int | None = None) -> dict:
    """All failures of a verb -> how many there were, how they ended, and what was wrong."""
    reference = Reference(VERBS[name], work)
    ends: Counter[str] = Counter()
    findings = []
    for fault in faults_of(reference.operations, cases):
        outcome, wrong = run_case(reference, fault)
        ends[outcome.how] += 1
        if wrong:
            findings.append({"fault": str(fault), "ended": f"{outcome.how}: {outcome.text}"[-300:], "wrong": wrong[:5]})
    return {"operations": reference.operations, "cases": sum(ends.values()), "ends": dict(ends), "findings": findings}
