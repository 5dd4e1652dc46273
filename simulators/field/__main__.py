"""Run the field as a process of its own: ``python -m simulators.field --remote HOST:PORT``."""

from __future__ import annotations

import mosaik_api_v3

from simulators.field.sim import FieldSimulator

if __name__ == "__main__":
    mosaik_api_v3.start_simulation(FieldSimulator())
