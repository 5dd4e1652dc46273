"""The adapter in a mosaik world, in process and as a process of its own."""

from __future__ import annotations

import json
from typing import ClassVar

import mosaik
import pytest

from controllers.unit import Loopback, UnitsCore
from fernwatt import mosaik_patch
from fernwatt.adapter import Adapter, model
from fernwatt.messages import Delivery, Frame, Reading

mosaik_patch.apply()
SLOT, END = 900_000, 1_900_000
LATENCY = 40


def given():
    number, out = 0, []
    for slot in range(3):
        for meter in range(3):
            for variable in ("energy.import", "energy.export", "voltage"):
                number += 1
                value = 100.0 * slot * (meter + 1)
                out.append(Reading(f"field#{number}", "", f"instrument/lv0/load-{meter}", variable,
                                   slot * SLOT, slot * SLOT, value, "Wh"))  # fmt: skip
    return out


class Field(Adapter):
    """Reads out the instruments."""

    component = "field"
    models: ClassVar = {"Field": model(transient=["readings"])}

    def setup(self, model_name, params):
        self.waiting = given()
        return [{"eid": "field", "type": model_name}]

    def advance(self, t_ms, inputs, max_advance):
        while self.waiting and self.waiting[0].t_sample_ms <= t_ms:
            self.emit("field", "readings", self.waiting.pop(0))
        return self.waiting[0].t_sample_ms if self.waiting else None


class World(Adapter):
    """Carries frames with a fixed latency."""

    component = "world"
    models: ClassVar = {"World": model(trigger=["tx"], transient=["rx"])}
    latest_frames: ClassVar[list[Frame]] = []

    def setup(self, model_name, params):
        World.latest_frames = self.frames = []
        self.flying = []
        return [{"eid": "world", "type": model_name}]

    def advance(self, t_ms, inputs, max_advance):
        while self.flying and self.flying[0][0] <= t_ms:
            due_ms, f = self.flying.pop(0)
            self.emit("world", "rx", Delivery(f.id, f.cause, f.src, f.dst, f.flow, due_ms * 1000,
                                              f.payload))  # fmt: skip
        for item in self.take(inputs, "world", "tx"):
            frame = Frame.from_plain(item)
            self.frames.append(frame)
            self.flying.append((t_ms + LATENCY, frame))
        return self.flying[0][0] if self.flying else None


class Rows(Adapter):
    component = "rows"
    models: ClassVar = {"Rows": model(trigger=["rows"])}
    tables: ClassVar[dict] = {}

    def setup(self, model_name, params):
        Rows.tables = {}
        return [{"eid": "rows", "type": model_name}]

    def advance(self, t_ms, inputs, max_advance):
        for item in self.take(inputs, "rows", "rows"):
            columns = item["columns"]
            rows = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
            Rows.tables.setdefault(item["table"], []).extend(rows)


def run(spec, starter, **init):
    own = {name: {"python": f"{__name__}:{name}"} for name in ("World", "Field", "Rows")}
    config = {"Units": starter, **own}
    world = mosaik.World(config, time_resolution=0.001, skip_greetings=True)
    try:
        with world.group():
            units = world.start("Units", end_ms=END, **init).Units(spec=spec, seed=1)
            outside = world.start("World", end_ms=END, plain=True).World()
        field = world.start("Field", end_ms=END, plain=True).Field()
        rows = world.start("Rows", end_ms=END).Rows()
        world.connect(field, units, "readings")
        world.connect(units, outside, "tx")
        world.connect(outside, units, "rx", weak=True)
        world.connect(units, rows, "rows")
        world.run(until=END + 1, print_progress=False)
    finally:
        world.shutdown()
    return World.latest_frames, Rows.tables


@pytest.fixture
def expected(hierarchy):
    spec = json.loads(json.dumps(hierarchy(areas=1)))
    bus = Loopback(UnitsCore(spec, 1), latency_ms=LATENCY)
    bus.run(END - 1, given())
    bus.now_ms = END
    bus.close()
    return spec, bus


def test_the_world_sees_what_the_loopback_sees(expected) -> None:
    spec, bus = expected
    frames, tables = run(spec, {"python": "controllers.unit:UnitsSimulator"})
    assert len(frames) > 50
    assert frames == bus.frames
    assert tables == bus.rows


def test_a_process_of_its_own_sees_the_same(expected) -> None:
    spec, bus = expected
    starter = {"cmd": "%(python)s -m controllers.unit %(addr)s"}
    frames, tables = run(spec, starter, plain=True)
    assert frames == bus.frames
    assert tables == bus.rows
