"""Every argument of every verb, defined once: type, default, bounds or choices, help text, and how values are checked.

The fields of the classes below are the arguments, and VERBS says which classes a verb takes. Their constructors check
what they are given. The command line's help is read from here, and so are the lists of names in messages. `argument`
says what an argument is, `shared` holds those that mean the same to several verbs, and each verb has a file.
"""

# ruff: noqa: F401 - what the library uses of this folder goes through this door

from __future__ import annotations

from seglab.config.argument import (
    Argument,
    Arguments,
    argument,
    arguments_of,
    describe_bounds,
    describe_type,
    fit_argument,
    fit_type,
    fit_value,
    names_of,
    refuse_unknown,
)
from seglab.config.export import ExportConfig, ExportInput
from seglab.config.predict import PredictConfig, PredictInput, SaveConfig
from seglab.config.reading import ReadConfig
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
from seglab.config.track import TrackerConfig, TrackInput
from seglab.config.train import AugmentConfig, TrainConfig, TrainInput
from seglab.config.tune import LOGARITHMIC, RANGES, TuneInput
from seglab.config.val import ValidateConfig, ValInput
from seglab.config.verbs import VERBS, Verb, verb_arguments

# What may be used from outside; the rest serves the verbs.
__all__ = [
    "VERBS",
    "AugmentConfig",
    "ExportConfig",
    "PredictConfig",
    "SaveConfig",
    "TrainConfig",
    "ValidateConfig",
]
