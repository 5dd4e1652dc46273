"""What units are told of privacy: who hides what, which sums are held, whose policies hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenarios.schema import ScenarioConfig

__all__ = ["hang_privacy"]

_LEVEL = "with-privacy"
_OF_ONE = ("energy.import", "energy.export", "load_profile", "meter.phases", "meter.values")
"""Variables of a meter that tell what one customer uses, and when."""

Spec = dict[str, Any]


def hang_privacy(config: ScenarioConfig, units: Sequence[Spec]) -> None:
    """Add to units' specifications what the scenario's privacy asks of them."""
    wanted, spread_s = config.units.privacy, config.units.metering.spread_s
    added: Spec = {}
    if config.units.security == _LEVEL:
        hiding = {key: getattr(wanted, key) for key in ("scheme", "neighbours", "rounds",
                                                        "min_customers")}  # fmt: skip
        added = {"hiding": hiding}
    elif wanted.disclosure:
        rule = {key: getattr(wanted, key) for key in ("min_customers", "max_share")}
        added = {"disclosure": rule | {"min_span_s": wanted.min_span_h * 3600.0}}
    if not added:
        return
    for unit in units:
        services: Spec = unit["services"]
        if "aggregation" in services:
            services["aggregation"] = services["aggregation"] | added
        if "hiding" in added and unit["kind"] == "meter" and "metering" in services:
            services["privacy"] = {"spread_s": spread_s, **added}
            unit["policies"] = {name: [] for name in _OF_ONE} | unit.get("policies", {})
