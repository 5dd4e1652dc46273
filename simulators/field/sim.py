"""The field as a mosaik simulator: instruments and actuators between the plant and the units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Command, Event, Reading
from fernwatt.timebase import Clock
from simulators.field.actuators import Actuators
from simulators.field.crews import Crews, parse_crews
from simulators.field.feeds import Feeds, parse_feeds
from simulators.field.instruments import Instruments
from simulators.field.losses import Losses, parse_losses
from simulators.field.plantview import PlantView
from simulators.field.specs import parse_actuators, parse_instruments

__all__ = ["FieldSimulator"]

_EID = "field"
_KINDS = {True: "loss_begins", False: "loss_ends"}


class FieldSimulator(Adapter):
    """Adapter of ``Instruments`` and ``Actuators``.

    Inputs ``state`` of the grid, ``device`` and ``device_events`` of the devices, ``commands`` of
    the units; outputs ``readings``, ``actuate`` and ``rows``. What is true of meters with losses
    goes to the recorder alone (table ``truth``).
    """

    component: ClassVar[str] = "field"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Field": model(
            ["state", "device"],
            trigger=["device_events", "commands"],
            transient=["readings", "actuate", ROWS],
            params=[
                "terminals", "transformers", "devices", "instruments", "actuators", "seed",
                "start", "drop", "losses", "crews", "feeds",
            ],
        )
    }  # fmt: skip

    _view: PlantView
    _instruments: Instruments
    _actuators: Actuators

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Build instruments and actuators; ScenarioError for what is wrong with them."""
        terminals, transformers = list(params["terminals"]), list(params["transformers"])
        devices, seed = list(params["devices"]), int(params["seed"])
        places = (("terminal", terminals, 0), ("transformer", transformers, len(terminals)))
        targets = {
            kind: {name: first + row for row, name in enumerate(names)}
            for kind, names, first in (*places, ("device", devices, 0))
        }
        self._view = PlantView(terminals, transformers, devices)
        drop = [
            (item["instrument"], item["variable"], int(item["t_sample_ms"]))
            for item in params.get("drop") or ()
        ]
        specs = parse_instruments(params["instruments"], targets)
        rows = {spec.id: row for row, spec in enumerate(specs)}
        meters = {spec.id: rows[spec.id] for spec in specs if spec.kind == "meter"}
        begin = Clock.from_iso(str(params["start"])).start
        losses = Losses(parse_losses(params.get("losses") or (), meters), meters, len(specs), begin)
        self._instruments = Instruments(specs, self._view, targets, seed, drop, losses)
        crews = Crews(parse_crews(params["crews"]), seed) if params.get("crews") else None
        actuators = parse_actuators(params.get("actuators") or (), crews=crews is not None)
        self._actuators = Actuators(actuators, seed, crews)
        self._feeds = Feeds(parse_feeds(params.get("feeds") or ()))
        self._truth_ids = Sequencer("truth")
        return [{"eid": _EID, "type": model_name}]

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:  # noqa: ARG002
        """Look at the plant, sample what is due, carry out commands; nothing new at the end."""
        state = self.latest(inputs, _EID, "state")
        if state is not None:
            self._view.take_state(state)
        device = self.latest(inputs, _EID, "device")
        if device is not None:
            self._view.take_devices(device)
        events = [Event.from_plain(item) for item in self.take(inputs, _EID, "device_events")]
        commands = [Command.from_plain(item) for item in self.take(inputs, _EID, "commands")]
        if t_ms >= self.end_ms:
            return None
        outcome = self._actuators.step(t_ms, commands)
        for actuation in outcome.actuations:
            self.emit(_EID, "actuate", actuation)
        self._tell_truth(t_ms)
        readings = self._instruments.sample(t_ms, events) + outcome.readings
        readings += self._feeds.sample(t_ms)
        for reading in readings:
            self.emit(_EID, "readings", reading)
        if readings:
            self.record(_EID, "reading", reading_columns(readings))
        if outcome.events:
            self.record(_EID, "event", _event_columns(outcome.events))
        due = (
            self._instruments.due_ms, self._actuators.due_ms, self._feeds.due_ms, self.end_ms,
        )  # fmt: skip
        return min(t for t in due if t is not None)

    def _tell_truth(self, t_ms: int) -> None:
        """Let losses begin and end; tell the recorder, and nobody else, what is true."""
        changes = self._instruments.change_losses(t_ms)
        rows = [(_KINDS[change.acts], change.loss.meter, change.loss.truth) for change in changes]
        for meter, (import_wh, export_wh) in self._instruments.lossy(t_ms).items():
            rows.append(("register", meter, {"import_wh": import_wh, "export_wh": export_wh}))
        if not rows:
            return
        columns = {
            "t_ms": t_ms,
            "id": [self._truth_ids() for _ in rows],
            "cause": "",
            "kind": [kind for kind, _, _ in rows],
            "element": [element for _, element, _ in rows],
            "value": [json.dumps(value, sort_keys=True) for _, _, value in rows],
        }
        self.record(_EID, "truth", columns)


def reading_columns(readings: Sequence[Reading]) -> dict[str, list[Any]]:
    """Return readings as columns of the table ``reading``; records as JSON."""
    plain = [isinstance(r.value, int | float) for r in readings]
    return {
        "id": [r.id for r in readings],
        "cause": [r.cause for r in readings],
        "instrument": [r.instrument for r in readings],
        "variable": [r.variable for r in readings],
        "t_sample_ms": [r.t_sample_ms for r in readings],
        "t_clock_ms": [r.t_clock_ms for r in readings],
        "value": [
            float(r.value) if is_number else None
            for r, is_number in zip(readings, plain, strict=True)
        ],
        "record": [
            None if is_number else json.dumps(r.value, sort_keys=True)
            for r, is_number in zip(readings, plain, strict=True)
        ],
        "measure": [r.measure for r in readings],
        "quality": [r.quality for r in readings],
    }


def _event_columns(events: Sequence[Event]) -> dict[str, list[Any]]:
    return {
        "t_us": [e.t_us for e in events],
        "id": [e.id for e in events],
        "cause": [e.cause for e in events],
        "source": ["field"] * len(events),
        "kind": [e.kind for e in events],
        "element": [e.element for e in events],
        "value": [json.dumps(e.value, sort_keys=True) for e in events],
    }
