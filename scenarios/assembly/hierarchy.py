"""The management units, their instruments and actuators: one tree over the grid's areas.

tlgmu/top ─ mvgmu/<area> ─ lvgmu/<area> ─ meter/<area>/<name> ─ cmu/… ─ dmu/…/<device>
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controllers.forecast import copy_policies
from controllers.unit.catalogue import WEATHER_PROVIDER
from fernwatt.gridmodel import Area, GridModel, Terminal
from fernwatt.timebase import SLOT_MS
from scenarios.assembly.ders import der_name, der_plate, split_ders
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.negotiation import check_limits, negotiating, predicting
from scenarios.assembly.outfits import ALWAYS, OUTFITS, PLANTS, kind_of, unit_name
from scenarios.assembly.plants import have_balanced
from scenarios.assembly.plates import is_planned, known_device
from scenarios.schema import ScenarioConfig

__all__ = ["Hierarchy", "House", "make_hierarchy", "plain_unit"]

OPERATOR = "operator"
PROVIDER = "provider/weather"
_LEVELS = ("tlgmu", "mvgmu", "lvgmu", "cmu")
_TOP = "tlgmu/top"
_UPSTREAM = "mv1"
_HOSTS = {
    "dmu": "mcu",
    "sensor": "mcu",
    "dermu": "embedded",
    "gui": "embedded",
    "igmu": "embedded",
    "ugmu": "server",
    "meter": "mcu",
    "cmu": "embedded",
    "lvgmu": "embedded",
    "mvgmu": "server",
    "tlgmu": "server",
    "provider": "cloud",
}
Spec = dict[str, Any]
Services = dict[str, Any]


@dataclass(frozen=True, slots=True)
class House:
    """The units of one customer; ``dmus`` are all that are on the home network with the CMU."""

    terminal: str
    meter: str
    cmu: str
    dmus: tuple[str, ...]


@dataclass(slots=True)
class Hierarchy:
    """All units, instruments and actuators; houses by low-voltage area; areas' parents.

    ``feeds`` are what data providers hand to their units, ``gauges`` read inside of devices,
    ``plants`` are units of devices that belong to no house: unit, parent, terminal. ``plates`` are
    the name plates of devices with a DERMU, by unit. ``bare`` are customers with a meter alone.
    """

    units: list[Spec] = field(default_factory=list)
    instruments: list[Spec] = field(default_factory=list)
    actuators: list[Spec] = field(default_factory=list)
    houses: dict[str, list[House]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    feeds: list[Spec] = field(default_factory=list)
    gauges: list[Spec] = field(default_factory=list)
    plants: list[tuple[str, str, str]] = field(default_factory=list)
    plates: dict[str, Spec] = field(default_factory=dict)
    bare: dict[str, list[House]] = field(default_factory=dict)

    def metered(self, area: str) -> list[House]:
        """Return all houses of an area, those without a unit of their own at the end."""
        return [*self.houses.get(area, ()), *self.bare.get(area, ())]


def make_hierarchy(config: ScenarioConfig, model: GridModel, fleet: Fleet) -> Hierarchy:
    """Return the units that a scenario's grid and devices call for."""
    builder = _Builder(config, fleet, {bus.id: bus.vn_v for bus in model.buses})
    areas = [area for area in model.areas if area.kind == "lv"]
    customers: dict[str, list[Terminal]] = {area.id: [] for area in areas}
    for terminal in model.terminals:
        if terminal.customer and terminal.area in customers:
            customers[terminal.area].append(terminal)
    below: dict[str, list[str]] = {}
    for area in areas:
        above = area.parent or _UPSTREAM
        below.setdefault(f"mvgmu/{above}", []).append(f"lvgmu/{area.id}")
        builder.substation(area, f"mvgmu/{above}", customers[area.id])
    for name in sorted(below, key=str.encode):
        services = {"aggregation": builder.adds} | builder.forecast("mvgmu", _TOP)
        services |= builder.balancing_above("mvgmu", name, below[name], _TOP)
        builder.unit("mvgmu", name, name.partition("/")[2], _TOP, below[name], services)
    top = {"aggregation": builder.adds} | builder.forecast("tlgmu", PROVIDER)
    top |= builder.balancing_above("tlgmu", _TOP, sorted(below), "")
    builder.unit("tlgmu", _TOP, "", "", sorted(below), top)
    builder.check_limits()
    builder.plants({terminal.id: terminal for terminal in model.terminals})
    if config.services.forecast is not None:
        builder.provider()
    return builder.made


def plain_unit(  # noqa: PLR0917 - a unit has that many parts
    config: ScenarioConfig,
    kind: str,
    name: str,
    area: str,
    parent: str,
    children: list[str],
    services: Mapping[str, Any],
    *,
    customer: str = "",
    instruments: tuple[str, ...] = (),
    actuators: Mapping[str, str] | None = None,
    owner: str = "",
) -> Spec:
    """Return one unit, of its customer, of another ``owner`` or of the operator."""
    hosted = config.network.hosting
    hosts = _HOSTS | {str(unit): host for unit, host in hosted.items() if host != "in-place"}
    hosts |= {str(kind): host for kind, host in config.units.hosts.items()}
    owner = owner or customer or OPERATOR
    return {
        "id": name,
        "kind": kind,
        "area": area,
        "parent": parent,
        "children": children,
        "customer": customer,
        "owner": owner,
        "host": hosts[kind],
        "instruments": list(instruments),
        "actuators": dict(actuators or {}),
        "services": dict(services),
    } | ({"policies": copy_policies(owner)} if "forecast" in services else {})


class _Builder:
    def __init__(self, config: ScenarioConfig, fleet: Fleet, vn_v: Mapping[str, float]) -> None:
        self._config, self._fleet, self._vn_v = config, fleet, vn_v
        self._devices: dict[str, list[Spec]] = {}
        wanted = {*ALWAYS, *config.units.control}
        for device in fleet.devices:
            if kind_of(device) in wanted and _is_added(device, fleet):
                self._devices.setdefault(device["terminal"], []).append(device)
        metering = config.units.metering
        self._devices, self._ders = split_ders(config, self._devices)
        self.sums = {"period_s": metering.period_s, "spread_s": metering.spread_s}
        self.adds = self.sums | {"most_w": metering.most_w}
        self.made = Hierarchy()
        self._steered: dict[str, int] = {}  # houses below a unit that takes part in balancing

    def unit(  # noqa: PLR0917 - a unit has that many parts
        self,
        kind: str,
        name: str,
        area: str,
        parent: str,
        children: list[str],
        services: Mapping[str, Any],
        *,
        customer: str = "",
        instruments: tuple[str, ...] = (),
        actuators: Mapping[str, str] | None = None,
        owner: str = "",
    ) -> None:
        """Add one unit, of its customer, of another ``owner`` or of the operator."""
        unit = plain_unit(
            self._config, kind, name, area, parent, children, services, customer=customer,
            instruments=instruments, actuators=actuators, owner=owner,
        )  # fmt: skip
        self.made.units.append(unit)

    def plants(self, terminals: Mapping[str, Terminal]) -> None:
        """Add the units of generators that stand in no house, below their area's unit."""
        units = {unit["id"]: unit for unit in self.made.units}
        housed = {house.terminal for houses in self.made.houses.values() for house in houses}
        for place in sorted(self._devices.keys() - housed, key=str.encode):
            terminal = terminals[place]
            names = [f"{kind}/{terminal.area}" for kind in ("lvgmu", "mvgmu")]
            parent = next((name for name in names if name in units), _TOP)
            for device in self._devices[place]:
                if kind_of(device) not in PLANTS:
                    continue  # of customers without a unit of their own
                own = self._config.units.dermu is not None
                name = der_name(device) if own else unit_name(device)
                self._device_unit(name, device, terminal, parent)
                units[parent]["children"].append(name)
                above = units[parent]
                have_balanced(self._config, self._fleet, device, self.made.units[-1], above)
                self.made.plants.append((name, parent, place))
        for place in sorted(self._ders, key=str.encode):
            self._visible(terminals[place], units)

    def _visible(self, terminal: Terminal, units: Mapping[str, Spec]) -> None:
        """Add the units of a customer's devices that the operator sees."""
        names = [f"{kind}/{terminal.area}" for kind in ("lvgmu", "mvgmu")]
        parent = next((name for name in names if name in units), _TOP)
        for device in self._ders[terminal.id]:
            name = der_name(device)
            self._device_unit(name, device, terminal, parent)
            units[parent]["children"].append(name)
            self.made.plants.append((name, parent, terminal.id))

    def provider(self) -> None:
        """Add the unit of a data provider, beside the top, and what it is fed with."""
        feed = f"{PROVIDER}/feed"
        self.unit("provider", PROVIDER, "", "", [], {}, owner=WEATHER_PROVIDER, instruments=(feed,))
        forecasts = self._fleet.forecasts
        self.made.feeds.append(
            {
                "id": feed,
                "variable": "weather.forecast",
                "times_ms": [forecast["issued_ms"] for forecast in forecasts],
                "values": list(forecasts),
            }
        )

    def forecast(self, kind: str, source: str) -> Services:
        """Return the service of a unit that follows the forecasts of ``source``, if it does."""
        wanted = self._config.services.forecast
        if wanted is None or _LEVELS.index(kind) > _LEVELS.index(wanted.to):
            return {}
        patience_s = 60.0 * (1 + _LEVELS.index(kind))
        times = {"every_s": wanted.every_h * 3600.0, "patience_s": patience_s}
        return {"forecast": {"source": source, **times}}

    def substation(self, area: Area, parent: str, customers: list[Terminal]) -> None:
        """Add the unit of a secondary substation and all houses below it."""
        name = f"lvgmu/{area.id}"
        houses = [self._house(terminal, name) for terminal in customers]
        self.made.houses[area.id], self.made.parents[area.id] = houses, parent
        instruments = []
        if area.transformer:
            instruments.append(f"{name}/transformer")
            self._instrument(instruments[0], "substation", area.transformer)
        services: dict[str, Any] = {"aggregation": self.adds} | self.forecast("lvgmu", parent)
        if self._steers and houses:
            services["balancing"] = self._parent_params(houses) | self._role("lvgmu", parent)
            services["balancing"] |= negotiating(self._config.services.balancing, name)
            self._steered[name] = len(houses)
        children = [house.meter for house in houses]
        self.unit(
            "lvgmu", name, area.id, parent, children, services, instruments=tuple(instruments)
        )

    @property
    def _steers(self) -> bool:
        return self._config.services.balancing.mode == "steering"

    def _house(self, terminal: Terminal, substation: str) -> House:
        tail = terminal.id.partition("/")[2]
        meter, cmu = f"meter/{tail}", f"cmu/{tail}"
        devices = self._devices.get(terminal.id, [])
        dmus = [unit_name(device) for device in devices]
        for dmu, device in zip(dmus, devices, strict=True):
            self._device_unit(dmu, device, terminal, cmu)
        source = PROVIDER if self._config.network.internet else substation
        services = self.forecast("cmu", source)
        if self._steers:
            services["balancing"] = self._child_params(devices, dmus, meter, substation)
        self.unit("cmu", cmu, terminal.area, meter, dmus, services, customer=terminal.customer)
        register = f"{meter}/register"
        self._instrument(register, "meter", terminal.id, history=self._history(terminal.id))
        self.unit(
            "meter", meter, terminal.area, substation, [cmu], {"metering": self.sums},
            customer=terminal.customer, instruments=(register,),
        )  # fmt: skip
        return House(terminal.id, meter, cmu, tuple(dmus))

    def _device_unit(self, name: str, device: Spec, terminal: Terminal, parent: str) -> None:
        kind, actuators = kind_of(device), {}
        outfit, target = OUTFITS[kind], device["id"]
        instruments = [f"{name}/instrument"]
        self._instrument(instruments[0], outfit.register, target, terminal=terminal.id)
        own = self._config.units.dermu if name.startswith("dermu/") else None
        if own is not None:
            instruments.append(f"{name}/inverter")
            gauge = {"id": instruments[-1], "kind": "inverter", "target": target}
            phases = len(terminal.phases) if self._config.grid.solver == "four-wire" else 3
            gauge |= {"terminal": terminal.id, "conductors": phases}
            self.made.gauges.append(gauge | {"period_ms": own.period_s * 1000})
            takes, vn_v = list(outfit.variables(device)), self._vn_v[terminal.bus]
            self.made.plates[name] = der_plate(device, self._fleet, takes, vn_v)
        if own is not None or kind in self._config.units.control:
            actuator = f"{name}/actuator"
            actuators = dict.fromkeys(outfit.variables(device), actuator)
            instruments.append(actuator)
            self.made.actuators.append({"id": actuator, "unit": name, "target": target})
            if outfit.gauge and not (own and outfit.gauge == "wattmeter"):
                instruments.append(f"{name}/gauge")
                gauge = {"id": instruments[-1], "kind": outfit.gauge}
                self.made.gauges.append(gauge | {"target": target, "terminal": terminal.id})
        self.unit(
            name.partition("/")[0], name, terminal.area, parent, [], {}, customer=terminal.customer,
            instruments=tuple(instruments), actuators=actuators,
        )  # fmt: skip

    def _instrument(self, name: str, kind: str, target: str, **more: Any) -> None:
        units = self._config.units
        metered = kind in ("meter", "substation")
        self.made.instruments.append(
            {
                "id": name,
                "kind": kind,
                "target": target,
                "accuracy_class": float(units.accuracy_class) if metered else 1.0,
                "period_ms": units.metering.period_s * 1000 if metered else SLOT_MS,
                **more,
            }
        )

    def _history(self, terminal: str) -> dict[str, Any] | None:
        power_w = self._fleet.history_w.get(terminal)
        if power_w is None or not len(power_w):
            return None
        energy_wh = power_w * (SLOT_MS / 3.6e6)
        return {
            "start_ms": -len(power_w) * SLOT_MS,
            "step_ms": SLOT_MS,
            "import_wh": [round(float(value), 3) for value in energy_wh.clip(min=0)],
            "export_wh": [round(float(-value), 3) for value in energy_wh.clip(max=0)],
        }

    def _role(self, kind: str, parent: str) -> dict[str, Any]:
        """Return how a unit of that kind takes part in balancing above the houses."""
        levels = ("lvgmu", "mvgmu", "tlgmu")
        if levels.index(kind) < levels.index(self._config.services.balancing.root):
            return {"role": "middle", "parent": parent}
        return {"role": "parent"}

    def check_limits(self) -> None:
        """Raise ScenarioError where a limit is of a unit that does not negotiate."""
        check_limits(self._config.services.balancing, sorted(self._steered))

    def balancing_above(self, kind: str, name: str, below: list[str], parent: str) -> Services:
        """Return the service of a unit above substations, if it takes part in balancing.

        It waits as long as the largest of those below may take to ask its houses in turn.
        """
        wanted, levels = self._config.services.balancing, ("lvgmu", "mvgmu", "tlgmu")
        children = [unit for unit in below if unit in self._steered]
        if levels.index(kind) > levels.index(wanted.root) or not children:
            return {}
        houses = max(self._steered[unit] for unit in children)
        self._steered[name] = sum(self._steered[unit] for unit in children)
        params = {
            "start": self._config.time.start,
            "children": children,
            "replan_s": float(wanted.replan_s),
            "horizon_slots": wanted.horizon_h * 4,
            "round_timeout_s": min(wanted.round_timeout_s * (1 + houses / wanted.parallel), 600.0),
            "parallel": len(children),
            "max_rounds": wanted.max_rounds,
            "budget_s": 0.6 * wanted.replan_s,
        }
        return {"balancing": params | self._role(kind, parent) | negotiating(wanted, name)}

    def _parent_params(self, houses: list[House]) -> dict[str, Any]:
        wanted = self._config.services.balancing
        return {
            "start": self._config.time.start,
            "children": [house.cmu for house in houses],
            "meters": {house.cmu: house.meter for house in houses},
            "replan_s": float(wanted.replan_s),
            "horizon_slots": wanted.horizon_h * 4,
            "round_timeout_s": wanted.round_timeout_s,
            "parallel": wanted.parallel,
            "max_rounds": wanted.max_rounds,
        }

    def _child_params(
        self, devices: list[Spec], dmus: list[str], meter: str, substation: str
    ) -> dict[str, Any]:
        latitude, longitude = self._fleet.place
        return {
            "role": "child",
            "start": self._config.time.start,
            "parent": substation,
            "meter": meter,
            "forecast": bool(self.forecast("cmu", substation)),
            "latitude_deg": round(latitude, 4),
            "longitude_deg": round(longitude, 4),
            "devices": [
                known_device(self._fleet, device, dmu, self._config)
                for device, dmu in zip(devices, dmus, strict=True)
                if is_planned(self._config, kind_of(device))
            ],
        } | predicting(self._config.services.balancing)


def _is_added(device: Spec, fleet: Fleet) -> bool:
    """Tell whether the scenario added a device; the record's own have no management unit."""
    return device["kind"] != "pv" or device["id"] in fleet.panels
