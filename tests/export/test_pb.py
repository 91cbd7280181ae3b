"""Frozen graphs have the names that programs for other YOLO files use, and say themselves what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglab.errors import SeglabError
from seglab.export import pb
from seglab.export.inference_model import InferenceModel

from .written import written


def test_programs_written_for_other_frozen_graphs_run_it(network, metadata, images, tmp_path):
    path = written("pb", network, metadata, tmp_path)
    from tensorflow.compat import v1

    graph = v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    assert not {node.op for node in graph.node} & {"ReadVariableOp", "VarHandleOp"}  # the weights are inside
    assert [node.name for node in graph.node if node.op == "Placeholder"] == ["x"]
    with v1.Graph().as_default() as whole, v1.Session(graph=whole) as session:
        v1.import_graph_def(graph, name="")
        values = images[:1].permute(0, 2, 3, 1).numpy()
        predictions, prototypes = session.run(["Identity:0", "Identity_1:0"], {"x:0": values})
    expected, _ = InferenceModel(network)(images[:1])
    boxes = torch.from_numpy(predictions[:, :4] * np.float32(160))
    torch.testing.assert_close(boxes, expected[:, :4], rtol=0, atol=2e-3)
    assert prototypes.shape == (1, 40, 40, 32)

    graph.node.remove(next(node for node in graph.node if node.name == pb.METADATA))
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(SeglabError, match="no metadata"):
        pb.load(path)
