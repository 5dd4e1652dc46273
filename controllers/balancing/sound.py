"""Whether what came is what a fellow unit would send: form and bounds of each variable.

Values come over the network, and at some levels of security anybody may have made them; a service
has to survive all of them. Bounds are far beyond what any house or negotiation needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controllers.unit.service import Notification
from fernwatt.timebase import DAY_MS, SLOT_MS

__all__ = ["is_sound"]

_MOST, _MOST_SLOTS, _MOST_UNIT_W = 1e12, 1000, 10_000_000
_MOST_VALUES = 100_000
_WHOLE = {int}
_NOTHING = ("ev.session", "appliance.request")  # null: there is none
_FAR_SLOTS = 30 * DAY_MS // SLOT_MS
_FAR_MS = 400 * DAY_MS
_NUMBERS = (
    "energy.import", "energy.export", "device.energy", "battery.soc", "thermal.temperature",
    "tank.temperature",
)  # fmt: skip
Record = Mapping[str, Any]


def is_sound(notification: Notification, now_ms: int) -> bool:
    """Tell whether a service may work with a notification's value at the unit's time."""
    value, variable = notification.value, notification.variable
    if variable in _NUMBERS:
        return _is_number(value)
    rule = _RULES.get(variable)
    if rule is None:
        return True
    if value is None:
        return variable in _NOTHING
    return isinstance(value, dict) and rule(value, now_ms)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_MOST < value < _MOST


def _integers(value: Record, *names: str) -> bool:
    return all(type(value.get(name)) is int and abs(value[name]) < _MOST for name in names)


def _numbers(value: Record, *names: str) -> bool:
    return all(_is_number(value.get(name)) for name in names)


def _listed(value: Any, kinds: tuple[type, ...]) -> bool:
    if not isinstance(value, list) or len(value) > _MOST_VALUES:
        return False
    if set(map(type, value)) == _WHOLE:  # a profile, as most are
        return bool(min(value) > -_MOST and max(value) < _MOST)
    return all(type(item) in kinds and abs(item) < _MOST for item in value)


def _is_request(value: Record, now_ms: int) -> bool:
    near = abs(value.get("slot", 0) - now_ms // SLOT_MS) if _integers(value, "slot") else _MOST
    return (
        _integers(value, "negotiation", "slots", "unit_w")
        and near <= _FAR_SLOTS
        and 0 < value["slots"] <= _MOST_SLOTS
        and 0 < value["unit_w"] <= _MOST_UNIT_W
    )


def _is_signal(value: Record, _now_ms: int) -> bool:
    if not _integers(value, "negotiation", "round"):
        return False
    if "p" in value:  # a desired profile, instead of a distance
        wished = _integers(value, "k") and _listed(value["p"], (int,))
        return wished and value["k"] > 0 and value["round"] > 0
    if not _listed(value.get("d"), (int,)) or type(value.get("beyond", False)) is not bool:
        return False
    if value["round"] == 0:
        return True
    return _integers(value, "profile", "k") and value["k"] > 0


def _is_accept(value: Record, _now_ms: int) -> bool:
    count = value.get("count", 1)
    fits = type(count) is int and 0 < count <= _MOST_VALUES
    return fits and _integers(value, "negotiation", "round") and type(value.get("take")) is bool


def _is_profile(value: Record, _now_ms: int) -> bool:
    named = type(value.get("child")) is str and _is_width(value.get("flexible"))
    whole = _integers(value, "negotiation", "round", "profile")
    left, mean_w = value.get("open", 0), value.get("mean_w", 0)
    parted = type(left) is int and 0 <= left <= _MOST_VALUES and _is_number(mean_w)
    told = value.get("p", [] if left else None)
    return named and whole and parted and type(mean_w) is int and _listed(told, (int,))


def _is_width(value: Any) -> bool:
    return type(value) is bool or (type(value) is int and 0 <= value <= _MOST_VALUES)


def _is_offer(value: Record, _now_ms: int) -> bool:
    named = type(value.get("child")) is str
    gains = all(_listed(value.get(name, []), (int,)) for name in ("improvements", "distances"))
    whole = _integers(value, "negotiation", "round")
    one = "distances" in value or _numbers(value, "improvement_w")
    return named and whole and gains and one


def _is_limit(value: Record, now_ms: int) -> bool:
    near = _integers(value, "slot") and bool(abs(value["slot"] - now_ms // SLOT_MS) <= _FAR_SLOTS)
    lists = [value.get(name, []) for name in ("lower_w", "upper_w")]
    return near and all(
        isinstance(one, list)
        and len(one) <= _FAR_SLOTS
        and all(item is None or _is_number(item) for item in one)
        for one in lists
    )


def _is_update(value: Record, _now_ms: int) -> bool:
    named = type(value.get("child")) is str and type(value.get("ask")) is bool
    return named and _integers(value, "negotiation") and _listed(value.get("p", []), (int,))


def _is_session(value: Record, now_ms: int) -> bool:
    near = _integers(value, "departure_ms") and abs(value["departure_ms"] - now_ms) < _FAR_MS
    limits = (value.get(name) for name in ("p_max_w", "p_min_w"))
    powers = all(limit is None or _is_number(limit) for limit in limits)
    return near and powers and "session" in value and _numbers(value, "energy_wh")


def _is_job(value: Record, now_ms: int) -> bool:
    times = ("earliest_ms", "deadline_ms", "duration_ms", "step_ms")
    whole = type(value.get("id")) is str and _integers(value, *times)
    if not whole or not _listed(value.get("p_w"), (int, float)) or not value["p_w"]:
        return False
    near = abs(value["deadline_ms"] - now_ms) < _FAR_MS and value["step_ms"] > 0
    fits = value["earliest_ms"] + value["duration_ms"] <= value["deadline_ms"]
    whole_ms: int = len(value["p_w"]) * value["step_ms"]
    return bool(near and fits and 0 < value["duration_ms"] == whole_ms)


def _is_memory(value: Record, now_ms: int) -> bool:
    lists = [value.get(name) for name in ("import_wh", "export_wh")]
    whole = _integers(value, "start_ms", "step_ms") and value["step_ms"] > 0
    if not whole or not all(_listed(item, (int, float)) for item in lists):
        return False
    long_ms = value["step_ms"] * len(lists[0] or ())
    near = abs(value["start_ms"] - now_ms) < _FAR_MS and long_ms < _FAR_MS
    return near and len(lists[0] or ()) == len(lists[1] or ())


def _is_windows(value: Record, _now_ms: int) -> bool:
    windows = value.get("windows")
    return (
        isinstance(windows, list) and len(windows) <= _MOST_SLOTS and all(map(_is_window, windows))
    )


def _is_window(value: Any) -> bool:
    if not isinstance(value, dict) or type(value.get("id")) is not str:
        return False
    members = value.get("members")
    series = [value.get(name) for name in ("p_w", "base_w", "press_w")]
    if not isinstance(members, list) or not all(_listed(one, (int,)) for one in series):
        return False
    sizes = {len(one or ()) for one in series}
    whole = len(sizes) == 1 and 0 < max(sizes) <= _MOST_SLOTS
    return whole and _integers(value, "slot") and all(type(name) is str for name in members)


_RULES: dict[str, Callable[[Record, int], bool]] = {
    "balancing.request": _is_request,
    "balancing.signal": _is_signal,
    "balancing.accept": _is_accept,
    "balancing.profile": _is_profile,
    "balancing.offer": _is_offer,
    "balancing.update": _is_update,
    "balancing.windows": _is_windows,
    "balancing.limit": _is_limit,
    "ev.session": _is_session,
    "appliance.request": _is_job,
    "load_profile": _is_memory,
}
