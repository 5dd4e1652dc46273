"""Whose the variables are by default, in words: the page on them is made of the catalogue."""

from __future__ import annotations

from controllers.unit.catalogue import CATALOGUE, Catalogue
from controllers.unit.policy import READ, WRITE, Grant
from controllers.unit.variable import AUTHORS, OPERATOR, SUPPLIER, WEATHER_PROVIDER, Variable

__all__ = ["OWNERS", "owners_table", "variables_page"]

OWNERS = {
    "customer": "the customer's where one lives behind the unit, else the unit's own stakeholder's",
    "customers": "the customers' of an area together",
    "unit": "the unit's own stakeholder's: of grid units the operator's, of a house the customer's",
    AUTHORS: "the stakeholder's who wrote it: of a customer's unit the customer's, of a supplier's "
    "instance of balancing the supplier's",
    OPERATOR: "the operator's wherever they are: control signals, what is sent down",
    SUPPLIER: "the supplier's wherever they are: prices",
    WEATHER_PROVIDER: "the data provider's, copies included",
}
"""Kinds of owner as the catalogue has them; another is a stakeholder's name."""

_INTRO = """<!-- made by `python -m scenarios.reference`; do not edit -->

# Variables

What units hold, whose it is by default and who may read (r) or write (w) it by which service,
with the least time between two accesses where there is one. Deny by default: who is not named has
no access; the owner always has. `all` is any. What is critical travels by the flow `control` and
never over the Internet.
"""
_RIGHTS = {0: "none", READ: "r", WRITE: "w", READ | WRITE: "rw"}


def owners_table(catalogue: Catalogue = CATALOGUE) -> dict[str, list[Variable]]:
    """Return the variables of each kind of owner, in the order of their codes."""
    found: dict[str, list[Variable]] = {owner: [] for owner in OWNERS}
    for variable in sorted(catalogue, key=lambda one: one.code):
        found.setdefault(variable.owner, []).append(variable)
    return {owner: variables for owner, variables in found.items() if variables}


def variables_page(catalogue: Catalogue = CATALOGUE) -> str:
    """Return the page: a table for each kind of owner."""
    parts = [_INTRO]
    for owner, variables in owners_table(catalogue).items():
        meaning = OWNERS.get(owner, f"the {owner}'s")
        rows = [_row(variable) for variable in variables]
        head = "| variable | code | unit | critical | others' rights | in the field |"
        lines = [head, "|---|---|---|---|---|---|", *rows]
        parts.append(f"## {owner}\n\n{meaning[0].upper()}{meaning[1:]}.\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(variable: Variable) -> str:
    critical = "yes" if variable.critical else ""
    rights = "; ".join(_grant(grant) for grant in variable.grants)
    measure = variable.measure if variable.kind == "number" else "record"
    cells = (f"`{variable.name}`", str(variable.code), measure, critical, rights, variable.field)
    return "| " + " | ".join(cells) + " |"


def _grant(grant: Grant) -> str:
    delay = f" every {grant.min_delay_ms / 1000:g} s" if grant.min_delay_ms else ""
    return f"{grant.stakeholder} {grant.service} {_RIGHTS[grant.rights]}{delay}"
