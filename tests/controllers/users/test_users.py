"""Accounts, roles and logins."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.security.certificates import Role
from controllers.security.errors import RefusedError
from controllers.unit import Loopback, UnitsCore
from controllers.unit.catalogue import CATALOGUE
from controllers.users import RIGHTS, Registrar, Right, make_service, needed
from controllers.users.tokens import open_token, prove, verify_proof

TOP, LOW, HOME = "tlgmu/top", "lvgmu/a", "cmu/a/1"
HOUR = 3_600_000
REGISTRAR = Registrar(1)


def token(serial=1, name="anna", stakeholder="operator", role=Role.ENGINEER, units=("*",), **more):
    return REGISTRAR.token(serial, name, stakeholder, role, units, **more)


def session(at_ms=1000, made=None, keys_of="", actions=()):
    return {
        "at_ms": at_ms, "token_b64": b64encode(made or token()).decode(), "name": "anna",
        "keys_of": keys_of,
        "actions": [
            {"after_ms": 0, "operation": o, "variable": v, "location": where, "value": value}
            for o, v, where, value in actions
        ],
    }  # fmt: skip


def world(sessions: dict[str, list[dict[str, Any]]], revocations=(), cut=False) -> Loopback:
    common = {"seed": 1, "issuer": REGISTRAR.public(), "top": TOP}

    def unit(name, owner, parent="", children=()):
        params = common | {"sessions": sessions.get(name, [])}
        if name == TOP:
            params["revocations"] = list(revocations)
        copy = [[owner, "users", 3, 0], ["all", "users", 1, 0]]
        return {
            "id": name, "kind": name.partition("/")[0], "owner": owner, "parent": parent,
            "children": list(children), "services": {"users": params},
            "policies": {"users.revoked": copy},
        }  # fmt: skip

    units = [
        unit(TOP, "operator", children=[LOW]),
        unit(LOW, "operator", TOP, [HOME]),
        unit(HOME, "customer/1", LOW) | {"customer": "customer/1"},
    ]
    core = UnitsCore({"units": units}, 1, factories={"users": make_service})
    return Loopback(core, fates=lambda _f, t_ms: [] if cut and t_ms > HOUR else [20])


def told(bus: Loopback, kind: str) -> list[Any]:
    return [event.value for event in bus.events if event.kind == kind]


def test_somebody_with_an_account_asks_within_his_role() -> None:
    actions = [
        ("query", "area.energy", TOP, None),
        ("write", "area.energy", LOW, {"meters": 1}),
        ("write", "switch.order", LOW, {"closed": True}),
        ("query", "no.such", LOW, None),
    ]
    bus = world({LOW: [session(actions=actions)]})
    bus.run(HOUR)
    assert told(bus, "user_logged_in") == [{"user": "anna", "role": "ENGINEER"}]
    assert [one["variable"] for one in told(bus, "user_asked")] == ["area.energy"] * 2
    assert sorted(one["result"] for one in told(bus, "user_answered")) == ["no-data", "ok"]
    denied = told(bus, "user_denied")
    assert [(one["variable"], one["right"]) for one in denied] == [
        ("switch.order", "control"), ("no.such", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"keys_of": "thief"}, "signature"),
        ({"made": Registrar(1, "forger").token(1, "anna", "operator", Role.SECADM, ("*",))},
         "signature"),
        ({"made": token(until_ms=900)}, "expired"),
        ({"made": token(units=("mvgmu/*",))}, "role"),
        ({"made": token(stakeholder="customer/1")}, "role"),
        ({"made": b"nonsense"}, "malformed"),
    ],
)  # fmt: skip
def test_who_has_no_account_here_is_refused(wrong, why) -> None:
    bus = world({LOW: [session(**wrong, actions=[("query", "area.energy", TOP, None)])]})
    bus.run(HOUR)
    assert told(bus, "user_refused") == [{"why": why}]
    assert not told(bus, "user_asked")


def test_an_account_that_was_revoked_is_refused_where_the_list_has_come() -> None:
    late = session(2 * HOUR)
    bus = world({LOW: [session(), late]}, revocations=[[HOUR, 1]])
    bus.run(3 * HOUR)
    assert len(told(bus, "user_logged_in")) == 1
    assert told(bus, "user_refused") == [{"why": "revoked"}]
    cut = world(
        {LOW: [session(), late, session(30 * HOUR)]}, revocations=[[2 * HOUR - 1, 1]], cut=True
    )
    cut.run(31 * HOUR)
    assert len(told(cut, "user_logged_in")) == 2  # it could not know
    assert told(cut, "user_refused") == [{"why": "no-revocation-list"}]


def test_a_role_opens_no_customers_data() -> None:
    reads = [("query", "area.energy", HOME, None)]
    bus = world({LOW: [session(actions=reads)], HOME: []})
    bus.run(HOUR)
    assert [one["result"] for one in told(bus, "user_answered")] == ["denied"]


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_rights_and_none_has_all(role) -> None:
    assert RIGHTS[role]
    assert RIGHTS[role] < set(Right)


def test_each_variable_needs_one_right() -> None:
    rights = {variable.name: needed("write", variable) for variable in CATALOGUE}
    assert rights["set_point"] is Right.CONTROL
    assert rights["users.revoked"] is Right.SECURITY
    assert rights["voltage"] is Right.SET
    assert {needed("query", v) for v in CATALOGUE} <= {Right.VIEW, Right.AUDIT}


@given(st.data())
def test_no_changed_token_or_proof_opens(data) -> None:
    made, keys = token(), REGISTRAR.person("anna")
    account = open_token(made, "1", REGISTRAR.public())
    proof = prove(keys, "1", LOW, b"challenge")
    verify_proof(proof, account, "1", LOW, b"challenge")
    for whole, check in (
        (made, lambda it: open_token(it, "1", REGISTRAR.public())),
        (proof, lambda it: verify_proof(it, account, "1", LOW, b"challenge")),
    ):
        at = data.draw(st.integers(0, len(whole) - 1))
        bit = data.draw(st.integers(1, 255))
        with pytest.raises(RefusedError):
            check(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
    for unit, challenge in ((TOP, b"challenge"), (LOW, b"another")):
        with pytest.raises(RefusedError):
            verify_proof(proof, account, "1", unit, challenge)
