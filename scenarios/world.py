"""The mosaik world of a run: which simulators, how they are connected, in which process.

Observation is same-tick, actuation and feedback are shifted by one tick, voltages never
trigger. ``docs/contracts.md`` says what each connection carries.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mosaik import AsyncWorld
from mosaik.async_scenario import AsyncModelFactory, Entity

from fernwatt import mosaik_patch
from fernwatt.adapter import ROWS, plain_value
from fernwatt.errors import ComponentError, FernwattError
from scenarios.plan import RunPlan
from scenarios.processes import OwnProcess, make_starter

__all__ = ["SIMULATORS", "Wire", "World", "reason", "wires"]

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
_START_S, _STOP_S = 60.0, 5.0
"""How long a simulator may take to start, and to answer when it is stopped."""


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


_SIGHT = (Wire("grid", "field", "seen"), Wire("grid", "field", "events"))
"""What instruments and drives in the grid need; without any, nothing is sent."""


def wires(coupling: str, *, real_time: bool, sight: bool = False) -> tuple[Wire, ...]:
    """Return all connections among our own simulators for a coupling mode.

    mosaik cannot run groups in real time, so there the deliveries are shifted by one tick.
    ``sight``: the field has instruments or drives at lines, switches or transformers.
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
    plant = (*_PLANT, *_SIGHT) if sight else _PLANT
    return (*plant, *cyber, *(Wire(name, "recorder", ROWS) for name in sources))


class World:
    """One mosaik world, started and connected from a plan.

    ``logs`` is the folder for what simulators in processes of their own write to their standard
    streams. Every error says which simulator it is about.
    """

    def __init__(self, plan: RunPlan, recorder: object, logs: Path) -> None:
        mosaik_patch.apply()
        self._plan = plan
        self._recorder = recorder
        self._logs = logs
        self._cyber: tuple[str, ...] = (
            ("cyber",) if plan.coupling == "fused" else ("units", "network")
        )
        self._names = ("grid", "devices", "field", *self._cyber, "recorder")
        self._factories: dict[str, AsyncModelFactory] = {}
        self._entities: dict[str, Entity] = {}
        self._processes: dict[str, OwnProcess] = {}
        self._mosaik = AsyncWorld(
            {},
            {"start_timeout": _START_S},
            time_resolution=0.001,
            max_loop_iterations=1000,
            skip_greetings=True,
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
        hung = self._plan.params["field"]
        sight = any(hung.get(part) for part in ("watch", "desk")) or any(
            actuator.get("tells") for actuator in hung.get("actuators", ())
        )
        real_time = self._plan.rt_factor is not None
        for wire in wires(self._plan.coupling, real_time=real_time, sight=sight):
            self._connect(wire)
        await self._third_party()

    async def run(self) -> None:
        """Run to the end; the last tick is the one at which all close their books."""
        await self._mosaik.run(until=self._plan.end_ms + 1, rt_factor=self._plan.rt_factor)

    async def conclude(self) -> dict[str, Any]:
        """Close our own simulators; return wall time and steps of each."""
        told = {}
        for name in self._names:
            with _named(name, self._plan.end_ms):
                told[name] = await self._factories[name].call.conclude()
        return told

    def culprit(self, raised: BaseException | None) -> tuple[str, int, BaseException | None]:
        """Return who ended a run before its time, where it stood [ms], and with which error.

        ``raised`` is what mosaik raised, None where it returned as if all were well.
        """
        found = "mosaik", round(self.progress / 100 * self._plan.end_ms), raised
        for name, runner in self._runners():
            task = getattr(runner, "task", None)
            error = None
            if task is not None and task.done() and not task.cancelled():
                error = task.exception()
            if error is not None and (found[0] == "mosaik" or error is raised):
                found = name, int(runner.progress.time.time), error
        return found

    async def fate(self, name: str) -> str:
        """Return how the process of a simulator ended; empty if it has none, or it runs."""
        process = self._processes.get(name)
        return "" if process is None else await process.settled()

    async def shutdown(self) -> None:
        """Stop all simulators and end their processes; raise the first error of a ``finalize``."""
        for _, runner in self._runners():  # after an error, mosaik leaves the others running
            task = getattr(runner, "task", None)
            if task is not None:
                task.cancel()
        self._mosaik._shutdown_performed = True
        proxies = self._mosaik._proxies
        ends = [self._end(name, proxies.get(name)) for name in {**self._processes, **proxies}]
        errors = [error for error in await asyncio.gather(*ends) if error is not None]
        if errors:
            raise errors[0]

    async def _end(self, name: str, proxy: Any) -> ComponentError | None:
        """Stop one simulator; return its error, if it has one."""
        process = self._processes.get(name)
        error = None
        try:
            if proxy is not None:
                with _named(name, self._plan.end_ms):
                    await _stop(proxy, local=process is None)
        except ComponentError as raised:
            error = raised
        wrong = "" if process is None else await process.end()
        if wrong and error is None:
            error = ComponentError(name, self._plan.end_ms, wrong)
        return error

    def _runners(self) -> list[tuple[str, Any]]:
        """Return mosaik's runners of the simulators; none before the run has begun."""
        return list((self._mosaik._sims_cache or {}).items())

    @property
    def progress(self) -> float:
        """Share of the simulated time that is done, in percent."""
        return float(self._mosaik.sim_progress)

    async def _launch(self, name: str, entry: Mapping[str, str], **params: Any) -> Any:
        """Start a simulator by mosaik's own entry for it."""
        starter = make_starter(name, entry, self._logs / f"{name}.log")
        if isinstance(starter, OwnProcess):
            self._processes[name] = starter
        return await self._mosaik.start(starter, sim_id=name, **params)

    async def _start(self, name: str) -> None:
        entry = {"python": SIMULATORS[name]}
        if name in self._plan.processes:
            entry = {"cmd": f"%(python)s -m {SIMULATORS[name].split(':')[0]} %(addr)s"}
        params: dict[str, Any] = {"end_ms": self._plan.end_ms}
        if self._plan.processes:
            params["plain"] = True
        create = self._recorder_params() if name == "recorder" else self._plan.params[name]
        if name in self._plan.processes:
            create = plain_value(create)
        with _named(name, -1):
            factory = await self._launch(name, entry, **params)
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
            with _named(name, -1):
                factory = await self._launch(name, extra.starter, **extra.params)
                for group in extra.entities:
                    made = await getattr(factory, group.model).create(group.count, **group.params)
                    self._entities.update(_by_name(name, group.name, made))
                for event in extra.initial_events:
                    self._mosaik.set_initial_event(name, event)
        for name, extra in self._plan.third_party.items():
            for link in extra.connections:
                with _named(name, -1):
                    source, target = self._find(link.source), self._find(link.target)
                    with warnings.catch_warnings():  # it is needed where the input causes a step
                        warnings.filterwarnings("ignore", "Gave initial data", UserWarning)
                        self._mosaik.connect(source, target, link.attrs, **link.options)

    def _find(self, path: str) -> Entity:
        found = self._entities.get(path)
        if found is None:
            simulator, _, eid = path.partition("/")
            found = next((e for e in _walk([self._entities[simulator]]) if e.eid == eid), None)
        if found is None:
            raise LookupError(f"there is no entity {path}")
        return found


@contextmanager
def _named(name: str, t_ms: int) -> Iterator[None]:
    """Give an error the name of the simulator that it is about."""
    try:
        yield
    except FernwattError:
        raise
    except Exception as error:
        raise ComponentError(name, t_ms, reason(error)) from error


def reason(error: BaseException | None) -> str:
    """Return an error in words; mosaik's errors of remote simulators carry type and message."""
    if error is None:
        return "ended before its time without saying why"
    kind, message = type(error).__name__, str(error)
    if kind == "RemoteException":
        kind, message = str(error.args[0]), str(error.args[1])
        if kind == "ComponentError":  # one of ours, in another process: it has said where and when
            return message.partition(": ")[2] or message
    return f"{kind}: {message}" if message else kind


async def _stop(proxy: Any, *, local: bool) -> None:
    """Stop a simulator; one that cannot be reached any more is none to wait for."""
    if local:
        await proxy.stop()
        return
    with suppress(OSError, EOFError, TimeoutError):
        await asyncio.wait_for(proxy.stop(), _STOP_S)


def _by_name(simulator: str, name: str, entities: Iterable[Entity]) -> Mapping[str, Entity]:
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
