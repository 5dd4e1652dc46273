"""One command: a run's scenario over link technologies, in one table with intervals."""

from __future__ import annotations

import json
from itertools import pairwise

import pandas as pd
import pytest
from scipy import stats

from analysis import Run
from scenarios import load, run
from scenarios.cli import main

SETTINGS = [
    "time.duration_h=0.5", "units.history_days=0", "services.balancing.mode=local",
    "grid.source.simbench=1-LV-rural1--0-sw",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.requirement("BX-01")
@pytest.mark.requirement("QU-01")
def test_a_run_is_put_over_technologies_and_seeds(tmp_path, capsys):
    first = run(load("street", SETTINGS), folder=tmp_path / "run", with_report=False).check()
    words = ["compare", str(first.folder), "--tech", "gprs,rf-mesh-wisun", "--seeds", "2",
             "--runs", str(tmp_path / "runs"), "--workers", "1"]  # fmt: skip
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "differences from plc-prime" in told
    folder = tmp_path / "runs/street-lv_fan-tech"
    table = pd.read_parquet(folder / "summary.parquet")
    assert table["network.lv_fan"].tolist() == [
        *["plc-prime"] * 2, *["gprs"] * 2, *["rf-mesh-wisun"] * 2
    ]  # fmt: skip
    assert table["seed"].tolist() == [1, 2] * 3
    assert (table["status"] == "complete").all()

    p95 = {}
    for row in table.itertuples():
        delay_ms = Run(folder / row.run).messages["delay_us"].dropna() / 1000
        p95[row[3], row.seed] = delay_ms.quantile(0.95)
        assert row.message_delay_p95_ms == pytest.approx(p95[row[3], row.seed])
    main([*words, "--json"])
    plain = json.loads(capsys.readouterr().out)
    for found in plain["differences"]:
        fan = found["parameters"]["network.lv_fan"]
        pairs = [p95[fan, seed] - p95["plc-prime", seed] for seed in (1, 2)]
        low, high = stats.t.interval(0.95, 1, loc=sum(pairs) / 2, scale=stats.sem(pairs))
        entry = found["kpis"]["message_delay_p95_ms"]
        assert entry["mean"] == pytest.approx(sum(pairs) / 2)
        assert entry["half"] == pytest.approx((high - low) / 2)
    assert [found["parameters"]["network.lv_fan"] for found in plain["differences"]] == [
        "gprs", "rf-mesh-wisun",
    ]  # fmt: skip
    page = (folder / "report.html").read_text("utf-8")
    assert "Which technology is enough" in page
    places = [page.index(name) for name in ("Means", "Differences from plc-prime")]
    assert all(before < after for before, after in pairwise(places))
