"""What the grid shows to others: payloads in arrays, and scalars of single elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from fernwatt.gridmodel.model import FloatArray
from simulators.grid.plant import Plant

__all__ = ["scalar", "state_payload", "terminal_payload"]


def terminal_payload(plant: Plant) -> dict[str, Any]:
    """Return what devices feel: ``{index, v_v[n][3], energised[n]}``."""
    return {
        "index": plant.model.index,
        "v_v": plant.voltage(),
        "energised": plant.energised(),
    }


def state_payload(plant: Plant) -> dict[str, Any]:
    """Return what instruments measure, terminals and transformers; see ``docs/contracts.md``."""
    p_w, q_var = plant.power
    import_wh, export_wh = plant.registers()
    n = len(p_w)
    transformer_p_w, transformer_q_var = plant.transformer_power()
    return {
        **terminal_payload(plant),
        "t_ms": plant.t_ms,
        "p_w": p_w,
        "q_var": q_var,
        "import_wh": import_wh[:n],
        "export_wh": export_wh[:n],
        "transformers": {
            "ids": [transformer.id for transformer in plant.model.transformers],
            "p_w": transformer_p_w,
            "q_var": transformer_q_var,
            "import_wh": import_wh[n:],
            "export_wh": export_wh[n:],
            "v_v": plant.transformer_voltage(),
        },
    }


def scalar(plant: Plant, kind: str, row: int, attr: str) -> float | bool:
    """Return one attribute of one element; voltages and flows are 0 where there is no supply."""
    if kind == "Switch":
        return plant.closed(row)
    state = plant.state
    line, transformer = state.line, state.transformer
    down_w, down_var = plant.transformer_power()
    table: dict[tuple[str, str], tuple[FloatArray, float]] = {
        ("Bus", "vm_pu"): (state.vm_pu, 1.0),
        ("Bus", "va_degree"): (state.va_degree, 1.0),
        ("Load", "vm_pu"): (plant.voltage_pu(), 1.0),
        ("Load", "p_mw"): (state.p_terminals_w, 1e-6),
        ("Load", "q_mvar"): (state.q_terminals_var, 1e-6),
        ("Line", "loading_percent"): (line.loading_percent, 1.0),
        ("Line", "i_ka"): (line.i_a, 1e-3),
        ("Line", "p_from_mw"): (line.p_from_w, 1e-6),
        ("Line", "q_from_mvar"): (line.q_from_var, 1e-6),
        ("Line", "p_to_mw"): (line.p_to_w, 1e-6),
        ("Line", "q_to_mvar"): (line.q_to_var, 1e-6),
        ("Transformer", "loading_percent"): (transformer.loading_percent, 1.0),
        ("Transformer", "p_mw"): (down_w, 1e-6),
        ("Transformer", "q_mvar"): (down_var, 1e-6),
        ("Transformer", "p_hv_mw"): (transformer.p_from_w, 1e-6),
        ("Transformer", "q_hv_mvar"): (transformer.q_from_var, 1e-6),
    }
    values, unit = table[kind, attr]
    value = float(values[row]) * unit
    return 0.0 if np.isnan(value) else value
