"""What each mode of the command line does: a function a mode, over the library."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, replace
from typing import Any

from seglab.config import (
    VERBS,
    Argument,
    BenchmarkInput,
    CacheInput,
    CheckInput,
    ConvertInput,
    CopyConfigInput,
    CourseInput,
    DemoInput,
    DoctorInput,
    EvaluateInput,
    ExploreInput,
    ExportInput,
    HelpInput,
    NoInput,
    PredictInput,
    SplitInput,
    ToyboxInput,
    TrainInput,
    TuneInput,
    ValInput,
    VerifyInput,
    arguments_of,
    names_of,
    refuse_unknown,
)
from seglab.errors import SeglabError

# Every mode imports what it needs when it runs, so that `seglab help` does not wait for PyTorch.


def run(mode: str, options: dict[str, Any]) -> int:
    """Run a mode with its options by name and return the exit status. Errors: as of `split_input`, and the mode's."""
    given, rest = split_input(mode, options)
    return MODES[mode](given, rest) or 0


def split_input(mode: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Options by name -> the mode's own ones, checked, and the rest.

    Errors: SeglabError for an option that the mode does not know or that does not fit, and for one it needs and lacks.
    """
    verb = VERBS[mode]
    own_class = verb.arguments[0]
    arguments = arguments_of(own_class)
    names = [about.name for about in arguments]
    own = {name: value for name, value in options.items() if name in names}
    rest = {name: value for name, value in options.items() if name not in names}
    if len(verb.arguments) == 1:  # otherwise `YOLO` checks the rest
        refuse_unknown(rest, names, mode)
    elif rest.get("cfg") is not None:
        own = {**_of_file(rest["cfg"], arguments), **own}
    for about in arguments:
        if about.default is MISSING and own.get(about.name) is None:
            raise SeglabError(f"{mode} needs the argument {about.name}: write `seglab {mode} {about.name}=...`")
    return own_class(**own), rest


def _of_file(cfg: Any, arguments: tuple[Argument, ...]) -> dict[str, Any]:
    """What a file of arguments says of a mode's own ones: of its model above all, which is opened before the rest."""
    from seglab.compat.arguments import of_config, read_config

    own = {about.name: about for about in arguments}
    return {name: value for name, value in of_config(read_config(cfg), own).items() if name in own}


def train(given: TrainInput, options: dict[str, Any]) -> None:
    from seglab.yolo import YOLO

    model = YOLO(given.model or _first_weights(given, options))
    model.train(data=given.data, pretrained=given.pretrained, **options)


def _first_weights(given: TrainInput, options: dict[str, Any]) -> str:
    """What a training without model= starts from: what `pretrained` or `resume` say, else the official weights.

    Errors: SeglabError for an argument that does not fit, before anything is downloaded.
    """
    from seglab.compat.arguments import translate
    from seglab.training.arguments import make_config

    checked = translate("train", options, say=lambda text: None)
    make_config(**{name: value for name, value in checked.items() if name not in names_of(TrainInput)})
    if given.pretrained is False or isinstance(options.get("resume"), str):  # a resumed run brings its own weights
        return "yolo11n-seg.yaml"
    return given.pretrained if isinstance(given.pretrained, str) else "yolo11n-seg.pt"


def tune(given: TrainInput, options: dict[str, Any]) -> None:
    from seglab.training.tuning import model_of_study
    from seglab.yolo import YOLO

    weights = given.model or model_of_study(options)
    if weights is None:
        training = {name: value for name, value in options.items() if name not in names_of(TuneInput)}
        weights = _first_weights(given, training)
    YOLO(weights).tune(data=given.data, pretrained=given.pretrained, **options)


def val(given: ValInput, options: dict[str, Any]) -> None:
    from seglab.yolo import YOLO

    YOLO(given.model, trust=given.trust).val(given.data, device=given.device, **options)


def predict(given: PredictInput, options: dict[str, Any]) -> None:
    from seglab.parallel import place_among_processes

    part, parts = place_among_processes()
    if parts == 1:
        _stream("predict", given, options)
        return
    from seglab.device import device_of_process
    from seglab.inference.sources import share_of

    # Each of torchrun's processes takes its share of the source, on a GPU of its own, and has a folder of its own.
    share = share_of(given.source, part, parts)
    if not share:
        print(f"part {part + 1} of {parts}: the source has no more images")
        return
    options = {**options, "name": f"{options.get('name') or 'predict'}-{part + 1}-of-{parts}"}
    _stream("predict", replace(given, source=share, device=device_of_process(given.device)), options)


def track(given: PredictInput, options: dict[str, Any]) -> None:
    _stream("track", given, options)


def _stream(verb: str, given: PredictInput, options: dict[str, Any]) -> None:
    """What predict and track have in common: results are written as they come, and never gather in memory."""
    from seglab.yolo import YOLO

    options = {**VERBS[verb].defaults, **options, "device": given.device, "engine": given.engine}
    find = getattr(YOLO(given.model, trust=given.trust), verb)
    for _ in find(given.source, stream=True, **options):
        pass


def export(given: ExportInput, options: dict[str, Any]) -> None:
    from seglab.yolo import YOLO

    YOLO(given.model).export(format=given.format, out=given.out, **options)


def convert(given: ConvertInput, _: dict[str, Any]) -> int:
    from seglab.convert import convert

    report = convert(
        given.source,
        given.images,
        given.out,
        given.to,
        given.strict,
        holdout=given.holdout,
        test=given.test,
        labels=given.labels,
        allow_empty=given.allow_empty,
        instances=given.instances,
        max_pixels=given.max_pixels,
        range=given.range,
    )
    print(report)
    return 0 if report.passed else 1


def check(given: CheckInput, _: dict[str, Any]) -> None:
    from seglab.diagnosis.check import check

    print(check(given.data, given.out, given.instances, given.labels, given.max_pixels, given.range))


def split(given: SplitInput, _: dict[str, Any]) -> None:
    from pathlib import Path

    from seglab.data.holdout import describe_split, hold_out_once
    from seglab.datasets.load import load_dataset

    spec = load_dataset(given.data, labels=given.labels)
    out = Path(given.out).expanduser() if given.out else None
    spec, path = hold_out_once(spec, given.holdout, given.test, given.seed, out)
    print(describe_split(spec))
    print(f"saved to {path}\nnext: seglab train data={path if out else given.data}")


def evaluate(given: EvaluateInput, _: dict[str, Any]) -> None:
    from json import dumps

    from seglab.evaluation.coco import evaluate_files

    metrics = evaluate_files(given.gt, given.dt, given.iou_type)
    if not given.json:
        print(metrics)
        return
    print(dumps(metrics.stats))
    for warning in metrics.warnings:  # standard output is JSON alone
        print(f"warning: {warning}", file=sys.stderr)


def doctor(given: DoctorInput, options: dict[str, Any]) -> int:
    from seglab.yolo import YOLO

    diagnosis = YOLO(given.model).doctor(given.data, device=given.device, **options)
    print(diagnosis)
    return 1 if diagnosis.root_cause and diagnosis.root_cause.state == "broken" else 0


def verify(given: VerifyInput, _: dict[str, Any]) -> int:
    from seglab.export.parity import verify
    from seglab.export.registry import weights_beside
    from seglab.yolo import YOLO

    original = YOLO(given.model or weights_beside(given.file))
    if original.network is None:
        raise SeglabError(f"model={given.model} is an exported file too: give the weights of {given.file}")
    return 0 if verify(given.file, original.network, original.names, given.data, given.trust, given) else 1


def benchmark(given: BenchmarkInput, _: dict[str, Any]) -> None:
    from seglab.datasets.load import is_local
    from seglab.export.benchmark import published_table
    from seglab.yolo import YOLO

    names = ("imgsz", "formats", "precisions", "verbose", "out")
    options = {name: getattr(given, name) for name in names if getattr(given, name) not in (None, False)}
    if given.what is None:
        YOLO(given.model).benchmark(given.data, **options)
        return
    refuse_unknown(options, ["data"], "benchmark table")
    print(published_table(given.data or ("coco" if is_local("coco") else None)))


def explore(given: ExploreInput, _: dict[str, Any]) -> None:
    from seglab.widgets.page import explorer_page
    from seglab.yolo import YOLO

    out = "explorer.html" if isinstance(given.html, bool) else given.html
    page = explorer_page(YOLO(given.model), given.source, out, given.imgsz, given.split, given.reading)
    print(f"Wrote {page}: open it in any browser")


def toybox(given: ToyboxInput, _: dict[str, Any]) -> None:
    from seglab.toybox.dataset import generate_dataset

    print(f"Wrote {generate_dataset(given.out, given.count, given.seed, given.sides, given.val)}")


def demo(given: DemoInput, _: dict[str, Any]) -> None:
    from seglab.demo import demo

    demo(given.out, given.epochs, given.imgsz)


def course(given: CourseInput, _: dict[str, Any]) -> None:
    from seglab.course import copy_lessons, open_lessons

    written = copy_lessons(given.out)
    print(f"{len(written)} files written to {given.out}: lessons, and their solutions in {given.out}/solutions")
    if given.open:
        open_lessons(given.out)


def cache(given: CacheInput, _: dict[str, Any]) -> None:
    from seglab.cache import clear_cache, describe_cache

    if given.clear is not None:
        for entry in clear_cache(given.clear):
            print(f"removed {entry.name} ({entry.size / 1e6:.1f} MB)")
    print(describe_cache())


def checks(_: NoInput, __: dict[str, Any]) -> None:
    from seglab.checks import print_checks

    print_checks()


def settings(_: NoInput, __: dict[str, Any]) -> None:
    from seglab.checks import format_checks, user_settings

    print(format_checks(user_settings()))


def cfg(_: NoInput, __: dict[str, Any]) -> None:
    from seglab.cli.config_file import config_text

    print(config_text(), end="")


def copy_cfg(given: CopyConfigInput, _: dict[str, Any]) -> None:
    from seglab.cli.config_file import write_config

    path = write_config(given.out)
    print(f"Wrote {path}: edit it, then run seglab train cfg={path}")


def version(_: NoInput, __: dict[str, Any]) -> None:
    from seglab.version import __version__

    print(__version__)


def show_help(given: HelpInput, _: dict[str, Any]) -> None:
    from seglab.cli.help import describe_mode, overview

    if given.mode is None:
        print(overview())
        return
    refuse_unknown([given.mode], VERBS, kind="mode")
    print(describe_mode(given.mode))


# Name of a mode -> what it does with its own arguments and the rest; gives the exit status, None for 0.
MODES: dict[str, Callable[[Any, dict[str, Any]], int | None]] = {
    "train": train,
    "val": val,
    "predict": predict,
    "track": track,
    "export": export,
    "tune": tune,
    "convert": convert,
    "check": check,
    "split": split,
    "evaluate": evaluate,
    "doctor": doctor,
    "verify": verify,
    "benchmark": benchmark,
    "explore": explore,
    "toybox": toybox,
    "demo": demo,
    "course": course,
    "cache": cache,
    "checks": checks,
    "settings": settings,
    "cfg": cfg,
    "copy-cfg": copy_cfg,
    "version": version,
    "help": show_help,
}
