"""Which groups of data each kind of unit has, and which of the five flows a variable is part of.

The one table of it: kind → group → what is in it, how it gets there, who writes it. The docs'
tables and a run's description (``topology.json``) are made of it, tests hold runs to it.

Ways: ``gathers`` (the unit's own instruments), ``makes`` (a service of the unit), ``hears`` (reads
at the unit that has it), ``told`` (written here from above or by the customer), ``orders``
(written to units below or to its own actuators).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controllers.unit.catalogue import Catalogue
from controllers.unit.policy import READ, READ_WRITE, WRITE

__all__ = ["FLOWS", "GROUPS", "KINDS", "LATER", "Group", "Item", "described", "flow_of"]

KINDS = {
    "sensor": "indicator or line sensor with a node of its own; drives are addresses of the unit "
    "above",
    "dmu": "device management unit",
    "gui": "GUI device: the customer's display",
    "cmu": "customer management unit",
    "meter": "smart meter, between customer and operator",
    "dermu": "management unit of a generator or store that the operator may see and order",
    "lvgmu": "low-voltage grid management unit, at a secondary substation",
    "igmu": "intermediate level, where a scenario wants one",
    "mvgmu": "medium-voltage grid management unit, at a primary substation",
    "tlgmu": "top-level grid management unit, the control centre",
    "ugmu": "upper unit that coordinates operators, where a scenario wants one",
    "provider": "unit of a data provider, beside the top",
}
FLOWS = {
    "energy": "consumption and production, upwards",
    "status": "state of assets, measurements and alarms, upwards",
    "control": "orders and set-points, downwards",
    "information": "prices, forecasts and the grid's description, downwards",
    "balancing": "profiles of the negotiation, both ways",
}
_FLOW_OF = {
    "energy": (
        "energy.import", "energy.export", "load_profile", "device.energy", "area.energy",
        "meter.values", "area.values", "load.diagram", "energy.hidden", "energy.missing",
        "area.hidden", "area.held",
    ),
    "status": (
        "voltage", "battery.soc", "ev.session", "confirm", "device.power", "thermal.temperature",
        "tank.temperature", "appliance.request", "meter.phases", "voltage.mean", "voltage.quality",
        "line.phases", "fault.passage", "switch.position", "tap.position", "light.position",
        "supply.outage", "supply.quality", "house.status", "der.parameters", "der.measurements",
        "der.alarm", "area.der", "der.summary", "quality.summary", "regulation.state",
        "regulation.summary",
        "sensor.values", "node.estimate", "fault.report", "fraud.report", "loss.total",
        "tariff.active", "alarm", "signal.response", "control.capability", "display.page",
        "gateway.event", "gateway.status", "device.deviation",
    ),
    "control": (
        "set_point", "reactive_set_point", "thermal.band", "appliance.start", "switch.order",
        "tap.order", "crew.order", "light.order", "load.set_point", "der.set_point",
        "der.command", "regulation.command", "area.set_point", "signal.command",
        "customer.strategy", "device.override", "device.limit", "flex.assignment", "gateway.reply",
        "response.request", "response.call", "response.choice",
    ),
    "information": (
        "weather.forecast", "tariff.table", "der.configuration", "registry.change",
        "registry.have", "grid.model", "grid.phases", "loss.reference", "signal.price",
        "signal.grid", "openadr.payload", "openadr.answer",
    ),
    "balancing": (
        "flex.offer", "flex.prognosis", "flex.request", "flex.bid", "flex.order",
        "flex.settlement", "flex.statement",
        "balancing.signal", "balancing.offer", "balancing.accept", "balancing.profile",
        "balancing.request", "balancing.update", "balancing.windows", "balancing.agreed",
        "response.answer", "response.promise", "response.delivery",
        "auction.bid", "auction.price",
        "balancing.limit",
    ),
}  # fmt: skip
_BY_VARIABLE = {name: flow for flow, names in _FLOW_OF.items() for name in names}
LATER = {
    "node.estimate": "lv-monitoring",
    "fault.report": "fdir",
    "fraud.report": "fraud",
    "loss.total": "losses",
}
"""Variables whose writing service comes later: declared, and in no run until then."""


@dataclass(frozen=True, slots=True)
class Item:
    """One variable of a group: how the unit comes by it (see the module), and who writes it."""

    way: str
    variable: str
    writer: str


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a kind of unit."""

    number: int
    title: str
    items: tuple[Item, ...]


def flow_of(variable: str) -> str:
    """Return the flow of a variable; ``platform`` for what units say of themselves."""
    return _BY_VARIABLE.get(variable, "platform")


def _groups(*entries: tuple[str, str]) -> tuple[Group, ...]:
    """Return groups of ``(title, "way variable writer; …")``."""
    groups = []
    for number, (title, text) in enumerate(entries, 1):
        items = [Item(*part.split()) for part in text.split(";") if part.strip()]
        groups.append(Group(number, title, tuple(items)))
    return tuple(groups)


_DEVICES = """gathers device.energy instrument; gathers device.power instrument;
    gathers battery.soc instrument; gathers ev.session instrument;
    gathers thermal.temperature instrument; gathers tank.temperature instrument;
    gathers appliance.request instrument"""
_BALANCING = """makes balancing.offer balancing; makes balancing.profile balancing;
    makes balancing.update balancing; told balancing.signal balancing;
    told balancing.accept balancing; told balancing.request balancing"""
GROUPS: Mapping[str, tuple[Group, ...]] = {
    "sensor": _groups(
        ("measurements and status", """gathers line.phases instrument;
            gathers fault.passage instrument; gathers switch.position instrument;
            gathers tap.position instrument; gathers light.position instrument;
            gathers confirm instrument"""),
    ),
    "dmu": _groups(
        ("measurements and status", _DEVICES),
        ("control commands", """told set_point cmu; told reactive_set_point cmu;
            told thermal.band cmu; told appliance.start cmu; gathers confirm instrument"""),
    ),
    "gui": _groups(
        ("the customer's data", """hears energy.import display; hears energy.export display;
            hears voltage display; hears supply.quality display; hears signal.price display;
            makes display.page display"""),
        ("strategy, access rights, contract", "orders customer.strategy display"),
    ),
    "cmu": _groups(
        ("status and measurements of the devices", """hears device.energy home;
            hears device.power home; hears battery.soc home; hears ev.session home"""),
        ("control of the devices", "orders set_point balancing; told customer.strategy display"),
        ("status of the house, upwards", "makes house.status home"),
        ("from the meter", """hears load.set_point home; hears tariff.active home;
            hears tariff.table home"""),
        ("balancing", f"{_BALANCING}; told weather.forecast forecast"),
    ),
    "meter": _groups(
        ("measurements", """gathers energy.import instrument; gathers energy.export instrument;
            gathers voltage instrument; gathers meter.phases instrument;
            gathers load_profile instrument; gathers voltage.mean instrument;
            gathers voltage.quality instrument; gathers supply.outage instrument"""),
        ("derived values", "makes meter.values values"),
        ("quality of supply", "makes supply.quality values"),
        ("tariffs", "told tariff.table registry; makes tariff.active tariffs"),
        ("load-control set-point", "told load.set_point orders"),
    ),
    "dermu": _groups(
        ("configuration", "told der.configuration registry"),
        ("parameters", "makes der.parameters der"),
        ("set-points", """told der.set_point orders; orders set_point der;
            orders reactive_set_point der; told regulation.command orders;
            makes regulation.state der"""),
        ("start and stop", "told der.command orders"),
        ("measurements", f"gathers der.measurements instrument; {_DEVICES}"),
        ("alarms", "makes der.alarm der"),
    ),
    "lvgmu": _groups(
        ("measurements of all below", """hears meter.values concentrator;
            hears house.status concentrator; hears der.measurements concentrator;
            gathers energy.import instrument; gathers energy.export instrument;
            gathers voltage instrument; gathers line.phases instrument;
            gathers tap.position instrument; makes sensor.values values;
            makes area.values concentrator; makes area.energy aggregation"""),
        ("configuration from above", """told grid.model registry; told grid.phases registry;
            told registry.change registry; told registry.have registry"""),
        ("estimates of each node", "makes node.estimate lv-monitoring"),
        ("generators and stores", "hears der.parameters concentrator; makes area.der concentrator"),
        ("signals of faults", "gathers fault.passage instrument; hears der.alarm concentrator"),
        ("faults and where they are", "makes fault.report fdir"),
        ("fraud", "makes fraud.report fraud"),
        ("quality of service", """hears supply.quality concentrator;
            makes quality.summary concentrator"""),
        ("voltage regulation", """hears regulation.state concentrator;
            makes regulation.summary concentrator; told regulation.command orders"""),
        ("losses", "makes loss.total losses; told loss.reference registry"),
        ("balancing, injection, load control", f"""told area.set_point orders;
            orders load.set_point orders; orders der.set_point orders; orders der.command orders;
            makes load.diagram concentrator; told tariff.table registry; {_BALANCING}"""),
    ),
    "mvgmu": _groups(
        ("balancing and profiles", """makes area.energy aggregation;
            hears load.diagram concentrator; told area.set_point orders;
            orders area.set_point orders"""),
        ("configuration", """told grid.model registry; told loss.reference registry;
            told tariff.table registry; told registry.change registry;
            told registry.have registry"""),
        ("measurements of sensors and their derivatives", """gathers line.phases instrument;
            gathers fault.passage instrument; makes sensor.values values;
            hears der.measurements concentrator; hears area.values concentrator;
            makes area.values concentrator; hears area.der concentrator"""),
        ("results and commands of the grid's services", """makes fault.report fdir;
            makes loss.total losses; makes quality.summary concentrator;
            makes regulation.summary concentrator; told regulation.command orders;
            orders switch.order fdir; orders tap.order fdir"""),
    ),
    "tlgmu": _groups(
        ("results and signals from below", """hears area.energy aggregation;
            hears area.values exports; hears quality.summary exports; hears area.der exports;
            hears regulation.summary exports; hears fault.report exports;
            hears fraud.report exports; hears loss.total exports; hears load.diagram exports"""),
        ("details from below", """hears line.phases exports; hears switch.position exports;
            hears tap.position exports; hears meter.values exports;
            hears supply.quality inspection"""),
        ("orders", """orders area.set_point orders; orders regulation.command orders;
            orders crew.order fdir"""),
        ("descriptions for those below", """orders registry.change registry;
            told registry.have registry; makes tariff.table registry"""),
        ("for the control centre's tools", """makes area.energy aggregation;
            makes area.values concentrator"""),
    ),
    "igmu": _groups(
        ("what passes", """makes area.energy aggregation; makes area.values concentrator;
            makes quality.summary concentrator; told area.set_point orders;
            told registry.change registry"""),
    ),
    "ugmu": _groups(
        ("what operators tell", "makes area.energy aggregation; hears area.values concentrator"),
    ),
    "provider": _groups(("forecasts", "gathers weather.forecast instrument")),
}  # fmt: skip


def described(catalogue: Catalogue) -> dict[str, Any]:
    """Return the table as plain data: what a run's folder and the docs are told of it."""
    return {
        "flows": dict(FLOWS),
        "variables": {variable.name: _variable(variable) for variable in _sorted(catalogue)},
        "groups": {
            kind: [
                {
                    "number": group.number,
                    "title": group.title,
                    "items": [
                        {"way": item.way, "variable": item.variable, "writer": item.writer}
                        for item in group.items
                    ],
                }
                for group in groups
            ]
            for kind, groups in GROUPS.items()
        },
    }


def _sorted(catalogue: Catalogue) -> Iterator[Any]:
    yield from sorted(catalogue, key=lambda variable: variable.name.encode())


def _variable(variable: Any) -> dict[str, Any]:
    return {
        "flow": flow_of(variable.name),
        "owner": variable.owner,
        "measure": variable.measure,
        "standard": variable.field,
        "critical": variable.critical,
        "rights": list(_rights(variable.grants)),
        "fields": list(variable.fields),
    }


def _rights(grants: Iterable[Any]) -> Iterator[str]:
    words = {READ: "reads", WRITE: "writes", READ_WRITE: "reads and writes"}
    for grant in grants:
        often = f" every {grant.min_delay_ms // 1000} s at most" if grant.min_delay_ms else ""
        yield f"{grant.stakeholder}/{grant.service} {words.get(grant.rights, 'nothing')}{often}"
