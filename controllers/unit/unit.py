"""The management unit: one class for every level, a level being a configuration.

    services  ──  Data Interface (Port)  ──  request processor  ──  store, policies
                                                   │
                         codec, host, calls (communication manager)  ──  frames

A unit is told of readings, deliveries, timers and its node's state, and answers by putting
frames, commands and rows into its surroundings. A service is only ever called by ``drain``, so
never while it is itself calling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from controllers.unit.calls import Call, Calls, Flow
from controllers.unit.codec import DecodeError
from controllers.unit.host import Host
from controllers.unit.policy import PolicyBook
from controllers.unit.port import SERVICE_TIMER, Port
from controllers.unit.requests import Outcome, RequestProcessor, check
from controllers.unit.service import Issued, Notification, Result, Service
from controllers.unit.store import Instance, Store
from controllers.unit.subscriptions import Subscription
from controllers.unit.surroundings import Surroundings
from controllers.unit.wire import Message, Notify, Operation, Request
from fernwatt.errors import FernwattError, SimulationError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Command, Delivery, Event, Frame, NodeUp, Reading

__all__ = ["ManagementUnit"]

CALL_TIMER, PERIOD_TIMER, REPORT_TIMER = 1, 2, 3
_FLOW_OF_SERVICE = {"metering": "metering", "aggregation": "metering", "balancing": "balancing"}
_ANSWERS_KEPT = 256
_MAX_OPEN = 10_000
_MAX_CALLS_PER_TICK = 100_000
_SUBSCRIBING = (Operation.EVENT, Operation.PERIODIC)


class ManagementUnit:
    """Communication platform and services of one unit, joined only by the Data Interface."""

    __slots__ = (
        "_actuators",
        "_answers",
        "_busy_ms",
        "_calls",
        "_calls_made",
        "_host",
        "_ports",
        "_processor",
        "_queue",
        "_report_ms",
        "_reports",
        "_services",
        "around",
        "id",
        "name",
        "node_up",
    )

    def __init__(
        self,
        identifier: str,
        around: Surroundings,
        host: Host,
        store: Store,
        policies: PolicyBook,
        actuators: Mapping[str, str],
        report_ms: int,
    ) -> None:
        self.id, self.around, self.node_up = identifier, around, True
        self.name = Sequencer(identifier)
        self._host, self._actuators, self._report_ms = host, actuators, report_ms
        self._processor = RequestProcessor(
            identifier, around.catalogue, around.directory, store, policies, around.security
        )
        self._calls = Calls()
        self._answers: dict[str, Notify] = {}
        self._services: dict[str, Service] = {}
        self._ports: dict[str, Port] = {}
        self._queue: deque[tuple[str, Notification]] = deque()
        self._reports: dict[str, tuple[Subscription, Instance]] = {}
        self._busy_ms = self._calls_made = -1

    @property
    def processor(self) -> RequestProcessor:
        """The request processor, with its audit counts and subscriptions."""
        return self._processor

    def service(self, name: str) -> Service:
        """Return the service of that name; raises KeyError."""
        return self._services[name]

    def add(self, service: Service, stakeholder: str) -> None:
        """Take a service, which acts for ``stakeholder``."""
        self._services[service.name] = service
        self._ports[service.name] = Port(self, service.name, stakeholder)

    # -- stimuli -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin all services, in the order of their names."""
        for name in sorted(self._services):
            self._services[name].start(self._ports[name])
        self.drain()

    def reading(self, reading: Reading) -> None:
        """Write a value of the unit's own instrument."""
        variable = self.around.catalogue.get(reading.variable)
        if variable is None or not variable.takes(reading.value):
            self.around.counters["reading-refused"] += 1
            return
        self._hand_on(
            self._processor.record(reading.id, variable, reading.value, reading.t_clock_ms)
        )
        self.drain()

    def delivery(self, delivery: Delivery) -> None:
        """Take a frame that arrived; one that cannot be understood is counted and dropped."""
        around = self.around
        self._host.parse(around.now_ms * 1000, len(delivery.payload))
        try:
            message = around.codec.decode(delivery.payload, delivery.src, self.id)
        except DecodeError:
            around.counters["malformed"] += 1
            return
        if isinstance(message, Request):
            self._serve(message, delivery)
        else:
            self._outcome_arrived(message, delivery)
        self.drain()

    def due(self, kind: int, key: str, serial: int) -> None:
        """Take a timer that is due."""
        if kind == SERVICE_TIMER:
            service, name = key.split("\n", 1)
            if self._ports[service].expire(name, serial):
                self._services[service].timer(name)
        elif kind == CALL_TIMER:
            self._call_due(key)
        elif kind == PERIOD_TIMER:
            self._period_due(key)
        else:
            self._notify_subscriber(*self._reports.pop(key))
        self.drain()

    def node(self, change: NodeUp) -> None:
        """Learn that the unit's node came up or went down."""
        self.node_up = change.up
        kind = "node_up" if change.up else "node_down"
        t_us = self.around.now_ms * 1000
        self.around.event(Event(self.name(), change.id, t_us, kind, self.id, None))

    def drain(self) -> None:
        """Call the services with what is waiting for them."""
        queue, around = self._queue, self.around
        if not queue:
            return
        if self._busy_ms != around.now_ms:
            self._busy_ms, self._calls_made = around.now_ms, 0
        while queue:
            service, notification = queue.popleft()
            self._calls_made += 1
            if self._calls_made > _MAX_CALLS_PER_TICK:
                raise SimulationError(
                    f"service {service} of {self.id} answers itself without end at one instant"
                )
            try:
                self._services[service].notify(notification)
            except FernwattError:
                raise
            except Exception as error:
                raise SimulationError(
                    f"service {service} of {self.id} failed: {error!r}"
                ) from error

    def close(self) -> None:
        """Record the requests whose outcome is still open."""
        for call in self._calls.open.values():
            self._record(call.request, Result.ISSUED, call.asked_ms, call.cause)

    # -- calling -----------------------------------------------------------------------------

    def call(self, request: Request, cause: str) -> Issued:
        """Issue a service's request; its outcome will come as a notification."""
        if check(request) is not Result.OK:
            return self.refuse(request, Result.MALFORMED, cause)
        if request.location == self.id:
            self._call_here(request, cause)
            return Issued(Result.ISSUED, request.id)
        if request.location not in self.around.directory:
            return self.refuse(request, Result.UNKNOWN_LOCATION, cause)
        if len(self._calls.open) >= _MAX_OPEN:
            return self.refuse(request, Result.OVERLOADED, cause)
        if request.subscription in self._calls.held:
            request.variable = self._calls.held[request.subscription].variable
        name, flow = self._flow(request)
        request.signature = self.around.security.sign(request)
        payload = self.around.codec.encode(request, self.id, request.location)
        now_ms = self.around.now_ms
        deadline_us = (now_ms + flow.patience_ms) * 1000
        call = Call(request, name, cause, now_ms, payload, deadline_us)
        self._calls.open[request.id] = call
        if request.operation in _SUBSCRIBING:
            self._calls.subscribe(request)
        self._send(request.id, cause, request.location, name, payload, deadline_us)
        self.around.timer(now_ms + flow.timeout_ms, self.id, CALL_TIMER, request.id)
        return Issued(Result.ISSUED, request.id)

    def refuse(self, request: Request, result: Result, cause: str) -> Issued:
        """Refuse a request at once, and tell its service in the common way too."""
        self._finish(request, _refusal(request, result), request.id, self.around.now_ms, cause)
        return Issued(result, request.id)

    def _flow(self, request: Request) -> tuple[str, Flow]:
        variable = self.around.catalogue.get(request.variable)
        if variable is not None and variable.critical:
            name = "control"
        else:
            name = _FLOW_OF_SERVICE.get(request.service, "management")
        return name, self.around.flows[name]

    def _call_here(self, request: Request, cause: str) -> None:
        outcome = self._execute(request, self._flow(request)[0])
        brought = outcome.instance.id if outcome.instance is not None else request.id
        self._finish(request, outcome.notify, brought, self.around.now_ms, cause)
        self._see_to(outcome)

    def _call_due(self, identifier: str) -> None:
        call = self._calls.open.get(identifier)
        if call is None:
            return
        flow, request = self.around.flows[call.flow], call.request
        if call.attempt >= flow.retries:
            del self._calls.open[identifier]
            notify = _refusal(request, Result.TIMEOUT)
            self._finish(request, notify, identifier, call.asked_ms, call.cause)
            return
        call.attempt += 1
        self._send(
            self.name(), identifier, request.location, call.flow, call.payload, call.deadline_us
        )
        wait_ms = flow.timeout_ms << call.attempt
        self.around.timer(self.around.now_ms + wait_ms, self.id, CALL_TIMER, identifier)

    def _outcome_arrived(self, notify: Notify, delivery: Delivery) -> None:
        counters = self.around.counters
        if not self.around.security.verify(notify, delivery.src):
            counters["unverified"] += 1
            return
        if notify.number:
            held = self._calls.held.get(notify.request)
            if held is None or held.location != delivery.src:
                counters["unexpected"] += 1
            elif not held.window.fresh(notify.number):
                counters["duplicate"] += 1
            else:
                if notify.result is Result.DENIED:
                    del self._calls.held[notify.request]
                self._tell(held.service, notify, delivery.id)
            return
        call = self._calls.open.get(notify.request)
        if call is None or call.request.location != delivery.src:
            counters["unexpected"] += 1
            return
        del self._calls.open[notify.request]
        self._finish(call.request, notify, delivery.id, call.asked_ms, call.cause)

    def _finish(
        self, request: Request, notify: Notify, brought: str, asked_ms: int, cause: str
    ) -> None:
        """Close a request: keep what it means for subscriptions, record it, tell the service."""
        held, result = self._calls.held, notify.result
        if request.operation in _SUBSCRIBING and request.location != self.id:
            if result is Result.REPLACED:
                self._calls.replace(request.id)
            elif result is not Result.OK:
                held.pop(request.id, None)
        elif request.operation is Operation.UNSUBSCRIBE and result is Result.OK:
            held.pop(request.subscription, None)
        self._record(request, result, asked_ms, cause)
        self._tell(request.service, notify, brought)

    def _record(self, request: Request, result: Result, asked_ms: int, cause: str) -> None:
        now_ms = self.around.now_ms
        self.around.books.add(
            "request",
            now_ms,
            request.id,
            cause,
            self.id,
            request.service,
            request.operation.label,
            request.variable,
            request.location,
            result.label,
            now_ms - asked_ms,
        )

    def _tell(self, service: str, notify: Notify, brought: str) -> None:
        owner = notify.owner or self.around.directory.owner(notify.location, notify.variable)
        notification = Notification(
            brought,
            notify.request,
            notify.result,
            notify.variable,
            notify.location,
            owner,
            notify.value,
            notify.t_ms,
        )
        self._queue.append((service, notification))

    # -- serving -----------------------------------------------------------------------------

    def _serve(self, request: Request, delivery: Delivery) -> None:
        """Answer a remote request; one that was answered before gets the same answer."""
        known = self._answers.get(request.id)
        if known is not None:
            self.around.counters["repeated-request"] += 1
            self._answer(known, delivery)
            return
        outcome = self._execute(request, delivery.flow)
        if len(self._answers) >= _ANSWERS_KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[request.id] = outcome.notify
        self._answer(outcome.notify, delivery)
        self._see_to(outcome)

    def _answer(self, notify: Notify, delivery: Delivery) -> None:
        self._notify(notify, notify.request, delivery.src, delivery.flow)

    def _notify(self, notify: Notify, cause: str, dst: str, flow: str) -> None:
        if notify.owner == self.around.directory.owner(notify.location, notify.variable):
            notify.owner = ""  # the receiver knows as much
        self._send_message(notify, cause, dst, flow)

    def _send_message(self, message: Message, cause: str, dst: str, flow: str) -> None:
        message.signature = self.around.security.sign(message)
        payload = self.around.codec.encode(message, self.id, dst)
        self._send(self.name(), cause, dst, flow, payload, -1)

    def _execute(self, request: Request, flow: str) -> Outcome:
        outcome = self._processor.execute(request, flow, self.around.now_ms)
        if outcome.notify.result is Result.DENIED:
            detail = {
                "operation": request.operation.label,
                "variable": request.variable,
                "service": request.service,
                "stakeholder": request.stakeholder,
            }
            t_us = self.around.now_ms * 1000
            self.around.event(
                Event(self.name(), request.id, t_us, "access_denied", self.id, detail)
            )
        return outcome

    def _see_to(self, outcome: Outcome) -> None:
        """Do what follows from an executed request."""
        if outcome.subscription is not None and outcome.subscription.period_ms:
            self._next_period(outcome.subscription)
        if outcome.instance is None or not outcome.written:
            return
        self._order(outcome.instance)
        self._hand_on(outcome.instance)

    def _order(self, instance: Instance) -> None:
        """Command the actuator that the written variable is bound to, if any."""
        actuator = self._actuators.get(instance.variable)
        variable = self.around.catalogue.get(instance.variable)
        if actuator is None or variable is None:
            return
        self.around.commands.append(
            Command(
                self.name(),
                instance.id,
                self.id,
                actuator,
                variable.action,
                instance.value,
                self.around.now_ms,
            )
        )

    def _hand_on(self, instance: Instance) -> None:
        """Notify those who subscribed to new instances."""
        for subscription in self._processor.subscriptions.events(instance.variable, instance.owner):
            if subscription.condition is not None and not subscription.condition(instance):
                continue
            remote = subscription.unit != self.id
            if self._report_ms and remote and subscription.flow == "metering":
                key = f"{subscription.id}\n{instance.id}"
                self._reports[key] = (subscription, instance)
                at_ms = self.around.now_ms + self._report_ms
                self.around.timer(at_ms, self.id, REPORT_TIMER, key)
            else:
                self._notify_subscriber(subscription, instance)

    def _period_due(self, identifier: str) -> None:
        subscription = self._processor.subscriptions.get(identifier)
        if subscription is None:
            return
        self._next_period(subscription)
        instance = self._processor.newest(subscription.variable, subscription.owner)
        if instance is None:
            self._put(subscription, _of_subscription(subscription, Result.NO_DATA, self.id), "")
        else:
            self._notify_subscriber(subscription, instance)

    def _next_period(self, subscription: Subscription) -> None:
        at_ms = self.around.now_ms + subscription.period_ms
        self.around.timer(at_ms, self.id, PERIOD_TIMER, subscription.id)

    def _notify_subscriber(self, subscription: Subscription, instance: Instance) -> None:
        if self._processor.subscriptions.get(subscription.id) is not subscription:
            return  # it ended while the report waited for its turn
        result = self._processor.release(subscription, instance, self.around.now_ms)
        if result is Result.RATE:
            self.around.counters["withheld"] += 1
            return
        if result is Result.DENIED:  # the right was lost, and the subscription with it
            self._processor.subscriptions.remove(subscription)
            self._put(subscription, _of_subscription(subscription, result, self.id), instance.id)
            return
        notify = _of_subscription(subscription, Result.OK, self.id)
        notify.value, notify.t_ms = instance.value, instance.t_ms
        self._put(subscription, notify, instance.id)

    def _put(self, subscription: Subscription, notify: Notify, cause: str) -> None:
        """Send one notification of a subscription, or queue it for a service of this unit."""
        subscription.serial += 1
        notify.number = subscription.serial
        if subscription.unit == self.id:
            self._tell(subscription.service, notify, cause or subscription.id)
        else:
            self._notify(notify, cause or subscription.id, subscription.unit, subscription.flow)

    def _send(
        self, identifier: str, cause: str, dst: str, flow: str, payload: bytes, deadline_us: int
    ) -> None:
        around = self.around
        settings = around.flows.get(flow) or around.flows["management"]
        ready_us = self._host.build(around.now_ms * 1000, len(payload))
        around.frames.append(
            Frame(
                identifier,
                cause,
                self.id,
                dst,
                flow,
                settings.priority,
                ready_us,
                deadline_us,
                payload,
            )
        )


def _refusal(request: Request, result: Result) -> Notify:
    return Notify(request.id, result, request.variable, request.location, "", None, -1)


def _of_subscription(subscription: Subscription, result: Result, location: str) -> Notify:
    variable, owner = subscription.variable, subscription.owner
    return Notify(subscription.id, result, variable, location, owner, None, -1)
