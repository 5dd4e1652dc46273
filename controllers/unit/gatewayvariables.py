"""Variables of gateways, and of who reads and orders through them. Codes 60 to 69."""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, READ_WRITE, Grant
from controllers.unit.variable import Variable
from fernwatt.timebase import DAY_MS

__all__ = ["GATEWAY_VARIABLES"]

_SHOWN = (Grant(ALL, "display", READ),)
_PAIRED = (Grant(ALL, "pairing", READ_WRITE),)

GATEWAY_VARIABLES = (
    Variable("gateway.event", 60, "record", "1", "unit", _SHOWN, 8 * DAY_MS),
    Variable("gateway.status", 61, "record", "1", "unit", _SHOWN, 8 * DAY_MS,
             fields=("gateway", "online")),
    Variable("gateway.reply", 62, "record", "1", "unit", _SHOWN, 8 * DAY_MS,
             fields=("gateway", "id", "result")),
    Variable("pairing.ask", 63, "record", "1", "operator", _PAIRED,
             fields=("controller", "device", "unit", "t_ms", "proof_b64")),
    Variable("pairing.ticket", 64, "record", "1", "operator", _PAIRED,
             fields=("controller", "device", "until_ms", "key_b64", "proof_b64")),
    Variable("log.bulk", 65, "record", "1", "unit", _PAIRED, 8 * DAY_MS,
             fields=("unit", "variable", "number", "times_ms", "values")),
    Variable("pairing.order", 66, "record", "1", "customer", _PAIRED, critical=True,
             fields=("number", "p_w", "until_ms", "proof_b64")),
)  # fmt: skip
