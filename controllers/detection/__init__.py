"""Detection of attacks by what a unit sees: refusals, rates, orders, energy, forecasts.

``make_service`` builds the checks that fit a unit's kind; ``params`` (all optional) are its
surroundings as the operator's records have them, never what an adversary does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.detection.audit import Audit
from controllers.detection.energy import Balance, House, Registers, Silence
from controllers.detection.finding import Check, Finding
from controllers.detection.limits import Limits
from controllers.detection.members import Members
from controllers.detection.orders import Numbers, Orders, Signals
from controllers.detection.service import Detection
from controllers.detection.sun import Sun
from controllers.detection.traffic import Refusals, Traffic
from controllers.unit.directory import Directory, Entry
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Check", "Detection", "Finding", "Limits", "make_service"]

_KEYS = {"limits", "ordered", "devices", "panels", "manager", "balance", "audit_slots"}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Detection:
    """Return the service ``detection`` of a unit.

    ``params``: ``limits``; of a customer's unit ``ordered`` (units that take its set points),
    ``devices`` (units of all its devices), ``panels`` (rated power [W] by unit) and ``manager``
    (who negotiates with it); of a substation's ``balance`` (whether it has a transformer's
    meter); of an upper unit ``audit_slots`` (slots between audits, 0: none). Raises ScenarioError.
    """
    unit, path = str(unit_spec["id"]), f"units.{unit_spec.get('id')}.services.detection"
    unknown = sorted(set(params) - _KEYS)
    if unknown:
        raise ScenarioError([Fault(f"{path}.{name}", "is not known") for name in unknown])
    limits = Limits.of(params.get("limits") or {}, f"{path}.limits")
    entry = directory[unit]
    checks: list[Check] = [Refusals(unit, limits), Traffic(unit, limits)]
    if "group" in entry.services:
        checks.append(Members(unit))
    if entry.kind == "meter":
        checks.append(Registers(unit, limits))
    if entry.kind == "cmu":
        checks += _of_house(unit, entry.parent, params, limits)
    areas = [child for child in entry.children if "aggregation" in directory[child].services]
    if entry.kind == "lvgmu" and "aggregation" in entry.services:
        checks.append(Silence([unit], limits))
        if params.get("balance"):
            checks.append(Balance(unit, unit, limits))
    elif areas:
        checks.append(Silence(areas, limits))
    every, audit = int(params.get("audit_slots", 0)), None
    if every and areas and entry.kind == "mvgmu":
        meters = {
            area: [below.id for below in directory.below(area) if below.kind == "meter"]
            for area in areas
        }
        audit = Audit(meters, every, limits)
    return Detection(unit, _above(entry, directory), checks, audit)


def _above(entry: Entry, directory: Directory) -> list[str]:
    """Return the units above that have detection, the nearest first."""
    above = []
    while entry.parent and entry.parent in directory:
        entry = directory[entry.parent]
        if "detection" in entry.services:
            above.append(entry.id)
    return above


def _of_house(unit: str, meter: str, params: Mapping[str, Any], limits: Limits) -> list[Check]:
    checks: list[Check] = []
    if params.get("ordered"):
        checks.append(Orders(unit, params["ordered"]))
    if params.get("manager"):
        checks.append(Numbers(unit, params["manager"], limits))
        checks.append(Signals(unit, params["manager"], limits))
    if params.get("devices"):
        checks.append(House(meter, params["devices"], limits))
    if params.get("panels"):
        checks.append(Sun(unit, params["panels"], limits))
    return checks
