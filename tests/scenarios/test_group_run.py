"""Groups in a run: units join over the network, fail and are missed, go elsewhere, are put out."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import Run
from analysis.kpis import KPIS
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

SUB, MID, TOP = "lvgmu/lv4.101", "mvgmu/mv1", "tlgmu/top"
BAD = {
    f"meter/lv4.101/load-{number}": fault
    for number, fault in enumerate(("forged", "expired", "revoked", "role", "area"), 2)
}
DEAD, CUT, PUT_OUT = (f"meter/lv4.101/load-{number}" for number in (1, 9, 12))
BEAT_S = 120
QUIET = [
    "units.history_days=0",
    "devices.ev.share=0",
    "devices.battery.share=0",
    "devices.pv.share=0",
    "services.balancing.mode=local",
]


def go(folder: Path, group: dict[str, object], *changes: str) -> Run:
    text = json.dumps({"beat_s": BEAT_S, "join_s": 600, **group})
    scenario = load("street", [*QUIET, f"units.group={text}", *changes])
    return Run(run(scenario, folder=folder, with_report=False).check().folder)


def changes_of(found: Run, *kinds: str) -> pd.DataFrame:
    frame = found.series("membership")
    names = ("unit", "member", "kind", "state", "why")
    frame = frame.assign(**{name: frame[name].astype(str) for name in names})
    return frame[frame["kind"].isin(kinds or ("unit",))]


def states(found: Run, member: str) -> list[str]:
    frame = changes_of(found)
    return list(frame[frame["member"] == member]["state"])


def kpi(found: Run, name: str) -> dict[str, object]:
    return KPIS[name].compute(found).entry("")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four hours of the street over power line: a meter dies, another one's line fails."""
    group = {
        "certificates": [{"unit": unit, "fault": fault} for unit, fault in BAD.items()],
        "revoke": [{"unit": PUT_OUT, "at_h": 2.0}],
    }
    return go(
        tmp_path_factory.mktemp("groups") / "a",
        group,
        "time.duration_h=3",
        "units.security=integrity",
        f"units.failures=[{{unit: {DEAD}, at_h: 1.0, lasts_s: 2400}}]",
        f"network.outages=[{{element: {CUT}, at_h: 1.25, lasts_h: 0.5}}]",
    )


@pytest.mark.slow
@pytest.mark.requirement("SP-03")
def test_bad_certificates_of_every_kind_are_refused_and_seen(failing: Run) -> None:
    refused = changes_of(failing)
    refused = refused[(refused["state"] == "refused") & (refused["member"] != PUT_OUT)]
    found = dict(zip(refused["member"], refused["why"], strict=True))
    assert found == BAD
    events = failing.events
    seen = events[events["kind"] == "join_refused"]
    assert set(seen["element"]) >= set(BAD)
    members = changes_of(failing)
    assert not set(members[members["state"] == "joined"]["member"]) & set(BAD)
    # nothing of them is in the sums
    requests = failing.series("request")
    asked = requests[(requests["unit"] == SUB) & requests["location"].isin(list(BAD))]
    assert set(asked["service"]) <= {"balancing"}
    sums = events[(events["kind"] == "area_energy") & (events["element"] == SUB)]
    missing = [json.loads(text)["missing"] for text in sums["value"]]
    assert min(missing[2:]) == len(BAD)


@pytest.mark.slow
@pytest.mark.requirement("CP-02")
def test_a_dead_unit_and_a_failing_line_are_noticed_and_so_is_their_return(failing: Run) -> None:
    frame = changes_of(failing)
    for member, begin_h, end_h in ((DEAD, 1.0, 1.0 + 2400 / 3600), (CUT, 1.25, 1.75)):
        rows = frame[frame["member"] == member].set_index("state")["t_ms"]
        assert list(rows.index) == ["joined", "suspected", "lost", "returned"]
        begin_ms, end_ms = begin_h * 3.6e6, end_h * 3.6e6
        assert 0.5 * BEAT_S <= (rows["suspected"] - begin_ms) / 1000 <= 2.25 * BEAT_S
        assert 2.5 * BEAT_S <= (rows["lost"] - begin_ms) / 1000 <= 4.25 * BEAT_S
        assert 0 < (rows["returned"] - end_ms) / 1000 <= 1.25 * BEAT_S + 240
    # while it was lost it was not asked for what it did not send
    requests = failing.series("request")
    asked = requests[
        (requests["unit"] == SUB)
        & (requests["location"] == DEAD)
        & (requests["service"] == "aggregation")
        & (requests["operation"] == "query")
    ]
    begun = asked["t_ms"] - asked["latency_ms"]
    lost_ms = 3.6e6 + 4.25 * BEAT_S * 1000
    assert not begun.between(lost_ms, 3.6e6 + 2_400_000).any()
    noticed = kpi(failing, "loss_detection_s")
    assert 2.5 * BEAT_S <= noticed["value"] <= 4.25 * BEAT_S  # type: ignore[operator]
    assert kpi(failing, "losses_noticed")["by"]["meter"] >= 2  # type: ignore[index]
    assert kpi(failing, "joins_refused")["by"].keys() == set(BAD.values())  # type: ignore[attr-defined]
    assert kpi(failing, "false_suspicions")["value"] <= 2  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.requirement("SP-03")
def test_a_certificate_that_is_revoked_in_the_run_ends_membership_and_trust(failing: Run) -> None:
    frame = changes_of(failing)
    rows = frame[frame["member"] == PUT_OUT]
    assert list(rows["state"])[:2] == ["joined", "expelled"]
    assert set(rows["why"]) == {"", "revoked"}
    # it was pushed down from the top within seconds
    expelled_ms = int(rows[rows["state"] == "expelled"]["t_ms"].iloc[0])
    assert 0 <= expelled_ms - 2 * 3_600_000 < 60_000
    events = failing.events
    ended = events[events["kind"] == "trust_ended"]
    assert set(ended["element"]) == {PUT_OUT}
    assert f'"by":"{SUB}"' in "".join(ended["value"])
    assert len(events[events["kind"] == "group_rekeyed"]) >= 1
    last = frame[frame["state"] != "refused"].groupby("member")["state"].last()
    assert last[PUT_OUT] == "expelled"
    members = kpi(failing, "group_members")["by"]
    assert members["meter"] == 41 - len(BAD) - 1  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.requirement("CP-02")
def test_a_substation_goes_to_the_top_while_its_parent_is_dead_and_comes_back(
    tmp_path: Path,
) -> None:
    group = {
        "return_s": 600,
        "backups": [{"unit": "lvgmu/*", "to": [TOP], "over": "fibre"}],
    }
    found = go(
        tmp_path / "b",
        group,
        "time.duration_h=3",
        "units.failures=[{unit: 'mvgmu/*', at_h: 0.75, lasts_s: 3600}]",
    )
    frame = changes_of(found, "parent")
    rows = frame[frame["unit"] == SUB]
    middle = next(name for name in rows["member"] if name.startswith("mvgmu/"))
    told = list(zip(rows["state"], rows["member"], strict=True))
    assert told == [
        ("joined", middle), ("suspected", middle), ("lost", middle), ("joined", TOP),
        ("joined", middle),
    ]  # fmt: skip
    assert list(rows["why"]) == ["", "", "silent", "backup", ""]
    top = changes_of(found)
    top = top[(top["unit"] == TOP) & (top["member"] == SUB)]
    assert list(top["state"]) == ["joined", "left"]
    # the top's sums go on with the meters of the area that came to it
    events = found.events
    sums = events[(events["kind"] == "area_energy") & (events["element"] == TOP)]
    meters = {json.loads(text)["t_ms"]: json.loads(text)["meters"] for text in sums["value"]}
    away = [meters[quarter * 900_000] for quarter in range(2, 6)]
    assert away == [41] * 4, meters  # only the quarter in which it went back is nobody's


def test_what_names_no_unit_or_cannot_be_is_refused() -> None:
    bad = {
        "{certificates: [{unit: meter/lv9/x, fault: role}]}": r"certificates\[0\].unit",
        "{backups: [{unit: 'lvgmu/*', to: [nobody]}]}": r"backups\[0\].to\[0\]",
        "{backups: [{unit: 'lvgmu/*', to: [tlgmu/top], over: plc-prime}]}": "makes no links",
        "{backups: [{unit: 'lvgmu/*', to: [meter/lv4.101/load-1]}]}": "is below",
        "{revoke: [{unit: nobody, at_h: 1}]}": r"revoke\[0\].unit",
    }
    for text, why in bad.items():
        scenario = load("street", ["units.security=integrity", f"units.group={text}"])
        with pytest.raises(ScenarioError, match=why):
            assemble(scenario)
    scenario = load("street", ["units.group={revoke: [{unit: 'meter/*', at_h: 1}]}"])
    with pytest.raises(ScenarioError, match=r"units.group.revoke"):
        assemble(scenario)
    with pytest.raises(ScenarioError, match="lost"):
        load("street", ["units.group={suspect: 4, lost: 4}"])
