"""Sizes of headers, records and handshakes, from ``stacks.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from simulators.network.transport.settings import FlowTransport

__all__ = [
    "COAP_ACK_BYTES",
    "Flight",
    "acknowledgement_bytes",
    "block_sizes",
    "extra_bytes",
    "family",
    "fragment_bytes",
    "handshake",
    "record_bytes",
    "sources_markdown",
    "wrapped_bytes",
]

COAP_ACK_BYTES = 4
"""An empty acknowledgement (RFC 7252 section 3)."""

_TLS_RECORD = 16_384
_TOKEN = 2
_LONG = 13  # RFC 7252 section 3.1: lengths and deltas from here on take a byte more, from 269 two


class Flight(NamedTuple):
    """One flight of a handshake, ``up`` from the initiator; data may go after the ``gate``."""

    up: bool
    size: int
    gate: bool


@lru_cache(maxsize=1)
def _document() -> Mapping[str, Any]:
    place = files("simulators.network.transport").joinpath("stacks.yaml")
    document: Mapping[str, Any] = YAML(typ="safe", pure=True).load(place.read_text("utf-8"))
    return MappingProxyType(document)


@lru_cache(maxsize=1)
def _families() -> Mapping[str, str]:
    return {
        technology: name
        for name, item in _document()["headers"].items()
        for technology in item["technologies"]
    }


def family(technology: str) -> str:
    """Return which lower headers the datagrams of a technology bear."""
    return _families().get(technology, "ipv4")


def extra_bytes(families: Sequence[str], transport: str) -> int:
    """Return what a header of ``transport`` (udp, tcp) adds to those that the carriers count.

    A message has one size on its whole way: where the carriers differ, the largest.
    """
    headers = _document()["headers"]
    return max((int(headers[name][transport][0]) for name in families), default=0)


def record_bytes(settings: FlowTransport, size: int) -> int:
    """Return what the records around ``size`` bytes add."""
    if settings.security == "none":
        return 0
    each = int(_document()["records"][f"{_layer(settings)}-{settings.version}"][0])
    return each * max(1, -(-size // _TLS_RECORD)) if settings.kind == "reliable" else each


def fragment_bytes() -> int:
    """Return what a further part of a DTLS flight adds."""
    return int(_document()["records"]["fragment"][0])


def wrapped_bytes(settings: FlowTransport, size: int) -> int:
    """Return how many bytes ``size`` of payload become, above the transport, in one piece."""
    size += _protocol_bytes(settings, size)
    return size + record_bytes(settings, size)


def block_sizes(settings: FlowTransport, size: int) -> tuple[int, ...]:
    """Return the blocks that ``size`` bytes of payload become, above the transport (RFC 7959)."""
    if size <= settings.block_bytes:
        return (wrapped_bytes(settings, size),)
    full, last = divmod(size, settings.block_bytes)
    parts = [settings.block_bytes] * full + ([last] if last else [])
    return tuple(
        wrapped_bytes(settings, part)
        + (_block_option_bytes(number) if settings.protocol == "coap" else 0)
        for number, part in enumerate(parts)
    )


def acknowledgement_bytes(settings: FlowTransport, number: int, blocks: int) -> int:
    """Return the size of the acknowledgement of block ``number``, above the transport.

    Alone or last it is empty (RFC 7252 section 4.2), else it asks for the next one (RFC 7959).
    """
    size = COAP_ACK_BYTES
    if number + 1 < blocks:
        size += _TOKEN + _block_option_bytes(number)
    return size + record_bytes(settings, size)


def handshake(settings: FlowTransport) -> tuple[Flight, ...]:
    """Return the flights before the first message, in turn; none where none are needed."""
    names = []
    if settings.kind == "reliable":
        names.append("tcp")
    if settings.security != "none":
        names.append(f"{_layer(settings)}-{settings.version}-{settings.security}")
    if settings.kind == "reliable" and settings.protocol == "mqtt":
        names.append("mqtt")
    flights: list[Flight] = []
    rest = 0  # what an initiator has left to say goes with the first flight of what follows
    for place, name in enumerate(names):
        item = _document()["handshakes"][name]
        sizes, gate = [int(entry[0]) for entry in item["flights"]], int(item["gate"])
        sizes[0] += rest
        last = place + 1 == len(names)
        rest = sum(sizes[gate::2])
        flights += [
            Flight(number % 2 == 0, size, last and number + 1 == gate)
            for number, size in enumerate(sizes if last else sizes[:gate])
        ]
    return tuple(flights)


def _layer(settings: FlowTransport) -> str:
    return "tls" if settings.kind == "reliable" else "dtls"


def _protocol_bytes(settings: FlowTransport, size: int) -> int:
    topic = settings.topic_bytes
    if settings.protocol == "coap":
        path = 1 + topic + (topic >= _LONG) + (topic >= _LONG + 256)
        return 4 + _TOKEN + path + 2 + (size > 0)  # content format 2, payload marker 1
    if settings.protocol == "mqtt":
        rest = 2 + topic + size  # quality of service 0: TCP delivers
        return 1 + _varint_bytes(rest) + 2 + topic
    return 0


def _varint_bytes(value: int) -> int:
    return 1 if value < 1 << 7 else 2 if value < 1 << 14 else 3 if value < 1 << 21 else 4


def _block_option_bytes(number: int) -> int:
    return 2 + (1 if number < 1 << 4 else 2 if number < 1 << 12 else 3)


def sources_markdown() -> str:
    """Return all sizes as one Markdown table, for the documentation."""
    rows = ["| what | bytes | evidence | source |", "|---|---|---|---|"]
    document = _document()
    entries: list[tuple[str, Sequence[Any]]] = []
    for name, item in document["headers"].items():
        entries += [(f"{name}: {key} instead", item[key]) for key in ("udp", "tcp")]
    entries += [(f"record {name}", item) for name, item in document["records"].items()]
    for name, item in document["handshakes"].items():
        entries += [(f"{name}, flight {n + 1}", it) for n, it in enumerate(item["flights"])]
    rows += [f"| {what} | {it[0]} | {it[1]} | {it[2]} |" for what, it in entries]
    return "\n".join(rows)
