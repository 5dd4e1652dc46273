"""Section on what of customers' data may be known, by whom and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.schema.base import Section

__all__ = ["Classified", "Contract", "CustomersPolicy", "GrantOf", "Privacy", "ReadingBy"]

Text = Annotated[str, Field(min_length=1, max_length=100)]


class Privacy(Section):
    """Sums over customers: hidden from who adds them, and from whom there are too few for."""

    scheme: Literal["masking", "elgamal"] = Field(
        default="masking",
        description="At the level with-privacy, how meters hide their energies: masked (8 bytes a "
        "value; survivors are asked where some are missing) or encrypted (64 bytes a value).",
    )
    neighbours: Annotated[int, Field(ge=0, le=256)] = Field(
        default=16,
        description="With how many others each meter shares masks; 0: with all of its area.",
    )
    rounds: Annotated[int, Field(ge=1, le=3)] = Field(
        default=2, description="How often survivors are asked before a masked sum is given up."
    )
    disclosure: bool = Field(
        default=False,
        description="Whether sums in plain text become the operator's only by the rule below; "
        "until then they are passed up as the customers'.",
    )
    min_customers: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=15, description="Least number of customers of a sum."
    )
    max_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.15,
        description="Largest share of one customer in a sum in plain text; of a hidden one nobody "
        "can tell.",
    )
    prefer: Literal["latest", "default"] = Field(
        default="latest",
        description="Which policy of their owners' readings and writes by others take: the latest "
        "that the owner put in force, or the first one.",
    )
    copies: list[Text] = Field(
        default_factory=list,
        description="Variables of which substations keep what they are notified of, by the "
        "policies that come with it.",
    )
    min_span_h: Annotated[float, Field(ge=0, le=8784)] = Field(
        default=0.0,
        description="A sum in plain text over so many hours may be of fewer [h]; 0: never.",
    )


class GrantOf(Section):
    """What somebody may do."""

    stakeholder: Text = Field(description="Who; `all`: anybody.")
    service: Text = Field(default="all", description="By which service; `all`: by any.")
    rights: Literal["none", "read", "write", "both"] = Field(
        default="read", description="What he may do."
    )
    min_delay_s: Annotated[float, Field(ge=0, le=31_622_400)] = Field(
        default=0.0, description="Least time between two accesses [s]."
    )


class CustomersPolicy(Section):
    """What customers let others do with their data."""

    customers: Text = Field(
        default="*",
        description="Whose, by the end of their meter's name, such as lv4.101/load-7; `*` stands "
        "for anything.",
    )
    variables: Annotated[list[Text], Field(min_length=1)] = Field(
        description="Of which variables, of the meter or of devices."
    )
    grants: list[GrantOf] = Field(
        default_factory=list, description="To whom; who is not named may nothing."
    )
    at_h: Annotated[float, Field(ge=0, le=8784)] | None = Field(
        default=None,
        description="When the customer puts it in force, by her own unit, after the start of the "
        "run [h]; null: it was before.",
    )


class Contract(Section):
    """What contracts let a supplier or operator read at the meter."""

    customers: Text = Field(default="*", description="Whose, as in policies.")
    stakeholder: Text = Field(description="Who may read.")
    service: Text = Field(default="reader", description="By which service.")
    variables: Annotated[list[Text], Field(min_length=1)] = Field(
        default_factory=lambda: ["energy.import", "energy.export"],
        description="Which of the meter's variables.",
    )
    min_delay_s: Annotated[float, Field(ge=0, le=31_622_400)] = Field(
        default=900.0, description="The contracted rate: least time between two accesses [s]."
    )


class Classified(Section):
    """What customers take for critical."""

    customers: Text = Field(default="*", description="Whose, as in policies.")
    variables: Annotated[list[Text], Field(min_length=1)] = Field(
        description="Which variables their units ask for."
    )
    critical: bool = Field(
        description="Whether they are critical to them: these keep to the internal network."
    )


class ReadingBy(Section):
    """A stakeholder who reads customers' data from a unit of its own beside the top."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = Field(
        description="Name of its unit: reader/<name>."
    )
    stakeholder: Text = Field(description="For whom it reads.")
    variables: Annotated[list[Text], Field(min_length=1)] = Field(description="What it reads.")
    customers: Text = Field(default="*", description="Whose, as in policies.")
    every_s: Annotated[float, Field(gt=0, le=31_622_400)] = Field(
        default=900.0, description="How often it reads each [s]."
    )
    from_h: Annotated[float, Field(ge=0, le=8784)] = Field(
        default=0.0, description="From when on [h]."
    )
    via: Literal["source", "cmu", "lvgmu"] = Field(
        default="source",
        description="Whether it asks the meter or device itself, or the customer's unit or that of "
        "the substation for its copy.",
    )
