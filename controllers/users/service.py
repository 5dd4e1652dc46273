"""Service ``users``: persons log in at a unit and ask by its Data Interface, within their role.

The top issues lists of revoked accounts; units follow it. A session's person, who is outside of
what is simulated, comes as a token and a way to answer the unit's challenge.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from controllers.security.certificates import Role
from controllers.security.errors import Refusal, RefusedError
from controllers.signals.follower import Followed, Follower
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.service import Notification, UnitContext
from controllers.users.rights import RIGHTS, needed
from controllers.users.tokens import Account, open_token, verify_proof
from fernwatt.timebase import DAY_MS, HOUR_MS

__all__ = ["REVOKED", "Action", "Person", "Session", "Users", "is_list"]

REVOKED = "users.revoked"
_EVERY_MS = 6 * HOUR_MS
_PATIENCE_MS = 60_000
_OLDEST_MS = DAY_MS


class Person(Protocol):
    """Somebody in front of a unit."""

    def answer(self, unit: str, challenge: bytes) -> bytes:
        """Return the answer to a challenge."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a person asks, ``after_ms`` the login."""

    after_ms: int
    operation: str
    variable: str
    location: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Session:
    """A login at ``at_ms`` and what is asked then."""

    at_ms: int
    token: bytes
    person: Person
    actions: tuple[Action, ...]


def is_list(value: Any) -> bool:
    """Tell whether a value is a list of revoked accounts."""
    if type(value) is not dict or type(value.get("issued_ms")) is not int:
        return False
    serials = value.get("serials")
    return type(serials) is list and all(type(serial) is int for serial in serials)


class Users:
    """Logs persons in and asks for them. ``revocations`` (at the top): (when, serial)."""

    name = "users"

    __slots__ = (
        "_asked",
        "_context",
        "_follower",
        "_issuer",
        "_revocations",
        "_revoked",
        "_run",
        "_sessions",
        "_stakeholder",
        "_top",
    )

    _context: UnitContext

    def __init__(  # noqa: PLR0917 - what it is told
        self,
        run: str,
        issuer: str,
        stakeholder: str,
        top: str,
        sessions: Sequence[Session] = (),
        revocations: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._run, self._issuer, self._stakeholder, self._top = run, issuer, stakeholder, top
        self._sessions, self._revocations = tuple(sessions), tuple(revocations)
        self._revoked: tuple[int, frozenset[int]] = (0, frozenset())
        self._asked: dict[str, tuple[str, str]] = {}
        self._follower = Follower(
            Followed(REVOKED, top, is_list, _EVERY_MS, _PATIENCE_MS, refusal="list_refused")
        )

    def start(self, context: UnitContext) -> None:
        """Issue the list of revoked accounts, or follow it; expect the sessions."""
        self._context = context
        if context.unit == self._top:
            self._issue()
            for at_ms in sorted({at_ms for at_ms, _ in self._revocations}):
                if at_ms > context.now_ms:
                    context.set_timer(f"revoke {at_ms}", at_ms)
        else:
            self._follower.start(context)
        context.data.event(REVOKED, context.unit)
        for number, session in enumerate(self._sessions):
            if session.at_ms >= context.now_ms:
                context.set_timer(f"login {number}", session.at_ms)

    def timer(self, name: str) -> None:
        """Log somebody in, or issue a list."""
        what, _, which = name.partition(" ")
        if what == "login":
            self._log_in(int(which))
        elif what in {"revoke", "renew"}:
            self._issue()
        elif what == "act":
            session, action = (int(part) for part in which.split())
            self._act(session, action)
        else:
            self._follower.timer(name)

    def notify(self, notification: Notification) -> None:
        """Take a list, or the outcome of what a person asked."""
        asked = self._asked.pop(notification.request, None)
        if asked is not None:
            who, decision = asked
            told = {"result": notification.result.label, "value": notification.value}
            causes = (decision, notification.id)
            self._context.decide("user_answered", who, told, causes)
            return
        own = notification.location == self._context.unit and notification.variable == REVOKED
        if own and is_list(notification.value):
            value = notification.value
            self._revoked = (value["issued_ms"], frozenset(value["serials"]))
        if not own and self._context.unit != self._top:
            self._follower.notify(notification)

    def _issue(self) -> None:
        context = self._context
        serials = sorted(serial for at_ms, serial in self._revocations if at_ms <= context.now_ms)
        value = {"issued_ms": context.now_ms, "serials": serials}
        context.data.write(REVOKED, context.unit, value)
        context.set_timer("renew ", context.now_ms + _EVERY_MS)

    # -- sessions ----------------------------------------------------------------------------

    def _log_in(self, number: int) -> None:
        session, context = self._sessions[number], self._context
        try:
            account = self._authenticated(session)
        except RefusedError as error:
            told = {"why": str(error.why)}
            context.decide("user_refused", context.unit, told, ())
            return
        told = {"user": account.name, "role": account.role}
        context.decide("user_logged_in", context.unit, told, ())
        for place, action in enumerate(session.actions):
            context.set_timer(f"act {number} {place}", context.now_ms + action.after_ms)

    def _authenticated(self, session: Session) -> Account:
        """Return the account of a session's person; raises RefusedError."""
        context = self._context
        account = open_token(session.token, self._run, self._issuer)
        account.check(context.unit, context.now_ms)
        issued_ms, revoked = self._revoked
        if account.serial in revoked:
            raise RefusedError(Refusal.REVOKED, account.name)
        if context.now_ms - issued_ms > _OLDEST_MS:
            raise RefusedError(Refusal.NO_CRL, "the newest list is older than a day")
        if account.stakeholder != self._stakeholder:
            raise RefusedError(Refusal.ROLE, f"{context.unit} does not act for {account.name}")
        text = f"{context.unit}\x1f{context.now_ms}\x1f{account.serial}"
        challenge = sha256(text.encode()).digest()
        proof = session.person.answer(context.unit, challenge)
        verify_proof(proof, account, self._run, context.unit, challenge)
        return account

    def _act(self, number: int, place: int) -> None:
        """Ask what a person asks, if his role has the right to."""
        session, context = self._sessions[number], self._context
        action, account = session.actions[place], open_token(session.token, self._run, self._issuer)
        variable = CATALOGUE.get(action.variable)
        detail = {
            "user": account.name,
            "operation": action.operation,
            "variable": action.variable,
            "location": action.location,
        }
        right = None if variable is None else needed(action.operation, variable)
        if right is None or right not in RIGHTS[Role(account.role)]:
            context.decide(
                "user_denied", account.name, detail | {"right": right and str(right)}, ()
            )
            return
        decision = context.decide("user_asked", account.name, detail, ())
        data = context.data
        if action.operation == "query":
            issued = data.query(action.variable, action.location, cause=decision)
        else:
            issued = data.write(action.variable, action.location, action.value, cause=decision)
        self._asked[issued.id] = (account.name, decision)


def parse_actions(items: Sequence[Mapping[str, Any]]) -> tuple[Action, ...]:
    """Return actions of their JSON form."""
    return tuple(
        Action(
            int(item["after_ms"]), str(item["operation"]), str(item["variable"]),
            str(item["location"]), item.get("value"),
        )
        for item in items
    )  # fmt: skip


def token_of(item: Mapping[str, Any]) -> bytes:
    """Return the token of a session's JSON form."""
    return b64decode(item["token_b64"])
