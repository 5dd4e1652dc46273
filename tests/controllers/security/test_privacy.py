"""Sums that nobody on the way can read, exact whoever drops out."""

from __future__ import annotations

from hashlib import shake_256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.security.elgamal import PrivateSum, PublicSum, add
from controllers.security.errors import RefusedError
from controllers.security.keys import Keys
from controllers.security.masking import MODULUS, Masker, unmask

SECRET = bytes(32)


def members(count: int) -> list[Masker]:
    keys = {f"meter/lv1/load-{n}": Keys(f"meter/lv1/load-{n}", SECRET) for n in range(count)}
    return [
        Masker(
            name,
            {
                other: own.shared(its.public_agreement(), "masks")
                for other, its in keys.items()
                if other != name
            },
        )
        for name, own in keys.items()
    ]


MEMBERS = members(12)
values = st.integers(-(10**9), 10**9)


@given(st.lists(values, min_size=12, max_size=12), st.sets(st.integers(0, 11), max_size=10))
def test_the_sum_is_exact_whoever_drops_out(readings: list[int], gone: set[int]) -> None:
    group = [member.name for member in MEMBERS]
    masked = {n: MEMBERS[n].mask(readings[n], group, "slot 1") for n in range(12) if n not in gone}
    missing = [group[n] for n in gone]
    disclosed = [MEMBERS[n].disclose(missing, "slot 1") for n in masked]
    assert unmask(masked.values(), disclosed) == sum(readings[n] for n in masked)


def test_what_one_hands_on_tells_nothing_of_its_value() -> None:
    group = [member.name for member in MEMBERS]
    one = MEMBERS[0]
    shares = [one.mask(0, group, f"slot {n}") for n in range(4000)]
    assert len(set(shares)) == 4000
    # eight equal parts of the range, each hit 500 times in the mean: chi squared, 7 degrees of
    # freedom, above 24.3 once in a thousand
    parts = [sum(share * 8 // MODULUS == part for share in shares) for part in range(8)]
    assert sum((part - 500) ** 2 / 500 for part in parts) < 24.3
    assert one.mask(7, group, "slot") - one.mask(0, group, "slot") == 7  # never a round twice!


def test_a_value_too_large_to_be_told_from_a_negative_one_is_refused() -> None:
    with pytest.raises(RefusedError):
        MEMBERS[0].mask(1 << 62, [], "slot")


def randomness() -> object:
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return shake_256(count.to_bytes(8, "big")).digest(size)

    return draw


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-(10**5), 10**6), min_size=1, max_size=6))
def test_encrypted_values_add_up(readings: list[int]) -> None:
    private, draw = PrivateSum(b"k" * 64, 10**8), randomness()
    total = private.public.encrypt(readings[0], draw)  # type: ignore[arg-type]
    for reading in readings[1:]:
        total = add(total, private.public.encrypt(reading, draw))  # type: ignore[arg-type]
    again = private.public.refresh(total, draw)  # type: ignore[arg-type]
    assert again != total
    assert private.decrypt(total) == private.decrypt(again) == sum(readings)


def test_large_negative_and_zero_sums_are_found_and_larger_ones_refused() -> None:
    private, draw = PrivateSum(bytes(range(64)), 1 << 26), randomness()
    encrypt = private.public.encrypt
    for value in (0, 1, -1, 4095, 4096, -4096, 16_777_216, 1 << 26, -(1 << 26), 40_000_000):
        assert private.decrypt(encrypt(value, draw)) == value  # type: ignore[arg-type]
    with pytest.raises(RefusedError):
        private.decrypt(encrypt((1 << 26) + 1, draw))  # type: ignore[arg-type]
    with pytest.raises(RefusedError):
        private.decrypt(encrypt(1 << 40, draw))  # type: ignore[arg-type]


def test_the_same_value_never_looks_the_same_and_another_key_does_not_read_it() -> None:
    private, draw = PrivateSum(bytes(range(64)), 10**6), randomness()
    first, second = (private.public.encrypt(5, draw) for _ in range(2))  # type: ignore[arg-type]
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]
    with pytest.raises(RefusedError):
        PrivateSum(b"k" * 64, 10**4).decrypt(first)


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),  # of small order
        bytes([1]) + bytes(31),  # neutral
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        b"\xff" * 32,  # not canonical
        b"",
    ],
)
def test_points_outside_the_group_are_refused(point: bytes) -> None:
    private, draw = PrivateSum(bytes(range(64)), 10**4), randomness()
    good = private.public.encrypt(5, draw)  # type: ignore[arg-type]
    for bad in (point + good[32:], good[:32] + point):
        with pytest.raises(RefusedError):
            add(good, bad)
        with pytest.raises(RefusedError):
            private.decrypt(bad)
    with pytest.raises(RefusedError):
        PublicSum(point)
