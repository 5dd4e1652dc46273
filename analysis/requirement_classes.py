"""What is asked of the communication of applications: classes with sources, by flow of messages.

The data are in ``requirement_classes.yaml``, where each class has its source and each
application the reason for its class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from analysis.text import delay_text, markdown_table

__all__ = ["NETWORK_SHARE", "Application", "RequirementClass", "application_of", "applications",
           "classes", "table_markdown"]  # fmt: skip

_DATA: Mapping[str, Any] = YAML(typ="safe", pure=True).load(
    files("analysis").joinpath("requirement_classes.yaml").read_text("utf-8")
)
NETWORK_SHARE: float = _DATA["network_share"][0]
"""Part of a transfer time of IEC 61850 that the network may use: the ends take the rest."""


@dataclass(frozen=True, slots=True)
class RequirementClass:
    """At least ``delivered_percent`` of the messages are there within ``limit_ms``.

    ``network_ms`` is the part of the limit that is the network's own. Infinite: no limit.
    """

    name: str
    what: str
    limit_ms: float
    network_ms: float
    delivered_percent: float
    source: str


@dataclass(frozen=True, slots=True)
class Application:
    """Who is behind some flows of messages; ``requirement`` is what it is judged by."""

    name: str
    title: str
    flows: tuple[str, ...]
    requirement: RequirementClass
    also: tuple[RequirementClass, ...]
    reason: str

    @property
    def classes(self) -> tuple[RequirementClass, ...]:
        """Its own class, and the others it is held against."""
        return (self.requirement, *self.also)


@cache
def classes() -> Mapping[str, RequirementClass]:
    """Return all classes by name, in the order of the file."""
    found = {}
    for name, item in _DATA["classes"].items():
        share = NETWORK_SHARE if item.get("share") == "network" else 1.0
        limit_ms = math.inf if item["limit_ms"] is None else float(item["limit_ms"])
        found[name] = RequirementClass(
            name, item["what"], limit_ms, share * limit_ms, float(item["delivered_percent"]),
            item["source"],
        )  # fmt: skip
    return MappingProxyType(found)


@cache
def applications() -> Mapping[str, Application]:
    """Return all applications by name."""
    known = classes()
    return MappingProxyType(
        {
            name: Application(
                name, item["title"], tuple(item["flows"]), known[item["requirement"]],
                tuple(known[other] for other in item["also"]), item["reason"],
            )
            for name, item in _DATA["applications"].items()
        }
    )  # fmt: skip


@cache
def _by_flow() -> Mapping[str, Application]:
    return {flow: item for item in applications().values() for flow in item.flows}


def application_of(flow: str) -> Application | None:
    """Return the application behind a flow; None where nobody said what it is for.

    A flow may be named in more detail behind a slash: ``metering/read-out`` is of ``metering``.
    """
    return _by_flow().get(flow) or _by_flow().get(flow.partition("/")[0])


def table_markdown() -> str:
    """Return two tables for the documentation: applications and classes."""
    asked = [
        [item.title, ", ".join(f"`{flow}`" for flow in item.flows), item.requirement.name,
         ", ".join(other.name for other in item.also), item.reason]
        for item in applications().values()
    ]  # fmt: skip
    rows = [
        [item.name, item.what, _limit_text(item.limit_ms), _limit_text(item.network_ms),
         f"{item.delivered_percent:g} %", item.source]
        for item in classes().values()
    ]  # fmt: skip
    first = markdown_table(["application", "flows", "judged by", "held against", "why"], asked)
    second = markdown_table(
        ["class", "what", "limit", "of it the network's", "delivered within it", "source"], rows
    )
    return f"{first}\n\n{second}"


def _limit_text(limit_ms: float) -> str:
    return delay_text(1e3 * limit_ms) if math.isfinite(limit_ms) else "none"
