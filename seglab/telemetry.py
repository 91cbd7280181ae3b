"""Telemetry of libraries that seglab may use, switched off before any of them is imported.

Each reads its own variable, once, while it is imported. A variable that the user has set stays as it is.
"""

from __future__ import annotations

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: an identity of the device, and a host that is looked up
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face's libraries, which some experiment trackers bring
    "WANDB_ERROR_REPORTING": "false",  # Weights & Biases: its own crash reports, not the runs that it is asked to log
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",  # a convention that several tools follow
}


def switch_off_telemetry() -> None:
    """Set the variables in this process, for libraries imported from now on and programs started from it."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
