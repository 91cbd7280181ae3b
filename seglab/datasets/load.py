"""`load_dataset`: a dataset by path or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from seglab.datasets.coco_json import read_dataset_json
from seglab.datasets.finders import finder_of, registered_names
from seglab.datasets.folder import read_folder
from seglab.datasets.given import as_yaml
from seglab.datasets.join import join_datasets
from seglab.datasets.other_formats import is_other_json, read_labelled
from seglab.datasets.search import search_places
from seglab.datasets.spec import DatasetSpec
from seglab.datasets.yaml_file import read_dataset_yaml
from seglab.errors import SeglabError

BUNDLED = "toybox8-seg"  # the dataset that comes with seglab


def load_dataset(source: str | Path | Sequence[str | Path] | Mapping, split: str | None = None) -> DatasetSpec:
    """Find a dataset: a YAML file, a name, a folder that holds a YAML, or labels in another format; or several, joined.

    Formats are those of `seglab.formats.registry`: a COCO JSON, a folder of Labelme JSON, of VOC masks or of mask PNGs.

    A name ("coco8-seg", with or without `.yaml`) is looked for in the working directory, SEGLAB_DATASETS, the bundled
    data and the cache, and then downloaded if it is a known one (coco8-seg, coco128-seg, coco); "toybox-seg" and
    "toybox-seg:2000" generate that many scenes into the cache; "toybox-fresh" and "toybox-fresh:2000" write none, but
    train on so many new ones in every epoch and validate on those of toybox8-seg. split: the only one that is needed;
    of coco, whose training images are 19 GB, "val" downloads no others. A list of them, or one text with commas, means
    all of them as one, see `join_datasets`; a dict is what a YAML would hold.
    Errors: SeglabError that says what was searched, and what to do.
    """
    if isinstance(source, Mapping):
        source = as_yaml(source)
    if isinstance(source, str) and "," in source and not Path(source).exists():
        source = [name.strip(" '\"") for name in source.strip("[] ").split(",")]
    if not isinstance(source, (str, Path)):
        several = [one for one in source if str(one)]
        if not several:
            raise SeglabError("data=[] names no dataset: list at least one YAML file or name")
        return join_datasets([load_dataset(one, split) for one in several])

    found = _by_path(Path(source)) or _by_name(_without_yaml_suffix(source), split)
    if found is None:
        raise SeglabError(_not_found(source))
    return found


def is_dataset_name(name: str) -> bool:
    """Whether `load_dataset` knows this bare name without being told a path."""
    return name == BUNDLED or finder_of(name) is not None


def is_local(name: str) -> bool:
    """Whether a dataset with a YAML of its name lies on this machine, so that loading it by name downloads nothing."""
    yamls = (Path(f"{name}.yaml"), Path(name) / f"{name}.yaml")
    return any((place / yaml).is_file() for place in search_places() for yaml in yamls)


def _by_path(path: Path) -> DatasetSpec | None:
    """The dataset at a path; None where nothing lies there that is one.

    A YAML, or a folder with one, is a YOLO-seg dataset, and a JSON a COCO file, unless its content shows another
    format; everything else is asked of the formats.
    """
    is_json = path.suffix.lower() == ".json"
    if is_json and not is_other_json(path):
        return read_dataset_json(path)
    if path.is_file() and not is_json:
        return read_dataset_yaml(path)
    found = read_folder(path) if path.is_dir() else None
    if found is None and path.exists():
        found = read_labelled(path)
    return found


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
    return str(path.with_suffix("")) if path.suffix.lower() in (".yaml", ".yml") else str(source)


def _not_found(source: str | Path) -> str:
    name = _without_yaml_suffix(source)
    known = ", ".join([*registered_names(), BUNDLED])
    return (
        f"no dataset '{source}': no such file, and no '{name}.yaml' or folder '{name}' with a YAML in "
        f"{', '.join(map(str, search_places()))}; give the path of a YAML file, or a known name ({known})"
    )
