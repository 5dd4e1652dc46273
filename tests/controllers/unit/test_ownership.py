"""Whose the data are by default, over all variables and all kinds of units."""

from __future__ import annotations

from pathlib import Path

import pytest

from controllers.unit import CATALOGUE, Directory
from controllers.unit.ownership import OWNERS, owners_table, variables_page
from controllers.unit.policy import WRITE
from controllers.unit.variable import AUTHORS, OPERATOR, SUPPLIER, WEATHER_PROVIDER

CUSTOMER = "customer/x"
HOUSE = {"customer": CUSTOMER, "owner": CUSTOMER}
UNITS = Directory(
    [
        {"id": "tlgmu/top", "kind": "tlgmu", "owner": OPERATOR, "area": "top"},
        {"id": "mvgmu/m", "kind": "mvgmu", "owner": OPERATOR, "area": "m"},
        {"id": "lvgmu/a", "kind": "lvgmu", "owner": OPERATOR, "area": "a"},
        {"id": "meter/a/x", "kind": "meter", "area": "a", **HOUSE},
        {"id": "cmu/a/x", "kind": "cmu", "area": "a", **HOUSE},
        {"id": "dmu/a/x/ev", "kind": "dmu", "area": "a", **HOUSE},
        {"id": "provider/weather", "kind": "provider", "owner": WEATHER_PROVIDER},
    ],
    CATALOGUE,
)
GRID, HOME = ("tlgmu/top", "mvgmu/m", "lvgmu/a"), ("meter/a/x", "cmu/a/x", "dmu/a/x/ev")


def owners(variable: str, units: tuple[str, ...]) -> set[str]:
    return {UNITS.owner(unit, variable) for unit in units}


@pytest.mark.requirement("SP-11")
@pytest.mark.parametrize("variable", sorted(variable.name for variable in CATALOGUE))
def test_each_variable_has_an_owner_of_a_kind_that_is_known(variable: str) -> None:
    declared = CATALOGUE.get(variable)
    assert declared is not None
    everywhere = owners(variable, (*GRID, *HOME))
    if declared.owner in {"customer", "unit"}:
        assert owners(variable, HOME) == {CUSTOMER}
        assert owners(variable, GRID) == {OPERATOR}
    elif declared.owner == "customers":
        assert everywhere == {"customers/top", "customers/m", "customers/a"}
    else:  # a stakeholder by name, who keeps it wherever a copy of it is
        assert everywhere == {declared.owner}
        assert declared.owner not in {"", "all", CUSTOMER}


METERED = ("energy.import", "energy.export", "voltage", "load_profile", "meter.phases",
           "meter.values", "energy.hidden", "device.energy", "battery.soc", "ev.session",
           "device.power", "thermal.temperature", "supply.quality")  # fmt: skip
SENSED = ("line.phases", "fault.passage", "switch.position", "tap.position", "light.position")
ORDERS = ("switch.order", "tap.order", "crew.order", "light.order")
NEGOTIATED = tuple(f"balancing.{name}" for name in ("request", "signal", "offer", "accept",
                                                     "profile", "update"))  # fmt: skip


@pytest.mark.requirement("SP-11")
def test_the_groups_of_the_specification() -> None:
    assert all(owners(one, HOME) == {CUSTOMER} for one in METERED)
    assert all(owners(one, GRID) == {OPERATOR} for one in (*SENSED, *ORDERS))
    assert all(owners(one, (*GRID, *HOME)) == {AUTHORS} for one in NEGOTIATED)
    for profile in ("tariff.table", "signal.price"):
        assert owners(profile, (*GRID, *HOME)) == {SUPPLIER}
    assert owners("weather.forecast", (*GRID, *HOME, "provider/weather")) == {WEATHER_PROVIDER}


def test_nobody_writes_what_is_a_customers_unless_he_is_asked_to() -> None:
    """What others may write to customers' units by default: what contracts stand behind."""
    writable = {
        variable.name
        for variable in CATALOGUE
        if variable.owner == "customer" and any(grant.rights & WRITE for grant in variable.grants)
    }
    assert not writable & set(METERED)
    assert "set_point" not in writable


def test_what_moves_things_is_critical() -> None:
    for name in ("set_point", "switch.order", "tap.order", "thermal.band", "appliance.start",
                 "reactive_set_point", "fault.passage"):  # fmt: skip
        declared = CATALOGUE.get(name)
        assert declared is not None
        assert declared.critical
    for name in ("weather.forecast", "energy.import", "area.energy"):
        declared = CATALOGUE.get(name)
        assert declared is not None
        assert not declared.critical


def test_the_page_lists_every_variable_once() -> None:
    page = variables_page()
    for variable in CATALOGUE:
        assert page.count(f"| `{variable.name}` |") == 1
    assert sum(len(found) for found in owners_table().values()) == len(list(CATALOGUE))
    written = Path("docs/reference/variables.md").read_text("utf-8")
    assert written == page, "python -m scenarios.reference"
    assert set(OWNERS) <= {line[3:] for line in page.splitlines() if line.startswith("## ")}
