"""What an adversary did in a run, and what was noticed of it: the truth beside the alarms."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cbor2
import numpy as np
import pandas as pd

from fernwatt.timebase import HOUR_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = [
    "AFTER_MS",
    "FITTING",
    "Alarm",
    "Attack",
    "alarms",
    "attacks",
    "detections",
    "disclosed",
    "false_alarms",
    "has_detection",
    "orders_not_given",
]

AFTER_MS = HOUR_MS
FITTING: dict[str, frozenset[str]] = {
    "eavesdrop": frozenset(),
    "replay": frozenset({"order", "stray", "forgery"}),
    "flip": frozenset({"garbage", "forgery", "order", "balance", "reading", "audit"}),
    "spoof": frozenset({"request", "forgery", "garbage", "intrusion"}),
    "inject": frozenset({"order", "forgery", "garbage", "intrusion"}),
    "stale_certificate": frozenset({"order", "forgery", "garbage", "intrusion", "certificate"}),
    "flood": frozenset({"flood", "stray", "forgery", "garbage"}),
    "jam": frozenset({"silence"}),
    "compromise": frozenset({"audit", "balance", "order", "request", "signal", "silence"}),
    "false_data": frozenset({"reading", "balance"}),
    "forecast": frozenset({"forecast"}),
}
"""Classes of alarms that name an attack of a kind."""

_SEALED, _PAYLOAD = 18, 2
_OPERATION, _VARIABLE, _VALUE = 0, 2, 6


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack that acted, as the truth has it."""

    id: str
    kind: str
    from_ms: int
    until_ms: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, when the top heard of it."""

    t_ms: int
    kind: str
    suspect: str
    unit: str
    raised_ms: int


def _truth(run: Run, kind: str) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Yield time, cause, element and details of the rows of a kind."""
    frame = run.columns("truth", "t_ms", "cause", "kind", "element", "value")
    frame = frame[(frame["kind"] == kind).to_numpy()]
    columns = (frame[name] for name in ("t_ms", "cause", "element", "value"))
    for t_ms, cause, element, value in zip(*columns, strict=True):
        yield int(t_ms), str(cause), str(element), json.loads(value)


def attacks(run: Run) -> list[Attack]:
    """Return the attacks of a run, in the order of the scenario."""
    return [
        Attack(name, it["kind"], it["from_ms"], it["until_ms"], tuple(it["targets"]))
        for _, _, name, it in _truth(run, "attack")
    ]


def has_detection(run: Run) -> bool:
    """Tell whether units had the service that raises alarms."""
    return any("detection" in unit.get("services", {}) for unit in run.topology.get("units", ()))


def _events(run: Run, kind: str) -> pd.DataFrame:
    frame = run.columns("event", "t_us", "cause", "kind", "element", "value")
    return frame[(frame["kind"] == kind).to_numpy()]


def alarms(run: Run) -> list[Alarm]:
    """Return the alarms that the top heard of, in order of time."""
    frame = _events(run, "alarm_at_top")
    found = []
    for t_us, text in zip(frame["t_us"], frame["value"], strict=True):
        it = json.loads(text)
        found.append(
            Alarm(int(t_us) // 1000, it["class"], it["suspect"], it["unit"], it["raised_ms"])
        )
    return found


def detections(run: Run) -> dict[str, int | None]:
    """Return, by attack, after how long the top had an alarm that names it [ms]; None: never.

    The alarm is raised while the attack acts, or within an hour after.
    """
    heard = alarms(run)
    found: dict[str, int | None] = {}
    for attack in attacks(run):
        times = [
            alarm.t_ms - attack.from_ms
            for alarm in heard
            if alarm.kind in FITTING.get(attack.kind, frozenset())
            and attack.from_ms <= alarm.raised_ms < attack.until_ms + AFTER_MS
        ]
        found[attack.id] = min(times, default=None)
    return found


def false_alarms(run: Run) -> list[Alarm]:
    """Return the alarms that were raised while no attack acted, nor within an hour after one."""
    acting = [(attack.from_ms, attack.until_ms + AFTER_MS) for attack in attacks(run)]
    return [
        alarm
        for alarm in alarms(run)
        if not any(begin <= alarm.raised_ms < end for begin, end in acting)
    ]


def orders_not_given(run: Run) -> pd.DataFrame:
    """Return the set points that actuators carried out though no unit meant them.

    Those come from a request that no unit made to that unit, from one whose frame was changed on
    the way, or from one that a compromised unit falsified. Columns: ``t_us``, ``actuator``.
    """
    owner = {item["id"]: item["unit"] for item in run.topology.get("actuators", ())}
    requests = run.columns("request", "id", "operation", "location")
    writes = requests[(requests["operation"] == "write").to_numpy()]
    given = set(zip(writes["id"], writes["location"].astype(str), strict=True))
    false = _changed(run) | {cause for _, cause, _, _ in _truth(run, "falsified")}
    frame = _events(run, "commanded")
    bad = np.array(
        [
            cause in false or (cause, owner.get(str(actuator))) not in given
            for cause, actuator in zip(frame["cause"], frame["element"], strict=True)
        ],
        dtype=bool,
    )
    chosen = frame[bad] if len(frame) else frame
    return pd.DataFrame({"t_us": chosen["t_us"], "actuator": chosen["element"].astype(str)})


def _taps(run: Run) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the attack, the frame and the details of each frame that an attack's tap met."""
    for _, tap, frame, told in _truth(run, "tapped"):
        if tap.startswith("attack/"):
            yield tap.rpartition("/")[0], frame, told


def _changed(run: Run) -> set[str]:
    """Return the requests whose frames, or repetitions, an adversary changed."""
    flips = {attack.id for attack in attacks(run) if attack.kind == "flip"}
    frames = {frame for attack, frame, _ in _taps(run) if attack in flips}
    message = run.columns("message", "id", "cause")
    again = {
        str(cause)
        for name, cause in zip(message["id"], message["cause"], strict=True)
        if name in frames
    }
    return frames | again


def disclosed(run: Run) -> dict[str, int]:
    """Return how many values a listener could read, by the variable's code."""
    listeners = {attack.id for attack in attacks(run) if attack.kind == "eavesdrop"}
    counts: dict[str, int] = {}
    for attack, _, told in _taps(run):
        if attack not in listeners:
            continue
        message = _read(base64.b64decode(told["payload"]))
        if message is not None:
            name = f"variable {message[_VARIABLE]}"
            counts[name] = counts.get(name, 0) + 1
    return counts


def _read(payload: bytes) -> Mapping[Any, Any] | None:
    """Return a message with a value, as one who knows the protocol and no key can read it."""
    try:
        data = cbor2.loads(payload)
        if isinstance(data, cbor2.CBORTag) and data.tag == _SEALED:
            data = cbor2.loads(data.value[_PAYLOAD])
    except (ValueError, TypeError, IndexError, OverflowError, cbor2.CBORDecodeError):
        return None
    if isinstance(data, dict) and {_OPERATION, _VARIABLE, _VALUE} <= data.keys():
        return data
    return None
