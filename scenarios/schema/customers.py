"""Sections on customers' strategies, and on what they do at their devices."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section, Share

__all__ = ["Overriding", "Strategy", "WishLimits", "WishWeights"]

_Weight = Annotated[float, Field(ge=0, le=1000)]
_Watts = Annotated[float, Field(ge=0, le=1e7)]
_Percent = Annotated[float, Field(ge=0, le=100)]


class WishWeights(Section):
    """How much each of a customer's aims counts against the others."""

    requests: _Weight = Field(
        default=1.0, description="Come near to what is asked for from above; 0: never mind."
    )
    cost: _Weight = Field(
        default=0.0, description="Pay little, by the tariff (services.signals.tariff)."
    )
    self_consumption: _Weight = Field(default=0.0, description="Exchange little with the grid.")
    comfort: _Weight = Field(
        default=0.0, description="Devices do what they would do by themselves."
    )

    @model_validator(mode="after")
    def _aims_at_something(self) -> Self:
        if not any((self.requests, self.cost, self.self_consumption, self.comfort)):
            raise ValueError("all weights are 0; give one of them")
        return self


class WishLimits(Section):
    """What holds whatever is asked from above."""

    import_max_w: _Watts | None = Field(
        default=None, description="Devices leave the house within so much [W]; null: no limit."
    )
    export_max_w: _Watts | None = Field(
        default=None, description="Batteries feed in no more than so much [W]; null: no limit."
    )
    vehicle_max_w: _Watts | None = Field(
        default=None, description="A vehicle is charged with so much at most [W]; null: no limit."
    )
    vehicle_first_percent: _Percent = Field(
        default=0.0, description="Share of what a vehicle needs that it gets at once [%]."
    )
    battery_min_percent: _Percent = Field(
        default=0.0, description="Batteries are not emptied below so much of their capacity [%]."
    )
    beyond: bool = Field(
        default=True,
        description="Whether comfort may be given up where a limit of the grid cannot be kept "
        "otherwise.",
    )


class Strategy(Section):
    """What some customers want of balancing; of several that fit, the first counts."""

    customers: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="*",
        description="Which, by the end of their meter's name, such as lv4.101/load-7; `*` stands "
        "for anything.",
    )
    share: Share = Field(default=1.0, description="Share of these; the next one is for the others.")
    weights: WishWeights = Field(default_factory=WishWeights, description="Aims.")
    limits: WishLimits = Field(default_factory=WishLimits, description="Hard limits.")


class Overriding(Section):
    """A person starts or stops a device."""

    device: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="Kind of the device, such as ev, or its identifier."
    )
    action: Literal["start", "stop", "release"] = Field(
        description="start: full power; stop: off; release: as planned again."
    )
    lasts_h: Annotated[float, Field(gt=0, le=168)] = Field(
        default=2.0, description="How long, up to the end of a quarter-hour [h]."
    )
