"""Limits of what is usual, and how they were found.

Found in runs of the scenario ``attacks`` with ``acting: none`` (docs/models/attacks.md has the
figures): the largest value met, times two for counts, times one and a half for shares, and at
least what the accuracy of instruments (class 1) explains. A scenario may set its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fernwatt.errors import Fault, ScenarioError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a unit takes for usual; above a limit it raises an alarm.

    ``refused_per_h``, ``malformed_per_h``: frames of one sender that were refused, unreadable.
    ``frames_per_min``: frames that a unit gets from one sender. ``strays_per_min``: answers that
    nobody waits for, requests and notifications that came before. ``denied_per_min``: requests
    for which there is no right. ``balance_share``, ``balance_wh``: what the transformer gave
    more, or less, than the meters' sum, of what flowed and besides [Wh per slot].
    ``missing_meters``: meters without a value in a slot. ``connection_w``: power of a house's
    connection. ``frozen_slots``: slots in which a meter's registers stand still. ``base_w``: how
    far below zero a house's load without its devices may be, and ``base_slots`` for how many
    slots. ``silent_slots``: slots without a word of a house's device. ``sun_low``, ``sun_high``:
    yield of own panels by what a forecast had for a level surface, over ``sun_slots`` slots of
    ``sun_least`` kWh/m² together. ``audit_share``: how far an area's sums may be from
    its meters' registers. ``number_s``: how far a negotiation's number may be from the clock.
    ``signal_share``: by how much what is left to shift may grow from one round to the next,
    ``stalled_rounds``: for how many rounds on end it may not fall.
    """

    refused_per_h: int = 0
    malformed_per_h: int = 0
    frames_per_min: int = 120
    strays_per_min: int = 8
    denied_per_min: int = 0
    balance_share: float = 0.015
    balance_wh: float = 60.0
    missing_meters: int = 2
    connection_w: float = 44_000.0
    frozen_slots: int = 8
    base_w: float = 320.0
    base_slots: int = 2
    silent_slots: int = 6
    sun_low: float = 0.13
    sun_high: float = 2.75
    sun_slots: int = 6
    sun_least: float = 0.2
    audit_share: float = 0.02
    signal_share: float = 0.05
    stalled_rounds: int = 3
    number_s: int = 7_200

    @classmethod
    def of(cls, values: Mapping[str, Any], path: str) -> Limits:
        """Return the limits with a scenario's own values; raises ScenarioError."""
        known = {field.name for field in fields(cls)}
        faults = [
            Fault(f"{path}.{name}", "no such limit", f"one of {', '.join(sorted(known))}")
            for name in sorted(set(values) - known)
        ]
        faults += [
            Fault(f"{path}.{name}", "must be a number from 0 on")
            for name, value in sorted(values.items())
            if name in known and (isinstance(value, bool) or not value >= 0)
        ]
        if faults:
            raise ScenarioError(faults)
        return cls(**values)
