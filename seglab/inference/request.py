"""What `predict` is asked for: its arguments by name become one checked value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from seglab.config import (
    PredictConfig,
    PredictInput,
    SaveConfig,
    fit_argument,
    names_of,
    refuse_unknown,
    verb_arguments,
)
from seglab.errors import SeglabError


@dataclass(frozen=True)
class PredictRequest:
    """source: what to predict on; stream: give results one by one; device, engine: what is to run the network.

    layers: those whose features are wanted instead of results; config, saving: how to predict, and what to save.
    """

    source: Any
    stream: bool
    device: str | int | torch.device | None
    engine: str
    layers: list[int]
    config: PredictConfig
    saving: SaveConfig


def read_request(source: Any, stream: bool, arguments: dict[str, Any]) -> PredictRequest:
    """Arguments of `predict` by name -> the request. source, stream: what they are where the arguments do not say.

    Errors: SeglabError for an unknown name, a value that does not fit, or None for a source.
    """
    rest = dict(arguments)
    source = rest.pop("source", source)
    stream = rest.pop("stream", stream)
    if source is None:
        raise SeglabError(
            "there is no image to predict on: the source is None, which cv2.imread gives for a file that it cannot "
            "read; check the path"
        )
    device = rest.pop("device", None)
    engine = fit_argument(PredictInput, "engine", rest.pop("engine", None) or "auto")
    embed = fit_argument(PredictInput, "embed", rest.pop("embed", None))
    layers = [embed] if isinstance(embed, int) else list(embed or [])

    # What is left is checked as a whole, so that a misspelled argument is named before anything runs.
    refuse_unknown(rest, verb_arguments("predict", but=("model",)), "predict")
    saving = SaveConfig(**{name: rest.pop(name) for name in names_of(SaveConfig) if name in rest})
    return PredictRequest(source, stream, device, engine, layers, PredictConfig(**rest), saving)
