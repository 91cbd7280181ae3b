"""Coverage-guided fuzzing of every parser, one process each.

    python -m trust.fuzz PARSER SECONDS RUNS     fuzz one; what it finds lies in build/trust/findings/PARSER
    python -m trust.fuzz minimize                leave in the corpus what adds to the coverage of the seeds

atheris (libFuzzer in Python) mutates inputs and keeps those that reach new branches of seglab. A finding is an input
that ends in anything but SeglabError, takes more than 5 seconds or more than 1 GB. Those of one place in the code
count once, and fuzzing goes on after them.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "trust/corpus"  # PARSER.txt, an input a line as Python writes bytes; part of the repository
WORK = ROOT / "build/trust"  # what runs leave: their own corpus, and findings
NAMES = (
    "labels",
    "yaml",
    "coco",
    "tools",
    "results",
    "rle",
    "pt",
    "safetensors",
    "onnx",
    "pt2",
    "images",
    "archives",
    "cli",
)
MAX_SECONDS = 5
MAX_BYTES = 1 << 30  # beyond what the process takes before the first input
MAX_INPUT = 4096  # bytes
MAX_KEPT = 20_000  # bytes a parser in the repository's corpus
MEMORY_STEP = 1 << 10  # getrusage counts kilobytes on Linux
FAST_FOLDER = "/dev/shm"  # memory, where there is one


def fuzz(name: str, seconds: int, runs: int) -> dict:
    """Fuzz a parser in a process of its own -> what happened: runs, seconds, features, findings."""
    own_corpus = WORK / "corpus" / name
    findings = WORK / "findings" / name
    own_corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in findings.iterdir()}
    kept = lay_out_corpus(name)
    began = time.monotonic()
    done = 0
    branches = 0
    troubles = []
    while done < runs and (left := round(began + seconds - time.monotonic())) > 0:
        limits = [f"-max_total_time={left}", f"-runs={runs - done}", f"-timeout={MAX_SECONDS}", f"-max_len={MAX_INPUT}"]
        ended = run_atheris(name, [*limits, f"-artifact_prefix={findings}/", str(own_corpus), str(kept)])
        counts = [int(count) for count in re.findall(r"^#(\d+)\s", ended.stderr, re.MULTILINE)]
        covered = re.findall(r"cov: (\d+) ft:", ended.stderr)
        done += max(counts, default=0)
        branches = max(branches, int(covered[-1]) if covered else 0)
        if ended.returncode and not any(findings.iterdir()):
            troubles.append(f"the fuzzer ended with {ended.returncode}: {ended.stderr[-2000:]}")
            break
    for path in [*findings.glob("timeout-*"), *findings.glob("slow-unit-*")]:  # another process may have had the CPU
        if is_quick(name, path):
            path.unlink()
    found = sorted(path.name for path in findings.iterdir() if path.name not in before and path.suffix != ".txt")
    return {
        "runs": done,
        "seconds": round(time.monotonic() - began),
        "branches": branches,
        "findings": found + troubles,
    }


def is_quick(name: str, path: Path) -> bool:
    """Whether a parser is done with an input within the limit, in seconds of this process's own CPU time."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run_atheris(name, [f"-timeout={60 * MAX_SECONDS}", str(path)])
    start_up = 10  # imports under instrumentation
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < MAX_SECONDS + start_up


def run_atheris(name: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SEGLAB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("SEGLAB_DATASETS", None)
    place = FAST_FOLDER if Path(FAST_FOLDER).is_dir() else None
    with TemporaryDirectory(dir=place) as folder:
        environment |= {"TMPDIR": folder, "SEGLAB_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "trust.fuzz", "worker", name, *options]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, errors="replace")


def work(name: str, options: list[str]) -> None:
    """The process that fuzzes: libFuzzer calls `read_one` until its limits end it."""
    import atheris

    with atheris.instrument_imports(include=["seglab"]):
        from trust.parsers import PARSERS, read_quietly

    folder = Path(mkdtemp())
    places = [option.partition("=")[2] for option in options if option.startswith("-artifact_prefix=")]
    findings = Path(places[0]) if places else folder
    for seed in PARSERS[name].seeds():  # imports, and what is made once
        with_findings(read_quietly, name, seed, folder, findings)
    limit = peak_memory() + MAX_BYTES

    def read_one(data: bytes) -> None:
        nonlocal limit
        with_findings(read_quietly, name, data, folder, findings)
        if peak_memory() > limit:
            keep(findings, "memory", data, f"more than {MAX_BYTES:,} bytes")
            limit = peak_memory() + MAX_BYTES

    atheris.Setup([sys.argv[0], *options], read_one)
    atheris.Fuzz()


def with_findings(read, name: str, data: bytes, folder: Path, findings: Path) -> None:
    """Read an input, and keep it under the place in the code where it ended in an exception that is not ours."""
    try:
        read(name, data, folder)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        places = [frame for frame in frames if "/seglab/" in frame.filename] or frames
        place = f"{Path(places[-1].filename).stem}-{places[-1].lineno}"
        keep(findings, f"{type(error).__name__}-{place}", data, traceback.format_exc())


def keep(findings: Path, what: str, data: bytes, text: str) -> None:
    """Write an input and what it did, the first of its kind alone."""
    if not (findings / what).exists():
        (findings / what).write_bytes(data)
        (findings / f"{what}.txt").write_text(text)


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_STEP


# --- the corpus ---


def read_corpus(name: str) -> list[bytes]:
    """The inputs that the repository keeps for a parser; its seeds where there are none yet."""
    from trust.parsers import PARSERS

    file = CORPUS / f"{name}.txt"
    if not file.exists():
        return PARSERS[name].seeds()
    return [ast.literal_eval(line) for line in file.read_text(encoding="ascii").splitlines()]


def write_corpus(name: str, inputs: Iterable[bytes]) -> None:
    """Keep these inputs, each once, the short ones first."""
    ordered = sorted(set(inputs), key=lambda data: (len(data), data))
    CORPUS.mkdir(parents=True, exist_ok=True)
    (CORPUS / f"{name}.txt").write_text("".join(f"{data!r}\n" for data in ordered), encoding="ascii")


def lay_out_corpus(name: str) -> Path:
    """The kept inputs as files, as libFuzzer wants them -> their folder."""
    folder = WORK / "kept" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for data in read_corpus(name):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    return folder


def minimize(name: str) -> int:
    """Put into the repository's corpus the small inputs that together reach what all known ones do -> their bytes."""
    from trust.parsers import PARSERS

    own_corpus = WORK / "corpus" / name
    own_corpus.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as merged:
        run_atheris(name, ["-merge=1", f"-max_len={MAX_INPUT}", merged, str(lay_out_corpus(name)), str(own_corpus)])
        found = sorted((path.read_bytes() for path in Path(merged).iterdir()), key=len)
    kept = list(PARSERS[name].seeds())
    used = sum(map(len, kept))
    for data in found:
        used += len(data)
        if used > MAX_KEPT:
            break
        kept.append(data)
    write_corpus(name, kept)
    return sum(map(len, kept))


def main(words: list[str]) -> None:
    if words[:1] == ["worker"]:
        work(words[1], words[2:])
    elif words[:1] == ["minimize"]:
        for name in words[1:] or NAMES:
            print(f"{name}: {minimize(name):,} bytes")
    else:
        name, seconds, runs = words
        print(json.dumps(fuzz(name, int(seconds), int(runs)), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
