"""Taps as a specification states them, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault
from fernwatt.messages import Frame
from simulators.network.message import PRIORITIES
from simulators.network.technologies import nearest

__all__ = ["ACTIONS", "Injection", "TapSpec", "parse_taps"]

ACTIONS = ("delay", "drop", "copy", "alter", "inject", "record")
_NEVER_US = 2**62
_NEEDS = {"delay": ("delay_ms",), "alter": ("value",), "inject": ("src", "dst")}


@dataclass(frozen=True, slots=True)
class Injection:
    """Frames that a tap makes up: ``count`` of them, ``every_us``."""

    src: str
    dst: str
    flow: str
    priority: int
    payload: bytes
    count: int
    every_us: int


@dataclass(frozen=True, slots=True)
class TapSpec:
    """What is done, between two instants, to a ``share`` of the frames that are meant.

    ``src``, ``dst``, ``flows`` empty: all. ``value`` goes into the payload from byte ``offset``
    on (negative: from its end), instead of what is there or, ``flips``, by exclusive or.
    ``bits`` drawn bits of each payload are turned over. Copies go ``under`` another address.
    """

    id: str
    element: str
    does: str
    from_us: int = 0
    until_us: int = _NEVER_US
    share: float = 1.0
    src: frozenset[str] = frozenset()
    dst: frozenset[str] = frozenset()
    flows: frozenset[str] = frozenset()
    delay_us: int = 0
    copies: int = 1
    offset: int = 0
    value: bytes = b""
    flips: bool = False
    bits: int = 0
    under: str = ""
    injection: Injection | None = None

    def means(self, frame: Frame, t_us: int) -> bool:
        """Tell whether a frame at ``t_us`` is one of those that something is done to."""
        return (
            self.from_us <= t_us < self.until_us
            and (not self.src or frame.src in self.src)
            and (not self.dst or frame.dst in self.dst)
            and (not self.flows or frame.flow in self.flows)
        )

    def altered(self, payload: bytes) -> bytes:
        """Return a payload with the value in it; of the same length, what sticks out is cut."""
        size = len(payload)
        begin = self.offset if self.offset >= 0 else max(0, size + self.offset)
        changed = bytearray(payload)
        for place, byte in enumerate(self.value, begin):
            if place < size:
                changed[place] = changed[place] ^ byte if self.flips else byte
        return bytes(changed)


def parse_taps(
    items: Sequence[Mapping[str, Any]], nodes: Collection[str], carriers: Collection[str]
) -> tuple[tuple[TapSpec, ...], list[Fault]]:
    """Return the taps of a specification in their order, and what is wrong with them.

    Each is ``{id, element, does: delay | drop | copy | alter | inject | record, from_ms,
    until_ms, share, src: [], dst: [], flows: []}`` and, as it needs them, ``delay_ms``,
    ``copies``, ``under`` (a node whose address copies have), ``offset``, ``value``
    (hexadecimal), ``mode: set | xor``, ``bits`` (drawn, instead of a value); of an injection
    ``src`` and ``dst`` are one name each, with ``flow``, ``priority``, ``payload`` (hexadecimal),
    ``count``, ``every_ms``.
    """
    reader = _Reader(nodes, carriers)
    specs = [reader.read(item, f"network.taps[{place}]") for place, item in enumerate(items)]
    return tuple(spec for spec in specs if spec is not None), reader.faults


class _Reader:
    def __init__(self, nodes: Collection[str], carriers: Collection[str]) -> None:
        self._nodes, self._carriers = nodes, carriers
        self._seen: set[str] = set()
        self.faults: list[Fault] = []

    def read(self, item: Mapping[str, Any], path: str) -> TapSpec | None:
        """Return one tap, or None where something is wrong with it."""
        before = len(self.faults)
        does, element = str(item.get("does")), str(item.get("element"))
        identifier = str(item.get("id") or path.removeprefix("network."))
        if identifier in self._seen:
            self._fault(f"{path}.id", f"a second tap is named {identifier}")
        self._seen.add(identifier)
        self._place(does, element, path)
        self._under(item, path)
        numbers = self._numbers(item, path)
        value = self._bytes(item, "value", path)
        injection = self._injection(item, numbers, path) if does == "inject" else None
        if len(self.faults) > before:
            return None
        names = {
            key: frozenset(item.get(key) or ()) if injection is None else frozenset()
            for key in ("src", "dst", "flows")
        }
        return TapSpec(
            identifier, element, does,
            from_us=round(numbers["from_ms"] * 1000),
            until_us=_NEVER_US if item.get("until_ms") is None
            else round(numbers["until_ms"] * 1000),
            share=numbers["share"], **names, delay_us=round(numbers["delay_ms"] * 1000),
            copies=int(numbers["copies"]), offset=int(item.get("offset") or 0), value=value,
            flips=item.get("mode") == "xor", bits=int(numbers["bits"]),
            under=str(item.get("under") or ""), injection=injection,
        )  # fmt: skip

    def _place(self, does: str, element: str, path: str) -> None:
        if does not in ACTIONS:
            self._fault(f"{path}.does", f"unknown action {does!r}", nearest(does, list(ACTIONS)))
        known = self._nodes if does == "inject" else {*self._nodes, *self._carriers}
        if element not in known:
            what = "node" if does == "inject" else "node or carrier"
            hint = nearest(element, sorted(known))
            self._fault(f"{path}.element", f"no {what} {element}", hint)

    def _under(self, item: Mapping[str, Any], path: str) -> None:
        under = item.get("under")
        if under and under not in self._nodes:
            self._fault(f"{path}.under", f"no node {under}", nearest(under, sorted(self._nodes)))

    def _numbers(self, item: Mapping[str, Any], path: str) -> dict[str, float]:
        usual = {
            "from_ms": 0.0, "until_ms": 0.0, "share": 1.0, "delay_ms": 0.0, "copies": 1,
            "count": 1, "every_ms": 0.0, "priority": PRIORITIES - 1, "bits": 0,
        }  # fmt: skip
        most = {"share": 1.0, "priority": PRIORITIES - 1, "copies": 1000, "count": 1_000_000,
                "bits": 64}  # fmt: skip
        numbers = {}
        for key, default in usual.items():
            value = item.get(key)
            numbers[key] = default if value is None else value
            fine = isinstance(numbers[key], int | float) and not isinstance(value, bool)
            if not fine or not 0 <= numbers[key] <= most.get(key, 1e15):
                self._fault(f"{path}.{key}", f"0 to {most.get(key, 1e15):g}, not {value!r}")
                numbers[key] = default
        for key in _NEEDS.get(str(item.get("does")), ()):
            if not item.get(key) and not (key == "value" and numbers["bits"]):
                self._fault(f"{path}.{key}", f"{item['does']} needs it")
        return numbers

    def _bytes(self, item: Mapping[str, Any], key: str, path: str) -> bytes:
        try:
            return bytes.fromhex(item.get(key) or "")
        except (ValueError, TypeError):
            self._fault(f"{path}.{key}", "must be bytes in hexadecimal, as 00ff")
            return b""

    def _injection(
        self, item: Mapping[str, Any], numbers: Mapping[str, float], path: str
    ) -> Injection | None:
        ends = [item.get(key) for key in ("src", "dst")]
        for key, end in zip(("src", "dst"), ends, strict=True):
            if end and not (isinstance(end, str) and end in self._nodes):
                hint = nearest(str(end), sorted(self._nodes))
                self._fault(f"{path}.{key}", f"no node {end}", hint)
        payload = self._bytes(item, "payload", path)
        count, every_us = int(numbers["count"]), round(numbers["every_ms"] * 1000)
        if count > 1 and not every_us:
            self._fault(f"{path}.every_ms", "several frames need it")
        priority = int(numbers["priority"])
        flow = str(item.get("flow") or "")
        return Injection(str(ends[0]), str(ends[1]), flow, priority, payload, count, every_us)

    def _fault(self, path: str, message: str, hint: str = "") -> None:
        self.faults.append(Fault(path, message, hint))
