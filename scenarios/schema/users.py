"""Section on persons: accounts, revocations, and what they do at units."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from scenarios.schema.base import Section

__all__ = ["ROLES", "Account", "Revocation", "Session", "UserAction", "Users"]

Hour = Annotated[float, Field(ge=0, le=8784)]
ROLES = Literal["VIEWER", "OPERATOR", "ENGINEER", "INSTALLER", "SECADM", "SECAUD", "RBACMNT"]
PersonName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]


class Account(Section):
    """Who may act for whom, in which role, and where."""

    name: PersonName = Field(description="The person.")
    role: ROLES = Field(description="Role of IEC 62351-8.")
    stakeholder: str = Field(
        default="operator", description="For whom the person acts: operator, or a customer."
    )
    units: Annotated[list[str], Field(min_length=1)] = Field(
        default=["*"], description="Units where the person may log in; `*` stands for anything."
    )
    until_h: Hour | None = Field(
        default=None, description="When the account ends, after the start [h]; null: never."
    )


class Revocation(Section):
    """An account that is revoked."""

    name: PersonName = Field(description="Whose account.")
    at_h: Hour = Field(default=0.0, description="When, after the start of the run [h].")


class UserAction(Section):
    """What a person asks of the unit."""

    after_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        default=0.0, description="After the login [s]."
    )
    operation: Literal["query", "write"] = Field(default="query", description="What is asked.")
    variable: str = Field(description="A variable of the catalogue.")
    location: str = Field(description="The unit that holds it.")
    value: Any = Field(default=None, description="write: the value.")


class Session(Section):
    """A person at a unit."""

    user: PersonName = Field(description="Who logs in, by the account's name.")
    unit: str = Field(description="Where.")
    at_h: Hour = Field(description="When, after the start of the run [h].")
    by: Literal["the-person", "a-thief", "a-forger"] = Field(
        default="the-person",
        description="Who it really is: the person, somebody who has the token but not the person's "
        "key, or somebody who signed a token himself.",
    )
    actions: list[UserAction] = Field(default_factory=list, description="What is asked then.")


class Users(Section):
    """Persons that use the units."""

    accounts: list[Account] = Field(default_factory=list, description="Accounts.")
    revoked: list[Revocation] = Field(default_factory=list, description="Revoked accounts.")
    sessions: list[Session] = Field(default_factory=list, description="Who does what, and when.")

    @field_validator("accounts")
    @classmethod
    def _each_once(cls, accounts: list[Account]) -> list[Account]:
        names = [account.name for account in accounts]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} has two accounts")
        return accounts
