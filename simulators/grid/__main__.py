"""Run the grid as a process of its own: ``python -m simulators.grid --remote HOST:PORT``."""

from __future__ import annotations

import mosaik_api_v3

from simulators.grid.sim import GridSimulator

if __name__ == "__main__":
    mosaik_api_v3.start_simulation(GridSimulator())
