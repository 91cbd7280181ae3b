"""The search for the arguments of `train` that suit a dataset best: a study of trials, each an ordinary training.

Optuna proposes the values, stops trials that lag behind, and keeps the study in a journal, which several processes and
machines may write into at the same time. The folder of a study holds `study.journal`, `tune.yaml` (what is searched,
and with which other arguments), `start/` (the training with nothing changed), `trial1/`, `trial2/`, ..., the results.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shlex
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from seglab.config import (
    LOGARITHMIC,
    RANGES,
    Argument,
    AugmentConfig,
    TrainConfig,
    TuneInput,
    arguments_of,
    describe_type,
    fit_value,
    refuse_unknown,
)
from seglab.config.argument import AUGMENTATION, LOSS, MACHINE, OPTIMIZER, OUTPUT
from seglab.data.image import write_image
from seglab.drawing.plots import study_curve, study_scatter
from seglab.errors import SeglabError, reading
from seglab.evaluation.metrics import Metrics
from seglab.files import atomic_write, new_run_dir, runs_dir
from seglab.formats.text_files import read_yaml
from seglab.tables import csv_text
from seglab.training.arguments import flatten, make_config, read_arguments
from seglab.training.recipes import write_settings
from seglab.training.trainer import NonFiniteLoss

if TYPE_CHECKING:  # imported when a study begins: nothing else needs it
    import optuna

JOURNAL = "study.journal"  # files in the folder of a study
REQUEST = "tune.yaml"
RESULTS = "tune_results.csv"
BEST = "best_hyperparameters.yaml"
LOG = "trials.log"
MAP = "metrics/mAP50-95({})"  # a column of results.csv; B: boxes, M: masks
START = "start"  # the folder of the training that changes nothing
MAX_LISTED = 10  # trials in the printed table
DIGITS = 5  # of a value that is tried; more are nothing that anybody wants to read
STARTUP_TRIALS = 10  # at most so many are drawn at random before Optuna goes by what they found

# What tune.yaml holds. Where a trial writes and what it goes on with is decided by the study, whatever a file says.
REQUESTED: dict[str, Any] = {"model": str, "data": object, "pretrained": (bool, str), "arguments": dict, "space": dict}
DECIDED = {"resume", "project", "name", "exist_ok"}

Report = Callable[[int, float], bool]  # (epoch from 1, fitness) -> whether to stop there
Train = Callable[[dict[str, Any], Report], Metrics]  # arguments of train -> the metrics of the best weights


class Range(NamedTuple):
    """What is searched of one argument."""

    low: float
    high: float
    logarithmic: bool
    whole: bool  # of whole numbers


class TuneResult(NamedTuple):
    """What a search has found."""

    folder: Path
    best: dict[str, Any]  # the best trial's values of all that was searched; None: what training chooses by itself
    fitness: float
    trials: list[dict[str, Any]]  # the rows of tune_results.csv
    weights: Path  # of the best trial


@dataclass
class Study:
    """A study and what its trials have in common."""

    folder: Path
    optuna_study: optuna.Study
    ranges: dict[str, Range]
    request: dict[str, Any]  # what tune.yaml holds
    config: TrainConfig
    iterations: int
    keep_weights: bool
    train: Train

    @property
    def command(self) -> str:
        """The command line that resumes it."""
        return f"seglab tune resume={shlex.quote(str(self.folder))} iterations={self.iterations}"


def tune(
    train: Train, model: str, data: Any, pretrained: bool | str, arguments: Mapping[str, Any], options: TuneInput
) -> TuneResult:
    """Search for the best arguments of `train`, beginning with those it has anyway.

    train: one training; model, data, pretrained: what it starts from and learns, as given; arguments: the other given
    arguments of train, by flat name. After Ctrl-C, the study can be resumed.
    Errors: SeglabError without Optuna, and for arguments, ranges or a study that do not fit.
    """
    refuse_what_is_done_otherwise(options)
    study = open_study(train, model, data, pretrained, dict(arguments), options)
    print(describe(study))
    try:
        run_trials(study)
    except KeyboardInterrupt as interruption:
        interruption.args = (f"interrupted: the study is saved in {study.folder}; resume with: {study.command}",)
        raise
    return conclude(study)


def refuse_what_is_done_otherwise(options: TuneInput) -> None:
    """Errors: SeglabError for Ray, and under torchrun."""
    if options.use_ray:
        raise SeglabError(
            "use_ray=True is not supported: instead, start the same command with resume=FOLDER on every machine or "
            "GPU, with the folder of the study on a shared disk"
        )
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise SeglabError("a trial trains in one process: start tune without torchrun, once for each GPU, with resume=")


# --- what is searched ---


def searchable() -> dict[str, Argument]:
    """The arguments that can be searched: the numbers of the optimizer, the loss and the augmentation."""
    found = {}
    for about in [*arguments_of(TrainConfig), *arguments_of(AugmentConfig)]:
        is_number = describe_type(about.type).removesuffix(" | None") in ("int", "float")
        if is_number and not about.choices and about.group in (OPTIMIZER, LOSS, AUGMENTATION):
            found[about.name] = about
    return found


def read_space(space: Mapping[str, Any] | str | None) -> dict[str, Range]:
    """Argument -> range, of a dict of (low, high), or of a YAML file with the same; None: all of RANGES.

    Errors: SeglabError for a name that cannot be searched and for a range that does not fit.
    """
    if space is None:
        space = RANGES
    if isinstance(space, str):
        space = _read_yaml(Path(space), "space")
    if not space:
        raise SeglabError("space is empty: give at least one range, e.g. space={'lr0': (1e-4, 1e-2)}")
    known = searchable()
    refuse_unknown(space, known, "space", help_mode="train")
    return {name: _range(known[name], given) for name, given in space.items()}


def _range(about: Argument, given: Any) -> Range:
    """A range as it is given, checked against the argument's own bounds."""
    name = about.name
    if type(given).__module__.partition(".")[0] == "ray":
        raise SeglabError(f"space: {name} is an object of Ray Tune; give its bounds, e.g. {name}=(low, high)")
    if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
        raise SeglabError(f"space: {name}={given!r} must be the lowest and the highest value, e.g. {name}=(low, high)")
    if len(given) == 3:
        print(f"space: the third number of {name}={tuple(given)} is ignored, since values are not mutated")
    low, high = (fit_value(about, bound) for bound in given[:2])
    if low is None or high is None or not low < high:
        raise SeglabError(f"space: {name}={tuple(given)}: the first number must be lower than the second")
    return Range(low, high, name in LOGARITHMIC and low > 0, describe_type(about.type) == "int")


# --- the study ---


def open_study(
    train: Train,
    model: str,
    data: Any,
    pretrained: bool | str,
    arguments: dict[str, Any],
    options: TuneInput,
) -> Study:
    """A new study, or the one to go on with."""
    optuna = _import_optuna()
    resume = arguments.pop("resume", None)
    place = {name: arguments.pop(name, None) for name in ("project", "name", "exist_ok")}
    ranges = read_space(options.space)
    if options.space is None:  # what is given is decided
        ranges = {name: found for name, found in ranges.items() if name not in arguments}
    data = str(data) if isinstance(data, Path) else data
    config = make_config(**arguments)

    # What was asked for is kept beside the trials: a search that is resumed must be the same one.
    written = {name: value for name, value in flatten(config).items() if name in arguments}
    request = {
        "model": model,
        "data": data,
        "pretrained": pretrained,
        "arguments": written,
        "space": {name: [found.low, found.high] for name, found in ranges.items()},
    }

    # A new search gets a folder of its own, and never adds its trials to those of another.
    if resume:
        folder = study_folder(resume, place["project"], place["name"])
        request = _with_earlier(folder, request, options)
        ranges = read_space(request["space"])
        config = make_config(**request["arguments"])
    else:
        folder = new_run_dir("tune", place["project"], place["name"], bool(place["exist_ok"]))
        if (folder / JOURNAL).exists():
            raise SeglabError(
                f"{folder} already contains a study: resume it with resume={folder}, or choose another name="
            )
        atomic_write(folder / REQUEST, yaml.safe_dump(request, sort_keys=False).encode())

    # A resumed search must not draw the numbers again that it has drawn.
    sampler = optuna.samplers.TPESampler(
        seed=None if resume else config.seed,
        n_startup_trials=max(2, min(STARTUP_TRIALS, options.iterations // 3)),
    )
    with reading(folder / JOURNAL, "the journal of a study", "start another study"):
        optuna_study = optuna.create_study(
            storage=_storage(optuna, folder / JOURNAL),
            sampler=sampler,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=max(1, config.epochs // 5)),
            study_name="tune",
            direction="maximize",
            load_if_exists=True,
        )
    return Study(folder, optuna_study, ranges, request, config, options.iterations, options.keep_weights, train)


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise SeglabError("tune needs the package Optuna: pip install optuna") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _storage(optuna: Any, journal: Path) -> Any:
    """The journal as Optuna's storage. Its lock works on network disks too."""
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock

    make_lock = JournalFileOpenLock if os.name == "nt" else JournalFileSymlinkLock  # links need rights on Windows
    lock = make_lock(str(journal))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Optuna calls it experimental is nothing the user decides
        _drop_cut_line(journal, lock)
        return optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def _drop_cut_line(journal: Path, lock: Any) -> None:
    """Take away what a killed process had written of a line: the next one would go on with it, and neither be read."""
    if not journal.is_file():
        return
    lock.acquire()
    try:
        with open(journal, "r+b") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def study_folder(resume: str | bool, project: str | None, name: str | None) -> Path:
    """The folder of the study to go on with: `resume` itself, project/name, or the newest study of the project.

    Errors: SeglabError where there is none.
    """
    parent = Path(str(project or runs_dir()))
    if isinstance(resume, str):
        folder = Path(resume)
    elif name is not None:
        folder = parent / str(name)
    else:
        journals = parent.glob(f"*/{JOURNAL}")
        newest = max(journals, key=lambda path: path.stat().st_mtime, default=parent / "tune" / JOURNAL)
        folder = newest.parent
    if not (folder / REQUEST).is_file():
        raise SeglabError(f"cannot resume from {folder}: it has no {REQUEST}; give the folder that tune created")
    return folder


def model_of_study(options: Mapping[str, Any]) -> str | None:
    """The model of the study that a command line resumes; None where it resumes none."""
    resume = options.get("resume")
    if not resume:
        return None
    folder = study_folder(resume, options.get("project"), options.get("name"))
    return read_request(folder)["model"]


def read_request(folder: Path) -> dict[str, Any]:
    """What a study was begun with. Errors: SeglabError for a tune.yaml that tune has not written."""
    path = folder / REQUEST
    request = _read_yaml(path, "resume")
    with reading(path, "what a study was begun with", "start another study"):
        for name, kinds in REQUESTED.items():
            if not isinstance(request[name], kinds):
                raise ValueError(f"{name} is {request[name]!r:.60}")
        if foreign := DECIDED & request["arguments"].keys():
            raise ValueError(f"arguments has {', '.join(sorted(foreign))}")
    return request


def _with_earlier(folder: Path, request: dict[str, Any], options: TuneInput) -> dict[str, Any]:
    """What the study in `folder` was begun with; of what is given now, only what leaves its trials comparable wins.

    Errors: SeglabError for anything else that differs.
    """
    earlier = read_request(folder)
    free = {about.name for about in arguments_of(TrainConfig) if about.group in (MACHINE, OUTPUT)} - {"seed"}
    begun = {**earlier["arguments"], "model": earlier["model"], "data": earlier["data"], "space": earlier["space"]}
    now = {**request["arguments"], "model": request["model"]}
    if request["data"] is not None:
        now["data"] = request["data"]
    if options.space is not None:
        now["space"] = request["space"]
    for name, value in now.items():
        if name not in free and begun.get(name) != value:
            raise SeglabError(
                f"{folder} was started with {name}={begun.get(name)}, not {value}, so its trials cannot be compared: "
                f"leave out {name}, or start another study"
            )
    changed = {name: value for name, value in request["arguments"].items() if name in free}
    return {**earlier, "arguments": {**earlier["arguments"], **changed}}


def _read_yaml(path: Path, argument: str) -> dict[str, Any]:
    """A YAML file of `name: value` lines. Errors: SeglabError for anything else."""
    try:
        values = read_yaml(path)
    except (OSError, SeglabError) as error:
        raise SeglabError(
            f"{argument}={path} cannot be read ({error}): give a YAML file of `name: value` lines"
        ) from None
    if not isinstance(values, dict):
        raise SeglabError(f"{argument}={path} must contain `name: value` lines")
    return values


def describe(study: Study) -> str:
    """What is about to happen."""
    ranges = " ".join(f"{name}={found.low:g}..{found.high:g}" for name, found in study.ranges.items())
    return (
        f"tuning {len(study.ranges)} arguments in {study.iterations} trials of {study.config.epochs} epochs, "
        f"results in {study.folder}\n  {ranges}"
    )


# --- the trials ---


def run_trials(study: Study) -> None:
    """The start, then trials until there are enough, those of other processes included."""
    own = study.optuna_study
    if not own.user_attrs.get("begun"):
        run_start(study)
    while (done := len(finished(study))) < study.iterations:
        print(run_trial(study, done + 1), flush=True)
        write_results(study)


def finished(study: Study) -> list[Any]:
    """The trials that count: all but those that are under way or were cut."""
    trials = study.optuna_study.get_trials(deepcopy=False)
    return [trial for trial in trials if "outcome" in trial.user_attrs]


def run_start(study: Study) -> None:
    """The training with the arguments as given, which all others are compared with."""
    from optuna.trial import create_trial

    own = study.optuna_study
    own.set_user_attr("begun", True)  # no other process does it too
    fitness_by_epoch: dict[int, float] = {}

    def report(epoch: int, fitness: float) -> bool:
        fitness_by_epoch.setdefault(epoch, fitness)
        return False

    began = time.monotonic()
    try:
        metrics = study.train(_arguments(study, START), report)
    except BaseException:
        own.set_user_attr("begun", False)
        raise

    # Optuna learns from it what lies within the ranges; an argument that is None is left to the optimizer.
    used = read_arguments(study.folder / START)
    values = {name: used[name] for name in study.ranges}
    inside = {
        name: values[name]
        for name, within in study.ranges.items()
        if values[name] is not None and within.low <= values[name] <= within.high
    }
    found = metrics_of_best_epoch(study.folder / START, metrics)
    trial = create_trial(
        value=found["fitness"],
        params=inside,
        distributions={name: _distribution(study.ranges[name]) for name in inside},
        intermediate_values=fitness_by_epoch,
        user_attrs=_attributes(START, "complete", values, time.monotonic() - began, found),
    )
    own.add_trial(trial)
    print(f"start: fitness {found['fitness']:.4f} with the arguments as given", flush=True)
    write_results(study)


def run_trial(study: Study, number: int) -> str:
    """Train with other values, and return a line on what came of it.

    A trial below the median of the others at the same epoch is stopped; one whose loss is not finite has failed.
    """
    from optuna.trial import TrialState

    own = study.optuna_study
    trial = own.ask({name: _distribution(found) for name, found in study.ranges.items()})
    values = {name: _rounded(trial.params[name], within) for name, within in study.ranges.items()}
    name = f"trial{trial.number}"
    reported: set[int] = set()
    pruned = False

    # An epoch counts once in a study, also where training goes back and runs it again.
    def report(epoch: int, fitness: float) -> bool:
        nonlocal pruned
        if epoch not in reported:
            reported.add(epoch)
            trial.report(fitness, epoch)
            pruned = epoch < study.config.epochs and trial.should_prune()
        return pruned

    began = time.monotonic()
    found: dict[str, float] = {}
    outcome = "complete"
    try:
        with _output_to(study):
            metrics = study.train({**_arguments(study, name), **values}, report)
        found = metrics_of_best_epoch(study.folder / name, metrics)
    except NonFiniteLoss:
        outcome = "failed"
    except BaseException:  # it does not count, and whoever goes on begins with the same values
        own.tell(trial, state=TrialState.FAIL)
        own.enqueue_trial(trial.params)
        raise
    if pruned:
        outcome = "pruned"
    seconds = time.monotonic() - began

    # The journal holds all that the table and the plots show, since a resumed search has nothing else.
    for key, value in _attributes(name, outcome, values, seconds, found).items():
        trial.set_user_attr(key, value)
    if outcome == "complete":
        own.tell(trial, found["fitness"])
    else:
        own.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)

    # One line for each.
    best = best_trial(study)
    result = f"fitness {found['fitness']:.4f}" if found else "the loss was not finite"
    stopped = f", stopped after epoch {max(reported)}: below the median" if pruned else ""
    best_so_far = f", best {best.value:.4f} ({best.user_attrs['folder']})" if best else ""
    return f"{number}/{study.iterations} {name}: {result}{stopped}{best_so_far}, {seconds:.1f} s"


def _arguments(study: Study, name: str) -> dict[str, Any]:
    """What every training of the study is given, and its own folder."""
    request = study.request
    given = {"data": request["data"], "pretrained": request["pretrained"], **request["arguments"]}
    if name != START:
        given.setdefault("verbose", False)
    return {**given, "project": str(study.folder), "name": name, "exist_ok": True}


def metrics_of_best_epoch(folder: Path, metrics: Metrics) -> dict[str, float]:
    """What a training reached, by the names of `Metrics.results_dict`; `metrics`: of its best weights.

    These may be the weights it started from, which say nothing about the values that were tried: so it is the best
    epoch that counts, and the weights only where no epoch was validated.
    """
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["epoch"]) > 0 and row.get(MAP.format("M"))]
    epochs = []
    for row in rows:
        found = {name: float(row[name]) for name in metrics.results_dict if row.get(name)}
        epochs.append({**found, "fitness": found[MAP.format("B")] + found[MAP.format("M")]})
    given = {name: float(value) for name, value in metrics.results_dict.items()}
    return max(epochs, key=lambda epoch: epoch["fitness"], default=given)


def _attributes(
    name: str, outcome: str, values: dict[str, Any], seconds: float, found: dict[str, float]
) -> dict[str, Any]:
    """What the journal keeps of a trial beside what Optuna needs."""
    return {"folder": name, "values": values, "seconds": round(seconds, 1), "metrics": found, "outcome": outcome}


def _distribution(found: Range) -> Any:
    """A range in Optuna's words."""
    from optuna.distributions import FloatDistribution, IntDistribution

    if found.whole:
        return IntDistribution(int(found.low), int(found.high), log=found.logarithmic)
    return FloatDistribution(found.low, found.high, log=found.logarithmic)


def _rounded(value: float, found: Range) -> float:
    """A value as it is tried: one that a user can read and type."""
    if found.whole:
        return int(value)
    return min(max(float(f"{value:.{DIGITS}g}"), found.low), found.high)


@contextlib.contextmanager
def _output_to(study: Study) -> Iterator[None]:
    """What a training prints goes to a file, unless verbose=True is given: a hundred of them would bury the results."""
    if study.request["arguments"].get("verbose"):
        yield
        return
    with open(study.folder / LOG, "a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        yield


# --- the results ---


def best_trial(study: Study) -> Any | None:
    """The complete trial of highest fitness; None before the first."""
    complete = [trial for trial in finished(study) if trial.user_attrs["outcome"] == "complete"]
    return max(complete, key=lambda trial: trial.value, default=None)


def write_results(study: Study) -> None:
    """After a trial: the table of all, the best values, and no weights but the best ones."""
    rows = result_rows(study)
    columns = list(rows[0])
    atomic_write(study.folder / RESULTS, csv_text(rows, columns).encode())
    best = best_trial(study)
    if best is None:
        return
    values = {name: value for name, value in best.user_attrs["values"].items() if value is not None}
    folder = best.user_attrs["folder"]
    text = f"# {folder} of {study.folder}: fitness {best.value:.5f}\n# for seglab train cfg=this file\n"
    atomic_write(study.folder / BEST, (text + yaml.safe_dump(values, sort_keys=False)).encode())
    if not study.keep_weights:
        for trial in finished(study):
            if trial.number != best.number:
                shutil.rmtree(study.folder / trial.user_attrs["folder"] / "weights", ignore_errors=True)


def result_rows(study: Study) -> list[dict[str, Any]]:
    """A row for each finished trial: fitness, the values that were tried, and what else is known. Blank: unknown."""
    rows = []
    for trial in finished(study):
        known = trial.user_attrs
        metrics = known["metrics"]
        row = {"fitness": metrics.get("fitness", "")}
        row |= {name: "" if known["values"][name] is None else known["values"][name] for name in study.ranges}
        row |= {"trial": known["folder"], "outcome": known["outcome"], "seconds": known["seconds"]}
        row |= {MAP.format(part): metrics.get(MAP.format(part), "") for part in "BM"}
        rows.append(row)
    return rows


def conclude(study: Study) -> TuneResult:
    """Draw and print what was found. Errors: SeglabError where no trial was completed."""
    write_results(study)
    best = best_trial(study)
    if best is None:
        raise SeglabError(f"no trial of {study.folder} was completed: search lower rates, e.g. space={{'lr0': ...}}")
    rows = result_rows(study)
    draw(study, rows)
    searched = best.user_attrs["values"]
    values = {name: value for name, value in searched.items() if value is not None}
    folder = best.user_attrs["folder"]
    weights = study.folder / folder / "weights" / "best.safetensors"
    print(table(rows))
    print(_verdict(study, best, rows))
    print(f"best values, in {study.folder / BEST}:\n  {write_settings(values)}")
    print(f"best weights: {weights}\nnext: {next_command(study)}")
    return TuneResult(study.folder, dict(searched), best.value, rows, weights)


def draw(study: Study, rows: list[dict[str, Any]]) -> None:
    """The images of the results."""
    complete = [row for row in rows if row["outcome"] == "complete"]
    names = [row["trial"] for row in rows]
    fitness = [row["fitness"] if row["outcome"] == "complete" else None for row in rows]
    write_image(study.folder / "tune_fitness.png", study_curve(names, fitness))
    tried = {name: [row[name] if row[name] != "" else None for row in complete] for name in study.ranges}
    logarithmic = [name for name, found in study.ranges.items() if found.logarithmic]
    scatter = study_scatter(tried, [row["fitness"] for row in complete], logarithmic)
    write_image(study.folder / "tune_scatter_plots.png", scatter)


def table(rows: list[dict[str, Any]]) -> str:
    """The best trials, a line each, the best first."""
    complete = [row for row in rows if row["outcome"] == "complete"]
    best = sorted(complete, key=lambda row: row["fitness"], reverse=True)[:MAX_LISTED]
    width = max(len("trial"), *(len(row["trial"]) for row in best))
    lines = [f"{'trial':<{width}}  fitness  box mAP  mask mAP  seconds"]
    for row in best:
        box = row[MAP.format("B")]
        mask = row[MAP.format("M")]
        lines.append(f"{row['trial']:<{width}}  {row['fitness']:7.4f}  {box:7.4f}  {mask:8.4f}  {row['seconds']:7.1f}")
    outcomes = [row["outcome"] for row in rows]
    others = [f"{outcomes.count(kind)} {kind}" for kind in ("pruned", "failed") if kind in outcomes]
    left_out = len(complete) - len(best)
    if left_out:
        others.insert(0, f"{left_out} lower ones")
    return "\n".join([*lines, *([f"and {', '.join(others)}"] if others else [])])


def _verdict(study: Study, best: Any, rows: list[dict[str, Any]]) -> str:
    """Whether the search has helped."""
    start = next((row for row in rows if row["trial"] == START), None)
    name = best.user_attrs["folder"]
    if start is None:
        return f"best: {name}, fitness {best.value:.4f}"
    if name == START:
        return f"tuning did not help: no trial is better than the arguments as given (fitness {best.value:.4f})"
    return f"tuning helped: fitness {best.value:.4f} in {name}, {start['fitness']:.4f} at the start"


def next_command(study: Study) -> str:
    """The training with the best values, for longer if one likes."""
    request = study.request
    given = {"model": request["model"], "data": request["data"], **request["arguments"]}
    if request["pretrained"] is not True:
        given["pretrained"] = request["pretrained"]
    told = {name: value for name, value in given.items() if value is not None and name not in study.ranges}
    words = [f"{name}={shlex.quote(str(value).replace(' ', ''))}" for name, value in told.items()]
    return " ".join(["seglab train", f"cfg={shlex.quote(str(study.folder / BEST))}", *words])
