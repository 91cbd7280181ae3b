"""The command line: `seglab MODE key=value ...`, the facade's verbs and the tools around them.

`seglab segment train data=coco8-seg model=yolo11n-seg.yaml epochs=100` and `seglab train segment ...` mean the same;
`--strict` is short for `strict=True`. `seglab help train` lists all that train takes, with its defaults.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

import seglab
from seglab.errors import SeglabError, fit_type, names_of, refuse_unknown

TASK = "segment"
LEAST_SIDE = 32  # of a toybox image: fewer pixels show nothing
SWITCHES = ("resume",)  # words that mean True by themselves
BARE_WORD = {
    "verify": "file",
    "benchmark": "what",
    "help": "mode",
}  # modes that take one word without '=', and what it means


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 1 where a check that was asked for failed, 2 for a wrong request."""
    words = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, TextIOWrapper):  # a Windows console may lack letters of class names and paths
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        mode, options = parse(words)
        return MODES[mode](**fitted(mode, options)) or 0
    except (SeglabError, OSError) as error:
        print(f"seglab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seglab: stopped", file=sys.stderr)
        return 130


def fitted(mode: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a mode, brought to the types of its own parameters: a folder may be called 2024.

    Errors: SeglabError for one that the mode does not know or that does not fit, and for one it needs and lacks.
    """
    parameters = inspect.signature(MODES[mode]).parameters.values()
    own = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    if len(own) == len(parameters):
        refuse_unknown(options, [parameter.name for parameter in own], mode)
    for parameter in own:
        name = parameter.name
        if parameter.default is parameter.empty and options.get(name) is None:
            raise SeglabError(f"{mode} needs {name}=: write `seglab {mode} {name}=... ...`")
        if name in options:
            options = options | {name: fit_type(name, options[name], parameter.annotation)}
    return options


def parse(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Words of a command line -> (mode, options). Errors: SeglabError for an unknown mode or a word without '='."""
    mode, options = None, {}
    for word in words:
        bare = word.removeprefix("--")
        if "=" in bare:
            name, value = bare.split("=", 1)
            options[name] = _value(value)
        elif word in ("-h", "--help", "--version"):
            return ("version", {}) if word == "--version" else ("help", {"mode": mode})  # no training is to start
        elif word.startswith("--"):
            options[bare.replace("-", "_")] = True
        elif word in MODES and mode is None:
            mode = word
        elif word in SWITCHES:
            options[word] = True
        elif mode in BARE_WORD and BARE_WORD[mode] not in options:
            options[BARE_WORD[mode]] = word
        elif word != TASK:
            if mode is None:
                refuse_unknown([word], MODES, "seglab", "mode")
            raise SeglabError(f"'{word}' is no key=value: write source={word}, model={word} or what it is meant for")
    if (task := options.pop("task", TASK)) != TASK:
        raise SeglabError(f"seglab does task={TASK} only, not task={task}")
    mode = mode or options.pop("mode", None if options else "help")
    if mode is None:
        raise SeglabError(f"say what to do with {', '.join(options)}: one of {', '.join(MODES)}")
    refuse_unknown([str(mode)], MODES, "seglab", "mode")
    return mode, options


def _value(text: str) -> Any:
    """'3' -> 3, 'true' -> True, '[0,1]' -> [0, 1], '' and 'none' -> None; anything else stays a string."""
    plain = {"true": True, "false": False, "none": None, "null": None, "": None}
    if text.lower() in plain:
        return plain[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, (int, float, str, list, tuple)) else text


# The modes. `seglab help MODE` shows the parameters as they stand here, comments and all.


def _train(
    model: str | None = None,  # weights to begin from, or yolo11n-seg.yaml for scratch; None: yolo11n-seg.pt
    data: str | list | tuple | None = None,  # YAML, name or COCO JSON, or a,b; None: the weights' own, else coco8-seg
    **options: Any,
) -> None:
    seglab.YOLO(model or _first_weights(options)).train(data=data, **options)


def _first_weights(options: dict[str, Any]) -> str:
    """What a training without model= begins from: what `pretrained` or `resume` say, else the official weights.

    Errors: SeglabError for an argument that does not fit, before anything is downloaded.
    """
    from seglab.compat.arguments import drop_unsupported
    from seglab.training.config import make_config

    make_config(**drop_unsupported("train", {name: value for name, value in options.items() if name != "pretrained"}))
    resume, pretrained = options.get("resume"), options.get("pretrained")
    if pretrained is False or isinstance(resume, str):  # a run that is resumed brings its own weights
        return "yolo11n-seg.yaml"
    return pretrained if isinstance(pretrained, str) else "yolo11n-seg.pt"


def _val(
    model: str = "yolo11n-seg.pt",  # weights or an exported file
    data: str | list | tuple | None = None,  # YAML, name or COCO JSON, or a,b; None: the weights' own, else coco8-seg
    device: str | int | None = None,  # None: the first CUDA GPU, else the CPU
    **options: Any,
) -> None:
    seglab.YOLO(model).val(data, device=device, **options)


def _predict(
    model: str = "yolo11n-seg.pt",  # weights or an exported file
    source: str | list | None = None,  # image, folder, glob, video, camera number, URL or dataset name
    device: str | int | None = None,  # None: the first CUDA GPU, else the CPU
    save: bool = True,  # the images with what was found drawn on them
    verbose: bool = True,  # a line for every image
    engine: str | None = None,  # "auto": on CPUs, through onnxruntime or OpenVINO where they agree with the network
    **options: Any,
) -> None:
    options |= {"stream": True, "device": device, "save": save, "verbose": verbose, "engine": engine}
    for result in seglab.YOLO(model).predict(source, **options):
        del result  # written as it comes; a stream never gathers in memory


def _export(
    model: str = "yolo11n-seg.pt",
    format: str = "onnx",  # onnx, openvino, torchscript, pt2, ncnn, executorch, litert, coreml, engine
    out: str | None = None,  # where to, without suffix; None: beside the weights
    **options: Any,
) -> None:
    seglab.YOLO(model).export(format=format, out=out, **options)


def _demo(
    out: str = "runs/demo",
    epochs: int = 8,
    imgsz: int = 320,
) -> None:
    from seglab.demo import demo

    demo(out, epochs, imgsz)


def _toybox(
    count: int = 8,  # scenes
    seed: int = 0,
    out: str = "toybox",
    size: int | list | tuple = (480, 640),  # a side or [height, width] in pixels
    val: float = 0.2,  # share of the scenes that is for validation
) -> None:
    from seglab.geometry.letterbox import as_size
    from seglab.toybox.dataset import generate_dataset

    sides = as_size(size, "size")
    if min(sides) < LEAST_SIDE:
        raise SeglabError(f"size={size} must be at least {LEAST_SIDE} pixels a side")
    if seed < 0:
        raise SeglabError(f"seed={seed} must be 0 or more")
    print(f"Wrote {generate_dataset(out, count, seed, sides, val)}")


def _convert(
    source: str,  # COCO JSON or folder; folder of Labelme, VOC or mask PNGs; with to=coco a YOLO-seg dataset
    images: str | None = None,  # folder of the images, where it is not in a usual place
    out: str | None = None,  # the new folder, or with to=coco the new JSON
    to: str = "yolo",  # or coco
    strict: bool | float | None = None,  # mask IoU that no object may fall below, else nothing is written
) -> int:
    from seglab.convert import convert

    report = convert(source, images, out, to, strict)
    print(report)
    return 0 if report.passed else 1


def _check(
    data: str,  # dataset YAML, name or COCO JSON
    out: str | None = "runs/check",  # where its contact sheet goes
) -> None:
    from seglab.diagnosis.check import check

    print(check(data, out))


def _evaluate(
    gt: str,  # COCO JSON with the ground truth
    dt: str,  # COCO results JSON
    kind: str = "segm",  # or bbox, boundary
    json: bool = False,  # print the twelve figures as JSON
) -> None:
    from json import dumps

    from seglab.evaluation.coco import evaluate_files

    figures = evaluate_files(gt, dt, kind)
    print(dumps(figures.stats) if json else figures)
    for warning in figures.warnings if json else ():
        print(f"warning: {warning}", file=sys.stderr)


def _doctor(
    model: str,  # weights or an exported file
    data: str | list | tuple | None = None,  # YAML, name or COCO JSON, or a,b; None: the weights' own
    device: str | int | None = None,
    **options: Any,
) -> int:
    diagnosis = seglab.YOLO(model).doctor(data, device=device, **options)
    print(diagnosis)
    return 1 if diagnosis.root_cause and diagnosis.root_cause.state == "broken" else 0


def _verify(
    file: str,  # an exported file
    model: str | None = None,  # the weights it came from; None: those beside it
    data: str | None = None,  # dataset whose mAP is compared too
) -> int:
    from seglab.export.parity import verify
    from seglab.yolo import weights_beside

    original = seglab.YOLO(model or weights_beside(file))
    if original.network is None:
        raise SeglabError(f"model={model} is an exported file too: give the weights that {file} came from")
    return 0 if verify(file, original.network, original.names, data) else 1


def _benchmark(
    what: str | None = None,  # "table": the published table, its mAP where COCO and official weights are here
    model: str = "yolo11n-seg.pt",
    data: str | None = None,  # whose mAP is measured
    **options: Any,  # imgsz, formats="onnx,openvino", out
) -> None:
    from seglab.datasets.load import is_local
    from seglab.export.benchmark import published_table

    if what is None:
        seglab.YOLO(model).benchmark(data, **options)
        return
    refuse_unknown([what], ["table"], "seglab benchmark", "table")
    refuse_unknown(options, ["data"], "seglab benchmark table")
    print(published_table(data or ("coco" if is_local("coco") else None)))


def _explore(
    model: str = "toybox-n",
    source: str = "toybox8-seg",  # images, or a dataset with its ground truth
    html: str | bool = "explorer.html",  # the page to write
    imgsz: int | None = None,
    split: str = "val",
) -> None:
    from seglab.widgets.page import explorer_page

    out = "explorer.html" if isinstance(html, bool) else html
    print(f"Wrote {explorer_page(seglab.YOLO(model), source, out, imgsz, split)}: open it in any browser")


def _version() -> None:
    print(seglab.__version__)


def _help(mode: str | None = None) -> None:
    if mode is None:
        print(__doc__)
        print("Modes:", ", ".join(MODES))
        return
    refuse_unknown([mode], MODES, "seglab", "mode")
    for name, default, comment in arguments_of(mode):
        print(f"  {name}={default}".ljust(30), comment)


def arguments_of(mode: str) -> list[tuple[str, str, str]]:
    """What a mode takes: names, defaults ("" where one must be given) and the comments behind them in the source."""
    found: dict[str, tuple[str, str]] = {}
    for source, names in [(MODES[mode], inspect.signature(MODES[mode]).parameters)] + _configs(mode):
        for line in inspect.getsource(source).splitlines():
            parts = re.match(r"    (\w+): [^=#]+?(?: = (.+?))?,?(?:  # (.+))?$", line)
            if parts and parts[1] in names:
                found.setdefault(parts[1], ((parts[2] or "").strip('"'), parts[3] or ""))
    return [(name, *rest) for name, rest in found.items()]


def _configs(mode: str) -> list[tuple[type, list[str]]]:
    """The dataclasses whose fields a mode takes besides its own parameters, and the names of these."""
    from seglab.data.augment import AugmentConfig
    from seglab.evaluation.validate import ValidateConfig
    from seglab.export.exporter import ExportConfig
    from seglab.inference.predictor import PredictConfig
    from seglab.inference.results_io import SaveConfig
    from seglab.training.config import TrainConfig

    configs = {"train": [TrainConfig, AugmentConfig], "val": [ValidateConfig], "doctor": [ValidateConfig]}
    configs |= {"export": [ExportConfig], "predict": [PredictConfig, SaveConfig]}
    return [(config, [name for name in names_of(config) if name != "augment"]) for config in configs.get(mode, [])]


MODES: dict[str, Callable[..., int | None]] = {
    "train": _train,
    "val": _val,
    "predict": _predict,
    "export": _export,
    "convert": _convert,
    "check": _check,
    "evaluate": _evaluate,
    "toybox": _toybox,
    "doctor": _doctor,
    "verify": _verify,
    "explore": _explore,
    "benchmark": _benchmark,
    "demo": _demo,
    "version": _version,
    "help": _help,
}

if __name__ == "__main__":
    sys.exit(main())
