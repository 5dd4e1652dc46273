"""Attacks as network taps, noises, falsified instruments and compromised units; and their truth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.wire import ValueRefusedError, clean_value
from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS
from scenarios.assembly.forgery import Forger
from scenarios.assembly.hierarchy import PROVIDER, Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema import attacks as kinds

__all__ = ["Attacks", "make_attacks"]

Spec = dict[str, Any]
_SET_POINT = "set_point"
_BAD = ("forged", "expired", "revoked")


@dataclass(slots=True)
class Attacks:
    """What attacks add to the parameters of the simulators.

    ``compromised`` holds, by unit, what its services write falsely, ``certificates``, by unit,
    what is wrong with its own; ``truth`` goes to the recorder alone.
    """

    taps: list[Spec] = field(default_factory=list)
    noises: list[Spec] = field(default_factory=list)
    falsified: list[Spec] = field(default_factory=list)
    compromised: dict[str, list[Spec]] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    truth: list[Spec] = field(default_factory=list)

    def network(self, spec: Spec) -> Spec:
        """Return a network's specification with taps and jammers."""
        added = {"taps": self.taps, "noises": self.noises}
        return spec | {name: [*spec.get(name, ()), *new] for name, new in added.items() if new}

    def units(self, units: Sequence[Spec]) -> list[Spec]:
        """Return the units, the compromised ones marked."""
        marks = self.compromised
        return [
            unit | {"compromised": marks[unit["id"]]} if unit["id"] in marks else unit
            for unit in units
        ]

    def group(self, spec: Spec) -> Spec:
        """Return what units are told of their group, with certificates that are not in order."""
        return spec | {"certificates": spec["certificates"] | self.certificates}

    @property
    def field_params(self) -> Spec:
        """What the field has to falsify, and to tell the recorder."""
        params = {"falsified": self.falsified, "attacks": self.truth}
        return {name: items for name, items in params.items() if items}


def make_attacks(config: ScenarioConfig, hierarchy: Hierarchy, network: Spec) -> Attacks:
    """Return the attacks that act; raises ScenarioError with all that are not possible."""
    maker = _Maker(config, hierarchy, network)
    for number, attack in enumerate(config.attacks):
        if config.acting in ("all", attack.name):
            maker.add(attack, f"attacks[{number}]")
    if maker.faults:
        raise ScenarioError(maker.faults)
    return maker.made


class _Maker:
    def __init__(self, config: ScenarioConfig, hierarchy: Hierarchy, network: Spec) -> None:
        self._config, self.made, self.faults = config, Attacks(), list[Fault]()
        self._units = {unit["id"]: unit for unit in hierarchy.units}
        self._media = [medium["id"] for medium in network["media"]]
        carriers = [it["id"] for kind in ("links", "cells") for it in network.get(kind, ())]
        nodes = [node["id"] for node in network["nodes"]]
        self._elements = sorted({*nodes, *self._media, *carriers}, key=str.encode)
        feeds = [feed["id"] for feed in hierarchy.feeds]
        self._instruments = [item["id"] for item in hierarchy.instruments] + feeds
        self._forger = Forger(config.units.security, config.seed, self._units)
        self._path = self._id = ""
        self._from_ms, self._until_ms = 0, config.time.end_ms

    def add(self, attack: kinds.Attack, path: str) -> None:
        """Take one attack."""
        self._path, self._id = path, f"attack/{attack.name}"
        self._from_ms = round(attack.from_h * HOUR_MS)
        end_ms = self._config.time.end_ms
        self._until_ms = end_ms if attack.until_h is None else round(attack.until_h * HOUR_MS)
        makers: dict[str, Callable[[Any], list[str]]] = {
            "eavesdrop": self._eavesdrop,
            "replay": self._replay,
            "flip": self._flip,
            "spoof": self._spoof,
            "inject": self._order,
            "stale_certificate": self._order,
            "flood": self._flood,
            "jam": self._jam,
            "compromise": self._compromise,
            "false_data": self._false_data,
            "forecast": self._forecast,
        }
        targets = makers[attack.kind](attack)
        truth = {"id": self._id, "kind": attack.kind, "targets": targets}
        self.made.truth.append(truth | {"from_ms": self._from_ms, "until_ms": self._until_ms})

    # -- on the wire ---------------------------------------------------------------------------

    def _tap(self, element: str, does: str, **more: Any) -> None:
        number = sum(tap["id"].startswith(f"{self._id}/") for tap in self.made.taps)
        times = {"from_ms": self._from_ms, "until_ms": self._until_ms}
        tap = {"id": f"{self._id}/{number:03}", "element": element, "does": does}
        self.made.taps.append(tap | times | more)

    def _eavesdrop(self, attack: kinds.Eavesdrop) -> list[str]:
        elements = self._matching(attack.at, self._elements, "at")
        for element in elements:
            self._tap(element, "record")
        return elements

    def _replay(self, attack: kinds.Replay) -> list[str]:
        targets = self._matching(attack.to, self._units, "to")
        for target in targets:
            more: Spec = {"dst": [target], "flows": list(attack.flows), "share": attack.share}
            if attack.under == "another":
                more["under"] = self._beside(target)
            self._tap(target, "copy", delay_ms=attack.after_s * 1000, copies=1, **more)
        return targets

    def _beside(self, target: str) -> str:
        """Return another unit near one: the meter of a device's house, else who is above it."""
        unit = self._units[target]
        above = self._units.get(unit["parent"], {})
        if unit["kind"] == "dmu" and above.get("parent"):
            return str(above["parent"])
        return str(unit["parent"] or next(iter(unit["children"]), target))

    def _flip(self, attack: kinds.Flip) -> list[str]:
        targets = self._matching(attack.to, self._units, "to")
        for target in targets:
            more = {"flows": list(attack.flows), "share": attack.share, "bits": attack.bits}
            self._tap(target, "alter", dst=[target], **more)
        return targets

    def _jam(self, attack: kinds.Jam) -> list[str]:
        media = self._matching(attack.media, self._media, "media")
        noise = {"id": self._id, "kind": "jammer", "media": media, "error": attack.error}
        noise |= {"at_ms": self._from_ms, "until_ms": self._until_ms, "duty": attack.duty}
        empty = dict.fromkeys(("place_m", "power_dbm", "bus"))
        self.made.noises.append(noise | empty | {"period_ms": 10.0})
        return media

    def _flood(self, attack: kinds.Flood) -> list[str]:
        targets = self._matching(attack.to, self._units, "to")
        for target in targets:
            src = self._manager(target)
            if attack.bytes is None:
                payload = self._forger.query(src, target)
            else:
                payload = stream(self._config.seed, "attacks", self._id).bytes(attack.bytes)
            count = int((self._until_ms - self._from_ms) / (attack.every_s * 1000)) + 1
            self._inject(src, target, payload, "management", count, attack.every_s)
        return targets

    def _spoof(self, attack: kinds.Spoof) -> list[str]:
        declared = CATALOGUE.get(attack.variable)
        try:
            value = clean_value(attack.value)
        except ValueRefusedError:
            declared, value = None, None
        if declared is None or not declared.takes(value):
            names = [variable.name for variable in CATALOGUE]
            text = f"no unit would take {attack.variable} = {attack.value!r}"
            self._fault("variable", text, nearest(attack.variable, names))
            return []
        return self._forge(attack, attack.variable, lambda _: value, attack.service, "balancing")

    def _order(self, attack: kinds.Inject | kinds.StaleCertificate) -> list[str]:
        def order(at_ms: int) -> Spec:
            return {"p_w": attack.p_w, "until_ms": at_ms + round(attack.lasts_s * 1000)}

        targets = self._forge(attack, _SET_POINT, order, "balancing", "control")
        if targets and not any(_SET_POINT in self._units[unit]["actuators"] for unit in targets):
            self._fault("to", f"no unit {attack.to} takes orders", "such as dmu/*/battery")
        return targets

    def _forge(
        self,
        attack: kinds.Spoof | kinds.Inject | kinds.StaleCertificate,
        variable: str,
        value: Callable[[int], Any],
        service: str,
        flow: str,
    ) -> list[str]:
        """Plan forged requests, each with its own number; return their targets."""
        targets = self._matching(attack.to, self._units, "to")
        keys = attack.keys if isinstance(attack, kinds.StaleCertificate) else ""
        for target in targets:
            src = self._manager(target) if attack.in_name_of == "manager" else attack.in_name_of
            if src not in self._units:
                self._fault("in_name_of", f"no unit {src}", nearest(src, self._units))
                return targets
            self._certify(src, keys)
            for number in range(attack.count):
                at_ms = self._from_ms + round(number * attack.every_s * 1000)
                if at_ms < self._until_ms:
                    payload = self._forger.write(
                        src, target, service, variable, value(at_ms), keys, at_ms
                    )
                    self._inject(src, target, payload, flow, 1, 1.0, at_ms)
        return targets

    def _certify(self, holder: str, keys: str) -> None:
        """Have the certificate of a unit not be in order, if that is what the attack is about."""
        if keys not in _BAD:
            return
        self.made.certificates[holder] = keys
        if self._config.units.group is None:
            self._fault("keys", f"{keys} needs certificates", "write units.group: {}")

    def _inject(  # noqa: PLR0917 - of frames
        self,
        src: str,
        target: str,
        payload: bytes,
        flow: str,
        count: int,
        every_s: float,
        at_ms: int | None = None,
    ) -> None:
        """Plan frames that enter the network where an adversary would be, near the target."""
        from controllers.unit.calls import FLOWS

        begin = {} if at_ms is None else {"from_ms": at_ms}
        self._tap(
            self._beside(target) if self._units[target]["parent"] else src, "inject",
            src=src, dst=target, flow=flow, priority=FLOWS[flow].priority, payload=payload.hex(),
            count=count, every_ms=every_s * 1000, share=1.0, **begin,
        )  # fmt: skip

    def _manager(self, target: str) -> str:
        """Return the unit that usually tells a unit what to do."""
        unit = self._units[target]
        parent = self._units.get(unit["parent"])
        if parent is None:
            return next(iter(unit["children"]), target)
        bridged = unit["kind"] == "cmu" and parent["kind"] == "meter" and parent["parent"]
        return str(parent["parent"] if bridged else parent["id"])

    # -- at the ends ---------------------------------------------------------------------------

    def _compromise(self, attack: kinds.Compromise) -> list[str]:
        if CATALOGUE.get(attack.variable) is None:
            names = [variable.name for variable in CATALOGUE]
            text = f"there is no variable {attack.variable}"
            self._fault("variable", text, nearest(attack.variable, names))
        if attack.does == "set" and attack.value is None:
            self._fault("value", "set needs a value", "write value: 0")
        units = self._matching(attack.units, self._units, "units")
        for name in units:
            if not self._units[name]["services"]:
                text = f"{name} has no service that writes anything"
                self._fault("units", text, "take false_data for what its instruments tell")
            rule = attack.model_dump(include={"variable", "fields", "does", "factor", "value"})
            times = {"from_ms": self._from_ms, "until_ms": self._until_ms}
            self.made.compromised.setdefault(name, []).append({"id": self._id} | rule | times)
        return units

    def _false_data(self, attack: kinds.FalseData) -> list[str]:
        found = self._matching(attack.instruments, self._instruments, "instruments")
        rule = attack.model_dump(include={"variables", "does", "factor", "offset"})
        self._falsify(found, rule)
        return found

    def _forecast(self, attack: kinds.ForecastManipulation) -> list[str]:
        feed = f"{PROVIDER}/feed"
        if feed not in self._instruments:
            self._fault("kind", "there are no forecasts", "write services.forecast: {}")
        rule = {"fields": [attack.field], "factor": attack.factor, "offset": attack.offset}
        self._falsify([feed], rule | {"variables": ["weather.forecast"], "does": "scale"})
        return [feed]

    def _falsify(self, instruments: list[str], rule: Spec) -> None:
        times = {"from_ms": self._from_ms, "until_ms": self._until_ms}
        self.made.falsified.append({"id": self._id, "instruments": instruments} | rule | times)

    # -- names ---------------------------------------------------------------------------------

    def _matching(self, pattern: str, known: Collection[str], key: str) -> list[str]:
        found = sorted((name for name in known if fnmatchcase(name, pattern)), key=str.encode)
        if not found:
            self._fault(key, f"nothing is named {pattern!r}", nearest(pattern, known))
        return found

    def _fault(self, key: str, message: str, hint: str) -> None:
        self.faults.append(Fault(f"{self._path}.{key}", message, hint))
