"""Sections on data groups: further units, what comes from above, what the top gives out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section, Share, Zone

__all__ = ["Data", "DerFlows", "Dermu", "Interface", "Levels", "Revision", "Tariff", "UnitOrder"]

Interface = Literal["scada", "dms", "oms", "mdm", "market", "tso"]
Hour = Annotated[float, Field(ge=0, le=8784)]
NotNegative = Annotated[float, Field(ge=0)]


def _usual_kinds() -> list[Literal["pv", "battery", "ev", "wind", "chp"]]:
    return ["pv", "battery"]


class Dermu(Section):
    """Devices with a management unit of their own below the substation, which the operator sees.

    All others are under the customer's unit, which hides them. Wind turbines and CHP plants that
    stand in no house have one too.
    """

    share: Share = Field(
        default=1.0, description="Share of customers who leave their devices to the operator."
    )
    kinds: list[Literal["pv", "battery", "ev", "wind", "chp"]] = Field(
        default_factory=_usual_kinds, description="Kinds of devices that they leave to it."
    )
    period_s: Annotated[int, Field(ge=60, le=900)] = Field(
        default=300, description="How often such a unit measures voltage, current and powers [s]."
    )
    export_share: Share = Field(
        default=1.0, description="Contractual limit of what is fed in, as a share of the rating."
    )
    power_factor: Annotated[float, Field(gt=0.5, le=1)] = Field(
        default=1.0,
        description="Power factor to be held, under-excited; below 1 it needs an inverter with "
        "grid support (devices.pv.inverter).",
    )
    band_pu: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [0.9, 1.1],
        description="Voltages outside of which such a unit raises an alarm [pu].",
    )


class Levels(Section):
    """Levels of units beyond the usual ones."""

    between: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="A unit for every so many substations below a medium-voltage unit; null: none.",
    )
    above: bool = Field(
        default=False, description="A unit above the top, which coordinates operators."
    )


class Tariff(Section):
    """Tariffs by time of day, which travel down to the meters."""

    registers: Annotated[dict[str, NotNegative], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: {"T1": 0.32, "T2": 0.24},
        description="Price of energy in each of the meters' registers [per kWh].",
    )
    calendar: Annotated[dict[str, str], Field(min_length=1, max_length=48)] = Field(
        default_factory=lambda: {"06:00": "T1", "22:00": "T2"},
        description="From when in the day which register counts, local time.",
    )
    zone: Zone = Field(
        default="+01:00", description="Time zone of the calendar, as it is when the run begins."
    )

    @model_validator(mode="after")
    def _calendar_names_registers(self) -> Self:
        for time, register in self.calendar.items():
            hour, _, minute = time.partition(":")
            if not (len(time) == 5 and (hour + minute).isdigit()) or hour > "23" or minute > "59":
                raise ValueError(f"calendar.{time}: not a time of day, such as 06:00")
            if register not in self.registers:
                raise ValueError(f"calendar.{time}: there is no register {register}")
        return self


class Revision(Section):
    """A new version of what travels down: only what it changes is sent."""

    at_h: Hour = Field(description="When it is made at the top, after the start [h].")
    data: Literal[
        "grid.model", "grid.phases", "loss.reference", "tariff.table", "der.configuration"
    ] = Field(description="What is revised.")
    unit: str = Field(
        default="", description="Whose, by identifier; empty for tariffs, which are everybody's."
    )
    set: dict[str, Any] = Field(default_factory=dict, description="Items with their new values.")
    drop: list[str] = Field(default_factory=list, description="Items that are no more.")


class UnitOrder(Section):
    """An order of the operator, given at the top and passed down, split among those below."""

    at_h: Hour = Field(description="When it is given, after the start [h].")
    lasts_h: Positive = Field(description="How long it holds [h].")
    unit: str = Field(
        default="", description="The area's unit, such as lvgmu/lv4.101; empty: the whole grid."
    )
    import_max_w: NotNegative | None = Field(
        default=None, description="Most that the area's customers may draw together [W]."
    )
    export_max_w: NotNegative | None = Field(
        default=None, description="Most that the area's generators may feed in together [W]."
    )
    run: bool | None = Field(
        default=None, description="false: the area's generators stop, true: they start again."
    )
    regulate_pu: Positive | None = Field(
        default=None,
        description="Voltage that the area's generators are to hold by reactive power [pu].",
    )

    @model_validator(mode="after")
    def _orders_something(self) -> Self:
        if all(
            value is None
            for value in (self.import_max_w, self.export_max_w, self.run, self.regulate_pu)
        ):
            raise ValueError("orders nothing; give a limit, run or regulate_pu")
        return self


class DerFlows(Section):
    """Grid units sum up flows, availability and problems of generators and stores (units.dermu)."""

    reverse_percent: Annotated[float, Field(ge=0, le=200)] = Field(
        default=50.0,
        description="A problem: an area feeds back more than so much of its transformers' rating "
        "[%].",
    )
    rise_percent: Annotated[float, Field(gt=0, le=50)] = Field(
        default=8.0,
        description="A problem: the voltage at a generator is so far above the nominal [%].",
    )
    lost_percent: Annotated[float, Field(gt=0, le=100)] = Field(
        default=60.0,
        description="A problem: so much of an area's feed-in is gone within a period [%].",
    )


class Data(Section):
    """What travels down as versions, what the operator orders, who may look closer."""

    tariff: Tariff | None = Field(
        default_factory=Tariff, description="Tariffs by time of day; null: none."
    )
    revisions: list[Revision] = Field(
        default_factory=list, description="New versions during the run."
    )
    orders: list[UnitOrder] = Field(default_factory=list, description="Orders of the operator.")
    inspection: bool = Field(
        default=True,
        description="After an event the control centre asks for details at the meters concerned.",
    )
    refuse_inspection: Share = Field(
        default=0.0, description="Share of customers whose policy refuses that."
    )
    check_h: Annotated[float, Field(ge=0.25, le=168)] = Field(
        default=6.0, description="How often units compare versions with the one above [h]."
    )
    der_flows: DerFlows | None = Field(
        default=None,
        description="Flows, availability and problems of generators and stores, by level; {} for "
        "the usual; null: nobody sums them up.",
    )
