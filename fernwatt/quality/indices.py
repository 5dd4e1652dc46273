"""Unbalance, distortion and flicker of voltages.

Flicker follows the analytical method of IEC 61000-3-3, 4.2.3: a voltage change of ``d`` percent
of the nominal voltage and of form factor ``F`` (1 for a step) disturbs for
``t_f = 2.3 s * (F d)^3.2``, and ``Pst = (sum t_f / T_p)^(1/3.2)`` in an observation of ``T_p``.
It stands for a lamp of 60 W at 230 V, and for changes at least 1 s apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "flicker_s",
    "long_term_flicker",
    "sequences",
    "short_term_flicker",
    "thd_percent",
    "unbalance_of_voltages",
    "unbalance_percent",
]

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

_EXPONENT = 3.2
_IMPRESSION_S = 2.3
_A = np.exp(2j * np.pi / 3.0)
_TO_SEQUENCES = np.array([[1, 1, 1], [1, _A, _A**2], [1, _A**2, _A]]) / 3.0


def sequences(phasors: ComplexArray) -> ComplexArray:
    """Return zero, positive and negative sequence ``[..., 3]`` of phasors ``[..., 3]``."""
    out: ComplexArray = phasors @ _TO_SEQUENCES.T
    return out


def unbalance_percent(v_v: ComplexArray) -> tuple[FloatArray, FloatArray]:
    """Return negative- and zero-sequence voltage by the positive one [%], ``[...]`` each.

    ``v_v[..., 3]`` are phasors to neutral; NaN where there is no positive sequence.
    """
    zero, positive, negative = np.moveaxis(np.abs(sequences(v_v)), -1, 0)
    base = np.where(positive > 0, positive, np.nan)
    return 100.0 * negative / base, 100.0 * zero / base


def unbalance_of_voltages(u_v: FloatArray) -> FloatArray:
    """Return the negative-sequence unbalance [%] from three phase-to-phase voltages ``[..., 3]``.

    IEC 61000-4-30, 5.7.1: what an instrument works out that knows magnitudes alone. It agrees
    with the phasors', for phase-to-phase voltages have no zero sequence. NaN without voltage.
    """
    squares = u_v**2
    total = squares.sum(axis=-1)
    beta = (squares**2).sum(axis=-1) / np.where(total > 0, total, np.nan) ** 2
    root = np.sqrt(np.maximum(3.0 - 6.0 * beta, 0.0))
    percent: FloatArray = 100.0 * np.sqrt(np.maximum(1.0 - root, 0.0) / (1.0 + root))
    return percent


def thd_percent(harmonics: FloatArray, fundamental: FloatArray) -> FloatArray:
    """Return the total harmonic distortion [%] of magnitudes ``harmonics[orders, ...]``.

    By the fundamental ``[...]``, as IEC 61000-4-7 has it; NaN where this is 0.
    """
    total = np.sqrt((harmonics**2).sum(axis=0))
    percent: FloatArray = 100.0 * total / np.where(fundamental > 0, fundamental, np.nan)
    return percent


def flicker_s(change_percent: FloatArray, form: float = 1.0) -> FloatArray:
    """Return the flicker impression time [s] of voltage changes [% of the nominal voltage]."""
    time_s: FloatArray = _IMPRESSION_S * np.abs(form * change_percent) ** _EXPONENT
    return time_s


def short_term_flicker(sum_s: FloatArray, observed_s: float = 600.0) -> FloatArray:
    """Return Pst from the sum of impression times [s] within an observation [s]."""
    pst: FloatArray = (sum_s / observed_s) ** (1.0 / _EXPONENT)
    return pst


def long_term_flicker(pst: FloatArray) -> FloatArray:
    """Return Plt ``[...]`` from twelve Pst in a row ``[12, ...]``; NaN where one is NaN."""
    plt: FloatArray = np.cbrt((pst**3).mean(axis=0))
    return plt
