"""Events: who is told, in which order, with what."""

from __future__ import annotations

from seglab.events import EVENTS, SILENT, Events


def test_functions_are_called_in_their_order_with_one_view_of_a_state():
    told = []

    class View:
        def __init__(self, state):
            self.state = state

    def first(view):
        told.append(("first", view.state))
        view.mine = 1

    events = Events({"on_train_start": [first, lambda view: told.append(("second", view.mine))]}, View)
    assert events.awaits("on_train_end", "on_train_start") and not events.awaits("on_train_end")
    events.tell("on_train_start", "run")
    events.tell("on_train_end", "run")
    assert told == [("first", "run"), ("second", 1)]
    assert events.view_of("run").mine == 1 and events.view_of("another").state == "another"


def test_silence():
    assert not SILENT.awaits(*EVENTS) and len(set(EVENTS)) == len(EVENTS)
    SILENT.tell("on_train_start", None)
