"""Small worlds of units on a loopback, with a service that does what a test tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from controllers.unit import Loopback, Notification, UnitContext, UnitsCore

OPERATOR, CUSTOMER = "operator", "customer/a"


class Probe:
    """Keeps what it is told; tests call its context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Notification] = []
        self.timers: list[tuple[str, int]] = []
        self.calling = False

    def start(self, context: UnitContext) -> None:
        self.context = context

    def notify(self, notification: Notification) -> None:
        assert not self.calling, "called while calling"
        self.heard.append(notification)

    def timer(self, name: str) -> None:
        self.timers.append((name, self.context.now_ms))

    def outcomes(self, request: str) -> list[Notification]:
        return [one for one in self.heard if one.request == request]


Make = Callable[..., Loopback]


@pytest.fixture
def pair() -> Make:
    """An operator's LVGMU above a customer's meter, each with probes as services."""

    def make(services: Sequence[str] = ("metering", "probe"), **options: Any) -> Loopback:
        kinds: dict[str, dict[str, Any]] = {name: {} for name in services}
        extra, more = options.pop("meter", {}), options.pop("top", {})
        spec = {
            "units": [
                {"id": "lvgmu/a", "kind": "lvgmu", "children": ["meter/a/x"], "owner": OPERATOR,
                 "services": kinds} | more,
                {"id": "meter/a/x", "kind": "meter", "parent": "lvgmu/a", "customer": CUSTOMER,
                 "owner": CUSTOMER, "instruments": ["i/x"],
                 "actuators": {"set_point": "actuator/x"}, "services": kinds} | extra,
            ],
            **options.pop("spec", {}),
        }  # fmt: skip
        factories = {name: lambda _s, _p, _d, name=name: Probe(name) for name in services}
        core = UnitsCore(spec, 1, factories=factories)
        bus = Loopback(core, **options)
        bus.run(0)
        return bus

    return make


@pytest.fixture
def hierarchy() -> Callable[..., dict[str, Any]]:
    """The specification of a tree: one TLGMU and MVGMU, ``areas`` LVGMUs of ``size`` meters."""

    def make(areas: int = 2, size: int = 3, **aggregation: Any) -> dict[str, Any]:
        service = {"aggregation": aggregation}
        lows = [f"lvgmu/lv{i}" for i in range(areas)]
        units: list[dict[str, Any]] = [
            {"id": "tlgmu/top", "kind": "tlgmu", "parent": "", "children": ["mvgmu/mv"],
             "owner": OPERATOR, "host": "cloud", "services": service},
            {"id": "mvgmu/mv", "kind": "mvgmu", "parent": "tlgmu/top", "children": lows,
             "owner": OPERATOR, "host": "server", "services": service},
        ]  # fmt: skip
        for i, low in enumerate(lows):
            meters = [f"meter/lv{i}/load-{j}" for j in range(size)]
            units.append(
                {"id": low, "kind": "lvgmu", "parent": "mvgmu/mv", "children": meters,
                 "owner": OPERATOR, "services": service}
            )  # fmt: skip
            units += [
                {"id": meter, "kind": "meter", "parent": low, "children": [], "host": "mcu",
                 "customer": f"customer/{meter[6:]}", "owner": f"customer/{meter[6:]}",
                 "instruments": [f"instrument/{meter[6:]}"],
                 "services": {"metering": {"spread_s": 60}}}
                for meter in meters
            ]  # fmt: skip
        return {"units": units}

    return make
