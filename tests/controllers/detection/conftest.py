"""A house, its substation and the top, with detection or without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from controllers.unit import Loopback, Notification, UnitContext, UnitsCore

DMU, CMU, METER, SUBSTATION, MIDDLE, TOP = (
    "dmu/a/x/battery", "cmu/a/x", "meter/a/x", "lvgmu/a", "mvgmu/m", "tlgmu/top",
)  # fmt: skip
CUSTOMER = "customer/a/x"


class Orderer:
    """Stands for balancing: gives the orders that a test asks for."""

    name = "balancing"

    def start(self, context: UnitContext) -> None:
        self.context = context

    def notify(self, notification: Notification) -> None:
        pass

    def timer(self, name: str) -> None:
        pass


def unit(name: str, parent: str, children: Sequence[str], **more: Any) -> dict[str, Any]:
    customer = CUSTOMER if "/x" in name else ""
    return {
        "id": name, "kind": name.partition("/")[0], "area": "a", "parent": parent,
        "children": list(children), "customer": customer, "services": {}, **more,
    }  # fmt: skip


@pytest.fixture
def world() -> Callable[..., Loopback]:
    """Return how to make it; ``detects``: whether detection runs in the units."""

    def make(*, detects: bool = True, **spec: Any) -> Loopback:
        units = [
            unit(DMU, CMU, [], actuators={"set_point": "actuator/x"}, instruments=["i/battery"]),
            unit(CMU, METER, [DMU], services={"balancing": {}}),
            unit(METER, SUBSTATION, [CMU], instruments=["i/meter"], services={"metering": {}}),
            unit(SUBSTATION, MIDDLE, [METER], services={"aggregation": {"check": False}}),
            unit(MIDDLE, TOP, [SUBSTATION], services={"aggregation": {}}),
            unit(TOP, "", [MIDDLE], services={"aggregation": {"poll": {"count": 0}}}),
        ]
        if detects:
            for one in units:
                of_house = {"ordered": [DMU], "devices": [DMU]} if one["id"] == CMU else {}
                one["services"] = one["services"] | {"detection": of_house}
        factories = {"balancing": lambda *_: Orderer()}
        core = UnitsCore({"units": units} | spec, seed=1, factories=factories)
        return Loopback(core, latency_ms=20)

    return make


@pytest.fixture
def alarms() -> Callable[[Loopback], list[tuple[str, str]]]:
    """Return how to see class and suspect of the alarms that reached the top."""

    def heard(bus: Loopback) -> list[tuple[str, str]]:
        at_top = [event.value for event in bus.events if event.kind == "alarm_at_top"]
        return [(it["class"], it["suspect"]) for it in at_top]  # type: ignore[index,call-overload]

    return heard
