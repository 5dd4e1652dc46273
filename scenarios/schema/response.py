"""Sections on demand response by contract."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section, Share

__all__ = ["Response"]

_HOURS = Annotated[float, Field(ge=0, le=8784)]
_Pattern = Annotated[str, Field(min_length=1, max_length=100)]


def _is_whole(*hours: float) -> bool:
    """Tell whether times are whole quarter-hours."""
    return all(abs(4 * hour - round(4 * hour)) < 1e-9 for hour in hours)


class Reduction(Section):
    """An aggregator's request: reduce by so much for so long."""

    at_h: _HOURS = Field(description="When it is issued, after the start of the run [h].")
    begins_h: _HOURS = Field(description="When it begins [h], at a quarter-hour.")
    lasts_h: Annotated[float, Field(gt=0, le=24)] = Field(
        default=2.0, description="How long it lasts [h], whole quarter-hours."
    )
    percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=30, description="By how much of its baseline each customer is to reduce [%]."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not _is_whole(self.begins_h, self.lasts_h):
            raise ValueError("begins_h, lasts_h: not whole quarter-hours")
        if self.begins_h <= self.at_h:
            raise ValueError("begins_h: before it is issued")
        return self


class ResponseContract(Section):
    """What customers allow an aggregator, and are paid for it."""

    share: Share = Field(default=1.0, description="Share of the customers that have a contract.")
    max_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=50, description="Largest reduction [%]; who asks for more gets this."
    )
    max_h: Annotated[float, Field(gt=0, le=24)] = Field(
        default=4.0, description="Longest duration [h]; for longer ones nobody is called."
    )
    per_day: Annotated[int, Field(ge=1, le=24)] = Field(
        default=1, description="Most requests of a day that a customer follows."
    )
    notice_h: Annotated[float, Field(ge=0, le=24)] = Field(
        default=0.5, description="How long before it begins a request has to be there [h]."
    )
    cent_per_kwh: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=20.0,
        description="Remuneration of what is delivered, up to what was asked [cent/kWh].",
    )


class OptOut(Section):
    """Customers who do not follow for a while, though they have a contract."""

    at_h: _HOURS = Field(
        description="From when on [h]: before a request, or while it runs, which ends it for them."
    )
    lasts_h: Annotated[float, Field(gt=0, le=8784)] | None = Field(
        default=None, description="For how long [h]; null: for good."
    )
    customers: _Pattern = Field(
        default="*",
        description="Which, by the end of their meter's name, such as lv4.101/load-7; `*` stands "
        "for anything.",
    )


class ResponseBaseline(Section):
    """What a delivery is held against; both baselines are fixed before anybody is called."""

    settled_by: Literal["agreed", "days"] = Field(
        default="agreed",
        description="What is paid for: less than the plan agreed to before the request, or less "
        "than on the days before; the report has both.",
    )
    highest: Annotated[int, Field(ge=1, le=30)] = Field(
        default=5, description="How many of the days before count, the highest in the window."
    )
    of: Annotated[int, Field(ge=1, le=60)] = Field(
        default=10,
        description="Of how many: the last ones of the same kind (working day, Saturday or Sunday) "
        "that were measured during the run, without a request at that time.",
    )
    adjust_h: Annotated[float, Field(ge=0, le=12)] = Field(
        default=0.0,
        description="The days' mean is moved by what was drawn beyond it in so many hours before "
        "the request was issued [h]; 0: not at all.",
    )

    @model_validator(mode="after")
    def _some_of_all(self) -> Self:
        if self.highest > self.of:
            raise ValueError("highest: more than of")
        return self


class Response(Section):
    """Demand response by contract, promised by what balancing negotiates."""

    requests: list[Reduction] = Field(
        default_factory=list, description="What an aggregator asks of all its customers."
    )
    contract: ResponseContract = Field(
        default_factory=ResponseContract, description="What customers allow."
    )
    opt_outs: list[OptOut] = Field(default_factory=list, description="Who does not follow.")
    baseline: ResponseBaseline = Field(
        default_factory=ResponseBaseline, description="What would have been drawn."
    )
    answer_s: Annotated[float, Field(ge=10, le=3600)] = Field(
        default=300.0, description="How long a substation waits for its customers' answers [s]."
    )
    promise_s: Annotated[float, Field(ge=60, le=3600)] = Field(
        default=900.0, description="How long it then waits for what they agree to [s]."
    )
    parallel: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="How many customers it calls at a time."
    )
    rebound_h: Annotated[float, Field(ge=0, le=24)] = Field(
        default=4.0, description="How long after the window is looked at what comes back [h]."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if not _is_whole(self.rebound_h):
            raise ValueError("rebound_h: not whole quarter-hours")
        spans = sorted((one.begins_h, one.begins_h + one.lasts_h) for one in self.requests)
        if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
            raise ValueError("requests: two at the same time")
        return self

    def longest_ahead_h(self) -> float:
        """Return how far a request reaches beyond when it is issued [h]."""
        return max((one.begins_h + one.lasts_h - one.at_h for one in self.requests), default=0.0)
