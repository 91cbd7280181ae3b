"""TorchScript archives hold what other programs ask for."""

from __future__ import annotations

import json

from seglab.export.metadata import NORMALIZATION

from .written import written


def test_a_written_file_holds_stride_and_normalization(network, metadata, tmp_path):
    import zipfile

    with zipfile.ZipFile(written("torchscript", network, metadata, tmp_path)) as archive:
        entries = {name.rpartition("/")[2]: name for name in archive.namelist() if "/extra/" in name}
        assert archive.read(entries["stride"]) == b"32"
        assert json.loads(archive.read(entries["seglab"]))["normalization"] == NORMALIZATION
