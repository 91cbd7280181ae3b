"""Networks that are compiled, where that works."""

from __future__ import annotations

import pytest
import torch

from seglab.errors import SeglabError
from seglab.model.compiling import compile_network


def test_compile_is_asked_of_the_network_or_said_not_to_work(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network, **options: asked.append(options))
    monkeypatch.setattr("seglab.model.compiling.why_not", lambda: "")
    assert compile_network(torch.nn.Identity(), True) and compile_network(torch.nn.Identity(), "max-autotune")
    assert asked == [{"mode": "default"}, {"mode": "max-autotune"}]
    monkeypatch.setattr("seglab.model.compiling.why_not", lambda: "no compiler")
    assert not compile_network(torch.nn.Identity(), True)
    assert "does not work here (no compiler), so the network runs uncompiled" in capsys.readouterr().out
    with pytest.raises(SeglabError, match="compile='fast'"):
        compile_network(torch.nn.Identity(), "fast")
