"""Section on group management: who may join, how long silence is borne, what goes wrong."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section

__all__ = ["Group"]

_UNIT = "Which units, by identifier; `*` stands for anything, as in meter/lv4.101/*."
Hour = Annotated[float, Field(ge=0, le=8784)]


class Backup(Section):
    """Where units go when they have lost their parent."""

    unit: str = Field(description=_UNIT)
    to: Annotated[list[str], Field(min_length=1)] = Field(
        description="Units that may be their parent in its place, the best first."
    )
    over: str | None = Field(
        default=None,
        description="Technology of a link of their own to each of these; null: they are reached "
        "by the network as it is.",
    )


class BadCertificate(Section):
    """A unit whose certificate is not in order."""

    unit: str = Field(description=_UNIT)
    fault: Literal["forged", "expired", "revoked", "role", "area"] = Field(
        description="forged (by an authority that is not the operator's), expired, revoked (before "
        "the run), role (not that of a unit), area (issued by another substation's authority)."
    )


class Revocation(Section):
    """Certificates that the operator revokes in the middle of the run."""

    unit: str = Field(description=_UNIT)
    at_h: Hour = Field(description="When, after the start of the run [h].")


class Departure(Section):
    """Units that leave their group by themselves."""

    unit: str = Field(description=_UNIT)
    at_h: Hour = Field(description="When they leave, after the start of the run [h].")
    returns_h: Hour | None = Field(
        default=None, description="When they join again [h]; null: never."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.returns_h is not None and self.returns_h <= self.at_h:
            raise ValueError("returns_h: not after at_h")
        return self


class Group(Section):
    """Group management: units join with a certificate, tell that they are there, and are missed."""

    beat_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=300.0,
        description="Period of the signs of life between a unit and its parent [s]; any message "
        "counts as one.",
    )
    suspect: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=2, description="After so many periods of silence a unit or sensor is suspected."
    )
    lost: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=4, description="After so many it is lost."
    )
    join_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=300.0, description="The first requests to join are spread over so many seconds."
    )
    rekey_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=30.0,
        description="A group that somebody left gets a new key so much later [s], for all who "
        "left meanwhile.",
    )
    return_s: Positive = Field(
        default=900.0,
        description="How often a unit with a backup for its parent tries to go back [s].",
    )
    revocation_list_h: Positive = Field(
        default=168.0, description="How long a revocation list holds [h]; renewed at half of it."
    )
    certificate_h: Positive = Field(
        default=17_520.0, description="How long units' certificates hold from the run's start [h]."
    )
    backups: list[Backup] = Field(
        default_factory=list, description="Parents in place of lost ones; the first that fits."
    )
    certificates: list[BadCertificate] = Field(
        default_factory=list, description="Certificates that are not in order."
    )
    revoke: list[Revocation] = Field(
        default_factory=list, description="Certificates that are revoked in the run."
    )
    leave: list[Departure] = Field(default_factory=list, description="Units that leave by plan.")

    @model_validator(mode="after")
    def _suspected_before_lost(self) -> Self:
        if self.suspect >= self.lost:
            raise ValueError("lost: not after suspect")
        return self
