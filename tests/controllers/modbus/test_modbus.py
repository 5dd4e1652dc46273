"""Frames as another implementation makes and reads them; masters and devices of ours and others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.modbus.codec import (
    FRAMINGS,
    Adu,
    Failure,
    ModbusError,
    Pdu,
    Read,
    Values,
    Write,
    WriteOne,
    Written,
    crc16,
    decode_reply,
    decode_request,
    encode_pdu,
)
from controllers.modbus.device import Bank
from controllers.modbus.master import Done, Master
from controllers.modbus.registers import VALUES, pack, unpack

pymodbus = pytest.importorskip("pymodbus")

# by hand from the application protocol specification 1.1b3, sections 6.3, 6.4, 6.6, 6.12
KNOWN_REQUESTS = [
    (Read(3, 0x6B, 3), "03006b0003"), (Read(4, 8, 1), "0400080001"), (WriteOne(1, 3), "0600010003"),
    (Write(1, (0x0A, 0x0102)), "100001000204000a0102"),
]  # fmt: skip
KNOWN_REPLIES = [
    (Values(3, (0x022B, 0, 0x64)), "0306022b00000064"), (Values(4, (10,)), "0402000a"),
    (WriteOne(1, 3), "0600010003"), (Written(1, 2), "1000010002"), (Failure(3, 2), "8302"),
]  # fmt: skip


@pytest.mark.parametrize(("pdu", "content"), KNOWN_REQUESTS)
def test_requests_are_those_of_the_specification(pdu: Pdu, content: str) -> None:
    assert encode_pdu(pdu).hex() == content
    assert decode_request(bytes.fromhex(content)) == pdu


@pytest.mark.parametrize(("pdu", "content"), KNOWN_REPLIES)
def test_replies_are_those_of_the_specification(pdu: Pdu, content: str) -> None:
    assert encode_pdu(pdu).hex() == content
    assert decode_reply(bytes.fromhex(content)) == pdu


def test_the_check_sum_is_that_of_the_serial_line_guide() -> None:
    assert crc16(bytes.fromhex("0207")) == 0x1241


def theirs(kind: str, *, server: bool) -> Any:
    from pymodbus.framer import FramerRTU, FramerSocket
    from pymodbus.pdu import DecodePDU

    return {"rtu": FramerRTU, "tcp": FramerSocket}[kind](DecodePDU(server))


registers = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=100).map(tuple)
addresses = st.integers(0, 60_000)
requests = st.one_of(
    st.builds(Read, st.sampled_from([3, 4]), addresses, st.integers(1, 125)),
    st.builds(WriteOne, addresses, st.integers(0, 0xFFFF)),
    st.builds(Write, addresses, registers),
)
replies = st.one_of(
    st.builds(Values, st.sampled_from([3, 4]), registers),
    st.builds(WriteOne, addresses, st.integers(0, 0xFFFF)),
    st.builds(Written, addresses, st.integers(1, 123)),
    st.builds(Failure, st.sampled_from([3, 4, 6, 16]), st.integers(1, 4)),
)


@settings(deadline=None)
@given(requests, st.sampled_from(["tcp", "rtu"]), st.integers(1, 247), st.integers(0, 0xFFFF))
def test_others_read_our_requests_and_make_the_same(
    pdu: Read | WriteOne | Write, kind: str, unit: int, transaction: int
) -> None:
    ours = FRAMINGS[kind].encode(Adu(transaction, unit, encode_pdu(pdu)))
    framer = theirs(kind, server=True)
    used, found = framer.handleFrame(ours, 0, 0)
    assert used == len(ours)
    assert (found.function_code, found.dev_id) == (encode_pdu(pdu)[0], unit)
    assert found.address == pdu.address
    if isinstance(pdu, Read):
        assert found.count == pdu.count
    else:
        values = pdu.values if isinstance(pdu, Write) else (pdu.value,)
        assert tuple(found.registers) == values
    assert framer.buildFrame(found) == ours


@settings(deadline=None)
@given(replies, st.sampled_from(["tcp", "rtu"]))
def test_others_read_our_replies(pdu: Any, kind: str) -> None:
    ours = FRAMINGS[kind].encode(Adu(7, 3, encode_pdu(pdu)))
    _, found = theirs(kind, server=False).handleFrame(ours, 3, 7)
    if isinstance(pdu, Failure):
        assert (found.exception_code, found.function_code & 0x7F) == (pdu.code, pdu.function)
    elif isinstance(pdu, Values):
        assert tuple(found.registers) == pdu.values
    else:
        assert found.address == pdu.address


@settings(deadline=None)
@given(
    st.binary(max_size=40)
    | requests.map(encode_pdu)
    | replies.map(encode_pdu)
    | requests.map(lambda it: FRAMINGS["rtu"].encode(Adu(1, 1, encode_pdu(it)))),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=3),
)
def test_garbage_raises_nothing_but_modbus_error(
    content: bytes, spoiled: list[tuple[int, int]]
) -> None:
    bad = bytearray(content)
    for place, byte in spoiled:
        if bad:
            bad[place % len(bad)] = byte
    for read in (decode_request, decode_reply, *(it.decode for it in FRAMINGS.values())):
        with contextlib.suppress(ModbusError):
            read(bytes(bad))
    master = Master(FRAMINGS["tcp"])
    master.ask(0)
    for framing in FRAMINGS.values():
        with contextlib.suppress(ModbusError):
            master.receive(framing.encode(Adu(1, 1, bytes(bad))), 0)
    bank = Bank(lambda *_: None)
    with contextlib.suppress(ModbusError):
        assert bank.answer(bytes(bad))


@settings(deadline=None)
@given(st.integers(-(1 << 31), (1 << 31) - 1))
def test_signed_integers_survive_registers(value: int) -> None:
    assert unpack(pack(value, 2)) == value
    assert unpack(pack(value * 5, 2)) == max(-(1 << 31), min(value * 5, (1 << 31) - 1))


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.sampled_from(sorted(VALUES)))
def test_values_survive_registers_to_a_step(value: float, variable: str) -> None:
    place = VALUES[variable]
    top = place.step * (1 << 16 * place.count - 1)
    if abs(value) < top - place.step:
        assert place.decode(place.encode(value)) == pytest.approx(value, abs=place.step / 1.99)


def talk(master: Master, bank: Bank, framing: str = "tcp", t_ms: int = 0) -> list[Done]:
    """Carry frames until nobody says anything."""
    out = list[Done]()
    while frames := master.take():
        for frame in frames:
            adu = FRAMINGS[framing].decode(frame)
            reply = FRAMINGS[framing].encode(Adu(adu.transaction, adu.unit, bank.answer(adu.pdu)))
            if (done := master.receive(reply, t_ms)) is not None:
                out.append(done)
    return out


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_master_reads_what_there_is_and_orders(framing: str) -> None:
    ordered: list[tuple[str, float, int, str]] = []
    bank, master = Bank(lambda *it: ordered.append(it)), Master(FRAMINGS[framing])
    bank.put("device.energy", -1234.5678)
    bank.put("thermal.temperature", 21.38)
    bank.put("ev.session", 5.0)
    master.ask(0)
    master.order("set_point", -2500.4, 90_000, 0, "connection")
    first, second = talk(master, bank, framing)
    assert first == Done("", {"device.energy": pytest.approx(-1234.568),
                              "thermal.temperature": pytest.approx(21.38)})  # fmt: skip
    assert second == Done("", {}, "set_point")
    assert ordered == [("set_point", -2500.0, 90_000, "connection")]


def test_a_silent_device_is_asked_twice_and_given_up_and_an_order_is_renewed() -> None:
    master = Master(FRAMINGS["tcp"], patience_ms=1_000)
    master.ask(0)
    master.order("set_point", 1.0, 60, 0)
    master.order("set_point", 2.0, 60, 0)
    assert len(master.take()) == 1
    assert master.due(999) is None
    assert master.due(1_000) is None
    assert len(master.take()) == 1
    assert master.due(2_000) == Done("silent", {})
    (frame,) = master.take()
    assert decode_request(FRAMINGS["tcp"].decode(frame).pdu) == Write(100, (0, 2, 0, 60, 0))


def test_a_late_reply_is_not_taken_for_that_of_the_next_request() -> None:
    master, bank = Master(FRAMINGS["tcp"], patience_ms=1_000), Bank(lambda *_: None)
    master.ask(0)
    (frame,) = master.take()
    adu = FRAMINGS["tcp"].decode(frame)
    late = FRAMINGS["tcp"].encode(Adu(adu.transaction, 1, bank.answer(adu.pdu)))
    master.due(1_000)
    assert master.receive(late, 1_500) is None


@pytest.mark.parametrize(
    ("request_", "code"),
    [("0400150001", 2), ("0300000001", 2), ("0200000001", 1), ("0400000000", 3),
     ("100064000204", 3), ("0600000001", 2), ("0400ff0001", 2)],
)  # fmt: skip
def test_what_a_device_has_not_is_an_exception(request_: str, code: int) -> None:
    reply = Bank(lambda *_: None).answer(bytes.fromhex(request_))
    assert reply == bytes([int(request_[:2], 16) | 0x80, code])


@contextlib.asynccontextmanager
async def device_of_others(values: list[int]) -> AsyncIterator[int]:
    """A device of others' make on loopback, whose input registers are these."""
    from pymodbus.datastore import (
        ModbusDeviceContext,
        ModbusSequentialDataBlock,
        ModbusServerContext,
    )
    from pymodbus.server import ModbusTcpServer

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    block = ModbusSequentialDataBlock(1, values)
    holding = ModbusSequentialDataBlock(1, [0] * 200)
    context = ModbusServerContext(devices=ModbusDeviceContext(ir=block, hr=holding), single=True)
    server = ModbusTcpServer(context, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()


async def asked_of_others() -> list[Done]:
    values = [0b101, *[0] * 9, 0, 0, 18, 54919, 0, 0, 0xFFFF, 0xFF00, *[0] * 10]
    async with device_of_others(values) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        master, out = Master(FRAMINGS["tcp"]), list[Done]()
        master.ask(0)
        master.order("set_point", -1000.0, 600, 0)
        while not master.idle:
            for frame in master.take():
                writer.write(frame)
            done = master.receive(await asyncio.wait_for(reader.read(300), 5), 0)
            out += [done] if done is not None else []
        writer.close()
        await writer.wait_closed()
        return out


def test_our_master_reads_and_orders_a_device_of_others() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        read, written = asyncio.run(asked_of_others())
    assert read.values == {"device.energy": pytest.approx(1234.567), "device.power": -256.0}
    assert written == Done("", {}, "set_point")


async def asked_by_others() -> tuple[list[int], list[Any], int]:
    from pymodbus.client import AsyncModbusTcpClient

    ordered: list[Any] = []
    bank = Bank(lambda *it: ordered.append(it))
    bank.put("device.power", -3456.0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(300):
            adu = FRAMINGS["tcp"].decode(content)
            writer.write(
                FRAMINGS["tcp"].encode(Adu(adu.transaction, adu.unit, bank.answer(adu.pdu)))
            )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = AsyncModbusTcpClient("127.0.0.1", port=server.sockets[0].getsockname()[1])
    await client.connect()
    read = await client.read_input_registers(16, count=2, device_id=1)
    await client.write_registers(100, [0xFFFF, 0xFF9C, 0, 900, 0], device_id=1)
    bad = await client.read_input_registers(500, count=2, device_id=1)
    client.close()
    server.close()
    await asyncio.sleep(0.05)
    return read.registers, ordered, bad.exception_code


def test_a_master_of_others_reads_and_orders_our_device() -> None:
    found, ordered, code = asyncio.run(asked_by_others())
    assert unpack(found) == -3456
    assert ordered == [("set_point", -100.0, 900, "device")]
    assert code == 2
