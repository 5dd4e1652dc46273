"""Who issues signals, who passes them on, who decides: services added to units that are there."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from controllers.control import OBEYED
from controllers.signals import COMMAND, GRID, PRICE, RESPONSE
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import READ, READ_WRITE, WRITE
from controllers.unit.signalvariables import AGGREGATOR
from controllers.unit.variable import SUPPLIER
from fernwatt.timebase import HOUR_MS, Clock
from scenarios.assembly.customers import planned_units
from scenarios.assembly.documents import documents
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.assembly.homes import Home, find_homes
from scenarios.assembly.tariffs import tariff_records
from scenarios.loader import Scenario
from scenarios.schema.signals import Control, CustomerSetting, Display, GridLight, Instruction

__all__ = ["with_signals"]

_TOP = "tlgmu/top"
_SUPPLIER, _ISSUER, _GATEWAY = "supplier/prices", "aggregator/commands", "gateway/openadr"
_LOWEST = {"central": "lvgmu", "hybrid": "cmu", "local": "dmu"}
_LEVELS = ("dmu", "cmu", "lvgmu", "igmu", "mvgmu", "tlgmu", "provider")
_CAPABILITY = "control.capability"
_FULL = 100
Spec = dict[str, Any]


def with_signals(scenario: Scenario, hierarchy: Hierarchy, fleet: Fleet) -> Hierarchy:
    """Return the hierarchy with the services of signals and control that a scenario asks for.

    Raises ScenarioError for files of prices and events that are none.
    """
    wanted = scenario.config.services
    if all(one is None for one in (wanted.signals, wanted.control, wanted.openadr, wanted.display)):
        return hierarchy
    builder = _Builder(scenario, hierarchy, fleet)
    builder.issuers()
    builder.follow()
    if wanted.control is not None:
        builder.control(wanted.control)
        if builder.commands:
            builder.pass_on()
    if wanted.display is not None:
        builder.displays(wanted.display)
    return hierarchy


class _Builder:
    def __init__(self, scenario: Scenario, hierarchy: Hierarchy, fleet: Fleet) -> None:
        self._scenario, self._config = scenario, scenario.config
        self._made, self._fleet = hierarchy, fleet
        self._units = {unit["id"]: unit for unit in hierarchy.units}
        services = scenario.config.services
        self._signals, self._openadr = services.signals, services.openadr
        self._tariff = None if self._signals is None else self._signals.tariff
        self._lights = () if self._signals is None else self._signals.grid
        self._obeyed = OBEYED[services.control.signal] if services.control else ()
        told = self._signals.commands if self._signals is not None else []
        self.commands = "command" in self._obeyed and bool(told or self._openadr)
        self._homes = find_homes(self._config, hierarchy, fleet)

    # -- who issues --------------------------------------------------------------------------

    def issuers(self) -> None:
        """Add the units of supplier, aggregator and gateway, and what they are fed with."""
        config, clock = self._config, Clock(self._config.time.instant)
        end_ms = config.time.end_ms
        if self._tariff is not None:
            name = self._tariff.file
            file = self._scenario.files[name] if name is not None else None
            records = tariff_records(self._tariff, clock, end_ms, file)
            self._provider(_SUPPLIER, SUPPLIER, PRICE, [(r["issued_ms"], r) for r in records])
        if self.commands and self._signals is not None and self._signals.commands:
            records = [_command(n, one) for n, one in enumerate(self._signals.commands, 1)]
            fed = [(record["issued_ms"], record) for record in records]
            self._provider(_ISSUER, AGGREGATOR, COMMAND, fed)
        if self._lights:
            self._feed(self._units[_TOP], GRID, _light_records(self._lights))
        if self._openadr is not None:
            self._gateway(clock, end_ms)

    def _gateway(self, clock: Clock, end_ms: int) -> None:
        wanted = self._openadr
        assert wanted is not None
        fed = [(t_ms, {"document": text}) for t_ms, text in documents(self._scenario, end_ms)]
        unit = self._provider(_GATEWAY, AGGREGATOR, "openadr.payload", fed)
        unit["services"]["openadr"] = {
            "ven": wanted.ven,
            "start": clock.iso(0),
            "levels_percent": list(wanted.levels_percent),
            "kinds": list(wanted.kinds),
            "answer_s": wanted.answer_s,
            "obeyed": list(self._obeyed),
            "metered": _TOP if wanted.reports else "",
        }
        if wanted.reports:
            self._grant(self._units[_TOP], "area.energy", [AGGREGATOR, "openadr", READ, 0])
        self._grant(unit, PRICE, [AGGREGATOR, "openadr", READ_WRITE, 0])

    def _provider(self, name: str, owner: str, variable: str, fed: list[tuple[int, Spec]]) -> Spec:
        config = self._config
        unit: Spec = {
            "id": name,
            "kind": "provider",
            "area": "",
            "parent": "",
            "children": [],
            "customer": "",
            "owner": owner,
            "host": {"provider": "cloud"} | {str(k): h for k, h in config.units.hosts.items()},
            "instruments": [],
            "actuators": {},
            "services": {},
        }
        unit["host"] = unit["host"]["provider"]
        self._made.units.append(unit)
        self._units[name] = unit
        self._feed(unit, variable, fed)
        return unit

    def _feed(self, unit: Spec, variable: str, fed: list[tuple[int, Spec]]) -> None:
        """Hang a feed in a unit; what comes at the same instant comes a millisecond later."""
        name = f"{unit['id']}/{variable.rpartition('.')[2]}"
        unit["instruments"] = [*unit["instruments"], name]
        times, values = list[int](), list[Spec]()
        for t_ms, value in sorted(fed, key=lambda one: one[0]):
            times.append(max(t_ms, times[-1] + 1) if times else t_ms)
            values.append(value)
        self._made.feeds.append(
            {"id": name, "variable": variable, "times_ms": times, "values": values}
        )

    # -- who follows -------------------------------------------------------------------------

    def follow(self) -> None:
        """Have informational signals followed down to where it is decided."""
        control = self._config.services.control
        lowest = _LOWEST[control.intelligence] if control is not None else "cmu"
        shown = self._config.services.display is not None
        if shown and lowest == "lvgmu":
            lowest = "cmu"
        prices = [name for name in (_SUPPLIER, _GATEWAY) if name in self._units]
        wanted = {
            PRICE: bool(prices) and (shown or control is None or "price" in self._obeyed),
            GRID: bool(self._lights) and (control is None or "grid" in self._obeyed),
        }
        followed = [variable for variable, there in wanted.items() if there]
        if not followed:
            return
        devices = {dmu for home in self._homes for dmu in home.plates}
        for name in sorted(self._units, key=str.encode):
            unit = self._units[name]
            kind = unit["kind"]
            if kind not in _LEVELS[:-1] or _LEVELS.index(kind) < _LEVELS.index(lowest):
                continue
            if kind == "dmu" and name not in devices:
                continue
            above = self._above(unit)
            sources = [[v, above] for v in followed] if above else [[PRICE, p] for p in prices]
            sources = sources if above or PRICE in followed else []
            self._service(unit)["follow"] = sources
            for variable in followed:
                speaker = AGGREGATOR if not unit["customer"] else unit["owner"]
                self._grant(unit, variable, [speaker, "signals", READ_WRITE, 0])

    def _above(self, unit: Spec) -> str:
        """Return the unit above with a service of signals; of a customer's, the substation's."""
        if unit["id"] == _TOP:
            return ""
        if unit["kind"] == "cmu":
            return str(self._units[unit["parent"]]["parent"])
        return str(unit["parent"])

    def _service(self, unit: Spec) -> Spec:
        """Return the parameters of a unit's signals, which it has from now on."""
        refresh_s = (self._signals.refresh_h if self._signals is not None else 6.0) * 3600.0
        patience_s = 60.0 * (len(_LEVELS) - _LEVELS.index(unit["kind"]))
        made: Spec = unit["services"].setdefault(
            "signals",
            {"follow": [], "refresh_s": refresh_s, "patience_s": patience_s, "commands": None},
        )
        self._speak(unit, "signals")
        return made

    @staticmethod
    def _speak(unit: Spec, service: str) -> None:
        """Have a service of the operator's units act for the aggregator."""
        if not unit["customer"]:
            unit["stakeholders"] = {**unit.get("stakeholders", {}), service: AGGREGATOR}

    def _grant(self, unit: Spec, variable: str, *grants: list[Any]) -> None:
        """Put grants before those that the unit's policy for a variable has."""
        declared = CATALOGUE.get(variable)
        usual = declared.policy.plain() if declared is not None else []
        policies = unit.setdefault("policies", {})
        policies[variable] = [*grants, *policies.get(variable, usual)]

    # -- who decides -------------------------------------------------------------------------

    def control(self, wanted: Control) -> None:
        """Give devices' units and those that decide for them their service."""
        common = {"signal": wanted.signal}
        deciding = common | {
            "decides": True,
            "hold_s": wanted.hold_s,
            "max_percent": wanted.contract.max_percent,
            "max_h": wanted.contract.max_h,
        }
        if self._config.services.display is not None and wanted.intelligence != "central":
            deciding["strategy"] = True
        central, local = (wanted.intelligence == name for name in ("central", "local"))
        for home in self._homes:
            above = home.substation if central else home.house.cmu
            for dmu, plate in home.plates.items():
                unit = self._units[dmu]
                params = deciding if local else common
                order, to = self._ordered(home, dmu)
                more = {"order": order, "to": to} if to else {}
                unit["services"]["control"] = params | {
                    "device": plate | more,
                    "announce_to": "" if local else above,
                }
                if central and home.contract:
                    held = self._units[to] if to else unit
                    if not (to and order in held.get("policies", {})):
                        self._grant(held, order, [AGGREGATOR, "control", READ_WRITE, 0])
                    for variable in ("ev.session", "device.energy"):
                        self._grant(unit, variable, [AGGREGATOR, "control", READ, 0])
            if not local:
                self._units[above]["services"]["control"] = deciding
                if central:
                    self._speak(self._units[above], "control")
                    self._hear(self._units[above])

    def _ordered(self, home: Home, dmu: str) -> tuple[str, str]:
        """Return what is written to move a device, and where, if that is not the device's unit.

        Of a device that balancing plans the customer's unit takes the lower of plan and order.
        """
        shared = dmu in planned_units(self._units[home.house.cmu])
        return ("device.limit", home.house.cmu) if shared else ("set_point", "")

    def _hear(self, unit: Spec) -> None:
        """Let the aggregator's service of a substation see who announced what, once."""
        if _CAPABILITY not in unit.get("policies", {}):
            self._grant(unit, _CAPABILITY, [AGGREGATOR, "control", READ_WRITE, 0])

    # -- who passes commands on --------------------------------------------------------------

    def pass_on(self) -> None:
        """Have commands written down to where it is decided, and answered upwards."""
        control = self._config.services.control
        assert control is not None
        levels = _LEVELS[_LEVELS.index(_LOWEST[control.intelligence]) :]
        below: dict[str, dict[str, str]] = {}
        for home in self._homes:
            if "cmu" in levels:
                below.setdefault(home.substation, {})[home.house.cmu] = home.customer
            if "dmu" in levels:
                below[home.house.cmu] = dict.fromkeys(home.plates, home.customer)
        uppers: set[str] = set()
        for substation in sorted({home.substation for home in self._homes}, key=str.encode):
            way = self._way_up(substation)
            uppers.update(way[:-1])
            for name, above in pairwise(way):
                below.setdefault(above, {})[name] = name
        for home in self._homes:
            units = [home.house.cmu, *home.plates]
            for name in units:
                unit = self._units[name]
                if unit["kind"] in levels:
                    above = home.substation if name == home.house.cmu else home.house.cmu
                    lowest = unit["kind"] == levels[0]
                    self._passes(unit, below.get(name, {}), above, lowest, home.customer)
            if "cmu" in levels and home.contract:
                cmu = self._units[home.house.cmu]
                self._grant(cmu, COMMAND, [AGGREGATOR, "signals", WRITE, 0])
        for name in sorted(uppers, key=str.encode):
            unit = self._units[name]
            lowest = unit["kind"] == levels[0]
            self._passes(unit, below.get(name, {}), unit["parent"], lowest)
        self._passes(self._units[_TOP], below.get(_TOP, {}), "", False)
        for name in (_ISSUER, _GATEWAY):
            if name in self._units:
                self._passes(self._units[name], {_TOP: _TOP}, name, False)

    # -- what customers see and set ----------------------------------------------------------

    def displays(self, wanted: Display) -> None:
        """Give every customer a user interface, on a display of its own where there is one."""
        homes = {home.house.cmu: home for home in self._homes}
        quality = self._config.units.data is not None
        for houses in self._made.houses.values():
            for house in houses:
                tail = house.cmu.partition("/")[2]
                unit = self._units.get(f"gui/{tail}") or self._units[house.cmu]
                home = homes.get(house.cmu)
                followed = self._units[house.cmu]["services"].get("signals", {}).get("follow", ())
                unit["services"]["display"] = {
                    "meter": house.meter,
                    "prices": house.cmu if any(v == PRICE for v, _ in followed) else "",
                    "deciders": self._deciders(home),
                    "rights": self._rights(home),
                    "quality": quality,
                    "every_s": float(wanted.every_s),
                    "settings": [
                        _setting(one) for one in wanted.settings if fnmatchcase(tail, one.customers)
                    ],
                }

    def _deciders(self, home: Home | None) -> list[str]:
        """Return the customer's units that decide, which are those whose strategy counts."""
        if home is None:
            return []
        units = [home.house.cmu, *home.plates]
        own = [self._units[name]["services"].get("control", {}) for name in units]
        return [name for name, params in zip(units, own, strict=True) if params.get("strategy")]

    def _rights(self, home: Home | None) -> list[list[Any]]:
        """Return what a contract grants, and what may be written there without effect."""
        control = self._config.services.control
        if home is None or control is None:
            return []
        if control.intelligence != "central":
            return [[COMMAND, home.house.cmu, [[AGGREGATOR, "signals", WRITE, 0]], None]]
        policy = [[AGGREGATOR, "control", READ_WRITE, 0]]
        rights = []
        for dmu in home.plates:
            order, to = self._ordered(home, dmu)
            neutral = {"p_w": 0.0} | ({"device": ""} if to else {})
            rights.append([order, to or dmu, policy, neutral])
        return [one for n, one in enumerate(rights) if one not in rights[:n]]

    def _way_up(self, name: str) -> list[str]:
        """Return a unit and all above it, up to the top."""
        way = [name]
        while way[-1] != _TOP:
            way.append(str(self._units[way[-1]]["parent"]))
        return way

    def _passes(
        self, unit: Spec, below: Mapping[str, str], above: str, decides: bool, customer: str = ""
    ) -> None:
        answer_s = self._signals.answer_s if self._signals is not None else 60.0
        level = _LEVELS.index(unit["kind"])
        self._service(unit)["commands"] = {
            "below": dict(below),
            "decides": decides,
            "above": above,
            "as_one": customer,
            "answer_s": answer_s * (level or 0.5),
        }
        if not unit["customer"]:
            rights = [[AGGREGATOR, service, READ_WRITE, 0] for service in ("signals", "control")]
            self._grant(unit, COMMAND, *rights, [AGGREGATOR, "openadr", READ_WRITE, 0])
            self._grant(unit, RESPONSE, *rights)


def _command(number: int, one: Instruction) -> Spec:
    """Return the record of a command of the scenario."""
    issued_ms = round(one.at_h * HOUR_MS)
    begins_ms = issued_ms if one.begins_h is None else round(one.begins_h * HOUR_MS)
    limits = one.limit_percent is not None
    return {
        "id": f"command-{number}",
        "issued_ms": issued_ms,
        "issuer": _ISSUER,
        "action": "limit" if limits else "set",
        "kinds": list(one.kinds),
        "times_ms": [begins_ms, begins_ms + round(one.lasts_h * HOUR_MS)],
        "percent": [one.limit_percent if limits else one.set_percent],
    }


def _setting(one: CustomerSetting) -> Spec:
    """Return what a customer does at the display."""
    strategy: Spec = {
        "follow": one.follow,
        "max_percent": one.max_percent,
        "max_h": one.max_h,
        "weights": None if one.weights is None else one.weights.model_dump(),
        "limits": None if one.limits is None else one.limits.model_dump(),
    }
    return {
        "at_ms": round(one.at_h * HOUR_MS),
        "strategy": {key: value for key, value in strategy.items() if value is not None},
        "grants": one.grants,
    }


def _light_records(lights: list[GridLight]) -> list[tuple[int, Spec]]:
    levels = {"amber": 1, "red": 2}
    records = []
    for one in lights:
        t_ms = round(one.at_h * HOUR_MS)
        value = {
            "issued_ms": t_ms,
            "times_ms": [t_ms, t_ms + round(one.lasts_h * HOUR_MS)],
            "level": [levels[one.level]],
        }
        records.append((t_ms, value))
    return records
