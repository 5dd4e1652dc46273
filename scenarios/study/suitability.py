"""Which link technology is enough for which application: a study held against requirements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analysis.requirement_classes import RequirementClass, application_of, classes
from analysis.suitability import Estimate, Service
from scenarios.study.intervals import mean_half
from scenarios.study.summary import Setting

__all__ = ["is_about_links", "services"]

_NETWORK = " network"


def is_about_links(parameters: Sequence[str]) -> bool:
    """Tell whether a study varies what messages go over."""
    return any(path.partition(".")[0] == "network" for path in parameters)


def services(settings: Sequence[Setting], label: Callable[[Setting], str]) -> list[Service]:
    """Return each setting's flows against all classes they are held against, in order.

    Settings without runs that came to their end have none.
    """
    found = []
    for setting in settings:
        p95, delivered = (
            setting.known_by(name) for name in ("message_delay_p95_ms", "delivery_percent")
        )
        for key, shares in setting.known_by("in_time_percent").items():
            flow, asked, network = _parsed(key)
            application = application_of(flow)
            if asked is None or application is None:
                continue  # of a run whose classes were others
            found.append(
                Service(
                    label(setting), flow, asked, asked is application.requirement, network,
                    _needed(shares), _estimate(p95.get(flow)), _estimate(delivered.get(flow)),
                )
            )  # fmt: skip
    return found


def _parsed(key: str) -> tuple[str, RequirementClass | None, bool]:
    """Return flow, class, and whether it is the network's own part of the limit."""
    network = key.endswith(_NETWORK)
    flow, _, name = key.removesuffix(_NETWORK).rpartition(" ")
    return flow, classes().get(name), network


def _needed(values: list[float]) -> Estimate:
    mean, half = mean_half(np.array(values))
    assert mean is not None, "a part without values"
    return Estimate(mean, half)


def _estimate(values: list[float] | None) -> Estimate | None:
    return _needed(values) if values else None
