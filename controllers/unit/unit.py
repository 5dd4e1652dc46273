"""The management unit: one class for every level, a level being a configuration.

    services ── Data Interface (Port) ── Caller ─┬─ Server ── RequestProcessor ── store, policies
        └────── Inbox ───────────────────────────┤    └─ Publisher ── Backlog
                                       Gate ─────┴─ Post (codec, envelope) ── frames ── Forwarder

A unit is told of readings, deliveries, timers and its node's state, and answers by putting
frames, commands and rows into its surroundings. A service is only ever called by ``drain``, so
never while it is itself calling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controllers.security.aggregator import Aggregator
from controllers.security.envelope import Envelope
from controllers.unit.actuators import Actuators
from controllers.unit.answers import Answers
from controllers.unit.auditing import AuditLog
from controllers.unit.backlog import Backlog
from controllers.unit.caller import Caller
from controllers.unit.channels import Channel, Protecting
from controllers.unit.contact import Contact
from controllers.unit.contracts import CONFLICT, Terms
from controllers.unit.copies import Copies, Policies
from controllers.unit.forwarding import Forwarder
from controllers.unit.gate import Gate
from controllers.unit.groupvariables import REFUSED as INTRODUCTION_REFUSED
from controllers.unit.host import Host
from controllers.unit.inbox import Inbox
from controllers.unit.links import Links
from controllers.unit.maintenance import ORDER, STATE, Maintenance, is_order
from controllers.unit.membership import Membership
from controllers.unit.notes import Notebook, lasting_sequencer
from controllers.unit.policy import Accessor, PolicyBook
from controllers.unit.port import Port
from controllers.unit.post import Post
from controllers.unit.publisher import Publisher
from controllers.unit.requests import RequestProcessor
from controllers.unit.server import Server
from controllers.unit.service import Result, Service
from controllers.unit.store import Instance, Store
from controllers.unit.surroundings import (
    BACKLOG_TIMER,
    CALL_TIMER,
    PERIOD_TIMER,
    RESTART_TIMER,
    SERVICE_TIMER,
    TRANSIT_TIMER,
    Surroundings,
)
from controllers.unit.transit import Kind, Transit
from controllers.unit.watch import WATCHER, Watch
from controllers.unit.wire import Message, Operation, Request, ValueRefusedError, clean_value
from fernwatt.messages import Delivery, Event, NodeUp, Reading

__all__ = ["ManagementUnit"]


class ManagementUnit:
    """Communication platform and services of one unit, joined only by the Data Interface."""

    __slots__ = (
        "_actuators",
        "_backlog",
        "_contact",
        "_forwarder",
        "_gate",
        "_inbox",
        "_maintenance",
        "_notes",
        "_ports",
        "_post",
        "_publisher",
        "_server",
        "_services",
        "aggregator",
        "around",
        "caller",
        "id",
        "links",
        "membership",
        "node_up",
        "processor",
        "store",
    )

    def __init__(
        self,
        identifier: str,
        around: Surroundings,
        *,
        host: Host,
        envelope: Envelope,
        store: Store,
        notes: Notebook,
        audit: AuditLog,
        maintenance: Maintenance,
        policies: PolicyBook,
        aggregator: Callable[[str], Aggregator],
        terms: Terms,
        actuators: Mapping[str, str],
        links: Mapping[str, str] | None = None,
        channels: Mapping[str, Channel] | None = None,
        protected: Mapping[str, Protecting] | None = None,
        membership: Membership | None = None,
        report_ms: int = 0,
        home_ms: int = 0,
    ) -> None:
        self.id, self.around, self.node_up = identifier, around, True
        self.store, self.aggregator = store, aggregator
        self._notes = notes
        name = lasting_sequencer(identifier, notes)
        self._actuators = Actuators(identifier, around, actuators, name)
        self._post = Post(
            identifier,
            around,
            host=host,
            envelope=envelope,
            name=name,
            policies=Policies(notes),
            channels=channels,
            protected=protected,
            door=None if membership is None else membership.door,
        )
        self.membership = membership
        self.links = Links(links or {}, self._post)
        self._maintenance = maintenance
        self._inbox = Inbox(identifier, around, self._rescue)
        self.processor = RequestProcessor(
            identifier,
            catalogue=around.catalogue,
            directory=around.directory,
            store=store,
            policies=policies,
            notes=notes,
            log=audit,
            terms=terms,
        )
        self._gate = Gate(identifier, around, host)
        self._forwarder = Forwarder(
            identifier, around, post=self._post, processor=self.processor, gate=self._gate
        )
        copies = Copies(
            identifier,
            terms.copies,
            around.catalogue,
            around.directory,
            store,
            self.processor.access,
            self._post.policies,
            terms.foreign,
        )
        self._contact = Contact(identifier, around)
        self._backlog = Backlog(
            identifier,
            around,
            post=self._post,
            subscriptions=self.processor.subscriptions,
            notes=notes,
            contact=self._contact,
        )
        self._publisher = Publisher(
            identifier,
            around,
            processor=self.processor,
            post=self._post,
            inbox=self._inbox,
            conflict=self._conflict,
            notes=notes,
            backlog=self._backlog,
            report_ms=report_ms,
            home_ms=home_ms,
        )
        self._server = Server(
            identifier,
            around,
            gate=self._gate,
            processor=self.processor,
            answers=Answers(notes),
            post=self._post,
            publisher=self._publisher,
            backlog=self._backlog,
            written=self._written,
            conflict=self._conflict,
        )
        self.caller = Caller(
            identifier,
            around,
            post=self._post,
            inbox=self._inbox,
            contact=self._contact,
            notes=notes,
            execute=self._server.execute,
            keep=copies.keep,
            critical=terms.critical,
        )
        if membership is not None:
            membership.end = self.processor.subscriptions.end
            membership.moved = lambda parent: around.routes.move(identifier, parent)
        self._services: dict[str, Service] = {}
        self._ports: dict[str, Port] = {}

    def name(self) -> str:
        """Return the next identifier of what this unit makes."""
        return self._post.name()

    def work(self, kind: str, count: int) -> None:
        """Keep the unit's processor busy with a service's work."""
        self._post.work(kind, count)

    def service(self, name: str) -> Service:
        """Return the service of that name; raises KeyError."""
        return self._services[name]

    def context(self, name: str) -> Port:
        """Return what the service of that name sees of the unit; raises KeyError."""
        return self._ports[name]

    @property
    def notes(self) -> Notebook:
        """What the unit remembers beside its data."""
        return self._notes

    def add(self, service: Service, stakeholder: str) -> None:
        """Take a service, which acts for ``stakeholder``."""
        self._services[service.name] = service
        self.links.add(service)
        self._ports[service.name] = Port(self, service.name, stakeholder)
        if service.name == WATCHER:
            self.around.watches[self.id] = Watch(self._note)

    # -- stimuli -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin all services, in the order of their names."""
        self._publisher.resume()
        if self.processor.log.broken is not None:
            self._event("audit_broken", "", {"entry": self.processor.log.broken})
        if self._maintenance.state["serial"]:
            self._tell_modules("")
        for name in sorted(self._services):
            self._inbox.guard(name, self._services[name].start, self._ports[name])
        self.drain()

    def reading(self, reading: Reading) -> None:
        """Write a value of the unit's own instrument."""
        if self.membership is not None:
            self.membership.contacts.read[reading.instrument] = self.around.now_ms
        variable = self.around.catalogue.get(reading.variable)
        try:
            value = clean_value(reading.value)
        except ValueRefusedError:
            variable = None
        if variable is None or not variable.takes(value):
            self.around.counters["reading-refused"] += 1
            return
        self._new(self.processor.record(reading.id, variable, value, reading.t_clock_ms))
        self.drain()

    def delivery(self, delivery: Delivery) -> None:
        """Take a frame that arrived, if there is room for it."""
        if not self._gate.takes(delivery.flow, len(delivery.payload)):
            return
        if (service := self.links.service(delivery.src)) is not None:
            self.links.take(service, delivery, self._inbox)
            self.drain()
            return
        self.around.noted("frame", self.id, delivery.src, delivery.id)
        messages = self._post.take_in(delivery)
        if messages and self._contact.lost and self._contact.heard(delivery.src):
            self._backlog.wake(delivery.src)
        for message in messages:
            if isinstance(message, Transit):
                self._transit(message, delivery)
            else:
                self._take(message, delivery.src, delivery)
        if self.membership is not None:
            for src, why in self.membership.contacts.take_refused():
                self._note(INTRODUCTION_REFUSED, {"src": src, "why": why}, delivery.id)
        self.drain()

    def _transit(self, transit: Transit, delivery: Delivery) -> None:
        """Take what came over other units, or carry it on."""
        if not self._forwarder.on_way(transit, delivery.src):
            self._post.refuse(delivery, "way")
        elif transit.target != self.id:
            self._forwarder.take(transit, delivery)
        elif transit.kind is Kind.REQUEST and self._server.has_answered(transit.request):
            # who is on the way repeats the content as it was: it is not fresh any more
            self._server.again(transit.request, transit.origin, delivery.flow)
        elif (message := self._post.unload(transit, delivery)) is not None:
            self._take(message, transit.origin, delivery)

    def _take(self, message: Message, src: str, delivery: Delivery) -> None:
        if isinstance(message, Request):
            self._server.serve(message, delivery.flow)
        else:
            self.caller.outcome(message, src, delivery.id)

    def due(self, kind: int, key: str, serial: int) -> None:
        """Take a timer that is due."""
        if kind == SERVICE_TIMER:
            service, name = key.split("\n", 1)
            if self._ports[service].expire(name, serial):
                self._inbox.guard(service, self._services[service].timer, name)
        elif kind == CALL_TIMER:
            self.caller.due(key)
        elif kind == TRANSIT_TIMER:
            self._forwarder.due(key)
        elif kind == BACKLOG_TIMER:
            self._backlog.due(key)
        elif kind == PERIOD_TIMER:
            self._publisher.period_due(key)
        else:
            self._publisher.report_due(key)
        self.drain()

    def node(self, change: NodeUp) -> None:
        """Learn that the unit's node came up or went down."""
        self.node_up = change.up
        self._event("node_up" if change.up else "node_down", change.id, None)

    def drain(self) -> None:
        """Call the services with what is waiting for them."""
        self._inbox.drain(self._services)

    def close(self) -> None:
        """Record the requests whose outcome is still open."""
        self.caller.close()
        self._gate.over()

    # -- what follows ------------------------------------------------------------------------

    def _written(self, instance: Instance) -> None:
        """See to all that follows from an instance that a request made."""
        self._actuators.order(instance)
        self._new(instance)

    def _conflict(
        self, operation: Operation, variable: str, by: Accessor, request: str, result: Result
    ) -> None:
        """Tell the owner, and the run, of an access that a contract grants and a policy denies."""
        told = {
            "variable": variable,
            "operation": operation.label,
            "stakeholder": by.stakeholder,
            "service": by.service,
            "request": request,
            "result": result.label,
        }
        self._event("access_conflict", request, told)
        declared = self.around.catalogue.get(CONFLICT)
        if declared is not None:
            self._new(self.processor.record(self.name(), declared, told, self.around.now_ms))

    def _new(self, instance: Instance) -> None:
        """See to all that follows from a new instance."""
        if self._maintenance.on_trial:
            self._maintenance.saw(instance)
        self._publisher.publish(instance)
        if instance.variable == ORDER:
            self._maintain(instance)

    # -- maintenance -------------------------------------------------------------------------

    def _maintain(self, instance: Instance) -> None:
        """Carry out an order of the unit's own service ``update``."""
        if not is_order(instance.value):
            self.around.counters["order-refused"] += 1
        elif self._maintenance.take(instance.value):
            self._begin_anew(instance.value.get("boot_ms", 0))
        else:
            self._tell_modules(instance.id)

    def _rescue(self, service: str, error: Exception) -> bool:
        """Give up modules that fail on trial; what fails otherwise is nobody's to mend."""
        if not self._maintenance.on_trial:
            return False
        self._maintenance.back(f"{service} failed: {error!r}")
        self._begin_anew(0)
        return True

    def _begin_anew(self, boot_ms: int) -> None:
        self.around.timer(self.around.now_ms, self.id, RESTART_TIMER, str(boot_ms))

    def _tell_modules(self, cause: str) -> None:
        """Write what became of the newest package, and tell it."""
        state, variable = self._maintenance.state, self.around.catalogue.get(STATE)
        self._event("module_state", cause, state)
        if variable is not None:
            self._new(self.processor.record(self.name(), variable, state, self.around.now_ms))

    def _note(self, variable: str, value: object, cause: str) -> None:
        """Write what the unit noticed of its own traffic."""
        declared = self.around.catalogue.get(variable)
        if declared is not None:
            now_ms = self.around.now_ms
            instance = self.processor.record(self.name(), declared, clean_value(value), now_ms)
            self.around.books.add("cause", instance.id, cause)
            self._publisher.publish(instance)

    def _event(self, kind: str, cause: str, value: object) -> None:
        t_us = self.around.now_ms * 1000
        self.around.event(Event(self.name(), cause, t_us, kind, self.id, value))
