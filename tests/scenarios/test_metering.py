"""A thousand meters report over every technology that they can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import Run
from scenarios import load, run
from scenarios.assembly import assemble
from scenarios.loader import Scenario

MEDIA = ("plc-prime", "plc-g3", "rf-mesh-15.4", "rf-mesh-wisun")
CELLS = ("gprs", "umts", "lte", "lte-m", "nb-iot", "5g-embb", "5g-urllc")
PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")


def metering(technology: str) -> Scenario:
    return load("metering", ["time.duration_h=0.5", f"network.lv_fan={technology}"])


def test_there_are_a_thousand_in_twelve_areas_of_the_kinds_that_the_record_says() -> None:
    spec = assemble(metering("plc-prime")).params["network"]["spec"]
    media = [medium for medium in spec["media"] if medium["id"].startswith("lv-fan/")]
    meters = [name for medium in media for name in medium["members"] if name[:6] == "meter/"]
    assert len(meters) == len(set(meters)) == 1000
    assert len(media) == 12
    assert max(len(medium["members"]) for medium in media) == 119  # 300 would be allowed
    assert {medium["air"]["kind"] for medium in media} == {"conductors"}
    assert {medium["routing"] for medium in media} == {"mesh"}


@pytest.mark.slow
@pytest.mark.requirement("NW-01")
@pytest.mark.parametrize("technology", [*MEDIA, *CELLS, "fibre"])
def test_they_report_with_collisions_and_queues(tmp_path: Path, technology: str) -> None:
    folder = run(metering(technology), folder=tmp_path / "run", with_report=False).check().folder
    found = Run(folder)
    table = found.messages
    there = table[table["fate"] == "delivered"]
    parts = there[[f"{part}_us" for part in PARTS]].sum(axis=1)
    assert (parts == there["delay_us"]).all()
    up = there[there["src"].str.startswith("meter/") & there["dst"].str.startswith("lvgmu/")]
    assert up["src"].nunique() > (950 if technology in MEDIA else 999)
    media = found.series("medium")
    used = media[media["technology"] == technology]
    assert used["transmissions"].sum() > 2000
    if technology in MEDIA:
        assert used["collisions"].sum() > 0
        assert used["queue_max"].max() > 0
        assert up["queue_us"].sum() > 0
    if technology in CELLS:
        assert up["access_us"].sum() > 0
