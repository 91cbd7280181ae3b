"""`python -m seglab.cli MODE key=value ...`, as `torchrun -m seglab.cli` starts it in every process."""

from __future__ import annotations

import sys

from seglab.cli import main

if __name__ == "__main__":
    sys.exit(main())
