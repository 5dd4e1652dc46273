"""Name plates of time-shiftable appliances, wind turbines and CHP plants."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulators.devices.checks import Checker
from simulators.devices.specbase import DeviceSpec, FloatArray, Head

__all__ = [
    "ApplianceSpec",
    "ChpSpec",
    "JobSpec",
    "WindSpec",
    "parse_appliance",
    "parse_chp",
    "parse_wind",
]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One run of a program, begun from ``earliest_ms`` on, done by ``deadline_ms``."""

    id: str
    earliest_ms: int
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class ApplianceSpec(DeviceSpec):
    """An appliance; ``cycle_w[k]`` is its program's power in part k of ``step_s`` each.

    It tells of a job ``notice_s`` before its earliest start; 0: it does not.
    """

    cycle_w: FloatArray
    step_s: int
    cos_phi: float
    jobs: tuple[JobSpec, ...]
    notice_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WindSpec(DeviceSpec):
    """A turbine: available power ``p_w[slots] <= 0``; its rise and fall [of the rating per min].

    After wind or supply were gone it stands for ``start_s`` before it feeds in again.
    """

    p_w: FloatArray
    p_rated_w: float
    ramp_per_min: float
    start_s: float
    cos_phi: float


@dataclass(frozen=True, slots=True)
class ChpSpec(DeviceSpec):
    """A heat-led CHP plant with a heat store and a boiler beside it.

    ``p_rated_w`` is electrical, ``heat_ratio`` its heat per electricity. ``heat_w[slots]`` is the
    heat that is called for. It runs when the store is below ``set_c - switch_k`` until ``set_c``;
    the boiler gives what is called for when the store is below ``low_c``.
    """

    p_rated_w: float
    heat_ratio: float
    cos_phi: float
    ramp_per_min: float
    start_s: float
    min_on_s: float
    min_off_s: float
    c_wh_per_k: float
    loss_w_per_k: float
    surroundings_c: float
    set_c: float
    switch_k: float
    low_c: float
    high_c: float
    initial_c: float
    heat_w: FloatArray


def parse_appliance(check: Checker, head: Head, slots: int) -> DeviceSpec:  # noqa: ARG001
    """Return an appliance; jobs must have time, and come one after the other."""
    cycle = check.other("cycle_w", ())
    size = len(cycle) if isinstance(cycle, list | tuple | np.ndarray) else 0
    if not size:
        check.fault("cycle_w", "must be a list of powers, at least one")
    cycle_w = check.series("cycle_w", size) if size else np.ones(1)
    if (cycle_w < 0).any() or not cycle_w.any():
        check.fault("cycle_w", "must not be negative, and not all zero")
    step_s = check.integer("step_s", 60, least=1)
    total_ms = step_s * 1000 * max(size, 1)
    jobs = []
    for number, child in enumerate(check.children("jobs")):
        name = child.text("id", f"job/{head[0].partition('/')[2]}/{number}")
        earliest = child.integer("earliest_ms", least=0)
        deadline = child.integer("deadline_ms")
        child.no_others()
        if deadline - earliest < total_ms:
            message = f"{deadline} is before the end of a program begun at {earliest}"
            child.fault("deadline_ms", message, f"it takes {total_ms} ms")
        jobs.append(JobSpec(name, earliest, deadline))
    order = sorted(jobs, key=lambda job: job.earliest_ms)
    for before, after in pairwise(order):
        if after.earliest_ms < before.deadline_ms:
            message = f"{before.id} may still run then"
            check.fault(f"jobs[{jobs.index(after)}].earliest_ms", message)
    return ApplianceSpec(
        *head,
        cycle_w,
        max(step_s, 1),
        check.number("cos_phi", 1.0, above=0.5, most=1.0),
        tuple(order),
        check.number("notice_s", 0.0, least=0.0),
    )


def parse_wind(check: Checker, head: Head, slots: int) -> DeviceSpec:
    """Return a wind turbine."""
    p_w = check.series("p_w", slots)
    if (p_w > 0).any():
        slot = int(np.flatnonzero(p_w > 0)[0])
        check.fault(f"p_w[{slot}]", "a turbine draws nothing", "generation is negative")
    rated_w = check.number("p_rated_w", above=0.0)
    if rated_w < -p_w.min(initial=0.0) - 1e-3:
        check.fault("p_rated_w", f"{rated_w:g} W is below the course's {-p_w.min():g} W")
    return WindSpec(
        *head,
        p_w,
        rated_w,
        check.number("ramp_per_min", 0.2, above=0.0),
        check.number("start_s", 60.0, least=0.0),
        check.number("cos_phi", 1.0, above=0.5, most=1.0),
    )


def parse_chp(check: Checker, head: Head, slots: int) -> DeviceSpec:
    """Return a CHP plant."""
    low = check.number("low_c", 45.0, least=0.0, most=95.0)
    set_c = check.number("set_c", 75.0, least=low, most=95.0)
    high = check.number("high_c", 85.0, least=set_c, most=98.0)
    switch_k = check.number("switch_k", 15.0, above=0.0, most=max(set_c - low, 0.1))
    heat_w = check.series("heat_w", slots)
    if (heat_w < 0).any():
        slot = int(np.flatnonzero(heat_w < 0)[0])
        check.fault(f"heat_w[{slot}]", f"must not be negative, is {heat_w[slot]:g}")
    return ChpSpec(
        *head,
        check.number("p_rated_w", above=0.0),
        check.number("heat_ratio", 1.8, above=0.0, most=10.0),
        check.number("cos_phi", 1.0, above=0.5, most=1.0),
        check.number("ramp_per_min", 0.5, above=0.0),
        check.number("start_s", 60.0, least=0.0),
        check.number("min_on_s", 1800.0, least=0.0),
        check.number("min_off_s", 900.0, least=0.0),
        check.number("c_wh_per_k", above=0.0),
        check.number("loss_w_per_k", 0.0, least=0.0),
        check.number("surroundings_c", 15.0, least=-40.0, most=50.0),
        set_c,
        switch_k,
        low,
        high,
        check.number("initial_c", set_c - switch_k / 2, least=low, most=98.0),
        heat_w,
    )
