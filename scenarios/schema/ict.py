"""Sections on the management units and their services."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.schema.auction import Auction
from scenarios.schema.base import Positive, Section, Share
from scenarios.schema.customers import Strategy
from scenarios.schema.data import Data, Dermu, Levels
from scenarios.schema.detection import Detection
from scenarios.schema.flexibility import Flexibility
from scenarios.schema.gateways import BoxKind, BoxProtocol, Gateway, Pairing
from scenarios.schema.group import Group
from scenarios.schema.limits import GridLimit
from scenarios.schema.maintenance import Maintenance
from scenarios.schema.privacy import (
    Classified,
    Contract,
    CustomersPolicy,
    Privacy,
    ReadingBy,
)
from scenarios.schema.response import Response
from scenarios.schema.signals import Control, Display, OpenAdr, Signals
from scenarios.schema.suppliers import Supplier, double_names
from scenarios.schema.users import Users

__all__ = ["Balancing", "Forecast", "Metering", "Services", "Units"]


class Metering(Section):
    """How meters report."""

    period_s: Annotated[int, Field(ge=900, le=86400)] = Field(
        default=900, description="Period of the meters' registers [s], whole quarter-hours."
    )
    spread_s: Annotated[float, Field(ge=0, le=600)] = Field(
        default=60.0, description="Reports of one period are spread over so many seconds."
    )
    most_w: Positive = Field(
        default=100_000.0,
        description="Largest power of a customer's connection [W]; who adds up registers believes "
        "none that grew faster.",
    )

    @model_validator(mode="after")
    def _whole_slots(self) -> Self:
        if self.period_s % 900:
            raise ValueError("period_s: not a whole number of quarter-hours")
        return self


Controlled = Literal[
    "ev", "battery", "pv", "heat_pump", "fridge", "boiler", "appliance", "wind", "chp"
]


HostedKind = Literal[
    "dmu", "gui", "cmu", "meter", "dermu", "sensor", "lvgmu", "igmu", "mvgmu", "tlgmu", "ugmu",
    "provider",
]  # fmt: skip


class UnitFailure(Section):
    """A unit whose processor dies, and its node with it, and that begins anew from its memory."""

    unit: str = Field(
        description="Which units, by identifier; `*` stands for anything, as in lvgmu/*."
    )
    at_h: Annotated[float, Field(ge=0, le=8784)] = Field(
        description="When it fails, after the start of the run [h]."
    )
    lasts_s: Positive | None = Field(
        default=None, description="How long it is down [s]; null: to the end of the run."
    )


def _usually_controlled() -> list[Controlled]:
    return ["ev", "battery"]


Planned = Literal["ev", "battery", "heat_pump", "boiler", "appliance", "chp", "pv"]


def _usually_planned() -> list[Planned]:
    return ["ev", "battery"]


class Protocols(Section):
    """What units speak to each other where it is not the platform's own protocol."""

    meters: Literal["cbor", "dlms"] = Field(
        default="cbor",
        description="Between meters and the units that read them: cbor, the platform's own; dlms: "
        "DLMS/COSEM, ciphered at every level of security but none.",
    )


class Units(Section):
    """Management units and their instruments."""

    history_days: Annotated[int, Field(ge=0, le=60)] = Field(
        default=7, description="Days of load profile that meters remember when the run begins."
    )
    metering: Metering = Field(default_factory=Metering, description="How meters report.")
    accuracy_class: Annotated[float, Field(json_schema_extra={"enum": [0.5, 1, 2]})] = Field(
        default=1.0, description="Accuracy class of the meters (IEC 62053): 0.5, 1 or 2."
    )
    security: Literal["none", "integrity", "integrity+secrecy", "with-privacy"] = Field(
        default="none",
        description="Protection of messages between units: none, signed, or signed and encrypted; "
        "with-privacy: that, and meters hide what they measure in sums.",
    )
    privacy: Privacy = Field(
        default_factory=Privacy, description="What of customers' data may be known, and how."
    )
    custody: bool = Field(
        default=False,
        description="Customers' units keep copies of what meter and devices measure, and give "
        "them out by the customer's policy; devices answer nobody outside of the house, meters "
        "what contracts grant.",
    )
    policies: list[CustomersPolicy] = Field(
        default_factory=list, description="Customers' own policies, where not the usual ones."
    )
    contracts: list[Contract] = Field(
        default_factory=list, description="What contracts grant at the meter."
    )
    readers: list[ReadingBy] = Field(
        default_factory=list, description="Stakeholders who read customers' data."
    )
    critical: list[Classified] = Field(
        default_factory=list,
        description="What customers take for critical, or not, where it is not the usual.",
    )
    memory: Literal["volatile", "disk"] = Field(
        default="volatile",
        description="Where units keep what survives their restart: in the simulator's memory, or "
        "encrypted in a file, as they would in the field (slower, same results).",
    )
    failures: list[UnitFailure] = Field(
        default_factory=list, description="Units that fail and begin anew."
    )
    group: Group | None = Field(
        default=None,
        description="Group management; {} for the usual; null: all units are there, know each "
        "other's keys and are not missed.",
    )
    maintenance: Maintenance | None = Field(
        default=None,
        description="Packages that change what units run; null: units cannot be changed.",
    )
    users: Users | None = Field(
        default=None, description="Persons that use the units; null: nobody does."
    )
    data: Data | None = Field(
        default=None,
        description="Data groups: what each kind of unit gathers, makes and passes on beyond "
        "registers and balancing; {} for the usual; null: nothing of it.",
    )
    dermu: Dermu | None = Field(
        default=None,
        description="Generators and stores with a unit that the operator sees; {} for the usual; "
        "null: all are under their customers' units.",
    )
    cmu: Share = Field(
        default=1.0,
        description="Share of customers with a management unit. The others have a meter alone: "
        "their devices follow their own firmware, and the substation predicts them as a group. "
        "Policies that are put in force during the run take a unit.",
    )
    gui: Share = Field(default=0.0, description="Share of customers with a display of their own.")
    sensors: Literal["housed", "own"] = Field(
        default="housed",
        description="Indicators and line sensors: housed in their area's unit, or units of their "
        "own with a link of their own.",
    )
    levels: Levels = Field(default_factory=Levels, description="Levels beyond the usual ones.")
    routing: Literal["direct", "levels"] = Field(
        default="direct",
        description="How requests reach units that are not neighbours: straight through the "
        "network, or from unit to unit along the tree, each of which decides, repeats and answers "
        "for the one after it.",
    )
    protocols: Protocols = Field(
        default_factory=Protocols, description="What units speak to each other."
    )
    reliable: list[str] = Field(
        default_factory=list,
        description="Variables whose subscribers acknowledge what they get: it is kept at its "
        "source and repeated until then, over outages and restarts.",
    )
    audit: Literal["off", "denied", "all"] = Field(
        default="denied",
        description="Which accesses to their data units note in their audit logs: none, denied "
        "ones, or all.",
    )
    hosts: dict[HostedKind, str] = Field(
        default_factory=dict, description="Hardware class of units of a kind, where not the usual."
    )
    control: list[Controlled] = Field(
        default_factory=_usually_controlled,
        description="Kinds of devices whose management units can move them, and measure more than "
        "energy. ev, battery and pv have a unit anyway, the others only if they are named.",
    )

    black_boxes: dict[BoxKind, BoxProtocol] = Field(
        default_factory=dict,
        description="Kinds of devices that know nothing of the platform, with the protocol that "
        "they speak: modbus, or zigbee (a plain sensor that reports). Their unit is a gateway.",
    )
    black_box_poll_s: Annotated[float, Field(ge=5, le=3600)] = Field(
        default=300.0, description="How often such a unit asks its Modbus device [s]."
    )

    @field_validator("control")
    @classmethod
    def _each_once(cls, kinds: list[Controlled]) -> list[Controlled]:
        if len(set(kinds)) < len(kinds):
            raise ValueError("a kind is named twice")
        return kinds

    @field_validator("accuracy_class")
    @classmethod
    def _is_a_class(cls, value: float) -> float:
        if value not in (0.5, 1.0, 2.0):
            raise ValueError("must be 0.5, 1 or 2")
        return value


class Balancing(Section):
    """Energy balancing by negotiation between substation and houses."""

    mode: Literal["steering", "local"] = Field(
        default="local",
        description="steering: profiles negotiated over the network; local: devices follow their "
        "own firmware.",
    )
    replan_s: Annotated[int, Field(ge=900, le=86400)] = Field(
        default=3600, description="Period of the negotiations [s], whole quarter-hours."
    )
    horizon_h: Annotated[int, Field(ge=1, le=48)] = Field(
        default=24, description="Planning horizon [h]."
    )
    round_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0,
        description="How long the parent waits for a house's answer at most [s]; it waits less "
        "where answers come sooner.",
    )
    parallel: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1,
        description="How many houses the parent asks at a time. On a shared medium more than one "
        "get in each other's way.",
    )
    max_rounds: Annotated[int, Field(ge=1, le=200)] = Field(
        default=30, description="Most rounds of one negotiation."
    )
    root: Literal["lvgmu", "mvgmu", "tlgmu"] = Field(
        default="lvgmu",
        description="The kind of unit whose sum is steered: each substation its own houses, or "
        "those above it all that is below them; units in between pass on.",
    )
    devices: list[Planned] = Field(
        default_factory=_usually_planned,
        description="Kinds of devices that plans may move, of those in units.control; all others "
        "are part of their houses' load. Of panels (pv) only what is too much, where nothing else "
        "helps.",
    )
    ev_step_w: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Steps in which plans set the power of vehicles, from the least one up [W]; "
        "0: any power.",
    )
    suppliers: list[Supplier] = Field(
        default_factory=list,
        description="Suppliers that each steer their own customers, side by side on the same "
        "units; none: all houses are steered together. Customers of none are not steered.",
    )
    predictor: Literal["regression", "boosted"] = Field(
        default="regression",
        description="How houses' loads are predicted; boosted: with LightGBM's trees beside the "
        "regression, from four weeks of history on (pip install fernwatt[ml]).",
    )
    exchange: Literal["profile", "distance"] = Field(
        default="profile",
        description="What houses tell first: their profile; or how near to a desired one they "
        "come, and their profile once that was accepted.",
    )
    limits: list[GridLimit] = Field(
        default_factory=list,
        description="Hard limits of the grid that negotiations keep within: within comfort first, "
        "and beyond it where that is not enough.",
    )
    limited: bool = Field(
        default=False,
        description="Whether negotiating units also follow limits that services of the operator "
        "write to them (balancing.limit).",
    )
    strategies: list[Strategy] = Field(
        default_factory=list,
        description="What customers want: their aims, and limits that nothing from above moves; "
        "none: they follow requests alone.",
    )
    report_w: Positive = Field(
        default=500.0,
        description="With strategies, overriding or device control: a device that was so far from "
        "its plan in a quarter-hour is reported, and planned anew [W].",
    )

    @model_validator(mode="after")
    def _whole_slots(self) -> Self:
        if self.replan_s % 900:
            raise ValueError("replan_s: not a whole number of quarter-hours")
        if double_names(self.suppliers):
            raise ValueError("suppliers: two have one name")
        if self.suppliers and (self.limits or self.limited):
            raise ValueError(
                "limits: are of what all houses below a unit draw, which no supplier knows; leave "
                "suppliers out, or limits and limited"
            )
        return self


class Forecast(Section):
    """Weather forecasts of a data provider, passed down the hierarchy over the network."""

    every_h: Annotated[int, Field(ge=1, le=24)] = Field(
        default=6, description="How often the provider issues one [h]."
    )
    horizon_h: Annotated[int, Field(ge=1, le=240)] = Field(
        default=48, description="How far each reaches [h]."
    )
    step_s: Literal[900, 1800, 3600] = Field(default=3600, description="Step of its series [s].")
    to: Literal["tlgmu", "mvgmu", "lvgmu", "cmu"] = Field(
        default="cmu", description="The lowest kind of unit that it is passed to."
    )
    skill: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [0.98, 0.55],
        description="Correlation of its clouds with the true ones: at once, and far ahead.",
    )
    skill_h: Positive = Field(
        default=18.0, description="How far ahead that has fallen to 1/e of the way [h]."
    )
    error_c: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] = (
        Field(
            default_factory=lambda: [0.5, 2.5],
            description="Standard deviation of its temperature's error: at once, and at most [K].",
        )
    )
    error_c_per_h: Annotated[float, Field(ge=0)] = Field(
        default=0.06, description="How that grows with the time ahead [K/h]."
    )

    @model_validator(mode="after")
    def _worse_far_ahead(self) -> Self:
        if self.skill[0] < self.skill[1]:
            raise ValueError("skill: larger far ahead than at once")
        if self.error_c[0] > self.error_c[1]:
            raise ValueError("error_c: larger at once than at most")
        return self


class Services(Section):
    """Services of the management units."""

    balancing: Balancing = Field(default_factory=Balancing, description="Energy balancing.")
    forecast: Forecast | None = Field(
        default=None,
        description="Weather forecasts, of a provider's unit beside the top; {} for the usual; "
        "null: none.",
    )
    detection: Detection | None = Field(
        default=None,
        description="Detection of attacks in every unit; {} for the usual; null: none, and units "
        "take no notes of their traffic.",
    )
    signals: Signals | None = Field(
        default=None,
        description="Signals of suppliers, aggregators and the operator; null: none.",
    )
    control: Control | None = Field(
        default=None, description="Device control by signals; null: devices follow none."
    )
    openadr: OpenAdr | None = Field(
        default=None, description="Gateway for OpenADR beside the top; null: none."
    )
    response: Response | None = Field(
        default=None, description="Demand response by contract, within balancing; null: none."
    )
    flexibility: Flexibility | None = Field(
        default=None,
        description="Flexibility that customers offer, an aggregator sells and the operator buys; "
        "{} for the usual; null: none.",
    )
    auction: Auction | None = Field(
        default=None, description="Device control by an auction of power; null: none."
    )
    display: Display | None = Field(
        default=None, description="User interface of customers; {} for the usual; null: none."
    )
    gateway: Gateway | None = Field(
        default=None,
        description="Substations publish by MQTT at a broker in the cloud; {} for the usual; "
        "null: none.",
    )
    pairing: Pairing | None = Field(
        default=None,
        description="Devices that are paired through the cloud and controlled past it; null: none.",
    )

    @model_validator(mode="after")
    def _response_is_negotiated(self) -> Self:
        wanted, balancing = self.response, self.balancing
        if wanted is None:
            return self
        if balancing.mode != "steering" or balancing.root != "lvgmu":
            raise ValueError(
                "response: is promised by substations; write balancing.mode: steering, root: lvgmu"
            )
        if balancing.suppliers:
            raise ValueError(
                "response: is the aggregator's of all houses; leave balancing.suppliers out"
            )
        known_h = balancing.horizon_h - balancing.replan_s / 3600.0 - 0.5
        if wanted.longest_ahead_h() > known_h:
            raise ValueError(
                f"response: a request ends more than {known_h:g} h after it is issued, where no "
                "plan reaches; raise balancing.horizon_h"
            )
        return self

    @model_validator(mode="after")
    def _auction_alone(self) -> Self:
        if self.auction is not None and (
            self.control is not None or self.balancing.mode == "steering"
        ):
            raise ValueError(
                "auction: balancing or control moves the same devices; write balancing.mode: "
                "local, and leave control out"
            )
        return self

    @model_validator(mode="after")
    def _one_master(self) -> Self:
        steering = self.balancing.mode == "steering"
        if steering and self.control is not None and self.control.intelligence == "local":
            raise ValueError(
                "control: balancing moves the same devices, and only the customer's unit knows of "
                "both; write intelligence: hybrid or central, or balancing.mode: local"
            )
        if self.flexibility is not None and (
            self.control is not None or self.balancing.mode == "steering"
        ):
            raise ValueError(
                "flexibility: balancing or control moves the same devices; write balancing.mode: "
                "local, and leave control out"
            )
        heard = self.openadr is not None or (self.signals is not None and self.signals.commands)
        if heard and self.control is None:
            raise ValueError("control: is missing, nobody would follow commands or events")
        return self
