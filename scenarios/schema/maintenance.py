"""Section on the maintenance of units: packages that change what they run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.schema.base import Positive, Section

__all__ = ["Check", "Maintenance", "ModuleChange", "Package"]


class ModuleChange(Section):
    """What a package does to one service of a unit."""

    version: str = Field(
        default="", description="Version from now on, one that the service has; empty: as it is."
    )
    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="Parameters of the service that it changes."
    )


class Check(Section):
    """What must be written at the unit while the package is on trial."""

    variable: str = Field(description="A variable of the catalogue.")
    condition: str = Field(
        default="", description="What one of its new instances must satisfy, as in value > 0."
    )


class Package(Section):
    """One signed package, on its way from the top at some time."""

    name: str = Field(description="Its name.")
    at_h: Annotated[float, Field(ge=0, le=8784)] = Field(
        description="When the operator puts it in at the top, after the start of the run [h]."
    )
    units: Annotated[list[str], Field(min_length=1)] = Field(
        description="Which units it is for; `*` stands for anything, as in meter/*."
    )
    kind: Literal["parameters", "image", "reset"] = Field(
        default="parameters",
        description="Other parameters, other versions of modules, or back to the first state: data,"
        " settings and policies are forgotten, the audit log stays.",
    )
    modules: dict[str, ModuleChange] = Field(
        default_factory=dict, description="Services that it changes."
    )
    keep: bool = Field(
        default=True, description="Whether units keep their data, settings and policies."
    )
    checks: list[Check] = Field(
        default_factory=list, description="What must hold, else the unit goes back to the old one."
    )
    trial_s: Annotated[float, Field(ge=1, le=604800)] = Field(
        default=1800.0, description="How long it is on trial [s]."
    )
    size_bytes: Annotated[int, Field(ge=0, le=2_000_000)] = Field(
        default=4096, description="Its least size [B]."
    )
    signed_by: Literal["right", "engineer", "security-administrator", "stranger"] = Field(
        default="right",
        description="Whose signature it bears: of whom it must, or of somebody else.",
    )
    altered: bool = Field(default=False, description="Whether it was changed after being signed.")


class Maintenance(Section):
    """Packages and their pace."""

    packages: list[Package] = Field(default_factory=list, description="Packages, the oldest first.")
    block_bytes: Annotated[int, Field(ge=64, le=8192)] = Field(
        default=256, description="Size of the blocks in which they travel [B]."
    )
    parallel: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How many of its children a unit serves at a time."
    )
    boot_s: Positive = Field(default=30.0, description="How long a unit takes to begin anew [s].")
