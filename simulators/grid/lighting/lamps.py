"""Lamps: power against voltage, warm-up, extinction and striking, life.

With u = V / V_n and the share w of the warm-up that is done (0 cold, 1 hot)::

    P = P_n (p0 + (1 - p0) w) u^a          dw/dt = (1 - w) / tau
    Q = Q_n (q0 + (1 - q0) w) u^b

A lamp goes out below the voltage u_x, and strikes above u_s once it has cooled for the restrike
time. As arcs need more voltage when hot and when old, u_x rises with w, and with the square of
the burnt share of the lamp's life: at the end of its life a discharge lamp cycles.

Life is Weibull distributed, in hours of burning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAMPS", "FloatArray", "LampType", "law", "life_h"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class LampType:
    """One type of luminaire, lamp and gear together; voltages in shares of the nominal one.

    ``p_w`` is what it draws hot at nominal voltage, ``power_factor`` belongs to that (negative:
    leading), ``tolerance`` is the standard deviation between luminaires, ``flicker`` that of the
    power from minute to minute, ``unsteady`` what is added to it just above extinction.
    ``drift`` is the relative change of power after a thousand hours (a random walk, per
    luminaire), ``common_drift`` the part that all of a feeder share, ``trend`` what has come at
    the end of the rated life for sure.
    """

    name: str
    p_w: float
    power_factor: float
    voltage_exponent: float
    reactive_exponent: float
    start_power: float
    start_reactive: float
    warm_up_s: float
    restrike_s: float
    extinction_cold: float
    extinction_hot: float
    extinction_rise: float
    strike: float
    life_h: float
    life_shape: float
    tolerance: float = 0.02
    flicker: float = 0.005
    unsteady: float = 0.08
    drift: float = 0.005
    common_drift: float = 0.005
    trend: float = 0.0

    @property
    def q_var(self) -> float:
        """Reactive power at nominal voltage, hot; positive = inductive."""
        size = self.p_w * math.tan(math.acos(abs(self.power_factor)))
        return math.copysign(size, self.power_factor)


LAMPS = {
    "high-pressure-sodium": LampType(
        "high-pressure-sodium", p_w=170.0, power_factor=0.9, voltage_exponent=2.4,
        reactive_exponent=3.0, start_power=0.3, start_reactive=2.9, warm_up_s=110.0,
        restrike_s=60.0, extinction_cold=0.60, extinction_hot=0.75, extinction_rise=0.25,
        strike=0.90, life_h=24_000.0, life_shape=4.0, trend=0.04,
    ),
    "metal-halide": LampType(
        "metal-halide", p_w=165.0, power_factor=0.9, voltage_exponent=1.8,
        reactive_exponent=3.0, start_power=0.35, start_reactive=2.8, warm_up_s=80.0,
        restrike_s=480.0, extinction_cold=0.65, extinction_hot=0.80, extinction_rise=0.20,
        strike=0.90, life_h=12_000.0, life_shape=3.0, trend=0.03,
    ),
    "led": LampType(
        "led", p_w=60.0, power_factor=-0.95, voltage_exponent=0.0, reactive_exponent=2.0,
        start_power=1.0, start_reactive=1.0, warm_up_s=0.3, restrike_s=1.0,
        extinction_cold=0.60, extinction_hot=0.60, extinction_rise=0.0, strike=0.70,
        life_h=100_000.0, life_shape=1.5, flicker=0.001, unsteady=0.02, drift=0.002,
        common_drift=0.001,
    ),
}  # fmt: skip


def law(
    p_w: FloatArray, q_var: FloatArray, exponents: tuple[FloatArray, FloatArray],
    extinction: FloatArray, vn_v: FloatArray | float,
) -> Callable[[FloatArray], ComplexArray]:  # fmt: skip
    """Return what lamps draw [VA] at voltages [V], having ``p_w``, ``q_var`` at the nominal one.

    Below extinction they are impedances. That keeps the voltages findable; lamps that end there
    are put out afterwards.
    """
    a, b = exponents

    def power(size_v: FloatArray) -> ComplexArray:
        share = size_v / vn_v
        held = np.maximum(share, extinction)
        below = np.minimum(share / np.maximum(held, 1e-9), 1.0) ** 2
        drawn: ComplexArray = below * (p_w * held**a + 1j * (q_var * held**b))
        return drawn

    return power


def life_h(kind: LampType, age_h: float, uniform: float) -> float:
    """Return the burning hours at which a lamp that has burnt ``age_h`` will fail.

    ``uniform`` in (0, 1] is the drawn probability to survive from now to then.
    """
    scale = kind.life_h / math.log(2.0) ** (1.0 / kind.life_shape)  # the rated life is the median
    now = (age_h / scale) ** kind.life_shape
    return float(scale * (now - math.log(uniform)) ** (1.0 / kind.life_shape))
