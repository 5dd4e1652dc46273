"""All devices of a run, stepped together.

At one instant, in this order: energies are booked up to it; vehicles leave; vehicles come;
supply changes; set-points end; new set-points are taken; profiles move on; charging points
decide; batteries decide, with all others' power behind the same terminal in their clamps' view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import SimulationError
from fernwatt.identifiers import index_hash
from fernwatt.messages import Actuation, Event, Supply
from fernwatt.timebase import SLOT_MS
from simulators.devices.battery import BatteryFleet
from simulators.devices.ev import EvFleet
from simulators.devices.events import EventLog
from simulators.devices.group import Change, Now
from simulators.devices.groups import make_groups
from simulators.devices.intervals import Intervals, Rows
from simulators.devices.orders import Orders
from simulators.devices.setpoints import SetPoints, read_set_point
from simulators.devices.specs import (
    PHASES,
    BatterySpec,
    EvSpec,
    FloatArray,
    LoadSpec,
    PvSpec,
    parse_devices,
)
from simulators.devices.static import CONTROL_MS, LoadFleet, PvFleet
from simulators.devices.visits import Visits
from simulators.devices.warmth import Warmth

__all__ = ["DevicesCore"]

_MS_PER_H = 3.6e6
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
_Why = tuple[str, str]  # identifier of the cause, reason


class DevicesCore:
    """The fleet, without mosaik.

    ``p_w``, ``q_var``, ``energy_wh`` (drawn since the start, signed) and ``loss_wh`` are arrays in
    the order of ``ids``. ``step`` is called with times that never fall; it returns the next tick at
    which something is due.
    """

    def __init__(
        self,
        terminals: Sequence[str],
        devices: Sequence[Mapping[str, Any]],
        end_ms: int,
        interval_ms: int = 0,
        *,
        control_ms: int = CONTROL_MS,
        climate: Mapping[str, Any] | None = None,
    ) -> None:
        specs = parse_devices(devices, terminals, -(-end_ms // SLOT_MS))
        self.terminals, self.end_ms, self.t_ms = list(terminals), end_ms, 0
        self.ids = [spec.id for spec in specs]
        self.index, self.device_index = index_hash(terminals), index_hash(self.ids)
        terminal_row = {terminal: row for row, terminal in enumerate(terminals)}
        self._terminal_row = terminal_row
        self._terminal = np.array([terminal_row[s.terminal] for s in specs], dtype=np.int64)
        self._phases = np.array([PHASES[s.phase] for s in specs], dtype=float).reshape(-1, 3)
        kinds = np.array([spec.kind for spec in specs])
        self.load_rows, self.pv_rows, self.ev_rows, self.battery_rows = (
            np.flatnonzero(kinds == kind) for kind in ("load", "pv", "ev", "battery")
        )
        self.load = LoadFleet([spec for spec in specs if isinstance(spec, LoadSpec)])
        self.pv = PvFleet([spec for spec in specs if isinstance(spec, PvSpec)], control_ms)
        self.ev = EvFleet([spec for spec in specs if isinstance(spec, EvSpec)])
        self.battery = BatteryFleet([spec for spec in specs if isinstance(spec, BatterySpec)])
        self.groups = make_groups(specs, climate, -(-end_ms // SLOT_MS))
        self._group_rows = {kind: np.flatnonzero(kinds == kind) for kind in self.groups}
        self._orders = Orders(self.groups, self.pv)
        self._warmth = Warmth(self.groups, {k: r.tolist() for k, r in self._group_rows.items()})
        self._controlled = self._places()
        self._share = self._battery_share()
        n = len(specs)
        self.p_w, self.q_var = np.zeros(n), np.zeros(n)
        self.registers = np.zeros((3, n))
        self.energised = np.ones(len(terminals), dtype=bool)
        self._v_v = np.full((len(terminals), 3), np.nan)
        periodic = any(group.periodic for group in self.groups.values())
        self._control_ms = control_ms
        self._is_periodic = periodic or len(self.pv.smart_rows) > 0
        self._intervals = Intervals(specs, interval_ms)
        self._log = EventLog("devices")
        self._rows: list[Rows] = []
        self._visits = Visits(self.ev, [self.ids[row] for row in self.ev_rows], self._log)
        self._given: dict[tuple[str, int], str] = {}  # event that set the set-point in force
        self._why: dict[tuple[str, int], _Why] = {}

    # -- one step --------------------------------------------------------------------------

    def step(
        self,
        t_ms: int,
        actuations: Iterable[Actuation] = (),
        energised: BoolArray | None = None,
        supplies: Iterable[Supply] = (),
        v_v: FloatArray | None = None,
    ) -> int | None:
        """Go to ``t_ms``; return the next tick that is due.

        ``energised`` is the supply of all terminals where it is known, ``supplies`` single
        changes of it, ``v_v[n][3]`` the voltages (phase to neutral) where they are known.
        """
        self._book(t_ms)
        if t_ms >= self.end_ms:
            self._close(t_ms)
            return None
        self._why = {}
        if v_v is not None:
            self._v_v = v_v
        self._rows += self._visits.go(t_ms, self._given, self._why)
        self._supply(energised, supplies)
        self._expire(t_ms)
        for actuation in actuations:
            self._actuate(t_ms, actuation)
        self._decide(t_ms)
        return self.next_ms()

    def next_ms(self) -> int:
        """Return the next tick that is due."""
        due = [
            (self.t_ms // self.load.step_ms + 1) * self.load.step_ms,
            self.ev.due_ms,
            self.battery.due_ms,
            self.pv.due_ms,
            self._orders.due_ms,
            self.end_ms,
        ]
        due += [min(group.due_ms, group.set_points.due_ms) for group in self.groups.values()]
        if self._is_periodic:
            due.append((self.t_ms // self._control_ms + 1) * self._control_ms)
        if self._intervals.due_ms is not None:
            due.append(self._intervals.due_ms)
        return min(due)

    def take_events(self) -> list[Event]:
        """Return what happened since the last call; it is in the rows as well."""
        events = self._log.take()
        if events:
            self._rows.append(("event", self._log.rows(events)))
        return events

    def take_rows(self) -> list[Rows]:
        """Return the result rows since the last call."""
        rows, self._rows = self._rows, []
        return rows

    # -- what others see -------------------------------------------------------------------

    @property
    def energy_wh(self) -> FloatArray:
        """Energy drawn since the start, signed, up to ``t_ms``, ``[m]``."""
        drawn: FloatArray = self.registers[0]
        return drawn

    @property
    def loss_wh(self) -> FloatArray:
        """Energy lost inside since the start, ``[m]``."""
        lost: FloatArray = self.registers[2]
        return lost

    def power(self) -> dict[str, Any]:
        """Return what the terminals draw: ``{index, p_w[n][3], q_var[n][3]}``."""
        return {
            "index": self.index,
            "p_w": self._by_terminal(self.p_w),
            "q_var": self._by_terminal(self.q_var),
        }

    def device(self) -> dict[str, Any]:
        """Return what instruments inside the devices see, see ``docs/contracts.md``."""
        return {
            "index": self.device_index,
            "t_ms": self.t_ms,
            "ids": self.ids,
            "p_w": self.p_w.copy(),
            "q_var": self.q_var.copy(),
            "energy_wh": self.energy_wh.copy(),
            "soc_wh": self._contents(),
            **self._warmth.payload(self.ids),
        }

    def _by_terminal(self, values: FloatArray) -> FloatArray:
        n = len(self.terminals)
        columns = [
            np.bincount(self._terminal, weights=values * self._phases[:, phase], minlength=n)
            for phase in range(3)
        ]
        return np.stack(columns, axis=1)

    def _contents(self) -> list[float | None]:
        stored: list[float | None] = [None] * len(self.ids)
        held = [(self.battery_rows, self.battery.stored_wh.tolist())]
        for kind, group in self.groups.items():
            if (stored_wh := group.stored_wh) is not None:
                held.append((self._group_rows[kind], stored_wh.tolist()))
        if self.ev.knows_vehicles:
            held.append((self.ev_rows, self.ev.contents_wh))
        for rows, contents_wh in held:
            for row, content_wh in zip(rows.tolist(), contents_wh, strict=True):
                stored[row] = content_wh
        return stored

    # -- the parts of a step ---------------------------------------------------------------

    def _book(self, t_ms: int) -> None:
        """Let the present powers hold until ``t_ms``."""
        span_ms = t_ms - self.t_ms
        if span_ms < 0:
            raise SimulationError(f"devices cannot go back from {self.t_ms} ms to {t_ms} ms")
        self.t_ms = t_ms
        if span_ms == 0:
            return
        drawn = self.p_w * (span_ms / _MS_PER_H)
        lost = np.zeros_like(drawn)
        drawn[self.ev_rows], lost[self.ev_rows] = self.ev.draw(span_ms)
        drawn[self.battery_rows], lost[self.battery_rows] = self.battery.draw(t_ms, span_ms)
        for kind, group in self.groups.items():
            rows = self._group_rows[kind]
            drawn[rows], lost[rows] = group.draw(t_ms, span_ms)
        self.registers[0] += drawn
        self.registers[1] += self.q_var * (span_ms / _MS_PER_H)
        self.registers[2] += lost
        if self._intervals.due_ms is not None and self._intervals.due_ms <= t_ms:
            self._end_interval(t_ms)

    def _end_interval(self, t_ms: int) -> None:
        begin_ms, row = self._intervals.end(t_ms, self.registers, self._contents())
        self._rows.append(row)
        for kind, group in self.groups.items():
            columns = group.rows()
            if columns is not None:
                ids = [self.ids[row] for row in self._group_rows[kind]]
                self._rows.append(("thermal", {"t_ms": begin_ms, "device": ids, **columns}))

    def _supply(self, energised: BoolArray | None, supplies: Iterable[Supply]) -> None:
        new = self.energised.copy() if energised is None else energised
        cause: dict[int, str] = {}
        for supply in supplies:
            row = self._terminal_row.get(supply.element)
            if row is not None:
                new[row] = supply.energised
                cause[row] = supply.cause or supply.id
        changed = new != self.energised
        self.energised = new
        if not changed.any():
            return
        for kind, _ in self._fleets():
            rows = self._rows_of(kind)
            for row in np.flatnonzero(changed[self._terminal[rows]]).tolist():
                terminal = int(self._terminal[rows[row]])
                self._why[kind, row] = (cause.get(terminal, ""), "supply")
        self.ev.touch(changed[self._terminal[self.ev_rows]])

    def _expire(self, t_ms: int) -> None:
        for kind, fleet in self._fleets():
            for row in fleet.expired(t_ms).tolist():
                cause = self._given.pop((kind, row), "")
                device = self.ids[self._rows_of(kind)[row]]
                ended = self._log.add(t_ms, "set_point_ended", device, cause, None)
                self._why[kind, row] = (ended, "set-point")
                if kind == "ev":
                    self.ev.touch(row)
        for event, kind, row, cause in self._orders.expired(t_ms):
            device = self.ids[self._rows_of(kind)[row]]
            self._why[kind, row] = (self._log.add(t_ms, event, device, cause, None), "order")

    def _actuate(self, t_ms: int, actuation: Actuation) -> None:
        place = self._controlled.get(actuation.target)
        if place is None:
            return  # somebody else's: a switch
        kind, row, fleet = place
        if actuation.action != "set_power":
            self._order(t_ms, actuation, kind, row)
            return
        wanted = read_set_point(actuation.value, t_ms)
        if not isinstance(wanted, str) and wanted[2] and kind != "battery":
            wanted = "only a battery has a clamp at its connection point"
        if isinstance(wanted, str):
            refusal = {"reason": wanted}
            self._log.add(t_ms, "set_point_refused", actuation.target, actuation.id, refusal)
            return
        fleet.set(row, *wanted)
        value = {"p_w": wanted[0], "until_ms": actuation.value["until_ms"]}
        if wanted[2]:
            value["at"] = "connection"
        if wanted[3]:
            value["beyond"] = True
        set_id = self._log.add(t_ms, "set_point_changed", actuation.target, actuation.id, value)
        self._given[kind, row] = set_id
        self._why[kind, row] = (set_id, "set-point")
        if kind == "ev":
            self.ev.touch(row)

    def _order(self, t_ms: int, actuation: Actuation, kind: str, row: int) -> None:
        """Take an order that is no power."""
        taken = self._orders.take(kind, row, actuation.action, actuation.value, t_ms)
        target, cause = actuation.target, actuation.id
        if isinstance(taken, str):
            self._log.add(t_ms, "order_refused", target, cause, {"reason": taken})
            return
        event, value = taken
        identifier = self._log.add(t_ms, event, target, cause, value)
        self._orders.note(event, kind, row, identifier)
        self._why[kind, row] = (identifier, "order")

    def _decide(self, t_ms: int) -> None:
        live = self.energised[self._terminal]
        before = self.battery.p_w
        self.load.decide(t_ms, live[self.load_rows])
        seen_v = self._voltage(self.pv_rows[self.pv.smart_rows])
        self._tell("pv", t_ms, self.pv.feed(t_ms, live[self.pv_rows], seen_v))
        for rows, fleet in ((self.load_rows, self.load), (self.pv_rows, self.pv)):
            self.p_w[rows], self.q_var[rows] = fleet.p_w, fleet.q_var
        self._decide_groups(t_ms, live)
        decided = self.ev.decide(t_ms, live[self.ev_rows])
        self._visits.tell(t_ms, decided, self.p_w[self.ev_rows], self._why)
        self.p_w[self.ev_rows] = self.ev.p_w
        self.p_w[self.battery_rows] = 0.0
        net_w = np.bincount(self._terminal, weights=self.p_w, minlength=len(self.terminals))
        surplus_w = -net_w[self._terminal[self.battery_rows]] * self._share
        horizon_ms = (t_ms // SLOT_MS + 1) * SLOT_MS
        limited = self.battery.decide(t_ms, horizon_ms, surplus_w, live[self.battery_rows])
        self._tell_batteries(t_ms, limited, before)
        self.p_w[self.battery_rows] = self.battery.drawn_w

    def _decide_groups(self, t_ms: int, live: BoolArray) -> None:
        if not self.groups:
            return
        until_ms = (t_ms // self._control_ms + 1) * self._control_ms
        for kind, group in self.groups.items():
            rows = self._group_rows[kind]
            due = np.full(len(rows), t_ms % self._control_ms == 0)
            due[[row for told, row in self._why if told == kind]] = True
            if due.any() or group.due_ms <= t_ms:
                before = group.p_w
                now = Now(t_ms, until_ms, t_ms // SLOT_MS, live[rows], due)
                self._tell(kind, t_ms, group.decide(now))
                self._tell_group(kind, t_ms, before)
            self.p_w[rows], self.q_var[rows] = group.p_w, group.q_var

    def _voltage(self, rows: IntArray) -> FloatArray:
        """Return the mean voltage of the phases that each of these devices is connected to."""
        share, v_v = self._phases[rows], self._v_v[self._terminal[rows]]
        mean_v: FloatArray = np.where(share > 0, v_v * share, 0.0).sum(axis=1)
        return mean_v

    # -- telling ---------------------------------------------------------------------------

    def _tell(self, kind: str, t_ms: int, changes: list[Change]) -> None:
        rows = self._rows_of(kind)
        for change in changes:
            cause = self._why.get((kind, change.row), ("", ""))[0]
            device = self.ids[rows[change.row]]
            self._log.add(t_ms, change.kind, device, cause, dict(change.value))

    def _tell_group(self, kind: str, t_ms: int, before: FloatArray) -> None:
        """Tell of powers that a set-point or the supply changed."""
        after = self.groups[kind].p_w
        for row in sorted(row for told, row in self._why if told == kind):
            if after[row] == before[row]:
                continue
            cause, reason = self._why[kind, row]
            value = {"p_w": float(after[row]), "reason": reason}
            device = self.ids[self._group_rows[kind][row]]
            self._log.add(t_ms, "power_changed", device, cause, value)

    def _tell_batteries(self, t_ms: int, limited: IntArray, before: FloatArray) -> None:
        """Tell of powers that a set-point, a limit or the supply changed; loads change often."""
        told = {row for kind, row in self._why if kind == "battery"}
        for row in sorted(told.union(limited.tolist())):
            power_w = float(self.battery.p_w[row])
            if power_w == before[row]:
                continue
            limit = "full" if self.battery.full[row] else "empty" if self.battery.empty[row] else ""
            by_itself = (self._given.get(("battery", row), ""), limit or "self-consumption")
            cause, reason = self._why.get(("battery", row), by_itself)
            device = self.ids[self.battery_rows[row]]
            value = {"p_w": power_w, "reason": reason}
            self._log.add(t_ms, "power_changed", device, cause, value)

    def _close(self, t_ms: int) -> None:
        """End the last interval; write the sessions of vehicles that leave now or later."""
        self._tell("battery", t_ms, self.battery.aged(t_ms))
        if self._intervals.is_open(t_ms):
            self._end_interval(t_ms)
        self._rows += self._visits.close(t_ms)

    # -- where things are ------------------------------------------------------------------

    def _fleets(self) -> tuple[tuple[str, SetPoints], ...]:
        return (
            ("pv", self.pv.set_points),
            ("ev", self.ev.set_points),
            ("battery", self.battery.set_points),
            *((kind, group.set_points) for kind, group in self.groups.items()),
        )

    def _rows_of(self, kind: str) -> IntArray:
        if kind in self.groups:
            return self._group_rows[kind]
        rows: IntArray = getattr(self, f"{kind}_rows")
        return rows

    def _places(self) -> dict[str, tuple[str, int, SetPoints]]:
        return {
            self.ids[number]: (kind, row, fleet)
            for kind, fleet in self._fleets()
            for row, number in enumerate(self._rows_of(kind).tolist())
        }

    def _battery_share(self) -> FloatArray:
        """Return the part of its terminal's surplus that each battery takes care of."""
        at = self._terminal[self.battery_rows]
        total = np.bincount(at, weights=self.battery.p_max_w, minlength=len(self.terminals))
        share: FloatArray = self.battery.p_max_w / total[at]
        return share
