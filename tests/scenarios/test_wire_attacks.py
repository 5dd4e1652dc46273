"""Somebody on the wire sends orders in another's name: with signatures nothing comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from analysis import Run
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.codec import CborCodec
from controllers.unit.wire import Operation, Request
from scenarios import load, run
from scenarios.assembly import assemble

HOUR_MS = 3_600_000


def battery_unit() -> dict[str, Any]:
    """Return the specification of the first house's battery unit."""
    units = assemble(load("street", ["services.balancing.mode=local"])).params["units"]
    return next(
        unit
        for unit in units["spec"]["units"]
        if unit["kind"] == "dmu" and unit["id"].endswith("/battery")
    )


def forged_order(unit: dict[str, Any]) -> bytes:
    """Return an order to discharge at full power, in the name of the house's own unit."""
    order = Request(
        Operation.WRITE, f"{unit['parent']}#424242", unit["parent"], "balancing", unit["owner"],
        "set_point", unit["id"], {"p_w": -4000.0, "until_ms": 2 * HOUR_MS},
    )  # fmt: skip
    return CborCodec(CATALOGUE).encode(order, unit["parent"], unit["id"])


def go(folder: Path, security: str, *, attacked: bool) -> tuple[Run, dict[str, Any]]:
    unit = battery_unit()
    source = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    source["time"] = {"start": "2016-04-20T15:00:00Z", "duration_h": 1.5}
    source["services"] = {"balancing": {"mode": "local"}}
    source["units"] |= {"history_days": 1, "security": security}
    if attacked:
        source["network"]["taps"] = [
            {
                "element": unit["parent"].replace("cmu/", "meter/"), "does": "inject",
                "from_h": 0.5, "src": [unit["parent"]], "dst": [unit["id"]], "flow": "control",
                "priority": 0, "payload": forged_order(unit).hex(), "count": 3, "every_s": 60,
            }
        ]  # fmt: skip
    folder.mkdir()
    with (folder / "case.yaml").open("w") as file:
        YAML().dump(source, file)
    done = run(load(str(folder / "case.yaml")), folder=folder / "run", with_report=False)
    return Run(done.check().folder), unit


def carried_out(found: Run, unit: dict[str, Any]) -> int:
    events = found.events
    ours = events["element"].str.startswith(f"{unit['id']}/")
    return int((ours & (events["kind"] == "commanded")).sum())


def refused(found: Run, unit: dict[str, Any]) -> list[str]:
    events = found.events
    ours = events[(events["kind"] == "refused") & (events["element"] == unit["id"])]
    return list(ours["value"])


@pytest.mark.slow
def test_a_forged_order_is_carried_out_where_nothing_is_signed(tmp_path: Path) -> None:
    found, unit = go(tmp_path / "a", "none", attacked=True)
    assert carried_out(found, unit) == 1  # the second and third are the same request again
    assert refused(found, unit) == []


@pytest.mark.slow
@pytest.mark.requirement("SP-02")
@pytest.mark.parametrize("security", ["integrity", "integrity+secrecy"])
def test_a_forged_order_is_refused_and_seen_where_messages_are_signed(
    tmp_path: Path, security: str
) -> None:
    found, unit = go(tmp_path / "a", security, attacked=True)
    assert carried_out(found, unit) == 0
    assert len(refused(found, unit)) == 3
    quiet, _ = go(tmp_path / "b", security, attacked=False)
    assert (quiet.events["kind"] == "refused").sum() == 0
