"""Sections on gateways: to a broker, to devices of another protocol, past the cloud."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section

__all__ = ["BoxKind", "BoxProtocol", "Gateway", "GatewayOrder", "Pair", "Pairing"]

_UNITS = "by identifier; `*` stands for anything, as in meter/lv4.101/*."
_Plain = bool | int | float | str | None

BoxProtocol = Literal["modbus", "zigbee"]
BoxKind = Literal["battery", "pv", "heat_pump", "fridge", "boiler"]


class GatewayOrder(Section):
    """Something that the application orders through a gateway."""

    at_h: Annotated[float, Field(ge=0, le=8784)] = Field(
        description="When, after the start of the run [h]."
    )
    gateway: str = Field(description="Gateway that gets the order, as lvgmu/lv4.101.")
    variable: str = Field(description="Variable that is to be written.")
    location: str = Field(description="Unit that holds it.")
    value: dict[str, _Plain] | float = Field(
        description="Value: a number, or a record with its keys."
    )


class Gateway(Section):
    """Every substation's unit publishes its area by MQTT at a broker in the cloud."""

    period_s: Annotated[int, Field(ge=60, le=86_400)] = Field(
        default=900, description="Period of the events [s]."
    )
    timeout_s: Positive = Field(
        default=120.0, description="How long it waits for readings after a period's end [s]."
    )
    by: Literal["unit", "area"] = Field(
        default="unit", description="An event for each unit, or one for the whole area."
    )
    qos: Literal[0, 1] = Field(default=1, description="Quality of service of the events.")
    keep_alive_s: Annotated[int, Field(ge=5, le=65_535)] = Field(
        default=300, description="Longest silence of a connection [s]."
    )
    retry_max_s: Positive = Field(
        default=300.0, description="Longest back-off before it connects again [s]."
    )
    join_s: Annotated[float, Field(ge=0)] = Field(
        default=600.0, description="Within what time it asks all units for their readings [s]."
    )
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_/-]*$")] = Field(
        default="fernwatt", description="What all topics begin with."
    )
    meters: list[str] = Field(
        default_factory=lambda: ["energy.import", "energy.export"],
        description="Variables of the meters; empty: none.",
    )
    lines: bool = Field(
        default=True, description="Whether sensors of lines that the substation has take part."
    )
    shares: list[str] = Field(
        default_factory=lambda: ["*"],
        description="Meters whose customers let the gateway read, " + _UNITS,
    )
    obeys: list[str] = Field(
        default_factory=list,
        description="Units whose customers let the gateway write set-points, " + _UNITS,
    )
    password: str | None = Field(
        default=None,
        description="Password of the gateways; null: the right one, derived from the seed.",
    )
    orders: list[GatewayOrder] = Field(
        default_factory=list, description="What the application at the broker orders."
    )

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if self.timeout_s >= self.period_s:
            raise ValueError("timeout_s: must be less than period_s")
        return self


class Pair(Section):
    """A controller and a device that customer and controller's owner have paired."""

    controller: str = Field(description="Unit that controls, as cmu/lv4.101/load-7.")
    device: str = Field(description="Unit of the device, as dmu/lv4.101/load-7/battery.")
    p_w: float = Field(
        default=0.0, description="Set-point that it gives [W], positive: drawn from the grid."
    )


class Pairing(Section):
    """Devices are paired through the cloud; control bypasses it, logs go there."""

    pairs: Annotated[list[Pair], Field(min_length=1)] = Field(description="Who with whom.")
    control_s: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=60.0, description="Period of the set-points [s]."
    )
    log_s: Annotated[float, Field(ge=60, le=86_400)] = Field(
        default=3600.0, description="Period of the logs [s]."
    )
    ticket_h: Positive = Field(default=24.0, description="How long a pairing holds [h].")
