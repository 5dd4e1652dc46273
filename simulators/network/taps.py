"""What an adversary does at a point of the network: delay, drop, copy, alter, inject, record.

A tap sits at a node, and takes what the node sends, forwards and receives, or at a carrier, and
takes what has crossed it. It hands every frame to a ``Hook`` and goes on with what that returns:
nothing (the frame is lost by the cause ``tapped``), the frame, an altered one, copies, each after
a while. So a compromised gateway, a cut and bridged cable and a replaying transmitter are the
same thing here. Copies and injected frames are frames of their own in the books, caused by the
one they were made of, or by the tap.

What was done is written to the table ``truth``, which no unit sees.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from simpy.events import Timeout

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Frame
from simulators.network.carrier import Carrier, Clock
from simulators.network.draws import Draws
from simulators.network.horizon import Horizon
from simulators.network.message import Message, Node, Port
from simulators.network.tapspec import Injection, TapSpec

__all__ = ["Hook", "Inside", "ScriptedHook", "Taps"]

Onward = tuple[Frame, int]
"""A frame, and how long it is held before it goes on [µs]."""


class Hook(Protocol):
    """What is done to the frames that pass a tap."""

    def __call__(self, frame: Frame, t_us: int) -> Sequence[Onward]:
        """Return what goes on instead of ``frame`` at ``t_us``, and after how long [µs].

        The first is the frame itself, further ones are copies; their payloads have its length.
        """


@dataclass(frozen=True, slots=True)
class Inside:
    """What taps need of the network that they sit in.

    ``admit`` returns a message of a frame that is new, sent now; ``route`` sends one on from a
    node; ``lose`` books its loss by a cause; ``survives`` tells whether one may go on from a node
    within a carrier; ``passed`` goes on with one that is at the next
    node, ``depart`` with one that its sender sends; ``tell`` writes down (time [µs], identifier,
    cause, element, value) of what was done.
    """

    admit: Callable[[Frame], Message]
    route: Callable[[Message, str], None]
    lose: Callable[[Message, str], None]
    survives: Callable[[Message, Port, Node], bool]
    passed: Callable[[Message], None]
    depart: Callable[[Message], None]
    tell: Callable[[int, str, str, str, str], None]


class ScriptedHook:
    """The hook that a specification describes; its draws are one stream per tap."""

    __slots__ = ("_draws", "_spec")

    def __init__(self, spec: TapSpec, seed: int) -> None:
        self._spec, self._draws = spec, Draws(seed, f"tap/{spec.id}")

    def __call__(self, frame: Frame, t_us: int) -> Sequence[Onward]:
        """Do to a frame what is to be done, if it is meant."""
        spec = self._spec
        if not spec.means(frame, t_us) or (spec.share < 1 and self._draws.uniform() >= spec.share):
            return ((frame, 0),)
        if spec.does == "drop":
            return ()
        if spec.does == "delay":
            return ((frame, spec.delay_us),)
        if spec.does == "copy":
            copy = replace(frame, src=spec.under) if spec.under else frame
            return ((frame, 0), *((copy, spec.delay_us * (n + 1)) for n in range(spec.copies)))
        if spec.does == "alter":
            payload = self._turned(frame.payload) if spec.bits else spec.altered(frame.payload)
            return ((replace(frame, payload=payload), 0),)
        return ((frame, 0),)

    def _turned(self, payload: bytes) -> bytes:
        """Return a payload with drawn bits turned over."""
        changed = bytearray(payload)
        for _ in range(self._spec.bits if payload else 0):
            place = int(self._draws.uniform() * 8 * len(payload))
            changed[place >> 3] ^= 1 << (place & 7)
        return bytes(changed)


class Taps:
    """All taps of a network, between the carriers and the core.

    ``passed`` and ``entered`` are called instead of the core's own methods, which go on with what
    is let through. What is held here is booked as processing.
    """

    __slots__ = (
        "_carrier_of",
        "_carriers",
        "_env",
        "_held",
        "_hooks",
        "_horizon",
        "_inside",
        "_name",
        "_on_inject",
        "_on_release",
    )

    def __init__(self, env: Clock, horizon: Horizon, inside: Inside) -> None:
        self._env, self._horizon, self._inside = env, horizon, inside
        self._hooks: dict[str, list[tuple[str, bool, Hook]]] = {}
        self._carrier_of: dict[str, str] = {}
        self._held: dict[int, Message] = {}
        self._name = Sequencer("tap")
        self._on_release, self._on_inject = self._release, self._inject

    def place(
        self,
        specs: Sequence[TapSpec],
        hooks: Mapping[str, Hook],
        carriers: Sequence[Carrier],
        seed: int,
    ) -> None:
        """Set the taps of a specification, in order, then ``hooks`` by node or carrier."""
        hook: Hook
        for spec in specs:
            if spec.does == "inject":
                self._plan(spec)
            else:
                hook = ScriptedHook(spec, seed)
                self._set(spec.element, spec.id, hook, records=spec.does == "record")
        for element, hook in sorted(hooks.items()):
            self._set(element, f"hook/{element}", hook)
        self._carrier_of = {
            port.name: carrier.id
            for carrier in carriers
            if carrier.id in self._hooks
            for port in carrier.ports()
        }

    def _set(self, element: str, identifier: str, hook: Hook, *, records: bool = False) -> None:
        self._hooks.setdefault(element, []).append((identifier, records, hook))

    def passed(self, message: Message) -> None:
        """Take a message that is at the next node now."""
        port, node = message.path[message.position]
        hooks = self._hooks.get(self._carrier_of.get(port.name, ""), [])
        if node.up:
            hooks = hooks + self._hooks.get(node.id, [])
        self._through(message, hooks, self._inside.passed)

    def survives(self, message: Message, port: Port, node: Node) -> bool:
        """Tell whether a message goes on from a node that forwards it within a carrier.

        Such a node drops, alters and records what it forwards; it does not hold or copy it.
        """
        if not self._inside.survives(message, port, node):
            return False
        for identifier, records, hook in self._hooks.get(node.id, ()):
            frame = _frame(message)
            if frame is None:
                break
            onward = list(hook(frame, self._env.now))[:1]
            if records or onward != [(frame, 0)]:
                self._tell(identifier, frame, onward, kept=records)
            if not onward:
                self._inside.lose(message, "tapped")
                return False
            if message.frame is not None:
                message.frame = onward[0][0]
        return True

    def entered(self, message: Message) -> None:
        """Take a message that its sender, who is up, sends now."""
        self._through(message, self._hooks.get(message.src, []), self._inside.depart)

    def clear(self) -> list[Message]:
        """Forget what is held, its time booked, and return the applications' messages."""
        held = [message for message in self._held.values() if message.frame is not None]
        self._held.clear()
        for message in held:
            self._book(message)
        return held

    def _through(
        self,
        message: Message,
        hooks: Sequence[tuple[str, bool, Hook]],
        goes_on: Callable[[Message], None],
    ) -> None:
        if not hooks or message.frame is None:
            self._segment(message, hooks, goes_on)
            return
        wait_us, now = 0, self._env.now
        for identifier, records, hook in hooks:
            frame = message.frame
            onward = hook(frame, now)
            if records or len(onward) != 1 or onward[0] != (frame, 0):
                self._tell(identifier, frame, onward, kept=records)
            if not onward:
                self._inside.lose(message, "tapped")
                return
            message.frame, held_us = onward[0]
            wait_us += held_us
            for copy, after_us in onward[1:]:
                named = replace(copy, id=self._name(), cause=frame.id, ready_us=now)
                self._hold(self._twin(message, named), after_us, goes_on)
        if wait_us:
            self._hold(message, wait_us, goes_on)
        else:
            goes_on(message)

    def _segment(
        self,
        message: Message,
        hooks: Sequence[tuple[str, bool, Hook]],
        goes_on: Callable[[Message], None],
    ) -> None:
        """Take a transport's segment of a frame: it can be dropped, held up and recorded."""
        frame = _frame(message) if hooks else None
        wait_us = 0
        for identifier, records, hook in hooks if frame is not None else ():
            assert frame is not None
            onward = list(hook(frame, self._env.now))[:1]
            if records or onward != [(frame, 0)]:
                self._tell(identifier, frame, onward, kept=records)
            if not onward:
                self._inside.lose(message, "tapped")
                return
            wait_us += onward[0][1]
        if wait_us:
            self._hold(message, wait_us, goes_on)
        else:
            goes_on(message)

    def _twin(self, message: Message, frame: Frame) -> Message:
        """Return a second message, with ``frame``, where ``message`` is now."""
        twin = self._inside.admit(frame)
        twin.path, twin.position, twin.epoch = message.path, message.position, message.epoch
        return twin

    def _hold(self, message: Message, wait_us: int, goes_on: Callable[[Message], None]) -> None:
        at_us = self._env.now + wait_us
        self._held[message.serial] = message
        whole = message if message.path else None  # it may go on in segments, which are faster
        self._horizon.passes.append((at_us, whole))
        timer = Timeout(self._env, wait_us, (message, goes_on))
        timer.callbacks.append(self._on_release)

    def _release(self, event: Any) -> None:
        message, goes_on = event.value
        if self._held.pop(message.serial, None) is None:
            return  # the books have been closed
        self._book(message)
        goes_on(message)

    def _book(self, message: Message) -> None:
        message.processing_us += self._env.now - message.mark_us
        message.mark_us = self._env.now

    def _tell(self, identifier: str, frame: Frame, onward: Sequence[Onward], *, kept: bool) -> None:
        value = {"tap": identifier, "src": frame.src, "dst": frame.dst, "flow": frame.flow}
        held_us = [after_us for _, after_us in onward]
        told: Mapping[str, Any] = {"bytes": len(frame.payload), "after_us": held_us}
        if kept or any(other.payload != frame.payload for other, _ in onward):
            told = {**told, "payload": base64.b64encode(frame.payload).decode()}
        text = json.dumps({**value, **told}, sort_keys=True)
        self._inside.tell(self._env.now, self._name(), identifier, frame.id, text)

    def _plan(self, spec: TapSpec) -> None:
        """Set a timer for each frame that is to be injected."""
        injection = spec.injection
        assert injection is not None, "tapspec has seen to it"
        for number in range(injection.count):
            at_us = spec.from_us + number * injection.every_us
            if at_us < spec.until_us:
                self._horizon.passes.append((at_us, None))
                timer = Timeout(self._env, at_us, (spec, injection))
                timer.callbacks.append(self._on_inject)

    def _inject(self, event: Any) -> None:
        spec: TapSpec
        injection: Injection
        spec, injection = event.value
        frame = Frame(
            self._name(), spec.id, injection.src, injection.dst, injection.flow,
            injection.priority, self._env.now, -1, injection.payload,
        )  # fmt: skip
        self._tell(spec.id, frame, [(frame, 0)], kept=True)
        self._inside.route(self._inside.admit(frame), spec.element)


def _frame(message: Message) -> Frame | None:
    """Return the frame that a message is, or of which it bears a part."""
    return getattr(message, "bears", None) if message.frame is None else message.frame
