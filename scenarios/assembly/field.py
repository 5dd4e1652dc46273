"""What is wrong in the field: for the field simulator alone, never for a unit."""

from __future__ import annotations

from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.schema import ScenarioConfig

__all__ = ["with_imperfections"]


def with_imperfections(config: ScenarioConfig, params: dict[str, Any]) -> dict[str, Any]:
    """Return the field's parameters with losses, and with what all meters have in common.

    Raises ScenarioError for terminals without a meter, and for two losses at one.
    """
    meters = config.field.meters
    common = {
        "gap_probability": meters.gap_probability,
        "gap_length": meters.gap_length,
        "rollover_wh": meters.rollover_wh,
        "clock_sd_ms": meters.clock_sd_s * 1000,
        "drift_sd_ppm": meters.drift_sd_ppm,
    }
    instruments = [
        {**item, **common} if item["kind"] == "meter" else item for item in params["instruments"]
    ]
    at = {item["target"]: item["id"] for item in instruments if item["kind"] == "meter"}
    return {**params, "instruments": instruments, "losses": _losses(config, at)}


def _losses(config: ScenarioConfig, meters: dict[str, str]) -> list[dict[str, Any]]:
    faults, losses = [], []
    taken: set[str] = set()
    for number, loss in enumerate(config.field.losses):
        path = f"field.losses[{number}].terminal"
        if loss.terminal not in meters:
            hint = f"for example {min(meters)}" if meters else "no terminal has a meter"
            faults.append(Fault(path, f"there is no meter at {loss.terminal!r}", hint))
        elif loss.terminal in taken:
            faults.append(Fault(path, f"{loss.terminal} has a loss already", "give it one"))
        else:
            taken.add(loss.terminal)
            losses.append(
                {
                    "id": f"loss/{number:03}",
                    "kind": loss.kind,
                    "meter": meters[loss.terminal],
                    "share": loss.share,
                    "hours": loss.hours or [0.0, 24.0],
                    "from_ms": round(loss.from_h * HOUR_MS),
                    "until_ms": -1 if loss.until_h is None else round(loss.until_h * HOUR_MS),
                }
            )
    if faults:
        raise ScenarioError(faults)
    return losses
