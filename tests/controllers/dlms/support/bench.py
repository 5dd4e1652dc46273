"""An operator's LVGMU that reads a customer's meter by DLMS, or by the platform's own protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.unit import Loopback, Notification, UnitContext, UnitsCore
from fernwatt.messages import Reading

TOP, METER = "lvgmu/a", "meter/a/x"
SERVICES = ("metering", "balancing", "probe")
READ = [["operator", "metering", 1, 0], ["operator", "balancing", 3, 0]]
POLICIES = {"voltage": READ, "energy.import": READ, "energy.export": READ, "load_profile": READ,
            "set_point": READ, "meter.phases": READ, "confirm": READ}  # fmt: skip


class Probe:
    """Keeps what it is told; tests call its context."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Notification] = []

    def start(self, context: UnitContext) -> None:
        self.context = context

    def notify(self, notification: Notification) -> None:
        self.heard.append(notification)

    def timer(self, name: str) -> None:
        raise AssertionError(name)


class Bench:
    """The two units on a loopback."""

    def __init__(
        self,
        speaks: str = "dlms",
        level: str = "none",
        *,
        services: Sequence[str] = SERVICES,
        fates: Any = None,
        latency_ms: int = 20,
        memory: str = "volatile",
        copies: Sequence[str] = (),
        policies: dict[str, Any] | None = None,
    ) -> None:
        kinds: dict[str, dict[str, Any]] = {name: {} for name in services}
        units = [
            {"id": TOP, "kind": "lvgmu", "children": [METER], "owner": "operator",
             "services": kinds, "speaks": {METER: speaks}, "copies": list(copies)},
            {"id": METER, "kind": "meter", "parent": TOP, "customer": "customer/a",
             "owner": "customer/a", "instruments": ["i/x"], "services": kinds,
             "speaks": {TOP: speaks}, "actuators": {"set_point": "actuator/x"},
             "policies": POLICIES if policies is None else policies},
        ]  # fmt: skip
        factories = {name: lambda _s, _p, _d, name=name: Probe(name) for name in services}
        spec = {"units": units, "security": level, "memory": memory}
        self.core = UnitsCore(spec, 1, factories=factories)
        self.bus = Loopback(self.core, fates=fates, latency_ms=latency_ms)
        self.bus.run(0)
        self._read = 0

    def read(self, variable: str, value: Any, t_ms: int | None = None) -> Reading:
        """Return a reading of the meter's instrument."""
        self._read += 1
        at_ms = self.bus.now_ms if t_ms is None else t_ms
        return Reading(f"i/x#{self._read}", "", "i/x", variable, at_ms, at_ms, value, "")

    def run(self, for_ms: int, *readings: Reading) -> None:
        """Let the units run."""
        self.bus.poke()
        self.bus.run(self.bus.now_ms + for_ms, list(readings))

    def probe(self, service: str = "metering", unit: str = TOP) -> Probe:
        """Return a service."""
        found: Any = self.core.service(unit, service)
        return found  # type: ignore[no-any-return]

    def ask(self, operation: str, *given: Any, service: str = "metering", **named: Any) -> str:
        """Issue a request of a service of the LVGMU's."""
        self.bus.poke()  # units have the time of their last step
        return str(getattr(self.probe(service).context.data, operation)(*given, **named).id)

    def told(self, request: str, service: str = "metering") -> list[tuple[str, Any, int]]:
        """Return result, value and stamp of what a request brought."""
        heard = self.probe(service).heard
        return [(one.result.label, one.value, one.t_ms) for one in heard if one.request == request]

    def payloads(self) -> list[tuple[str, bytes]]:
        """Return who sent what."""
        return [(frame.src, frame.payload) for frame in self.bus.frames]
