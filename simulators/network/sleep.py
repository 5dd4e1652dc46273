"""Nodes that sleep on a battery: when they listen, what waits for them, what they use.

``spec["nodes"][n]["sleep"]`` = ``{period_ms, awake_ms, parent: node | null, offset_ms: null,
battery_mah: null}``. A sleeper listens for ``awake_ms`` in every ``period_ms``, from ``offset_ms``
on (null: drawn), for ``awake_ms`` after it has sent, and as long as something for it is on its
way. What is for it while it sleeps waits at the node before it, ``parent`` where there is one
(all that it sends and gets goes by its parent then), and goes when it wakes. It wakes by itself
to send.

Energy is that of three states: transmitting, listening (awake, not transmitting), asleep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simpy.events import Timeout

from fernwatt.errors import Fault
from simulators.network.carrier import Carrier, Clock
from simulators.network.draws import Draws
from simulators.network.horizon import Horizon
from simulators.network.message import Message, Node, Path, book
from simulators.network.stack import Coster
from simulators.network.technologies import LinkTechnology, MediumTechnology
from simulators.network.technology import Technology

__all__ = ["ENERGY_COLUMNS", "SleepSpec", "Sleepers", "parse_sleep"]

ENERGY_COLUMNS = [
    "node",
    "technology",
    "sent",
    "received",
    "transmit_us",
    "listen_us",
    "sleep_us",
    "energy_j",
    "message_j",
    "day_j",
    "life_d",
]
_KEYS = ("period_ms", "awake_ms", "parent", "offset_ms", "battery_mah")
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class SleepSpec:
    """When a node sleeps, by whom it is reached, what its battery holds."""

    node: str
    period_ms: int
    awake_ms: int
    parent: str | None = None
    offset_ms: int | None = None
    battery_mah: float | None = None


def parse_sleep(
    nodes: Sequence[Mapping[str, Any]], neighbours: Callable[[str, str], bool]
) -> tuple[tuple[SleepSpec, ...], list[Fault]]:
    """Return the sleepers among the nodes of a specification, with the faults in them.

    ``neighbours`` tells whether two nodes share a carrier.
    """
    specs, faults = [], []
    for place, item in enumerate(nodes):
        sleep = item.get("sleep")
        if sleep is None:
            continue
        path = f"network.nodes[{place}].sleep"
        if not isinstance(sleep, Mapping):
            faults.append(Fault(path, "must be a mapping", ", ".join(_KEYS)))
            continue
        wrong = [
            Fault(f"{path}.{key}", "is unknown", f"one of {', '.join(_KEYS)}")
            for key in sorted(set(sleep) - set(_KEYS))
        ]
        wrong += [Fault(f"{path}.{key}", text) for key, bad, text in _rules(sleep) if bad]
        parent = sleep.get("parent")
        if parent is not None and not neighbours(item["id"], parent):
            wrong.append(Fault(f"{path}.parent", f"{parent} shares no medium or link with it"))
        faults += wrong
        if not wrong:
            specs.append(SleepSpec(item["id"], **sleep))
    return tuple(sorted(specs, key=lambda it: it.node)), faults


def _rules(sleep: Mapping[str, Any]) -> list[tuple[str, bool, str]]:
    period_ms, awake_ms = sleep.get("period_ms"), sleep.get("awake_ms")
    offset_ms, battery_mah = sleep.get("offset_ms"), sleep.get("battery_mah")
    known = isinstance(period_ms, int) and not isinstance(period_ms, bool) and period_ms > 0
    most_ms: int = period_ms if isinstance(period_ms, int) and known else 0
    return [
        ("period_ms", not known, f"must be a whole number above 0, is {period_ms!r}"),
        (
            "awake_ms",
            not (type(awake_ms) is int and awake_ms > 0 and awake_ms < most_ms),
            f"must be a whole number above 0 and below the period, is {awake_ms!r}",
        ),
        (
            "offset_ms",
            offset_ms is not None and not (type(offset_ms) is int and 0 <= offset_ms < most_ms),
            f"must be a whole number from 0 to below the period, is {offset_ms!r}",
        ),
        (
            "battery_mah",
            battery_mah is not None
            and not (type(battery_mah) in (int, float) and 0 < battery_mah < float("inf")),
            f"must be a number above 0, is {battery_mah!r}",
        ),
    ]


class Sleeper:
    """One node: its schedule, what is on its way to or from it, and how long it was awake.

    Beside its schedule it is awake in spells; the one that lasts began at ``_from_us`` and ends
    at ``_to_us``, not before ``_busy`` is 0. Spells that are over are in ``_extra_us``, without
    what the schedule has awake anyway.
    """

    __slots__ = (
        "_awake_us",
        "_busy",
        "_extra_us",
        "_from_us",
        "_offset_us",
        "_period_us",
        "_to_us",
        "held",
        "received",
        "sent",
        "spec",
        "technology",
        "timer",
        "transmit_us",
    )

    def __init__(self, spec: SleepSpec, technology: Technology, seed: int) -> None:
        self.spec, self.technology = spec, technology
        self._period_us, self._awake_us = spec.period_ms * 1000, spec.awake_ms * 1000
        if spec.offset_ms is None:
            drawn = Draws(seed, f"sleep/{spec.node}").uniform()
            self._offset_us = int(drawn * self._period_us)
        else:
            self._offset_us = spec.offset_ms * 1000
        self.held: list[tuple[str, Message]] = []  # who holds it, what
        self.timer: Timeout | None = None
        self.sent = self.received = self.transmit_us = 0
        self._busy = self._extra_us = 0
        self._from_us = self._to_us = -1

    def awake(self, now_us: int) -> bool:
        """Tell whether it listens."""
        scheduled = (now_us - self._offset_us) % self._period_us < self._awake_us
        return bool(self._busy) or now_us < self._to_us or scheduled

    def next_us(self, now_us: int) -> int:
        """Return when its schedule wakes it next."""
        return now_us + self._period_us - (now_us - self._offset_us) % self._period_us

    def begin(self, now_us: int) -> None:
        """Stay awake: something is on its way to or from it."""
        if not self._busy and now_us > self._to_us:
            self._settle()
            self._from_us = now_us
        self._busy += 1

    def end(self, now_us: int, sent: bool) -> None:
        """Note that it got through or was lost; after sending it listens for a while."""
        self._busy -= 1
        self._to_us = max(self._to_us, now_us + (self._awake_us if sent else 0))

    def listened_us(self, end_us: int) -> int:
        """Return how long it was awake until ``end_us``."""
        if self._busy or self._to_us > end_us:
            self._to_us = end_us
        self._settle()
        self._from_us = self._to_us = -1
        return self._extra_us + self.scheduled_us(end_us)

    def _settle(self) -> None:
        """Count the spell that is over."""
        if self._from_us >= 0:
            length_us = self._to_us - self._from_us
            on_us = self.scheduled_us(self._to_us) - self.scheduled_us(self._from_us)
            self._extra_us += length_us - on_us

    def scheduled_us(self, until_us: int) -> int:
        """Return how long its schedule has it awake from 0 to ``until_us``."""
        before_us = self._period_us - self._offset_us  # its first period began so long before 0
        return self._since_us(until_us + before_us) - self._since_us(before_us)

    def _since_us(self, length_us: int) -> int:
        periods, rest_us = divmod(length_us, self._period_us)
        return periods * self._awake_us + min(rest_us, self._awake_us)


@dataclass(frozen=True, slots=True)
class _Hop:
    """A message between a sleeper and its neighbour: what it had cost when it began."""

    sleeper: Sleeper
    sent: bool
    port: str
    wire_bytes: int
    air_us: int


class Sleepers:
    """All sleepers of a network; every hop is offered by ``offer`` and ends in ``over``.

    ``again`` sends a message on from a node after routes have changed, ``lose`` loses one.
    """

    __slots__ = (
        "_again",
        "_by_holder",
        "_by_node",
        "_carrier",
        "_costs",
        "_detours",
        "_end_us",
        "_env",
        "_epoch",
        "_hops",
        "_horizon",
        "_lose",
        "_on_wake",
        "_owner",
        "_path",
    )

    def __init__(  # noqa: PLR0917 - all of a network that sleep touches
        self,
        specs: Sequence[SleepSpec],
        carriers: Sequence[Carrier],
        env: Clock,
        horizon: Horizon,
        seed: int,
        calls: tuple[
            Callable[[str, str], Path | None],
            Callable[[], int],
            Callable[[Message, str], None],
            Callable[[Message, str], None],
        ],
    ) -> None:
        self._env, self._horizon = env, horizon
        self._path, self._epoch, self._again, self._lose = calls
        self._owner: dict[str, str] = {}
        self._carrier: dict[str, Carrier] = {}
        self._costs: dict[str, Coster | None] = {}
        by_node: dict[str, list[Carrier]] = {}
        for carrier in carriers:
            for node in carrier.nodes():
                name = carrier.port(node).name
                self._owner[name], self._carrier[name] = node.id, carrier
                by_node.setdefault(node.id, []).append(carrier)
        self._by_node = {
            spec.node: Sleeper(spec, _technology(spec, by_node[spec.node]), seed) for spec in specs
        }
        self._detours: dict[tuple[str, str], tuple[int, Path | None]] = {}
        self._hops: dict[Message, _Hop] = {}
        self._by_holder: dict[str, dict[str, Sleeper]] = {}  # for whom a node has held something
        self._on_wake = self._wake
        self._end_us = 0

    def path(self, source: str, target: str) -> Path | None:
        """Return the hops between two nodes, with those of sleepers by their parents."""
        epoch = self._epoch()
        known = self._detours.get((source, target))
        if known is None or known[0] != epoch:
            path = self._path(source, target)
            known = (epoch, None if path is None else self._by_parents(path))
            self._detours[source, target] = known
        return known[1]

    def _by_parents(self, path: Path) -> Path:
        hops = []
        for port, node in path:
            here = self._owner[port.name]
            parent = self._parent(here, node.id) or self._parent(node.id, here)
            between = self._node(port.name, parent)
            if between is None:
                hops.append((port, node))
            else:
                hops += [(port, between), (self._carrier[port.name].port(between), node)]
        return tuple(hops)

    def _parent(self, sleeper: str, other: str) -> str | None:
        it = self._by_node.get(sleeper)
        return None if it is None or it.spec.parent == other else it.spec.parent

    def _node(self, port: str, wanted: str | None) -> Node | None:
        if wanted is None:
            return None
        return next((it for it in self._carrier[port].nodes() if it.id == wanted), None)

    def awake(self, node: str) -> bool:
        """Tell whether a node listens."""
        it = self._by_node.get(node)
        return it is None or it.awake(self._env.now)

    def offer(self, message: Message) -> None:
        """Give a message to the port of its next hop, now or when who is there wakes."""
        port, node = message.path[message.position]
        here, receiver = self._owner[port.name], self._by_node.get(node.id)
        if receiver is not None and not receiver.awake(self._env.now):
            self._hold(receiver, here, message)
        else:
            self._go(here, message)

    def _go(self, here: str, message: Message) -> None:
        port, node = message.path[message.position]
        sender, receiver = self._by_node.get(here), self._by_node.get(node.id)
        if sender is not None:
            self._begin(sender, message, True, port.name)
            self._release(sender)
        elif receiver is not None:
            self._begin(receiver, message, False, port.name)
        port.offer(message)

    def _begin(self, sleeper: Sleeper, message: Message, sent: bool, port: str) -> None:
        sleeper.begin(self._env.now)
        if port not in self._costs:
            self._costs[port] = _coster(self._carrier[port], port)
        self._hops[message] = _Hop(sleeper, sent, port, message.wire_bytes, message.air_us)

    def over(self, message: Message, through: bool) -> None:
        """Note that a message has passed a hop, or was lost on it."""
        hop = self._hops.pop(message, None)
        if hop is None:
            return
        hop.sleeper.end(self._env.now, hop.sent)
        if hop.sent:
            hop.sleeper.sent += through
            hop.sleeper.transmit_us += self._transmit_us(hop, message)
        else:
            hop.sleeper.received += through

    def _transmit_us(self, hop: _Hop, message: Message) -> int:
        """Return how long a message was sent for on a hop, repetitions included."""
        costs, sent_bytes = self._costs[hop.port], message.wire_bytes - hop.wire_bytes
        if costs is None:
            return message.air_us - hop.air_us
        cost = costs[message.size]
        return round(cost.air_us * sent_bytes / cost.wire_bytes)

    def _hold(self, sleeper: Sleeper, here: str, message: Message) -> None:
        if len(sleeper.held) >= sleeper.technology.queue_frames:
            self._lose(message, "queue-full")
            return
        sleeper.held.append((here, message))
        self._by_holder.setdefault(here, {})[sleeper.spec.node] = sleeper
        now = self._env.now
        wake_us = sleeper.next_us(now)
        if sleeper.timer is None:
            sleeper.timer = timer = Timeout(self._env, wake_us - now, sleeper)
            timer.callbacks.append(self._on_wake)
        if wake_us > self._horizon.until_us:
            self._horizon.passes.append((wake_us, None))  # it may go, and arrive, before

    def _wake(self, event: Any) -> None:
        sleeper: Sleeper = event.value
        if sleeper.timer is event:
            self._release(sleeper)

    def _release(self, sleeper: Sleeper) -> None:
        """Send what was held for a sleeper that is awake now."""
        sleeper.timer = None
        held, sleeper.held = sleeper.held, []
        book([message for _, message in held], "queue_us", self._env.now)
        for here, message in held:
            if message.epoch != self._epoch():
                self._again(message, here)
            else:
                self._go(here, message)

    def down(self, node: str) -> None:
        """Lose what a node held for others: it went down."""
        for sleeper in self._by_holder.get(node, {}).values():
            lost = [message for here, message in sleeper.held if here == node]
            sleeper.held = [entry for entry in sleeper.held if entry[0] != node]
            book(lost, "queue_us", self._env.now)
            for message in lost:
                self._lose(message, "node-down")

    def close(self) -> int:
        """Book what is held, up to now; return how many applications' messages that is."""
        self._end_us, found = self._env.now, 0
        for sleeper in self._by_node.values():
            messages = [message for _, message in sleeper.held if message.frame is not None]
            book(messages, "queue_us", self._end_us)
            found += len(messages)
            sleeper.held.clear()
        return found

    def rows(self) -> list[tuple[str, dict[str, list[Any]]]]:
        """Return the table ``node_energy`` after ``close``, once: a row for each sleeper."""
        rows = [_row(it, self._end_us) for it in self._by_node.values()]
        self._by_node = {}
        columns = map(list, zip(*rows, strict=True))
        return [("node_energy", dict(zip(ENERGY_COLUMNS, columns, strict=True)))] if rows else []


def _row(sleeper: Sleeper, end_us: int) -> tuple[Any, ...]:
    it, transmit_us = sleeper.technology, sleeper.transmit_us
    awake_us = sleeper.listened_us(end_us)
    listen_us = max(0, awake_us - transmit_us)
    energy_j = _energy_j(it, transmit_us, listen_us, end_us - transmit_us - listen_us)
    idle_us = sleeper.scheduled_us(end_us)
    idle_j = _energy_j(it, 0, idle_us, end_us - idle_us)
    messages = sleeper.sent + sleeper.received
    day_j = energy_j * _DAY_S * 1e6 / end_us if end_us else 0.0
    battery_mah = sleeper.spec.battery_mah
    capacity_j = None if battery_mah is None else battery_mah * 3.6 * it.supply_v
    return (
        sleeper.spec.node,
        it.name,
        sleeper.sent,
        sleeper.received,
        transmit_us,
        listen_us,
        end_us - transmit_us - listen_us,
        energy_j,
        (energy_j - idle_j) / messages if messages else None,
        day_j,
        capacity_j / day_j if capacity_j is not None and day_j else None,
    )


def _energy_j(it: Technology, transmit_us: int, listen_us: int, sleep_us: int) -> float:
    charge_mas = (
        it.transmit_ma * transmit_us + it.receive_ma * listen_us + it.sleep_ua * 1e-3 * sleep_us
    ) * 1e-6
    return it.supply_v * charge_mas * 1e-3


def _coster(carrier: Carrier, port: str) -> Coster | None:
    it = carrier.technology
    if isinstance(it, MediumTechnology):
        return Coster(it, it.air_us())
    if isinstance(it, LinkTechnology):
        return Coster(it, it.air_us(carrier.ports()[0].name == port))
    return None


def _technology(spec: SleepSpec, carriers: Sequence[Carrier]) -> Technology:
    """Return the technology whose currents count: of the carrier that it shares with its parent."""
    if spec.parent is not None:
        carriers = [it for it in carriers if any(node.id == spec.parent for node in it.nodes())]
    return carriers[0].technology
