"""What is declared of one variable, and whose data there may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controllers.unit.policy import Grant, Policy
from fernwatt.timebase import DAY_MS

__all__ = ["AUTHORS", "OPERATOR", "SUPPLIER", "WEATHER_PROVIDER", "Variable"]

OPERATOR = "operator"
SUPPLIER = "supplier"
WEATHER_PROVIDER = "weather-provider"
AUTHORS = "authors"


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable; ``kind`` is ``number``, ``record`` (or null) or ``any``.

    Instances older than ``retention_ms`` than the newest are forgotten. A ``critical`` variable
    travels in the flow ``control``. ``action`` is what a write orders where the variable is
    bound to an actuator. ``fields`` are keys of its records that go as numbers on the wire;
    new ones are added at the end. ``only`` names the service of the unit itself that alone may
    write the variable. An ``authored`` one may have many owners at one unit: each instance is its
    writer's, who says by the policy that comes with it who reads it.
    """

    name: str
    code: int
    kind: str
    measure: str
    owner: str
    grants: tuple[Grant, ...] = ()
    retention_ms: int = DAY_MS
    critical: bool = False
    action: str = "set"
    field: str = ""
    fields: tuple[str, ...] = ()
    only: str = ""

    @property
    def authored(self) -> bool:
        """Tell whether instances are their writers', wherever they are."""
        return self.owner == AUTHORS

    @property
    def policy(self) -> Policy:
        """The default policy."""
        return Policy.of(self.grants)

    def takes(self, value: Any) -> bool:
        """Tell whether ``value`` (JSON) is of this variable's kind."""
        if self.kind == "number":
            return type(value) is float or type(value) is int
        return self.kind == "any" or value is None or type(value) is dict
