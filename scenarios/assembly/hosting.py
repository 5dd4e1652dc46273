"""Where units run: at their site, at the edge of the mobile network, in a cloud.

A unit that does not run at its site leaves a gateway there, ``gateway/<area>``, which has all its
media and links: the concentrator of a power-line carrier, the border router of a mesh, with the
modem of the mobile network. The unit itself is behind a base station (``edge``) or behind the
mobile core (``cloud``; without a mobile network, behind its gateway).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from scenarios.assembly.mobile import CORE
from scenarios.schema.network import Network

__all__ = ["Hosting"]

_SUBSTATIONS = ("lvgmu", "igmu")

Spec = dict[str, Any]


class Hosting:
    """Sites of units, and where those run that are elsewhere."""

    def __init__(self, wanted: Network, units: Sequence[Spec]) -> None:
        self._away = {
            unit["id"]: wanted.hosting[unit["kind"]]
            for unit in units
            if wanted.hosting.get(unit["kind"], "in-place") != "in-place"
        }
        self._wanted, self._units = wanted, units

    def site(self, unit: str) -> str:
        """Return the node at a unit's site: its own, or its gateway."""
        if unit not in self._away:
            return unit
        kind, _, area = unit.partition("/")
        return f"gateway/{area}" if kind == "lvgmu" else f"gateway/{kind}/{area}"

    def nodes(self, nodes: Sequence[Spec]) -> list[Spec]:
        """Return nodes with those that are away at other places, and their gateways."""
        made = []
        for node in nodes:
            away = self._away.get(node["id"])
            if away is None:
                made.append(node)
                continue
            made.append(node | {"id": self.site(node["id"])})
            made.append({"id": node["id"], "terminal": None, "battery_ms": 0})
        return made

    def links(self, stations: Callable[[str], Sequence[str]], *, mobile: bool) -> list[Spec]:
        """Return the links of units that are away.

        ``stations`` returns the base stations of a low-voltage area, the best first; ``mobile``
        tells whether there is a mobile core. Raises ScenarioError where there is no edge.
        """
        links, faults = [], []
        for unit in sorted(self._away, key=str.encode):
            if self._away[unit] == "cloud":
                behind = CORE if mobile else self.site(unit)
                links.append({"id": f"cloud/{unit}", "technology": "cloud", "a": behind, "b": unit})
                continue
            found = [station for area in self._areas(unit) for station in stations(area)]
            if found:
                edge = {"id": f"edge/{unit}", "technology": "edge", "a": found[0], "b": unit}
                links.append(edge)
            else:
                kind = unit.partition("/")[0]
                message = f"{unit} has no base station to be beside"
                hint = "take a mobile network for lv_fan or wan, or run it in the cloud"
                faults.append(Fault(f"network.hosting.{kind}", message, hint))
        if faults:
            raise ScenarioError(faults[:1])
        return links

    def power(self, nodes: Sequence[Spec], links: Sequence[Spec]) -> list[Spec]:
        """Return nodes with hosts at the edge on the supply of their base station."""
        by_id: Mapping[str, Spec] = {node["id"]: node for node in nodes}
        at = {link["b"]: by_id[link["a"]] for link in links if link["technology"] == "edge"}
        keys = ("terminal", "battery_ms")
        return [
            node | {key: at[node["id"]][key] for key in keys} if node["id"] in at else node
            for node in nodes
        ]

    def _areas(self, unit: str) -> list[str]:
        """Return the low-voltage areas that a unit is there for."""
        kind, _, area = unit.partition("/")
        if kind == "lvgmu":
            return [area]
        below = [it for it in self._units if it["parent"] == unit and it["kind"] in _SUBSTATIONS]
        below.sort(key=lambda it: str(it["id"]).encode())
        return [area for it in below for area in self._areas(it["id"])]
