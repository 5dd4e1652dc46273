"""User interface of a customer, on a display of its own or on the customer's unit.

It shows consumption, production, cost, voltage and interruptions, and what could be saved; by it
the customer sets strategy and rights of those with a contract, as the owner of these data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.display.advice import Advice, Slot, advise
from controllers.display.service import Display, Setting, Sources
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Advice", "Display", "Setting", "Slot", "Sources", "advise", "make_service"]

_NEEDED = {"meter", "prices", "deciders", "rights", "quality", "every_s", "settings"}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Display:
    """Return the service ``display`` of a unit, as the units' hub asks for it.

    ``params``: ``meter``, ``prices`` (unit, empty: none), ``deciders`` (units), ``rights``
    (``[[variable, unit, policy, neutral value], …]``), ``quality``, ``every_s``, ``settings``
    (``[{at_ms, strategy, grants, overrides: [[unit, device.override], …]}, …]``). Raises
    ScenarioError.
    """
    del directory  # whom to ask is in ``params``
    path = f"units.{unit_spec.get('id', '?')}.services.display"
    faults = [
        Fault(f"{path}.{key}", "is not known" if key in params else "is missing")
        for key in sorted(_NEEDED ^ set(params))
    ]
    if faults:
        raise ScenarioError(faults)
    sources = Sources(
        str(params["meter"]),
        str(params["prices"]),
        tuple(params["deciders"]),
        tuple((str(v), str(u), list(p), n) for v, u, p, n in params["rights"]),
        bool(params["quality"]),
    )
    settings = [
        Setting(
            int(one["at_ms"]),
            dict(one["strategy"]),
            one["grants"],
            tuple((str(unit), dict(value)) for unit, value in one.get("overrides", ())),
        )
        for one in params["settings"]
    ]
    return Display(sources, round(params["every_s"] * 1000), settings)
