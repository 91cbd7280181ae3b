"""The end of a conversion to YOLO: images are held out if asked for, and everything written is read back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from seglab.convert.report import Report
from seglab.convert.rows import same
from seglab.convert.targets import Target, Targets
from seglab.data.annotations import Annotations
from seglab.data.holdout import hold_out
from seglab.data.image import image_size
from seglab.datasets.load import load_dataset
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.yaml_file import read_yaml
from seglab.files import label_path
from seglab.formats.coco import read_coco
from seglab.formats.coco_writer import category_entries, write_coco
from seglab.formats.yolo import write_dataset_yaml
from seglab.geometry.rle import rings_to_rle
from seglab.image_files import DEFAULT_READING, MAX_PIXELS, Reading
from seglab.progress import with_progress
from seglab.sample import Instance


def finish_yolo(part: Path, report: Report, targets: Targets, holdout: float, test: float) -> None:
    """Hold images out, if asked for; then read all of it back as training would, and compare it with the source."""
    yaml = part / f"{report.out.name}.yaml"
    if holdout or test:
        _move_held_out(part, hold_out(load_dataset(yaml), holdout, test), report, targets)
    spec = load_dataset(yaml)
    if "val" not in spec.splits:
        action = "train or convert with holdout=0.2; holdout=0 validates on the training images"
        report.note(str(report.out), "no val split in the source", action)
    report.images_back, report.instances_back = 0, 0
    for split in spec.splits:
        annotations = Annotations(spec, split)
        for image in with_progress(annotations.images, f"read back {split}", count=len(annotations.images)):
            instances, issues = annotations.read(image, image_size(image))
            kept = [found for found in instances if not found.crowd]
            report.images_back += 1
            report.instances_back += len(kept)
            label = annotations.label_file(image).relative_to(part.resolve()).as_posix()
            _compare(kept, list(targets.of(label)), report)
            for issue in issues:
                if not issue.is_note and not issue.message.startswith("duplicate row"):  # told when it was written
                    report.note(str(image.relative_to(part)), issue.message, issue.action)
    missing = report.instances_written - report.duplicates - report.instances_back
    if missing > 0:
        report.lose(str(report.out), "not found when the output was read back", missing)
    report.next_command = next_command(spec, report.out, report.reading)


def _compare(read: Sequence[Instance], wanted: Sequence[Target], report: Report) -> None:
    """Measure the instances of an image, as they were read, against what the source has in the same order."""
    for number, target in enumerate(wanted):
        is_alike = number < len(read) and read[number].class_id == target.class_id and target.whole
        mask = rings_to_rle(read[number].rings, *target.mask["size"]) if is_alike else None
        report.measure(target.pixels, same(target.mask, mask) if mask else 0.0, None)


def next_command(spec: DatasetSpec, out: Path, reading: Reading = DEFAULT_READING) -> str:
    """What to type after a conversion."""
    command = f"seglab train data={out / out.name}.yaml"
    if reading.range is not None:
        command += f" range={reading.range[0]:g},{reading.range[1]:g}"
    if reading.max_pixels != MAX_PIXELS:
        command += f" max_pixels={reading.max_pixels}"
    return command if "val" in spec.splits else f"{command} holdout=0.2"


def _move_held_out(part: Path, spec: DatasetSpec, report: Report, targets: Targets) -> None:
    """Move the images of a split, with their labels, from the folder of train to folders of their own."""
    content = read_yaml(part / f"{report.out.name}.yaml")
    held_out = [split for split in ("val", "test") if spec.splits.get(split)]
    entries = {"train": str(content.get("train") or content.get("val"))}
    first = Path(entries["train"])
    for split in held_out:
        entries[split] = str(content.get(split) or f"images/{split}") if split == "test" else "images/val"
        for image in spec.splits[split]:
            inside = image.relative_to(part.resolve())
            if not inside.is_relative_to(first):
                continue
            target = part / entries[split] / inside.relative_to(first)
            old_label, new_label = label_path(image), label_path(target)
            for old, new in ((image, target), (old_label, new_label)):
                new.parent.mkdir(parents=True, exist_ok=True)
                os.replace(old, new)
            targets.move(old_label.relative_to(part.resolve()).as_posix(), new_label.relative_to(part).as_posix())
    crowds = {split: str(file.relative_to(part.resolve())) for split, file in spec.crowds.items()}
    names = dict(spec.names)
    write_dataset_yaml(part / f"{report.out.name}.yaml", entries, names, crowds=_split_crowds(part, spec, crowds))


def _split_crowds(part: Path, spec: DatasetSpec, crowds: Mapping[str, str]) -> dict[str, str]:
    """The JSON of crowds and ids of every split, cut out of the one that was for all."""
    written: dict[str, str] = {}
    for split, images in spec.splits.items():
        if split not in crowds:
            continue
        whole = read_coco(part / crowds[split], crowds_only=True)
        entries = list(whole.entries(images).values())
        ids = {entry["id"] for entry in entries}
        rows = [row for row in whole.crowds() if row["image_id"] in ids]
        categories = category_entries(whole.category_ids, whole.names.values())
        written[split] = f"annotations/held_{split}.json"
        write_coco(part / written[split], entries, rows, categories)
    for file in set(crowds.values()):
        (part / file).unlink(missing_ok=True)
    for split, file in written.items():
        final = f"annotations/crowds_{split}.json"
        os.replace(part / file, part / final)
        written[split] = final
    return written
