"""Every measurement that docs/performance.md and docs/export.md quote, anew: `python -m benchmarks`, or `make bench`.

Each writes what it prints to a file of its own in runs/bench, with the machine it ran on. What could not be measured
here is listed at the end with the reason, and makes the command fail. Some take an hour: name those that you want, as
in `python -m benchmarks speed loss`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.machine import describe_machine

OUT = Path("runs/bench")


@dataclass(frozen=True)
class Measurement:
    """A command, and what it cannot do without: packages, and the folder of real photos."""

    name: str
    command: str  # behind `python -m benchmarks.`
    packages: tuple[str, ...] = ()
    photos: bool = False


COCO38 = "$SEGLAB_DATASETS/coco38"
PEER = ("ultralytics",)
MEASUREMENTS = (
    Measurement("speed", "speed", PEER),
    Measurement("speed-busy", "speed --busy 1 --tasks predict folder video", PEER),
    Measurement("speed-photos", f"speed --data {COCO38} --tasks predict folder video val", PEER, photos=True),
    Measurement("learning", "learning small", PEER, photos=True),
    Measurement("loss", "loss", PEER),
    Measurement("loading", "loading", PEER, photos=True),
    Measurement("scale", "scale", PEER),
    Measurement("convert", "convert annotations=30000", PEER),
    Measurement("convert-photos", f"convert source={COCO38}/annotations", PEER, photos=True),
    Measurement("convert-memory", "convert million=True", PEER),
    Measurement("evaluation-bbox", "evaluation images=5000 rounds=3 kind=bbox", ("faster_coco_eval",)),
    Measurement("evaluation-segm", "evaluation images=5000 rounds=2 kind=segm", ("faster_coco_eval",)),
    Measurement("rasterise", "rasterise rounds=200"),
    Measurement("engines", "engines weights=data/weights/toybox-n.safetensors imgsz=640", ("onnxruntime", "openvino")),
)


def main(names: list[str]) -> int:
    """Run the measurements of these names, or all; how many could not be made."""
    unknown = set(names) - {measurement.name for measurement in MEASUREMENTS}
    if unknown:
        print(f"there is no measurement {', '.join(sorted(unknown))}: {', '.join(m.name for m in MEASUREMENTS)}")
        return len(unknown)
    OUT.mkdir(parents=True, exist_ok=True)
    failed = {}
    for measurement in MEASUREMENTS:
        if names and measurement.name not in names:
            continue
        reason = lacking(measurement) or run(measurement)
        if reason:
            failed[measurement.name] = reason
            print(f"{measurement.name}: not measured: {reason}", flush=True)
        else:
            print(f"{measurement.name}: {OUT / measurement.name}.md", flush=True)
    if failed:
        print("\nNot measured here, so these figures of the docs are older ones:")
        for name, reason in failed.items():
            print(f"- {name}: {reason}")
    return len(failed)


def lacking(measurement: Measurement) -> str:
    """What this machine lacks for a measurement, "" if nothing."""
    missing = [package for package in measurement.packages if find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    if measurement.photos and not os.environ.get("SEGLAB_DATASETS"):
        return "SEGLAB_DATASETS does not name the folder of real photos"
    return ""


def run(measurement: Measurement) -> str:
    """Run one and keep what it prints; why it failed, "" if it did not."""
    words = [os.path.expandvars(word) for word in measurement.command.split()]
    command = [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    heading = f"`python -m benchmarks.{measurement.command}`\n\n{describe_machine()}\n\n"
    (OUT / f"{measurement.name}.md").write_text(heading + done.stdout, encoding="utf-8")
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
