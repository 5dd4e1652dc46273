"""Sizes of headers and handshakes, against the libraries that make them."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulators.network.technologies import load
from simulators.network.transport import parse_groups, parse_transport, stacks
from simulators.network.transport.settings import FlowTransport


@pytest.mark.parametrize(
    ("topic", "payload", "size"),
    [(1, 0, 10), (1, 45, 56), (12, 45, 67), (13, 45, 69), (16, 45, 72), (255, 45, 311)],
)
def test_coap_posts_are_as_long_as_aiocoap_makes_them(topic: int, payload: int, size: int) -> None:
    """Encoded by aiocoap 0.4.17: CON POST, token of 2 B, Uri-Path, Content-Format."""
    transport = FlowTransport(kind="request", protocol="coap", topic_bytes=topic)
    assert stacks.wrapped_bytes(transport, payload) == size


@pytest.mark.parametrize(("number", "size"), [(0, 1054), (15, 1054), (16, 1055), (4096, 1056)])
def test_coap_blocks_are_as_long_as_aiocoap_makes_them(number: int, size: int) -> None:
    """With Block1, size exponent 6, a path of 16 B."""
    transport = FlowTransport(kind="request", protocol="coap")
    assert stacks.block_sizes(transport, 1024 * (number + 2))[number] == size


@pytest.mark.parametrize(("number", "size"), [(0, 9), (16, 10), (4096, 11)])
def test_coap_answers_are_as_long_as_aiocoap_makes_them(number: int, size: int) -> None:
    transport = FlowTransport(kind="request", protocol="coap")
    assert stacks.acknowledgement_bytes(transport, number, number + 2) == size
    assert stacks.acknowledgement_bytes(transport, number, number + 1) == 4


@pytest.mark.parametrize(("topic", "payload", "size"), [(3, 45, 52), (16, 200, 221)])
def test_mqtt_publications(topic: int, payload: int, size: int) -> None:
    """The first one as paho-mqtt 2.2.0 makes it; from 128 B on the length takes two bytes."""
    transport = FlowTransport(kind="reliable", protocol="mqtt", topic_bytes=topic)
    assert stacks.wrapped_bytes(transport, payload) == size


def test_records_are_counted_once_for_a_datagram_and_by_16_kib_under_tls() -> None:
    dtls = FlowTransport(security="psk")
    assert stacks.wrapped_bytes(dtls, 40_000) == 40_029
    tls = FlowTransport(kind="reliable", security="psk", version="1.3")
    assert stacks.wrapped_bytes(tls, 16_384) == 16_384 + 22
    assert stacks.wrapped_bytes(tls, 40_000) == 40_000 + 3 * 22


def test_no_header_is_counted_twice() -> None:
    """TCP takes the place of UDP: what is added is the difference to what a technology bears."""
    assert stacks.extra_bytes([stacks.family("ethernet")], "tcp") == 20 - 8
    assert stacks.extra_bytes([stacks.family("plc-g3")], "tcp") == 20 - 4
    assert stacks.extra_bytes([stacks.family("plc-g3"), stacks.family("ethernet")], "udp") == 0
    both = [stacks.family("plc-prime"), stacks.family("ethernet")]
    assert stacks.extra_bytes(both, "tcp") == 7 + 20 - load()["plc-prime"].message_header_bytes
    for name, technology in load().items():
        kind = stacks.family(name)
        bare = {"ipv4": 8, "6lowpan": 11, "prime": 3, "zigbee": 8, "serial": 0}[kind]
        assert technology.message_header_bytes >= bare, name


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Make a CA and a leaf on P-256; return chain, key, CA."""
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]) for cn in ("CA", "srv")]
    made = []
    for name, key in zip(names, keys, strict=True):
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(names[0])
            .public_key(key.public_key()).serial_number(1 << 150)
            .not_valid_before(now).not_valid_after(now + dt.timedelta(days=36_500))
        )  # fmt: skip
        if name is names[0]:
            builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        made.append(builder.sign(keys[0], hashes.SHA256()))
    pem = serialization.Encoding.PEM
    chain, key_file, ca = (folder / name for name in ("chain.pem", "key.pem", "ca.pem"))
    ca.write_bytes(made[0].public_bytes(pem))
    chain.write_bytes(made[1].public_bytes(pem) + made[0].public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(keys[1].private_bytes(pem, form, serialization.NoEncryption()))
    return chain, key_file, ca


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_flights_are_as_long_as_openssl_makes_them(tmp_path: Path, version: str) -> None:
    """TLS with certificates at both ends, as Python's own OpenSSL speaks it (± 15 %)."""
    chain, key, ca = _certificates(tmp_path)
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = ssl.SSLContext(protocol)
        context.load_cert_chain(chain, key)
        context.load_verify_locations(ca)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        wanted = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
        context.minimum_version = context.maximum_version = wanted
        if version == "1.2":
            context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        context.options |= ssl.OP_NO_TICKET
        contexts.append(context)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = contexts[0].wrap_bio(down, up)
    server = contexts[1].wrap_bio(up, down, server_side=True)
    spoken: list[int] = []
    for end, out in [(client, up), (server, down)] * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
        if out.pending:
            spoken.append(out.pending)
    transport = FlowTransport(kind="reliable", security="certificate", version=version)
    flights = [flight.size for flight in stacks.handshake(transport)][2:]
    wanted_flights = [size for size in flights if size]
    for real, modelled in zip(spoken, wanted_flights, strict=False):
        assert modelled == pytest.approx(real, rel=0.15, abs=20)
    assert len(spoken) >= len(wanted_flights)


def test_a_handshake_of_handshakes_goes_on_where_the_last_one_ended() -> None:
    transport = FlowTransport(
        kind="reliable", protocol="mqtt", security="certificate", version="1.3"
    )
    flights = stacks.handshake(transport)
    assert [it.up for it in flights] == [True, False] * 3
    assert [it.size for it in flights] == [4, 4, 221, 1101, 855 + 26, 4]
    assert [it.gate for it in flights] == [False] * 5 + [True]
    assert stacks.handshake(FlowTransport()) == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"flows": {"f": "relaible"}}, "did you mean reliable?"),
        ({"default": {"kind": "request", "mss": 3}}, "mss"),
        ({"default": {"mss_bytes": 1.5}}, "whole number"),
        ({"default": {"ack_random_factor": 0.5}}, "at least 1"),
        ({"default": {"timeout_s": True}}, "must be a number"),
        ({"flow": {}}, "one of default, flows"),
        ([], "must be a mapping"),
        ({"flows": []}, ""),
    ],
)
def test_faults_are_named(value: Any, text: str) -> None:
    _, faults = parse_transport(value)
    if text:
        assert any(text in f"{it.path} {it.message} {it.hint}" for it in faults), faults
    else:
        assert faults == []


def test_groups_are_of_known_nodes() -> None:
    groups, faults = parse_groups({"g": ["b", "a"], "h": ["a", "a", "x"], "i": "a"}, ["a", "b"])
    assert groups["group/g"] == ("a", "b")
    assert [it.path for it in faults] == ["network.groups.h"] * 2 + ["network.groups.i"]


def test_the_page_has_the_sizes_that_are_used() -> None:
    page = Path(__file__).parents[4] / "docs" / "models" / "transport.md"
    assert stacks.sources_markdown() in page.read_text("utf-8")
