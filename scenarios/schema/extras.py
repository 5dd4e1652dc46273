"""Section on simulators of others, and sections that have no entries yet."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Name, Section

__all__ = ["FILE", "Connection", "EntityGroup", "Simulator"]

FILE = "file:"
"""Begins the value of a parameter that names a file of the scenario's."""


class EntityGroup(Section):
    """Entities to create in a third-party simulator."""

    name: Name = Field(description="Name by which connections refer to them.")
    model: str = Field(description="Model of the simulator.")
    count: Annotated[int, Field(ge=1, le=10000)] = Field(default=1, description="How many.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the model.")


class Connection(Section):
    """One mosaik connection, ``simulator/entity.attribute`` at both ends.

    Our own entities are named by their identifiers: ``grid/terminal/lv1.101/load-3.p_mw``.
    """

    source: str = Field(alias="from", description="Where the value comes from.")
    target: str = Field(alias="to", description="Where it goes.")
    factor: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="Multiplies a number on its way: 1e-6 makes MW of W."
    )
    time_shifted: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Delay in milliseconds; needed where connections form a cycle."
    )
    initial: Any = Field(default=None, description="Value before the first one, with time_shifted.")

    @model_validator(mode="after")
    def _has_attributes(self) -> Self:
        for end, text in (("from", self.source), ("to", self.target)):
            simulator, _, rest = text.partition("/")
            if not simulator or not rest.rpartition(".")[0] or not rest.rpartition(".")[2]:
                raise ValueError(f"{end}: write it as simulator/entity.attribute, not {text!r}")
        return self


class Simulator(Section):
    """A mosaik simulator of somebody else, started in one of mosaik's three ways."""

    python: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = Field(
        default=None, description="Class to run in this process, as package.module:Class."
    )
    cmd: str | None = Field(
        default=None,
        description="Command that starts it; %(addr)s stands for mosaik's address, %(python)s for "
        "the interpreter.",
    )
    connect: Annotated[str, Field(pattern=r"^[^:\s]+:\d+$")] | None = Field(
        default=None, description="Address of one that is running, as host:port."
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters of its init. A text `file:NAME` stands for the path of a file "
        "below the scenario's folder.",
    )
    entities: list[EntityGroup] = Field(min_length=1, description="Entities to create.")
    connections: list[Connection] = Field(min_length=1, description="Its connections.")
    initial_events_ms: list[Annotated[int, Field(ge=0)]] = Field(
        default_factory=list, description="First steps of an event-based simulator [ms]."
    )

    @model_validator(mode="after")
    def _one_starter(self) -> Self:
        if sum(value is not None for value in (self.python, self.cmd, self.connect)) != 1:
            raise ValueError("give exactly one of python, cmd, connect")
        names = [group.name for group in self.entities]
        if len(set(names)) != len(names):
            raise ValueError("entities: a name is given twice")
        return self

    @property
    def starter(self) -> dict[str, str]:
        """Mosaik's own entry for it."""
        pairs = (("python", self.python), ("cmd", self.cmd), ("connect", self.connect))
        return {kind: value for kind, value in pairs if value is not None}
