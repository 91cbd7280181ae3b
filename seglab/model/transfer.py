"""From one network's weights to another's: equal tensors as they are, class scores by the names of the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seglab.class_names import equal_classes
from seglab.model.yolo11 import YOLO11Seg
from seglab.wording import pluralize

NAMES_SHOWN = 12


@dataclass
class Transfer:
    """What was taken over from other weights, by parameter name.

    rows: class id in the model -> class id in the weights, of the class scores that were copied row by row; None where
    the class scores were taken or left as whole tensors.
    """

    loaded: list[str]
    mismatched: list[str]  # in both, but of another shape: left as initialized
    missing: list[str]  # in the model only: left as initialized
    unused: list[str]  # in the weights only
    rows: dict[int, int] | None = None
    by_row: list[str] = field(default_factory=list)  # the tensors that were copied row by row


def transfer(model: YOLO11Seg, state: dict[str, Tensor], rows: dict[int, int] | None = None) -> Transfer:
    """Copy into `model` every tensor whose name and shape match, and say what was and was not.

    rows: class id in `model` -> class id in `state`. Of the last layer of the class branches only these rows are
    copied, and the others stay as initialized. None: that layer is a tensor like any other.
    """
    own = model.state_dict()
    scores = score_layers(model)
    identity = {number: number for number in range(model.classes)}
    same_shapes = all(name in state and state[name].shape == own[name].shape for name in scores)
    if rows == identity and same_shapes:
        rows = None  # the same classes in the same order

    # Tensors of the class scores go row by row, where rows say so, all others whole.
    by_row: dict[str, Tensor] = {}
    if rows is not None:
        for name in scores:
            if name in state and own[name].shape[1:] == state[name].shape[1:]:
                by_row[name] = _with_rows(own[name], state[name], rows)
    whole: dict[str, Tensor] = {}
    for name, tensor in own.items():
        goes_by_row = rows is not None and name in scores
        if name in state and not goes_by_row and tensor.shape == state[name].shape:
            whole[name] = state[name]

    model.load_state_dict({**whole, **by_row}, strict=False)
    return Transfer(
        loaded=list(whole),
        mismatched=[name for name in own if name in state and name not in whole and name not in by_row],
        missing=[name for name in own if name not in state],
        unused=[name for name in state if name not in own],
        rows=rows,
        by_row=list(by_row),
    )


def score_layers(model: YOLO11Seg) -> list[str]:
    """The tensors with one row a class: weight and bias of the last layer of each class branch."""
    return [f"model.23.cv3.{branch}.2.{kind}" for branch in range(len(model.head.cv3)) for kind in ("weight", "bias")]


def _with_rows(own: Tensor, other: Tensor, rows: dict[int, int]) -> Tensor:
    """A copy of `own` (C, ...) that has rows of `other` (K, ...) where `rows` says so."""
    own = own.clone()
    for here, there in rows.items():
        own[here] = other[there].to(own)
    return own


def init_network(scale: str, classes: int, seed: int, class_width: int | None = None) -> YOLO11Seg:
    """A network from scratch, in evaluation mode: weights drawn by `seed`, whatever has been drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return YOLO11Seg(scale, classes, class_width).eval()


def change_classes(
    network: YOLO11Seg, known: Mapping[int, str], names: Mapping[int, str], seed: int
) -> tuple[YOLO11Seg, Transfer]:
    """A network for the classes `names` that keeps what `network`, of the classes `known`, has learned.

    All of it is kept but the last layer of the class branches, whose rows are copied for classes of equal names and
    drawn anew (by `seed`) for the others. The class branches keep their width, which otherwise follows the number of
    classes. `network` stays as it is.
    """
    changed = init_network(network.scale, len(names), seed, network.class_width)
    report = transfer(changed, network.state_dict(), rows=equal_classes(names, known))
    return changed, report


def describe_transfer(report: Transfer, source: str, names: Mapping[int, str] | None = None) -> str:
    """What was taken over from other weights, in words; what was not, branch by branch, and which classes were known.

    names: of the model's classes, where rows were copied by name.
    """
    total = sum(map(len, (report.loaded, report.by_row, report.mismatched, report.missing)))
    lines = [f"{len(report.loaded)} of {total} tensors taken from {source}"]
    if report.by_row:
        lines.append("  " + _describe_rows(report.by_row, report.rows or {}, names or {}))
    for label, tensors in (
        ("another shape, left as initialized", report.mismatched),
        ("missing from the weights, left as initialized", report.missing),
        ("not in the model, unused", report.unused),
    ):
        if tensors:
            branches = Counter(".".join(name.split(".")[:3]) for name in tensors)
            shown = (f"{branch}.* ({pluralize(count, 'tensor')})" for branch, count in branches.items())
            lines.append(f"  {label}: {', '.join(shown)}")
    return "\n".join(lines)


def describe_forgotten(known: Mapping[int, str], names: Mapping[int, str]) -> str:
    """Which classes weights lose when they are fine-tuned to the classes `names`; empty when none."""
    kept = equal_classes(known, names)
    forgotten = [name for number, name in known.items() if number not in kept]
    if not forgotten:
        return ""
    classes = f"{pluralize(len(forgotten), 'class')} the weights know ({_listed(forgotten)})"
    return f"this run forgets {classes}: pass keep=True to keep them"


def _describe_rows(tensors: list[str], rows: Mapping[int, int], names: Mapping[int, str]) -> str:
    known = [names.get(number, str(number)) for number in rows]
    new = [name for number, name in names.items() if number not in rows]
    text = f"class scores ({pluralize(len(tensors), 'tensor')}): {len(known)} of {len(names)} classes known by name"
    if known:
        text += f" ({_listed(known)})"
    if new:
        text += f"; new: {_listed(new)}"
    return text


def _listed(names: list[str]) -> str:
    """The first NAMES_SHOWN names, and how many more there are."""
    shown = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
