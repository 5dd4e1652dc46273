"""The loads of a run: the record's profiles, varied by customer, or courses of the user's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel, load_profiles
from fernwatt.timebase import DAY_MS, SLOT_MS
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.schema import ScenarioConfig
from simulators.devices import ProfileTable, read_profiles, refine, vary

__all__ = ["make_households", "to_milliwatts"]

FloatArray = NDArray[np.float64]
Course = tuple[FloatArray, FloatArray]
_PATH = "devices.household.profiles"
_SLOTS_A_DAY = DAY_MS // SLOT_MS


def make_households(
    scenario: Scenario, model: GridModel, slots: int, before: int
) -> tuple[list[dict[str, Any]], dict[str, FloatArray]]:
    """Return the record's own devices with their course, and each terminal's history.

    ``before`` is how many quarters of an hour the history has. Raises ScenarioError for a file of
    profiles that will not do.
    """
    config = scenario.config
    customers = {terminal.id for terminal in model.terminals if terminal.customer}
    own = _own_profiles(scenario, customers, slots, before)
    loads = Counter(record.terminal for record in model.record_devices if record.kind == "load")
    courses = _record_courses(config, model, customers, slots, before)
    devices: list[dict[str, Any]] = []
    history_w: dict[str, FloatArray] = {}
    for record, course in zip(model.record_devices, courses, strict=True):
        kind, step_s = "pv" if record.kind == "pv" else "load", SLOT_MS // 1000
        is_customer = record.kind == "load" and record.terminal in customers
        p_w, q_var = course
        if is_customer and own is not None and record.terminal in own.courses:
            count, step_s = loads[record.terminal], own.step_s
            p_w, q_var = (values / count for values in own.courses[record.terminal])
        steps = SLOT_MS // 1000 // step_s
        history = p_w[: before * steps].reshape(before, steps).mean(axis=1)
        held = history_w.setdefault(record.terminal, np.zeros(before))
        held += history
        device = to_milliwatts(
            {
                "id": record.id, "kind": kind, "terminal": record.terminal,
                "p_w": p_w[before * steps : (before + slots) * steps],
                "q_var": q_var[before * steps : (before + slots) * steps],
            }
        )  # fmt: skip
        devices.append(_stepped(config, device, step_s) if is_customer else device)
    return devices, history_w


def to_milliwatts(device: dict[str, Any]) -> dict[str, Any]:
    """Round a device's course: the last bits of libraries differ between their versions.

    A register that falls on the other side of a watt-hour changes a message's length, and from
    there on all that shares the line with it.
    """
    courses = {key: np.round(device[key], 3) for key in ("p_w", "q_var") if key in device}
    return device | courses


def _stepped(config: ScenarioConfig, device: dict[str, Any], step_s: int) -> dict[str, Any]:
    """Return a customer's load with its step: resampled where that is wanted and it is none yet."""
    wanted_s = config.devices.household.resample_s
    if wanted_s is None or step_s < SLOT_MS // 1000:
        return device if step_s == SLOT_MS // 1000 else device | {"step_s": step_s}
    p_w, q_var = refine(
        device["p_w"], device["q_var"], seed=config.seed, customer=device["terminal"],
        steps=SLOT_MS // (wanted_s * 1000),
    )  # fmt: skip
    return device | {"p_w": p_w, "q_var": q_var, "step_s": wanted_s}


def _record_courses(
    config: ScenarioConfig, model: GridModel, customers: set[str], slots: int, before: int
) -> Iterator[Course]:
    """Yield the course of each of the record's devices, from ``before`` slots before the run on."""
    start_slot = round(config.time.instant.timestamp() * 1000) // SLOT_MS
    after = -(start_slot + slots) % _SLOTS_A_DAY  # whole days, so that longer runs begin alike
    table = load_profiles(model, config.time.instant, slots + after, before=before)
    first = (start_slot - before) % _SLOTS_A_DAY
    flat = np.ones(before + slots + after)
    for record in model.record_devices:
        p_w = record.p_w * (table[record.p_profile] if record.p_profile else flat)
        q_var = record.q_var * (table[record.q_profile] if record.q_profile else flat)
        if record.kind == "load" and record.terminal in customers:
            p_w, q_var = vary(
                p_w, q_var, seed=config.seed, customer=record.terminal,
                variation=config.devices.household.variation, first_slot=first,
            )  # fmt: skip
        yield p_w, q_var


# -- courses of the user's -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Own:
    """Courses by terminal, from the history's beginning on, every ``step_s``."""

    step_s: int
    courses: Mapping[str, Course]


def _own_profiles(scenario: Scenario, customers: set[str], slots: int, before: int) -> _Own | None:
    config = scenario.config
    wanted = config.devices.household.profiles
    if wanted is None:
        return None
    path = Path(scenario.files[wanted.file])
    table = read_profiles(path, zone=wanted.zone, unit=wanted.unit)
    column_of = _columns(table, wanted.column_of, customers)
    begin, end = table.rows(config.time.instant, before, slots)
    shared = Counter(column_of.values())
    tan_phi = float(np.tan(np.arccos(wanted.cos_phi)))
    courses = {}
    for terminal, column in sorted(column_of.items()):
        p_w = table.p_w[column]
        if shared[column] > 1:
            p_w = _varied(config, table, terminal, p_w)
        courses[terminal] = (p_w[begin:end], p_w[begin:end] * tan_phi)
    return _Own(table.step_s, courses)


def _columns(
    table: ProfileTable, column_of: Mapping[str, str], customers: set[str]
) -> dict[str, str]:
    """Return the column of each terminal that has one; ScenarioError for unknown names."""
    head = f"{table.name}:1"
    faults = [
        Fault(f"{_PATH}.column_of", f"there is no customer at {at}", nearest(at, customers))
        for at in column_of
        if at not in customers
    ]
    faults += [
        Fault(f"{_PATH}.column_of", f"{table.name} has no column {name}", nearest(name, table.p_w))
        for name in sorted(set(column_of.values()))
        if name not in table.p_w
    ]
    served = set(column_of.values())
    for name in table.p_w:
        if name not in served and name not in customers:
            hint = "name its terminal in column_of, or leave it out"
            faults.append(Fault(_PATH, f"column {name} is no customer's", hint, head))
    if faults:
        raise ScenarioError(faults)
    return {name: name for name in table.p_w if name in customers} | dict(column_of)


def _varied(
    config: ScenarioConfig, table: ProfileTable, terminal: str, p_w: FloatArray
) -> FloatArray:
    """Return a customer's own variation of a course that several share, of quarters of an hour."""
    if table.step_s * 1000 != SLOT_MS:
        return p_w
    first = int(table.starts_ms[0]) // SLOT_MS % _SLOTS_A_DAY
    variation = config.devices.household.variation
    return vary(
        p_w, np.zeros_like(p_w), seed=config.seed, customer=terminal, variation=variation,
        first_slot=first,
    )[0]  # fmt: skip
