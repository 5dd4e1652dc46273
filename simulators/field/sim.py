"""The field as a mosaik simulator: instruments and actuators between the plant and the units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Command, Event
from fernwatt.timebase import Clock
from simulators.field.actuators import Actuators
from simulators.field.crews import Crews, parse_crews
from simulators.field.desk import Desk, parse_desk
from simulators.field.falsified import Falsified, parse_falsified
from simulators.field.feeds import Feeds, parse_feeds
from simulators.field.gauges import Gauges, parse_gauges
from simulators.field.indicators import PassageTruth, parse_indicators
from simulators.field.instruments import Instruments
from simulators.field.losses import Losses, parse_losses
from simulators.field.plantview import PlantView
from simulators.field.rows import Truth, event_columns, reading_columns, truth_columns
from simulators.field.sensors import parse_sensors
from simulators.field.specs import parse_actuators, parse_instruments
from simulators.field.watch import Air, Watch

__all__ = ["FieldSimulator"]

_EID = "field"
_KINDS = {True: "loss_begins", False: "loss_ends"}


class FieldSimulator(Adapter):
    """Adapter of ``Instruments`` and ``Actuators``.

    Inputs: ``state`` of the grid, what is ``seen`` at its watched places, and its ``events``;
    ``device`` and ``device_events`` of the devices; ``commands`` of the units. Outputs:
    ``readings``, ``actuate`` and ``rows``. What is true of instruments goes to the recorder alone
    (table ``truth``).
    """

    component: ClassVar[str] = "field"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Field": model(
            ["state", "device"],
            trigger=["device_events", "commands", "seen", "events"],
            transient=["readings", "actuate", ROWS],
            params=[
                "terminals", "transformers", "devices", "instruments", "actuators", "seed",
                "start", "drop", "losses", "crews", "feeds", "watch", "indicators", "sensors",
                "air", "desk", "gauges", "falsified", "attacks",
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
        desk = Desk(parse_desk(params["desk"])) if params.get("desk") else None
        actuators = parse_actuators(params.get("actuators") or (), crews=crews is not None)
        self._actuators = Actuators(actuators, seed, crews, desk)
        self._watch = _watch(params, seed)
        self._feeds = Feeds(parse_feeds(params.get("feeds") or ()))
        inside = targets["device"], targets["terminal"]
        self._gauges = Gauges(parse_gauges(params.get("gauges") or (), *inside), *inside, seed)
        named = {spec.id for spec in specs} | {item["id"] for item in params.get("feeds") or ()}
        self._falsified = Falsified(parse_falsified(params.get("falsified") or (), named))
        self._attacks = [dict(item) for item in params.get("attacks") or ()]
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
            self._gauges.take(device)
        events = [Event.from_plain(item) for item in self.take(inputs, _EID, "device_events")]
        commands = [Command.from_plain(item) for item in self.take(inputs, _EID, "commands")]
        happened = [Event.from_plain(item) for item in self.take(inputs, _EID, "events")]
        seen = self.take(inputs, _EID, "seen")
        if t_ms >= self.end_ms:
            return None
        self._watch.see(seen)
        told, passages = self._watch.sample(t_ms)
        outcome = self._actuators.step(t_ms, commands, happened)
        for actuation in outcome.actuations:
            self.emit(_EID, "actuate", actuation)
        self._tell_truth(t_ms, passages)
        readings = self._instruments.sample(t_ms, events) + outcome.readings
        readings += self._feeds.sample(t_ms) + told
        readings += self._gauges.sample(t_ms, events, self._view.energised, self._view.voltage_v)
        if self._falsified:
            readings = self._falsified.apply(t_ms, readings)
        for reading in readings:
            self.emit(_EID, "readings", reading)
        if readings:
            self.record(_EID, "reading", reading_columns(readings))
        if outcome.events:
            self.record(_EID, "event", event_columns(outcome.events))
        due = (
            self._instruments.due_ms, self._actuators.due_ms, self._feeds.due_ms,
            self._watch.due_ms, self._gauges.due_ms, self.end_ms,
        )  # fmt: skip
        return min(t for t in due if t is not None)

    def _tell_truth(self, t_ms: int, passages: Sequence[PassageTruth]) -> None:
        """Let losses begin and end; tell the recorder, and nobody else, what is true."""
        changes = self._instruments.change_losses(t_ms)
        rows: list[Truth] = [
            ("", _KINDS[change.acts], change.loss.meter, change.loss.truth) for change in changes
        ]
        for meter, (import_wh, export_wh) in self._instruments.lossy(t_ms).items():
            wh = {"import_wh": import_wh, "export_wh": export_wh}
            rows.append(("", "register", meter, wh))
        rows += [(item.cause, item.kind, item.indicator, {"t_us": item.t_us}) for item in passages]
        if t_ms == 0:
            rows += [("", "wiring", name, wires) for name, wires in self._watch.crossed.items()]
            rows += [("", "attack", item["id"], item) for item in self._attacks]
        if rows:
            ids = [self._truth_ids() for _ in rows]
            self.record(_EID, "truth", truth_columns(t_ms, ids, rows))


def _watch(params: Mapping[str, Any], seed: int) -> Watch:
    """Return what hangs on the lines; ``air`` is ``{step_ms, temperature_c[]}``, or not given."""
    air = params.get("air") or {"step_ms": 1, "temperature_c": [20.0]}
    return Watch(
        list(params.get("watch") or ()),
        parse_indicators(params.get("indicators") or ()),
        parse_sensors(params.get("sensors") or ()),
        seed,
        Air(air["temperature_c"], int(air["step_ms"])),
    )
