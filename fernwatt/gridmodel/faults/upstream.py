"""The grid above, as short circuits see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import GridModel

__all__ = ["Upstream"]

_USUAL_VA = ((1e3, 10e6), (36e3, 500e6), (170e3, 5e9), (float("inf"), 20e9))
"""Up to a nominal voltage [V]: short-circuit power [VA]. Assumptions, see docs/models/faults.md."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Short-circuit power [VA] of each connection to the grid above, and its impedance's kind.

    ``r_over_x`` of the positive (and negative) sequence, ``z0_over_z1`` zero by positive sequence.
    ``s_sc_va`` None: what is usual at the connection's voltage.
    """

    s_sc_va: float | None = None
    r_over_x: float = 0.1
    z0_over_z1: float = 1.0

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None, model: GridModel) -> Upstream:
        """Return what a scenario's ``grid.upstream`` states: ``{s_sc_mva, r_over_x, z0_over_z1}``.

        Without ``s_sc_mva`` it is what is usual at the highest voltage at which ``model`` is fed.
        Raises ScenarioError for what is impossible.
        """
        given = dict(settings or {})
        unknown = sorted(set(given) - {"s_sc_mva", "r_over_x", "z0_over_z1"})
        faults = [Fault(f"grid.upstream.{name}", "is unknown") for name in unknown]
        for name, value in given.items():
            if name in unknown or (value is None and name == "s_sc_mva"):
                continue
            if not isinstance(value, int | float) or not 0.0 < value < float("inf"):
                faults.append(Fault(f"grid.upstream.{name}", f"{value!r} is no number above 0"))
        if faults:
            raise ScenarioError(faults)
        s_sc_mva = given.get("s_sc_mva")
        vn_v = model.net.bus["vn_kv"].to_numpy(float)[model.net.ext_grid["bus"].to_numpy(int)]
        return cls(
            s_sc_va=_usual_va(1e3 * float(vn_v.max())) if s_sc_mva is None else s_sc_mva * 1e6,
            r_over_x=float(given.get("r_over_x", 0.1)),
            z0_over_z1=float(given.get("z0_over_z1", 1.0)),
        )

    def impedance(self, vn_v: float) -> ComplexArray:
        """Return the impedance ``[3, 3]`` [ohm] of the phases at nominal voltage ``vn_v``."""
        s_sc_va = _usual_va(vn_v) if self.s_sc_va is None else self.s_sc_va
        x = vn_v**2 / s_sc_va / np.hypot(1.0, self.r_over_x)
        z1 = complex(self.r_over_x * x, x)
        z0 = self.z0_over_z1 * z1
        z: ComplexArray = np.full((3, 3), (z0 - z1) / 3.0)
        np.fill_diagonal(z, (z0 + 2.0 * z1) / 3.0)
        return z


def _usual_va(vn_v: float) -> float:
    return next(s_va for limit_v, s_va in _USUAL_VA if vn_v <= limit_v)
