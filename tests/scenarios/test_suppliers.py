"""Who is whose customer, and what the units are told of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from scenarios import load
from scenarios.assembly import assemble
from scenarios.assembly.suppliers import contracts
from scenarios.schema.suppliers import Supplier

METERS = [f"meter/lv1/load-{n}" for n in range(20)] + [f"meter/lv2/load-{n}" for n in range(5)]
TWO = "services.balancing.suppliers=[{name: green, share: 0.5}, {name: blue}]"


@given(
    shares=st.lists(st.floats(0.05, 1.0), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50, deadline=None)
def test_every_customer_has_one_supplier_at_most(shares: list[float], seed: int) -> None:
    suppliers = [Supplier(name=f"s{n}", share=share) for n, share in enumerate(shares)]
    try:
        found = contracts(suppliers, METERS, seed)
    except ScenarioError as error:
        assert "no customer is left" in str(error)  # noqa: PT017
        return
    left = len(METERS)
    for one in suppliers:
        assert one.share is not None
        count = sum(name == one.name for name in found.values())
        assert count == round(one.share * left)
        left -= count
    assert set(found) <= set(METERS)


def test_lots_are_drawn_by_the_seed() -> None:
    half = [Supplier(name="green", share=0.5), Supplier(name="blue")]
    drawn = [contracts(half, METERS, seed) for seed in range(8)]
    assert contracts(half, reversed(METERS), 0) == drawn[0]
    assert len({tuple(sorted(one.items())) for one in drawn}) > 1
    assert all(set(one) == set(METERS) for one in drawn)


def test_the_first_that_takes_a_customer_has_it() -> None:
    suppliers = [
        Supplier(name="local", customers="lv2/*"),
        Supplier(name="green", customers="lv?/load-1*"),
        Supplier(name="rest", customers="lv1/*"),
    ]
    found = contracts(suppliers, METERS, 1)
    assert found["meter/lv2/load-1"] == "local"
    assert found["meter/lv1/load-1"] == found["meter/lv1/load-19"] == "green"
    assert found["meter/lv1/load-2"] == "rest"


def test_a_supplier_without_customers_is_a_fault_with_a_hint() -> None:
    suppliers = [Supplier(name="all"), Supplier(name="none"), Supplier(name="x", customers="lv3/*")]
    with pytest.raises(ScenarioError) as raised:
        contracts(suppliers, METERS, 1)
    text = str(raised.value)
    assert "suppliers[1]" in text
    assert "no customer is left for none" in text
    assert "suppliers[2].customers: no meter/lv3/*" in text


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ScenarioError, match="two have one name"):
        load("street", ("services.balancing.suppliers=[{name: a, share: 0.2}, {name: a}]",))


def units(*changes: str) -> dict[str, dict[str, Any]]:
    plan = assemble(load("street", changes))
    return {unit["id"]: unit for unit in plan.topology["units"]}


def test_each_instance_has_its_customers_alone() -> None:
    found = units(TWO)
    [area] = [unit for unit in found.values() if unit["kind"] == "lvgmu"]
    assert "balancing" not in area["services"]
    seen = set[str]()
    for name in ("green", "blue"):
        params = area["services"][f"balancing:{name}"]
        who = f"supplier/{name}"
        assert area["stakeholders"][f"balancing:{name}"] == who
        mine = {u["id"] for u in found.values() if u["kind"] == "cmu" and u["supplier"] == name}
        assert set(params["children"]) == set(params["meters"]) == mine
        assert not mine & seen
        seen |= mine
        for cmu in sorted(mine):
            unit = found[cmu]
            assert unit["services"]["balancing"]["supplier"] == who
            for variable in ("balancing.request", "balancing.signal", "balancing.accept"):
                grants = unit["policies"][variable]
                assert grants == [[who, "balancing", 2, 0], [unit["owner"], "balancing", 1, 0]]
            policies = found[unit["parent"]]["policies"]
            for variable in ("energy.import", "energy.export", "load_profile"):
                readers = {g[0] for g in policies[variable] if g[1] == "balancing"}
                assert readers == {who}
    # nobody is named as a reader of what customers write: they say so themselves
    assert all(grant[2] == 2 for grant in area["policies"]["balancing.profile"])


def test_contracts_may_say_less() -> None:
    wanted = (
        "services.balancing.suppliers=[{name: green, share: 0.5, reads_meters: false}, "
        "{name: blue, steers: false}]"
    )
    found = units(wanted)
    for unit in found.values():
        if unit["kind"] == "meter":
            assert not [g for g in unit["policies"]["load_profile"] if g[1] == "balancing"]
        if unit["kind"] == "cmu":
            assert ("balancing" in unit["services"]) == (unit["supplier"] == "green")
    [area] = [unit for unit in found.values() if unit["kind"] == "lvgmu"]
    assert [name for name in area["services"] if "balancing" in name] == ["balancing:green"]


def test_hidden_meters_stay_hidden_from_suppliers() -> None:
    found = units(TWO, "units.security=with-privacy")
    for unit in found.values():
        if unit["kind"] == "meter":
            readers = unit["policies"]["energy.import"]
            assert not [grant for grant in readers if grant[1] == "balancing"]


def test_a_customers_own_policy_comes_before_the_contract() -> None:
    one = "lv4.101/load-7"
    closed = f"units.policies=[{{customers: {one}, variables: [load_profile, balancing.request]}}]"
    found = units(TWO, closed)
    assert found[f"meter/{one}"]["policies"]["load_profile"] == []
    assert found[f"cmu/{one}"]["policies"]["balancing.request"] == []
    assert found["cmu/lv4.101/load-8"]["policies"]["balancing.request"]


@pytest.mark.parametrize(
    ("base", "change", "word"),
    [
        ("street", "services.balancing.limits=[{at: lvgmu, upper_w: 50000}]", "no supplier knows"),
        ("street", "services.balancing.limited=true", "no supplier knows"),
        ("demand_response", "seed=1", "response: is the aggregator's of all houses"),
    ],
)
def test_what_is_of_the_sum_of_all_houses_is_refused(base: str, change: str, word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        load(base, (TWO, change))
