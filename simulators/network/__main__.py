"""Run the network as a process of its own: ``python -m simulators.network HOST:PORT``."""

import mosaik_api_v3

from simulators.network.sim import NetworkSimulator

if __name__ == "__main__":
    mosaik_api_v3.start_simulation(NetworkSimulator())
