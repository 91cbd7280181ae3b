"""What is shown in notebooks, told by a shell and a display that stand in for IPython's."""

import io
import sys
import types

import pytest

from seglab.notebooks import Display, in_notebook, running_cell


class OutStream(io.StringIO):
    """What a kernel prints to."""


OutStream.__module__ = "ipykernel.iostream"


@pytest.fixture
def kernel(monkeypatch):
    """A kernel at its seventh cell."""
    shell = types.SimpleNamespace(kernel=object(), execution_count=7)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stdout", OutStream())
    return shell


def test_a_kernel_is_a_notebook(kernel):
    assert in_notebook() and running_cell() == 7
    del kernel.kernel  # IPython in a terminal
    assert not in_notebook()


def test_what_is_collected_is_no_notebook(kernel, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as contextlib.redirect_stdout does
    assert not in_notebook()


def test_plain_python_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not in_notebook() and running_cell() is None


def test_an_output_is_made_once_and_then_replaced(monkeypatch):
    told = []
    handle = types.SimpleNamespace(update=lambda bundle, raw: told.append(("update", bundle, raw)))

    def display(bundle, raw, display_id):
        told.append(("display", bundle, raw))
        return handle

    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    output = Display()
    output.show("<b>1</b>", "1")
    output.show("<b>2</b>", "2")
    assert told == [
        ("display", {"text/html": "<b>1</b>", "text/plain": "1"}, True),
        ("update", {"text/html": "<b>2</b>", "text/plain": "2"}, True),
    ]
