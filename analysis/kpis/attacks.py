"""Attacks and their detection: what was achieved, what was noticed, and when."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import attacks
from analysis.kpis.registry import Outcome, Up, kpi, nothing
from fernwatt.timebase import DAY_MS, SLOT_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

_FAMILY = "attacks"
_NO_ATTACK = "there was no attack"
_BLIND = "no unit detects"
_ATTACK_ICS = "MITRE ATT&CK for ICS (docs/models/attacks.md)"


def _concerned(run: Run) -> bool:
    """Tell whether the scenario has attacks, be they off, or detection."""
    return bool(run.scenario.get("attacks")) or attacks.has_detection(run)


@kpi("1", _FAMILY, source=_ATTACK_ICS)
def attacks_acting(run: Run) -> Outcome:
    """Number of attacks that took place, by kind."""
    found = attacks.attacks(run)
    return Outcome(len(found), by=dict(Counter(attack.kind for attack in found)))


@kpi(
    "1", _FAMILY, Up.BAD, source="T0855 Unauthorized Command Message, T0831 Manipulation of Control"
)
def orders_not_given(run: Run) -> Outcome:
    """Set points that actuators carried out though no unit meant them: of requests that nobody
    made, that were changed on the way, or that a compromised unit falsified; by kind of device.
    """
    if not _concerned(run):
        return nothing(_NO_ATTACK)
    found = attacks.orders_not_given(run)
    kinds = found["actuator"].str.split("/").str[-2] if len(found) else found["actuator"]
    return Outcome(len(found), by={str(k): int(n) for k, n in kinds.value_counts().items()})


def _true_wh(run: Run) -> pd.Series:
    """Return what all metered terminals drew net in each slot [Wh], by start [ms]."""
    metered = {
        item["target"] for item in run.topology.get("instruments", ()) if item["kind"] == "meter"
    }
    frame = run.columns("terminal", "t_ms", "terminal", "p_w")
    frame = frame[frame["terminal"].isin(metered).to_numpy()]
    energy_wh = frame["p_w"].to_numpy() * run.hours(frame["t_ms"])
    slots = frame["t_ms"].to_numpy() // SLOT_MS * SLOT_MS
    return pd.Series(energy_wh).groupby(slots).sum()


@kpi("Wh", _FAMILY, Up.BAD, source="T0856 Spoof Reporting Message, T0832 Manipulation of View")
def area_energy_error_wh(run: Run) -> Outcome:
    """How far what the top unit takes for the energy of all metered customers is from what they
    drew net, summed over the slots without regard to sign; ``missing``: of slots in which a
    meter's value was missing. Errors of instruments and lost reports count as well, so hold it
    against a run without the attack.
    """
    tops = [unit["id"] for unit in run.topology.get("units", ()) if unit["kind"] == "tlgmu"]
    if not _concerned(run) or not tops:
        return nothing(_NO_ATTACK)
    event = run.columns("event", "kind", "element", "value")
    chosen = (event["kind"] == "area_energy") & (event["element"] == tops[0])
    told = [json.loads(text) for text in event["value"][chosen.to_numpy()]]
    true_wh = _true_wh(run)
    errors = [
        (abs(it["import_wh"] - it["export_wh"] - float(true_wh[it["t_ms"]])), it["missing"])
        for it in told
        if "import_wh" in it and it["t_ms"] in true_wh.index
    ]
    if not errors:
        return nothing("no report of all customers' energy was made")
    missing_wh = sum(wh for wh, missing in errors if missing)
    return Outcome(sum(wh for wh, _ in errors), by={"missing": missing_wh})


@kpi("1", _FAMILY, Up.BAD, source="T0842 Network Sniffing, T0887 Wireless Sniffing")
def values_disclosed(run: Run) -> Outcome:
    """Values of variables that a listener who knows the protocol and no key could read, by the
    variable's code.
    """
    if not any(attack.kind == "eavesdrop" for attack in attacks.attacks(run)):
        return nothing("nobody listened")
    counts = attacks.disclosed(run)
    return Outcome(sum(counts.values()), by={name: int(n) for name, n in counts.items()})


@kpi("1", _FAMILY, source=_ATTACK_ICS)
def frames_refused(run: Run) -> Outcome:
    """Frames that units refused because they were not authentic or fresh, by the reason."""
    event = run.columns("event", "kind", "value")
    texts = event["value"][(event["kind"] == "refused").to_numpy()]
    whys = Counter(str(json.loads(text).get("why", "")) for text in texts)
    return Outcome(sum(whys.values()), by=dict(whys))


@kpi("%", _FAMILY, Up.GOOD, source="T0814 Denial of Service, T0804 Block Reporting Message")
def own_delivery_percent(run: Run) -> Outcome:
    """Share of messages delivered, of those that units sent (no adversary's copies and forged
    ones) and whose fate is known at the end, by flow.
    """
    if not _concerned(run):
        return nothing(_NO_ATTACK)
    frame = run.columns("message", "id", "flow", "fate")
    own = ~frame["id"].astype(str).str.startswith("tap#").to_numpy(dtype=bool)
    frame = frame[own & (frame["fate"] != "in-flight").to_numpy()]
    if frame.empty:
        return nothing("no message was sent")
    arrived = 100.0 * (frame["fate"] == "delivered")
    by = arrived.groupby(frame["flow"], observed=True).mean()
    return Outcome(float(arrived.mean()), by={str(k): float(v) for k, v in by.items()})


@kpi("%", _FAMILY, Up.GOOD, source=_ATTACK_ICS)
def attacks_detected_percent(run: Run) -> Outcome:
    """Share of the attacks of which the top had an alarm that names their kind, raised while they
    acted or within an hour after; by attack.
    """
    if not attacks.has_detection(run):
        return nothing(_BLIND)
    found = attacks.detections(run)
    if not found:
        return nothing(_NO_ATTACK)
    by = {name: 100.0 * (after_ms is not None) for name, after_ms in found.items()}
    return Outcome(float(np.mean(list(by.values()))), by=by)


@kpi("s", _FAMILY, Up.BAD, source=_ATTACK_ICS)
def detection_time_s(run: Run) -> Outcome:
    """Mean time from an attack's begin until the top has the first alarm that names its kind, of
    those that were detected; by attack.
    """
    if not attacks.has_detection(run):
        return nothing(_BLIND)
    found = {
        name: after_ms / 1000.0
        for name, after_ms in attacks.detections(run).items()
        if after_ms is not None
    }
    if not found:
        return nothing("no attack was detected")
    return Outcome(float(np.mean(list(found.values()))), by=found)


@kpi("1", _FAMILY, source=_ATTACK_ICS)
def alarms(run: Run) -> Outcome:
    """Alarms that reached the top, by class."""
    if not attacks.has_detection(run):
        return nothing(_BLIND)
    found = Counter(alarm.kind for alarm in attacks.alarms(run))
    return Outcome(sum(found.values()), by=dict(found))


@kpi("1/d", _FAMILY, Up.BAD)
def false_alarms_per_day(run: Run) -> Outcome:
    """Alarms raised while no attack acted, nor within an hour after one, that reached the top, by
    day of the run in which that was so; by class.
    """
    if not attacks.has_detection(run):
        return nothing(_BLIND)
    quiet_ms = run.duration_ms - _acting_ms(run)
    if quiet_ms <= 0:
        return nothing("an attack acted all the time")
    days = quiet_ms / DAY_MS
    found = Counter(alarm.kind for alarm in attacks.false_alarms(run))
    return Outcome(sum(found.values()) / days, by={kind: n / days for kind, n in found.items()})


def _acting_ms(run: Run) -> int:
    """Return for how long an attack acted, or had within the hour before."""
    spans = sorted(
        (attack.from_ms, min(attack.until_ms + attacks.AFTER_MS, run.duration_ms))
        for attack in attacks.attacks(run)
    )
    total, end = 0, 0
    for begin, until in spans:
        total += max(0, until - max(begin, end))
        end = max(end, until)
    return total
