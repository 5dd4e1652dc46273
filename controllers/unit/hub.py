"""All units of a process behind one call per tick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controllers.compromised import compromise
from controllers.security.envelope import Envelope
from controllers.unit.auditing import AUDITS, AuditLog
from controllers.unit.books import Row
from controllers.unit.catalogue import CATALOGUE, Catalogue
from controllers.unit.channels import check_speaking, make_channels
from controllers.unit.codec import CODECS
from controllers.unit.contracts import Terms
from controllers.unit.directory import Directory
from controllers.unit.factories import ServiceFactory, find_factory
from controllers.unit.failures import parse_failures
from controllers.unit.host import Host, host_class
from controllers.unit.maintenance import KEPT, Maintenance, Modules
from controllers.unit.membership import Membership, Memberships
from controllers.unit.memory import MEMORIES, Memory, make_memory
from controllers.unit.notes import Notebook
from controllers.unit.policy import PolicyBook
from controllers.unit.security import LEVELS, Security
from controllers.unit.service import Service
from controllers.unit.settings import (
    named,
    read_flows,
    read_policies,
    read_routing,
    read_variables,
)
from controllers.unit.surroundings import FAILURE_TIMER, RESTART_TIMER, Surroundings
from controllers.unit.unit import ManagementUnit
from fernwatt.errors import Fault, ScenarioError, SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Command, Delivery, Event, Frame, NodeUp, Reading
from fernwatt.streams import stream

__all__ = ["Outputs", "UnitsCore"]

_HOLD_MS = 60_000
_HOME_SPREAD_MS = 500


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a step made; ``rows`` holds the events too."""

    frames: list[Frame] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class UnitsCore:
    """The management units of ``spec``, their hosts and their one timer heap.

    ``spec`` is ``{units: [unit], flows: {name: {priority, timeout_ms, retries}}, hosts: {class:
    {parse_us, build_us, parse_ns_per_byte, build_ns_per_byte, sign_us, verify_us,
    cipher_ns_per_byte}}, codec, security: none | integrity | integrity+secrecy, memory:
    volatile | disk, routing: direct | levels, audit: off | denied | all, group: {start, …}
    (see ``Memberships``), reliable: [variable]}``; all but ``units`` may be left out. A unit is
    ``{id, kind, area, parent, children, customer, owner, host, instruments, actuators: {variable:
    actuator}, services: {name: params}, stakeholders: {service: stakeholder}, policies: {variable:
    policy}, prefer: latest | default, speaks: {peer: protocol}, links: {peer:
    foreign protocol}}``; units with
    ``host: {class, name}`` of the same name share a processor. ``factories`` makes services that
    are given in code; others are found by name. ``memory`` is where units keep what survives
    their restart; ``failures``, in the specification, ``[{unit, at_ms, until_ms}]``: a unit is
    killed, and rebuilt from its memory alone (``until_ms`` null: never). Rows are held back until
    there are ``hold_rows`` of them or a simulated minute has passed, to spare the recorder steps.
    Raises ScenarioError.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        seed: int,
        *,
        factories: Mapping[str, ServiceFactory] | None = None,
        catalogue: Catalogue = CATALOGUE,
        memory: Memory | None = None,
        hold_rows: int = 0,
    ) -> None:
        units = sorted(spec["units"], key=lambda unit: unit["id"].encode())
        directory = Directory(units, catalogue)
        self._around = Surroundings(
            seed,
            catalogue=catalogue,
            directory=directory,
            codec=named(CODECS, spec.get("codec", "cbor"), "codec")(catalogue),
            flows=read_flows(spec.get("flows", {})),
            routing=read_routing(spec),
        )
        self._around.reliable = read_variables(spec.get("reliable", ()), catalogue)
        level = spec.get("security", "none")
        named(dict.fromkeys(LEVELS), level, "security")
        self._security = Security(level, seed)
        self._factories = dict(factories or {})
        self._audit: str = spec.get("audit", "denied")
        named(dict.fromkeys(AUDITS), self._audit, "audit")
        kind = spec.get("memory", "volatile")
        named(dict.fromkeys(MEMORIES), kind, "memory")
        self._memory = memory or make_memory(kind, self._security.at_rest)
        self._memberships: Memberships | None = None
        if (group := spec.get("group")) is not None:
            speakers = {unit["id"]: self._speakers(unit) for unit in units}
            self._join_routes(units, level)
            self._memberships = Memberships(group, level, seed, directory, speakers)
        self._host_overrides: Mapping[str, Any] = spec.get("hosts") or {}
        self._hosts: dict[str, Host] = {}
        self._units: dict[str, ManagementUnit] = {}
        self._instruments: dict[str, str] = {}
        self._specs: dict[str, tuple[Mapping[str, Any], str]] = {}
        check_speaking(units)
        for i, unit in enumerate(units):
            self._specs[unit["id"]] = (unit, f"units[{i}]")
            self._wire(unit, f"units[{i}]")
            self._units[unit["id"]] = self._build(unit["id"])
        self._failures = parse_failures(spec.get("failures", ()), self._specs)
        for number, failure in enumerate(self._failures):
            self._around.timer(failure.at_ms, failure.unit, FAILURE_TIMER, str(number))
        self._born: dict[str, int] = {}
        self._booting: set[str] = set()
        self._name = Sequencer("units")
        self._started = self._closed = False
        self._hold_rows, self._rows_ms = hold_rows, 0

    @property
    def directory(self) -> Directory:
        """The directory of all units."""
        return self._around.directory

    @property
    def counters(self) -> Mapping[str, int]:
        """What was dropped or repeated, by reason."""
        return self._around.counters

    def unit(self, identifier: str) -> ManagementUnit:
        """Return one unit; raises KeyError."""
        return self._units[identifier]

    def service(self, unit: str, name: str) -> Service:
        """Return one service of one unit; raises KeyError."""
        return self._units[unit].service(name)

    # -- the tick ----------------------------------------------------------------------------

    def next_ms(self) -> int | None:
        """Return when the next timer is due, None when there is none; 0 before the start."""
        return self._around.next_ms() if self._started else 0

    def step(
        self,
        t_ms: int,
        readings: Iterable[Reading] = (),
        deliveries: Iterable[Delivery] = (),
        node_up: Iterable[NodeUp] = (),
    ) -> Outputs:
        """Take what came at ``t_ms``: node changes, readings, timers, deliveries, in this order.

        A tick may have several calls. Raises SimulationError on time that runs backwards and on
        what is addressed to nobody.
        """
        around = self._around
        if t_ms < around.now_ms:
            raise SimulationError(f"units are at {around.now_ms} ms and cannot step to {t_ms} ms")
        self._timers(t_ms - 1)
        around.now_ms = t_ms
        if not self._started:
            self._started = True
            for unit in self._units.values():
                unit.start()
        for change in node_up:
            if change.unit in self._units:  # the network has nodes that are no units
                self._units[change.unit].node(change)
        for reading in readings:
            if (measuring := self._instrument(reading)) is not None:
                measuring.reading(reading)
        self._timers(t_ms)
        for delivery in deliveries:
            if (receiver := self._receiver(delivery)) is not None:
                receiver.delivery(delivery)
        self._timers(t_ms)
        self._memory.commit()
        return self._take()

    def drain(self) -> None:
        """Call the services with what waits for them after requests from outside any step."""
        for unit in self._units.values():
            unit.drain()

    def close(self, end_ms: int) -> Outputs:
        """Close the books at ``end_ms``: open requests are recorded as issued, without outcome."""
        self._around.now_ms = max(end_ms, self._around.now_ms)
        if not self._closed:
            self._closed = True
            for unit in self._units.values():
                unit.close()
            self._memory.close()
        return self._take()

    def _timers(self, t_ms: int) -> None:
        around = self._around
        while (timer := around.due(t_ms)) is not None:
            at_ms, serial, unit, kind, key = timer
            around.now_ms = at_ms
            if kind == FAILURE_TIMER:
                self._fail(unit, int(key))
            elif kind == RESTART_TIMER:
                self._restart(unit, int(key), serial)
            elif unit in self._units and serial > self._born.get(unit, 0):
                self._units[unit].due(kind, key, serial)

    def _restart(self, unit: str, boot_ms: int, serial: int) -> None:
        """Have a unit begin anew of its own will, ``boot_ms`` later; or end that."""
        if unit in self._booting:
            self._booting.remove(unit)
            self.revive(unit)
        elif unit in self._units and serial > self._born.get(unit, 0):
            self.kill(unit)
            self._booting.add(unit)
            self._around.timer(self._around.now_ms + boot_ms, unit, RESTART_TIMER, str(boot_ms))

    def _fail(self, unit: str, number: int) -> None:
        if unit in self._booting:
            self._booting.remove(unit)  # it dies before it is back, and comes back later
        elif unit not in self._units:
            self.revive(unit)
            return
        else:
            self.kill(unit)
        until_ms = self._failures[number].until_ms
        if until_ms is not None:
            self._around.timer(until_ms, unit, FAILURE_TIMER, str(number))

    def kill(self, unit: str) -> None:
        """Kill a unit: all that it held but its memory is gone."""
        self._units.pop(unit).close()
        self._tell("unit_killed", unit)

    def revive(self, unit: str) -> None:
        """Build a killed unit anew from what it remembers, and start its services."""
        self._tell("unit_restarted", unit)
        self._born[unit] = self._around.serial
        self._units[unit] = self._build(unit, self._around.now_ms)
        self._units = dict(sorted(self._units.items(), key=lambda item: item[0].encode()))
        self._units[unit].start()

    def _tell(self, kind: str, unit: str) -> None:
        t_us = self._around.now_ms * 1000
        self._around.event(Event(self._name(), "", t_us, kind, unit, None))

    def _take(self) -> Outputs:
        around = self._around
        rows: list[Row] = []
        waited_ms = around.now_ms - self._rows_ms
        if self._closed or len(around.books) >= self._hold_rows or waited_ms >= _HOLD_MS:
            rows, self._rows_ms = around.books.take(), around.now_ms
        out = Outputs(around.frames, around.commands, rows, around.events)
        around.frames, around.commands, around.events = [], [], []
        return out

    def _instrument(self, reading: Reading) -> ManagementUnit | None:
        """Return the unit of an instrument, None where it is down."""
        unit = self._instruments.get(reading.instrument)
        if unit is None:
            raise SimulationError(f"no unit has the instrument {reading.instrument}")
        return self._units.get(unit)

    def _receiver(self, delivery: Delivery) -> ManagementUnit | None:
        """Return the unit that a frame is for, None where it is down."""
        if delivery.dst not in self._specs:
            raise SimulationError(f"frame {delivery.id} was delivered to {delivery.dst}, no unit")
        return self._units.get(delivery.dst)

    # -- set-up ------------------------------------------------------------------------------

    def _join_routes(self, units: Iterable[Mapping[str, Any]], level: str) -> None:
        """Let units reach the parents they may have to take in place of their own."""
        routes = self._around.routes
        if routes.by_levels and level != "none":
            hint = "security none, routing direct, or no group"
            message = "units that learn of each other by certificates cannot reach far ones unseen"
            raise ScenarioError([Fault("routing", message, hint)])
        for unit in units:
            group = (unit.get("services") or {}).get("group") or {}
            for backup in group.get("backups") or ():
                routes.beside(unit["id"], backup)

    def _wire(self, spec: Mapping[str, Any], path: str) -> None:
        for instrument in spec.get("instruments", ()):
            if instrument in self._instruments:
                raise ScenarioError([Fault(path, f"{instrument} belongs to two units")])
            self._instruments[instrument] = spec["id"]

    def _build(self, identifier: str, since_ms: int | None = None) -> ManagementUnit:
        """Return a unit as its specification has it, with what it remembers."""
        spec, path = self._specs[identifier]
        store, notes = self._memory.of(identifier)
        maintenance = Maintenance(notes)
        if maintenance.wants_reset:
            maintenance.forgot()
            self._memory.wipe(identifier, KEPT)
            store, notes = self._memory.of(identifier)
            maintenance = Maintenance(notes)
        modules = maintenance.begin()
        catalogue = self._around.catalogue
        channels = make_channels(identifier, spec.get("speaks") or {}, catalogue, notes, path)
        services: Mapping[str, Mapping[str, Any]] = spec.get("services") or {}
        speakers, host = self._speakers(spec), self._host(spec, path)
        membership, envelope = self._enrol(identifier, speakers, notes, host, since_ms)
        unit = ManagementUnit(
            identifier,
            self._around,
            host=host,
            envelope=envelope,
            membership=membership,
            store=store,
            notes=notes,
            audit=AuditLog(notes, self._security.auditing(identifier), self._audit),
            maintenance=maintenance,
            policies=PolicyBook(read_policies(spec, path), spec.get("prefer", "latest"), notes),
            terms=Terms.of(spec, path),
            aggregator=lambda scheme: self._security.aggregator(identifier, scheme, since_ms or 0),
            actuators=spec.get("actuators") or {},
            links=spec.get("links") or {},
            channels=channels,
            protected=self._security.protected(identifier, channels),
            report_ms=self._report_ms(
                identifier, modules.params("metering", services.get("metering") or {})
            ),
            home_ms=self._draw_ms(identifier, "home", _HOME_SPREAD_MS)
            if spec.get("customer")
            else 0,
        )
        try:
            for name in sorted(services):
                service = self._service(spec, path, name, modules)
                unit.add(compromise(service, spec, path), speakers[name])
        except ScenarioError as error:
            if not maintenance.on_trial:
                raise
            maintenance.back(f"cannot begin: {error}")
            return self._build(identifier, since_ms)
        return unit

    def _speakers(self, spec: Mapping[str, Any]) -> dict[str, str]:
        """Return for whom each service of a unit speaks."""
        owner, stakeholders = self.directory[spec["id"]].owner, spec.get("stakeholders") or {}
        return {name: stakeholders.get(name, owner) for name in spec.get("services") or {}}

    def _enrol(
        self,
        unit: str,
        speakers: dict[str, str],
        notes: Notebook,
        host: Host,
        since_ms: int | None,
    ) -> tuple[Membership | None, Envelope]:
        """Return a unit's part in group management, if there is one, and its envelope."""
        around, enrol = self._around, self._security.enrol
        if self._memberships is None:
            return None, enrol(unit, speakers, notes, since_ms)
        membership = self._memberships.of(
            unit,
            notes,
            lambda: around.now_ms,
            lambda count: host.work(around.now_ms * 1000, "verify", count),
        )
        known = None if membership.trust is None else membership.trust.keys
        envelope = enrol(unit, speakers, notes, since_ms, known)
        return membership, self._memberships.envelope(membership, envelope)

    def _service(self, spec: Mapping[str, Any], path: str, name: str, modules: Modules) -> Service:
        """Return one service of a unit, in the version and with the parameters it has now."""
        version, where = modules.version(name), f"{path}.services.{name}"
        factory = self._factories.get(f"{name}@{version}" if version else name)
        factory = factory or find_factory(name, where, version)
        params = modules.params(name, (spec.get("services") or {})[name] or {})
        return factory(spec, params, self.directory)

    def _host(self, spec: Mapping[str, Any], path: str) -> Host:
        wanted = spec.get("host", "embedded")
        kind, name = (
            (wanted, spec["id"])
            if isinstance(wanted, str)
            else (wanted["class"], wanted.get("name", spec["id"]))
        )
        if name not in self._hosts:
            overrides = self._host_overrides.get(kind) or {}
            hardware = host_class(kind, overrides, f"{path}.host")
            self._hosts[name] = Host(hardware, self._security.crypto)
        return self._hosts[name]

    def _report_ms(self, unit: str, metering: Mapping[str, Any]) -> int:
        """Return this unit's own place in the reporting schedule, after each slot boundary."""
        return self._draw_ms(unit, "report", round(metering.get("spread_s", 0) * 1000))

    def _draw_ms(self, unit: str, name: str, spread_ms: int) -> int:
        if spread_ms <= 0:
            return 0
        return int(stream(self._around.seed, "units", f"{unit}\x1f{name}").integers(spread_ms))
