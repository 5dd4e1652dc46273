"""The kernel: identifiers, streams, time, mailboxes, messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.adapter import Adapter, model, plain_value
from fernwatt.errors import ComponentError, Fault, ScenarioError
from fernwatt.identifiers import Sequencer, index_hash, is_identifier, slug
from fernwatt.mailbox import Inbox, MailGapError, Outbox
from fernwatt.messages import Delivery, Frame, Reading
from fernwatt.mosaik_patch import apply
from fernwatt.streams import stream
from fernwatt.tables import TABLES
from fernwatt.timebase import Clock, ceil_ms


@given(st.text())
def test_a_slug_is_a_valid_part_of_an_identifier(text: str) -> None:
    assert is_identifier(f"bus/{slug(text)}")


def test_identifiers_are_told_from_other_text() -> None:
    assert is_identifier("bus/lv4.101/bus-12")
    for wrong in ("bus", "Bus/a", "bus//a", "bus/a b", "/bus/a", "bus/ä"):
        assert not is_identifier(wrong)


def test_a_sequencer_counts_for_its_owner() -> None:
    give = Sequencer("cmu/lv1/a")
    assert [give(), give()] == ["cmu/lv1/a#1", "cmu/lv1/a#2"]


def test_the_hash_of_an_index_sees_order() -> None:
    assert index_hash(["a", "b"]) != index_hash(["b", "a"])


def test_streams_differ_by_name_and_repeat_by_name() -> None:
    first = stream(1, "devices", "ev/a").random(4)
    assert np.array_equal(first, stream(1, "devices", "ev/a").random(4))
    for other in (
        stream(2, "devices", "ev/a"),
        stream(1, "field", "ev/a"),
        stream(1, "devices", "ev/b"),
    ):
        assert not np.array_equal(first, other.random(4))


def test_a_stream_keeps_its_numbers_over_versions() -> None:
    assert stream(1, "devices", "ev/a").integers(0, 1000, 5).tolist() == [834, 896, 100, 122, 199]


def test_time_is_utc_and_ticks_round_up() -> None:
    clock = Clock.from_iso("2016-04-20T10:00:00Z")
    assert clock.at(900_000) == datetime(2016, 4, 20, 10, 15, tzinfo=UTC)
    assert clock.iso(1) == "2016-04-20T10:00:00.001Z"
    assert [ceil_ms(t) for t in (0, 1, 1000, 1001)] == [0, 1, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(), max_size=4)), max_size=20))
def test_a_mailbox_delivers_each_item_once_though_sub_steps_replace_each_other(
    schedule: list[tuple[int, list[int]]],
) -> None:
    box, inbox, t_ms = Outbox(), Inbox(), 0
    sent: list[int] = []
    received: list[int] = []
    pending: list[list[object]] = []
    for gap, items in schedule:
        if gap and pending:  # the receiver steps once between two ticks and sees the last emission
            received += inbox.take({"a": pending})
            pending = []
        t_ms += gap
        for item in items:
            box.put(item)
            sent.append(item)
        pending = box.emit(t_ms) or pending
    received += inbox.take({"a": pending})
    assert received == sent


def test_a_mailbox_notices_a_gap() -> None:
    box, inbox = Outbox(), Inbox()
    box.put("lost")
    box.emit(0)
    box.put("kept")
    with pytest.raises(MailGapError, match="items 1 to 1 from a"):
        inbox.take({"a": box.emit(1)})


def test_sources_are_taken_in_order_of_their_names() -> None:
    assert Inbox().take({"b": [[1, "y"]], "a": [[1, "x"]]}) == ["x", "y"]


def test_messages_survive_json() -> None:
    frame = Frame("a#1", "", "a", "b", "metering", 2, 5, -1, b"\x00\xff")
    assert Frame.from_plain(json.loads(json.dumps(frame.plain()))) == frame
    assert Frame.from_plain(frame) is frame
    arrived = Delivery("a#1", "", "a", "b", "metering", 17, b"x")
    assert Delivery.from_plain(json.loads(json.dumps(plain_value(arrived)))) == arrived
    reading = Reading("m#1", "", "m", "voltage", 0, 3, 230.1, "V")
    assert Reading.from_plain(reading.plain()) == reading


def test_plain_values_hold_no_arrays() -> None:
    value = {"p_w": np.arange(3.0), 1: (np.int64(2), True)}
    assert json.dumps(plain_value(value)) == '{"p_w": [0.0, 1.0, 2.0], "1": [2, true]}'


def test_a_scenario_error_lists_every_fault() -> None:
    error = ScenarioError(
        [Fault("seed", "must be an integer", "write seed: 1", "a.yaml:3"), Fault("x", "y")]
    )
    assert "2 faults" in str(error)
    assert "a.yaml:3: seed: must be an integer (write seed: 1)" in str(error)


def test_tables_have_distinct_files_and_columns() -> None:
    assert len({table.path for table in TABLES.values()}) == len(TABLES)
    for table in TABLES.values():
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names)
        assert set(table.sort) <= set(names)
        assert {column.kind for column in table.columns} <= set("ifsb")


def test_the_repair_of_old_mosaik_is_idempotent() -> None:
    assert apply() == apply()


class Failing(Adapter):
    component = "Failing"
    models: ClassVar = {"Thing": model(["value"])}

    def setup(self, model_name, params):
        return [{"eid": "thing", "type": model_name}]

    def advance(self, t_ms, inputs, max_advance):
        raise ZeroDivisionError("no good")


def test_a_failing_step_names_the_simulator_and_the_time() -> None:
    simulator = Failing()
    simulator.init("Failing-0", 0.001, end_ms=10)
    simulator.create(1, "Thing")
    with pytest.raises(
        ComponentError, match=r"simulator Failing failed at simulated time 0.007 s: Zero"
    ):
        simulator.step(7, {}, 10)
