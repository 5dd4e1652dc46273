"""Network and management units in one mosaik simulator: the fast mode for large cases.

The two cores are called in exactly the order that mosaik's sub-steps give them when they are
simulators of their own, so both modes make the same tables. Between two things that come from
outside, the pair runs on alone, up to what mosaik allows (``max_advance``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from controllers.unit import UnitsCore
from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.messages import Reading, Supply
from scenarios.cores import make_network, make_units
from simulators.network import NetworkCore

__all__ = ["CyberSimulator"]

_EID = "cyber"


class CyberSimulator(Adapter):
    """One entity with what ``Network`` and ``Units`` have towards the outside."""

    component = "cyber"
    models: ClassVar = {
        "Cyber": model(
            trigger=["readings", "supply"],
            transient=["commands", ROWS],
            params=["network", "units"],
        )
    }

    _network: NetworkCore
    _units: UnitsCore

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build both cores."""
        self._network = make_network(params["network"], self.end_ms)
        self._units = make_units(params["units"], self.end_ms)
        self._commands = 0
        self._emission = -1
        return [{"eid": _EID, "type": model_name}]
