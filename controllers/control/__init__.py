"""Device control: who decides how a device follows a signal is a setting.

``central``: the substation's unit; ``hybrid``: the customer's; ``local``: the device's own. Units
of devices announce what these can do to whoever decides (DREAM, A Survey of Smart Grid
Communication, 2014, Control Intelligence). How is decided is in ``strategies``, a register of pure
functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.control.announcer import Announcer
from controllers.control.decider import Decider, Settings
from controllers.control.known import Capability
from controllers.control.service import Control
from controllers.control.strategies import OBEYED, STRATEGIES, Device, Order, Prices, Signals
from controllers.control.strategies import decide as decide_order
from fernwatt.errors import Fault, ScenarioError

__all__ = [
    "OBEYED",
    "STRATEGIES",
    "Capability",
    "Control",
    "Device",
    "Order",
    "Prices",
    "Signals",
    "decide_order",
    "make_service",
]

_KEYS = {"signal", "decides", "hold_s", "max_percent", "max_h", "device", "announce_to", "strategy"}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Control:
    """Return the service ``control`` of a unit, as the units' hub asks for it.

    ``params``: ``signal`` (``command``, ``price``, ``grid`` or ``all``), ``decides``, ``hold_s``,
    ``max_percent`` and ``max_h`` (the contracts' limits), ``strategy`` (whether the unit's customer
    may change these); of a device's unit ``device`` (its
    capability) and ``announce_to`` (who decides for it, empty: this unit). Raises ScenarioError.
    """
    del directory  # who announces to whom is in ``params``
    unit = str(unit_spec.get("id", "?"))
    path = f"units.{unit}.services.control"
    faults = [Fault(f"{path}.{key}", "is not known") for key in sorted(set(params) - _KEYS)]
    if params.get("signal") not in OBEYED:
        faults.append(Fault(f"{path}.signal", f"one of {', '.join(OBEYED)}"))
    plate = params.get("device")
    capability = None if plate is None else Capability.of({**plate, "unit": unit})
    if plate is not None and capability is None:
        faults.append(Fault(f"{path}.device", "is no capability"))
    if not 0 < params.get("hold_s", 3600.0) <= 86_400:
        faults.append(Fault(f"{path}.hold_s", "must be more than 0, and a day at most"))
    if faults:
        raise ScenarioError(faults)
    announced = str(params.get("announce_to", ""))
    decider = announcer = None
    if params.get("decides", False):
        settings = Settings(
            params["signal"],
            round(params.get("hold_s", 3600.0) * 1000),
            int(params.get("max_percent", 100)),
            round(params.get("max_h", 24.0) * 3_600_000),
            customers=bool(params.get("strategy", False)),
        )
        own = [capability] if capability is not None and not announced else []
        decider = Decider(settings, own)
    if capability is not None and announced:
        announcer = Announcer(capability, announced)
    return Control(decider, announcer)
