"""Section on attacks: who does what to frames, instruments and units, where and when."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Name, Positive, Section, Share

__all__ = [
    "Attack",
    "Compromise",
    "Eavesdrop",
    "FalseData",
    "Flip",
    "Flood",
    "ForecastManipulation",
    "Inject",
    "Jam",
    "Replay",
    "Spoof",
    "StaleCertificate",
]

_HOURS = Annotated[float, Field(ge=0, le=8784)]
_UNIT = "Which units, by identifier; `*` stands for anything."
_FLOWS = "Only of these applications (control, balancing, metering, management); of all."
_FLOW = Literal["control", "balancing", "metering", "management"]


class _Attack(Section):
    """What all attacks have in common."""

    name: Name = Field(description="Name of the attack; `acting` refers to it.")
    from_h: _HOURS = Field(description="When it begins, after the start of the run [h].")
    until_h: _HOURS | None = Field(default=None, description="When it ends [h]; null: never.")

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.until_h is not None and self.until_h <= self.from_h:
            raise ValueError("until_h: must be after from_h")
        return self


class Eavesdrop(_Attack):
    """Somebody writes down what passes a node, link or medium."""

    kind: Literal["eavesdrop"] = Field(description="Kind of the attack: eavesdrop.")
    at: str = Field(
        description="Where: nodes, links, media or cells, by identifier; `*` stands for anything."
    )


class Replay(_Attack):
    """Frames that reach a unit come a second time."""

    kind: Literal["replay"] = Field(description="Kind of the attack: replay.")
    to: str = Field(description=_UNIT)
    flows: list[_FLOW] = Field(default_factory=list, description=_FLOWS)
    after_s: Positive = Field(default=600.0, description="How much later [s].")
    under: Literal["own", "another"] = Field(
        default="another",
        description="Under which address: own, the sender's, whose requests are not carried out "
        "twice; another: that of another unit beside the receiver.",
    )
    share: Share = Field(default=1.0, description="Part of the frames that it does it to.")


class Flip(_Attack):
    """Bits of frames that reach a unit are changed on the way, checksums made good."""

    kind: Literal["flip"] = Field(description="Kind of the attack: flip.")
    to: str = Field(description=_UNIT)
    flows: list[_FLOW] = Field(default_factory=list, description=_FLOWS)
    bits: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="How many bits of each frame, drawn."
    )
    share: Share = Field(default=1.0, description="Part of the frames that it does it to.")


class _Forged(_Attack):
    """Requests that somebody makes up."""

    to: str = Field(description=_UNIT)
    in_name_of: str = Field(
        default="manager",
        description="Who they claim to be from: manager, the unit that usually speaks to the "
        "target, or a unit by identifier.",
    )
    count: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How many to each target."
    )
    every_s: Positive = Field(default=900.0, description="Time between them [s].")


class Spoof(_Forged):
    """Frames in somebody's name: requests to write a variable."""

    kind: Literal["spoof"] = Field(description="Kind of the attack: spoof.")
    variable: str = Field(description="Variable that they write.")
    value: Any = Field(description="Its value.")
    service: str = Field(default="balancing", description="Service that they claim to be from.")


class Inject(_Forged):
    """Forged orders: set points for devices."""

    kind: Literal["inject"] = Field(description="Kind of the attack: inject.")
    p_w: float = Field(description="Power that they order, positive = drawn [W].")
    lasts_s: Positive = Field(default=1800.0, description="How long each is to hold [s].")


class StaleCertificate(_Forged):
    """Forged orders, sealed with keys that are, or ought to be, good for nothing."""

    kind: Literal["stale_certificate"] = Field(description="Kind of the attack: stale_certificate.")
    keys: Literal["foreign", "outdated", "stolen", "forged", "expired", "revoked"] = Field(
        default="foreign",
        description="foreign: of a unit that another operator certified; outdated: of the unit "
        "itself, sealed before the window of freshness; stolen: of the unit itself, sealed now; "
        "forged, expired, revoked: of the unit itself, whose certificate is so from the begin of "
        "the run on, and with which it tries to join (needs units.group).",
    )
    p_w: float = Field(description="Power that they order, positive = drawn [W].")
    lasts_s: Positive = Field(default=1800.0, description="How long each is to hold [s].")


class Flood(_Attack):
    """A unit is asked, in somebody's name, far more often than it can bear."""

    kind: Literal["flood"] = Field(description="Kind of the attack: flood.")
    to: str = Field(description=_UNIT)
    every_s: Positive = Field(default=0.5, description="Time between two frames [s].")
    bytes: Annotated[int, Field(ge=1, le=4000)] | None = Field(
        default=None, description="Length of each, of drawn bytes [B]; null: a proper query."
    )


class Jam(_Attack):
    """A jammer on shared media."""

    kind: Literal["jam"] = Field(description="Kind of the attack: jam.")
    media: str = Field(description="Which media, by identifier; `*` stands for anything.")
    error: Share = Field(
        default=1.0, description="Probability that it destroys a frame that meets it."
    )
    duty: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Part of each 10 ms during which it is on."
    )


class Compromise(_Attack):
    """A unit whose program was changed: what its services write is not what they meant."""

    kind: Literal["compromise"] = Field(description="Kind of the attack: compromise.")
    units: str = Field(description=_UNIT)
    variable: str = Field(description="What it writes falsely, to itself or to others.")
    fields: list[str] = Field(
        default_factory=list, description="Of a record, these fields; empty: the value itself."
    )
    does: Literal["scale", "set", "drop"] = Field(
        description="scale: times factor; set: value instead; drop: it is not written at all."
    )
    factor: float = Field(default=1.0, description="scale: the factor.")
    value: Any = Field(default=None, description="set: the value.")


class FalseData(_Attack):
    """Instruments that tell something else than they measure."""

    kind: Literal["false_data"] = Field(description="Kind of the attack: false_data.")
    instruments: str = Field(
        description="Which instruments, by identifier; `*` stands for anything."
    )
    variables: list[str] = Field(
        default_factory=lambda: ["energy.import", "energy.export"],
        description="Which of their variables.",
    )
    does: Literal["scale", "offset", "freeze"] = Field(
        default="scale",
        description="scale: times factor, of a register what it grows by; offset: more by so "
        "much, of a register at each reading; freeze: the last value again and again.",
    )
    factor: float = Field(default=1.0, description="scale: the factor.")
    offset: float = Field(default=0.0, description="offset: how much more, in the variable's unit.")


class ForecastManipulation(_Attack):
    """The weather provider's forecasts are altered before anybody has them."""

    kind: Literal["forecast"] = Field(description="Kind of the attack: forecast.")
    field: Literal["ghi_w_per_m2", "temperature_c"] = Field(
        default="ghi_w_per_m2", description="Which of their series."
    )
    factor: float = Field(default=1.0, description="The series times this.")
    offset: float = Field(default=0.0, description="And more by so much.")


Attack = Annotated[
    Eavesdrop
    | Replay
    | Flip
    | Spoof
    | Inject
    | StaleCertificate
    | Flood
    | Jam
    | Compromise
    | FalseData
    | ForecastManipulation,
    Field(discriminator="kind"),
]
