"""Base of our mosaik simulators.

The physics and the logic are plain Python objects without mosaik in them; a subclass of
``Adapter`` only converts between them and mosaik. The base names the component and the
simulated time in every failure, numbers transient lists (see ``mailbox``), collects rows for
the recorder, and measures the wall time spent in steps.
"""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import mosaik_api_v3
import numpy as np

from fernwatt.errors import ComponentError, FernwattError
from fernwatt.mailbox import Inbox, Outbox

__all__ = ["ROWS", "Adapter", "model", "plain_value"]

ROWS = "rows"
T = TypeVar("T")

Inputs = Mapping[str, Mapping[str, Mapping[str, Any]]]


def model(
    attrs: Sequence[str] = (),
    *,
    trigger: Sequence[str] = (),
    transient: Sequence[str] = (),
    params: Sequence[str] = (),
    public: bool = True,
) -> dict[str, Any]:
    """Return the description of one mosaik model of a hybrid simulator.

    ``attrs`` are neither trigger nor transient, ``trigger`` are inputs that cause a step,
    ``transient`` are outputs that are gone when they are not emitted anew.
    """
    return {
        "public": public,
        "params": list(params),
        "attrs": sorted({*attrs, *trigger, *transient}),
        "trigger": sorted(trigger),
        "non-persistent": sorted(transient),
    }


def plain_value(value: Any) -> Any:
    """Return ``value`` in the JSON form that may leave the process."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if hasattr(value, "plain"):
        return plain_value(value.plain())
    return value


class Adapter(mosaik_api_v3.Simulator):
    """A mosaik simulator around a plain core.

    A subclass sets ``component`` and ``models``, builds its core in ``setup(entity parameters)``,
    and implements ``advance`` (one step; returns the next due tick or None) and, where it has
    persistent outputs, ``output``. Transient lists go out by ``emit``, rows by ``record``.
    """

    component: ClassVar[str]
    models: ClassVar[dict[str, dict[str, Any]]]

    def __init__(self) -> None:
        super().__init__(
            {
                "api_version": "3.0",
                "type": "hybrid",
                "models": self.models,
                "extra_methods": ["conclude"],
            }
        )
        self.end_ms = 0
        self.plain = False
        self.t_ms = -1
        self.wall_s = 0.0
        self.steps = 0
        self._closed = False
        self._outboxes: dict[tuple[str, str], Outbox] = {}
        self._inboxes: dict[tuple[str, str], Inbox] = {}
        self._transients: dict[str, frozenset[str]] = {}

    # -- what a subclass says ------------------------------------------------------------

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build one entity from its parameters; return its mosaik description."""
        raise NotImplementedError

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:
        """Do one step at ``t_ms``; return the next tick that is due by itself, if any."""
        raise NotImplementedError

    def output(self, eid: str, attr: str) -> Any:
        """Return the value of a persistent attribute."""
        raise KeyError(f"{self.component}.{eid} has no attribute {attr}")

    def close(self) -> None:
        """Release what the core holds; called once, after the last step."""

    # -- helpers for a subclass ----------------------------------------------------------

    def emit(self, eid: str, attr: str, item: Any) -> None:
        """Queue one item of a transient list."""
        box = self._outboxes.get((eid, attr))
        if box is None:
            box = self._outboxes[eid, attr] = Outbox()
        box.put(item)

    def record(self, eid: str, table: str, columns: Mapping[str, Any]) -> None:
        """Queue rows for the recorder: equally long columns, or scalars to repeat."""
        self.emit(eid, ROWS, {"table": table, "columns": dict(columns)})

    def take(self, inputs: Inputs, eid: str, attr: str) -> list[Any]:
        """Return the new items of a transient list input, sources sorted."""
        box = self._inboxes.get((eid, attr))
        if box is None:
            box = self._inboxes[eid, attr] = Inbox()
        return box.take(inputs.get(eid, {}).get(attr))

    @staticmethod
    def latest(inputs: Inputs, eid: str, attr: str) -> Any:
        """Return the value of an input with one source, or None when it is not there."""
        values = inputs.get(eid, {}).get(attr)
        return values[min(values)] if values else None

    # -- mosaik ----------------------------------------------------------------------------

    def init(
        self,
        sid: str,
        time_resolution: float = 1.0,  # noqa: ARG002 - mosaik's signature
        end_ms: int = 0,
        plain: bool = False,
        **params: Any,
    ) -> Any:
        """Take what holds for all entities: the last tick, and whether payloads must be JSON."""
        self.sid, self.end_ms, self.plain = sid, end_ms, plain
        self._guard(lambda: self.configure(**params))
        return self.meta

    def configure(self, args: Any = None, **params: Any) -> None:  # noqa: ARG002
        """Take the simulator's own parameters.

        mosaik calls this too, with the command line ``args`` of a process of its own.
        """
        if params:
            raise TypeError(f"unknown parameters: {', '.join(sorted(params))}")

    def create(self, num: int, model: str, **params: Any) -> Any:
        """Create entities; every model of ours is created once per call."""
        if num != 1:
            raise ComponentError(self.component, -1, f"create {model} one at a time, not {num}")
        entities = self._guard(lambda: self.setup(model, params))
        self._learn(entities)
        return entities

    def step(self, time: int, inputs: Inputs, max_advance: int) -> int | None:
        """Step the core; a failure names the component and the simulated time."""
        self.t_ms = time
        self.steps += 1
        begin = wall.perf_counter()
        due = self._guard(lambda: self.advance(time, inputs, max_advance))
        self.wall_s += wall.perf_counter() - begin
        return None if due is None else int(due)

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> Any:
        """Return the requested values; transient lists only when there is something new."""
        begin = wall.perf_counter()
        data = self._guard(lambda: self._collect(outputs))
        self.wall_s += wall.perf_counter() - begin
        return data

    def finalize(self) -> None:
        """Close the core, once; a failure names the component."""
        if not self._closed:
            self._closed = True
            self._guard(self.close)

    def conclude(self) -> dict[str, float]:
        """Close the core; return the wall time [s] spent in steps, and their number.

        The runner asks for this at the end of a run: mosaik keeps an error in ``finalize`` of a
        simulator in another process to itself.
        """
        self.finalize()
        return {"wall_s": round(self.wall_s, 6), "steps": self.steps}

    @property
    def emission_ms(self) -> int:
        """The tick at which what this step emits takes effect."""
        return self.t_ms

    def _collect(self, outputs: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for eid, attrs in outputs.items():
            transient = self._transients[eid]
            values = {}
            for attr in attrs:
                if attr in transient:
                    box = self._outboxes.get((eid, attr))
                    items = box.emit(self.emission_ms) if box else []
                    if items:
                        values[attr] = plain_value(items) if self.plain else items
                else:
                    value = self.output(eid, attr)
                    values[attr] = plain_value(value) if self.plain else value
            data[eid] = values
        if self.emission_ms != self.t_ms:
            data["time"] = self.emission_ms
        return data

    def _learn(self, entities: Sequence[Mapping[str, Any]]) -> None:
        for entity in entities:
            description = self.models[entity["type"]]
            self._transients[entity["eid"]] = frozenset(description["non-persistent"])
            self._learn(entity.get("children", ()))

    def _guard(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except ComponentError:
            raise
        except FernwattError as error:
            raise ComponentError(self.component, self.t_ms, str(error)) from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ComponentError(self.component, self.t_ms, reason) from error
