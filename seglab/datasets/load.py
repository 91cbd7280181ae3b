"""Datasets by name, YAML, folder or COCO JSON: where their images lie and what their classes are called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePath

import yaml

from seglab.class_names import equal_classes, join_names
from seglab.datasets.downloads import extract_zip, fetch
from seglab.datasets.spec import COCO_NAMES, IMAGE_SUFFIXES, SPLITS, DatasetSpec
from seglab.errors import SeglabError
from seglab.files import bundled_data_dir, cache_dir
from seglab.formats import coco, registry
from seglab.formats.coco import read_coco
from seglab.formats.format import Format, real_files
from seglab.formats.yolo import stand_ins, write_dataset_yaml
from seglab.sample import Sample, with_class_ids

TOYBOXES = ("toybox-seg", "toybox-fresh")  # names that may end in a number of scenes, as in toybox-seg:2000
LOOKED_FOR = 100  # images of a COCO JSON: where any of so many lies, there all of them belong
TOYBOX_SCENES = 1000  # what "toybox-seg" and "toybox-fresh" mean without a number
COCO_ANNOTATIONS = {"val": "annotations/instances_val2017.json"}  # with its crowds; training reads the label files
# The archives that are known by name: which folders of images each holds.
ARCHIVES = {
    "coco8-seg": {"train": "images/train", "val": "images/val"},
    "coco128-seg": {"train": "images/train2017", "val": "images/train2017"},
}


def load_dataset(source: str | Path | Sequence[str | Path], split: str | None = None) -> DatasetSpec:
    """Find a dataset: a YAML file, a name, a folder that holds a YAML, or labels in another format; or several, joined.

    Formats are those of `seglab.formats.registry`: a COCO JSON, a folder of Labelme JSON, of VOC masks or of mask PNGs.

    A name ("coco8-seg", with or without `.yaml`) is searched in the working directory, SEGLAB_DATASETS, the embedded
    data and the cache, and then downloaded if it is a known one (coco8-seg, coco128-seg, coco); "toybox-seg" and
    "toybox-seg:2000" generate that many scenes into the cache; "toybox-fresh" and "toybox-fresh:2000" write none, but
    train on so many new ones in every epoch and validate on those of toybox8-seg. split: the only one that is needed;
    of coco, whose training images are 19 GB, "val" downloads no others. A list of them, or one text with commas, means
    all of them as one, see `join_datasets`. Errors: SeglabError that says what was searched, and what to do.
    """
    if several := _several(source):
        return join_datasets([load_dataset(one, split) for one in several])
    path = Path(source)
    if path.suffix.lower() == ".json" and not _is_other_format(path):
        return _from_coco_json(path)
    if path.is_file() and path.suffix.lower() != ".json":
        return _from_yaml(path)
    if path.is_dir() and (found := _in_folder(path)):
        return found
    if path.exists() and (known_format := registry.find_format(path)):
        return _from_format(path, known_format)
    name = str(path.with_suffix("")) if path.suffix.lower() in (".yaml", ".yml") else str(source)
    for place in _places():
        for candidate in (place / f"{name}.yaml", place / f"{name}.yml"):
            if candidate.is_file():
                return _from_yaml(candidate)
        if (place / name).is_dir() and (found := _in_folder(place / name)):
            return found
    if name.split(":")[0] == "toybox-seg":
        return _generated_toybox(name)
    if name.split(":")[0] == "toybox-fresh":
        return _fresh_toybox(name)
    if name == "coco" and split == "val":
        return _coco_for_validation(cache_dir() / "datasets" / name)
    root = _known(name)  # a mistyped path to coco.yaml has a folder in it, and starts no download
    if root is not None:
        return _in_folder(root)
    known = ", ".join([*ARCHIVES, "coco", "toybox8-seg", *TOYBOXES])
    raise SeglabError(
        f"no dataset '{source}': no such file, and no '{name}.yaml' or folder '{name}' with a YAML in "
        f"{', '.join(map(str, _places()))}; give the path of a YAML file, or a known name ({known})"
    )


def _several(source: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """The datasets that a list or a text with commas names; [] where it is one dataset."""
    if isinstance(source, str) and "," in source and not Path(source).exists():
        source = [name.strip(" '\"") for name in source.strip("[] ").split(",")]
    if isinstance(source, (str, Path)):
        return []
    found = [name for name in source if str(name)]
    if not found:
        raise SeglabError("data=[] names no dataset: list at least one YAML file or name")
    return found


def join_datasets(specs: Sequence[DatasetSpec], known: Mapping[int, str] | None = None) -> DatasetSpec:
    """Several datasets as one: the images of all of them, their classes numbered anew by name.

    Names are joined in order of appearance and equal ones (as `equal_classes` compares them) share an id; class ids are
    mapped when labels are read. known: class id -> name of classes that come first and keep their ids. A split holds
    the images of those that have it; an image in several datasets is listed once and has the labels of all.
    Errors: SeglabError for datasets that cannot be joined: without class names, or drawn anew in every epoch.
    """
    flat = [part for spec in specs for part in (spec.parts or (spec,))]
    parts = tuple({part.source: part for part in flat}.values())  # one that is named twice is joined once
    for part in parts if len(parts) > 1 else ():
        if part.draw:
            raise SeglabError(f"{part.source} has new images in every epoch: join toybox-seg with others instead")
        if part.names == _numbered(len(part.names)):
            raise SeglabError(f"{part.source} has no class names, by which datasets are joined: write them as 'names'")
    names = join_names(*([known] if known else []), *(part.names for part in parts))
    splits: dict[str, tuple[Path, ...]] = {}
    for split in SPLITS:
        images = [image for part in parts for image in part.splits.get(split, ())]
        if images:
            splits[split] = tuple(dict.fromkeys(images))
    faults = {split: fault for part in parts for split, fault in part.faults.items()}
    first = parts[0]
    draw = partial(_drawn, first.draw, equal_classes(first.names, names)) if first.draw else None
    title = " + ".join(part.name for part in parts)
    return DatasetSpec(title, first.root, splits, names, faults=faults, draw=draw, parts=parts)


def _drawn(draw: Callable[[int, int], Sample], ids: Mapping[int, int], epoch: int, number: int) -> Sample:
    """What `draw` draws, with class ids of the joined dataset."""
    sample = draw(epoch, number)
    return replace(sample, instances=with_class_ids(sample.instances, ids))


def is_dataset_name(name: str) -> bool:
    """Whether `load_dataset` knows this bare name without being told a path."""
    return name in (*ARCHIVES, "coco", "toybox8-seg") or name.split(":")[0] in TOYBOXES


def is_local(name: str) -> bool:
    """Whether a dataset with a YAML of its name lies on this machine, so that loading it by name downloads nothing."""
    yamls = (Path(f"{name}.yaml"), Path(name) / f"{name}.yaml")
    return any((place / yaml).is_file() for place in _places() for yaml in yamls)


def _places() -> list[Path]:
    elsewhere = os.environ.get("SEGLAB_DATASETS")
    return [Path.cwd(), *([Path(elsewhere)] if elsewhere else []), bundled_data_dir(), cache_dir() / "datasets"]


def _in_folder(folder: Path) -> DatasetSpec | None:
    """The dataset of a folder with a YAML in it, or with the images of a known archive, which come without one."""
    found = _yaml_in(folder)
    if found:
        return _from_yaml(found)
    root = folder.resolve()
    entries = ARCHIVES.get(root.name, {})
    if not entries or not all((root / entry).is_dir() for entry in entries.values()):
        return None
    splits = {split: tuple(_list_images(root, root, [entry])) for split, entry in entries.items()}
    return DatasetSpec(root.name, root, splits, dict(enumerate(COCO_NAMES)))


def _yaml_in(folder: Path) -> Path | None:
    for name in (f"{folder.resolve().name}.yaml", "data.yaml", "dataset.yaml"):
        if (folder / name).is_file():
            return folder / name
    found = sorted(real_files([*folder.glob("*.yaml"), *folder.glob("*.yml")]))
    return found[0] if len(found) == 1 else None


def _from_yaml(path: Path) -> DatasetSpec:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = "it quotes a path with \\, write C:/data" if "escape" in str(error) else str(error).splitlines()[0]
        raise SeglabError(f"{path} is not a plain YAML file: {why}") from error
    if not isinstance(content, dict) or not (content.get("train") or content.get("val")):
        raise SeglabError(f"{path} is no dataset file: it needs 'train' and 'val' (folders of images) and 'names'")
    names = _names(path, content)
    entries = {split: content[split] for split in SPLITS if content.get(split)}
    entries = {split: [str(item) for item in (e if isinstance(e, list) else [e])] for split, e in entries.items()}
    first = (entries.get("val") or entries["train"])[0]
    if not (path.parent / first).exists() and (path.parent / first.removeprefix("../")).exists():
        # Roboflow's YAMLs say ../train/images of a folder that lies beside them.
        entries = {split: [item.removeprefix("../") for item in items] for split, items in entries.items()}
        first = first.removeprefix("../")
    root = _root(path, content, first)
    splits, faults = {}, {}
    for split, items in entries.items():
        try:
            splits[split] = tuple(_list_images(path, root, items))
        except SeglabError as error:
            if split != "test":
                raise
            faults[split] = str(error)  # training asks for train and val alone
    for key in ("annotations", "crowds"):
        if not isinstance(content.get(key) or {}, dict):
            raise SeglabError(f"{path}: '{key}' must be a mapping from train, val or test to a COCO JSON, or left out")
    annotations, crowds = (
        {split: root / file for split, file in (content.get(key) or {}).items()} for key in ("annotations", "crowds")
    )
    return DatasetSpec(path.stem, root, splits, names, path.absolute(), annotations, crowds, faults)


def _names(path: Path, content: dict) -> dict[int, str]:
    names = content.get("names", content.get("nc"))
    if isinstance(names, int) and names > 0:
        names = _numbered(names)
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or sorted(names, key=str) != sorted(range(len(names)), key=str):
        raise SeglabError(f"{path}: 'names' must be a list, or a mapping from 0, 1, 2, ... to the class names")
    return {index: str(names[index]) for index in range(len(names))}


def _numbered(count: int) -> dict[int, str]:
    """Names for classes that have none."""
    return {index: f"class {index}" for index in range(count)}


def _root(path: Path, content: dict, entry: str) -> Path:
    """The folder that the entries of a YAML are relative to: `path` beside the YAML, or where names are searched."""
    folder = Path(str(content.get("path") or "."))
    candidates = [path.parent / folder, *(place / folder for place in _places())]
    candidates += [place / folder.name for place in _places() if folder.name]
    for candidate in candidates:
        if (candidate / entry).exists():
            return candidate.resolve()
    known = _known(folder.name or path.stem)
    if known is not None and (known / entry).exists():
        return known
    searched = ", ".join(dict.fromkeys(map(str, candidates)))
    raise SeglabError(
        f"{path}: no '{entry}' under its path '{folder}'; searched {searched}; correct 'path', or set SEGLAB_DATASETS"
    )


def read_list(path: Path) -> list[str]:
    """The rows of a text file that lists images, without the empty ones. Errors: SeglabError if it is not in UTF-8."""
    try:
        rows = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise SeglabError(f"{path} is no list of images in UTF-8: save it so, one path a line") from None
    return [row.strip() for row in rows if row.strip()]


def _list_images(path: Path, root: Path, entries: list[str]) -> list[Path]:
    """The images a split's entries stand for: folders (searched through), text files that list images, images."""
    images: list[Path] = []
    for item in entries:
        place = root / item
        if place.is_dir():
            images += [image for image in real_files(_files_in(place)) if image.suffix.lower() in IMAGE_SUFFIXES]
        elif place.is_file() and place.suffix.lower() == ".txt":
            images += [place.parent / row for row in read_list(place)]
        elif place.is_file() and place.suffix.lower() in IMAGE_SUFFIXES:
            images.append(place)
        else:
            raise SeglabError(f"{path}: '{item}' is neither a folder, a .txt list nor an image under {root}")
    return sorted(images)


def _files_in(place: Path) -> Iterator[Path]:
    """Every file under a folder, through links too; a folder that links lead back to is looked through once."""
    seen = set()
    for folder, inside, names in os.walk(place, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            inside.clear()
        else:
            seen.add(real)
            yield from (Path(folder, name) for name in names)


def _from_coco_json(path: Path) -> DatasetSpec:
    """A COCO JSON is one split, named by its file name; its siblings (`..._val2017.json`, ...) are the others."""
    if not path.is_file():
        raise SeglabError(f"no file {path}: give the path of a COCO instances JSON")
    own = next((split for split in SPLITS if split in path.stem), "val")
    files = {own: path}
    if own in path.stem:
        files |= {split: path.with_name(path.name.replace(own, split)) for split in SPLITS if split != own}
    files = {split: file for split, file in sorted(files.items()) if file.is_file()}
    readers = {split: read_coco(file) for split, file in files.items()}
    if any(reader.names != readers[own].names for reader in readers.values()):
        raise SeglabError(f"{', '.join(map(str, files.values()))} name different categories: use one of them at a time")
    splits, faults = {}, {}
    for split, file in files.items():
        try:
            folder = image_folder(file, readers[split].images)
        except SeglabError as error:
            if split == own:
                raise
            faults[split] = str(error)  # a sibling that nobody may ask for
        else:
            splits[split] = tuple(folder / name for name in readers[split].images)
    names, root = readers[own].names, path.parent.resolve()
    return DatasetSpec(path.stem, root, splits, names, path.absolute(), files, faults=faults)


def _is_other_format(path: Path) -> bool:
    """Whether a JSON is there and of another format than COCO, to whose reader all others go, damaged ones too."""
    try:
        found = registry.find_format(path) if path.is_file() else None
    except SeglabError:
        return False
    return found is not None and found is not coco.FORMAT


def _from_format(path: Path, found: Format) -> DatasetSpec:
    """A folder or file of labels in one of the formats of `seglab.formats`, read as it is.

    Where it has no split train, or val, the other stands for it, as in what `convert` writes of it.
    """
    if found is coco.FORMAT:
        return _from_coco_json(coco.json_files(path)[0])
    if found.read is None:
        raise SeglabError(f"{path} is a {found.title} of several YAML files: give the path of one of them")
    labels = found.read(path, None)
    images: dict[str, list[Path]] = {}
    for entry in labels.entries:
        if entry.image:
            images.setdefault(entry.split, []).append(entry.image)
    if not images:
        raise SeglabError(
            f"{path} holds {found.title} and none of the images that they belong to: "
            f"convert it: seglab convert source={path} images=FOLDER out=NEW"
        )
    splits = {split: tuple(sorted(files)) for split, files in images.items()}
    splits |= {role: splits[other] for role, other in stand_ins(splits).items()}
    return DatasetSpec(path.stem, path.resolve(), splits, labels.names, path.absolute(), labels=labels)


def image_folder(path: Path, names: Iterable[str | PurePath]) -> Path:
    """Where the images of a COCO JSON lie: the first usual place that has any of them. names: those it lists.

    Errors: SeglabError naming the usual places.
    """
    part = path.stem.removeprefix("instances_")
    here, above = path.resolve().parent, path.resolve().parent.parent
    places = [here, here / "images", here / part, above / "images" / part, above / part, above / "images", above]
    names = list(islice(names, LOOKED_FOR))
    for place in places:
        if any((place / name).is_file() for name in names):
            return place
    raise SeglabError(
        f"{path}: its images are in none of {', '.join(map(str, places))}; put them in one of these places, "
        f"or convert: seglab convert source={path} images=FOLDER out=NEW"
    )


def _known(name: str) -> Path | None:
    """The folder of a dataset that is downloaded by name, fetched if need be; None for any other name."""
    root = cache_dir() / "datasets" / name
    if name in ARCHIVES:
        return root if root.is_dir() else extract_zip(fetch(f"{name}.zip"), root)
    if name == "coco":
        if not (root / "coco.yaml").is_file():
            _prepare_coco(root, ("val", "train"))
            splits = {split: f"images/{split}2017" for split in ("train", "val")}
            write_dataset_yaml(root / "coco.yaml", splits, dict(enumerate(COCO_NAMES)), COCO_ANNOTATIONS)
        return root
    return None


def _coco_for_validation(root: Path) -> DatasetSpec:
    """COCO val2017 (1 GB), without waiting for the training images; they may come later."""
    _prepare_coco(root, ("val",))
    splits = {"val": tuple(_list_images(root, root, ["images/val2017"]))}
    annotations = {split: root / file for split, file in COCO_ANNOTATIONS.items()}
    return DatasetSpec("coco", root, splits, dict(enumerate(COCO_NAMES)), annotations=annotations)


def _prepare_coco(root: Path, splits: Iterable[str]) -> None:
    """COCO 2017 from its official addresses, its annotations converted to label files by this library."""
    from seglab.convert.conversion import convert_coco_labels

    archives = {f"images/{split}2017": f"{split}2017.zip" for split in splits}
    for part, archive in {"annotations": "annotations_trainval2017.zip", **archives}.items():
        if not (root / part).is_dir():
            extract_zip(fetch(archive), root / part)
    for split in splits:
        if not (root / f"labels/{split}2017").is_dir():
            convert_coco_labels(root / f"annotations/instances_{split}2017.json", root / f"labels/{split}2017")


def _generated_toybox(name: str) -> DatasetSpec:
    """ "toybox-seg" or "toybox-seg:2000": that many generated scenes in the cache, made on first use."""
    from seglab.toybox.dataset import generate_dataset

    count = _scenes(name)
    folder = cache_dir() / "datasets" / f"toybox-seg-{count}"
    if not folder.is_dir():
        generate_dataset(out=folder, count=count)
    return _from_yaml(folder / f"{folder.name}.yaml")


def _fresh_toybox(name: str) -> DatasetSpec:
    """ "toybox-fresh" or "toybox-fresh:2000": so many new scenes an epoch, none of them written."""
    from seglab.toybox.dataset import fresh_scene

    embedded, root = _in_folder(bundled_data_dir() / "toybox8-seg"), Path(name)  # a resumed run asks for that name
    splits = {"train": tuple(root / f"{number:06d}" for number in range(_scenes(name))), "val": embedded.images("val")}
    return DatasetSpec("toybox-fresh", root, splits, embedded.names, draw=fresh_scene)


def _scenes(name: str) -> int:
    kind, _, count = name.partition(":")
    count = count or str(TOYBOX_SCENES)
    if not count.isdecimal() or int(count) < 2:
        raise SeglabError(f"'{name}': after the colon comes the number of scenes, at least 2, as in {kind}:2000")
    return int(count)
