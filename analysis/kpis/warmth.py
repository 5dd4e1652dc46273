"""Comfort: how warm rooms, water and cold stores were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

_NONE = "nothing in the run has a temperature"
_FELT_KH = 0.1


@kpi("K·h", "warmth", Up.BAD)
def discomfort_kh(run: Run) -> Outcome:
    """Kelvin-hours outside of the comfort bands of rooms, boilers and fridges, summed over all of
    them; by device where it is above 0.1 K·h.
    """
    frame = run.columns("thermal", "device", "discomfort_kh")
    if frame.empty:
        return nothing(_NONE)
    each = frame.groupby("device", observed=True, sort=True)["discomfort_kh"].sum()
    felt = each[each > _FELT_KH]
    return Outcome(float(each.sum()), by={str(name): float(kh) for name, kh in felt.items()})


@kpi("°C", "warmth", Up.GOOD)
def water_min_c(run: Run) -> Outcome:
    """Lowest temperature of the hot water of any heat pump at the end of an interval, after the
    first; ``element`` is the heat pump.
    """
    frame = run.columns("thermal", "t_ms", "device", "tank_c").dropna(subset="tank_c")
    if frame.empty:
        return nothing("no heat pump in the run has a tank")
    place = int(frame["tank_c"].to_numpy().argmin())
    coldest, device, t_ms = (frame[name].iloc[place] for name in ("tank_c", "device", "t_ms"))
    return Outcome(float(coldest), element=str(device), t_ms=int(t_ms))
