"""Quick encodings are those of a general encoder; what is read quickly, is read slowly, too."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from controllers.security import cose
from controllers.security.deterministic import blob, dumps, head

KEY = SigningKey(bytes(32))
SIZES = [0, 1, 22, 23, 24, 25, 255, 256, 257, 65_535, 65_536, 70_000]

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary()
    | st.floats(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.integers(-3, 300) | st.text(max_size=3), inner, max_size=5)
    | st.dictionaries(st.integers(0, 40), inner, max_size=30),
    max_leaves=12,
)  # fmt: skip


@given(plain)
def test_everything_is_encoded_as_a_general_encoder_does(value: Any) -> None:
    assert dumps(value) == cbor2.dumps(value, canonical=True)


@pytest.mark.parametrize("size", SIZES)
def test_lengths_of_every_size(size: int) -> None:
    assert blob(bytes(size)) == cbor2.dumps(bytes(size))
    assert head(0, size) == cbor2.dumps(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [b"", b"\x01" * 7, b"\x01" * 8])
def test_a_signed_envelope_is_canonical_cbor_and_read_quickly_as_slowly(
    size: int, number: bytes
) -> None:
    envelope = cose.sign1(bytes(size), b"aad", KEY, b"kid", number)
    data = cbor2.loads(envelope)
    assert cbor2.dumps(data, canonical=True) == envelope
    assert data.tag == 18
    quickly = cose._blobs(envelope)
    assert quickly == cose._signed_parts(envelope)
    opened = cose.verify1(envelope, b"aad", lambda kid: KEY.verify_key if kid == b"kid" else None)
    assert (opened.payload, opened.number, opened.kid) == (bytes(size), number, b"kid")


@given(st.binary(max_size=60), st.data())
def test_what_is_read_quickly_is_what_is_read_slowly(payload: bytes, data: st.DataObject) -> None:
    envelope = bytearray(cose.sign1(payload, b"", KEY, b"kid", b"1234567"))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(envelope) - 1))
        envelope[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(envelope)))
    for wire in (bytes(envelope), bytes(envelope[:cut]), bytes(envelope) + b"\x00"):
        quickly = cose._blobs(wire)
        if quickly is not None:
            assert quickly == cose._signed_parts(wire)


def test_an_encrypted_envelope_is_canonical_cbor() -> None:
    for size in SIZES:
        envelope = cose.encrypt0(bytes(size), b"aad", bytes(32), b"kid", bytes(12))
        assert cbor2.dumps(cbor2.loads(envelope), canonical=True) == envelope
