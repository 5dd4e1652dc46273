"""Variables of the data groups (``groups.py``): what meters derive, what generators tell and take,
what areas summarise, and what travels down as versions. Codes 100 to 139.
"""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, READ_WRITE, Grant
from controllers.unit.variable import OPERATOR, SUPPLIER, Variable
from fernwatt.timebase import DAY_MS

__all__ = ["DATA_VARIABLES"]

_CONTRACT_MS = 600_000
"""Between two readings of a quarter of an hour, clocks' errors included."""
_GATHERED = (Grant(OPERATOR, "concentrator", READ),)
_BILLED = (
    Grant(OPERATOR, "concentrator", READ),
    Grant(OPERATOR, "exports", READ, _CONTRACT_MS),
    Grant(OPERATOR, "inspection", READ, _CONTRACT_MS),
)
_TOLD_DOWN = tuple(
    Grant(ALL, service, READ) for service in ("home", "tariffs", "der", "display", "balancing")
)
_SUMMED = (Grant(ALL, "concentrator", READ),)
_RELAYED = (Grant(OPERATOR, "registry", READ_WRITE), Grant(OPERATOR, "exports", READ))
_LONG_MS = 30 * DAY_MS
_KEPT = ("version", "items")

DATA_VARIABLES = (
    Variable("meter.values", 100, "record", "1", "customer", _BILLED, 8 * DAY_MS,
             field="1-0:99.1.0.255",
             fields=("t_ms", "import_wh", "export_wh", "p_w", "q_var", "power_factor", "demand_w",
                     "reactive_varh", "i_a", "v_v")),
    Variable("supply.quality", 101, "record", "1", "customer",
             (*_GATHERED, Grant(OPERATOR, "inspection", READ, _CONTRACT_MS)), 8 * DAY_MS,
             field="0-0:96.7.21.255",
             fields=("t_ms", "from_ms", "samples", "v_min_v", "v_max_v", "v_mean_v", "outside",
                     "interruptions", "outage_s", "interrupted_ms")),
    Variable("tariff.table", 102, "record", "1", SUPPLIER, (*_RELAYED, *_TOLD_DOWN), _LONG_MS,
             field="0-0:13.0.0.255", fields=_KEPT),
    Variable("tariff.active", 103, "record", "1", "customer", (), field="0-0:96.14.0.255",
             fields=("register", "price_per_kwh", "since_ms", "version", "registers")),
    Variable("load.set_point", 104, "record", "1", "operator", (Grant(ALL, "home", READ),),
             critical=True, field="0-0:17.0.0.255",
             fields=("import_max_w", "export_max_w", "until_ms")),
    Variable("house.status", 105, "record", "1", "customer",
             (Grant(OPERATOR, "concentrator", READ, _CONTRACT_MS),),
             fields=("t_ms", "devices", "heard", "p_w", "flexible_w", "stored_wh", "limit_w")),
    Variable("der.configuration", 106, "record", "1", "operator", (Grant(ALL, "der", READ),),
             _LONG_MS, field="DRAT", fields=_KEPT),
    Variable("der.parameters", 107, "record", "1", "customer", _GATHERED, _LONG_MS,
             field="DRCT",
             fields=("kind", "p_max_w", "q_max_var", "start_s", "restart_s", "stop_s",
                     "ramp_w_per_s", "takes", "v_nominal_v")),
    Variable("der.set_point", 108, "record", "1", "operator", (Grant(ALL, "der", READ),),
             critical=True, field="DRCC.OutWSet",
             fields=("p_w", "q_var", "power_factor", "v_v", "until_ms")),
    Variable("der.command", 109, "record", "1", "operator", (Grant(ALL, "der", READ),),
             critical=True, field="DRCC.DERStr", fields=("run",)),
    Variable("der.measurements", 110, "record", "1", "customer", _GATHERED, 8 * DAY_MS,
             field="MMXU.PhV", fields=("v_v", "i_a", "p_w", "q_var", "energy_wh")),
    Variable("der.alarm", 111, "record", "1", "customer", _GATHERED, 8 * DAY_MS, critical=True,
             field="DRAZ", fields=("kind", "active", "value", "limit", "t_ms")),
    Variable("registry.change", 112, "record", "1", "operator", (), _LONG_MS,
             fields=("data", "target", "version", "base", "set", "drop")),
    Variable("registry.have", 113, "record", "1", "operator", (), fields=("unit", "versions")),
    Variable("grid.model", 114, "record", "1", "operator", (), _LONG_MS,
             field="CIM Equipment", fields=_KEPT),
    Variable("grid.phases", 115, "record", "1", "operator", (), _LONG_MS,
             field="CIM Terminal.phases", fields=_KEPT),
    Variable("loss.reference", 116, "record", "1", "operator", (), _LONG_MS, fields=_KEPT),
    Variable("area.values", 117, "record", "1", "unit", _SUMMED, 8 * DAY_MS, field="MMXU.TotW",
             fields=("t_ms", "p_w", "q_var", "v_min_v", "v_max_v", "meters", "missing",
                     "flexible_w", "houses")),
    Variable("area.der", 118, "record", "1", "unit", _SUMMED, 8 * DAY_MS, field="DRCS",
             fields=("t_ms", "units")),
    Variable("quality.summary", 119, "record", "1", "unit", _SUMMED, 8 * DAY_MS,
             fields=("t_ms", "supplies", "samples", "outside", "v_min_v", "v_max_v",
                     "interruptions", "outage_s")),
    Variable("regulation.command", 120, "record", "1", "operator",
             (Grant(ALL, "der", READ), Grant(ALL, "home", READ)), critical=True,
             field="DRCC.ModVArV", fields=("target", "active", "v_pu", "until_ms")),
    Variable("regulation.state", 121, "record", "1", "customer", _GATHERED, field="DRCS.ModVArV",
             fields=("active", "v_v", "q_var", "t_ms")),
    Variable("regulation.summary", 122, "record", "1", "unit", _SUMMED,
             fields=("t_ms", "units", "active", "q_var")),
    Variable("area.set_point", 123, "record", "1", "operator", (), critical=True,
             field="DRCC.OutWSet",
             fields=("target", "import_max_w", "export_max_w", "run", "until_ms")),
    Variable("load.diagram", 124, "record", "1", "unit", _SUMMED, _LONG_MS,
             fields=("t_ms", "criterion", "customers", "mean_w", "days")),
    Variable("sensor.values", 125, "record", "1", "unit", (Grant(ALL, "concentrator", READ),),
             8 * DAY_MS, field="MMXU.TotW",
             fields=("element", "end", "t_ms", "p_w", "q_var", "s_va", "power_factor", "i_max_a")),
    Variable("supply.outage", 127, "number", "s", "customer", _GATHERED, 8 * DAY_MS,
             field="0-0:96.7.19.255"),
    # written by services that come later: declared here, absent until then
    Variable("node.estimate", 130, "record", "1", "unit", _SUMMED, 8 * DAY_MS,
             field="CIM SvVoltage", fields=("t_ms", "node", "v_v", "p_w", "q_var")),
    Variable("fault.report", 131, "record", "1", "unit", _SUMMED, _LONG_MS, critical=True,
             field="SCPI.Pass", fields=("t_ms", "element", "kind", "certainty")),
    Variable("fraud.report", 132, "record", "1", "unit", _SUMMED, _LONG_MS,
             fields=("t_ms", "element", "energy_wh", "certainty")),
    Variable("loss.total", 133, "record", "1", "unit", _SUMMED, _LONG_MS,
             fields=("t_ms", "energy_wh", "reference_wh")),
)  # fmt: skip
