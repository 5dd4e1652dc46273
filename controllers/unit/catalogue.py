"""What variables there are: each is declared once, a write to any other is refused.

``code`` is what stands for the name on the wire and is never given to another variable.
``owner`` says whose the data are by default: ``customer`` (who lives behind the unit; the unit's
own stakeholder where nobody does), ``unit`` (the unit's stakeholder), ``authors`` (whoever wrote
each instance), ``operator``, or a stakeholder by name, wherever the data are.
``grants`` is the owner's default policy; who is not in it has no access. ``field`` names the
same thing in the standards of the field (COSEM OBIS code, IEC 61850 data object).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controllers.unit.auctionvariables import AUCTION_VARIABLES
from controllers.unit.customervariables import CUSTOMER_VARIABLES
from controllers.unit.datavariables import DATA_VARIABLES
from controllers.unit.flexvariables import FLEX_VARIABLES
from controllers.unit.gatewayvariables import GATEWAY_VARIABLES
from controllers.unit.groupvariables import GROUP_VARIABLES
from controllers.unit.kernelvariables import KERNEL_VARIABLES
from controllers.unit.policy import ALL, READ, READ_WRITE, Grant
from controllers.unit.privatevariables import PRIVATE_VARIABLES
from controllers.unit.responsevariables import RESPONSE_VARIABLES
from controllers.unit.securityvariables import SECURITY_VARIABLES
from controllers.unit.signalvariables import SIGNAL_VARIABLES
from controllers.unit.variable import AUTHORS, OPERATOR, WEATHER_PROVIDER, Variable
from fernwatt.timebase import DAY_MS

__all__ = ["CATALOGUE", "OPERATOR", "WEATHER_PROVIDER", "Catalogue", "Variable"]


class Catalogue:
    """Variables by name and by code."""

    __slots__ = ("_codes", "_names")

    def __init__(self, variables: Iterable[Variable]) -> None:
        self._names: dict[str, Variable] = {}
        self._codes: dict[int, Variable] = {}
        for variable in variables:
            if variable.name in self._names or variable.code in self._codes:
                raise ValueError(f"variable {variable.name} ({variable.code}) is declared twice")
            self._names[variable.name] = self._codes[variable.code] = variable

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._names.values())

    def get(self, name: str) -> Variable | None:
        """Return the variable of that name, None where there is none."""
        return self._names.get(name)

    def of_code(self, code: int) -> Variable | None:
        """Return the variable of that code, None where there is none."""
        return self._codes.get(code)

    def extended(self, variables: Iterable[Variable]) -> Catalogue:
        """Return a catalogue with further variables; raises ValueError on a double one."""
        return Catalogue([*self, *variables])


_METERING = (
    Grant(OPERATOR, "metering", READ),
    Grant(OPERATOR, "aggregation", READ),
    Grant(OPERATOR, "balancing", READ),
)
_BALANCING = (Grant(ALL, "balancing", READ_WRITE),)
_LIMITED = (Grant(ALL, "balancing", READ), Grant(OPERATOR, ALL, READ_WRITE))
_NEGOTIATED = (
    "child", "negotiation", "round", "profile", "slot", "slots", "unit_w", "p", "d", "k",
    "improvement_w", "take", "ask", "flexible", "steerable", "improvements", "count", "exchange",
    "open", "mean_w", "distances", "beyond",
)  # fmt: skip
_PHASES = ("v_v", "i_a", "p_w", "q_var")
_AREA = (Grant(ALL, "aggregation", READ), Grant(ALL, "balancing", READ))
_FORECAST = (Grant(ALL, "forecast", READ), Grant(ALL, "balancing", READ))

CATALOGUE = Catalogue(
    (
        Variable("energy.import", 1, "number", "Wh", "customer", _METERING, field="1-0:1.8.0.255"),
        Variable("energy.export", 2, "number", "Wh", "customer", _METERING, field="1-0:2.8.0.255"),
        Variable("voltage", 3, "number", "V", "customer", _METERING, field="MMXU.PhV"),
        Variable("load_profile", 4, "record", "1", "customer", _METERING[2:], 30 * DAY_MS,
                 field="1-0:99.1.0.255", fields=("start_ms", "step_ms", "import_wh", "export_wh")),
        Variable("device.energy", 5, "number", "Wh", "customer", field="MMTR.TotWh"),
        Variable("battery.soc", 6, "number", "Wh", "customer", field="DBAT.SocWh"),
        Variable("ev.session", 7, "record", "1", "customer", field="DEEV.ConnSt",
                 fields=("session", "energy_wh", "departure_ms", "p_max_w", "p_min_w")),
        Variable("set_point", 8, "record", "1", "customer", critical=True, action="set_power",
                 field="DOPM.WSetPt", fields=("p_w", "until_ms", "at", "beyond")),
        Variable("confirm", 9, "any", "1", "customer"),
        Variable("area.energy", 10, "record", "1", "unit", _AREA,
                 fields=("t_ms", "import_wh", "export_wh", "meters", "missing", "suppressed",
                         "span_ms")),
        Variable("balancing.signal", 11, "any", "1", AUTHORS, _BALANCING,
                 fields=_NEGOTIATED),
        Variable("balancing.offer", 12, "any", "1", AUTHORS, _BALANCING,
                 fields=_NEGOTIATED),
        Variable("balancing.accept", 13, "any", "1", AUTHORS, _BALANCING,
                 fields=_NEGOTIATED),
        Variable("balancing.profile", 14, "any", "1", AUTHORS, _BALANCING,
                 fields=_NEGOTIATED),
        Variable("balancing.request", 15, "any", "1", AUTHORS, _BALANCING,
                 fields=_NEGOTIATED),
        Variable("balancing.update", 16, "any", "1", AUTHORS, _BALANCING,
                 fields=_NEGOTIATED),
        Variable("balancing.limit", 161, "record", "1", OPERATOR, _LIMITED,
                 fields=("slot", "upper_w", "lower_w")),
        Variable("weather.forecast", 17, "record", "1", WEATHER_PROVIDER, _FORECAST,
                 3 * DAY_MS, field="MMET",
                 fields=("issued_ms", "start_ms", "step_ms", "ghi_w_per_m2", "temperature_c")),
        Variable("device.power", 18, "number", "W", "customer", field="MMXU.TotW"),
        Variable("thermal.temperature", 19, "number", "degC", "customer", field="STMP.Tmp"),
        Variable("tank.temperature", 20, "number", "degC", "customer", field="STMP.Tmp"),
        Variable("thermal.band", 21, "record", "1", "customer", critical=True, action="set_band",
                 fields=("low_c", "high_c", "until_ms")),
        Variable("appliance.request", 22, "record", "1", "customer",
                 fields=("id", "energy_wh", "duration_ms", "earliest_ms", "deadline_ms", "step_ms",
                         "p_w")),
        Variable("appliance.start", 23, "record", "1", "customer", critical=True,
                 action="start_at", fields=("id", "at_ms")),
        Variable("reactive_set_point", 24, "record", "1", "customer", critical=True,
                 action="set_reactive", field="DVAR.VArTgtSpt", fields=("q_var", "until_ms")),
        Variable("meter.phases", 30, "record", "1", "customer", _METERING, field="MMXU.PhV",
                 fields=_PHASES),
        Variable("voltage.mean", 31, "record", "1", "customer", _METERING, 8 * DAY_MS,
                 field="MMXU.AvPhV", fields=("v_v",)),
        Variable("line.phases", 32, "record", "1", "unit", field="MMXU.A",
                 fields=("element", "end", *_PHASES, "temperature_c")),
        Variable("fault.passage", 34, "record", "1", "unit", critical=True,
                 field="SCPI.Pass", fields=("element", "end", "on", "earth", "direction", "t_ms")),
        Variable("switch.order", 35, "record", "1", "unit", critical=True,
                 action="switch", field="CSWI.Pos", fields=("element", "closed")),
        Variable("switch.position", 36, "record", "1", "unit", (), 8 * DAY_MS, critical=True,
                 field="XCBR.Pos", fields=("element", "closed", "t_ms")),
        Variable("tap.order", 37, "record", "1", "unit", critical=True, action="tap",
                 field="ATCC.TapPos", fields=("element", "position")),
        Variable("tap.position", 38, "record", "1", "unit", (), 8 * DAY_MS, critical=True,
                 field="YLTC.TapPos", fields=("element", "position", "t_ms")),
        Variable("crew.order", 39, "record", "1", "unit", critical=True, action="crew",
                 fields=("element", "work", "position")),
        Variable("light.order", 40, "record", "1", "unit", action="light",
                 fields=("element", "on")),
        Variable("light.position", 41, "record", "1", "unit", (), 8 * DAY_MS,
                 fields=("element", "on", "t_ms")),
        Variable("voltage.quality", 42, "record", "1", "customer", _METERING, 8 * DAY_MS,
                 field="MHAI.ThdPhV", fields=("thd_percent", "pst", "u2_percent", "hz")),
        *KERNEL_VARIABLES,
        *GROUP_VARIABLES,
        *PRIVATE_VARIABLES,
        *DATA_VARIABLES,
        *SIGNAL_VARIABLES,
        *CUSTOMER_VARIABLES,
        *RESPONSE_VARIABLES,
        *FLEX_VARIABLES,
        *AUCTION_VARIABLES,
        *GATEWAY_VARIABLES,
        *SECURITY_VARIABLES,
        Variable("users.revoked", 160, "record", "1", OPERATOR, (Grant(ALL, "users", READ),),
                 30 * DAY_MS, fields=("issued_ms", "serials")),
        Variable("update.offer", 95, "record", "1", OPERATOR, retention_ms=30 * DAY_MS,
                 fields=("signed_b64",)),
        Variable("update.block", 96, "record", "1", OPERATOR, retention_ms=30 * DAY_MS,
                 fields=("serial", "index", "bytes_b64")),
        Variable("update.answer", 97, "record", "1", OPERATOR,
                 fields=("serial", "unit", "t_ms", "next", "units")),
        Variable("module.order", 98, "record", "1", OPERATOR, only="update"),
        Variable("module.state", 99, "record", "1", OPERATOR,
                 fields=("serial", "phase", "why", "trial_ms")),
    )
)  # fmt: skip
