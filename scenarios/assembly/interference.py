"""What sleeps, fails and disturbs in the network, and what adversaries do to its frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.network import NetworkNoise, NetworkTap, OutageRate

__all__ = ["with_interferences"]

Spec = dict[str, Any]


def with_interferences(config: ScenarioConfig, spec: Spec) -> Spec:
    """Return a network's specification with its sleepers, outages, noises and taps.

    Raises ScenarioError with every element that the network has not.
    """
    maker = _Maker(config, spec)
    made = {"outages": maker.outages(), "noises": maker.noises(), "taps": maker.taps()}
    spec = spec | {"nodes": maker.sleepers()}
    if maker.faults:
        raise ScenarioError(maker.faults)
    return spec | {name: items for name, items in made.items() if items}


class _Maker:
    def __init__(self, config: ScenarioConfig, spec: Spec) -> None:
        self._config, self._wanted, self._end_ms = config, config.network, config.time.end_ms
        self._nodes = {node["id"]: node for node in spec["nodes"]}
        self._media = [medium["id"] for medium in spec["media"]]
        carriers = [it["id"] for kind in ("links", "cells") for it in spec.get(kind, ())]
        self._elements = sorted({*self._nodes, *self._media, *carriers}, key=str.encode)
        self.faults: list[Fault] = []

    def sleepers(self) -> list[Spec]:
        """Return all nodes, those that sleep with their schedule; the last one stated holds."""
        nodes = {name: dict(node) for name, node in self._nodes.items()}
        for number, wanted in enumerate(self._wanted.sleeping):
            path = f"network.sleeping[{number}].element"
            for name in self._matching(wanted.element, list(nodes), path):
                nodes[name]["sleep"] = {
                    "period_ms": round(wanted.period_s * 1000),
                    "awake_ms": max(1, round(wanted.awake_s * 1000)),
                    "battery_mah": wanted.battery_mah,
                }
        return list(nodes.values())

    def outages(self) -> list[Spec]:
        """Return those that are planned and those that are drawn, by time."""
        made = []
        for number, wanted in enumerate(self._wanted.outages):
            path = f"network.outages[{number}].element"
            at_ms = round(wanted.at_h * HOUR_MS)
            until_ms = None if wanted.lasts_h is None else at_ms + _ms(wanted.lasts_h)
            for element in self._matching(wanted.element, self._elements, path):
                name = f"outage/{number:03}/{element}"
                outage = {"id": name, "element": element, "at_ms": at_ms, "until_ms": until_ms}
                made += [outage] if at_ms < self._end_ms else []
        for number, rate in enumerate(self._wanted.outage_rates):
            path = f"network.outage_rates[{number}].element"
            for element in self._matching(rate.element, self._elements, path):
                made += self._drawn(rate, f"outage/drawn-{number:03}/{element}", element)
        return sorted(made, key=lambda outage: (outage["at_ms"], outage["id"]))

    def _drawn(self, rate: OutageRate, name: str, element: str) -> Iterator[Spec]:
        """Yield the failures of one element: an alternating renewal process from time 0."""
        rng = stream(self._config.seed, "network/outages", name)
        at_ms, number = _ms(rate.every_h * rng.standard_exponential()), 0
        while at_ms < self._end_ms:
            until_ms = at_ms + _ms(rate.lasts_h * rng.standard_exponential())
            yield {
                "id": f"{name}/{number}",
                "element": element,
                "at_ms": at_ms,
                "until_ms": until_ms,
            }
            at_ms = until_ms + _ms(rate.every_h * rng.standard_exponential())
            number += 1

    def noises(self) -> list[Spec]:
        """Return noise and jammers, each with the media that it may reach."""
        made = []
        for number, wanted in enumerate(self._wanted.noises):
            path = f"network.noises[{number}]"
            at_ms = round(wanted.at_h * HOUR_MS)
            error = 1.0 if wanted.error is wanted.power_dbm is None else wanted.error
            beside = self._nodes.get(wanted.at or "", {})
            noise = {
                "id": f"{wanted.kind}/{number:03}",
                "kind": wanted.kind,
                "at_ms": at_ms,
                "until_ms": None if wanted.lasts_h is None else at_ms + _ms(wanted.lasts_h),
                "media": self._matching(wanted.element, self._media, f"{path}.element"),
                "place_m": self._place(wanted, path),
                "power_dbm": wanted.power_dbm,
                "duty": wanted.duty,
                "period_ms": wanted.period_ms,
                "error": error,
                "bus": beside.get("bus"),
            }
            made += [noise] if at_ms < self._end_ms else []
        return made

    def _place(self, wanted: NetworkNoise, path: str) -> list[float] | None:
        if wanted.at is None:
            place = wanted.place_m
            return None if place is None else [*place, 1.5][:3]
        self._known(wanted.at, list(self._nodes), f"{path}.at")
        place = self._nodes.get(wanted.at, {}).get("place_m")
        powered = wanted.power_dbm is not None
        if place is None and powered and wanted.at in self._nodes:
            hint = "give place_m, or network.reach: grid"
            self.faults.append(Fault(f"{path}.at", f"{wanted.at} has no known place", hint))
        return place

    def taps(self) -> list[Spec]:
        """Return what adversaries do."""
        return [
            self._tap(wanted, f"network.taps[{number}]", f"tap/{number:03}")
            for number, wanted in enumerate(self._wanted.taps)
        ]

    def _tap(self, wanted: NetworkTap, path: str, name: str) -> Spec:
        injects = wanted.does == "inject"
        nodes = list(self._nodes)
        self._known(wanted.element, nodes if injects else self._elements, f"{path}.element")
        for key in ("src", "dst"):
            for node in getattr(wanted, key):
                self._known(node, nodes, f"{path}.{key}")
        spec: Spec = {
            "id": name,
            "element": wanted.element,
            "does": wanted.does,
            "from_ms": wanted.from_h * HOUR_MS,
            "until_ms": None if wanted.until_h is None else wanted.until_h * HOUR_MS,
            "share": wanted.share,
            "src": wanted.src[0] if injects and wanted.src else list(wanted.src),
            "dst": wanted.dst[0] if injects and wanted.dst else list(wanted.dst),
        }
        own: dict[str, Spec] = {
            "delay": {"delay_ms": wanted.delay_s * 1000},
            "copy": {"delay_ms": wanted.delay_s * 1000, "copies": wanted.copies},
            "alter": {"offset": wanted.offset, "value": wanted.value, "mode": wanted.mode},
            "inject": {
                "flow": wanted.flow,
                "priority": wanted.priority,
                "payload": wanted.payload,
                "count": wanted.count,
                "every_ms": wanted.every_s * 1000,
            },
        }
        flows: Spec = {} if injects else {"flows": list(wanted.flows)}
        return spec | flows | own.get(wanted.does, {})

    def _matching(self, pattern: str, known: Sequence[str], path: str) -> list[str]:
        found = [element for element in known if fnmatchcase(element, pattern)]
        if not found:
            self._known(pattern, known, path)
        return found

    def _known(self, name: str, known: Collection[str], path: str) -> None:
        if name not in known:
            message = f"the network has no such element {name!r}"
            self.faults.append(Fault(path, message, nearest(name, known)))


def _ms(hours: float) -> int:
    """Return hours as milliseconds, at least one."""
    return max(1, round(hours * HOUR_MS))
