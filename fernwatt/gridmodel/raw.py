"""A grid as tables, between its source and the model: what sanitising makes and merging joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fernwatt.gridmodel.model import Profiles

__all__ = [
    "COLUMNS",
    "NO_PROFILES",
    "REFERENCES",
    "SOURCE_COLUMNS",
    "SOURCE_REFERENCES",
    "ZERO_SEQUENCE",
    "RawGrid",
    "rows",
]

NO_PROFILES = Profiles(2016, (), np.empty((0, 0)))

COLUMNS: dict[str, dict[str, str]] = {
    "bus": {"name": "s", "vn_kv": "f", "subnet": "s", "x": "f", "y": "f"},
    "line": {
        "name": "s", "from_bus": "i", "to_bus": "i", "length_km": "f", "r_ohm_per_km": "f",
        "x_ohm_per_km": "f", "c_nf_per_km": "f", "g_us_per_km": "f", "max_i_ka": "f", "df": "f",
        "parallel": "i", "std_type": "s", "r0_ohm_per_km": "f", "x0_ohm_per_km": "f",
        "c0_nf_per_km": "f",
    },
    "trafo": {
        "name": "s", "hv_bus": "i", "lv_bus": "i", "sn_mva": "f", "vn_hv_kv": "f",
        "vn_lv_kv": "f", "vk_percent": "f", "vkr_percent": "f", "pfe_kw": "f",
        "i0_percent": "f", "shift_degree": "f", "tap_side": "s", "tap_neutral": "f",
        "tap_min": "f", "tap_max": "f", "tap_step_percent": "f", "tap_pos": "f", "df": "f",
        "parallel": "i", "vector_group": "s", "std_type": "s",
    },
    "switch": {
        "name": "s", "bus": "i", "element": "i", "et": "s", "closed": "b", "type": "s",
    },
    "load": {
        "name": "s", "bus": "i", "p_mw": "f", "q_mvar": "f", "profile": "s", "subnet": "s",
    },
    "sgen": {
        "name": "s", "bus": "i", "p_mw": "f", "q_mvar": "f", "profile": "s", "type": "s",
        "subnet": "s",
    },
    "ext_grid": {"name": "s", "bus": "i", "vm_pu": "f", "va_degree": "f"},
    "shunt": {"name": "s", "bus": "i", "p_mw": "f", "q_mvar": "f", "vn_kv": "f"},
}  # fmt: skip
"""Tables and columns that a grid consists of; types s text, f float, i int, b bool."""

ZERO_SEQUENCE = ("r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km")
"""Columns of lines that only few sources have; NaN where they do not."""

REFERENCES: dict[str, tuple[str, ...]] = {
    "line": ("from_bus", "to_bus"),
    "trafo": ("hv_bus", "lv_bus"),
    "switch": ("bus",),
    "load": ("bus",),
    "sgen": ("bus",),
    "ext_grid": ("bus",),
    "shunt": ("bus",),
}
"""Columns that hold the index of a bus (``switch.element`` holds what its ``et`` says)."""

SOURCE_COLUMNS = COLUMNS | {
    "storage": {
        "name": "s", "bus": "i", "p_mw": "f", "q_mvar": "f", "profile": "s", "subnet": "s",
    },
}  # fmt: skip
SOURCE_REFERENCES = REFERENCES | {"storage": ("bus",)}
"""The same of a source, whose storages become generators that draw."""


@dataclass(frozen=True, slots=True)
class RawGrid:
    """Sanitised tables with the columns of ``COLUMNS``, each with a unique integer index."""

    tables: dict[str, pd.DataFrame]
    f_hz: float = 50.0
    profiles: Profiles = NO_PROFILES
    notes: tuple[str, ...] = field(default=())


def rows(table: pd.DataFrame) -> Iterator[Any]:
    """Return the rows of a table as named tuples; their fields have no static type."""
    return iter(table.itertuples())
