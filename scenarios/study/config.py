"""The schema of a study file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from scenarios.schema.base import Name, Section

__all__ = ["Range", "StudyConfig"]

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Range(Section):
    """Values drawn between two limits, for random sampling."""

    min: float = Field(description="Smallest value.")
    max: float = Field(description="Largest value.")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="linear: drawn evenly; log: their logarithms are."
    )
    whole: bool = Field(default=False, description="Draw whole numbers, both limits included.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError("min: larger than max")
        if self.scale == "log" and self.min <= 0:
            raise ValueError("min: not above zero; take a positive one or scale: linear")
        if self.whole and not (self.min.is_integer() and self.max.is_integer()):
            raise ValueError("whole: min and max are no whole numbers")
        return self


def _kind(value: Any) -> str:
    """Tell limits from a list, so that a fault in one is not told of the other as well."""
    return "range" if isinstance(value, Range | dict) else "list"


Values = Annotated[
    Annotated[list[Any], Tag("list")] | Annotated[Range, Tag("range")], Discriminator(_kind)
]


class StudyConfig(Section):
    """One study: a scenario, what varies in it, and over which seeds."""

    version: Literal[1] = Field(alias="fernwatt-study", description="Version of the study format.")
    name: Name = Field(description="Name of the study, and of its folder below the run folders.")
    description: str = Field(default="", description="The question it answers.")
    scenario: str = Field(
        description="Scenario that is varied: a path below the study's folder, or a name of the "
        "library."
    )
    settings: dict[str, Any] = Field(
        alias="set", default_factory=dict, description="Values that differ from it at every point."
    )
    sampling: Literal["grid", "list", "random"] = Field(
        default="grid",
        description="grid: every combination of the values; list: the first values of all "
        "parameters together, then the second, …; random: drawn count times.",
    )
    parameters: dict[str, Values] = Field(
        default_factory=dict,
        description="What varies: paths of the scenario with their values, or with limits to draw "
        "between.",
    )
    count: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="How many points random sampling draws."
    )
    sampling_seed: Seed = Field(default=1, description="Seed of the draws of random sampling.")
    seeds: list[Seed] = Field(
        default_factory=list,
        description="Seeds at which every point is run; empty: the scenario's own.",
    )
    reference: dict[str, Any] = Field(
        default_factory=dict,
        description="What the settings are held against: values of parameters, the others as the "
        "setting has them; empty: the first setting.",
    )
    kpis: list[str] = Field(
        default_factory=list, description="KPIs of the summary; empty: all there are."
    )

    @model_validator(mode="after")
    def _sampling_fits(self) -> Self:
        lists = {
            path: values for path, values in self.parameters.items() if isinstance(values, list)
        }
        for path, values in lists.items():
            if not values:
                raise ValueError(f"parameters.{path}: has no values")
        if self.sampling == "random":
            if self.count is None:
                raise ValueError("count: is missing; random sampling says how many points it draws")
            return self
        if self.count is not None:
            raise ValueError("count: goes with sampling: random; take it out")
        for path in self.parameters:
            if path not in lists:
                raise ValueError(f"parameters.{path}: limits go with sampling: random; list values")
        if self.sampling == "list" and len({len(values) for values in lists.values()}) > 1:
            raise ValueError("parameters: are of different lengths; sampling: list pairs them up")
        return self

    def _listed(self, path: str) -> list[Any]:
        values = self.parameters[path]
        return values if isinstance(values, list) else []

    @model_validator(mode="after")
    def _reference_is_there(self) -> Self:
        if self.reference and self.sampling != "grid":
            raise ValueError("reference: goes with sampling: grid; take it out")
        for path, value in self.reference.items():
            if path not in self.parameters:
                raise ValueError(f"reference.{path}: is not among parameters; add its values there")
            if value not in self._listed(path):
                raise ValueError(f"reference.{path}: {value} is none of its values in parameters")
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: one is given twice")
        if len(set(self.kpis)) != len(self.kpis):
            raise ValueError("kpis: one is given twice")
        for path in self.parameters:
            if path in self.settings:
                raise ValueError(f"set.{path}: varies in parameters too; take one of them out")
            if path == "seed":
                raise ValueError("parameters.seed: seeds are not parameters; write seeds: [...]")
        return self
