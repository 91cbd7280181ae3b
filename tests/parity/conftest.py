"""Ultralytics as a black box: offline, and with its settings in a folder of the test's own."""

from __future__ import annotations

import os
import tempfile

os.environ["YOLO_OFFLINE"] = "1"
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="peer-settings-"))
