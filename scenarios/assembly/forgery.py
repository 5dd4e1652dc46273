"""Frames as an adversary makes them: by the units' own codec, sealed with what keys he has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.security.envelope import Envelope
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.codec import CborCodec
from controllers.unit.notes import MemoryNotebook
from controllers.unit.security import Security
from controllers.unit.wire import Operation, Request

__all__ = ["Forger"]

_FIRST_NUMBER = 900_000_000
_OUTDATED_MS = 3_600_000
_FOREIGN = 1 << 62


class Forger:
    """Makes requests in others' names; each has a number that no unit has used.

    ``units`` are specifications by identifier, which anybody may know. Without ``keys`` frames
    are not sealed at all: that is what an adversary without keys can do at any level.
    """

    def __init__(self, level: str, seed: int, units: Mapping[str, Mapping[str, Any]]) -> None:
        self._level, self._seed, self._units = level, seed, units
        self._codec = CborCodec(CATALOGUE)
        self._numbers: dict[str, int] = {}

    def query(self, src: str, dst: str) -> bytes:
        """Return a query of a voltage in the name of ``src``."""
        request = self._request(Operation.QUERY, src, dst, "aggregation", "voltage")
        return self._codec.encode(request, src, dst)

    def write(  # noqa: PLR0917 - of a request
        self,
        src: str,
        dst: str,
        service: str,
        variable: str,
        value: Any,
        keys: str = "",
        t_ms: int = 0,
    ) -> bytes:
        """Return a write, sealed with ``keys`` (foreign, outdated, stolen) at ``t_ms``."""
        request = self._request(Operation.WRITE, src, dst, service, variable)
        request.value = value
        payload = self._codec.encode(request, src, dst)
        if not keys or self._level == "none":
            return payload
        sealed_ms = t_ms - (_OUTDATED_MS if keys == "outdated" else 0)
        speaker = (request.stakeholder, service)
        return self._envelope(src, dst, speaker, foreign=keys == "foreign").seal(
            payload, dst, sealed_ms, *speaker
        )

    def _request(
        self, operation: Operation, src: str, dst: str, service: str, variable: str
    ) -> Request:
        number = self._numbers.get(src, _FIRST_NUMBER)
        self._numbers[src] = number + 1
        owner = str(self._units[src]["owner"])
        return Request(operation, f"{src}#{number}", src, service, owner, variable, dst)

    def _envelope(self, src: str, dst: str, speaker: tuple[str, str], *, foreign: bool) -> Envelope:
        """Return the envelope of ``src``: its own, or that of its namesake of another operator."""
        security = Security(self._level, self._seed ^ (_FOREIGN if foreign else 0))
        security.enrol(dst, {}, MemoryNotebook())
        return security.enrol(src, {speaker[1]: speaker[0]}, MemoryNotebook())
