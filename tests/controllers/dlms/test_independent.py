"""What our units put on the wire, read by dlms-cosem; what dlms-cosem makes, taken by our meter."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.dlms.ciphering import SuiteKeys
from controllers.dlms.link import system_title
from controllers.dlms.wrapper import Wrapped
from controllers.security.keys import Keys, derive, run_secret
from fernwatt.messages import Delivery
from tests.controllers.dlms.support.bench import METER, READ, TOP, Bench

pytest.importorskip("dlms_cosem")
from dlms_cosem import cosem, enumerations, security, utils
from dlms_cosem.connection import DlmsConnection, XDlmsApduFactory
from dlms_cosem.protocol import wrappers, xdlms

SLOT_MS = 900_000
USUAL: dict[str, Any] = {"set_point": READ}  # policies that are not travel in a form of our own
BY_RANGE = bytes.fromhex("070100630200ff0201")
MESSAGES = b"\x20\x00\x00\x00\x81\x00\x00\xff"  # class 8192, which dlms-cosem does not know
PROFILE = {
    "start_ms": -96 * SLOT_MS,
    "step_ms": SLOT_MS,
    "import_wh": [float(i) for i in range(96)],
    "export_wh": [0.5] * 96,
}


def conversation(level: str) -> Bench:
    """Have a meter read in all ways."""
    desk = Bench(level=level, policies=USUAL)
    desk.run(0, desk.read("voltage", 230.1), desk.read("energy.import", 1234.0),
             desk.read("load_profile", PROFILE))  # fmt: skip
    desk.ask("query", "voltage", METER)
    desk.ask("query", "energy.export", METER)
    desk.ask("event", "energy.import", METER)
    desk.ask("periodic", "voltage", METER, 30_000)
    desk.ask("query", "energy.import", METER, condition="t >= 0", function="max")
    desk.ask("query", "weather.wind", METER)
    desk.ask("write", "set_point", METER, {"p_w": 1.0}, service="balancing")
    desk.ask("query", "load_profile", METER, service="balancing")
    desk.run(40_000, desk.read("energy.import", 1235.0, 20_000))
    assert not desk.core.counters
    return desk


def keys() -> SuiteKeys:
    """Return the keys of the two units of run 1."""
    secret = run_secret(1)
    purpose = "channel/" + "/".join(sorted((TOP, METER)))
    shared = Keys(TOP, secret).shared(Keys(METER, secret).public_agreement(), purpose)
    return SuiteKeys(derive(shared, "dlms/encryption", 16), derive(shared, "dlms/mac", 16))


def opened(src: str, apdu: bytes) -> bytes:
    """Return a ciphered APDU as dlms-cosem deciphers it."""
    if apdu[0] in (0x60, 0x61):
        return apdu
    if apdu[0] == 0xDB:
        general = xdlms.GeneralGlobalCipher.from_bytes(apdu)
        assert general.system_title == system_title(src)
        return general.to_plain_apdu(keys().encryption, keys().authentication)  # type: ignore[no-any-return]
    head = 2 + (apdu[1] & 0x7F if apdu[1] & 0x80 else 0)
    control = security.SecurityControlField.from_bytes(apdu[head : head + 1])
    assert (control.authenticated, control.encrypted) == (True, True)
    return bytes(
        security.decrypt(
            control,
            system_title(src),
            int.from_bytes(apdu[head + 1 : head + 5], "big"),
            keys().encryption,
            apdu[head + 5 :],
            keys().authentication,
        )
    )


def read(level: str) -> list[Any]:
    """Return all APDUs of a conversation as dlms-cosem has them."""
    read = []
    for src, payload in conversation(level).payloads():
        wrapped = wrappers.WrapperProtocolDataUnit.from_bytes(payload)
        ends = (wrapped.wrapper_header.source_wport, wrapped.wrapper_header.destination_wport)
        assert (ends[1] if src == TOP else ends[0]) == 1
        apdu = bytes(wrapped.data)
        plain = apdu if level == "none" else opened(src, apdu)
        # which it does not know, and a range with selected columns, which it does not parse
        if not any(unknown in plain for unknown in (MESSAGES, BY_RANGE)):
            read.append(XDlmsApduFactory.apdu_from_bytes(plain))
    return read


@pytest.mark.parametrize("level", ["none", "integrity+secrecy"])
def test_another_library_reads_what_meter_and_concentrator_say(level: str) -> None:
    apdus = read(level)
    kinds: dict[str, list[Any]] = {}
    for apdu in apdus:
        kinds.setdefault(type(apdu).__name__, []).append(apdu)
    requests = kinds["ApplicationAssociationRequest"]
    assert [one.implementation_information for one in requests] == [
        b"operator\x1fmetering", b"operator\x1fbalancing",
    ]  # fmt: skip
    hls = enumerations.AuthenticationMechanism.HLS_GMAC
    assert {one.authentication for one in requests} == {None if level == "none" else hls}
    assert {one.ciphered for one in requests} == {level != "none"}
    answers = kinds["ApplicationAssociationResponse"]
    assert {int(one.result) for one in answers} == {0}
    lists = [list(one.response_data) for one in kinds["GetResponseWithList"]]
    assert [getattr(one[0], "value", one[0]) for one in lists[:2]] == [2301, 11]
    pushed = [utils.parse_as_dlms_data(one.body) for one in kinds["DataNotification"]]
    setups = [bytes([0, number, 25, 9, 0, 255]) for number in (1, 2)]
    assert sorted(one[:2] for one in pushed) == [[setups[0], 1235], [setups[1], 2301]]
    rows = [one for one in kinds["GetResponseNormal"] if one.data[:1] == b"\x01"]
    assert [row[1] for row in utils.parse_as_dlms_data(rows[0].data)] == [1234]
    blocks = [*kinds["GetResponseWithBlock"], *kinds["GetResponseLastBlock"]]
    assert [one.block_number for one in blocks] == [1, 2]
    assert len(kinds["GetRequestNext"]) == 1
    assert len(kinds["SetRequestNormal"]) == 3
    assert [one.result for one in kinds["SetResponseNormal"]] == [0, 0, 0]


class Client:
    """A client that dlms-cosem drives, at a meter of ours."""

    def __init__(self, desk: Bench) -> None:
        self.desk, self.number = desk, 0
        self.connection = DlmsConnection(
            client_system_title=b"CLIENT01", authentication=security.NoSecurityAuthentication()
        )
        aarq = self.connection.get_aarq()
        aarq.implementation_information = b"operator\x1fmetering"
        self.answer = self.say(aarq)

    def say(self, apdu: Any) -> Any:
        """Return the meter's answer."""
        self.number += 1
        payload = Wrapped(0x40, 1, self.connection.send(apdu)).encoded()
        delivery = Delivery(f"{TOP}#{9000 + self.number}", "", TOP, METER, "metering", 0, payload)
        (frame,) = self.desk.core.step(self.desk.bus.now_ms, (), [delivery]).frames
        self.connection.receive_data(frame.payload[8:])
        return self.connection.next_event()


def attribute(interface: int, name: str, number: int) -> Any:
    return cosem.CosemAttribute(
        enumerations.CosemInterface(interface), cosem.Obis.from_string(name), number
    )


def test_another_librarys_client_reads_and_writes_our_meter() -> None:
    desk = Bench(policies=USUAL)
    desk.run(2000, desk.read("energy.import", 10.0, 900), desk.read("voltage", 229.9, 900),
             desk.read("energy.import", 11.0, 1800))  # fmt: skip
    client = Client(desk)
    assert int(client.answer.result) == 0
    energy = attribute(4, "1.0.1.8.0.255", 2)
    got = client.say(xdlms.GetRequestNormal(cosem_attribute=energy))
    assert utils.parse_as_dlms_data(got.data) == 11
    wanted = [cosem.CosemAttributeWithSelection(attribute(4, "1.0.12.7.0.255", n), None)
              for n in (2, 5)]  # fmt: skip
    got = client.say(xdlms.GetRequestWithList(cosem_attributes_with_selection=wanted))
    assert got.response_data[0].value == 2299
    missing = client.say(xdlms.GetRequestNormal(cosem_attribute=attribute(4, "1.0.9.8.0.255", 2)))
    assert missing.error is enumerations.DataAccessResult.OBJECT_UNDEFINED
    denied = client.say(xdlms.SetRequestNormal(cosem_attribute=energy, data=b"\x06\0\0\0\1"))
    assert denied.result is enumerations.DataAccessResult.READ_WRITE_DENIED
    unknown = client.say(
        xdlms.ActionRequestNormal(
            cosem_method=cosem.CosemMethod(
                enumerations.CosemInterface(3), cosem.Obis.from_string("1.0.1.8.0.255"), 1
            )
        )
    )
    assert int(unknown.status) == 4


def test_a_push_made_by_another_library_is_heard() -> None:
    desk = Bench()
    desk.run(0, desk.read("energy.import", 10.0))
    event = desk.ask("event", "energy.import", METER)
    desk.run(1000)
    body = bytes.fromhex("020309060001190900ff06000004d2090c07d0010106000f0000000000")
    notification = xdlms.DataNotification(
        xdlms.data_notification.LongInvokeIdAndPriority(1), None, body
    )
    payload = wrappers.WrapperProtocolDataUnit(
        notification.to_bytes(),
        wrappers.WrapperHeader(1, 0x11, len(notification.to_bytes()), 1),
    ).to_bytes()
    desk.bus.run(1_000_000)
    desk.core.step(1_000_000, (), [Delivery("m#1", "", METER, TOP, "metering", 0, payload)])
    assert desk.told(event) == [("ok", None, -1), ("ok", 1234.0, 900_000)]
