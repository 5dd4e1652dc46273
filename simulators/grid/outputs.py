"""What the grid shows to others: payloads in arrays, and scalars of single elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fernwatt.gridmodel.model import FloatArray
from simulators.grid.plant import Plant

__all__ = ["scalar", "state_payload", "terminal_payload"]


def terminal_payload(plant: Plant) -> dict[str, Any]:
    """Return what devices feel: ``{index, v_v[n][3], v_neutral_v[n], energised[n]}``."""
    return {
        "index": plant.model.index,
        "v_v": plant.voltage(),
        "v_neutral_v": plant.neutral_voltage(),
        "energised": plant.energised(),
    }


def state_payload(plant: Plant) -> dict[str, Any]:
    """Return what instruments measure, terminals and transformers; see ``docs/contracts.md``."""
    p_w, q_var = plant.power
    import_wh, export_wh = plant.registers()
    n = len(p_w)
    squares = plant.squares()
    means = {} if squares is None else {"squares": squares}
    transformer_p_w, transformer_q_var = plant.transformer_power()
    return {
        **terminal_payload(plant),
        **means,
        "t_ms": plant.t_ms,
        "p_w": p_w,
        "q_var": q_var,
        "import_wh": import_wh[:n],
        "export_wh": export_wh[:n],
        "transformers": {
            "ids": plant.model.transformer_ids,
            "p_w": transformer_p_w,
            "q_var": transformer_q_var,
            "import_wh": import_wh[n:],
            "export_wh": export_wh[n:],
            "v_v": plant.transformer_voltage(),
        },
    }


_SCALARS: dict[tuple[str, str], tuple[Callable[[Plant], FloatArray], float]] = {
    ("Bus", "vm_pu"): (lambda plant: plant.state.vm_pu, 1.0),
    ("Bus", "va_degree"): (lambda plant: plant.state.va_degree, 1.0),
    ("Load", "vm_pu"): (lambda plant: plant.voltage_pu(), 1.0),
    ("Load", "p_mw"): (lambda plant: plant.state.p_terminals_w, 1e-6),
    ("Load", "q_mvar"): (lambda plant: plant.state.q_terminals_var, 1e-6),
    ("Line", "loading_percent"): (lambda plant: plant.state.line.loading_percent, 1.0),
    ("Line", "i_ka"): (lambda plant: plant.state.line.i_a, 1e-3),
    ("Line", "p_from_mw"): (lambda plant: plant.state.line.p_from_w, 1e-6),
    ("Line", "q_from_mvar"): (lambda plant: plant.state.line.q_from_var, 1e-6),
    ("Line", "p_to_mw"): (lambda plant: plant.state.line.p_to_w, 1e-6),
    ("Line", "q_to_mvar"): (lambda plant: plant.state.line.q_to_var, 1e-6),
    ("Transformer", "loading_percent"): (
        lambda plant: plant.state.transformer.loading_percent,
        1.0,
    ),
    ("Transformer", "p_mw"): (lambda plant: plant.transformer_power()[0], 1e-6),
    ("Transformer", "q_mvar"): (lambda plant: plant.transformer_power()[1], 1e-6),
    ("Transformer", "p_hv_mw"): (lambda plant: plant.state.transformer.p_from_w, 1e-6),
    ("Transformer", "q_hv_mvar"): (lambda plant: plant.state.transformer.q_from_var, 1e-6),
}


def scalar(plant: Plant, kind: str, row: int, attr: str) -> float | bool:
    """Return one attribute of one element; voltages and flows are 0 where there is no supply.

    A transformer's ``p_mw`` and ``q_mvar`` flow into the area below it.
    """
    if kind == "Switch":
        return plant.closed(row)
    read, unit = _SCALARS[kind, attr]
    value = float(read(plant)[row]) * unit
    return 0.0 if math.isnan(value) else value
