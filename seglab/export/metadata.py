"""The metadata inside an exported file: enough to run it correctly without any other file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seglab.class_names import numbered
from seglab.errors import SeglabError, reading
from seglab.export import foreign_metadata
from seglab.files import staging_dir
from seglab.model.head import STRIDES
from seglab.model.yolo11 import YOLO11Seg
from seglab.version import __version__

PRODUCER = "seglab"
NORMALIZATION = "RGB, uint8 / 255, letterboxed with gray 114"
KEY = "seglab"  # its value is JSON with everything that the keys common among YOLO tools have no place for
PRECISIONS = ("fp32", "fp16", "int8")
MASK_TARGETS = ("soft", "hard")
OWN_FIELDS = ("dynamic", "precision", "weights", "mask_targets", "end_to_end", "parity", "version")  # which go there
SIDECAR = "metadata.yaml"


@dataclass(frozen=True)
class ModelMetadata:
    """What a file says about itself.

    names: class id -> name; size: (height, width) it was exported at; batch: images per call.
    dynamic: batch, height (a multiple of 32) and width (likewise) may differ from call to call.
    precision: fp32, fp16 or int8.
    license and weights: the terms of the weights, and which they are (see `fingerprint`).
    mask_targets: soft or hard, what the weights were trained with, by which masks are cut to their boxes.
    end_to_end: conf, iou, max_det and masks of an end-to-end file, empty for others.
    parity: the table of the parity check once it has run: row name -> value, limit, ok.
    producer and version: the tool that wrote the file.
    has_nms: it gives detections after NMS, as files of other tools may, so that NMS has nothing left to do.
    """

    names: dict[int, str]
    size: tuple[int, int] = (640, 640)
    batch: int = 1
    dynamic: bool = False
    precision: str = "fp32"
    license: str = "unknown"
    weights: str = ""
    mask_targets: str = "soft"
    end_to_end: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    producer: str = PRODUCER
    version: str = __version__
    has_nms: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether another tool wrote the file."""
        return self.producer != PRODUCER

    @property
    def origin(self) -> str:
        """Who wrote the file and under what terms its weights are, in words."""
        tool = f"{self.producer} {self.version}".rstrip()
        return f"exported by {tool}, license {self.license}"

    def to_strings(self) -> dict[str, str]:
        """Text under the keys common among YOLO tools, as Python literals, and the rest as JSON under `seglab`."""
        own = {"version": self.version, "normalization": NORMALIZATION}
        own |= {name: getattr(self, name) for name in OWN_FIELDS}
        return {
            "names": str(self.names),
            "stride": str(max(STRIDES)),
            "task": "segment",
            "imgsz": json.dumps(list(self.size)),
            "batch": str(self.batch),
            "channels": "3",
            "license": self.license,
            KEY: json.dumps(own),
        }

    @classmethod
    def from_strings(cls, strings: dict[str, Any], source: str) -> ModelMetadata:
        """The inverse of `to_strings`; also reads files of other YOLO tools (see `foreign_metadata`).

        strings: values may be text or what the text stands for; source: named in errors.
        Errors: SeglabError when class names or input size are missing or unreadable, or the task is another.
        """
        if not isinstance(strings, Mapping) or not {"names", "imgsz"} <= strings.keys():
            raise SeglabError(
                f"{source} has no class names or no input size (metadata 'names' and 'imgsz'): export it again with "
                "seglab"
            )
        with reading(source, "a file with metadata that says what it is", "export it again"):
            return cls._read(strings, source)

    @classmethod
    def _read(cls, strings: Mapping[str, Any], source: str) -> ModelMetadata:
        """What `from_strings` does; whatever is odd about the metadata may raise anything."""
        values = {key: foreign_metadata.read_value(value) for key, value in strings.items()}
        task = values.get("task", "segment")
        if task != "segment":
            raise SeglabError(
                f"{source} is a '{task}' model, but seglab runs 'segment' models only: choose another file"
            )
        names = numbered(values["names"], source)
        size = foreign_metadata.read_size(values["imgsz"])
        batch = foreign_metadata.read_batch(values.get("batch"))
        if KEY in strings:
            if not isinstance(values[KEY], Mapping):
                raise ValueError(f"{KEY!r} is not a mapping")
            own = {name: values[KEY][name] for name in OWN_FIELDS if name in values[KEY]}
            own["license"] = str(strings.get("license", "unknown"))
        else:
            own = foreign_metadata.read_origin(values)
        metadata = cls(names, size, batch, **own)
        metadata._refuse_wrong_types()
        return metadata

    def _refuse_wrong_types(self) -> None:
        """Errors: ValueError for a field that a file of anybody's may have filled with anything."""
        for name, types in _TYPES.items():
            if not isinstance(getattr(self, name), types):
                raise ValueError(f"{name!r} is {type(getattr(self, name)).__name__}")
        if self.precision not in PRECISIONS or self.mask_targets not in MASK_TARGETS:
            raise ValueError(f"precision {self.precision!r} or mask targets {self.mask_targets!r} are unknown")
        if not all(isinstance(row, dict) and {"value", "limit", "ok"} >= row.keys() for row in self.parity.values()):
            raise ValueError("'parity' is not a table of the parity check")


_TYPES = {
    "dynamic": bool,
    "precision": str,
    "weights": str,
    "mask_targets": str,
    "end_to_end": dict,
    "parity": dict,
    "version": str,
    "license": str,
    "producer": str,
    "has_nms": bool,
}
KEYS = tuple(ModelMetadata({}).to_strings())


def fingerprint(model: YOLO11Seg) -> str:
    """SHA-256 over a network's weights, by which a file can tell what it was exported from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_sidecar(folder: Path, metadata: ModelMetadata) -> None:
    """Put the metadata into the folder of a format whose own files have no place for it.

    As YAML under the name that other tools look for, with names, sizes and numbers as such.
    """
    import yaml  # takes 10 ms, which opening a model need not wait for

    values: dict[str, Any] = metadata.to_strings()
    values |= {"names": metadata.names, "imgsz": list(metadata.size), "batch": metadata.batch}
    values |= {name: int(values[name]) for name in ("stride", "channels")}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    (folder / SIDECAR).write_text(text, encoding="utf-8")


def read_sidecar(folder: Path) -> ModelMetadata:
    """The inverse of `write_sidecar`; other tools' YAML is read too.

    Errors: SeglabError when the metadata is missing or damaged.
    """
    path = folder / SIDECAR
    if not path.is_file():
        raise SeglabError(f"{folder} has no {SIDECAR} with the model's metadata: export it again")
    with reading(path, "metadata of an exported model", "export it again"):
        if path.stat().st_size > foreign_metadata.MAX_TEXT:
            raise ValueError("it is longer than any metadata")
        strings = foreign_metadata.read_metadata(path.read_text(encoding="utf-8"))
    return ModelMetadata.from_strings(strings, str(folder))


def write_into_archive(archive: Path, metadata: ModelMetadata) -> None:
    """Replace the metadata among the extra files of an archive of PyTorch's; every other entry stays as it was."""
    strings = metadata.to_strings()
    with staging_dir(archive) as folder:
        copy = folder / archive.name
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(copy, "w") as new:
            for entry in old.infolist():
                parent, _, name = entry.filename.rpartition("/")
                is_metadata = parent.endswith("/extra")
                new.writestr(entry, strings[name] if is_metadata else old.read(entry))
        copy.replace(archive)
