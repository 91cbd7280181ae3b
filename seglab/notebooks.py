"""Whether something runs in a notebook, and showing things there that stay and change."""

from __future__ import annotations

import sys
from typing import Any

# Colors of the page, whatever its theme: JupyterLab's, VS Code's, or the browser's own.
BACKGROUND = "var(--jp-layout-color0, var(--vscode-editor-background, Canvas))"
ACCENT = "var(--jp-brand-color1, var(--vscode-textLink-foreground, #2a7fff))"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, and what it prints is shown there, not collected."""
    shell = _shell()
    if shell is None or not hasattr(shell, "kernel"):
        return False
    return type(sys.stdout).__module__.partition(".")[0] not in ("_io", "io", "builtins")


def running_cell() -> int | None:
    """The number of the cell that runs; None outside of IPython."""
    shell = _shell()
    return None if shell is None else shell.execution_count


def _shell() -> Any | None:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


class Display:
    """One output of a cell, which `show` replaces."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str, text: str) -> None:
        """html: for notebooks; text: for what shows no HTML."""
        bundle = {"text/html": html, "text/plain": text}
        if self._handle is None:
            from IPython.display import display

            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
