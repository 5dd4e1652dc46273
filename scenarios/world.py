"""The mosaik world of a run: which simulators, how they are connected, in which process.

Observation is same-tick, actuation and feedback are shifted by one tick, voltages never
trigger. ``docs/contracts.md`` says what each connection carries.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mosaik import AsyncWorld
from mosaik.async_scenario import AsyncModelFactory, Entity

from fernwatt import mosaik_patch
from fernwatt.adapter import ROWS
from scenarios.plan import RunPlan

__all__ = ["SIMULATORS", "Wire", "World", "wires"]

SIMULATORS = {
    "grid": "simulators.grid:GridSimulator",
    "devices": "simulators.devices:DevicesSimulator",
    "field": "simulators.field:FieldSimulator",
    "network": "simulators.network:NetworkSimulator",
    "units": "controllers.unit:UnitsSimulator",
    "cyber": "scenarios.fused:CyberSimulator",
    "recorder": "simulators.recorder:RecorderSimulator",
}
_MODELS = {name: name.capitalize() for name in SIMULATORS}
_SAME_TICK, _SHIFTED, _WEAK = "same tick", "shifted", "weak"


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection: an attribute of one simulator to the same attribute of another."""

    source: str
    target: str
    attr: str
    kind: str = _SAME_TICK
    initial: bool = False


_PLANT = (
    Wire("devices", "grid", "power"),
    Wire("grid", "devices", "terminal", _SHIFTED, initial=True),
    Wire("grid", "field", "state"),
    Wire("devices", "field", "device"),
    Wire("devices", "field", "device_events"),
    Wire("field", "devices", "actuate", _SHIFTED),
    Wire("field", "grid", "actuate", _SHIFTED),
    Wire("grid", "devices", "supply", _SHIFTED),
)


def wires(coupling: str, *, real_time: bool) -> tuple[Wire, ...]:
    """Return all connections among our own simulators for a coupling mode.

    mosaik cannot run groups in real time, so there the deliveries are shifted by one tick.
    """
    if coupling == "fused":
        cyber: tuple[Wire, ...] = (
            Wire("grid", "cyber", "supply"),
            Wire("field", "cyber", "readings"),
            Wire("cyber", "field", "commands", _SHIFTED),
        )
        sources: tuple[str, ...] = ("grid", "devices", "field", "cyber")
    else:
        back = _SHIFTED if real_time else _WEAK
        cyber = (
            Wire("grid", "network", "supply"),
            Wire("field", "units", "readings"),
            Wire("units", "field", "commands", _SHIFTED),
            Wire("units", "network", "tx"),
            Wire("network", "units", "rx", back),
            Wire("network", "units", "node_up", back),
        )
        sources = ("grid", "devices", "field", "units", "network")
    return (*_PLANT, *cyber, *(Wire(name, "recorder", ROWS) for name in sources))


class World:
    """One mosaik world, started and connected from a plan."""

    def __init__(self, plan: RunPlan, recorder: object) -> None:
        mosaik_patch.apply()
        self._plan = plan
        self._recorder = recorder
        self._cyber: tuple[str, ...] = (
            ("cyber",) if plan.coupling == "fused" else ("units", "network")
        )
        self._names = ("grid", "devices", "field", *self._cyber, "recorder")
        self._factories: dict[str, AsyncModelFactory] = {}
        self._entities: dict[str, Entity] = {}
        self._mosaik = AsyncWorld(
            self._starters(), time_resolution=0.001, max_loop_iterations=1000, skip_greetings=True
        )

    async def start(self) -> None:
        """Start every simulator, create its entity, make all connections."""
        outside = [name for name in self._names if name not in self._cyber]
        for name in outside:
            await self._start(name)
        if self._plan.coupling == "separate" and self._plan.rt_factor is None:
            with self._mosaik.group("ict"):
                for name in self._cyber:
                    await self._start(name)
        else:
            for name in self._cyber:
                await self._start(name)
        for wire in wires(self._plan.coupling, real_time=self._plan.rt_factor is not None):
            self._connect(wire)
        await self._third_party()

    async def run(self) -> None:
        """Run to the end; the last tick is the one at which all close their books."""
        await self._mosaik.run(until=self._plan.end_ms + 1, rt_factor=self._plan.rt_factor)

    async def conclude(self) -> dict[str, Any]:
        """Close our own simulators; return wall time and steps of each."""
        return {name: await self._factories[name].call.conclude() for name in self._names}

    def culprit(self) -> tuple[str, int, BaseException | None]:
        """Return who ended a run before its time, where it stood [ms], and with which error."""
        for name, runner in self._mosaik.compile(use_cache=True).items():
            task = getattr(runner, "task", None)
            if task is not None and task.done() and not task.cancelled() and task.exception():
                return name, int(runner.progress.time.time), task.exception()
        return "mosaik", round(self.progress / 100 * self._plan.end_ms), None

    async def shutdown(self) -> None:
        """Stop all simulators; an error in one of their ``finalize`` is raised."""
        await self._mosaik.shutdown()

    @property
    def progress(self) -> float:
        """Share of the simulated time that is done, in percent."""
        return float(self._mosaik.sim_progress)

    def _starters(self) -> dict[str, dict[str, str]]:
        starters = {}
        for name in self._names:
            if name in self._plan.processes:
                module = SIMULATORS[name].split(":")[0]
                starters[name] = {"cmd": f"{sys.executable} -m {module} %(addr)s"}
            else:
                starters[name] = {"python": SIMULATORS[name]}
        for name, extra in self._plan.third_party.items():
            starters[name] = dict(extra.starter)
        return starters

    async def _start(self, name: str) -> None:
        params: dict[str, Any] = {"end_ms": self._plan.end_ms}
        if self._plan.processes:
            params["plain"] = True
        factory = await self._mosaik.start(name, sim_id=name, **params)
        create = self._recorder_params() if name == "recorder" else self._plan.params[name]
        self._factories[name] = factory
        self._entities[name] = await getattr(factory, _MODELS[name])(**create)

    def _recorder_params(self) -> dict[str, object]:
        return {"writer": self._recorder}

    def _connect(self, wire: Wire) -> None:
        options: dict[str, Any] = {}
        if wire.kind == _WEAK:
            options["weak"] = True
        elif wire.kind == _SHIFTED:
            options["time_shifted"] = 1
        if wire.initial:
            options["initial_data"] = {wire.attr: {}}
        self._mosaik.connect(
            self._entities[wire.source], self._entities[wire.target], wire.attr, **options
        )

    async def _third_party(self) -> None:
        for name, extra in self._plan.third_party.items():
            factory = await self._mosaik.start(name, sim_id=name, **extra.params)
            for group in extra.entities:
                made = await getattr(factory, group.model).create(group.count, **group.params)
                self._entities.update(_named(name, group.name, made))
            for event in extra.initial_events:
                self._mosaik.set_initial_event(name, event)
        for extra in self._plan.third_party.values():
            for link in extra.connections:
                self._mosaik.connect(
                    self._find(link.source), self._find(link.target), link.attrs, **link.options
                )

    def _find(self, path: str) -> Entity:
        found = self._entities.get(path)
        if found is None:
            simulator, _, eid = path.partition("/")
            found = next((e for e in _walk([self._entities[simulator]]) if e.eid == eid), None)
        if found is None:
            raise KeyError(path)
        return found


def _named(simulator: str, name: str, entities: Iterable[Entity]) -> Mapping[str, Entity]:
    named: dict[str, Entity] = {}
    for index, entity in enumerate(entities):
        named[f"{simulator}/{name}.{index}"] = entity
        if index == 0:
            named[f"{simulator}/{name}"] = entity
        for child in _walk(entity.children):
            named[f"{simulator}/{name}/{child.eid}"] = child
    return named


def _walk(entities: Iterable[Entity]) -> Iterable[Entity]:
    for entity in entities:
        yield entity
        yield from _walk(entity.children)
