"""What terminals draw by kind of device, for the grid's harmonics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulators.devices.specbase import PHASES, FloatArray

__all__ = ["Kinds"]


class Kinds:
    """Sums the power of devices ``ids`` by kind and terminal; ``devices`` are their specs."""

    def __init__(
        self,
        ids: Sequence[str],
        devices: Sequence[Mapping[str, Any]],
        terminals: Sequence[str],
    ) -> None:
        spec = {item["id"]: item for item in devices}
        self._kinds = sorted({str(item["kind"]) for item in devices})
        self._n = len(terminals)
        kind = {name: row for row, name in enumerate(self._kinds)}
        terminal = {name: row for row, name in enumerate(terminals)}
        own = [spec[ident] for ident in ids]
        at = [kind[item["kind"]] * self._n + terminal[item["terminal"]] for item in own]
        self._at = np.array(at, dtype=np.int64)
        shares = [PHASES[item.get("phase") or "abc"] for item in own]
        self._share = np.array(shares, dtype=float).reshape(-1, 3)
        self._devices = self._sum(np.ones(len(own)))

    def told(self, p_w: FloatArray, q_var: FloatArray) -> dict[str, Any]:
        """Return what ``power`` tells more, of the devices' ``p_w``, ``q_var`` ``[m]`` [W, var].

        ``{kinds[k], p_kinds_w[k][n][3], q_kinds_var[k][n][3], devices[k][n]}``.
        """
        parts = {"p_kinds_w": p_w, "q_kinds_var": q_var}
        by_kind = {
            name: np.stack([self._sum(values * self._share[:, k]) for k in range(3)], axis=2)
            for name, values in parts.items()
        }
        return {"kinds": self._kinds, **by_kind, "devices": self._devices}

    def _sum(self, values: FloatArray) -> FloatArray:
        size = len(self._kinds) * self._n
        total = np.bincount(self._at, weights=values, minlength=size).astype(float)
        return total.reshape(len(self._kinds), self._n)
