"""ncnn folders hold the graph, the weights and the metadata, and nothing that pnnx leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seglab.errors import SeglabError
from seglab.export import ncnn

from .written import written


def test_a_folder_holds_what_runs_and_no_by_products(network, metadata, tmp_path):
    full = written("ncnn", network, metadata, tmp_path / "full")
    half = written("ncnn", network, replace(metadata, precision="fp16"), tmp_path / "half")
    for path in (full, half):
        assert {file.name for file in path.iterdir()} == {ncnn.GRAPH, ncnn.WEIGHTS, "metadata.yaml"}
    sizes = [(path / ncnn.WEIGHTS).stat().st_size for path in (full, half)]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05)


def test_more_than_one_image_a_call_is_refused_with_the_way_out(network, metadata, tmp_path):
    pytest.importorskip("pnnx")
    with pytest.raises(SeglabError, match="batch=1 instead of 4"):
        ncnn.write(network, tmp_path / "model_ncnn_model", replace(metadata, batch=4))
    assert not list(tmp_path.iterdir())
