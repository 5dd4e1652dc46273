"""What is true of the world: kept for the recorder, and out of every service's reach.

A canary is put into the truth; then all that can be reached from the units is searched for it.
"""

from __future__ import annotations

import functools
import gc
import json
import struct
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from analysis import Run
from controllers.unit import UnitsSimulator
from controllers.unit.unit import ManagementUnit
from fernwatt.errors import ScenarioError
from scenarios import load, run
from simulators.field import FieldSimulator

SHARE = 0.31830988618379067
LOSSES = f"""[
  {{kind: bypass, terminal: terminal/lv4.101/load-1, share: {SHARE!r}}},
  {{kind: message, terminal: terminal/lv4.101/load-2, share: 0.4377219533117}},
  {{kind: empty, terminal: terminal/lv4.101/load-3}}]"""
MISS, RATE, AT = 0.27182818284590454, 31415.926535897932, 0.6180339887498949
WIRED = {"terminal/lv4.101/load-4": [3, 1, 2], "terminal/lv4.101/load-5": [3, 2, 1]}
CROSSED = [2, -1, 3]
WIRING = ", ".join(f"{{terminal: {name}, phases: {order}}}" for name, order in WIRED.items())
INDICATORS = f"""[{{at: ['line/*'], phase_a: 30, minimum_ms: 1, miss_probability: {MISS!r},
  false_per_year: {RATE!r}}}]"""
SENSORS = f"""[{{at: ['transformer/*', 'lighting/*'], end: 1, period_s: 300, clock_sd_s: 1,
  current_wiring: {CROSSED}}}]"""
FAULT = f"""[{{at_h: 0.3, line: line/lv4.101/line-12, position: {AT!r}, r_ohm: 0.0123456789,
  kind: two-phase-ground}}]"""
LIGHTING = """{areas: all,
  design: {switching: {mode: timetable, burns_from: "00:00", burns_until: "00:00"}},
  failures: [{lamp: lighting/lv4.101/feeder-1/lamp-003, at_h: 0.4}],
  stuck: [{feeder: lighting/lv4.101/feeder-1}]}"""
PLANT = [
    "grid.solver=four-wire", f"field.wiring=[{WIRING}]", f"field.indicators={INDICATORS}",
    f"field.sensors={SENSORS}",
    f"lighting={LIGHTING}",
    "field.meters={by_phase: true, window_s: 600}", "field.drives={also: ['switch/lv4.101/*']}",
    "field.actuators={failure_probability: 0.2}", "crews={notice_min: 5}", f"faults={FAULT}",
]  # fmt: skip
SMALL = [
    "units.history_days=1", "time.duration_h=1", "orchestration.coupling=separate",
    "services.balancing.mode=steering",
]  # fmt: skip
_ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None))
_NO_WAY = (types.ModuleType, type, types.CodeType, types.GetSetDescriptorType,
           types.MemberDescriptorType, types.WrapperDescriptorType)  # fmt: skip


def held(item: Any) -> Iterable[Any]:
    """Return what an object holds: attributes, items, slots, closures, bound selves, frames."""
    if isinstance(item, types.FunctionType):  # its module's globals are everybody's
        closure = item.__closure__ or ()
        filled = [cell.cell_contents for cell in closure if cell != types.CellType()]
        return [*filled, item.__defaults__, item.__kwdefaults__, item.__dict__]
    if isinstance(item, types.FrameType):
        return list(item.f_locals.values())
    if isinstance(item, types.GeneratorType | types.CoroutineType):
        frame = getattr(item, "gi_frame", None) or getattr(item, "cr_frame", None)
        return [frame] if frame is not None else []
    return gc.get_referents(item)


def reachable(*roots: Any) -> Iterator[Any]:
    """Yield everything that can be reached from ``roots`` over references."""
    seen: dict[int, Any] = {}
    todo = list(roots)
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, _NO_WAY):
            continue
        seen[id(item)] = item  # kept alive, so that no other object gets its number
        yield item
        if isinstance(item, np.ndarray) and item.dtype == object:
            todo += item.ravel().tolist()
        if not isinstance(item, _ATOMS):
            todo += held(item)


class Canary:
    """Numbers and texts that nobody may have, in any form they may take."""

    def __init__(self, numbers: Iterable[float], texts: Iterable[str]) -> None:
        self.numbers = np.array(sorted(set(numbers)))
        self.texts = {*texts, *(repr(float(n)) for n in self.numbers)}
        self.bytes = {struct.pack(form, n) for n in self.numbers for form in (">d", "<d")} | {
            text.encode() for text in self.texts
        }

    def in_bytes(self, item: bytes | bytearray) -> bool:
        return any(one in item for one in self.bytes)

    def sits_in(self, item: Any) -> bool:
        if isinstance(item, bytes | bytearray):
            return self.in_bytes(item)
        if isinstance(item, str):
            return any(text in item for text in self.texts)
        if isinstance(item, float | np.floating):
            return bool(np.isin(float(item), self.numbers))
        if isinstance(item, np.ndarray) and item.dtype.kind == "f":
            return bool(np.isin(item, self.numbers).any())
        return False

    def orders_in(self, item: Any) -> bool:
        """Tell whether it is one of the true orders of phases."""
        wired = [tuple(order) for order in (*WIRED.values(), CROSSED)]
        return isinstance(item, list | tuple) and len(item) == 3 and tuple(item) in wired

    def found_from(self, *roots: Any) -> list[Any]:
        return [item for item in reachable(*roots) if self.sits_in(item)]


class Seen:
    """A run with secrets, its simulators, and every frame that a unit sent."""

    def __init__(self, folder: Any, patch: pytest.MonkeyPatch, changes: Iterable[str]) -> None:
        self.simulators: dict[type, Any] = {}
        self.frames: list[Any] = []
        for kind in (UnitsSimulator, FieldSimulator):
            patch.setattr(kind, "setup", self._watched(kind, kind.setup))
        emit = UnitsSimulator.emit

        def watched(simulator: Any, eid: str, attr: str, item: Any) -> None:
            if attr == "tx":
                self.frames.append(item)
            emit(simulator, eid, attr, item)

        patch.setattr(UnitsSimulator, "emit", watched)
        scenario = load("street", [*SMALL, *changes])
        self.folder = run(scenario, folder=folder, with_report=False).check().folder

    def _watched(self, kind: type, setup: Any) -> Any:
        def watched(simulator: Any, *args: Any) -> Any:
            self.simulators[kind] = simulator
            return setup(simulator, *args)

        return watched


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with pytest.MonkeyPatch.context() as patch:
        return Seen(tmp_path_factory.mktemp("truth") / "losses", patch, [f"field.losses={LOSSES}"])


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    with pytest.MonkeyPatch.context() as patch:
        return Seen(tmp_path_factory.mktemp("truth") / "plant", patch, PLANT)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("truth") / "honest"
    return run(load("street", SMALL), folder=folder, with_report=False).check().folder


@pytest.fixture(scope="module")
def canary(seen: Seen) -> Canary:
    """The share, and every true register of a meter that is manipulated."""
    table = Run(seen.folder).series("truth")
    assert {SHARE} < {json.loads(v).get("share") for v in table["value"]}
    told = set(Run(seen.folder).series("reading")["value"].dropna())
    registers = {
        wh
        for row in table[table["kind"] == "register"].itertuples()
        if row.element == "meter/lv4.101/load-1/register"
        for wh in json.loads(row.value).values()
        if wh != int(wh)
    }
    assert len(registers) == 3
    assert registers.isdisjoint(told)
    return Canary([SHARE, 1 - SHARE, 0.4377219533117, *registers], ["loss_begins", "loss/00"])


def test_no_service_and_no_frame_has_the_truth(seen: Seen, canary: Canary) -> None:
    core = seen.simulators[UnitsSimulator]._core
    everything = list(reachable(core))
    homes = {type(item).__module__.partition(".")[2].partition(".")[0] for item in everything}
    assert {"unit", "balancing"} <= homes
    assert sum(isinstance(item, ManagementUnit) for item in everything) > 100
    assert [item for item in everything if canary.sits_in(item)] == []
    assert not any(isinstance(item, FieldSimulator) for item in everything)
    assert len(seen.frames) > 100
    assert [f.id for f in seen.frames if canary.in_bytes(f.payload)] == []


def test_neither_wiring_nor_passages_nor_faults_nor_lamps_are_known_to_a_unit(plant: Seen) -> None:
    truth = Run(plant.folder).series("truth")
    told = dict(iter(truth.groupby("kind")))
    assert {"wiring", "passage_shown", "passage_missed", "false_passage", "fault_begins",
            "lamp_failed", "contactor_sticks"} <= set(told)  # fmt: skip
    wiring = {row.element: json.loads(row.value) for row in told["wiring"].itertuples()}
    assert wiring.pop("sensor/lv4.101/trafo-1/1")["current"] == CROSSED
    true = {name: value["phases"] for name, value in wiring.items() if name in WIRED}
    assert true == WIRED
    operations = [*told["false_passage"].itertuples(), *told["passage_missed"].itertuples()]
    times = [json.loads(row.value)["t_us"] / 1000 for row in operations]
    (burnt_h,) = [json.loads(value)["burnt_h"] for value in told["lamp_failed"]["value"]]
    secret = Canary(
        [MISS, 1 - MISS, RATE, AT, 0.0123456789, burnt_h, *(t for t in times if t != int(t))],
        ["passage_missed", "passage_shown", "false_passage", "fault/000", "fault_begins", "wiring",
         "lamp_failed", "/lamp-0", "contactor_sticks"],
    )  # fmt: skip
    everything = list(reachable(plant.simulators[UnitsSimulator]._core))
    assert sum(isinstance(item, ManagementUnit) for item in everything) > 100
    assert [item for item in everything if secret.sits_in(item)] == []
    assert not any(isinstance(item, FieldSimulator) for item in everything)
    # what meters tell of their conductors is in them, the order of the phases is not
    stored = [item for item in everything if isinstance(item, dict) and "v_v" in item]
    assert len(stored) > 300
    assert [item for item in everything if secret.orders_in(item)] == []
    assert len(plant.frames) > 100
    assert [f.id for f in plant.frames if secret.in_bytes(f.payload)] == []
    # and the search would find them where they are
    field = plant.simulators[FieldSimulator]
    assert secret.found_from(field._watch)
    assert any(secret.orders_in(item) for item in reachable({"wiring": list(WIRED.values())}))
    indications = Run(plant.folder).series("reading")
    assert indications["instrument"].str.startswith("sensor/lv4.101/feeder-1/segment-").any()
    assert (indications["variable"] == "fault.passage").sum() > len(told["false_passage"])


def test_the_search_finds_what_is_there(seen: Seen, canary: Canary) -> None:
    field = seen.simulators[FieldSimulator]._instruments._losses
    assert canary.found_from(field)

    def closure() -> Any:
        return field

    class Slotted:
        __slots__ = ("way",)

    slotted = Slotted()
    slotted.way = field.seen
    for leak in (closure, slotted, functools.partial(print, field), {"a": [(1, field)]},
                 (x for x in [field]), np.array([field], dtype=object),
                 lambda way=field: way):  # fmt: skip
        assert canary.found_from(leak), leak
    assert canary.found_from(
        np.array([1.0, SHARE]), {"payload": b"\xfb" + struct.pack(">d", SHARE)}
    )
    assert not canary.found_from({"share": 0.3183}, b"0.318309886", np.array([SHARE + 1e-9]))


def test_losses_change_what_is_told_and_nothing_of_what_is(seen: Seen, honest: Any) -> None:
    plain, lossy = Run(honest), Run(seen.folder)
    first = lossy.series("reading")
    hit = {f"meter/lv4.101/load-{n}/register" for n in (1, 2, 3)}

    def others(run_: Run) -> Any:
        table = run_.series("reading")
        meters = table[table["instrument"].str.endswith("/register")]
        return meters[~meters["instrument"].isin(hit)]

    def imported(run_: Run, n: int) -> Any:
        table = run_.series("reading")
        rows = table[(table["instrument"] == f"meter/lv4.101/load-{n}/register")
                     & (table["variable"] == "energy.import")]  # fmt: skip
        return rows.set_index("t_sample_ms")["value"]

    last = imported(plain, 1).index[-1]
    rest = imported(lossy, 1)[last] / imported(plain, 1)[last]
    assert rest == pytest.approx(1 - SHARE, abs=0.02)
    assert imported(lossy, 2)[last] == pytest.approx(
        (1 - 0.4377219533117) * imported(plain, 2)[last], abs=1.1
    )
    assert not len(imported(lossy, 3))
    assert set(others(lossy)["instrument"]) == set(others(plain)["instrument"])
    assert first["quality"].eq("good").all()
    true = lossy.series("truth")
    true = true[(true["element"] == "meter/lv4.101/load-1/register") & (true["t_ms"] == last)]
    (value,) = [json.loads(v) for v in true["value"]]
    assert value["import_wh"] == pytest.approx(imported(plain, 1)[last], rel=0.02)


@pytest.mark.slow
def test_fused_and_separate_give_the_same_bytes_with_losses_gaps_and_wrong_clocks(
    tmp_path: Any,
) -> None:
    worse = (
        "field.meters={gap_probability: 0.1, gap_length: 2, rollover_wh: 500, clock_sd_s: 3, "
        "drift_sd_ppm: 20}"
    )
    folders = []
    for way in ("separate", "fused"):
        changes = [*SMALL, worse, f"field.losses={LOSSES}", f"orchestration.coupling={way}"]
        done = run(load("street", changes), folder=tmp_path / way, with_report=False)
        folders.append(done.check().folder)
    names = [sorted(p.relative_to(f) for p in f.rglob("*.parquet")) for f in folders]
    assert names[0] == names[1]
    assert [n for n in names[0] if len({(f / n).read_bytes() for f in folders}) > 1] == []
    table = Run(folders[0]).series("reading")
    meters = table[table["instrument"].str.startswith("meter/")]
    imports = meters[meters["variable"] == "energy.import"]
    assert 0.75 < len(imports) / (4 * 41) < 0.95
    assert imports["value"].max() < 500
    assert (imports["t_clock_ms"] != imports["t_sample_ms"]).mean() > 0.9


def test_a_loss_without_a_meter_is_refused_with_its_place() -> None:
    from scenarios.assembly import assemble

    losses = "[{kind: bypass, terminal: terminal/lv4.101/nobody}]"
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", [*SMALL, f"field.losses={losses}"]))
    assert [f.path for f in caught.value.faults] == ["field.losses[0].terminal"]
    for bad in ("kind: message, hours: [1, 2]", "kind: scaled, share: -0.1",
                "kind: empty, from_h: 3, until_h: 2"):  # fmt: skip
        with pytest.raises(ScenarioError, match=r"field\.losses"):
            load("street", [f"field.losses=[{{terminal: terminal/lv4.101/load-1, {bad}}}]"])
