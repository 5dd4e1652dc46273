"""Envelopes against published examples, and against every single changed bit."""

from __future__ import annotations

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey, VerifyKey

from controllers.security import cose
from controllers.security.errors import Refusal, RefusedError

# RFC 8032, 7.1, tests 1 and 2: secret, public, message, signature
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e"
            "39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f"
            "3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
]
# COSE working group's examples: aes-gcm-enc-03 (its encryption is the same as in Encrypt0 but for
# the context string), eddsa-sig-01
EDDSA_SIG_01 = bytes.fromhex(
    "D28445A201270300A10442313154546869732069732074686520636F6E74656E742E58407142FD2FF96D56DB85BEE9"
    "05A76BA1D0B7321A95C8C4D3607C5781932B7AFB8711497DFA751BF40B58B3BCC32300B1487F3DB34085EEF013BF08"
    "F4A44D6FEF0D"
)
AES_GCM_ENC_03 = bytes.fromhex(
    "D08343A10103A1054C02D1F7E6F26C43D4868D87CE58249D64A5A59A3B04867DCCF6B8EF82F7D1A3B25EF8C6558CA3"
    "10D588EE6906E3F30193E1FC"
)
CEK = bytes.fromhex("0F1E2D3C4B5A69788796A5B4C3D2E1F01F2E3D4C5B6A798897A6B5C4D3E2F100")
KEY = SigningKey(bytes.fromhex(RFC8032[0][0]))
CONTENT = b"This is the content."


def known(kid: bytes) -> VerifyKey | None:
    return KEY.verify_key if kid == b"11" else None


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC8032)
def test_signatures_are_those_of_rfc_8032(
    secret: str, public: str, message: str, signature: str
) -> None:
    key = SigningKey(bytes.fromhex(secret))
    assert bytes(key.verify_key).hex() == public
    assert key.sign(bytes.fromhex(message)).signature.hex() == signature


def test_the_published_signature_is_over_what_we_sign() -> None:
    # its protected header also names a content type, which fernwatt does not use
    tag = cbor2.loads(EDDSA_SIG_01)
    protected, unprotected, payload, signature = tag.value
    assert (tag.tag, unprotected, payload) == (18, {4: b"11"}, CONTENT)
    KEY.verify_key.verify(cose._to_sign(protected, b"", payload), signature)
    with pytest.raises(RefusedError) as refused:
        cose.verify1(EDDSA_SIG_01, b"", known)
    assert refused.value.why is Refusal.MALFORMED


def test_our_envelope_differs_from_the_published_one_by_the_content_type_alone() -> None:
    ours = cbor2.loads(cose.sign1(CONTENT, b"", KEY, b"11"))
    theirs = cbor2.loads(EDDSA_SIG_01)
    assert ours.tag == theirs.tag
    assert ours.value[1:3] == theirs.value[1:3]
    assert cbor2.loads(ours.value[0]) == {1: -8}


def test_encryption_is_that_of_the_published_example() -> None:
    nonce = bytes.fromhex("02D1F7E6F26C43D4868D87CE")
    sealed = cbor2.loads(AES_GCM_ENC_03).value[2]
    aad = bytes.fromhex("8368456E63727970743143A1010340")  # ["Encrypt", protected, ""]
    assert AESGCM(CEK).decrypt(nonce, sealed, aad) == CONTENT
    ours = cbor2.loads(cose.encrypt0(CONTENT, b"", CEK, b"11", nonce))
    assert cbor2.loads(ours.value[0]) == {1: 3}
    assert ours.value[1] == {4: b"11", 5: nonce}


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=7))
def test_what_was_signed_comes_out(payload: bytes, aad: bytes, number: bytes) -> None:
    envelope = cose.sign1(payload, aad, KEY, b"11", number)
    assert cose.verify1(envelope, aad, known) == cose.Opened(b"11", number, payload)
    with pytest.raises(RefusedError):
        cose.verify1(envelope, aad + b"x", known)


def test_a_signature_costs_eighty_to_ninety_bytes() -> None:
    assert len(cose.sign1(bytes(100), b"", KEY, bytes(8))) - 100 == 85
    assert len(cose.encrypt0(bytes(100), b"", CEK, bytes(8), bytes(12))) - 100 == 49


@pytest.mark.parametrize("kind", ["signed", "encrypted"])
def test_no_changed_bit_and_no_cut_or_longer_envelope_passes(kind: str) -> None:
    if kind == "signed":
        good = cose.sign1(CONTENT, b"aad", KEY, b"11", b"n")

        def take(envelope: bytes) -> cose.Opened:
            return cose.verify1(envelope, b"aad", lambda _: KEY.verify_key)
    else:
        good = cose.encrypt0(CONTENT, b"aad", CEK, b"11", bytes(12))

        def take(envelope: bytes) -> cose.Opened:
            return cose.decrypt0(envelope, b"aad", lambda _: CEK)

    assert take(good).payload == CONTENT
    kid = good.index(b"11")  # unprotected: it only says which key to try
    for bit in range(8 * len(good)):
        if kid <= bit // 8 < kid + 2:
            continue
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RefusedError):
            take(bytes(bad))
    for end in range(len(good)):
        with pytest.raises(RefusedError):
            take(good[:end])
    with pytest.raises(RefusedError):
        take(good + b"\0")


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_never_raises_otherwise(garbage: bytes) -> None:
    for take in (
        lambda: cose.verify1(garbage, b"", known),
        lambda: cose.decrypt0(garbage, b"", lambda _: CEK),
    ):
        with pytest.raises(RefusedError):
            take()


def test_another_algorithm_or_an_unknown_key_is_refused() -> None:
    good = cbor2.loads(cose.sign1(CONTENT, b"", KEY, b"11"))
    for header in ({1: -7}, {1: None}, {}, {1: -8, 3: 0}, {1: -8.0}):
        parts = [cbor2.dumps(header, canonical=True), *good.value[1:]]
        with pytest.raises(RefusedError):
            cose.verify1(cbor2.dumps(cbor2.CBORTag(18, parts), canonical=True), b"", known)
    with pytest.raises(RefusedError) as refused:
        cose.verify1(cose.sign1(CONTENT, b"", KEY, b"12"), b"", known)
    assert refused.value.why is Refusal.UNKNOWN_KEY
