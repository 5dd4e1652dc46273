"""Sources of noise outside a medium: jammers, and bursts of other people's noise.

A source is on from ``at_ms`` until ``until_ms``, or for its ``duty`` share of each period of
``period_ms`` in between. Where an air has levels it has a place (or a busbar) and a power, raises
the noise at each station by what arrives there, and makes sensing find the channel busy. Where
all hear all it has an ``error``: the probability that a frame that meets it is destroyed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from fernwatt.errors import Fault
from simulators.network.air import BURST, JAMMING, THROUGH
from simulators.network.draws import Draws

__all__ = ["KINDS", "NoiseSpec", "Sources", "parse_noises"]

KINDS = ("jammer", "noise")


@dataclass(frozen=True, slots=True)
class NoiseSpec:
    """A source of noise; ``media`` are those that it disturbs, ``until_us`` None is for good."""

    id: str
    kind: str
    at_us: int
    until_us: int | None
    media: tuple[str, ...]
    place_m: tuple[float, float, float] | None = None
    bus: str | None = None
    power_dbm: float | None = None
    duty: float = 1.0
    period_us: int = 10_000
    error: float | None = None

    def on(self, since_us: int, until_us: int) -> bool:
        """Tell whether the source is on at some time after ``since_us`` and before ``until_us``."""
        since_us = max(since_us, self.at_us)
        if self.until_us is not None:
            until_us = min(until_us, self.until_us)
        if since_us >= until_us:
            return False
        phase_us = (since_us - self.at_us) % self.period_us
        on_us = self.duty * self.period_us
        return phase_us < on_us or phase_us + until_us - since_us > self.period_us

    def fate(self) -> str:
        """Return what becomes of a frame that it destroys."""
        return JAMMING if self.kind == "jammer" else BURST


def parse_noises(
    spec: Mapping[str, Any], media: Mapping[str, str]
) -> tuple[tuple[NoiseSpec, ...], list[Fault]]:
    """Return ``spec["noises"]``, checked; ``media`` are the kinds of their airs ("" for none).

    ``[{id, kind, at_ms, until_ms?, media, place_m?, bus?, power_dbm?, duty?, period_ms?, error?}]``
    """
    noises, faults = [], []
    for number, item in enumerate(spec.get("noises") or ()):
        path = f"network.noises[{number}]"
        faults += [Fault(f"{path}.{key}", *what) for key, what in _wrong(item, media)]
        place_m, until_ms = item.get("place_m"), item.get("until_ms")
        noises.append(
            NoiseSpec(
                item["id"],
                item["kind"],
                int(item["at_ms"]) * 1000,
                None if until_ms is None else int(until_ms) * 1000,
                tuple(sorted(item["media"])),
                None if place_m is None else (*map(float, place_m),),  # type: ignore[arg-type]
                item.get("bus"),
                item.get("power_dbm"),
                float(item.get("duty", 1.0)),
                max(1, round(1000 * item.get("period_ms", 10.0))),
                item.get("error"),
            )
        )
    return tuple(sorted(noises, key=lambda noise: noise.id)), faults


def _wrong(item: Mapping[str, Any], media: Mapping[str, str]) -> list[tuple[str, tuple[str, str]]]:
    """Return the faults of one source: (key, (message, hint))."""
    wrong: list[tuple[str, tuple[str, str]]] = []
    if item["kind"] not in KINDS:
        wrong.append(("kind", (f"unknown kind {item['kind']!r}", f"one of {', '.join(KINDS)}")))
    until_ms = item.get("until_ms")
    if item["at_ms"] < 0 or (until_ms is not None and until_ms <= item["at_ms"]):
        wrong.append(("until_ms", ("must be later than at_ms, which is 0 or more", "")))
    duty, error, power = item.get("duty", 1.0), item.get("error"), item.get("power_dbm")
    if not 0 < duty <= 1:
        wrong.append(("duty", (f"is a share above 0, up to 1, not {duty!r}", "")))
    if item.get("period_ms", 10.0) <= 0:
        wrong.append(("period_ms", ("must be above 0", "")))
    if error is not None and not 0 <= error <= 1:
        wrong.append(("error", (f"is a probability, 0 to 1, not {error!r}", "")))
    if power is not None and not isfinite(power):
        wrong.append(("power_dbm", ("must be finite", "")))
    for medium in item["media"]:
        kind = media.get(medium)
        if kind is None:
            wrong.append(("media", (f"no medium {medium}", "")))
        elif kind in ("radio", "conductors") and error is None:
            needs = "place_m" if kind == "radio" else "bus"
            if power is None or item.get(needs) is None:
                wrong.append((needs, (f"{medium} needs it, and power_dbm", "or an error")))
        elif kind not in ("radio", "conductors") and error is None:
            wrong.append(("error", (f"{medium} needs it: its air has no places", "0 to 1")))
    return wrong


class Sources:
    """The sources that disturb one medium, with what its stations get of each.

    ``rise_db(source)`` returns how far above each station's noise a source lies [dB], or None
    where it has no place on this medium.
    """

    __slots__ = ("_draws", "_rises", "_sources")

    def __init__(
        self,
        sources: Sequence[NoiseSpec],
        draws: Draws,
        rise_db: Callable[[NoiseSpec], Sequence[float] | None] = lambda _: None,
    ) -> None:
        self._sources, self._draws = tuple(sources), draws
        self._rises: list[Sequence[float] | None] = []
        self.renew(rise_db)

    def renew(self, rise_db: Callable[[NoiseSpec], Sequence[float] | None]) -> None:
        """Work out anew what the stations get."""
        self._rises = [rise_db(source) for source in self._sources]

    def sensed(self, station: int, since_us: int, until_us: int, sense_db: float) -> str:
        """Return the kind of the first source that a station senses within a time, or nothing."""
        for source, rise in zip(self._sources, self._rises, strict=True):
            if rise is not None and rise[station] >= sense_db and source.on(since_us, until_us):
                return source.fate()
        return THROUGH

    def rise(self, station: int, since_us: int, until_us: int) -> tuple[float, float]:
        """Return by which multiples of its noise jammers, and others, raise it within a time."""
        jam = other = 0.0
        for source, rise in zip(self._sources, self._rises, strict=True):
            if rise is None or rise[station] == -inf or not source.on(since_us, until_us):
                continue
            if source.kind == "jammer":
                jam += 10.0 ** (rise[station] / 10.0)
            else:
                other += 10.0 ** (rise[station] / 10.0)
        return jam, other

    def strike(self, since_us: int, until_us: int) -> str:
        """Draw whether a source destroys a frame by its ``error``; return its fate."""
        for source in self._sources:
            hit = bool(source.error) and source.on(since_us, until_us)
            if hit and self._draws.uniform() < (source.error or 0.0):
                return source.fate()
        return THROUGH
