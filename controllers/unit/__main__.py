"""The management units as a process of their own."""

import mosaik_api_v3

from controllers.unit.sim import UnitsSimulator

if __name__ == "__main__":
    mosaik_api_v3.start_simulation(UnitsSimulator())
