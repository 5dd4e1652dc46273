"""Transformers as runpp takes them, in the form that OpenDSS has for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.taps import tap_ratios

__all__ = ["TransformerParts", "transformer_parts"]

_TURNED = ("1.2.3", "3.1.2", "2.3.1")
_CLOCKS = {
    0: ("lag", 0), 4: ("lag", 1), 8: ("lag", 2), 1: ("lag", 0), 5: ("lag", 1), 9: ("lag", 2),
    11: ("lead", 0), 3: ("lead", 1), 7: ("lead", 2),
}  # fmt: skip
"""How OpenDSS gets to a clock: its own 30 degrees, and thirds of a turn by changing nodes."""


@dataclass(frozen=True, slots=True)
class TransformerParts:
    """Electrical data, ``[n]`` each; parallel transformers are one.

    runpp's shunt sits in the middle of the series impedance. The same behaviour at the ends needs
    the series impedance ``z_pu`` on the own rating ``kva``, and a shunt ``y_pu`` at either side.
    ``turned`` are the nodes of the low-voltage windings, ``lead`` OpenDSS's ``leadlag``.
    """

    kva: FloatArray
    kv_hv: FloatArray
    kv_lv: FloatArray
    tap_hv: FloatArray
    tap_lv: FloatArray
    z_pu: ComplexArray
    y_pu: ComplexArray
    turned: list[str]
    lead: list[str]


def transformer_parts(model: GridModel) -> TransformerParts:
    """Return the data of a model's transformers; ScenarioError for clocks 2, 6 and 10."""
    trafo = model.net.trafo
    tap_hv, tap_lv = tap_ratios(model, trafo["tap_pos"].to_numpy(float))
    vk, vkr = (trafo[name].to_numpy(float) / 100.0 for name in ("vk_percent", "vkr_percent"))
    series = vkr + 1j * np.sqrt(np.maximum(vk**2 - vkr**2, 0.0))
    g = trafo["pfe_kw"].to_numpy(float) * 1e-3 / trafo["sn_mva"].to_numpy(float)
    i0 = trafo["i0_percent"].to_numpy(float) / 100.0
    y = g - 1j * np.sqrt(np.maximum(i0**2 - g**2, 0.0))
    clocks = (np.round(trafo["shift_degree"].to_numpy(float) / 30.0).astype(int) % 12).tolist()
    faults = [
        Fault(
            model.transformers[row].id,
            f"clock {clock} is not among those of the four-wire solver",
            "use an odd clock, 0, 4 or 8, or write grid.solver: balanced",
        )
        for row, clock in enumerate(clocks)
        if clock not in _CLOCKS
    ]
    if faults:
        raise ScenarioError(faults)
    return TransformerParts(
        kva=(trafo["sn_mva"] * trafo["parallel"]).to_numpy(float) * 1e3,
        kv_hv=trafo["vn_hv_kv"].to_numpy(float),
        kv_lv=trafo["vn_lv_kv"].to_numpy(float),
        tap_hv=tap_hv,
        tap_lv=tap_lv,
        z_pu=series + series**2 / 4.0 * y,
        y_pu=y / (2.0 + series * y / 2.0),
        turned=[_TURNED[_CLOCKS[clock][1]] for clock in clocks],
        lead=[_CLOCKS[clock][0] for clock in clocks],
    )
