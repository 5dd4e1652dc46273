"""Two suppliers on one street, over its network: each steers its customers, and knows no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import Run
from scenarios import load, run

TWO = "services.balancing.suppliers=[{name: green, share: 0.5}, {name: blue}]"
ONE = "services.balancing.suppliers=[{name: green, share: 0.5}, {name: blue, steers: false}]"
LOCAL = "services.balancing.mode=local"
SHUT = "lv4.101/load-12"  # it has a battery
POLICIES = (
    f"units.policies=[{{customers: {SHUT}, variables: [load_profile, energy.import, energy.export, "
    "balancing.request, balancing.signal]}]"
)
_SHORT = "time.duration_h=3"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a street once for each set of changes."""
    home, made = tmp_path_factory.mktemp("suppliers"), dict[tuple[str, ...], Run]()

    def make(*changes: str) -> Run:
        if changes not in made:
            folder: Path = home / str(len(made))
            run(load("street", changes), folder=folder, with_report=False).check()
            made[changes] = Run(folder)
        return made[changes]

    return make


def supplier_of(done: Run) -> dict[str, str]:
    """Return each customer's supplier, by the end of its units' names."""
    return {
        unit["id"].partition("/")[2]: unit["supplier"]
        for unit in done.topology["units"]
        if unit["kind"] == "meter"
    }


def device_of(done: Run) -> dict[str, str]:
    """Return each device's supplier, by the terminal that it is at."""
    of = supplier_of(done)
    places = {one["id"]: one["terminal"].partition("/")[2] for one in done.topology["devices"]}
    return {device: of[place] for device, place in places.items() if place in of}


def tail(unit: str) -> str:
    return "/".join(unit.split("/")[1:3])


def commanded(done: Run) -> set[str]:
    """Return the customers whose devices were told something."""
    event = done.columns("event", "kind", "element")
    told = event[(event["kind"] == "commanded").to_numpy()]["element"].astype(str)
    return {tail(actuator) for actuator in told}


def asked(done: Run, service: str) -> pd.DataFrame:
    """Return the requests of a service to units of customers."""
    frame = done.columns("request", "service", "variable", "location", "result").astype(str)
    customers = frame["location"].str.startswith(("cmu/", "meter/", "dmu/"))
    return frame[(frame["service"] == service).to_numpy() & customers.to_numpy()]


@pytest.mark.slow
@pytest.mark.requirement("BA-08")
def test_each_asks_its_own_customers_and_nobody_is_refused(street: Any) -> None:
    done = street(TWO, _SHORT)
    of = supplier_of(done)
    for name in ("green", "blue"):
        found = asked(done, f"balancing:{name}")
        whose = {of[tail(location)] for location in found["location"]}
        assert whose == {name}
        written = found[found["variable"].str.startswith("balancing.").to_numpy()]
        assert set(written["variable"]) >= {"balancing.request", "balancing.signal"}
        assert (written["result"] == "ok").mean() > 0.98  # the rest was lost on the line
        assert "denied" not in set(found["result"])
        rounds = done.series("negotiation")
        mine = rounds[(rounds["supplier"] == f"supplier/{name}").to_numpy()]
        assert mine["committed"].sum() > 0
        # distances fall, by the sum of the supplier's own customers
        after, before = mine["distance_after_w"], mine["distance_before_w"]
        assert (after <= before + 1e-6).all()
    assert not (done.columns("event", "kind")["kind"] == "access_denied").any()
    assert set(done.series("negotiation")["supplier"]) == {"supplier/green", "supplier/blue"}


@pytest.mark.slow
@pytest.mark.requirement("BA-08")
def test_who_does_not_steer_leaves_its_customers_as_they_are(street: Any) -> None:
    """Device by device and slot by slot what they do in the same street without any steering."""
    steered, local = street(ONE, _SHORT), street(ONE, LOCAL, _SHORT)
    of = supplier_of(steered)
    assert {of[customer] for customer in commanded(steered)} == {"green"}
    assert not commanded(local)
    keys, changed = ["t_ms", "device"], dict[str, int]()
    frames = [done.series("device").sort_values(keys) for done in (steered, local)]
    owners = [device_of(done) for done in (steered, local)]
    for name in ("green", "blue"):
        ours, theirs = (
            frame[frame["device"].astype(str).map(owner).eq(name).to_numpy()].reset_index(drop=True)
            for frame, owner in zip(frames, owners, strict=True)
        )
        assert len(ours)
        changed[name] = int((ours["p_w"].to_numpy() != theirs["p_w"].to_numpy()).sum())
        if name == "blue":
            pd.testing.assert_frame_equal(ours, theirs)
    assert changed["green"] > 0


@pytest.mark.slow
@pytest.mark.requirement("BA-08")
def test_a_customers_policy_holds_against_its_own_supplier(street: Any) -> None:
    done = street(TWO, POLICIES, "units.security=integrity", "time.duration_h=1.5")
    name = supplier_of(done)[SHUT]
    found = asked(done, f"balancing:{name}")
    about = found[found["location"].map(tail).eq(SHUT).to_numpy()]
    assert set(about["result"]) == {"denied"}
    assert {"balancing.request", "energy.import", "load_profile"} <= set(about["variable"])
    assert SHUT not in commanded(done)
    # all others are steered as before, signed messages of several stakeholders and all
    others = found[~found["location"].map(tail).eq(SHUT).to_numpy()]
    assert "denied" not in set(others["result"])
    assert commanded(done)


@pytest.mark.slow
@pytest.mark.requirement("BA-08")
def test_a_customer_may_withdraw_while_it_runs(street: Any) -> None:
    """Its own unit puts a policy in force; from then on its supplier may ask it nothing."""
    later = POLICIES.replace("load_profile, energy.import, energy.export, ", "")
    done = street(TWO, later.replace("]}]", "], at_h: 0.6}]"), "time.duration_h=2.25")
    frame = done.columns("request", "t_ms", "service", "variable", "location", "result")
    name, asked_for = supplier_of(done)[SHUT], "balancing.request"
    mine = (frame["location"].astype(str) == f"cmu/{SHUT}") & (frame["variable"] == asked_for)
    mine &= frame["service"].astype(str) == f"balancing:{name}"
    asked_it = frame[mine.to_numpy()]
    before = (asked_it["t_ms"] < 2_160_000).to_numpy()
    assert set(asked_it[before]["result"].astype(str)) == {"ok"}
    assert set(asked_it[~before]["result"].astype(str)) == {"denied"}
    neighbours = asked(done, f"balancing:{name}")
    neighbours = neighbours[~neighbours["location"].map(tail).eq(SHUT).to_numpy()]
    assert "denied" not in set(neighbours["result"])


@pytest.mark.slow
@pytest.mark.requirement("BA-08")
def test_suppliers_side_by_side_over_three_levels(tmp_path: Path) -> None:
    """Each supplier's root is the medium-voltage unit, its instances below pass on."""
    changes = (TWO, "services.balancing.root=mvgmu", "services.balancing.mode=steering",
               "time.duration_h=0.75")  # fmt: skip
    run(load("district", changes), folder=tmp_path / "d", with_report=False).check()
    done = Run(tmp_path / "d")
    of = supplier_of(done)
    rounds = done.series("negotiation")
    levels = rounds["unit"].astype(str).str.partition("/")[0]
    for name in ("green", "blue"):
        mine = (rounds["supplier"] == f"supplier/{name}").to_numpy()
        assert set(levels[mine]) == {"lvgmu", "mvgmu"}
        top = rounds[mine & (levels == "mvgmu").to_numpy()]
        assert top["distance_after_w"].iloc[-1] < 0.6 * top["distance_before_w"].iloc[0]
        whose = {of[tail(location)] for location in asked(done, f"balancing:{name}")["location"]}
        assert whose == {name}
    assert not (done.columns("event", "kind")["kind"] == "access_denied").any()
