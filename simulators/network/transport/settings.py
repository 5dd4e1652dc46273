"""What a scenario says of transports and groups, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from fernwatt.errors import Fault

__all__ = ["GROUP", "FlowTransport", "TransportSpec", "parse_groups", "parse_transport"]

GROUP = "group/"
"""How the address of a group begins."""

_CHOICES = {
    "kind": ("datagram", "reliable", "request"),
    "protocol": ("none", "coap", "mqtt"),
    "security": ("none", "psk", "certificate"),
    "version": ("1.2", "1.3"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTransport:
    """How frames of one flow class are carried.

    ``protocol`` is what the payload is wrapped in, with a topic (MQTT) or path (CoAP) of
    ``topic_bytes``. ``security`` and ``version`` say which DTLS (under datagram and request) or
    TLS (under reliable) session comes first; it is renewed after ``session_s`` (0: never).
    ``timeout_s``: how long a sender waits for a sign of life before it gives up (RFC 1122
    4.2.3.5: at least 100 s; also for handshakes). ``waiting_messages`` is the room of a sender
    per destination.

    reliable: segments of ``mss_bytes`` (RFC 9006 section 4.1.1: 1220 fits IPv6's least MTU), a
    receiver's window of ``window_bytes`` (RFC 9293, not scaled), a congestion window that begins
    with ``initial_window_segments`` (RFC 5681: 3 of this size), a retransmission time-out of at
    least ``min_rto_s`` (RFC 6298). An acknowledgement waits up to ``ack_delay_ms`` for a second
    segment, or one the other way that takes it along (RFC 5681 section 4.2: below 500).

    request: confirmable exchanges (RFC 7252 section 4.8) of blocks of at most ``block_bytes``
    (RFC 7959), ``outstanding`` at a time and destination (NSTART). A block is repeated
    ``max_retransmit`` times, first after ``ack_timeout_s`` times 1 to ``ack_random_factor``.
    """

    kind: str = "datagram"
    protocol: str = "none"
    topic_bytes: int = 16
    security: str = "none"
    version: str = "1.2"
    session_s: float = 86_400.0
    timeout_s: float = 100.0
    waiting_messages: int = 256
    mss_bytes: int = 1220
    window_bytes: int = 65_535
    initial_window_segments: int = 3
    min_rto_s: float = 1.0
    ack_delay_ms: float = 0.0
    block_bytes: int = 1024
    ack_timeout_s: float = 2.0
    ack_random_factor: float = 1.5
    max_retransmit: int = 4
    outstanding: int = 1

    @property
    def plain(self) -> bool:
        """Tell whether it adds nothing to a message."""
        return (self.kind, self.protocol, self.security) == ("datagram", "none", "none")


_LEAST: Mapping[str, float] = {
    "topic_bytes": 0,
    "session_s": 0.0,
    "timeout_s": 0.001,
    "waiting_messages": 1,
    "mss_bytes": 16,
    "window_bytes": 16,
    "initial_window_segments": 1,
    "min_rto_s": 0.001,
    "ack_delay_ms": 0.0,
    "block_bytes": 16,
    "ack_timeout_s": 0.001,
    "ack_random_factor": 1.0,
    "max_retransmit": 0,
    "outstanding": 1,
}


@dataclass(frozen=True, slots=True)
class TransportSpec:
    """The transport of each flow class, and of those not named."""

    default: FlowTransport = FlowTransport()
    flows: Mapping[str, FlowTransport] = field(default_factory=dict)

    def of(self, flow: str) -> FlowTransport:
        """Return the transport of a flow class."""
        return self.flows.get(flow, self.default)

    @property
    def plain(self) -> bool:
        """Tell whether all flows are plain datagrams."""
        return self.default.plain and all(it.plain for it in self.flows.values())


def parse_transport(value: object) -> tuple[TransportSpec, list[Fault]]:
    """Return what ``spec["transport"]`` says, with the faults in it (paths from network on)."""
    faults: list[Fault] = []
    if not isinstance(value, Mapping):
        return TransportSpec(), [Fault("network.transport", "must be a mapping: default, flows")]
    faults += [
        Fault(f"network.transport.{key}", "is unknown", "one of default, flows")
        for key in sorted(set(value) - {"default", "flows"})
    ]
    default = _flow(value.get("default", "datagram"), "network.transport.default", faults)
    flows = value.get("flows") or {}
    if not isinstance(flows, Mapping):
        faults.append(Fault("network.transport.flows", "must be a mapping of flow classes"))
        flows = {}
    named = {
        str(name): _flow(item, f"network.transport.flows.{name}", faults)
        for name, item in sorted(flows.items())
    }
    return TransportSpec(default, named), faults


def _flow(item: object, path: str, faults: list[Fault]) -> FlowTransport:
    if isinstance(item, str):
        item = {"kind": item}
    if not isinstance(item, Mapping):
        faults.append(Fault(path, "must be a kind or a mapping", "for example {kind: reliable}"))
        return FlowTransport()
    known = {it.name: it for it in fields(FlowTransport)}
    values: dict[str, Any] = {}
    for key, value in sorted(item.items()):
        if key not in known:
            faults.append(Fault(f"{path}.{key}", "is unknown", _nearest(key, list(known))))
        elif key in _CHOICES:
            if str(value) in _CHOICES[key]:
                values[key] = str(value)
            else:
                hint = _nearest(str(value), list(_CHOICES[key]))
                faults.append(Fault(f"{path}.{key}", f"unknown {key} {value!r}", hint))
        else:
            whole = known[key].type == "int"
            good = type(value) is int or (not whole and type(value) is float)
            if good and _LEAST[key] <= value < float("inf"):
                values[key] = value if whole else float(value)
            else:
                what = "a whole number" if whole else "a number"
                message = f"must be {what}, at least {_LEAST[key]:g}, is {value!r}"
                faults.append(Fault(f"{path}.{key}", message))
    if values.get("kind") == "request" and "protocol" not in values:
        values["protocol"] = "coap"
    if values.get("kind") == "reliable" and "version" not in values:
        values["version"] = "1.3"
    return FlowTransport(**values)


def parse_groups(
    value: object, nodes: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], list[Fault]]:
    """Return the members of each group, with the faults in it (paths from network on)."""
    if not isinstance(value, Mapping):
        return {}, [Fault("network.groups", "must be a mapping of names to members")]
    known, faults = set(nodes), []
    groups: dict[str, tuple[str, ...]] = {}
    for name, members in sorted(value.items()):
        path = f"network.groups.{name}"
        if isinstance(members, str) or not isinstance(members, Sequence):
            faults.append(Fault(path, "must be a list of nodes"))
            continue
        if len(set(members)) < len(members):
            faults.append(Fault(path, "a node is named twice"))
        faults += [
            Fault(path, f"no node {member}", _nearest(str(member), sorted(known)))
            for member in members
            if member not in known
        ]
        if f"{GROUP}{name}" in known:
            faults.append(Fault(path, f"a node has the address {GROUP}{name}"))
        groups[f"{GROUP}{name}"] = tuple(sorted(set(members)))
    return groups, faults


def _nearest(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(names)[:12])}"
