"""Quality of supply in figures: pure functions on arrays, for the plant and for services alike.

``indices``: unbalance, distortion, flicker. ``events``: dips, swells and interruptions from
voltages that hold. ``en50160``: limits of the standard, and whether a week's values keep them.
"""

from __future__ import annotations

from fernwatt.quality.en50160 import (
    LIMITS_LV,
    LIMITS_MV,
    Limits,
    Measured,
    Verdict,
    assess,
    classify,
    quantile,
    within,
)
from fernwatt.quality.events import DIP, INTERRUPTION, SWELL, Thresholds, VoltageEvent, VoltageWatch
from fernwatt.quality.indices import (
    flicker_s,
    long_term_flicker,
    sequences,
    short_term_flicker,
    thd_percent,
    unbalance_of_voltages,
    unbalance_percent,
)

__all__ = [
    "DIP",
    "INTERRUPTION",
    "LIMITS_LV",
    "LIMITS_MV",
    "SWELL",
    "Limits",
    "Measured",
    "Thresholds",
    "Verdict",
    "VoltageEvent",
    "VoltageWatch",
    "assess",
    "classify",
    "flicker_s",
    "long_term_flicker",
    "quantile",
    "sequences",
    "short_term_flicker",
    "thd_percent",
    "unbalance_of_voltages",
    "unbalance_percent",
    "within",
]
