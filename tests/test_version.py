"""The version is read by everything and costs nothing to read."""

from __future__ import annotations

import subprocess
import sys

from packaging.version import Version

from seglab.version import __version__


def test_it_is_a_released_version_and_needs_no_other_module():
    assert not Version(__version__).is_devrelease and Version(__version__).local is None
    script = "import sys; before = set(sys.modules); import seglab.version; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in eval(done.stdout)}
    assert not loaded & {"torch", "numpy", "cv2", "yaml"}
