"""Performance of heat pumps: power and COP by source and flow temperature.

Both are linear in the temperatures, fitted by hplib (version 1.9) to the Heat Pump Keymark data of
on-off machines, and scaled by the electrical power at the reference point: -7 °C outside (0 °C
brine), flow at 52 °C. The figures are hplib's database (CC BY 4.0, T. Tjaden, H. Hoops, RE-Lab,
rows "Generic" of groups 4 and 5); valid from -20 to 20 °C outside and 25 to 60 °C flow.
"""

from __future__ import annotations

import numpy as np

from simulators.devices.specbase import FloatArray

__all__ = ["SOURCES", "datasheet", "performance"]

SOURCES = ("air", "brine")
# factors of source, flow and outdoor temperature [1/K] and the constant; air's source is outdoors
_POWER = (
    (0.0033465602, 0.0125769794, 0.0, 0.3622942950),
    (-0.0152760684, 0.0152760579, 0.0042976735, 0.2419165720),
)
_COP = (
    (0.0953330689, -0.0603183409, 0.0, 5.6960272249),
    (0.1039297389, -0.1039297761, -0.0318975097, 8.0546355277),
)
_LEAST_COP, _LEAST_SHARE = 1.0, 0.25
_OUTDOOR_C, _FLOW_C = (-20.0, 20.0), (25.0, 60.0)


def performance(
    source: FloatArray, source_c: FloatArray, flow_c: FloatArray, outdoor_c: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return electrical power, as a share of that at the reference point, and COP, each ``[n]``.

    ``source`` is 0 for air, 1 for brine. Temperatures [°C] outside of the map's range count as its
    limits.
    """
    outdoor_c = np.clip(outdoor_c, *_OUTDOOR_C)
    source_c, flow_c = np.clip(source_c, *_OUTDOOR_C), np.clip(flow_c, *_FLOW_C)
    brine = source > 0
    values = []
    for table in (_POWER, _COP):
        a, b, c, d = (np.where(brine, table[1][k], table[0][k]) for k in range(4))
        values.append(a * source_c + b * flow_c + c * outdoor_c + d)
    return np.maximum(values[0], _LEAST_SHARE), np.maximum(values[1], _LEAST_COP)


def datasheet(source: str) -> tuple[list[float], list[float]]:
    """Return the factors of power (as a share of the rating) and COP, as a manufacturer has them.

    Each: of the source's, the flow's and the outdoor temperature [1/K], and the constant.
    """
    row = SOURCES.index(source)
    return list(_POWER[row]), list(_COP[row])
