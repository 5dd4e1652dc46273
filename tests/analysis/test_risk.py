"""The risk register: classes of what a study measured beside its controls."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.attacks import FITTING
from analysis.risk import EFFECTS, LIKELIHOOD, read, register, text
from fernwatt.errors import RunFolderError
from scenarios.schema.attacks import Attack

QUIET: dict[str, Any] = {
    "orders_not_given": 0.0, "area_energy_error_wh": 500.0, "values_disclosed": None,
    "own_delivery_percent": 99.0, "peak_import_w": 40_000.0, "attacks_detected_percent": None,
    "detection_time_s": None,
}  # fmt: skip


def row(acting: str, security: str = "none", seed: int = 1, **kpis: Any) -> dict[str, Any]:
    return {"acting": acting, "units.security": security, "seed": seed, **QUIET, **kpis}


def test_every_kind_of_attack_has_a_likelihood_and_its_alarms() -> None:
    members = typing.get_args(typing.get_args(Attack)[0])
    kinds = {typing.get_args(member.model_fields["kind"].annotation)[0] for member in members}
    assert LIKELIHOOD.keys() == FITTING.keys() == kinds


@pytest.mark.requirement("SP-15")
def test_impact_is_what_differs_from_the_run_of_the_same_seed_and_security() -> None:
    rows = pd.DataFrame(
        [
            row("none"), row("none", seed=2, peak_import_w=50_000.0), row("none", "integrity"),
            row("forge", orders_not_given=30.0, attacks_detected_percent=100.0,
                detection_time_s=4.0),
            row("forge", seed=2, orders_not_given=50.0, peak_import_w=58_000.0),
            row("forge", "integrity"), row("forge", "secret"),
        ]
    )  # fmt: skip
    bare, safe = register(rows, {"forge": "inject"})
    assert (bare.security, bare.impact, bare.likelihood, bare.rank) == ("none", 3, 4, 12)
    assert bare.differences["orders_not_given"] == 40.0
    assert bare.differences["peak_import_w"] == 4_000.0
    assert (bare.detected_percent, bare.detection_s) == (100.0, 4.0)
    assert (safe.security, safe.impact) == ("integrity", 1)
    table = text([bare, safe])
    assert "| forge | none | 4 | 3 | 12 | orders_not_given +40; peak_import_w +4,000 W |" in table
    assert "| nothing |" in table


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.kpi)
def test_classes_rise_with_the_effect(effect: Any) -> None:
    levels = [effect.level(step) for step in effect.steps]
    assert levels == [2, 3, 4, 5]
    assert effect.level(0.0) == 1
    assert effect.level(-effect.steps[1]) == 3


def test_what_is_no_study_of_attacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no summary"):
        read(tmp_path)
    pd.DataFrame({"status": ["complete"]}).to_parquet(tmp_path / "summary.parquet")
    with pytest.raises(RunFolderError, match="neither attacks nor security"):
        read(tmp_path)
