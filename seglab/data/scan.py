"""One look at every header and label of a split, so that its problems are known before an epoch has been spent."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from seglab.data.annotations import Annotations, JoinedAnnotations
from seglab.data.image import image_size
from seglab.errors import SeglabError
from seglab.files import cache_dir
from seglab.formats.issues import Issue, raise_first
from seglab.parallel import parallel_map, workers_for
from seglab.progress import with_progress

LARGE = 1000  # images from which the result is remembered between runs
SHARED = 5000  # images from which several processes look; a COCO JSON would have to go along to each, and stays here
VERSION = 3

Size = tuple[int, int]  # height, width


def scan(
    images: Sequence[Path], annotations: Annotations | JoinedAnnotations, strict: bool
) -> tuple[list[Size | None], list[Issue]]:
    """The size of every image, None for those that cannot be read, and everything that is wrong with the split.

    Errors: with `strict`, SeglabError for the first problem.
    """
    memory = _memory(images, annotations) if len(images) >= LARGE else None
    found = _recall(memory) if memory else None
    if found is None:
        sizes: list[Size | None] = []
        problems = annotations.unplaced()
        workers = 0 if annotations.has_json else workers_for(len(images), SHARED)
        with closing(parallel_map(_look_at, images, workers, annotations)) as looked:
            for size, faults in with_progress(looked, "scan", count=len(images)):
                if strict:
                    raise_first(faults)
                sizes.append(size)
                problems += faults
        found = sizes, problems
        if memory:
            _keep(memory, *found)
    if strict:
        raise_first(found[1])
    return found


def _look_at(image: Path, annotations: Annotations | JoinedAnnotations) -> tuple[Size | None, list[Issue]]:
    try:
        size = image_size(image)
    except (SeglabError, FileNotFoundError) as error:
        what = str(error).replace(str(image), "").strip()
        return None, [Issue(str(image), 0, f"unreadable image: {what}", "image left out")]
    return size, annotations.read(image, size)[1]


def _memory(images: Sequence[Path], annotations: Annotations | JoinedAnnotations) -> Path:
    """Where the result is kept: a name made of every file's path, size and time, so that a changed file is seen."""
    digest = hashlib.sha256(f"{VERSION} {annotations.fingerprint()}".encode())
    for path in (*images, *annotations.files):
        about = path.stat() if path.exists() else None
        digest.update(f"{path} {about and (about.st_size, about.st_mtime_ns)}\n".encode())
    return cache_dir() / "scans" / f"{digest.hexdigest()[:32]}.json"


def _recall(memory: Path) -> tuple[list[Size | None], list[Issue]] | None:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
        return [size and tuple(size) for size in content["sizes"]], [Issue(*row) for row in content["problems"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(memory: Path, sizes: list[Size | None], problems: list[Issue]) -> None:
    rows = [[p.path, p.line, p.message, p.action, p.severity, p.lost] for p in problems]
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"sizes": sizes, "problems": rows}), encoding="utf-8")
        os.replace(part, memory)
    except OSError:
        pass  # a memory that cannot be written costs time, nothing else
