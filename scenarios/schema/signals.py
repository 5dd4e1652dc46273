"""Sections on signals of suppliers and aggregators, and on who decides how devices follow them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section, Share, Zone
from scenarios.schema.customers import Overriding, WishLimits, WishWeights

__all__ = ["Control", "Display", "OpenAdr", "Signals", "Tariff"]

_HOURS = Annotated[float, Field(ge=0, le=8784)]
_Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
_Price = Annotated[float, Field(ge=-100_000, le=100_000)]
_Percent = Annotated[int, Field(ge=-100, le=100)]
_Limit = Annotated[int, Field(ge=0, le=100)]
DeviceKind = Literal[
    "ev", "heat_pump", "boiler", "fridge", "appliance", "battery", "pv", "wind", "chp"
]


def _consumers() -> list[DeviceKind]:
    return ["ev", "heat_pump", "boiler", "fridge", "appliance"]


class Band(Section):
    """A part of the day with a price of its own."""

    begin: _Clock = Field(description="From this local time on, HH:MM.")
    per_mwh: _Price = Field(description="Price of what is drawn [EUR/MWh].")


class Tariff(Section):
    """Prices of a supplier: flat, by time of use, or dynamic from a file."""

    kind: Literal["flat", "time-of-use", "dynamic"] = Field(
        default="flat",
        description="flat: one price; time-of-use: bands of the day; dynamic: a series of a file.",
    )
    per_mwh: _Price | None = Field(default=None, description="The price [EUR/MWh] (flat).")
    bands: list[Band] = Field(
        default_factory=list, description="Bands of the day, each until the next (time-of-use)."
    )
    weekend: list[Band] = Field(
        default_factory=list, description="Bands of Saturday and Sunday; none: as on other days."
    )
    file: str | None = Field(
        default=None,
        description="CSV with columns time (ISO 8601) and per_mwh [EUR/MWh], a regular step, and a "
        "first line `# source: …`; a path below the scenario's folder (dynamic).",
    )
    zone: Zone = Field(
        default="Europe/Berlin", description="Time zone of the bands, and of times without one."
    )
    feed_in_per_mwh: _Price = Field(default=0.0, description="Paid for what is fed in [EUR/MWh].")
    every_h: Annotated[int, Field(ge=1, le=24)] = Field(
        default=24, description="How often prices are issued, from the start on [h]."
    )
    horizon_h: Annotated[int, Field(ge=1, le=240)] = Field(
        default=36, description="How far each issue reaches [h]."
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        given = {"flat": self.per_mwh, "time-of-use": self.bands or None, "dynamic": self.file}
        needs = {"flat": "per_mwh", "time-of-use": "bands", "dynamic": "file"}
        for kind, value in given.items():
            if (value is not None) != (kind == self.kind):
                verb = "needs" if kind == self.kind else "takes no"
                raise ValueError(
                    f"{needs[kind]}: a tariff of kind {self.kind} {verb} {needs[kind]}"
                )
        for name in ("bands", "weekend"):
            begins = [band.begin for band in getattr(self, name)]
            if begins and (begins[0] != "00:00" or begins != sorted(set(begins))):
                raise ValueError(f"{name}: begin at 00:00, and rise")
        if self.weekend and not self.bands:
            raise ValueError("weekend: for a tariff of kind time-of-use")
        if self.horizon_h < self.every_h:
            raise ValueError("horizon_h: ends before the next issue; take every_h at least")
        return self


class Instruction(Section):
    """A command of an aggregator to devices of its customers."""

    at_h: _HOURS = Field(description="When it is issued, after the start of the run [h].")
    begins_h: _HOURS | None = Field(
        default=None, description="When it begins [h]; null: as soon as it is there."
    )
    lasts_h: Annotated[float, Field(gt=0, le=48)] = Field(description="How long it holds [h].")
    limit_percent: _Limit | None = Field(
        default=None, description="Devices draw so much of their rated power at most."
    )
    set_percent: _Percent | None = Field(
        default=None, description="Devices draw so much of their rated power; < 0: they deliver."
    )
    kinds: Annotated[list[DeviceKind], Field(min_length=1)] = Field(
        default_factory=_consumers,
        description="Kinds of devices that it is meant for.",
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.limit_percent is None) == (self.set_percent is None):
            raise ValueError("give one of limit_percent and set_percent")
        if self.begins_h is not None and self.begins_h < self.at_h:
            raise ValueError("begins_h: before it is issued")
        return self


class GridLight(Section):
    """The operator tells that the grid is short: amber or red, for a while."""

    at_h: _HOURS = Field(description="When it is told, and begins [h].")
    lasts_h: Annotated[float, Field(gt=0, le=48)] = Field(description="How long [h].")
    level: Literal["amber", "red"] = Field(
        description="amber: consumers at half their power; red: off."
    )


class Signals(Section):
    """What suppliers, aggregators and the operator tell, for those below to follow."""

    tariff: Tariff | None = Field(default=None, description="Prices of a supplier; null: none.")
    commands: list[Instruction] = Field(
        default_factory=list, description="Commands of an aggregator."
    )
    grid: list[GridLight] = Field(
        default_factory=list, description="The grid's state, told by the operator's top unit."
    )
    refresh_h: Annotated[float, Field(ge=0.25, le=48)] = Field(
        default=6.0, description="How often a unit asks for a signal that did not come [h]."
    )
    answer_s: Annotated[float, Field(ge=10, le=3600)] = Field(
        default=60.0,
        description="How long a customer's unit waits for its devices' answers to a command [s]; "
        "each level above waits so much longer.",
    )


class Contract(Section):
    """What customers allow an aggregator."""

    share: Share = Field(
        default=1.0, description="Share of the customers that have one; the others refuse."
    )
    max_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        default=100, description="Most that a command may take from a device [% of its power]."
    )
    max_h: Annotated[float, Field(gt=0, le=48)] = Field(
        default=24.0, description="Longest that a command may last [h]."
    )


class Control(Section):
    """Who decides how a device follows a signal."""

    intelligence: Literal["central", "hybrid", "local"] = Field(
        default="hybrid",
        description="central: the substation's unit orders devices; hybrid: the customer's unit, "
        "of the devices that announced themselves; local: each device's unit decides by itself.",
    )
    signal: Literal["command", "price", "grid", "all", "none"] = Field(
        default="command",
        description="What is obeyed; all: the lowest of what each asks for; none: nothing.",
    )
    contract: Contract = Field(default_factory=Contract, description="What customers allow.")
    hold_s: Annotated[float, Field(ge=960, le=86400)] = Field(
        default=3600.0,
        description="How long an order holds at most, unless it is renewed; after that a device is "
        "under its own rule again [s].",
    )


class CustomerSetting(Section):
    """What customers do at their display."""

    at_h: _HOURS = Field(description="When, after the start of the run [h].")
    customers: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="*",
        description="Which, by the end of their meter's name, such as lv4.101/load-7; `*` stands "
        "for anything.",
    )
    follow: Literal["command", "price", "grid", "all", "none"] | None = Field(
        default=None, description="Strategy: which signals their devices follow; null: as before."
    )
    max_percent: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="Contract: most that a command may take [%]; null: as before."
    )
    max_h: Annotated[float, Field(ge=0, le=48)] | None = Field(
        default=None, description="Contract: longest that a command may last [h]; null: as before."
    )
    grants: bool | None = Field(
        default=None,
        description="Access: whether the aggregator may command their devices; null: as before.",
    )
    weights: WishWeights | None = Field(
        default=None, description="Strategy: aims in balancing; null: as before."
    )
    limits: WishLimits | None = Field(
        default=None, description="Strategy: hard limits in balancing; null: as before."
    )
    override: Overriding | None = Field(
        default=None, description="What they do at a device that balancing plans; null: nothing."
    )

    @model_validator(mode="after")
    def _sets_something(self) -> Self:
        given = self.model_dump(exclude={"at_h", "customers"})
        if all(value is None for value in given.values()):
            raise ValueError(f"sets nothing; give one of {', '.join(given)}")
        return self


class Display(Section):
    """A user interface for every customer: on a display (units.gui) or on the customer's unit."""

    every_s: Annotated[int, Field(ge=900, le=86400)] = Field(
        default=3600, description="How often a page is shown [s], whole quarter-hours."
    )
    settings: list[CustomerSetting] = Field(
        default_factory=list, description="What customers do there."
    )

    @model_validator(mode="after")
    def _whole_slots(self) -> Self:
        if self.every_s % 900:
            raise ValueError("every_s: not a whole number of quarter-hours")
        return self


class Document(Section):
    """A document of OpenADR that reaches the gateway."""

    at_h: _HOURS = Field(description="When it arrives, after the start of the run [h].")
    file: str | None = Field(
        default=None, description="XML of OpenADR 2.0b; a path below the scenario's folder."
    )
    inline: str | None = Field(default=None, description="The document itself.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.file is None) == (self.inline is None):
            raise ValueError("give one of file and inline")
        return self


class OpenAdr(Section):
    """A gateway beside the top that takes events of OpenADR 2.0b and translates them."""

    events: list[Document] = Field(
        default_factory=list, description="Documents that reach the gateway."
    )
    ven: Annotated[str, Field(pattern=r"^[\w.:-]{1,64}$")] = Field(
        default="fernwatt",
        description="Identifier of the gateway as a VEN; other VENs' events are refused.",
    )
    levels_percent: Annotated[list[_Limit], Field(min_length=4, max_length=4)] = Field(
        default_factory=lambda: [100, 70, 40, 0],
        description="What the levels 0 to 3 of SIMPLE leave a device [% of its power].",
    )
    kinds: Annotated[list[DeviceKind], Field(min_length=1)] = Field(
        default_factory=_consumers,
        description="Kinds of devices that events of no stated device class are meant for.",
    )
    reports: bool = Field(
        default=True,
        description="After an event the gateway reports what all below drew in its quarter-hours.",
    )
    answer_s: Positive = Field(
        default=300.0, description="How long the gateway waits for opt-outs before it answers [s]."
    )
