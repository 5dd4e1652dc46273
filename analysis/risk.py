"""Risk register: how likely each attack is, and what it was measured to do.

Likelihood is a class of what the adversary needs, judged once; impact is a class of what a study of
attacks measured, each beside the run of the same seed without it. Their product ranks the risks.

``python -m analysis.risk FOLDER`` prints the register of a study's folder as Markdown; the study
varies ``acting`` and ``units.security``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.run import Run
from fernwatt.errors import RunFolderError

__all__ = ["EFFECTS", "LIKELIHOOD", "Effect", "Likelihood", "Risk", "read", "register", "text"]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A class from 1 (rare) to 5 (to be expected), and what the adversary needs."""

    level: int
    needs: str


LIKELIHOOD: dict[str, Likelihood] = {
    "eavesdrop": Likelihood(5, "a receiver on the line or in the air"),
    "replay": Likelihood(4, "a transmitter in the house's network"),
    "flip": Likelihood(3, "a place between sender and receiver"),
    "spoof": Likelihood(4, "a transmitter, and the open protocol"),
    "inject": Likelihood(4, "a transmitter, and the open protocol"),
    "stale_certificate": Likelihood(3, "keys of a unit that was sold, lost or opened"),
    "flood": Likelihood(4, "any node of the network"),
    "jam": Likelihood(4, "a transmitter on the medium"),
    "compromise": Likelihood(2, "the program of a unit of the operator's"),
    "false_data": Likelihood(4, "a meter of one's own"),
    "forecast": Likelihood(2, "the provider's systems"),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """A KPI, and from which differences to the control on the impact is 2, 3, 4 and 5."""

    kpi: str
    unit: str
    steps: tuple[float, float, float, float]

    def level(self, difference: float) -> int:
        """Return the class of a difference, without regard to its sign."""
        return 1 + sum(abs(difference) >= step for step in self.steps)


EFFECTS = (
    Effect("orders_not_given", "1", (1, 10, 100, 1000)),
    Effect("area_energy_error_wh", "Wh", (1_000, 5_000, 25_000, 100_000)),
    Effect("values_disclosed", "1", (1, 100, 1_000, 10_000)),
    Effect("own_delivery_percent", "%", (1, 5, 20, 50)),
    Effect("peak_import_w", "W", (500, 2_000, 6_000, 15_000)),
)


@dataclass(frozen=True, slots=True)
class Risk:
    """One attack at one level of security, over the seeds of a study."""

    attack: str
    kind: str
    security: str
    likelihood: int
    impact: int
    differences: Mapping[str, float]
    detected_percent: float | None
    detection_s: float | None

    @property
    def rank(self) -> int:
        """Likelihood times impact, 1 to 25."""
        return self.likelihood * self.impact


def register(rows: pd.DataFrame, kinds: Mapping[str, str]) -> list[Risk]:
    """Return the risks of a study's rows, the largest first; ``kinds`` of attacks by name.

    A row has ``acting``, ``units.security``, ``seed`` and the KPIs of ``EFFECTS``. Rows without a
    control (``acting`` none, same security and seed) are left out.
    """
    keys = ["units.security", "seed"]
    names = [effect.kpi for effect in EFFECTS]
    rows = rows.astype(dict.fromkeys(names, float))
    control = rows[rows["acting"] == "none"].set_index(keys)[names]
    found = []
    attacked = rows[rows["acting"].isin(list(kinds))]
    for (name, security), group in attacked.groupby(["acting", "units.security"], sort=False):
        beside = group.set_index(keys)
        beside = beside[beside.index.isin(control.index)]
        if beside.empty:
            continue
        changes = beside[names].fillna(0.0) - control.loc[beside.index].fillna(0.0)
        means = {kpi: float(changes[kpi].mean()) for kpi in names}
        likelihood = LIKELIHOOD[kinds[str(name)]].level
        impact = max(effect.level(means[effect.kpi]) for effect in EFFECTS)
        detected, after_s = (
            _mean(beside[kpi]) for kpi in ("attacks_detected_percent", "detection_time_s")
        )
        risk = Risk(
            str(name), kinds[str(name)], str(security), likelihood, impact, means, detected, after_s
        )
        found.append(risk)
    return sorted(found, key=lambda risk: (-risk.rank, risk.attack, risk.security))


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def read(folder: Path | str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the rows of a study's folder, and its attacks' kinds; raises RunFolderError."""
    file = Path(folder) / "summary.parquet"
    if not file.is_file():
        raise RunFolderError(f"there is no study in {folder}: it has no summary.parquet")
    rows = pd.read_parquet(file)
    if not {"acting", "units.security"} <= set(rows.columns):
        raise RunFolderError(f"{file} is of a study that varies neither attacks nor security")
    done = rows[(rows["status"] == "complete").to_numpy()]
    kinds: dict[str, str] = {}
    for name in done["run"].dropna()[:1]:
        runs = [path for path in (Path(folder) / name, Path(folder).parent / name) if path.is_dir()]
        if runs:
            stated = Run(runs[0]).scenario.get("attacks", ())
            kinds = {item["name"]: item["kind"] for item in stated}
    return done, kinds


def text(risks: Sequence[Risk]) -> str:
    """Return a register as a Markdown table."""
    head = ["attack", "security", "likelihood", "impact", "risk", "measured beside the control",
            "detected", "after"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for risk in risks:
        told = [
            f"{effect.kpi} {risk.differences[effect.kpi]:+,.0f} {effect.unit}".removesuffix(" 1")
            for effect in EFFECTS
            if effect.level(risk.differences[effect.kpi]) > 1
        ]
        detected = "-" if risk.detected_percent is None else f"{risk.detected_percent:.0f} %"
        after = "-" if risk.detection_s is None else f"{risk.detection_s:,.1f} s"
        cells = [risk.attack, risk.security, str(risk.likelihood), str(risk.impact),
                 str(risk.rank), "; ".join(told) or "nothing", detected, after]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(text(register(*read(sys.argv[1]))) + "\n")
