"""Sections on the communication network: its technologies, its places, what fails in it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section, Share

__all__ = ["Area", "Network", "NetworkNoise", "NetworkOutage", "NetworkTap", "OutageRate"]

_HOURS = Annotated[float, Field(ge=0, le=8784)]
_SECONDS = Annotated[float, Field(ge=0)]
_POINT = Annotated[list[float], Field(min_length=2, max_length=3)]
_HEX = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})*$", max_length=8192)]
_PLACE = (
    "Which nodes, links, media or cells, by identifier; `*` stands for anything, as in wan/* or "
    "meter/lv4.101/*."
)


class Area(Section):
    """Technologies of one low-voltage area, where they differ from the rest."""

    han: str | None = Field(default=None, description="Technology inside the houses.")
    lv_fan: str | None = Field(
        default=None, description="Technology between meters and substation."
    )
    wan: str | None = Field(
        default=None, description="Technology between substation and upper unit."
    )


class NetworkOutage(Section):
    """Something of the network that fails by plan."""

    element: str = Field(description=_PLACE)
    at_h: _HOURS = Field(description="When it fails, after the start of the run [h].")
    lasts_h: Positive | None = Field(
        default=None, description="How long [h]; null: to the end of the run."
    )


class OutageRate(Section):
    """Failures that are drawn: times between them and repairs are exponential."""

    element: str = Field(description=_PLACE + " Each one fails for itself.")
    every_h: Positive = Field(description="Mean time from a repair to the next failure [h].")
    lasts_h: Positive = Field(description="Mean time to repair [h].")


class NetworkNoise(Section):
    """Noise on the air of media, or somebody who jams them."""

    kind: Literal["noise", "jammer"] = Field(
        default="noise", description="noise: of a machine, for example; jammer: on purpose."
    )
    element: str = Field(
        default="*", description="Which media, by identifier; `*` stands for anything."
    )
    at_h: _HOURS = Field(default=0.0, description="When it begins, after the start of the run [h].")
    lasts_h: Positive | None = Field(
        default=None, description="How long [h]; null: to the end of the run."
    )
    place_m: _POINT | None = Field(
        default=None,
        description="Where: metres east and north of the origin, and above ground; null: it is "
        "as strong everywhere.",
    )
    at: str | None = Field(
        default=None, description="Or beside this node, as meter/lv4.101/load-7."
    )
    power_dbm: Annotated[float, Field(ge=-200, le=80)] | None = Field(
        default=None,
        description="Power that it sends [dBm], on air or line; null: error says what it does.",
    )
    duty: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Part of each period during which it is on."
    )
    period_ms: Positive = Field(default=10.0, description="That period [ms].")
    error: Share | None = Field(
        default=None,
        description="Probability that it destroys a frame that meets it; null: what its power "
        "does, where reach is grid; without power 1.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.place_m is not None and self.at is not None:
            raise ValueError("give at most one of place_m, at")
        return self


class NetworkTap(Section):
    """What an adversary does to frames at a node, or at a link, medium or cell."""

    element: str = Field(description="Where: one node, link, medium or cell, by identifier.")
    does: Literal["delay", "drop", "copy", "alter", "inject", "record"] = Field(
        description="What: hold frames back, lose them, send them again, change their bytes, send "
        "others, or write them down.",
    )
    from_h: _HOURS = Field(default=0.0, description="From when on [h].")
    until_h: _HOURS | None = Field(default=None, description="Until when [h]; null: to the end.")
    share: Share = Field(default=1.0, description="Part of the frames that it does it to.")
    src: list[str] = Field(default_factory=list, description="Only of these senders; of all.")
    dst: list[str] = Field(default_factory=list, description="Only for these receivers; for all.")
    flows: list[str] = Field(
        default_factory=list, description="Only of these applications; of all."
    )
    delay_s: _SECONDS = Field(
        default=0.0, description="delay: how long; copy: how long after the original [s]."
    )
    copies: Annotated[int, Field(ge=1, le=1000)] = Field(default=1, description="copy: how many.")
    offset: int = Field(default=0, description="alter: from which byte on; negative: from the end.")
    value: _HEX = Field(default="", description="alter: bytes, in hexadecimal.")
    mode: Literal["set", "xor"] = Field(
        default="set", description="alter: instead of what is there, or by exclusive or."
    )
    flow: str = Field(default="", description="inject: application class of the frames.")
    priority: Annotated[int, Field(ge=0, le=3)] = Field(default=3, description="inject: 0 highest.")
    payload: _HEX = Field(default="", description="inject: bytes, in hexadecimal.")
    count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1, description="inject: how many."
    )
    every_s: _SECONDS = Field(default=1.0, description="inject: time between them [s].")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.does == "inject" and not (len(self.src) == len(self.dst) == 1):
            raise ValueError("src: inject needs one, who it claims to be, and one dst")
        if self.does == "alter" and not self.value:
            raise ValueError("value: alter needs it")
        if self.does == "delay" and not self.delay_s:
            raise ValueError("delay_s: delay needs it")
        if self.until_h is not None and self.until_h <= self.from_h:
            raise ValueError("until_h: must be after from_h")
        return self


class FlowTransport(Section):
    """What carries the messages of an application from one end to the other."""

    kind: Literal["datagram", "reliable", "request"] = Field(
        default="datagram",
        description="datagram: as it is (UDP); reliable: in order, repeated, with a congestion "
        "window (TCP); request: confirmed one by one (as CoAP does).",
    )
    protocol: Literal["none", "coap", "mqtt"] = Field(
        default="none", description="What each message is wrapped in."
    )
    topic_bytes: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=16, description="Length of its topic (MQTT) or path (CoAP)."
    )
    security: Literal["none", "psk", "certificate"] = Field(
        default="none",
        description="Session below it: none, or DTLS (TLS with reliable) by pre-shared keys or by "
        "certificates. Its handshakes are bytes and round trips on the way.",
    )
    version: Literal["1.2", "1.3"] = Field(default="1.2", description="Version of (D)TLS.")
    session_s: _SECONDS = Field(
        default=86_400.0, description="When a session is renewed [s]; 0: never."
    )
    timeout_s: Positive = Field(
        default=100.0, description="When a sender gives up without a sign of life [s]."
    )


class Transport(Section):
    """Transports by application class."""

    default: FlowTransport = Field(
        default_factory=FlowTransport, description="Of classes that flows does not name."
    )
    flows: dict[
        Literal["control", "balancing", "metering", "management", "session"], FlowTransport
    ] = Field(
        default_factory=dict,
        description="Of single application classes; session (MQTT) is reliable unless it is named.",
    )


class Sleeping(Section):
    """Nodes that sleep on a battery, and what waits for them meanwhile."""

    element: str = Field(description="Which nodes, by identifier; `*` stands for anything.")
    period_s: Positive = Field(description="How often each wakes up [s].")
    awake_s: Positive = Field(default=0.1, description="For how long [s].")
    battery_mah: Positive | None = Field(
        default=None, description="Charge of its battery [mAh]; null: not asked."
    )

    @model_validator(mode="after")
    def _sleeps(self) -> Self:
        if self.awake_s >= self.period_s:
            raise ValueError("awake_s: must be less than period_s")
        return self


class BaseStations(Section):
    """Base stations of the mobile networks that units use."""

    shared: bool = Field(
        default=False,
        description="One for all areas, beside the uppermost busbar; else one beside each "
        "substation.",
    )
    battery_s: _SECONDS = Field(
        default=14_400.0, description="How long one lives without its busbar's supply [s]."
    )
    height_m: Positive = Field(default=30.0, description="Height of its antennas [m].")


class Network(Section):
    """The communication network: a technology for each of its parts."""

    han: str = Field(
        default="zigbee-han", description="Inside a house: devices, customer unit, meter."
    )
    lv_fan: str = Field(
        default="plc-prime",
        description="Meters to their secondary substation: one medium for all, a subscription of "
        "a mobile network or, where the technology is a link, one for each.",
    )
    wan: str = Field(default="lte", description="Secondary substation to the medium-voltage unit.")
    backbone: str = Field(default="fibre", description="Medium-voltage unit to the top-level unit.")
    direct: str | None = Field(
        default=None,
        description="Customers' units have a router with a modem of this technology (a link or a "
        "mobile network), by which they reach the substation where the meter does not bridge: "
        "fewer hops go first. null: a meter without supply cuts its house off.",
    )
    areas: dict[str, Area] = Field(
        default_factory=dict, description="Other technologies for single low-voltage areas."
    )
    internet: bool = Field(
        default=False,
        description="Customers' units and data providers have access to the Internet, over which "
        "goes what is not critical where that is the shorter way.",
    )
    loss: Share = Field(
        default=0.0,
        description="Extra probability that a message is lost on a hop, retries regardless.",
    )
    battery_s: _SECONDS = Field(
        default=0.0, description="How long a customer's node lives without supply [s]."
    )
    substation_battery_s: _SECONDS = Field(
        default=14_400.0,
        description="How long the nodes of a substation live without its busbar's supply [s].",
    )
    technologies: dict[str, dict[str, bool | int | float | str | list[float]]] = Field(
        default_factory=dict, description="Other values for parameters of a technology."
    )
    reach: Literal["grid", "domain"] = Field(
        default="grid",
        description="Who hears whom between meters and substation. grid: power-line carriers "
        "follow the conductors, radio the places, both over several hops; domain: all hear all.",
    )
    fidelity: dict[str, Literal["packet", "flow", "analytic"]] = Field(
        default_factory=dict,
        description="How closely each technology is looked at, by its name. packet: every frame; "
        "flow: queueing and loss by formula; analytic: delays drawn from tables. Media of the "
        "last two are one domain whatever reach says.",
    )
    isolated: bool = Field(
        default=False,
        description="Whether there may be meters that no chain of others joins to their "
        "substation; else that is a fault of the scenario.",
    )
    mesh_start: Literal["formed", "cold"] = Field(
        default="formed",
        description="formed: meshes have found their ways when the run begins; cold: nodes join "
        "while it goes on.",
    )
    meters_per_medium: Annotated[int, Field(ge=1, le=2000)] = Field(
        default=300,
        description="Most meters below one concentrator; larger areas get several, by feeder.",
    )
    hosting: dict[Literal["lvgmu", "mvgmu", "tlgmu"], Literal["in-place", "edge", "cloud"]] = Field(
        default_factory=dict,
        description="Where units of a kind run, if not in place: edge, beside a base station, or "
        "cloud, behind the mobile core. A gateway stays at their site.",
    )
    base_stations: BaseStations = Field(
        default_factory=BaseStations, description="Base stations of mobile networks."
    )
    transport: Transport = Field(
        default_factory=Transport, description="What carries messages end to end."
    )
    sleeping: list[Sleeping] = Field(
        default_factory=list, description="Nodes that sleep on a battery."
    )
    outages: list[NetworkOutage] = Field(
        default_factory=list, description="What fails in the network by plan."
    )
    outage_rates: list[OutageRate] = Field(
        default_factory=list, description="What fails in the network at random."
    )
    noises: list[NetworkNoise] = Field(
        default_factory=list, description="Noise and jamming on the air of media."
    )
    taps: list[NetworkTap] = Field(
        default_factory=list, description="What adversaries do to frames on their way."
    )
