"""The verbs of `YOLO` and the modes of the command line, each with the arguments it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from seglab.config.argument import Arguments, names_of
from seglab.config.export import ExportConfig, ExportInput
from seglab.config.predict import PredictConfig, PredictInput, SaveConfig
from seglab.config.tools import (
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
    HelpInput,
    NoInput,
    SplitInput,
    ToyboxInput,
    VerifyInput,
)
from seglab.config.track import TrackInput
from seglab.config.train import AugmentConfig, TrainConfig, TrainInput
from seglab.config.tune import TuneInput
from seglab.config.val import ExamineConfig, ValidateConfig, ValInput


@dataclass(frozen=True)
class Verb:
    """A verb of `YOLO` or a mode of the command line.

    text: one line of help; arguments: the classes whose fields it takes; example: a line to type; bare: the argument
    whose value the command line takes without `name=`; defaults: those that differ on the command line.
    """

    text: str
    arguments: tuple[type[Arguments], ...]
    example: str
    bare: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)


VERBS = {
    "train": Verb(
        "train a model, from weights or from scratch",
        (TrainInput, TrainConfig, AugmentConfig),
        "seglab train data=coco8-seg model=yolo11n-seg.pt epochs=100 imgsz=640",
    ),
    "val": Verb(
        "measure box and mask mAP of a model on a dataset",
        (ValInput, ValidateConfig),
        "seglab val model=yolo11n-seg.pt data=coco8-seg",
    ),
    "predict": Verb(
        "find instances in images and videos, and save the results",
        (PredictInput, PredictConfig, SaveConfig),
        "seglab predict model=yolo11n-seg.pt source=images/",
        defaults={"save": True, "verbose": True},
    ),
    "track": Verb(
        "follow instances through a video: predict, with a track id for each",
        (PredictInput, TrackInput, PredictConfig, SaveConfig),
        "seglab track model=yolo11n-seg.pt source=video.mp4",
        defaults={"save": True, "verbose": True},
    ),
    "export": Verb(
        "write a model in another format and check that it agrees with the original",
        (ExportInput, ExportConfig),
        "seglab export model=runs/segment/train/weights/best.safetensors format=onnx",
    ),
    "tune": Verb(
        "search for the arguments of train that suit a dataset best, with one training per trial",
        (TrainInput, TuneInput, TrainConfig, AugmentConfig),
        "seglab tune data=coco8-seg model=yolo11n-seg.pt epochs=30 iterations=100",
    ),
    "convert": Verb(
        "convert a dataset to another format, and report what was kept",
        (ConvertInput,),
        "seglab convert source=annotations.json images=images/ out=mine",
    ),
    "check": Verb(
        "read every image and label of a dataset, and list the issues",
        (CheckInput,),
        "seglab check data=mine/mine.yaml",
    ),
    "split": Verb(
        "hold out images for validation, once for all later runs",
        (SplitInput,),
        "seglab split data=mine holdout=0.2",
    ),
    "evaluate": Verb(
        "compute COCO metrics of a results file from any tool",
        (EvaluateInput,),
        "seglab evaluate gt=instances_val.json dt=predictions.json",
    ),
    "doctor": Verb(
        "find out why mAP is low, step by step from the labels to the metric",
        (DoctorInput, ExamineConfig),
        "seglab doctor model=runs/segment/train/weights/best.safetensors",
    ),
    "verify": Verb(
        "check that an exported file agrees with its weights",
        (VerifyInput,),
        "seglab verify best.onnx",
        bare="file",
    ),
    "benchmark": Verb(
        "compare size, mAP and latency of all export formats",
        (BenchmarkInput,),
        "seglab benchmark model=yolo11n-seg.pt formats=onnx,openvino",
        bare="what",
    ),
    "explore": Verb(
        "write a web page for exploring predictions",
        (ExploreInput,),
        "seglab explore model=yolo11n-seg.pt source=images/",
    ),
    "toybox": Verb(
        "generate a dataset of synthetic scenes",
        (ToyboxInput,),
        "seglab toybox count=100 out=toys",
    ),
    "demo": Verb(
        "fine-tune, validate, predict and export, offline, in a few minutes",
        (DemoInput,),
        "seglab demo",
    ),
    "course": Verb(
        "copy the lessons into a folder and open them in JupyterLab",
        (CourseInput,),
        "seglab course out=lessons",
        bare="out",
    ),
    "cache": Verb(
        "list the files that seglab has downloaded or computed, and remove them",
        (CacheInput,),
        "seglab cache clear=all",
    ),
    "checks": Verb("print versions, devices and settings, for bug reports", (NoInput,), "seglab checks"),
    "settings": Verb("print the folders and environment variables that seglab uses", (NoInput,), "seglab settings"),
    "cfg": Verb("print all arguments with their defaults, as a YAML for cfg=", (NoInput,), "seglab cfg"),
    "copy-cfg": Verb(
        "write the YAML that cfg prints to a file", (CopyConfigInput,), "seglab copy-cfg out=mine.yaml", bare="out"
    ),
    "version": Verb("print the version of seglab", (NoInput,), "seglab version"),
    "help": Verb("list the modes, or the arguments of one", (HelpInput,), "seglab help train", bare="mode"),
}


def verb_arguments(verb: str, but: Iterable[str] = ()) -> list[str]:
    """The names of all arguments of a verb, without those in `but`."""
    return [name for name in names_of(*VERBS[verb].arguments) if name not in but]
