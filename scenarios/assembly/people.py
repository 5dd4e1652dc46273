"""Persons: tokens of their accounts, and the service that takes them at the units they use."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from controllers.security.certificates import Role
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import ALL, READ, READ_WRITE
from controllers.users import REVOKED, Registrar
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.users import Session, Users

__all__ = ["with_users"]

Spec = dict[str, Any]
_SERVICE = "users"


def with_users(config: ScenarioConfig, units: Sequence[Spec]) -> list[Spec]:
    """Return the units with the service ``users`` at the top and where persons log in.

    Raises ScenarioError for accounts and sessions that cannot be.
    """
    wanted = config.units.users
    if wanted is None:
        return list(units)
    by_name = {unit["id"]: unit for unit in units}
    faults = _faults(wanted, by_name)
    if faults:
        raise ScenarioError(faults)
    top = next(unit["id"] for unit in units if not unit.get("parent") and unit.get("children"))
    people = _People(config.seed, wanted)
    sessions: dict[str, list[Spec]] = {top: []}
    for session in wanted.sessions:
        sessions.setdefault(session.unit, []).append(people.session(session))
    common = {"seed": config.seed, "issuer": Registrar(config.seed).public(), "top": top}
    made = []
    for unit in units:
        if unit["id"] not in sessions:
            made.append(unit)
            continue
        params: Spec = common | {"sessions": sessions[unit["id"]]}
        if unit["id"] == top:
            params["revocations"] = people.revocations()
        made.append(_with_service(unit, params))
    return made


def _with_service(unit: Spec, params: Spec) -> Spec:
    """Return a unit with the service, which may keep a copy of the list of revoked accounts."""
    copy = [[unit["owner"], _SERVICE, READ_WRITE, 0], [ALL, _SERVICE, READ, 0]]
    return unit | {
        "services": {**unit["services"], _SERVICE: params},
        "policies": {**unit.get("policies", {}), REVOKED: copy},
    }


class _People:
    def __init__(self, seed: int, wanted: Users) -> None:
        self._seed, self._wanted = seed, wanted
        self._accounts = {account.name: account for account in wanted.accounts}
        self._serials = {account.name: n for n, account in enumerate(wanted.accounts, 1)}

    def session(self, session: Session) -> Spec:
        """Return what a unit's service is told of a session."""
        account = self._accounts[session.user]
        registrar = Registrar(self._seed, "forger" if session.by == "a-forger" else "")
        until_ms = -1 if account.until_h is None else round(account.until_h * HOUR_MS)
        token = registrar.token(
            self._serials[account.name], account.name, account.stakeholder, Role(account.role),
            tuple(account.units), until_ms,
        )  # fmt: skip
        return {
            "at_ms": round(session.at_h * HOUR_MS),
            "token_b64": b64encode(token).decode(),
            "name": account.name,
            "keys_of": "" if session.by == "the-person" else "thief",
            "actions": [
                {
                    "after_ms": round(action.after_s * 1000),
                    "operation": action.operation,
                    "variable": action.variable,
                    "location": action.location,
                    "value": action.value,
                }
                for action in session.actions
            ],
        }

    def revocations(self) -> list[list[int]]:
        """Return when which account is revoked."""
        revoked = self._wanted.revoked
        return [[round(one.at_h * HOUR_MS), self._serials[one.name]] for one in revoked]


def _faults(wanted: Users, units: dict[str, Spec]) -> list[Fault]:
    """Return what is wrong with the section."""
    names = [account.name for account in wanted.accounts]
    faults: list[Fault] = []
    people = {unit["owner"] for unit in units.values()}
    for place, account in enumerate(wanted.accounts):
        if account.stakeholder not in people:
            path = f"units.users.accounts[{place}].stakeholder"
            hint = nearest(account.stakeholder, people)
            faults.append(Fault(path, f"no unit acts for {account.stakeholder}", hint))
    variables = [variable.name for variable in CATALOGUE]
    checks: list[tuple[str, str, list[str]]] = [
        (f"revoked[{place}].name", one.name, names) for place, one in enumerate(wanted.revoked)
    ]
    for place, session in enumerate(wanted.sessions):
        path = f"sessions[{place}]"
        checks += [(f"{path}.user", session.user, names), (f"{path}.unit", session.unit, [*units])]
        for number, action in enumerate(session.actions):
            where = f"{path}.actions[{number}]"
            checks += [(f"{where}.variable", action.variable, variables)]
            checks += [(f"{where}.location", action.location, [*units])]
    faults += [
        Fault(f"units.users.{path}", f"no {path.rpartition('.')[2]} {name}", nearest(name, known))
        for path, name, known in checks
        if name not in known
    ]
    return faults
