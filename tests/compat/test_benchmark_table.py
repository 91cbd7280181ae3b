import pytest

from seglab.compat.benchmark_table import benchmark_arguments, benchmark_rows, raise_failure
from seglab.config import BenchmarkInput
from seglab.errors import SeglabError
from seglab.export.benchmark import Line

LINES = [Line("onnx", "fp32", 11.0, 0.4, 0.3, 20.0), Line("engine", "fp16", status="no NVIDIA GPU")]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"format": "", "half": False, "int8": None, "device": "cpu", "eps": 1e-3}, {}),
        ({"format": "onnx", "half": True}, {"formats": "onnx", "precisions": "fp16"}),
        ({"int8": True, "imgsz": 96}, {"precisions": "int8", "imgsz": 96}),
        ({"quantize": 32, "verbose": 0.2}, {"precisions": "fp32", "verbose": 0.2}),
    ],
)
def test_arguments_of_scripts(given, wanted):
    assert benchmark_arguments(given) == wanted
    BenchmarkInput(**wanted)


@pytest.mark.parametrize(("given", "advice"), [({"device": 0}, "timed on the CPU"), ({"quantize": 4}, "must be 8")])
def test_what_cannot_be_is_one_sentence(given, advice):
    with pytest.raises(SeglabError, match=advice):
        benchmark_arguments(given)


def test_the_table_has_the_columns_that_scripts_read():
    first, second = benchmark_rows(LINES)
    assert first["Format"] == "ONNX" and first["FPS"] == 50 and first["metrics/mAP50-95(M)"] == 0.3
    assert second["Format"] == "TensorRT" and second["Size (MB)"] is None
    assert [row["Status❔"] for row in (first, second)] == ["✅", "no NVIDIA GPU"]


def test_verbose_is_strict():
    raise_failure(LINES, False)
    with pytest.raises(SeglabError, match=r"1 formats failed, the first is engine fp16 \(no NVIDIA GPU\)"):
        raise_failure(LINES, True)
    with pytest.raises(SeglabError, match=r"mask mAP 0.300 of onnx fp32 is below verbose=0.35"):
        raise_failure(LINES[:1], 0.35)
    raise_failure(LINES[:1], 0.3)
