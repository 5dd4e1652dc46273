"""Energy balancing by hierarchical profile steering over the Data Interface.

``build`` makes the service of a unit: a ``Parent`` that has its children shift load, or the
``Child`` that plans and controls the devices of one house. The planners are plain functions
over arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from controllers.balancing.boosted import METHODS, is_installed
from controllers.balancing.child import Child
from controllers.balancing.kinds import KINDS
from controllers.balancing.middle import Middle
from controllers.balancing.planners import PlanError, plan_battery, plan_ev, plan_time_shiftable
from controllers.balancing.state import Settings
from controllers.balancing.steering import Parent
from controllers.balancing.wishes import Strategy
from controllers.unit.service import Service
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import Clock

__all__ = [
    "Child",
    "Middle",
    "Parent",
    "PlanError",
    "Settings",
    "build",
    "make_service",
    "plan_battery",
    "plan_ev",
    "plan_time_shiftable",
]

_PANEL_KEYS = ("p_rated_w", "tilt_deg", "azimuth_deg")


def build(name: str, params: Mapping[str, Any], unit_spec: Mapping[str, Any]) -> Service:
    """Return the balancing service of a unit.

    ``params`` of a parent: ``role: parent``, ``children``, what ``Settings`` has, ``start`` (ISO,
    t = 0), and where wanted ``meters`` (child: its meter, for children that never answered),
    ``others`` (meters of houses without a unit of their own; ``hidden``: nobody reads them),
    ``responds`` (children whose plans the unit's demand response may know; it may then ask for
    windows), ``limits`` (of the grid, as ``Limits`` has them) and ``limited`` (others may write
    such). Of a parent that is itself a child: ``role: middle``, that, and ``parent``.
    Of a child: ``role: child``, ``parent``, ``meter``, ``devices``, ``start``, and with panels
    ``latitude_deg`` and ``longitude_deg``; ``forecast: true`` where its unit has the weather
    forecast, and ``customer`` (see ``Customer``). Where suppliers have instances of their own,
    ``supplier`` is whom it acts for (of a child: who may read its answers) and ``instance`` its
    name. ``predictor`` (both) goes to ``make_predictor``.

    Raises ScenarioError with all that is wrong.
    """
    unit = str(unit_spec.get("id", "?"))
    role = params.get("role")
    faults = list(_faults(params))
    if faults:
        path = f"units.{unit}.services.{name}"
        raise ScenarioError(
            [Fault(f"{path}.{fault.path}", fault.message, fault.hint) for fault in faults]
        )
    start = Clock.from_iso(str(params["start"]))
    if role == "child":
        return Child(name, params, start)
    known = {field.name for field in fields(Settings)}
    settings = Settings(**{key: params[key] for key in sorted(params) if key in known})
    return (Middle if role == "middle" else Parent)(name, params, settings, start)


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Service:
    """Return the service ``balancing`` of a unit, as the units' hub asks for it."""
    del directory  # whom to speak with is in ``params``
    return build(str(params.get("instance", "balancing")), params, unit_spec)


def _faults(params: Mapping[str, Any]) -> list[Fault]:
    role = params.get("role")
    if role not in ("parent", "middle", "child"):
        return [Fault("role", f"{role!r} is no role", "parent, middle or child")]
    common = {"role", "start", "predictor", "supplier", "instance"}
    if role != "child":
        needed = ["start", "children", *(["parent"] if role == "middle" else [])]
        own = {"children", "meters", "others", "hidden", "responds", "limits", "limited"}
        known = common | own | {f.name for f in fields(Settings)}
        known |= {"parent"} if role == "middle" else set()
    else:
        needed = ["start", "parent", "meter"]
        known = common | {"parent", "meter", "devices", "latitude_deg", "longitude_deg", "forecast"}
        known |= {"customer"}
    faults = [Fault(key, "is missing") for key in needed if key not in params]
    faults += [
        Fault(key, "is not known", f"one of {', '.join(sorted(known))}")
        for key in sorted(set(params) - known)
    ]
    wishes = params.get("customer") or {}
    faults += _predictor_faults(params.get("predictor", {}))
    if Strategy().changed(wishes.get("strategy", {})) is None:
        faults.append(Fault("customer.strategy", "is no strategy", "weights and limits"))
    for i, device in enumerate(params.get("devices", ())):
        faults += _device_faults(f"devices[{i}]", device, params)
    return faults


def _predictor_faults(settings: Mapping[str, Any]) -> list[Fault]:
    method = settings.get("method", METHODS[0])
    if method not in METHODS:
        return [Fault("predictor.method", f"{method!r} is no method", " or ".join(METHODS))]
    if method == "boosted" and not is_installed():
        hint = "pip install fernwatt[ml]"
        return [Fault("predictor.method", "boosted needs LightGBM, which is not installed", hint)]
    return []


def _device_faults(path: str, device: Mapping[str, Any], params: Mapping[str, Any]) -> list[Fault]:
    kind = device.get("kind")
    needed = {"pv": _PANEL_KEYS} | {name: known.needed for name, known in KINDS.items()}
    if kind not in needed:
        return [Fault(f"{path}.kind", f"{kind!r} is no kind", f"one of {', '.join(needed)}")]
    missing = [key for key in ("id", "unit", *needed[kind]) if key not in device]
    faults = [Fault(f"{path}.{key}", "is missing") for key in missing]
    if kind == "pv" and not {"latitude_deg", "longitude_deg"} <= params.keys():
        faults.append(
            Fault(path, "panels need latitude_deg and longitude_deg", "set both in the service")
        )
    return faults
