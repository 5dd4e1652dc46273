"""Sums over meters that their substation adds and cannot read."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from controllers.unit import CATALOGUE, Loopback, UnitsCore
from controllers.unit.codec import CborCodec
from fernwatt.messages import Reading
from fernwatt.streams import stream

SLOT = 900_000
Spec = dict[str, Any]


def tree(areas: int = 1, size: int = 18, level: str = "with-privacy", **hiding: Any) -> Spec:
    """A substation with ``size`` hiding meters in each area, below one reader and the top."""
    params = {"hiding": {"min_customers": 15, **hiding}, "poll": {"count": 0}}
    lows = [f"lvgmu/lv{n}" for n in range(areas)]
    units: list[Spec] = [
        {"id": "tlgmu/top", "kind": "tlgmu", "children": ["mvgmu/mv"], "owner": "operator",
         "services": {"aggregation": params}},
        {"id": "mvgmu/mv", "kind": "mvgmu", "parent": "tlgmu/top", "children": lows,
         "owner": "operator", "services": {"aggregation": params}},
    ]  # fmt: skip
    for n, low in enumerate(lows):
        meters = [f"meter/lv{n}/load-{number}" for number in range(size)]
        units.append({"id": low, "kind": "lvgmu", "parent": "mvgmu/mv", "children": meters,
                      "area": f"lv{n}", "owner": "operator",
                      "services": {"aggregation": params}})  # fmt: skip
        units += [
            {"id": meter, "kind": "meter", "parent": low, "children": [], "host": "mcu",
             "customer": f"customer/{meter[6:]}", "owner": f"customer/{meter[6:]}",
             "instruments": [f"instrument/{meter[6:]}"],
             "policies": {"energy.import": [], "energy.export": []},
             "services": {"metering": {"spread_s": 60}, "privacy": params}}
            for meter in meters
        ]  # fmt: skip
    return {"units": units, "security": level}


def registers(spec: Spec, slots: int, seed: int = 3) -> tuple[list[Reading], dict[str, Any]]:
    """Registers that grow at random by thousandths of a Wh, read at slots' boundaries."""
    draws, out, energy, number = stream(seed, "test", "registers"), [], {}, 0
    for unit in spec["units"]:
        for instrument in unit.get("instruments", ()):
            growth = draws.uniform(0, 500, (slots, 2)).round(3)
            shown = np.vstack([[1e5, 2e5], 1e5 * np.array([1, 2]) + growth.cumsum(axis=0)])
            energy[unit["id"]] = np.diff(shown, axis=0)
            for slot, values in enumerate(shown.tolist()):
                for variable, value in zip(("energy.import", "energy.export"), values, strict=True):
                    number += 1
                    out.append(Reading(f"field#{number}", "", instrument, variable, slot * SLOT,
                                       slot * SLOT, value, "Wh"))  # fmt: skip
    return out, energy


def area(bus: Loopback, unit: str, variable: str = "area.energy") -> dict[int, Any]:
    owner = bus.core.directory.owner(unit, variable)
    store = bus.core.unit(unit).store.series(variable, owner, unit)
    return {one.value["t_ms"] // SLOT: one.value for one in store}


def run(spec: Spec, slots: int, **options: Any) -> tuple[Loopback, dict[str, Any]]:
    given, energy = registers(spec, slots)
    bus = Loopback(UnitsCore(spec, 1), **options)
    bus.run(slots * SLOT + 890_000, given)
    bus.close()
    return bus, energy


def decoded(bus: Loopback) -> Iterator[tuple[Any, Any]]:
    """What every frame said to its receiver, who alone could open it."""
    codec = CborCodec(CATALOGUE)
    for frame in bus.frames:
        yield frame, codec.decode(frame.payload, frame.src, frame.dst)


@pytest.mark.parametrize("scheme", ["masking", "elgamal"])
def test_the_reader_gets_the_exact_sum_and_the_adder_none(scheme: str) -> None:
    bus, energy = run(tree(areas=2, size=16, scheme=scheme), 3)
    for unit in ("mvgmu/mv", "tlgmu/top"):
        records = area(bus, unit)
        for slot in range(1 if unit == "tlgmu/top" else 3):
            total = sum(energy[meter][slot] for meter in energy)
            assert records[slot]["import_wh"] == pytest.approx(total[0], abs=1e-6)
            assert records[slot]["export_wh"] == pytest.approx(total[1], abs=1e-6)
            assert (records[slot]["meters"], records[slot]["missing"]) == (32, 0)
    assert area(bus, "lvgmu/lv0") == {}
    assert {row["result"] for row in bus.table("request")} == {"ok"}
