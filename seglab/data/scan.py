"""One look at every header and label of a split, so that its issues are known before an epoch has been spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from seglab.data.annotations import AnyAnnotations
from seglab.data.image import look_at
from seglab.errors import UNREADABLE, SeglabError, raise_if_away
from seglab.files import atomic_write, cache_dir
from seglab.formats.issues import Issue, raise_first
from seglab.image_files import DEFAULT_READING, Reading
from seglab.parallel import parallel_map, workers_for
from seglab.progress import with_progress
from seglab.sizes import Size

MIN_CACHED = 1000  # images from which the result is kept in the cache for the next run
MIN_SHARED = 5000  # images from which several processes scan; a COCO JSON would have to go to each, so it stays in one
VERSION = 6  # of what the cache holds


def scan(
    images: Sequence[Path],
    annotations: AnyAnnotations,
    strict: bool,
    reading: Reading = DEFAULT_READING,
) -> tuple[list[Size | None], list[Issue]]:
    """The (height, width) of every image, None for those that cannot be read, and all issues of the split.

    Errors: with `strict`, SeglabError for the first issue.
    """
    cache = _cache_file(images, annotations, reading) if len(images) >= MIN_CACHED else None
    found = _read_cache(cache) if cache else None
    if found is None:
        found = _scan(images, annotations, strict, reading)
        if cache:
            _write_cache(cache, *found)
    if strict:
        raise_first(found[1])
    return found


def _scan(
    images: Sequence[Path], annotations: AnyAnnotations, strict: bool, reading: Reading
) -> tuple[list[Size | None], list[Issue]]:
    sizes: list[Size | None] = []
    issues = annotations.unplaced()
    workers = 0 if annotations.has_json else workers_for(len(images), MIN_SHARED)
    with closing(parallel_map(_scan_image, images, workers, annotations, reading)) as scanned:
        for size, own_issues in with_progress(scanned, "scan", count=len(images)):
            if strict:
                raise_first(own_issues)
            sizes.append(size)
            issues += own_issues
    return sizes, issues


def _scan_image(image: Path, annotations: AnyAnnotations, reading: Reading) -> tuple[Size | None, list[Issue]]:
    try:
        size, further = look_at(image, reading)
    except (SeglabError, FileNotFoundError) as error:
        raise_if_away(image, error)
        what = str(error).replace(str(image), "").strip()
        return None, [Issue(str(image), 0, f"unreadable image: {what}", "image left out")]
    issues = annotations.read(image, size)[1]
    if any(issue.unusable for issue in issues):
        return None, issues
    if further:
        issues = [Issue(str(image), 0, f"image file with several {further}", "the first is used", "note"), *issues]
    return size, issues


def _cache_file(images: Sequence[Path], annotations: AnyAnnotations, reading: Reading) -> Path:
    """Where the result is kept: a name made of every file's path, size and time, so a changed file is noticed."""
    digest = hashlib.sha256(f"{VERSION} {reading} {annotations.fingerprint()}".encode())
    for path in (*images, *annotations.files):
        about = path.stat() if path.exists() else None
        digest.update(f"{path} {about and (about.st_size, about.st_mtime_ns)}\n".encode())
    return cache_dir() / "scans" / f"{digest.hexdigest()[:32]}.json"


def _read_cache(path: Path) -> tuple[list[Size | None], list[Issue]] | None:
    """What `_write_cache` wrote; None where there is nothing, or nothing that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sizes = [size and (size[0], size[1]) for size in content["sizes"]]
        return sizes, [Issue(*row) for row in content["issues"]]
    except (*UNREADABLE, OSError):
        return None


def _write_cache(path: Path, sizes: list[Size | None], issues: list[Issue]) -> None:
    rows = [astuple(issue) for issue in issues]
    try:
        atomic_write(path, json.dumps({"sizes": sizes, "issues": rows}).encode())
    except OSError:
        pass  # a cache that cannot be written costs time, nothing else
