"""What a training starts from: the run to resume, the data, what the weights know of it, a network for its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seglab.class_names import equal_classes, same_classes
from seglab.config import TrainConfig
from seglab.data.holdout import with_holdout
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.subset import split_fractions, subset
from seglab.datasets.trained_on import DEFAULT_DATA, knows_coco
from seglab.errors import SeglabError
from seglab.model.transfer import change_classes, describe_forgotten, describe_transfer
from seglab.model.yolo11 import YOLO11Seg
from seglab.training.arguments import last_run, run_folder
from seglab.training.distributed import is_main, rank_zero_first
from seglab.training.keep import Knowledge, find_knowledge
from seglab.training.recipes import Start


def interrupted_run(weights: Path | None) -> str:
    """The run that resume=True means: the one that a file of weights comes from, else the newest interrupted one.

    Errors: SeglabError where there is none.
    """
    if weights is not None and (run_folder(weights) / "args.yaml").is_file():
        return str(weights)
    found = last_run()
    if found is None:
        raise SeglabError(
            "resume=True: these weights belong to no run, and runs/segment has no interrupted one; give the folder of "
            "the run, e.g. resume='runs/segment/train'"
        )
    print(f"resume=True: resuming {found}, the last interrupted run")
    return str(found)


def data_to_train_on(data: str | Path | Sequence[str | Path], config: TrainConfig) -> DatasetSpec:
    """The dataset of a training: what its arguments choose of it, with images held out as they say."""

    def load() -> DatasetSpec:
        spec = load_dataset(data, labels=config.labels, instances=config.instances)
        return with_holdout(spec, config.holdout, config.test, config.seed)

    # The first process may have to download or write something that the others then find.
    spec = rank_zero_first(load)
    return subset(spec, config.classes, config.single_cls, split_fractions(config.fraction, ["train"]))


def knowledge_to_keep(names: dict[int, str], training: Mapping[str, Any], new: DatasetSpec, resumed: bool) -> Knowledge:
    """What weights know before they learn `new`, and where there are images of it to rehearse.

    names: their classes; training: the arguments they were trained with.
    """
    rehearsed = training.get("old_data") or []
    if resumed:  # the run reads itself how many classes it started with
        return Knowledge(len(names), tuple(rehearsed))
    trained_on = training.get("data") or (DEFAULT_DATA if knows_coco(names) else None)
    return find_knowledge(names, trained_on, rehearsed, new)


def fit_classes(
    network: YOLO11Seg, names: dict[int, str], spec: DatasetSpec, seed: int, model_name: str, mask_targets: str
) -> tuple[YOLO11Seg, Start]:
    """The network with the dataset's classes instead of its own, and what it knows of them; lines say what changed."""
    known = len(equal_classes(spec.names, names))
    start = Start(known, len(spec.names) - known, scratch=False, mask_targets=mask_targets)
    if same_classes(spec.names, names):
        return network, start
    fitted, report = change_classes(network, names, spec.names, seed)
    if is_main():
        print(describe_transfer(report, model_name, spec.names))
        forgotten = describe_forgotten(names, spec.names)
        if forgotten:
            print(forgotten)
    return fitted, start
