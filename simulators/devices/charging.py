"""How fast a vehicle can be charged: full power, and less the fuller its battery is.

A curve gives the largest power over the state of charge, as points joined by straight lines. Where
it falls, it is cut into stairs no wider than ``STAIR_SOC``; each stair's power is the logarithmic
mean of its ends, which takes exactly as long as the straight line does. So powers hold between
ticks, and the time from any content to any stair's end is that of the curve. Each stair takes whole
milliseconds: its power is lowered by less than one part in their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["STAIR_SOC", "Stairs", "VehicleSpec", "flat", "stairs"]

STAIR_SOC = 0.02
_WMS_PER_WH = 3.6e6
_LEAST_WH = 1e-6  # stairs that are smaller are none


@dataclass(frozen=True, slots=True)
class VehicleSpec:
    """The battery of a vehicle at a charging point.

    ``curve`` are points (state of charge, share of ``p_max_w``), rising in the first; before the
    first and after the last the curve is level. Of the energy from the socket ``charge_efficiency``
    is stored; of the energy taken from the battery ``discharge_efficiency`` reaches the socket. It
    is not discharged below ``reserve_soc``.
    """

    capacity_wh: float
    arrival_soc: float
    p_max_w: float
    curve: tuple[tuple[float, float], ...]
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    reserve_soc: float = 0.0

    def power_w(self, soc: float, point_w: float) -> float:
        """Return the largest power at the socket at a state of charge."""
        return min(point_w, self.p_max_w * _share(self.curve, soc))

    def target_soc(self, energy_wh: float) -> float:
        """Return the state of charge when ``energy_wh`` from the socket is in."""
        return self.arrival_soc + energy_wh * self.charge_efficiency / self.capacity_wh


@dataclass(frozen=True, slots=True)
class Stairs:
    """The stairs of one session, from the emptiest to the fullest, energies at the socket.

    Stair k takes ``size_wh[k]`` at ``p_w[k]``; when it is full, ``rest_wh[k]`` are missing, which
    take ``rest_ms[k]`` at least.
    """

    size_wh: tuple[float, ...]
    p_w: tuple[float, ...]
    rest_wh: tuple[float, ...]
    rest_ms: tuple[int, ...]

    def at(self, missing_wh: float) -> int:
        """Return the stair on which ``missing_wh`` are missing."""
        for k, rest_wh in enumerate(self.rest_wh):
            if missing_wh > rest_wh:
                return k
        return len(self.rest_wh) - 1

    def above(self, missing_wh: float) -> int:
        """Return the first stair that lies above where ``missing_wh`` are missing."""
        tops = (rest + size for rest, size in zip(self.rest_wh, self.size_wh, strict=True))
        found = (k for k, top_wh in enumerate(tops) if top_wh <= missing_wh + _LEAST_WH)
        return next(found, len(self.rest_wh))

    def least_ms(self, missing_wh: float) -> int:
        """Return how long it takes at full power until all is in."""
        k = self.at(missing_wh)
        span = (missing_wh - self.rest_wh[k]) * _WMS_PER_WH / self.p_w[k]
        return math.ceil(span) + self.rest_ms[k]

    def missing_after(self, missing_wh: float, span_ms: float) -> float:
        """Return what is missing after ``span_ms`` of full power (not below 0)."""
        for k in range(self.at(missing_wh), len(self.p_w)):
            need_ms = (missing_wh - self.rest_wh[k]) * _WMS_PER_WH / self.p_w[k]
            if need_ms > span_ms:
                return missing_wh - self.p_w[k] * span_ms / _WMS_PER_WH
            missing_wh, span_ms = self.rest_wh[k], span_ms - need_ms
        return 0.0

    def most_wh(self, span_ms: float) -> float:
        """Return how much can be missing so that ``span_ms`` of full power are enough."""
        for k in range(len(self.p_w) - 1, -1, -1):
            left_ms = span_ms - self.rest_ms[k]
            size_ms = self.size_wh[k] * _WMS_PER_WH / self.p_w[k]
            if left_ms < size_ms or k == 0:
                return self.rest_wh[k] + max(0.0, min(left_ms, size_ms)) / _WMS_PER_WH * self.p_w[k]
        return 0.0


def flat(energy_wh: float, p_w: float) -> Stairs:
    """Return the one stair of a vehicle whose battery is not known: constant power."""
    return Stairs((energy_wh,), (p_w,), (0.0,), (0,))


def stairs(vehicle: VehicleSpec, energy_wh: float, point_w: float, least_soc: float) -> Stairs:
    """Return the stairs from ``least_soc`` to where ``energy_wh`` is in.

    ``least_soc`` is not above the state of charge on arrival.
    """
    target = vehicle.target_soc(energy_wh)
    socs = sorted({least_soc, target, *_nodes(vehicle, point_w, least_soc, target)})
    per_soc_wh = vehicle.capacity_wh / vehicle.charge_efficiency
    parts = [
        part
        for low, high in pairwise(socs)
        if (high - low) * per_soc_wh > _LEAST_WH
        for part in _cut(vehicle, point_w, low, high)
    ]
    size_wh = [(high - low) * per_soc_wh for low, high, _ in parts]
    p_w = [power_w for _, _, power_w in parts]
    rest_wh, rest_ms = [0.0], [0]
    for size, power_w in zip(size_wh[:0:-1], p_w[:0:-1], strict=True):
        rest_wh.append(rest_wh[-1] + size)
        rest_ms.append(rest_ms[-1] + math.ceil(size * _WMS_PER_WH / power_w))
    return Stairs(tuple(size_wh), tuple(p_w), tuple(rest_wh[::-1]), tuple(rest_ms[::-1]))


def _nodes(vehicle: VehicleSpec, point_w: float, low: float, high: float) -> list[float]:
    """Return where the curve bends: its points, and where the point's own limit ends.

    Stairs begin on arrival and at the reserve as well.
    """
    found = [vehicle.arrival_soc, vehicle.reserve_soc, *(soc for soc, _ in vehicle.curve)]
    limit = point_w / vehicle.p_max_w
    for (soc, share), (next_soc, next_share) in pairwise(vehicle.curve):
        if (share - limit) * (next_share - limit) < 0:
            found.append(soc + (next_soc - soc) * (limit - share) / (next_share - share))
    return [soc for soc in found if low < soc < high]


def _cut(
    vehicle: VehicleSpec, point_w: float, low: float, high: float
) -> list[tuple[float, float, float]]:
    """Return (from, to, power) of the stairs between two bends."""
    ends_w = vehicle.power_w(low, point_w), vehicle.power_w(high, point_w)
    level = math.isclose(*ends_w)
    count = 1 if level else math.ceil((high - low) / STAIR_SOC - 1e-9)
    edges = [low + (high - low) * k / count for k in range(count)] + [high]
    powers = [vehicle.power_w(soc, point_w) for soc in edges]
    means = [_log_mean(a, b) for a, b in pairwise(powers)]
    return [(a, b, mean) for (a, b), mean in zip(pairwise(edges), means, strict=True)]


def _log_mean(a: float, b: float) -> float:
    if math.isclose(a, b):
        return min(a, b)
    return (b - a) / math.log(b / a)


def _share(curve: Sequence[tuple[float, float]], soc: float) -> float:
    if soc <= curve[0][0]:
        return curve[0][1]
    for (low, a), (high, b) in pairwise(curve):
        if soc <= high:
            return a + (b - a) * (soc - low) / (high - low)
    return curve[-1][1]
