"""Gateways of substations, a broker in the cloud, and an application there that shows and orders.

    meters, line sensors ── lvgmu (gateway) ── WAN … cloud ── broker/cloud ── application/web

Passwords derive from the seed, as all secrets of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import READ, READ_WRITE
from controllers.unit.variable import OPERATOR
from fernwatt.errors import Fault, ScenarioError
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.assembly.mobile import CORE
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.gateways import Gateway

__all__ = [
    "APPLICATION",
    "BROKER",
    "cloud_links",
    "cloud_unit",
    "grant",
    "with_gateways",
    "with_streams",
]

BROKER, APPLICATION = "broker/cloud", "application/web"
_PATH = "services.gateway"
_HOUR_S = 3600
_LINES = "line.phases"
_PATIENCE_S = 120.0
"""Longer than TCP waits for a sign of life (RFC 1122 4.2.3.5: at least 100 s)."""
Spec = dict[str, Any]


def with_gateways(
    config: ScenarioConfig, hierarchy: Hierarchy, line_instruments: Iterable[Mapping[str, Any]]
) -> None:
    """Make the substations of a hierarchy gateways, where the scenario wants it.

    ``line_instruments`` are those that hang in the grid, with the units that they report to.
    Raises ScenarioError for orders to nobody and patterns that stand for nothing.
    """
    wanted = config.services.gateway
    if wanted is None:
        return
    gateways = [unit for unit in hierarchy.units if unit["kind"] == "lvgmu"]
    _check(wanted, hierarchy.units, gateways, config.units.metering.period_s)
    passwords = {user: _password(config.seed, user) for user in ("gateway", "application")}
    for gateway in gateways:
        sources = _sources(wanted, hierarchy.units, gateway, line_instruments)
        given = wanted.password if wanted.password is not None else passwords["gateway"]
        gateway["services"]["gateway"] = _params(wanted, sources, given)
        gateway["links"] = {**gateway.get("links", {}), BROKER: "mqtt"}
    for unit in hierarchy.units:
        if unit["kind"] == "meter" and _meant(unit["id"], wanted.shares):
            for variable in wanted.meters:
                grant(unit, variable, [OPERATOR, "gateway", READ, 0])
        if _meant(unit["id"], wanted.obeys):
            for variable in unit["actuators"]:
                grant(unit, variable, [OPERATOR, "gateway", READ_WRITE, 0])
    clients = [*(gateway["id"] for gateway in gateways), APPLICATION]
    hierarchy.units += [_broker(wanted, passwords, clients), _application(wanted, passwords)]


def with_streams(config: ScenarioConfig, network: Spec) -> Spec:
    """Return the specification of a network whose MQTT sessions go over TCP, unless it says how."""
    if config.services.gateway is None:
        return network
    transport: Spec = network.get("transport") or {}
    flows = {"session": {"kind": "reliable"}} | dict(transport.get("flows", {}))
    return network | {"transport": transport | {"flows": flows}}


def cloud_links(units: Iterable[Mapping[str, Any]], *, mobile: bool) -> list[Spec]:
    """Return the links of units that are in a cloud: behind the mobile core, or behind the top."""
    units = list(units)
    top = next((unit["id"] for unit in units if unit["kind"] == "tlgmu"), "")
    behind = CORE if mobile else top
    return [
        {"id": f"cloud/{unit['id']}", "technology": "cloud", "a": behind, "b": unit["id"]}
        for unit in units
        if unit["kind"] == "cloud"
    ]


def cloud_unit(name: str, services: Spec, links: Mapping[str, str] | None = None) -> Spec:
    """Return a unit of the operator in a cloud."""
    return {
        "id": name, "kind": "cloud", "area": "", "parent": "", "children": [], "customer": "",
        "owner": OPERATOR, "host": "cloud", "instruments": [], "actuators": {},
        "services": services, "links": dict(links or {}),
    }  # fmt: skip


def grant(unit: Spec, variable: str, entry: list[Any]) -> None:
    """Let somebody have rights on a variable of a unit, beside those who have them by default."""
    declared = CATALOGUE.get(variable)
    policies = unit.setdefault("policies", {})
    if variable not in policies:
        policies[variable] = [] if declared is None else declared.policy.plain()
    policies[variable] = [*policies[variable], entry]


def _params(wanted: Gateway, sources: Sequence[Spec], password: str) -> Spec:
    return {
        "broker": BROKER,
        "user": "gateway",
        "password": password,
        "sources": list(sources),
        "period_s": wanted.period_s,
        "timeout_s": wanted.timeout_s,
        "by": wanted.by,
        "qos": wanted.qos,
        "keep_alive_s": wanted.keep_alive_s,
        "retry_max_s": wanted.retry_max_s,
        "join_s": wanted.join_s,
        "patience_s": _PATIENCE_S,
        "prefix": wanted.prefix,
    }


def _sources(
    wanted: Gateway,
    units: Iterable[Mapping[str, Any]],
    gateway: Mapping[str, Any],
    line_instruments: Iterable[Mapping[str, Any]],
) -> list[Spec]:
    """Return whose readings a gateway waits for: its area's meters, the sensors it has itself."""
    sources: list[Spec] = []
    if wanted.meters:
        sources += [
            {"location": unit["id"], "variables": list(wanted.meters)}
            for unit in units
            if unit["kind"] == "meter"
            and unit["area"] == gateway["area"]
            and _meant(unit["id"], wanted.shares)
        ]
    if wanted.lines:
        elements = {
            it["element"]
            for it in line_instruments
            if it["unit"] == gateway["id"] and it["kind"] == "sensor"
        }
        sources += [
            {"location": gateway["id"], "variables": [_LINES], "element": element}
            for element in sorted(elements, key=str.encode)
        ]
    return sources


def _broker(wanted: Gateway, passwords: Mapping[str, str], clients: Iterable[str]) -> Spec:
    prefix = wanted.prefix
    users = {
        "gateway": {"password": passwords["gateway"], "publish": [f"{prefix}/%c/#"],
                    "subscribe": [f"{prefix}/%c/command"]},
        "application": {"password": passwords["application"],
                        "publish": [f"{prefix}/+/+/command"], "subscribe": [f"{prefix}/#"]},
    }  # fmt: skip
    return cloud_unit(
        BROKER,
        {"mqtt": {"users": users, "patience_s": _PATIENCE_S}},
        dict.fromkeys(clients, "mqtt"),
    )


def _application(wanted: Gateway, passwords: Mapping[str, str]) -> Spec:
    params = {
        "role": "application",
        "broker": BROKER,
        "user": "application",
        "password": passwords["application"],
        "prefix": wanted.prefix,
        "keep_alive_s": wanted.keep_alive_s,
        "patience_s": _PATIENCE_S,
        "orders": [
            {"at_s": order.at_h * _HOUR_S, **order.model_dump(exclude={"at_h"})}
            for order in wanted.orders
        ],
    }
    return cloud_unit(APPLICATION, {"gateway": params}, {BROKER: "mqtt"})


def _check(
    wanted: Gateway, units: Sequence[Spec], gateways: Sequence[Spec], metering_s: int
) -> None:
    known, names = [unit["id"] for unit in units], [unit["id"] for unit in gateways]
    faults = [
        Fault(f"{_PATH}.meters[{i}]", f"there is no variable {name}",
              nearest(name, [one.name for one in CATALOGUE]))
        for i, name in enumerate(wanted.meters)
        if CATALOGUE.get(name) is None
    ]  # fmt: skip
    faults += [
        Fault(f"{_PATH}.{key}[{i}]", f"there is no unit {pattern}", nearest(pattern, known))
        for key, patterns in (("shares", wanted.shares), ("obeys", wanted.obeys))
        for i, pattern in enumerate(patterns)
        if not any(fnmatchcase(name, pattern) for name in known)
    ]
    if wanted.meters and wanted.period_s % metering_s:
        text = f"meters read every {metering_s} s"
        hint = "take a multiple of that, or meters: []"
        faults.append(Fault(f"{_PATH}.period_s", text, hint))
    for i, order in enumerate(wanted.orders):
        if order.gateway not in names:
            text = f"{order.gateway} is no gateway"
            faults.append(
                Fault(f"{_PATH}.orders[{i}].gateway", text, nearest(order.gateway, names))
            )
    if faults:
        raise ScenarioError(faults)


def _meant(unit: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(unit, pattern) for pattern in patterns)


def _password(seed: int, user: str) -> str:
    return sha256(f"fernwatt/mqtt/{seed}/{user}".encode()).hexdigest()[:24]
