"""Every measurement that documents quote, anew and unattended: `python -m benchmarks`, or `make bench`.

Each is written to a file of its own in runs/bench and into its places in the documents (see `quoted`), with the machine
it ran on. On two quiet cores all take about 20 minutes, apart from those that take many by themselves: these are
measured when they are named, as in `python -m benchmarks scale learning`. What was not measured is listed at the end
with the reason; where something failed, the command does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.quoted import quote

OUT = Path("runs/bench")


@dataclass(frozen=True)
class Measurement:
    """A command, and what it cannot do without: packages, and the folder of real photos."""

    name: str
    command: str  # behind `python -m benchmarks.`
    packages: tuple[str, ...] = ()
    photos: bool = False
    named_only: bool = False  # takes more than five minutes


COCO38 = "$SEGLAB_DATASETS/coco38"
PEER = ("ultralytics",)
TIMEOUT = 3600  # seconds of one measurement
MEASUREMENTS = (
    Measurement("speed", "speed", PEER),
    Measurement("speed-busy", "speed --busy 1 --tasks predict folder --threads 2", PEER),
    Measurement("speed-photos", f"speed --data {COCO38} --tasks folder val --threads 2", PEER, photos=True),
    Measurement("loss", "loss", PEER),
    Measurement("loading", "loading", PEER, photos=True),
    Measurement("convert", "convert annotations=10000 rounds=3", PEER),
    Measurement("convert-photos", f"convert source={COCO38}/annotations rounds=3", PEER, photos=True),
    Measurement("evaluation-segm", "evaluation images=1000 rounds=3 kind=segm", ("faster_coco_eval",)),
    Measurement("evaluation-bbox", "evaluation images=1000 rounds=3 kind=bbox", ("faster_coco_eval",)),
    Measurement("tiles", "tiles"),
    Measurement("rasterize", "rasterize rounds=100"),
    Measurement("engines", "engines weights=data/weights/toybox-n.safetensors rounds=10", ("onnxruntime",)),
    Measurement("convert-memory", "convert million=True", named_only=True),
    Measurement("scale", "scale", PEER, named_only=True),
    Measurement("learning", "learning small", PEER, photos=True, named_only=True),
)


def main(names: list[str]) -> int:
    """Run the measurements of these names, or all that are short; how many could not be made."""
    unknown = set(names) - {measurement.name for measurement in MEASUREMENTS}
    if unknown:
        print(f"there is no measurement {', '.join(sorted(unknown))}: {', '.join(m.name for m in MEASUREMENTS)}")
        return len(unknown)
    OUT.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()  # with the load before all this
    failed = {}
    for measurement in MEASUREMENTS:
        if measurement.name not in names if names else measurement.named_only:
            continue
        start = time.monotonic()
        reason = lacking(measurement) or run(measurement, machine)
        if reason:
            failed[measurement.name] = reason
        print(f"{measurement.name}: {reason or 'measured'}, {time.monotonic() - start:.0f} s", flush=True)
    if failed:
        print("\nNot measured here, so these figures of the documents are older ones:")
        for name, reason in failed.items():
            print(f"- {name}: {reason}")
    if not names:
        print(f"Measured when named: {', '.join(each.name for each in MEASUREMENTS if each.named_only)}")
    return len(failed)


def lacking(measurement: Measurement) -> str:
    """What this machine lacks for a measurement, "" if nothing."""
    missing = [package for package in measurement.packages if find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    if measurement.photos and not os.environ.get("SEGLAB_DATASETS"):
        return "SEGLAB_DATASETS does not name the folder of real photos"
    return ""


def run(measurement: Measurement, machine: str) -> str:
    """Run one, keep what it prints and quote it; why it failed, "" if it did not."""
    words = [os.path.expandvars(word) for word in measurement.command.split()]
    command = [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"it took more than {TIMEOUT} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    text = f"`python -m benchmarks.{measurement.command}`, {date.today()}, {machine}\n\n{done.stdout.strip()}\n"
    (OUT / f"{measurement.name}.md").write_text(text, encoding="utf-8")
    quote(measurement.name, text)
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
