"""Money and CO2 of each stakeholder in a run and in its counterfactual, as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import money

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["stakes"]


def stakes(run: Run, other: Run | None) -> list[tuple[str, str, list[str]]]:
    """Return who, what, and the texts of both runs and their difference; none without another."""
    if other is None or not (money.has_money(run) and money.has_money(other)):
        return []
    frame = money.against(run, other)
    frame = frame[(frame.abs().sum(axis=1) > 0.0).to_numpy()]
    return [
        (str(who), str(what), [f"{value:+.2f}" for value in row])
        for (who, what), row in zip(frame.index, frame.to_numpy(), strict=True)
    ]
