"""Cables of feeders: their impedances, and whether they can carry their lamps at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fernwatt.errors import ConvergenceError
from simulators.grid.lighting.ladder import ComplexArray, Ladder
from simulators.grid.lighting.lamps import FloatArray, LampType, law
from simulators.grid.lighting.specs import FeederSpec

__all__ = ["make_ladder", "overload"]

_TURN = np.exp(-2j * np.pi / 3.0 * np.arange(3))


def make_ladder(feeders: Sequence[FeederSpec], shape: tuple[int, int]) -> Ladder:
    """Return the cables of feeders as rows of ``shape``."""
    phase_ohm, neutral_ohm = (np.zeros(shape, dtype=complex) for _ in range(2))
    phase = np.zeros(shape, dtype=np.int64)
    for row, feeder in enumerate(feeders):
        km, n = feeder.span_m / 1000, feeder.count
        phase_ohm[row, :n] = km * complex(feeder.r_ohm_per_km, feeder.x_ohm_per_km)
        neutral_ohm[row, :n] = km * complex(
            feeder.neutral_r_ohm_per_km, feeder.neutral_x_ohm_per_km
        )
        phase[row, :n] = np.resize(np.array(feeder.phases) - 1, n)
    return Ladder(phase_ohm, neutral_ohm, phase)


def overload(feeder: FeederSpec) -> str:
    """Return in words why a feeder's cable cannot carry its lamps, "" where it can.

    At nominal voltage, with all new lamps burning hot, each has to have more than the voltage
    below which it goes out; and cold ones, which draw more reactive power, have to be solvable.
    """
    kinds = [segment.lamp for segment in feeder.segments for _ in range(segment.count)]
    ladder = make_ladder([feeder], (1, feeder.count))
    head_v = (feeder.vn_v * _TURN)[None, :]
    try:
        ladder.solve(head_v, _burning(kinds, feeder.vn_v, 0.0))
        flow = ladder.solve(head_v, _burning(kinds, feeder.vn_v, 1.0))
    except ConvergenceError:
        return "its cable cannot carry its lamps"
    share = np.abs(flow.v_v[0]) / feeder.vn_v
    worst = int(np.argmin(share - _of(kinds, "extinction_hot")))
    kind = kinds[worst]
    if share[worst] >= kind.extinction_hot:
        return ""
    return (
        f"luminaire {worst} has {100 * share[worst]:.0f} % of the nominal voltage when all burn, "
        f"and {kind.name} goes out below {100 * kind.extinction_hot:.0f} %"
    )


def _of(kinds: Sequence[LampType], name: str) -> FloatArray:
    return np.array([getattr(kind, name) for kind in kinds], dtype=float)


def _burning(
    kinds: Sequence[LampType], vn_v: float, warm: float
) -> Callable[[FloatArray], ComplexArray]:
    """Return what new lamps draw at voltages, with this share of their warm-up done."""
    out = _of(kinds, "extinction_hot" if warm else "extinction_cold")
    p0, q0 = (_of(kinds, name) for name in ("start_power", "start_reactive"))
    p_w = _of(kinds, "p_w") * (p0 + (1.0 - p0) * warm)
    q_var = _of(kinds, "q_var") * (q0 + (1.0 - q0) * warm)
    a, b = _of(kinds, "voltage_exponent"), _of(kinds, "reactive_exponent")
    return law(p_w, q_var, (a, b), out, vn_v)
