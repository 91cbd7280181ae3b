"""What befalls a run from outside: disks that are full or read-only, signals, a notebook's stop button, a clock that
jumps, numbers that are not finite, memory that does not suffice."""

from __future__ import annotations

import json
import queue
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from seglab.errors import SeglabError
from seglab.model.weights import load_weights
from seglab.training import checkpoint, engine
from seglab.training.arguments import read_arguments
from trust.disk import BACK, FORWARD, FULL, INTERRUPT, KINDS, READ_ONLY, TERMINATE, Fault, Outcome, in_fork, spread
from trust.faults import Reference, run_case
from trust.verbs import VERBS, leftovers, start_training

ALONE = tuple(name for name in VERBS if name != "train on 2 processes")
WRITING = ("open", "write", "fsync", "rename")
NOTEBOOK_SECONDS = 300


def read_only(work: Path, long: bool) -> dict:
    """Every verb where nothing can be written: a sentence, and nothing changes."""
    return each_verb(work, lambda operations: [Fault(WRITING, 1, READ_ONLY, onwards=True)])


def full(work: Path, long: bool) -> dict:
    """The disk is full from a point on, of those spread over each verb: a sentence, and all that was there is whole."""
    return each_verb(work, lambda operations: full_from(operations, 20 if long else 3))


def full_from(operations: dict[str, int], count: int) -> list[Fault]:
    total = sum(operations[kind] for kind in WRITING)
    return [Fault(WRITING, place, FULL, onwards=True) for place in spread(total, count)]


def clock_jumps(work: Path, long: bool) -> dict:
    """The clock is put ten years ahead or back while a verb runs: it does what it does otherwise."""

    def jumps(operations: dict[str, int]) -> list[Fault]:
        places = spread(sum(operations.values()), 20 if long else 3)
        return [Fault(KINDS, place, (FORWARD, BACK)[number % 2]) for number, place in enumerate(places)]

    return each_verb(work, jumps, expected="done")


def terminated(work: Path, long: bool) -> dict:
    """SIGTERM, as a queue's time limit or `docker stop` sends it, at points spread over each verb."""
    return each_verb(work, lambda operations: signals(operations, TERMINATE, 20 if long else 3))


def interrupted(work: Path, long: bool) -> dict:
    """SIGINT, the Ctrl-C of a terminal, likewise."""
    return each_verb(work, lambda operations: signals(operations, INTERRUPT, 20 if long else 3))


def signals(operations: dict[str, int], signal: int, count: int) -> list[Fault]:
    return [Fault(KINDS, place, signal) for place in spread(sum(operations.values()), count)]


def each_verb(work: Path, faults_of: Callable[[dict[str, int]], list[Fault]], expected: str | None = None) -> dict:
    """Every verb with the faults of its operations; expected: how all of them are to end, None: not all as if unmet."""
    ends: Counter[str] = Counter()
    findings = []
    for number, name in enumerate(ALONE):
        reference = Reference(VERBS[name], work / str(number))
        for fault in faults_of(reference.operations):
            outcome, wrong = run_case(reference, fault)
            ends[outcome.how] += 1
            if expected and outcome.how != expected:
                wrong.append(f"did not end as {expected}")
            if wrong:
                ended = f"{outcome.how}: {outcome.text}"[-300:]
                findings.append({"verb": name, "fault": str(fault), "ended": ended, "wrong": wrong[:5]})
    if not expected and ends["done"] == sum(ends.values()):
        findings.append("nothing happened to any verb")
    return {"cases": sum(ends.values()), "ends": dict(ends), "findings": findings}


# --- numbers that are not finite, and memory that does not suffice ---


def not_finite(work: Path, long: bool) -> dict:
    """Losses of NaN: one is taken back and training goes on; always NaN ends in a sentence, with finite weights."""
    findings = []
    for bad_calls, expected in ((range(3, 4), "done"), (range(3, 1000), "error")):
        folder, outcome = train_spoiled(work / expected, bad_calls, spoil)
        if outcome.how != expected or (expected == "error" and "non-finite" not in outcome.text):
            findings.append(f"NaN at {bad_calls}: {outcome}")
        for path in (folder / "out").rglob("*.safetensors"):
            state = load_weights(path).state
            if not all(torch.isfinite(tensor).all() for tensor in state.values()):
                findings.append(f"NaN at {bad_calls}: {path.name} has numbers that are not finite")
    return {"cases": 2, "findings": findings}


def out_of_memory(work: Path, long: bool) -> dict:
    """A step that does not fit into memory: batches of half the size from then on; where one image does not, an end."""
    findings = []
    for bad_calls, expected in ((range(3, 4), "done"), (range(3, 1000), "error")):
        folder, outcome = train_spoiled(work / expected, bad_calls, allocate_too_much)
        if outcome.how != expected or (expected == "error" and "out of memory" not in outcome.text):
            findings.append(f"too much memory at {bad_calls}: {outcome}")
        batch = read_arguments(folder / "out/run")["batch"]
        if batch != 1:
            findings.append(f"too much memory at {bad_calls}: batch={batch} instead of half of 2")
        findings += [f"left at {bad_calls}: {name}" for name in leftovers(folder)]
    return {"cases": 2, "findings": findings}


def allocate_too_much(loss: object) -> object:
    """Errors: RuntimeError, PyTorch's own for memory that there is not."""
    torch.empty(1 << 60, dtype=torch.uint8)
    return loss


def train_spoiled(work: Path, calls: range, change: Callable) -> tuple[Path, Outcome]:
    """A training in which `change` gets the loss at the calls of these numbers -> its folder, and how it ended."""
    reference = Reference(VERBS["train"], work)
    folder = reference.new_folder("case")

    def start() -> None:
        original = engine.segmentation_loss
        seen = []

        def spoiled(*arguments, **named):
            seen.append(1)
            loss = original(*arguments, **named)
            return change(loss) if len(seen) in calls else loss

        engine.segmentation_loss = spoiled
        start_training(folder)

    return folder, in_fork(start, folder)


def spoil(loss):
    """The same loss with NaN for every number, still connected with the network."""
    if isinstance(loss, torch.Tensor):
        return loss * float("nan")
    if isinstance(loss, dict):
        return {name: spoil(value) for name, value in loss.items()}
    if isinstance(loss, tuple):
        spoiled = [spoil(value) for value in loss]
        return type(loss)(*spoiled) if hasattr(loss, "_fields") else tuple(spoiled)
    return loss


# --- a notebook ---


SETUP = """
    import seglab, torch
    torch.set_num_threads(1)
    from seglab.training import checkpoint
    checkpoint.SECONDS_BETWEEN_SAVES = 0.0
    model = seglab.YOLO("toybox-n")
"""
TRAIN = """
    model.train(data="toybox8-seg", imgsz=64, epochs=1000, batch=2, workers=0, val=False, plots=False, device="cpu",
                project=r"{project}", name="run", recipe="ultralytics")
"""
AFTER = """
    found = model.predict("{image}", imgsz=64, verbose=False)
    print(f"predicted on {{len(found)}} image")
    progress = checkpoint.read_state(__import__("pathlib").Path(r"{project}") / "run")[1]
    print(f"{{progress.epoch}} epochs to resume from")
"""


def notebook(work: Path, long: bool) -> dict:
    """The stop button during a training: the kernel lives, the model still predicts, and the run can be resumed."""
    from jupyter_client.manager import start_new_kernel

    from seglab.files import bundled_data_dir

    work.mkdir(parents=True)
    image = next((bundled_data_dir() / "toybox8-seg/images/val").iterdir())
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(work))
    try:
        run_cell(client, SETUP)
        client.execute(textwrap.dedent(TRAIN.format(project=work)))
        deadline = time.monotonic() + NOTEBOOK_SECONDS
        while not (work / "run" / checkpoint.LAST).exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(2)  # into an epoch
        manager.interrupt_kernel()
        said = messages(client)
        after = run_cell(client, AFTER.format(project=work, image=image))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    findings = []
    if "KeyboardInterrupt" not in said:
        findings.append(f"training was not interrupted: {said[-500:]}")
    if "predicted on 1 image" not in after or "epochs to resume from" not in after:
        findings.append(f"after the interruption: {after[-1500:]}")
    return {"cases": 1, "said": [line for line in said.splitlines() if "resume" in line][:3], "findings": findings}


def run_cell(client, code: str) -> str:
    client.execute(textwrap.dedent(code))
    return messages(client)


def messages(client) -> str:
    """What a cell prints and raises, until it is done."""
    texts = []
    while True:
        try:
            message = client.get_iopub_msg(timeout=NOTEBOOK_SECONDS)
        except queue.Empty:
            raise SeglabError("the kernel no longer answers") from None
        content = message["content"]
        if message["msg_type"] == "stream":
            texts.append(content["text"])
        elif message["msg_type"] == "error":
            texts.append(f"{content['ename']}: {content['evalue']}\n")
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return "".join(texts) or json.dumps("")


CONDITIONS = {
    "read-only disk": read_only,
    "full disk": full,
    "SIGTERM": terminated,
    "SIGINT": interrupted,
    "SIGINT in a notebook": notebook,
    "NaN": not_finite,
    "out of memory": out_of_memory,
    "clock jumps": clock_jumps,
}
