"""What a gateway is told by its unit's specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.gateway.collecting import Source, read_sources
from controllers.gateway.topics import Topics
from controllers.mqtt.client import Settings
from controllers.mqtt.packets import Publish
from fernwatt.errors import Fault, ScenarioError

__all__ = ["GatewaySettings", "read_settings"]

_KNOWN = {
    "broker", "prefix", "client", "user", "password", "sources", "period_s", "timeout_s", "by",
    "qos", "keep_alive_s", "join_s", "window", "patience_s", "retry_s", "retry_max_s", "backlog",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """``by`` is ``unit`` (an event for each) or ``area`` (one for all); times in ms.

    A period is published when all have answered, at the latest ``timeout_ms`` after its end.
    """

    broker: str
    topics: Topics
    session: Settings
    sources: Sequence[Source]
    period_ms: int
    timeout_ms: int
    join_ms: int
    by: str
    qos: int


def read_settings(unit: str, params: Mapping[str, Any]) -> GatewaySettings:
    """Return the settings of a unit's gateway; raises ScenarioError.

    ``params``: broker (the unit to speak to), user, password (or a token), sources; with a
    default: prefix, client, period_s, timeout_s, by, qos, keep_alive_s, join_s, window,
    patience_s, retry_s, retry_max_s, backlog.
    """
    path = f"{unit}.services.gateway"
    faults = [Fault(f"{path}.{key}", "unknown setting") for key in sorted(params.keys() - _KNOWN)]
    faults += [
        Fault(f"{path}.{key}", "is missing")
        for key in ("broker", "user", "password", "sources")
        if key not in params
    ]
    if params.get("by", "unit") not in {"unit", "area"}:
        faults.append(Fault(f"{path}.by", "must be unit or area"))
    if params.get("qos", 1) not in (0, 1):
        faults.append(Fault(f"{path}.qos", "must be 0 or 1"))
    if faults:
        raise ScenarioError(faults)
    topics = Topics(params.get("prefix", "fernwatt"), unit)
    session = Settings(
        params.get("client", unit),
        params["user"],
        params["password"].encode(),
        clean=False,
        keep_alive_s=params.get("keep_alive_s", 300),
        will=Publish(topics.status, b"offline", 1, retain=True),
        filters=((topics.command, 1),),
        window=params.get("window", 1),
        patience_ms=_ms(params, "patience_s", 20),
        retry_ms=_ms(params, "retry_s", 1),
        retry_max_ms=_ms(params, "retry_max_s", 300),
        backlog=params.get("backlog", 10_000),
    )
    return GatewaySettings(
        params["broker"],
        topics,
        session,
        read_sources(params["sources"], f"{path}.sources"),
        _ms(params, "period_s", 900),
        _ms(params, "timeout_s", 120),
        _ms(params, "join_s", 0),
        params.get("by", "unit"),
        params.get("qos", 1),
    )


def _ms(params: Mapping[str, Any], key: str, default_s: float) -> int:
    return round(float(params.get(key, default_s)) * 1000)
