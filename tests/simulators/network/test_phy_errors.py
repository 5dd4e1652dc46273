"""Bit and packet errors against published values, closed forms and drawn noise."""

from __future__ import annotations

from math import cos, erfc, exp, inf, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.network import phy
from simulators.network.phy import PacketErrors, bit_error, least_snr_db, packet_error
from simulators.network.phy.coding import block_error, decoded, spectrum
from simulators.network.phy.errors import dpsk, fsk, qam


@pytest.mark.parametrize(
    ("snr_db", "printed"),
    [(5, "7.386e-14"), (2, "5.131e-07"), (-1, "1.149e-03"), (-4, "3.916e-02"), (-7, "1.752e-01")],
)
def test_oqpsk_bit_errors_as_printed(snr_db: float, printed: str) -> None:
    assert f"{bit_error('oqpsk', '', snr_db):.3e}" == printed


@pytest.mark.parametrize(
    ("snr_db", "ns3", "tolerance"),
    [
        (5, 7.38e-14, 1e-15),
        (2, 5.13e-7, 1e-9),
        (-1, 0.00114, 1e-5),
        (-4, 0.0391, 1e-4),
        (-7, 0.175, 1e-3),
    ],
)
def test_oqpsk_bit_errors_as_ns3_tests_its_own(snr_db: float, ns3: float, tolerance: float) -> None:
    assert bit_error("oqpsk", "", snr_db) == pytest.approx(ns3, abs=tolerance)


@pytest.mark.parametrize(
    ("eb_n0_db", "printed", "of_100_bytes"),
    [(10, "3.369e-03", None), (12, "1.809e-04", 0.1347), (14, "1.756e-06", 0.0014)],
)
def test_fsk_bit_and_packet_errors(
    eb_n0_db: float, printed: str, of_100_bytes: float | None
) -> None:
    assert f"{fsk(10 ** (eb_n0_db / 10)):.3e}" == printed
    if of_100_bytes is not None:
        snr_db = eb_n0_db + 10 * np.log10(100e3 / 200e3)  # the same energy over twice the noise
        loss = packet_error("wisun", "2a", snr_db, 100, 200e3)
        assert round(loss, 4) == of_100_bytes


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("snr_db", [3.0, 8.0])
def test_dpsk_errors_as_drawn_noise_has_them(bits: int, snr_db: float) -> None:
    rng, count, points = np.random.default_rng(7), 400_000, 1 << bits
    snr = 10 ** (snr_db / 10)
    steps = rng.integers(0, points, count)
    sent = np.exp(2j * pi / points * np.cumsum(steps))
    received = sent + rng.normal(scale=sqrt(0.5 / snr), size=(count, 2)) @ np.array([1, 1j])
    turned = np.angle(received[1:] * received[:-1].conj())
    decided = np.round(turned / (2 * pi / points)).astype(int) % points
    gray = np.arange(points) ^ (np.arange(points) >> 1)
    wrong = gray[steps[1:]] ^ gray[decided]
    drawn = np.array([int(it).bit_count() for it in range(points)])[wrong].mean() / bits
    assert dpsk(snr, bits) == pytest.approx(drawn, abs=5 * sqrt(drawn / count / bits))


def test_dpsk_has_its_closed_form_and_the_limits_of_high_ratio() -> None:
    assert dpsk(10.0, 1) == pytest.approx(0.5 * exp(-10.0))
    for bits in (2, 3):  # symbol errors of M-DPSK at high ratio (Proakis 5.2.8)
        points, snr = 1 << bits, 10 ** (18 / 10)
        symbol = sqrt((1 + cos(pi / points)) / (2 * cos(pi / points))) * erfc(
            sqrt(snr * (1 - cos(pi / points)))
        )
        assert bits * dpsk(snr, bits) == pytest.approx(symbol, rel=0.05)


def test_qam_errors_are_the_textbooks() -> None:
    assert qam(10 ** (9.6 / 10), 1) == pytest.approx(1e-5, rel=0.05)  # BPSK at 9.6 dB
    assert qam(2 * 10 ** (9.6 / 10), 2) == pytest.approx(1e-5, rel=0.05)  # QPSK: the same per bit
    assert qam(4 * 10 ** (13.4 / 10), 4) == pytest.approx(1e-5, rel=0.15)  # 16-QAM at 13.4 dB


@pytest.mark.parametrize(
    ("rate", "period", "first"),
    [
        ("1/2", 1, [(10, 36), (12, 211), (14, 1404), (16, 11633), (18, 77433)]),
        ("2/3", 2, [(6, 3), (7, 70), (8, 285), (9, 1276), (10, 6160)]),
        ("3/4", 3, [(5, 42), (6, 201), (7, 1492), (8, 10469), (9, 62935)]),
    ],
)
def test_the_code_has_its_published_weights(
    rate: str, period: int, first: list[tuple[int, int]]
) -> None:
    """Frenger, Orten, Ottosson 1999: the sums of bit weights for each free distance and more."""
    found = [(weight, round(bits * period)) for weight, bits in spectrum(rate)]
    assert found[: len(first)] == first


def test_viterbi_decoding_gains_what_is_printed_of_it() -> None:
    """Hard decisions: 3 to 3.5 dB at 1e-5 for BPSK; with soft ones 5.1 (Heller and Jacobs)."""
    uncoded_db = 9.6
    at_db = next(x / 100 for x in range(400, 960) if decoded(qam(10 ** (x / 1000) / 2, 1)) < 1e-5)
    assert 2.9 < uncoded_db - at_db < 3.6


def test_reed_solomon_blocks() -> None:
    assert block_error(0.0, 255, 8) == 0.0
    octet = 1 - (1 - 0.002) ** 8
    none = (1 - octet) ** 20
    one = 20 * octet * (1 - octet) ** 19
    assert block_error(0.002, 20, 1) == pytest.approx(1 - none - one, rel=1e-9)
    assert block_error(0.4, 255, 8) == pytest.approx(1.0)
    assert 0 < block_error(1e-5, 255, 8) < 1e-15


PHYS = [(name, mode) for name in ("prime", "g3", "oqpsk", "wisun", "wifi")
        for mode in phy.modes()[name] or ("",)]  # fmt: skip


@given(st.sampled_from(PHYS), st.floats(-20, 40), st.floats(0.1, 10), st.integers(10, 120))
def test_more_signal_and_fewer_bytes_never_lose_more(
    of: tuple[str, str], snr_db: float, more_db: float, size: int
) -> None:
    loss = packet_error(*of, snr_db, size, 200e3)
    assert 0.0 <= loss <= 1.0
    assert packet_error(*of, snr_db + more_db, size, 200e3) <= loss + 1e-12
    assert packet_error(*of, snr_db, size // 2, 200e3) <= loss + 1e-12


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (("prime", "d8psk"), ("prime", "dqpsk")),
        (("prime", "dqpsk"), ("prime", "dbpsk")),
        (("prime", "dbpsk"), ("prime", "dbpsk-f")),
        (("prime", "dbpsk-f"), ("prime", "dqpsk-r")),
        (("prime", "dqpsk-r"), ("prime", "dbpsk-r")),
        (("g3", "d8psk"), ("g3", "dqpsk")),
        (("g3", "dbpsk"), ("g3", "robo")),
        (("wifi", "54"), ("wifi", "6")),
    ],
)
def test_slower_modes_reach_further(weaker: tuple[str, str], stronger: tuple[str, str]) -> None:
    needs = [least_snr_db(PacketErrors(*of), 100, 0.1) for of in (weaker, stronger)]
    assert needs[0] > needs[1] + 1.0


def test_what_is_remembered_is_within_a_fortieth_of_a_decibel() -> None:
    errors = PacketErrors("oqpsk", "")
    for snr_db in np.linspace(-2, 3, 37):
        low, high = (packet_error("oqpsk", "", snr_db + by, 100) for by in (0.026, -0.026))
        assert low <= errors(float(snr_db), 100) <= high
    assert errors(-inf, 100) == packet_error("oqpsk", "", -inf, 100) == 1.0
    assert errors(inf, 100) == 0.0


def test_one_percent_of_twenty_bytes_defines_sensitivity() -> None:
    """ns-3's default receiver: -106.58 dBm; IEEE 802.15.4 asks for -85 of any."""
    need_db = least_snr_db(PacketErrors("oqpsk", ""), 20, 0.01)
    assert (
        packet_error("oqpsk", "", need_db, 20)
        <= 0.01
        < packet_error("oqpsk", "", need_db - 0.05, 20)
    )
    assert -174 + 10 * np.log10(2e6) + need_db < -106.58
