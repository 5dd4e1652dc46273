"""Heat in bodies of one and two nodes, solved in closed form for inputs that hold.

With heat flows and outdoor temperature constant over a span h, the temperatures follow

    dx/dt = A x + b,     x(h) = x + h phi1(hA) (A x + b),
    mean of x over h = x + h phi2(hA) (A x + b),

with phi1(z) = (e^z - 1) / z and phi2(z) = (phi1(z) - 1) / z; so they do not depend on how often
they are stepped, and what flows is the integral of the temperatures, not a rule of quadrature.

Reference: the two-node building (``Ti Te`` with a direct path) after P. Bacher, H. Madsen, Energy
and Buildings 43 (2011) 1511.
"""

from __future__ import annotations

import numpy as np

from simulators.devices.phi import phi1, phi2
from simulators.devices.specbase import FloatArray

__all__ = ["Comfort", "OneNode", "TwoNodes"]

_MS_PER_H = 3.6e6


class OneNode:
    """Bodies of one temperature each ``[n]``: capacity [Wh/K], conductance to outside [W/K]."""

    def __init__(self, c_wh_per_k: FloatArray, loss_w_per_k: FloatArray, t_c: FloatArray) -> None:
        self.c_wh_per_k, self.loss_w_per_k, self.t_c = c_wh_per_k, loss_w_per_k, t_c
        self._rate_per_h = loss_w_per_k / c_wh_per_k
        self._held: tuple[float, FloatArray, FloatArray] = (-1.0, t_c, t_c)

    def _weights(self, h: float) -> tuple[FloatArray, FloatArray]:
        """Return ``h`` phi1 and ``h`` phi2 of a span; most spans are as long as the one before."""
        if self._held[0] != h:
            x = self._rate_per_h * h
            self._held = h, h * phi1(x), h * phi2(x)
        return self._held[1], self._held[2]

    def ahead(self, h: float, outside_c: FloatArray, heat_w: FloatArray) -> FloatArray:
        """Return the temperatures ``h`` hours from now, with ``heat_w`` given to each [W]."""
        slope = (heat_w - self.loss_w_per_k * (self.t_c - outside_c)) / self.c_wh_per_k
        t_c: FloatArray = self.t_c + self._weights(h)[0] * slope
        return t_c

    def advance(self, h: float, outside_c: FloatArray, heat_w: FloatArray) -> FloatArray:
        """Go ``h`` hours on; return the heat lost to outside [Wh], negative where it came in."""
        slope = (heat_w - self.loss_w_per_k * (self.t_c - outside_c)) / self.c_wh_per_k
        end_h, mean_h = self._weights(h)
        mean_c = self.t_c + mean_h * slope
        self.t_c = self.t_c + end_h * slope
        lost_wh: FloatArray = self.loss_w_per_k * (mean_c - outside_c) * h
        return lost_wh


class TwoNodes:
    """Buildings of air and mass ``[n]``, in series to outside, with a direct path from the air.

    Conductances [W/K]: ``direct`` air to outside, ``inner`` air to mass, ``outer`` mass to
    outside; capacities [Wh/K] and
    temperatures [°C] of air and mass. A building of one node has ``inner`` 0.
    """

    def __init__(
        self,
        c_wh_per_k: tuple[FloatArray, FloatArray],
        direct: FloatArray,
        inner: FloatArray,
        outer: FloatArray,
        t_c: tuple[FloatArray, FloatArray],
    ) -> None:
        self.c_air, self.c_mass = c_wh_per_k
        self.direct, self.inner, self.outer = direct, inner, outer
        self.air_c, self.mass_c = t_c
        self._a = -(inner + direct) / self.c_air, inner / self.c_air
        self._b = inner / self.c_mass, -(inner + outer) / self.c_mass
        middle = (self._a[0] + self._b[1]) / 2
        root = np.sqrt(((self._a[0] - self._b[1]) / 2) ** 2 + self._a[1] * self._b[0])
        self._slow, self._fast = middle + root, middle - root
        self._held: tuple[float, tuple[FloatArray, ...]] = (-1.0, ())

    def _weights(self, h: float) -> tuple[FloatArray, ...]:
        """Return how phi1 and phi2 of hA follow from A: ``u, v`` with phi(hA) = u + v A, twice."""
        if self._held[0] != h:
            gap = self._slow - self._fast
            made: list[FloatArray] = []
            for phi in (phi1, phi2):
                slow, fast = phi(-self._slow * h), phi(-self._fast * h)
                v = (slow - fast) / gap
                made += [slow - v * self._slow, v]
            self._held = h, tuple(made)
        return self._held[1]

    def advance(
        self, h: float, outside_c: FloatArray, air_w: FloatArray, mass_w: FloatArray
    ) -> FloatArray:
        """Go ``h`` hours on with heat given to air and mass [W]; return what went outside [Wh]."""
        u1, v1, u2, v2 = self._weights(h)
        s = (
            self._a[0] * self.air_c + self._a[1] * self.mass_c
            + (self.direct * outside_c + air_w) / self.c_air,
            self._b[0] * self.air_c + self._b[1] * self.mass_c
            + (self.outer * outside_c + mass_w) / self.c_mass,
        )  # fmt: skip
        turned = (
            self._a[0] * s[0] + self._a[1] * s[1],
            self._b[0] * s[0] + self._b[1] * s[1],
        )
        mean_air = self.air_c + h * (u2 * s[0] + v2 * turned[0])
        mean_mass = self.mass_c + h * (u2 * s[1] + v2 * turned[1])
        self.air_c = self.air_c + h * (u1 * s[0] + v1 * turned[0])
        self.mass_c = self.mass_c + h * (u1 * s[1] + v1 * turned[1])
        out_w = self.direct * (mean_air - outside_c) + self.outer * (mean_mass - outside_c)
        lost_wh: FloatArray = out_w * h
        return lost_wh


class Comfort:
    """Extremes of temperatures ``[n]``, and how far they were outside of a band, by interval."""

    def __init__(self, low_c: FloatArray, high_c: FloatArray, t_c: FloatArray) -> None:
        self.low_c, self.high_c = low_c, high_c
        self._t_c, self._least, self._most = t_c, t_c, t_c
        self._kh = np.zeros_like(t_c)

    def follow(self, span_ms: int, t_c: FloatArray) -> None:
        """Take the temperatures at the end of a span; between them they are taken as a line."""
        middle_c = (self._t_c + t_c) / 2
        outside = np.maximum(self.low_c - middle_c, 0.0) + np.maximum(middle_c - self.high_c, 0.0)
        self._kh = self._kh + outside * (span_ms / _MS_PER_H)
        self._t_c = t_c
        self._least, self._most = np.minimum(self._least, t_c), np.maximum(self._most, t_c)

    def take(self) -> dict[str, FloatArray]:
        """Return the columns of the interval that ends now, and begin the next."""
        columns = {
            "temperature_c": self._t_c,
            "low_c": self._least,
            "high_c": self._most,
            "discomfort_kh": self._kh,
        }
        self._least, self._most, self._kh = self._t_c, self._t_c, np.zeros_like(self._t_c)
        return columns
