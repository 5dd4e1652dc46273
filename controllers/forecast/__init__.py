"""Weather forecasts on their way down the hierarchy, from a provider's unit to the customers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.forecast.relay import VARIABLE, Relay
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import READ_WRITE
from fernwatt.errors import Fault, ScenarioError

__all__ = ["VARIABLE", "Relay", "copy_policies", "make_service"]

_KEYS = {"source", "every_s", "patience_s"}


def copy_policies(stakeholder: str) -> dict[str, list[list[Any]]]:
    """Return what a data provider lets a unit of ``stakeholder`` do: keep copies for others.

    It is the unit's ``policies``, in their plain form.
    """
    declared = CATALOGUE.get(VARIABLE)
    usual = declared.policy.plain() if declared is not None else []
    return {VARIABLE: [[stakeholder, Relay.name, READ_WRITE, 0], *usual]}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Relay:
    """Return the service ``forecast`` of a unit, as the units' hub asks for it.

    ``params``: ``source`` (the unit whose forecasts are followed), ``every_s`` (how often they
    come), ``patience_s`` (how late one may be before it is asked for). Raises ScenarioError.
    """
    del directory  # whom to follow is in ``params``
    path = f"units.{unit_spec.get('id', '?')}.services.forecast"
    faults = [
        Fault(f"{path}.{key}", "is not known" if key in params else "is missing")
        for key in sorted(_KEYS ^ set(params))
    ]
    if faults:
        raise ScenarioError(faults)
    times = [round(params[key] * 1000) for key in ("every_s", "patience_s")]
    if min(times) <= 0:
        raise ScenarioError([Fault(path, "every_s and patience_s must be more than 0")])
    return Relay(str(params["source"]), *times)
