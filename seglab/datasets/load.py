"""`load_dataset`: a dataset by path or by name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from seglab.datasets.coco_json import is_instances_json, read_dataset_json
from seglab.datasets.finders import finder_of, registered_names
from seglab.datasets.folder import read_folder, recognize_folder
from seglab.datasets.given import as_yaml
from seglab.datasets.join import join_datasets
from seglab.datasets.label_folder import read_image_list, read_label_folder
from seglab.datasets.other_formats import read_tool_labels
from seglab.datasets.search import search_places
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.split_file import apply_split, is_split_file, kept_split_of, read_split
from seglab.datasets.yaml_file import read_dataset_yaml, read_yaml
from seglab.errors import SeglabError, reading
from seglab.files import IMAGE_SUFFIXES, YAML_SUFFIXES, expand_home, files_below
from seglab.formats.label_files import has_rows
from seglab.formats.text_files import decode_text, read_json, sketch_json
from seglab.wording import pluralize

NO_LABELS = {"notes.json", "package.json", "settings.json", "classes.json"}  # JSON files of something else
JSONS = (".json", ".jsonl", ".ndjson", ".geojson", ".manifest")
UNKNOWN_TOOL = "not from a labeling tool that seglab knows"
EXPORT_COCO = "export COCO JSON from your labeling tool"
_AS_MASKS = "write its masks as images to a folder masks, one per file (masks/a_cat_1.png for a.jpg), or as COCO JSON"
_TABLE = "a table, which is not read", _AS_MASKS
_ARRAY = "an array, which is not read", _AS_MASKS
_ARCHIVE = "an archive", "unpack it, e.g. with `tar xf {file}`, and give the folder"
_ZIP = "an archive", "unpack it, e.g. with `unzip {file} -d {stem}`, and use {stem}"
_GZIP = "compressed", "unpack it with `gunzip {file}` (`tar xf {file}` if its name ends with .tar.gz), and try again"
_CAMERA_RAW = "a camera raw file, which is not read", "export it as JPEG or PNG, under the same name"
_NO_IMAGE = "not an image of pixels", "export it as PNG, under the same name"
# Suffix of files that people have among their data -> what it is, and what to do.
OTHER_FILES = (
    dict.fromkeys((".csv", ".tsv", ".xlsx", ".parquet", ".arrow", ".tfrecord", ".tfrecords"), _TABLE)
    | dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl"), _ARRAY)
    | dict.fromkeys((".tar", ".tgz", ".7z", ".rar"), _ARCHIVE)
    | {".gz": _GZIP, ".bz2": _ARCHIVE, ".xz": _ARCHIVE}
    | {".zip": _ZIP}
    | dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef"), _CAMERA_RAW)
    | dict.fromkeys((".svg", ".psd", ".pdf", ".eps", ".ai"), _NO_IMAGE)
    | dict.fromkeys((".pt", ".pth", ".safetensors", ".onnx"), ("a file of weights", "pass it as model="))
)
MAX_LOOKED_AT = 20  # images that are looked at for being masks
BUNDLED = "toybox8-seg"  # the dataset that comes with seglab


def load_dataset(
    source: str | Path | Sequence[str | Path] | Mapping,
    split: str | None = None,
    labels: str | Path | None = None,
    images: str | Path | None = None,
    instances: str | None = None,
) -> DatasetSpec:
    """Find a dataset: any labeled folder or file, recognized by its content; a name; or several of them, joined.

    A YAML or a folder with one, images with YOLO labels without a YAML, COCO JSON, and every other format of
    `seglab.formats.registry`; docs/data.md shows them all. A split that is kept beside it (`seglab split`) holds.

    A name ("coco8-seg", with or without `.yaml`) is looked for in the working directory, SEGLAB_DATASETS, the bundled
    data and the cache, and then downloaded if it is a known one (coco8-seg, coco128-seg, coco); "toybox-seg" and
    "toybox-seg:2000" generate that many scenes into the cache; "toybox-fresh" and "toybox-fresh:2000" write none, but
    train on so many new ones in every epoch and validate on those of toybox8-seg. split: the only one that is needed;
    of coco, whose training images are 19 GB, "val" downloads no others. A list of them, or one text with commas, means
    all of them as one, see `join_datasets`; a dict is what a YAML would hold. labels: labels that lie apart from the
    images of `source`, in any format; images: the folder of the images, where `source` is labels alone.
    instances: of mask images with one value each, "components" takes every connected region for an instance, "values"
    all of them for one (docs/mask-images.md). Errors: SeglabError that says what was searched or found, and what to do.
    """
    about = "the data= given as a dict" if isinstance(source, Mapping) else str(source)
    with reading(about, "a dataset", "look at what it holds"):
        return _load(source, split, labels, images, instances)


def _load(
    source: Any,
    split: str | None,
    labels: str | Path | None,
    images: str | Path | None,
    instances: str | None,
) -> DatasetSpec:
    """What `load_dataset` does."""
    if isinstance(source, Mapping):
        source = as_yaml(source)
    if isinstance(source, str) and "," in source and not Path(source).exists():
        source = [name.strip(" '\"") for name in source.strip("[] ").split(",")]
    if not isinstance(source, (str, Path)):
        several = [one for one in source if str(one)]
        if not several:
            raise SeglabError("data=[] contains no dataset: list at least one YAML file or name")
        if labels is not None:
            raise SeglabError(
                "labels= works with one dataset only: convert each with its own labels=, then join the results"
            )
        return join_datasets([load_dataset(one, split, instances=instances) for one in several])

    path = expand_home(source)
    folder = expand_home(images) if images is not None else None
    if labels is not None:
        return _with_kept_split(_with_labels(path, expand_home(labels), split, instances))
    found = _by_path(path, folder, instances) or _by_name(_without_yaml_suffix(source), split)
    if found is None:
        raise SeglabError(_not_recognized(path) if path.exists() else _not_found(source))
    return _with_kept_split(found)


def recognize(path: Path) -> DatasetSpec | None:
    """The dataset at a path; None for what is none, such as a folder of plain images, a video or a name.

    Errors: SeglabError for an archive, and for a folder of labels that cannot be used, as `load_dataset` says it.
    """
    is_text = path.suffix.lower() in (".json", ".xml")
    found = _by_path(path) if path.is_dir() or (is_text and path.is_file()) else None
    if found:
        return _with_kept_split(found)
    if is_text or path.suffix.lower() in OTHER_FILES or _has_unusable_labels(path):
        raise SeglabError(_not_recognized(path) if path.exists() else _not_found(path))
    return None


def _has_unusable_labels(path: Path) -> bool:
    """Whether something in a folder is meant as labels."""
    if not path.is_dir():
        return False
    files = list(files_below(path))
    labels = [file for file in files if file.suffix.lower() in (".txt", ".xml", *JSONS)]
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    return bool(_near_miss(labels, images))


def is_dataset_name(name: str) -> bool:
    """Whether `load_dataset` knows this bare name without being told a path."""
    return name == BUNDLED or finder_of(name) is not None


def is_local(name: str) -> bool:
    """Whether a dataset with a YAML of its name lies on this machine, so that loading it by name downloads nothing."""
    yamls = (Path(f"{name}.yaml"), Path(name) / f"{name}.yaml")
    return any((place / yaml).is_file() for place in search_places() for yaml in yamls)


def _by_path(path: Path, images: Path | None = None, instances: str | None = None) -> DatasetSpec | None:
    """The dataset at a path; None where nothing lies there that is one.

    A YAML is a YOLO dataset or a kept split, and a JSON a COCO file, unless its content shows another format.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return recognize_folder(path, images, instances)
    if suffix == ".json":
        return _other_json(path, images) or read_dataset_json(path, images)
    if suffix in YAML_SUFFIXES and path.is_file() and is_split_file(path):
        return _by_split_file(path)
    if not path.is_file():
        return None
    if suffix in YAML_SUFFIXES:
        return read_dataset_yaml(path)
    if suffix == ".txt":
        return read_image_list(path)
    return read_tool_labels(path, images)


def _other_json(path: Path, images: Path | None) -> DatasetSpec | None:
    """The dataset of a JSON of another format than COCO, to whose reader all others go, damaged ones too."""
    if not path.is_file():
        return None
    with suppress(SeglabError):  # no COCO file: it may be another tool's list
        if is_instances_json(path):
            return None
    return read_tool_labels(path, images)


def _by_split_file(path: Path) -> DatasetSpec:
    """The dataset that a kept split names, split by it."""
    spec = load_dataset(path.parent / str(read_yaml(path)["source"]))
    return replace(apply_split(spec, read_split(path, spec), path), yaml=path.absolute())


def _with_kept_split(spec: DatasetSpec) -> DatasetSpec:
    """The dataset, split as it was split before, where that was kept beside it."""
    path = kept_split_of(spec)
    return apply_split(spec, read_split(path, spec), path) if path else spec


def _with_labels(path: Path, labels: Path, split: str | None, instances: str | None) -> DatasetSpec:
    """The images of a dataset or of a plain folder, with labels from elsewhere."""
    if not labels.exists():
        raise SeglabError(f"labels={labels} does not exist: give the folder or file with the labels")
    labels = labels.resolve()
    is_yolo = labels.is_dir() and any(has_rows(file) for file in labels.rglob("*.txt"))
    if is_yolo and path.is_dir() and read_folder(path) is None:
        found = read_label_folder(path, labels)
        if found is None:
            raise SeglabError(
                f"no file in {labels} is named after an image in {path}: label files need the names of their images"
            )
        return found
    if is_yolo:
        spec = load_dataset(path, split)
        return replace(spec, label_folder=labels, labels=None, annotations={}, crowds={})
    if path.is_dir():
        found = recognize_folder(labels, path, instances) if labels.is_dir() else _by_path(labels, path)
        if found is None:
            raise SeglabError(_not_recognized(labels))
        return found
    raise SeglabError(f"labels={labels} needs the folder of its images as data=, not {path}")


def _by_name(name: str, split: str | None) -> DatasetSpec | None:
    """The dataset of a name: from the first search place that has it, else from the name's finder."""
    for place in search_places():
        for path in (place / f"{name}.yaml", place / f"{name}.yml"):
            if path.is_file():
                return read_dataset_yaml(path)
        if (place / name).is_dir():
            found = read_folder(place / name)
            if found is not None:
                return found
    # A mistyped path to coco.yaml has a folder in it, so it is nobody's name and starts no download.
    finder = finder_of(name)
    return finder.find(name, split) if finder else None


def _without_yaml_suffix(source: str | Path) -> str:
    path = Path(source)
    return str(path.with_suffix("")) if path.suffix.lower() in YAML_SUFFIXES else str(source)


def _not_found(source: str | Path) -> str:
    name = _without_yaml_suffix(source)
    known = ", ".join([*registered_names(), BUNDLED])
    return (
        f"no dataset '{source}': no such file, and no '{name}.yaml' or folder '{name}' with a YAML in "
        f"{', '.join(map(str, search_places()))}; give the path of a YAML file, or a known name ({known})"
    )


def _near_miss(files: Sequence[Path], images: Sequence[Path]) -> str:
    """What files that look like labels lack to be some, and what to do; "" where none looks like labels."""
    stems = {image.stem for image in images}
    for file in filter(Path.is_file, files):
        suffix = file.suffix.lower()
        if suffix == ".txt" and file.stem in stems and not has_rows(file):
            row = next((row for row in decode_text(file.read_bytes()[:4096]).splitlines() if row.strip()), "")
            if row:
                return (
                    f"{file} begins with '{row[:60]}', which is not a row of labels: write 'class x1 y1 x2 y2 ...', "
                    "the class as a number from 0, the rest as fractions of the image's size"
                )
        if suffix == ".xml":
            if b"<bndbox>" in file.read_bytes()[:65536]:
                return f"{file} has boxes, which are not masks: draw outlines in your labeling tool, and export those"
            return f"{file} is {UNKNOWN_TOOL}: {EXPORT_COCO}"
        if suffix in JSONS and file.name not in NO_LABELS:
            return f"{file} is {_what_json(file)}: {EXPORT_COCO}"
        if not suffix and _is_of_storage(file):
            return (
                f"{file} is an annotation of Label Studio's cloud or local storage, which is not read: export the "
                "project as JSON in Label Studio, and give that file"
            )
        if suffix in OTHER_FILES:
            what, advice = OTHER_FILES[suffix]
            return f"{file} is {what}: {advice.format(file=file, stem=file.stem)}"
    return ""


def _like_masks(images: Sequence[Path]) -> str:
    """What to do with images of plain areas among photos, which are masks by their pixels, but not by their names."""
    from seglab.formats.masks import is_plain

    plain = [image for image in images[:MAX_LOOKED_AT] if is_plain(image)]
    if not plain or len(plain) == len(images[:MAX_LOOKED_AT]):
        return ""
    return (
        f"{plain[0]} looks like a mask, but its name does not say of which image: call the mask of a.jpg a.png in a "
        "folder masks beside the folder images, or a_mask.png (docs/mask-images.md)"
    )


def _is_of_storage(file: Path) -> bool:
    """Whether a file without suffix is one of those that Label Studio keeps in a target storage, one an annotation."""
    sketch = sketch_json(file) if file.read_bytes()[:1] == b"{" else None
    return isinstance(sketch, dict) and {"result", "task"} <= sketch.keys()


def _what_json(file: Path) -> str:
    """What a JSON is that no format knows."""
    if file.suffix.lower() != ".json":
        return UNKNOWN_TOOL
    try:
        content = read_json(file)
    except SeglabError as error:
        return f"a JSON file that cannot be read ({error})"
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return "a JSON file with COCO's names, but not with lists of images and annotations, each with its ids"
    known_by = f", with {', '.join(map(str, list(content)[:5]))}" if isinstance(content, dict) and content else ""
    return f"{UNKNOWN_TOOL}{known_by}"


def _not_a_dataset_file(path: Path) -> str:
    """What a file is that is no dataset, and what to give instead."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return f"{path} is an image: give the folder that contains the images and their labels"
    if reason := _near_miss([path], []):
        return reason
    return f"{path} is not in a format that seglab reads: give the folder of images and labels, or a dataset YAML"


def _not_recognized(path: Path) -> str:
    """What lies at a path that is no dataset, and what to write so that it is one."""
    if path.is_file():
        return _not_a_dataset_file(path)
    files = [file for file in files_below(path) if not file.name.startswith(".")]
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    others = Counter(file.suffix.lower() or "other" for file in files if file not in images)
    found = pluralize(len(images), "image") + "".join(
        f", {pluralize(count, f'{suffix} file')}" for suffix, count in others.most_common(5)
    )
    reason = _near_miss(files, images)
    if not images:
        if reason:
            return f"{path} contains no images ({found}), and {reason}"
        return (
            f"{path} contains no images ({found}): give the folder of the images as data=, and labels={path} if their "
            "labels are here"
        )
    reason = reason or _like_masks(images)
    entry = os.path.commonpath([image.parent for image in images])
    example = Path(entry, f"{images[0].stem}.txt")
    if reason:
        return f"{path} contains {found}, and {reason}"
    return (
        f"{path} contains {found}, but no labels for them: put a label file next to each image ({example}: one "
        f"row 'class x1 y1 x2 y2 ...' per instance, as fractions of the size), give the folder of the labels with "
        f"labels=FOLDER, or, for labels kept elsewhere, save {path / 'data.yaml'} with\n"
        f"    train: {os.path.relpath(entry, path)}\n    names: [first class, second class]"
    )
