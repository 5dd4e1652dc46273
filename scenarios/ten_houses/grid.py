"""The street's grid, table by table: a transformer, one cable, a house every 30 m."""

from __future__ import annotations

from collections.abc import Mapping

import pandapower as pp
import pandas as pd

from scenarios.ten_houses.homes import HOUSES

__all__ = ["AREA", "tables"]

AREA = "lv1"
_CABLE = "NAYY 4x150 SE"
_SPACING_KM = 0.03


def tables() -> Mapping[str, pd.DataFrame]:
    """Return the tables of the network in pandapower's columns, by name."""
    net = pp.create_empty_network()
    upstream = pp.create_bus(net, 10.0, name="upstream")
    pp.create_ext_grid(net, upstream, name="upstream")
    before = pp.create_bus(net, 0.4, name="substation")
    # 100 kVA, losses of Regulation (EU) 548/2014, tier 1: 145 W without load, 1750 W at full load
    pp.create_transformer_from_parameters(
        net, upstream, before, sn_mva=0.1, vn_hv_kv=10.0, vn_lv_kv=0.4, vk_percent=4.0,
        vkr_percent=1.75, pfe_kw=0.145, i0_percent=0.3, shift_degree=150.0, tap_side="hv",
        tap_neutral=0, tap_min=-2, tap_max=2, tap_step_percent=2.5, tap_step_degree=0.0, tap_pos=0,
        tap_changer_type="Ratio", vector_group="Dyn", name="transformer",
    )  # fmt: skip
    for number, house in enumerate(HOUSES, 1):
        bus = pp.create_bus(net, 0.4, name=house.name)
        pp.create_line(net, before, bus, _SPACING_KM, _CABLE, name=f"line-{number:02d}")
        pp.create_load(net, bus, p_mw=0.001, q_mvar=0.0003, name=house.name)
        before = bus
    return {name: net[name] for name in ("bus", "ext_grid", "line", "load", "trafo")}
