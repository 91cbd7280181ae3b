"""What a person sees of a panel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from seglab.widgets.panel import Panel


def image_of(panel: Panel) -> np.ndarray:
    """The panel's image (H, W, 3) uint8 BGR."""
    return cv2.imdecode(np.frombuffer(panel.image.value, np.uint8), cv2.IMREAD_COLOR)


def tip(widget: Any) -> str:
    """What a control says when the pointer rests on it."""
    return getattr(widget, "tooltip", None) or widget.description_tooltip  # the latter in ipywidgets 7
