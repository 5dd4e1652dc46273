"""Which link technology is enough for which application: a study held against requirements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.requirement_classes import RequirementClass, application_of, classes
from analysis.suitability import Estimate, Service
from scenarios.study.intervals import mean_half
from scenarios.study.summary import Outcome, Setting

__all__ = ["is_about_links", "services", "write_services"]

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


def write_services(outcome: Outcome, folder: Path, label: Callable[[Setting], str]) -> None:
    """Write ``services.csv``: one row per setting, flow, class and budget; none of other studies.

    Columns: ``setting``, ``flow``, ``class``, ``limit_ms`` (empty: none), ``network`` (whether it
    is the network's own part), ``asked_percent``, ``judged_by``, ``enough``, and with mean and
    half of the 95 % confidence interval ``in_time_percent``, ``p95_ms``, ``delivered_percent``.
    """
    found = services(outcome.settings(), label) if is_about_links(outcome.parameters) else []
    if found:
        text = pd.DataFrame(map(_row, found)).to_csv(index=False, lineterminator="\n")
        (folder / "services.csv").write_text(text, "utf-8", newline="\n")


def _row(item: Service) -> dict[str, object]:
    limit_ms = item.limit_ms if np.isfinite(item.limit_ms) else None
    row: dict[str, object] = {
        "setting": item.setting, "flow": item.flow, "class": item.asked.name,
        "limit_ms": limit_ms, "network": item.network,
        "asked_percent": item.asked.delivered_percent,
        "judged_by": item.first and not item.network, "enough": str(item.enough),
    }  # fmt: skip
    for name, estimate in (
        ("in_time_percent", item.in_time),
        ("p95_ms", item.p95_ms),
        ("delivered_percent", item.delivered),
    ):
        row[name] = None if estimate is None else estimate.mean
        row[f"{name}_half"] = None if estimate is None else estimate.half
    return row


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
