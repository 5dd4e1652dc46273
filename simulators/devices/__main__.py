"""Run the devices as a process of its own: ``python -m simulators.devices --remote HOST:PORT``."""

from __future__ import annotations

import mosaik_api_v3

from simulators.devices.sim import DevicesSimulator

if __name__ == "__main__":
    mosaik_api_v3.start_simulation(DevicesSimulator())
