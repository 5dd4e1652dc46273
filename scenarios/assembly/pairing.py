"""Pairs of controllers and devices, and the cloud that pairs them and keeps their logs."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from scenarios.assembly.gateways import cloud_unit
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig

__all__ = ["PAIRING", "with_pairing"]

PAIRING = "cloud/pairing"
_PATH = "services.pairing"
_HOUR_S = 3600


def with_pairing(config: ScenarioConfig, hierarchy: Hierarchy) -> None:
    """Pair units of a hierarchy, where the scenario wants it.

    Raises ScenarioError for units that are not there, or are in two pairs.
    """
    wanted = config.services.pairing
    if wanted is None:
        return
    units: dict[str, Any] = {unit["id"]: unit for unit in hierarchy.units}
    faults, seen = list[Fault](), set[str]()
    for number, pair in enumerate(wanted.pairs):
        for end, name in (("controller", pair.controller), ("device", pair.device)):
            path = f"{_PATH}.pairs[{number}].{end}"
            if name not in units:
                faults.append(Fault(path, f"there is no unit {name}", nearest(name, list(units))))
            elif name in seen:
                faults.append(Fault(path, f"{name} is in two pairs"))
            elif end == "device" and "set_point" not in units[name]["actuators"]:
                faults.append(Fault(path, f"{name} takes no set-point"))
            seen.add(name)
    if faults:
        raise ScenarioError(faults)
    keys = {name: sha256(f"fernwatt/pair/{config.seed}/{name}".encode()).hexdigest()
            for name in sorted(seen)}  # fmt: skip
    for pair in wanted.pairs:
        units[pair.controller]["services"]["pairing"] = {
            "role": "controller", "cloud": PAIRING, "device": pair.device, "p_w": pair.p_w,
            "period_s": wanted.control_s, "key": keys[pair.controller],
        }  # fmt: skip
        units[pair.device]["services"]["pairing"] = {
            "role": "device", "cloud": PAIRING, "controller": pair.controller,
            "log_s": wanted.log_s, "key": keys[pair.device],
        }  # fmt: skip
    roster = {
        "role": "roster",
        "pairs": [[pair.controller, pair.device] for pair in wanted.pairs],
        "keys": keys,
        "ticket_s": wanted.ticket_h * _HOUR_S,
    }
    hierarchy.units.append(cloud_unit(PAIRING, {"pairing": roster}))
