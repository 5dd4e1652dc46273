"""Delivery and delay of a mesh over hops and load, as `benchmarks/mesh.py` measures them."""

from __future__ import annotations

import numpy as np

from benchmarks.mesh import by_hops


def test_delivery_falls_and_delay_grows_with_hops_and_load() -> None:
    light, heavy = (by_hops(period_s, side=7, span_ms=400_000) for period_s in (30, 2))
    hops = sorted(set(light) & set(heavy))
    assert len(hops) >= 4
    near, far = hops[:2], hops[-2:]

    def share(found: dict[int, tuple[int, float, float, float]], where: list[int]) -> float:
        weights = [found[it][0] for it in where]
        return float(np.average([found[it][1] for it in where], weights=weights))

    assert share(light, hops) > 0.95
    assert share(heavy, hops) < share(light, hops) - 0.1
    assert share(heavy, far) < share(heavy, near)
    for found in (light, heavy):
        delays = [found[it][2] for it in hops]
        assert delays == sorted(delays)
    per_hop = np.diff([light[it][2] for it in hops])
    assert all(7 < gap < 16 for gap in per_hop)  # backoff, sensing, 143 B at 250 kbit/s, repetition
    assert all(heavy[it][3] > light[it][3] for it in hops)
