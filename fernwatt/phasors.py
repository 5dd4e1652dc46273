"""What a relay or an indicator measures at its place: currents, residuals, and their direction.

Current flows into the protected element where it is positive; voltages are those of the busbar
behind it, phase to earth. Directions: phase currents against the voltage of the other
two phases (the 90 degree connection), the residual current against the residual voltage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "ComplexArray", "Phasors", "forward", "quadrature", "residual"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
BoolArray = NDArray[np.bool_]

# columns of the table of magnitudes: each pole; the largest phase and the residual, in any
# direction, forward, and reverse
COLUMNS = {
    ("pole", "1"): 0, ("pole", "2"): 1, ("pole", "3"): 2,
    ("phase", "any"): 3, ("earth", "any"): 4,
    ("phase", "forward"): 5, ("phase", "reverse"): 6,
    ("earth", "forward"): 7, ("earth", "reverse"): 8,
}  # fmt: skip


def quadrature(v_v: ComplexArray) -> ComplexArray:
    """Return for each phase the voltage between the two others, ``[m, 3]``."""
    return np.roll(v_v, -1, axis=1) - np.roll(v_v, -2, axis=1)


def residual(values: ComplexArray) -> ComplexArray:
    """Return three times the zero sequence, ``[m]``."""
    total: ComplexArray = values.sum(axis=1)
    return total


def forward(i_a: ComplexArray, polarising_v: ComplexArray, angle_deg: FloatArray) -> FloatArray:
    """Return the cosine-like measure of direction [VA]: positive forward, negative reverse.

    It is largest where the current leads the polarising voltage by ``angle_deg``.
    """
    turned = polarising_v * np.exp(1j * np.deg2rad(angle_deg))
    measure: FloatArray = (i_a * turned.conj()).real
    return measure


class Phasors:
    """Magnitudes and directions at m places, with a memory of the healthy voltages.

    ``phase_deg``, ``earth_deg`` are the relays' characteristic angles, ``polarising_v`` the
    lowest voltage that still tells a direction: below it the phases' remembered voltage does,
    and the residual current has no direction.
    """

    def __init__(
        self, phase_deg: FloatArray, earth_deg: FloatArray, polarising_v: FloatArray
    ) -> None:
        self._phase_deg, self._earth_deg = phase_deg[:, None], earth_deg
        self._least_v = polarising_v
        self._memory_v = np.zeros((len(phase_deg), 3), dtype=complex)

    def table(self, i_a: ComplexArray, v_v: ComplexArray) -> FloatArray:
        """Return magnitudes [A] by ``COLUMNS``, ``[m, 9]``, and remember the voltages."""
        polarising_v = quadrature(v_v)
        clear = np.abs(polarising_v) >= self._least_v[:, None]
        self._memory_v = np.where(clear, polarising_v, self._memory_v)
        size_a = np.abs(i_a)
        ahead = forward(i_a, self._memory_v, self._phase_deg)
        earth_a, earth_v = residual(i_a), -residual(v_v)
        told = np.abs(earth_v) >= self._least_v
        earth_ahead = np.where(told, forward(earth_a, earth_v, self._earth_deg), 0.0)
        earth_size_a = np.abs(earth_a)
        return np.column_stack(
            (
                size_a,
                size_a.max(axis=1),
                earth_size_a,
                np.where(ahead > 0, size_a, 0.0).max(axis=1),
                np.where(ahead < 0, size_a, 0.0).max(axis=1),
                np.where(earth_ahead > 0, earth_size_a, 0.0),
                np.where(earth_ahead < 0, earth_size_a, 0.0),
            )
        )
