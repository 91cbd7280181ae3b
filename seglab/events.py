"""Functions that a user wants called at certain moments of a run: when an epoch ends, before a batch, and so on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Function = Callable[[Any], Any]

# The moments there are, in the order in which they come.
TRAIN_EVENTS = (
    "on_pretrain_routine_start",
    "on_pretrain_routine_end",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "optimizer_step",
    "on_before_zero_grad",
    "on_params_update",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_model_save",
    "on_fit_epoch_end",
    "on_train_end",
    "teardown",
)
VAL_EVENTS = ("on_val_start", "on_val_batch_start", "on_val_batch_end", "on_val_end")
PREDICT_EVENTS = (
    "on_predict_start",
    "on_predict_batch_start",
    "on_predict_postprocess_end",
    "on_predict_batch_end",
    "on_predict_end",
)
EXPORT_EVENTS = ("on_export_start", "on_export_end")
EVENTS = (*TRAIN_EVENTS, *VAL_EVENTS, *PREDICT_EVENTS, *EXPORT_EVENTS)


class Events:
    """What one run of a verb tells.

    functions: event -> what to call, with an object that says where the run stands; view: what makes that object of the
    run's own state, once for each state, so that what a function writes on it is still there at the next event.
    """

    def __init__(self, functions: Mapping[str, Sequence[Function]] | None = None, view: Function | None = None):
        self.functions = functions or {}
        self._view = view
        self._made: dict[type, tuple[Any, Any]] = {}  # of the states' classes: the last state, and its view

    def awaits(self, *events: str) -> bool:
        """Whether anything is called at one of these events."""
        return any(self.functions.get(event) for event in events)

    def tell(self, event: str, state: Any) -> None:
        """Call what is to be called, in the order in which it was added."""
        for function in self.functions.get(event, ()):
            function(self.view_of(state))

    def view_of(self, state: Any) -> Any:
        """The object that functions get for a state."""
        known, view = self._made.get(type(state), (None, None))
        if known is not state:
            view = self._view(state) if self._view is not None else state
            self._made[type(state)] = (state, view)
        return view


SILENT = Events()
