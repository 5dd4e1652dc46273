"""The scenario's schema: every field documented where it is declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.attacks import Attack
from scenarios.schema.base import Name, Section
from scenarios.schema.data import Interface
from scenarios.schema.devices import Devices
from scenarios.schema.extras import Simulator
from scenarios.schema.faults import FaultRates, GridFault, Operation
from scenarios.schema.field import Imperfections
from scenarios.schema.ict import Services, Units
from scenarios.schema.instruments import Crews
from scenarios.schema.lighting import Lighting
from scenarios.schema.money import Money
from scenarios.schema.network import Network
from scenarios.schema.protection import Protection
from scenarios.schema.system import Grid, Orchestration, Record, Time, Weather

__all__ = ["RESERVED", "ScenarioConfig", "json_schema"]

RESERVED = frozenset({"grid", "devices", "field", "network", "units", "cyber", "recorder"})


class ScenarioConfig(Section):
    """One scenario: a grid, its devices, the links, the units and their services."""

    fernwatt: Literal[1] = Field(description="Version of the scenario format.")
    name: Name = Field(description="Name of the scenario; the run folder begins with it.")
    description: str = Field(default="", description="What it shows and what to look at.")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=1, description="Seed of every draw."
    )
    time: Time = Field(default_factory=Time, description="When, and for how long.")
    orchestration: Orchestration = Field(
        default_factory=Orchestration, description="How mosaik runs the simulators."
    )
    grid: Grid = Field(description="The distribution grid.")
    weather: Weather = Field(default_factory=Weather, description="Sky and temperature.")
    devices: Devices = Field(default_factory=Devices, description="What customers have.")
    network: Network = Field(default_factory=Network, description="The communication network.")
    units: Units = Field(default_factory=Units, description="Management units.")
    services: Services = Field(default_factory=Services, description="Services of the units.")
    field: Imperfections = Field(
        default_factory=Imperfections,
        description="Instruments and drives in the field, and what is wrong there.",
    )
    crews: Crews | None = Field(default=None, description="Crews; null: nobody works by hand.")
    lighting: Lighting = Field(default_factory=Lighting, description="Public lighting.")
    faults: list[GridFault] = Field(default_factory=list, description="Faults of the grid.")
    fault_rates: FaultRates | None = Field(
        default=None, description="Faults that are drawn, besides those that are named."
    )
    protection: Protection = Field(
        default_factory=Protection, description="Relays, reclosers, sectionalisers and fuses."
    )
    operations: list[Operation] = Field(
        default_factory=list, description="Switches that somebody operates by plan."
    )
    attacks: list[Attack] = Field(
        default_factory=list, description="What adversaries do, where and when."
    )
    acting: Name = Field(
        default="all", description="Which of the attacks take place: all, none, or one by its name."
    )
    exports: list[Interface] = Field(
        default_factory=list,
        description="Files for the control centre's tools, of what the top unit was told: "
        "measurements (scada), switch states (dms), interruptions (oms), meter readings (mdm), "
        "tariffs and load diagrams (market), the sum of all (tso). They need units.data.",
    )
    simulators: dict[Name, Simulator] = Field(
        default_factory=dict, description="Third-party mosaik simulators, by name."
    )
    record: Record = Field(default_factory=Record, description="What the run folder keeps.")
    money: Money = Field(
        default_factory=Money, description="Prices and emissions that the run is valued by."
    )

    @model_validator(mode="after")
    def _attacks_are_told_apart(self) -> Self:
        names = [attack.name for attack in self.attacks]
        for name in names:
            if names.count(name) > 1 or name in ("all", "none"):
                raise ValueError(f"attacks: {name} is taken; give each a name of its own")
        if self.acting not in ("all", "none", *names):
            known = ", ".join(["all", "none", *names])
            raise ValueError(f"acting: there is no attack {self.acting}; one of {known}")
        return self

    @model_validator(mode="after")
    def _planned_devices_are_moved(self) -> Self:
        usual = ("ev", "battery")
        for kind in self.services.balancing.devices:
            if kind not in usual and kind not in self.units.control:
                raise ValueError(
                    f"services.balancing.devices: {kind} is not in units.control; add it there"
                )
        return self

    @model_validator(mode="after")
    def _exports_have_data(self) -> Self:
        if self.exports and self.units.data is None:
            raise ValueError("exports: units gather nothing for them; write units.data: {}")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        for name in self.simulators:
            if name in RESERVED:
                raise ValueError(
                    f"simulators.{name}: one of fernwatt's own simulators has this name; "
                    "take another name"
                )
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario, for editors."""
    schema = ScenarioConfig.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "fernwatt scenario"
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "Scenario that this one changes: a path below its folder, or a name of "
        "the library.",
    }
    # What a parent may bring need not stand in the child.
    schema["required"] = ["fernwatt", "name"]
    return schema
