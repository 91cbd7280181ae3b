"""Run the proof: `python -m trust [fuzz|faults|kills|conditions|load ...] [--long]`, everything by default.

Each item is a process of its own, as many at a time as there are cores. What it measured goes into trust/results.json
at once, and from there into docs/reliability.md. The exit status is 1 where anything was found.

    python -m trust faults                 one part
    python -m trust kills:export --long    one item of a part, at length
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from trust.disk import LIBRARY, ROOT, build_disk_layer
from trust.fuzz import NAMES, fuzz
from trust.report import RESULTS, read_results, write_page

VERBS = (
    "train",
    "train with 2 workers",
    "train on 2 processes",
    "convert",
    "export",
    "download",
    "generate",
    "predict",
    "val",
    "track",
    "check, split, explore",
)
CONDITIONS = (
    *("read-only disk", "full disk", "SIGTERM", "SIGINT", "SIGINT in a notebook"),
    *("NaN", "out of memory", "clock jumps"),
)
LOADS = (
    *("10,000 images", "frames of a video", "images through the network"),
    *("1,000 classes", "2,000 objects in an image", "50 threads"),
    *("a million label rows", "a label row of 100 MB", "a million annotations"),
)
PARTS = {"kills": VERBS, "faults": VERBS, "conditions": CONDITIONS, "load": LOADS, "fuzz": NAMES}  # the longest first
ON_DISK = ("kills", "faults", "conditions")  # with the library that makes file operations fail

FUZZ_SECONDS = {False: 60, True: 5 * 3600}
FUZZ_RUNS = 1_000_000
FAULTS_A_KIND = {False: 3, True: None}  # of a training or validation; None: every one, as of all other verbs
KILLS = {False: 20, True: 200}


def run_item(part: str, item: str, is_long: bool, work: Path) -> dict:
    """In a process of its own: one item -> what was measured, with its findings."""
    if part == "fuzz":
        return fuzz(item, FUZZ_SECONDS[is_long], FUZZ_RUNS)
    if part == "faults":
        from trust.faults import check as check_faults

        return check_faults(item, work, FAULTS_A_KIND[is_long] if item.startswith(("train", "val")) else None)
    if part == "kills":
        from trust.kills import check as check_kills

        return check_kills(item, work, KILLS[is_long])
    if part == "conditions":
        from trust.conditions import CONDITIONS as functions
    else:
        from trust.load import LOADS as functions
    return functions[item](work, is_long)


def in_process(part: str, item: str, is_long: bool) -> dict:
    """Run an item in a new process, keep what it measured -> the same."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SEGLAB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    if part in ON_DISK:
        environment["LD_PRELOAD"] = str(LIBRARY)
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    began = time.monotonic()
    with TemporaryDirectory(prefix="trust-", dir=place) as folder:
        environment |= {"TMPDIR": folder, "SEGLAB_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "trust", "item", part, item, str(int(is_long)), f"{folder}/result.json"]
        log = Path(mkdtemp(dir=folder)) / "log"
        with open(log, "w") as output:
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
            _, status, usage = os.wait4(process.pid, 0)
        try:
            result = json.loads(without_places(Path(folder, "result.json").read_text(), folder))
        except FileNotFoundError:
            said = without_places(log.read_text(errors="replace"), folder)
            result = {"findings": [f"ended with status {status}: {said[-2000:]}"]}
    result |= {"seconds": round(time.monotonic() - began), "cpu_seconds": round(usage.ru_utime + usage.ru_stime)}
    return result | {"date": date.today().isoformat()}


def without_places(text: str, folder: str) -> str:
    """A text that is kept in the repository, without where the proof ran on this machine."""
    return text.replace(folder, "...").replace(str(ROOT), "...")


def keep(part: str, item: str, is_long: bool, result: dict) -> None:
    """Put a result into the file of results, and write the page anew."""
    results = read_results()
    results["long" if is_long else "short"].setdefault(part, {})[item] = result
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    write_page(results)


def wanted(words: list[str]) -> list[tuple[str, str]]:
    """Words such as faults and kills:export -> (part, item) of all that is meant."""
    chosen = []
    for word in words or PARTS:
        part, _, item = word.partition(":")
        if part not in PARTS or (item and item not in PARTS[part]):
            sys.exit(f"{word} is no part of the proof: choose of {', '.join(PARTS)}, or {part}:ITEM")
        chosen += [(part, each) for each in ([item] if item else PARTS[part])]
    return chosen


def main(words: list[str]) -> int:
    if words[:1] == ["item"]:
        _, part, item, is_long, out = words
        work = Path(out).with_name("work")
        result = run_item(part, item, bool(int(is_long)), work)
        Path(out).write_text(json.dumps(result))
        shutil.rmtree(work, ignore_errors=True)
        return 0
    is_long = "--long" in words
    jobs = wanted([word for word in words if word != "--long"])
    if any(part in ON_DISK for part, _ in jobs):
        build_disk_layer()
    found = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = [(job, pool.submit(in_process, *job, is_long)) for job in jobs]
        for (part, item), waiting in running:
            result = waiting.result()
            keep(part, item, is_long, result)
            found += len(result["findings"])
            print(f"{part}: {item}: {len(result['findings'])} findings, {result['cpu_seconds']} s of CPU", flush=True)
            for finding in result["findings"]:
                print(f"    {finding}")
    print(f"{found} findings; docs/reliability.md has the figures")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
