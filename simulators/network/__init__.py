"""The communication network: frames over queues, links and shared media, on SimPy."""

from simulators.network.core import NetworkCore
from simulators.network.sim import NetworkSimulator
from simulators.network.technologies import load

__all__ = ["NetworkCore", "NetworkSimulator", "load"]
