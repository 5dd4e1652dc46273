"""What a unit knows of each generator and store below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fernwatt.timebase import DAY_MS, SLOT_MS

__all__ = ["DerBook"]


class _Der:
    """One of them."""

    __slots__ = ("alarms", "drawn_wh", "energy_wh", "fed_wh", "heard_ms", "past_w", "plate", "seen")

    def __init__(self) -> None:
        self.plate: Mapping[str, Any] = {}
        self.seen: Mapping[str, Any] = {}
        self.alarms: dict[str, bool] = {}
        self.heard_ms = -1
        self.energy_wh: float | None = None
        self.drawn_wh = self.fed_wh = 0.0
        # slot of the day -> sum of powers [W], how many, of earlier days and of this one
        self.past_w: dict[int, tuple[float, int]] = {}


class DerBook:
    """Characterisation, status and deviations of each, by unit."""

    __slots__ = ("_day_ms", "_ders")

    def __init__(self, units: tuple[str, ...], day_ms: int) -> None:
        self._ders = {unit: _Der() for unit in units}
        self._day_ms = day_ms

    def __contains__(self, unit: str) -> bool:
        return unit in self._ders

    def take(self, unit: str, variable: str, value: Mapping[str, Any], t_ms: int) -> None:
        """Take what a generator's unit says."""
        der = self._ders[unit]
        if variable == "der.parameters":
            der.plate = value
        elif variable == "der.alarm":
            der.alarms[str(value["kind"])] = bool(value["active"])
        elif variable == "der.measurements":
            self._measured(der, value, t_ms)

    def _measured(self, der: _Der, value: Mapping[str, Any], t_ms: int) -> None:
        der.seen, der.heard_ms = value, t_ms
        before, der.energy_wh = der.energy_wh, float(value["energy_wh"])
        if before is not None:
            step_wh = der.energy_wh - before
            der.drawn_wh += max(step_wh, 0.0)
            der.fed_wh += max(-step_wh, 0.0)
        slot = (t_ms + self._day_ms) % DAY_MS // SLOT_MS
        total, count = der.past_w.get(slot, (0.0, 0))
        der.past_w[slot] = (total + float(value["p_w"]), count + 1)

    def record(self, t_ms: int, silent_ms: int) -> dict[str, Any]:
        """Return the state of all at ``t_ms``; who was not heard for ``silent_ms`` is silent."""
        return {
            "t_ms": t_ms,
            "units": {
                unit: self._state(der, t_ms, silent_ms) for unit, der in sorted(self._ders.items())
            },
        }

    def _state(self, der: _Der, t_ms: int, silent_ms: int) -> dict[str, Any]:
        plate, seen = der.plate, der.seen
        there = der.heard_ms >= 0 and t_ms - der.heard_ms <= silent_ms
        takes = list(plate.get("takes", ()))
        p_max_w, p_w = plate.get("p_max_w"), seen.get("p_w")
        v_v = seen.get("v_v")
        return {
            "kind": plate.get("kind"),
            "p_max_w": p_max_w,
            "q_max_var": plate.get("q_max_var"),
            "status": "silent" if not there else "alarm" if any(der.alarms.values()) else "running",
            "remote": bool(takes),
            "services": takes,
            "available": there and not any(der.alarms.values()),
            "p_w": p_w,
            "q_var": seen.get("q_var"),
            "drawn_wh": round(der.drawn_wh, 1),
            "fed_wh": round(der.fed_wh, 1),
            "yield_deviation_w": self._deviation(der),
            "v_deviation": _over(v_v, plate.get("v_nominal_v")),
            "headroom_w": round(p_max_w - abs(p_w), 1) if p_max_w and p_w is not None else None,
        }

    def _deviation(self, der: _Der) -> float | None:
        """Return the newest power less the mean of what was seen at this time of day [W].

        None where that is nothing but the newest itself.
        """
        if der.heard_ms < 0:
            return None
        total, count = der.past_w[(der.heard_ms + self._day_ms) % DAY_MS // SLOT_MS]
        return round(float(der.seen["p_w"]) - total / count, 1) if count > 1 else None


def _over(v_v: float | None, nominal_v: float | None) -> float | None:
    """Return how far a voltage is above the nominal one, as a share of it."""
    return round(v_v / nominal_v - 1.0, 4) if v_v and nominal_v else None
