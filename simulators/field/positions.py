"""Positions of switches, taps and lighting's contactors as their drives report them.

All are told at the beginning, then each move, whoever made it: a command, a relay, a crew. A drive
that misreports says the contrary: of a move that it did not move, of a failed command that it
was carried out. A wrong tap is one step off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Command, Event, Reading
from fernwatt.streams import stream
from simulators.field.specs import ActuatorSpec

__all__ = ["Positions"]

_MOVES = {"switch_opened": False, "switch_closed": True, "lighting_off": False,
          "lighting_on": True}  # fmt: skip
_KINDS = {"switch": ("switch.position", "closed"), "transformer": ("tap.position", "position"),
          "lighting": ("light.position", "on")}  # fmt: skip


class Positions:
    """The position indications of drives ``specs``, each of a switch or a tap changer."""

    def __init__(self, specs: Sequence[ActuatorSpec], seed: int) -> None:
        self._specs = {spec.target: spec for spec in specs}
        self._ids = {spec.id: Sequencer(f"{spec.id}/position") for spec in specs}
        self._desks: dict[str, Sequencer] = {}
        self._rngs = {
            spec.id: stream(seed, "field", f"{spec.id}/position")
            for spec in specs
            if spec.misreport_probability
        }
        self._said: dict[str, bool] = {}
        self._wrong: set[str] = set()
        self._begun = False

    def drive(self, element: str) -> ActuatorSpec | None:
        """Return the drive of an element, None where there is none."""
        return self._specs.get(element)

    def hear(self, t_ms: int, happened: Iterable[Event]) -> tuple[list[Reading], list[Event]]:
        """Return what is told of what happened in the grid, and at first all positions.

        And events of what is told wrongly of others' moves; those of commands have theirs.
        """
        readings, wrong = [], []
        if not self._begun:
            self._begun = True
            for spec in self._specs.values():
                is_tap = spec.target.startswith("transformer/")
                readings.append(
                    self._tell(t_ms, spec, "", spec.position if is_tap else spec.closed)
                )
        for event in happened:
            moved = self._specs.get(event.element)
            if moved is not None and (event.kind in _MOVES or event.kind == "tap_moved"):
                right = self._said.pop(event.cause, None)
                if right is None:
                    right = self._is_right(moved)
                is_tap = event.kind == "tap_moved"
                is_at = event.value["position"] if is_tap else _MOVES[event.kind]
                shown = is_at if right else _other(moved, is_at)
                readings.append(self._tell(t_ms, moved, event.id, shown))
                if not right and event.cause not in self._wrong:
                    what = {"done": is_at, "said": shown}
                    ident = self._ids[moved.id]()
                    wrong.append(Event(ident, event.id, t_ms * 1000, "misreported", moved.id, what))
                self._wrong.discard(event.cause)
        return readings, wrong

    def ordered(
        self, t_ms: int, spec: ActuatorSpec, command: Command, ident: str, fate: tuple[bool, bool]
    ) -> list[Reading]:
        """Return what is told at once of a command; ``fate``: whether it was done, and said so.

        What was done shows when the grid moves; its event names ``ident`` as its cause.
        """
        done, said = fate
        value = command.value if isinstance(command.value, dict) else {}
        if command.action == "crew":  # a crew says what it did; it sees it
            wanted = {"open": False, "close": True, "tap": value.get("position")}
            work = value.get("work")
            if done and work in wanted and spec.target not in self._specs:
                return [self._tell(t_ms, spec, ident, wanted[work])]
            return []
        if not spec.tells:
            return []
        if done:
            self._said[ident] = said
            if not said:
                self._wrong.add(ident)
            return []
        wished = value.get({"switch": "closed", "light": "on"}.get(command.action, "position"))
        return [self._tell(t_ms, spec, ident, wished)] if said else []

    def _is_right(self, spec: ActuatorSpec) -> bool:
        rng = self._rngs.get(spec.id)
        return rng is None or bool(rng.random() >= spec.misreport_probability)

    def _tell(self, t_ms: int, spec: ActuatorSpec, cause: str, shown: Any) -> Reading:
        give = self._ids.get(spec.id)
        if give is None:
            give = self._desks.setdefault(spec.id, Sequencer(f"{spec.id}/position"))
        variable, name = _KINDS[spec.target.partition("/")[0]]
        value = {"element": spec.target, name: shown, "t_ms": t_ms}
        return Reading(give(), cause, spec.address, variable, t_ms, t_ms, value, "1")


def _other(spec: ActuatorSpec, shown: Any) -> Any:
    """Return what a wrong report says instead of ``shown``."""
    if isinstance(shown, bool):
        return not shown
    low, high = spec.steps
    return shown + 1 if shown < high else max(shown - 1, low)
