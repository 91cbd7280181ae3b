"""`python -m seglab MODE key=value ...` is `seglab MODE key=value ...`, wherever the script is not on the PATH."""

from __future__ import annotations

import sys

from seglab.cli import main

if __name__ == "__main__":
    sys.exit(main())
