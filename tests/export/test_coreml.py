"""Core ML takes and gives float32, in both precisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .written import written


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_coreml_takes_and_gives_float32(precision, network, metadata, tmp_path):
    path = written("coreml", network, replace(metadata, precision=precision), tmp_path)
    import coremltools
    from coremltools.proto.FeatureTypes_pb2 import ArrayFeatureType
    from coremltools.proto.MIL_pb2 import FLOAT16, FLOAT32

    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    ends = (*spec.metadata.input, *spec.metadata.output)
    assert {end.name: end.type.multiArrayType.dataType for end in ends} == dict.fromkeys(
        ("images", "predictions", "prototypes"), ArrayFeatureType.FLOAT32
    )
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    kinds = {(step.type, step.outputs[0].type.tensorType.dataType) for step in block.operations}
    assert {kind for name, kind in kinds if name == "conv"} == {FLOAT16 if precision == "fp16" else FLOAT32}
    assert {kind for name, kind in kinds if name in ("softmax", "sigmoid", "sub")} == {FLOAT32}  # decoding
