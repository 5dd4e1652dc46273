"""Decides for the devices it knows of, as signals come, vehicles come, and hours begin.

An order ends by itself, ``hold_s`` later at most: what is to hold longer is renewed, and a device
whose unit hears nothing any more is back under its own rule. A device that is free is ordered
nothing; whoever refuses an order by policy is let be, and has opted out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controllers.balancing.subscriptions import Subscriptions
from controllers.control.announcer import CAPABILITY
from controllers.control.known import Capability, Known
from controllers.control.strategies import OBEYED, Order, Signals, decide
from controllers.signals.records import (
    COMMAND,
    CONSUMERS,
    GRID,
    PRICE,
    RESPONSE,
    Answer,
    Command,
    GridState,
    Price,
)
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Decider", "Settings"]

_SIGNALS = {"command": COMMAND, "price": PRICE, "grid": GRID}
_GRACE_MS = 60_000
_AT_ONCE_MS = 2_000
_KEPT_MS = 3_600_000
_FULL, _LONGEST_H = 100, 1_000_000
_STRATEGY = "customer.strategy"
_DEVICES = "control.devices"
_STRATEGIC = {"follow", "max_percent", "max_h", "weights", "limits"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is obeyed, how long an order holds at most, and what customers' contracts allow."""

    signal: str
    hold_ms: int
    max_percent: int = 100
    max_ms: int = 1 << 40
    customers: bool = False  # whose strategy counts: the customer's, who has it on this unit

    def allows(self, command: Command) -> bool:
        """Tell whether a command is within the contract, and within what is obeyed at all."""
        if "command" not in OBEYED[self.signal]:
            return False
        length_ms = command.end_ms - command.times_ms[0] if command.times_ms else 0
        return command.reduction_percent <= self.max_percent and length_ms <= self.max_ms

    def changed(self, value: Any) -> Settings | None:
        """Return the settings with a customer's strategy, None where it is none.

        A strategy is ``{follow, max_percent, max_h}``; what it leaves out stays. Of ``weights`` and
        ``limits`` balancing takes notice.
        """
        if not isinstance(value, dict) or not set(value) <= _STRATEGIC:
            return None
        follow = value.get("follow", self.signal)
        percent = value.get("max_percent", self.max_percent)
        hours = value.get("max_h", self.max_ms / HOUR_MS)
        if follow not in OBEYED or type(percent) is not int or not 0 <= percent <= _FULL:
            return None
        if type(hours) not in (int, float) or not 0 <= hours < _LONGEST_H:
            return None
        return replace(self, signal=follow, max_percent=percent, max_ms=round(hours * HOUR_MS))


@dataclass(slots=True)
class _State:
    """What is known of the world, and which notifications said so."""

    commands: dict[str, Command] = field(default_factory=dict)
    signals: Signals = field(default_factory=Signals)
    causes: dict[str, str] = field(default_factory=dict)


class Decider:
    """Orders the devices that were announced here; in a device's own unit, that device."""

    TIMERS = ("slot", "edge", Subscriptions.TIMER)

    def __init__(self, settings: Settings, own: Sequence[Capability]) -> None:
        self._settings = settings
        self._own = own
        self._known: dict[str, Known] = {}
        self._of_unit: dict[str, list[Known]] = {}
        self._orders: dict[str, str] = {}  # request: device
        self._probes: dict[str, str] = {}
        self._state = _State()
        self._refused: dict[str, bool] = {}  # command: whether it was beyond the contract

    def start(self, context: UnitContext) -> None:
        """Follow own signals and what devices announce; look at every quarter-hour."""
        self._context = context
        self._subscriptions = Subscriptions(context)
        for name in OBEYED[self._settings.signal]:
            self._subscriptions.want(_SIGNALS[name], context.unit, now_too=True)
        if self._settings.customers:
            self._subscriptions.want(_STRATEGY, context.unit, now_too=True)
        self._subscriptions.want(CAPABILITY, context.unit)
        if not self._own:
            self._subscriptions.ask(_DEVICES, context.unit)
        for capability in self._own:
            self._meet(capability, "")
        self._set_slot_timer()

    def timer(self, name: str) -> None:
        """Decide anew at quarter-hours and where an interval begins; ask again."""
        if name == Subscriptions.TIMER:
            self._subscriptions.timer()
        elif name in self.TIMERS:
            self._decide_all()
            if name == "slot":
                self._set_slot_timer()

    def notify(self, notification: Notification) -> None:
        """Take a signal, an announcement, a reading, or the outcome of an order."""
        if notification.request in self._orders:
            self._ordered(self._orders.pop(notification.request), notification)
        elif notification.request in self._probes:
            self._probed(self._probes.pop(notification.request), notification)
        elif self._subscriptions.is_value(notification):
            own = notification.location == self._context.unit
            if own and notification.variable == _DEVICES:
                self._recall(notification)
            elif own and notification.variable in (*_SIGNALS.values(), CAPABILITY, _STRATEGY):
                self._heard(notification)
            else:
                self._read(notification)

    # -- what comes in -----------------------------------------------------------------------

    def _heard(self, notification: Notification) -> None:
        value, state, now_ms = notification.value, self._state, self._context.now_ms
        if notification.variable == CAPABILITY:
            capability = Capability.of(value)
            if capability is not None:
                self._meet(capability, notification.id)
            return
        if notification.variable == _STRATEGY:
            self._strategy(value, notification.id)
        elif notification.variable == PRICE and (price := Price.of(value)) is not None:
            prices = state.signals.prices.with_new(price, now_ms)
            state.signals = Signals(state.signals.commands, prices, state.signals.grid)
        elif notification.variable == GRID and (grid := GridState.of(value)) is not None:
            state.signals = Signals(state.signals.commands, state.signals.prices, grid)
        elif notification.variable == COMMAND and (command := Command.of(value)) is not None:
            self._command(command, notification.id)
        state.causes[notification.variable] = notification.id
        self._decide_all()

    def _command(self, command: Command, cause: str) -> None:
        """Take a command; follow it if it is within the contract; answer who does."""
        state, now_ms = self._state, self._context.now_ms
        kept = {n: c for n, c in state.commands.items() if c.end_ms + _KEPT_MS > now_ms}
        state.commands = kept | {command.id: command}
        self._reconsider()
        self._answer(command, cause)

    def _reconsider(self) -> None:
        """Sort commands by whether they are within the contract."""
        state = self._state
        allowed = {n: c for n, c in state.commands.items() if self._settings.allows(c)}
        self._refused = {number: number not in allowed for number in state.commands}
        state.signals = Signals(allowed, state.signals.prices, state.signals.grid)

    def _strategy(self, value: Any, cause: str) -> None:
        """Take what the customer wants from now on, and answer anew where that changes it."""
        changed = self._settings.changed(value)
        if changed is None:
            self._context.decide("strategy_refused", self._context.unit, None, (cause,))
            return
        self._settings, before = changed, self._refused
        self._reconsider()
        for command in self._open_commands():
            if self._refused[command.id] != before.get(command.id):
                self._answer(command, cause)

    def _open_commands(self) -> list[Command]:
        """Return the commands that are not over."""
        commands, now_ms = self._state.commands, self._context.now_ms
        return [commands[n] for n in sorted(commands) if commands[n].end_ms > now_ms]

    def _answer(self, command: Command, cause: str) -> None:
        """Say who of the customers whose devices are known here follows a command."""
        who: dict[str, bool] = {}
        for known in self._known.values():
            name = known.capability.customer
            follows = not (known.refused or self._refused[command.id])
            who[name] = who.get(name, False) or follows
        names = sorted(who, key=str.encode)
        opted_in = tuple(name for name in names if who[name])
        opted_out = tuple(name for name in names if not who[name])
        answer = Answer(command.id, self._context.unit, opted_in, opted_out)
        self._context.data.write(RESPONSE, self._context.unit, answer.plain(), cause=cause)

    def _meet(self, capability: Capability, cause: str) -> None:
        """Get to know a device, or hear of it again."""
        known = self._known.get(capability.device)
        if known is not None:
            known.refused = False
        else:
            known = self._known[capability.device] = Known(capability)
            self._of_unit.setdefault(capability.unit, []).append(known)
            self._remember()
        if cause:
            known.causes[CAPABILITY] = cause
        away = capability.unit != self._context.unit
        if away and self._is_of_others(capability):
            at = capability.to or capability.unit
            issued = self._context.data.query(capability.order, at, cause=cause)
            if issued.result is Result.ISSUED:
                self._probes[issued.id] = capability.device
            return
        self._watch(capability)

    def _recall(self, notification: Notification) -> None:
        """Get to know those again who were known before this unit failed."""
        value = notification.value if isinstance(notification.value, dict) else {}
        for plain in value.get("devices", ()):
            capability = Capability.of(plain)
            if capability is not None and capability.device not in self._known:
                self._meet(capability, notification.id)

    def _remember(self) -> None:
        """Write down whom this unit decides for, for when it begins anew."""
        if not self._own:
            devices = [self._known[name].capability.plain() for name in sorted(self._known)]
            self._context.data.write(_DEVICES, self._context.unit, {"devices": devices})

    def _is_of_others(self, capability: Capability) -> bool:
        """Tell whether a device is somebody else's, whose policy has the say."""
        return (
            not self._own and capability.unit.split("/")[1:3] != self._context.unit.split("/")[1:3]
        )

    def _probed(self, device: str, outcome: Notification) -> None:
        """Learn whether the owner's policy lets this unit order; ask again with the next news."""
        known = self._known[device]
        known.refused = outcome.result is Result.DENIED
        if not known.refused:
            self._watch(known.capability)

    def _watch(self, capability: Capability) -> None:
        """Follow what must be known of a device: vehicles that come and go."""
        if capability.kind != "ev":
            self._decide(self._known[capability.device])
            return
        known = self._known[capability.device]
        if "watched" in known.causes:
            return
        known.causes["watched"] = ""
        self._subscriptions.want("ev.session", capability.unit, now_too=True)
        if "price" in OBEYED[self._settings.signal]:
            self._subscriptions.want("device.energy", capability.unit, now_too=True)

    def _read(self, notification: Notification) -> None:
        value, t_ms = notification.value, notification.t_ms
        for known in self._of_unit.get(notification.location, ()):
            if known.take(notification.variable, value, t_ms, notification.id):
                self._decide(known)

    # -- deciding ----------------------------------------------------------------------------

    def _set_slot_timer(self) -> None:
        next_ms = (self._context.now_ms // SLOT_MS + 1) * SLOT_MS
        # readings of the quarter-hour that ends now come first
        self._context.set_timer("slot", next_ms + _AT_ONCE_MS)

    def _decide_all(self) -> None:
        for device in sorted(self._known):
            self._decide(self._known[device])
        self._set_edge_timer()

    def _set_edge_timer(self) -> None:
        """Be called when an interval of a command or of the grid's state begins or ends."""
        signals, now_ms = self._state.signals, self._context.now_ms
        edges = [t for command in signals.commands.values() for t in command.times_ms]
        edges += signals.grid.times_ms if signals.grid is not None else ()
        coming = [t for t in edges if t > now_ms]
        if coming:
            self._context.set_timer("edge", min(coming))

    def _decide(self, known: Known) -> None:
        now_ms = self._context.now_ms
        device = None if known.refused else known.device(now_ms)
        if device is None:
            return
        order = decide(self._settings.signal, device, self._state.signals, now_ms)
        running = known.ordered
        if running is not None and running.until_ms <= now_ms:
            running = known.ordered = None
        if order is None:
            if running is not None:
                self._release(known, device.p_max_w, running)
            return
        if running is not None and running.p_w == order.p_w:
            longest_ms = now_ms + SLOT_MS + _GRACE_MS
            if running.until_ms >= order.until_ms or running.until_ms >= longest_ms:
                return  # it holds until the next look at it
        until_ms = min(order.until_ms, now_ms + self._settings.hold_ms)
        self._order(known, Order(order.p_w, until_ms, order.due_ms))

    def _release(self, known: Known, p_max_w: float, running: Order) -> None:
        """Take back an order that has not ended; a battery's, which has no neutral one, ends."""
        if known.capability.kind in CONSUMERS:
            self._order(known, Order(p_max_w, running.until_ms, self._context.now_ms))
        known.ordered = None

    def _order(self, known: Known, order: Order) -> None:
        if order.until_ms <= self._context.now_ms:
            return
        renewed = known.ordered is not None and known.ordered.p_w == order.p_w
        value = known.capability.value(order.p_w, order.until_ms)
        facts = [*self._state.causes.values(), *(c for c in known.causes.values() if c)]
        due = {} if renewed else {"due_ms": order.due_ms}
        capability = known.capability
        decision = self._context.decide("control", capability.device, value | due, facts)
        known.ordered = order
        at = capability.to or capability.unit
        issued = self._context.data.write(capability.order, at, value, cause=decision)
        if issued.result is Result.ISSUED:
            known.request = issued.id
            self._orders[issued.id] = capability.device
        else:
            known.ordered = None

    def _ordered(self, device: str, outcome: Notification) -> None:
        """Learn what became of an order; one that failed is given anew at the next look."""
        known = self._known[device]
        if outcome.request != known.request or outcome.result is Result.OK:
            return
        known.ordered = None
        if outcome.result is Result.DENIED:
            known.refused = True
            for command in self._open_commands():
                self._answer(command, outcome.id)

    @property
    def devices(self) -> Mapping[str, Known]:
        """The devices that are known here."""
        return self._known
