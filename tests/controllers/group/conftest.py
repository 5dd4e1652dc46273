"""Small hierarchies whose units manage their groups, on a loopback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from controllers.unit import Loopback, UnitsCore

START = "2026-01-01T00:00:00Z"
BEAT_S = 60.0
World = Callable[..., Loopback]


class Air:
    """Fates of frames: ``down`` are units that nothing reaches or leaves, ``cut`` are pairs."""

    def __init__(self, latency_ms: int = 20) -> None:
        self.latency_ms = latency_ms
        self.down: set[str] = set()
        self.cut: set[frozenset[str]] = set()
        self.lost: Callable[[Any], bool] = lambda _frame: False

    def __call__(self, frame: Any, _t_ms: int) -> Sequence[int]:
        gone = {frame.src, frame.dst} & self.down or frozenset({frame.src, frame.dst}) in self.cut
        return () if gone or self.lost(frame) else (self.latency_ms,)


def tree(
    services: Mapping[str, Mapping[str, Any]] | None = None, *, areas: int = 2, meters: int = 3
) -> list[dict[str, Any]]:
    """Return one top, substations, meters; ``services`` are further parameters of ``group``."""
    wanted = services or {}
    names = [f"lv{number + 1}" for number in range(areas)]

    def unit(name: str, kind: str, parent: str, children: list[str], owner: str) -> dict[str, Any]:
        group: dict[str, Any] = {"beat_s": BEAT_S, "join_s": 30.0, "rekey_s": 10.0} | dict(
            wanted.get(name, {})
        )
        return {
            "id": name, "kind": kind, "parent": parent, "children": children, "owner": owner,
            "services": {"group": group},
        }  # fmt: skip

    lows = [f"lvgmu/{name}" for name in names]
    units = [unit("tlgmu/top", "tlgmu", "", lows, "operator")]
    for low, name in zip(lows, names, strict=True):
        below = [f"meter/{name}/load-{number}" for number in range(meters)]
        units.append(unit(low, "lvgmu", "tlgmu/top", below, "operator"))
        units += [
            unit(meter, "meter", low, [], f"customer/{meter[6:]}")
            | {"customer": f"customer/{meter[6:]}", "instruments": [f"{meter}/register"]}
            for meter in below
        ]
    return units


@pytest.fixture
def world() -> World:
    """Make a loopback with a hierarchy; its ``air`` decides what arrives."""

    def make(
        services: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        security: str = "integrity",
        group: Mapping[str, Any] | None = None,
        failures: Sequence[Mapping[str, Any]] = (),
        areas: int = 2,
        meters: int = 3,
        seed: int = 1,
        extra: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Loopback:
        units = tree(services, areas=areas, meters=meters)
        for unit in units:
            unit["services"] |= (extra or {}).get(unit["id"], {})
        spec = {
            "units": units, "security": security, "failures": list(failures),
            "group": {"start": START, **(group or {})},
        }  # fmt: skip
        air = Air()
        bus = Loopback(UnitsCore(spec, seed, **options), fates=air)
        bus.air = air  # type: ignore[attr-defined]
        return bus

    return make


def group(core: UnitsCore, unit: str) -> Any:
    """Return the service ``group`` of a unit."""
    return core.service(unit, "group")


def states(bus: Loopback, member: str, *, by: str = "") -> list[str]:
    """Return what was told of a member, in order, by one unit or by all."""
    return [
        row["state"]
        for row in bus.table("membership")
        if row["member"] == member and row["kind"] != "parent" and by in ("", row["unit"])
    ]


def parents(bus: Loopback, unit: str) -> list[tuple[str, str]]:
    """Return what a unit told of its parents, in order."""
    return [
        (row["state"], row["member"])
        for row in bus.table("membership")
        if row["unit"] == unit and row["kind"] == "parent"
    ]
