"""Make the inputs of the scenario ``ten_houses`` anew: ``python -m scenarios.ten_houses``."""

from __future__ import annotations

import sys
from pathlib import Path

from scenarios.ten_houses.tables import write_all

if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
