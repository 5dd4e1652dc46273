"""An area with its gateway, a broker and an application, without grid or radio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from controllers.unit.hub import UnitsCore
from controllers.unit.loopback import Loopback
from fernwatt.messages import Event, Frame, Reading

PERIOD_MS = 900_000
METERS = ("meter/a/1", "meter/a/2", "meter/a/3")
GRANT = ["operator", "gateway", 1, 0]
MAY_ORDER = ["operator", "gateway", 3, 0]


class Area:
    """What a test does with it; ``away`` are units that no frame reaches or leaves."""

    def __init__(self, memory: str = "volatile", security: str = "none", **gateway: Any) -> None:
        self.away: set[str] = set()
        spec = {"units": units(gateway), "memory": memory, "security": security}
        self.core = UnitsCore(spec, seed=1)
        self.bus = Loopback(self.core, fates=self._fate)
        self.number = 0

    def _fate(self, frame: Frame, t_ms: int) -> Sequence[int]:
        return () if {frame.src, frame.dst} & self.away else (20,)

    def kill(self, unit: str) -> None:
        """Kill a unit now."""
        self.bus.poke()
        self.core.kill(unit)
        self.bus.poke()

    def revive(self, unit: str) -> None:
        """Have it begin anew now."""
        self.bus.poke()
        self.core.revive(unit)
        self.bus.poke()

    def read(self, meter: str, t_ms: int, value: float) -> Reading:
        self.number += 1
        return Reading(
            f"{meter}/register#{self.number}", "", f"{meter}/register", "energy.import",
            t_ms, t_ms, value, "Wh",
        )  # fmt: skip

    def periods(self, first: int, last: int, meters: Sequence[str] = METERS) -> None:
        """Run through periods, with a reading of each meter at the end of each."""
        for period in range(first, last + 1):
            end_ms = (period + 1) * PERIOD_MS
            readings = [self.read(one, end_ms + 50, 100.0 * period + i) for i, one in
                        enumerate(meters)]  # fmt: skip
            self.bus.run(end_ms + 200_000, readings)

    def events(self, kind: str) -> list[Event]:
        return [event for event in self.bus.events if event.kind == kind]

    def shown(self, variable: str = "gateway.event") -> list[dict[str, Any]]:
        """Return what the application has, oldest first."""
        store = self.core.unit("application/web").store
        return [one.value for one in store.series(variable, "operator", "application/web")]


def units(gateway: dict[str, Any]) -> list[dict[str, Any]]:
    params = {
        "broker": "broker/cloud", "user": "gateway", "password": "secret", "period_s": 900,
        "timeout_s": 120,
        "sources": [{"location": meter, "variables": ["energy.import"]} for meter in METERS],
    }  # fmt: skip
    application = {
        "role": "application", "broker": "broker/cloud", "user": "web", "password": "secret",
    }  # fmt: skip
    users = {
        "gateway": {"password": "secret", "publish": ["fernwatt/%c/#"],
                    "subscribe": ["fernwatt/%c/command"]},
        "web": {"password": "secret", "publish": ["fernwatt/+/+/command"],
                "subscribe": ["fernwatt/#"]},
    }  # fmt: skip
    made: list[dict[str, Any]] = [
        {"id": "lvgmu/a", "children": list(METERS), "owner": "operator",
         "services": {"gateway": params | gateway}, "links": {"broker/cloud": "mqtt"}},
        {"id": "broker/cloud", "owner": "operator", "services": {"mqtt": {"users": users}},
         "links": {"*": "mqtt"}},
        {"id": "application/web", "owner": "operator", "services": {"gateway": application},
         "links": {"broker/cloud": "mqtt"}},
    ]  # fmt: skip
    for number, meter in enumerate(METERS):
        customer = f"customer/{number}"
        made.append(
            {"id": meter, "parent": "lvgmu/a", "owner": customer, "customer": customer,
             "instruments": [f"{meter}/register"], "actuators": {"set_point": f"{meter}/relay"},
             "services": {}, "policies": {"energy.import": [GRANT]} | (
                 {"set_point": [MAY_ORDER]} if number == 0 else {})}
        )  # fmt: skip
    return made


@pytest.fixture
def area() -> Callable[..., Area]:
    return Area
