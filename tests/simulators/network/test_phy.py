"""Air times to the printed digits of the tables, and the technologies' file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from simulators.network import phy
from simulators.network.stack import Coster, frame_sizes
from simulators.network.technologies import (
    CellTechnology,
    LinkTechnology,
    MediumTechnology,
    load,
    required,
    sources,
    titles,
)


@pytest.mark.parametrize(
    ("size", "printed_ms"),
    [(13, 13.25), (33, 19.97), (63, 31.17), (113, 49.09), (213, 87.17), (269, 107.33)],
)
def test_prime_dbpsk_f(size: int, printed_ms: float) -> None:
    assert round(phy.prime_us(size, "dbpsk-f") / 1000, 2) == printed_ms


@pytest.mark.parametrize(("mode", "limit"), [("dbpsk-f", 377), ("dqpsk-f", 755), ("d8psk-f", 1133)])
def test_prime_frames_of_63_symbols(mode: str, limit: int) -> None:
    assert phy.frame_limit_bytes("prime", mode) == limit
    assert round(phy.prime_us(limit, mode) / 1000, 2) == 147.65


@pytest.mark.parametrize(
    ("mode", "kbps"),
    [
        ("dbpsk", 42.86),
        ("dqpsk", 85.71),
        ("d8psk", 128.57),
        ("dbpsk-f", 21.43),
        ("d8psk-f", 64.29),
        ("dbpsk-r", 5.36),
        ("dqpsk-r", 10.71),
    ],
)
def test_prime_rates(mode: str, kbps: float) -> None:
    symbols = 10_000
    bits = phy.PRIME_MODES[mode][0]
    size = symbols * bits // 8 - 1
    net_us = phy.prime_us(size, mode) - phy.prime_us(0, mode)
    assert 8 * size / net_us * 1000 == pytest.approx(kbps, abs=0.01)


@pytest.mark.parametrize(
    ("symbols", "mode", "size", "printed_bps"),
    [
        (12, "d8psk", 64, 21829),
        (12, "dqpsk", 37, 12620),
        (12, "dbpsk", 10, 3411),
        (20, "d8psk", 118, 32535),
        (20, "dqpsk", 73, 20128),
        (20, "dbpsk", 28, 7720),
        (32, "d8psk", 199, 42618),
        (32, "dqpsk", 127, 27199),
        (32, "dbpsk", 55, 11779),
        (40, "dqpsk", 163, 30386),
        (40, "dbpsk", 73, 13608),
        (40, "robo", 13, 2423),
        (52, "dqpsk", 217, 33870),
        (52, "dbpsk", 100, 15608),
        (52, "robo", 20, 3122),
        (56, "dqpsk", 235, 34792),
        (56, "dbpsk", 109, 16138),
        (56, "robo", 22, 3257),
        (112, "dbpsk", 235, 20225),
        (112, "robo", 54, 4647),
        (252, "robo", 133, 5592),
    ],
)
def test_g3_rates(symbols: int, mode: str, size: int, printed_bps: int) -> None:
    assert phy.g3_payload_bytes(symbols, mode) == size
    assert round(8 * size / phy.g3_us(size, mode) * 1e6) == pytest.approx(printed_bps, abs=1)


@pytest.mark.parametrize(("size", "ms"), [(20, 0.832), (60, 2.112), (127, 4.256)])
def test_oqpsk(size: int, ms: float) -> None:
    assert phy.oqpsk_us(size) / 1000 == ms


@pytest.mark.parametrize(
    ("size", "mode", "ms"),
    [
        (100, "1a", 18.56),
        (100, "2a", 9.28),
        (100, "3", 6.40),
        (100, "5", 3.52),
        (250, "1b", 42.56),
        (1280, "1a", 207.36),
    ],
)
def test_wisun(size: int, mode: str, ms: float) -> None:
    assert phy.wisun_us(size, mode) / 1000 == pytest.approx(ms, abs=1e-9)


def test_a_goose_message_on_fast_ethernet() -> None:
    assert phy.ethernet_us(193, 100e6) == pytest.approx(17.36)


@given(
    st.sampled_from(sorted(load())),
    st.integers(0, 5000),
)
def test_fragments_carry_the_message_and_fit(name: str, size: int) -> None:
    technology = load()[name]
    sizes = frame_sizes(technology, size)
    assert max(sizes) <= technology.mtu_bytes
    head = technology.frame_header_bytes
    if len(sizes) > 1:
        head += technology.fragment_header_bytes
        assert all((n - head) % technology.fragment_unit_bytes == 0 for n in sizes[:-1])
    carried = sum(n - head for n in sizes)
    assert carried == size + technology.message_header_bytes
    if isinstance(technology, CellTechnology):
        return  # its air time depends on what else is sent
    if isinstance(technology, LinkTechnology):
        air = technology.air_us(True)
    else:
        assert isinstance(technology, MediumTechnology)
        air = technology.air_us()
    cost = Coster(technology, air)[size]
    assert cost.wire_bytes == sum(sizes)
    assert cost.air_us == sum(air(n) for n in sizes) > 0


def test_every_value_has_evidence_and_a_source_and_none_is_missing() -> None:
    loaded = load()
    assert len(loaded) == 22
    for name, parameters in sources().items():
        kind = titles()[name].kind
        assert set(required(kind)) <= set(parameters)
        for key, item in parameters.items():
            assert item.evidence in ("read", "derived", "standard", "assumed"), (name, key)
            assert len(item.source) > 5, (name, key)
            assert getattr(loaded[name], key) == item.value


def test_the_packaged_values_pass_their_own_check() -> None:
    for name in load():
        load({name: {}})


def test_a_scenario_overrides_any_value() -> None:
    changed = load(
        {"core-5g": {"core_median_us": 300}, "plc-g3": {"mode": "robo", "mtu_bytes": 133}}
    )
    core = changed["core-5g"]
    assert isinstance(core, LinkTechnology)
    assert core.core_median_us == 300
    assert changed["plc-g3"].mode == "robo"
    assert changed["lte"] == load()["lte"]


@pytest.mark.parametrize(
    ("overrides", "path", "text"),
    [
        ({"plc-prim": {}}, "network.technologies.plc-prim", "did you mean plc-prime?"),
        ({"lte": {"rate_up": 5}}, "network.technologies.lte.rate_up", "did you mean rate_up_bps?"),
        ({"lte": {"rate_up_bps": 0}}, "network.technologies.lte.rate_up_bps", "above 0"),
        ({"lte": {"rate_down_bps": -1}}, "network.technologies.lte.rate_down_bps", "above 0"),
        ({"lte": {"retries": "3"}}, "network.technologies.lte.retries", "of type int"),
        ({"lte": {"retries": True}}, "network.technologies.lte.retries", "of type int"),
        ({"lte": {"retries": -1}}, "network.technologies.lte.retries", "negative"),
        ({"lte": {"error": float("nan")}}, "network.technologies.lte.error", "negative"),
        ({"lte": {"mtu_bytes": 20}}, "network.technologies.lte.mtu_bytes", "no room"),
        ({"plc-prime": {"mtu_bytes": 400}}, "network.technologies.plc-prime.mtu_bytes", "most 377"),
        ({"plc-prime": {"mode": "dbspk-f"}}, "network.technologies.plc-prime.mode", "dbpsk-f"),
        ({"zigbee-han": {"error": 1.5}}, "network.technologies.zigbee-han.error", "probability"),
        ({"zigbee-han": {"min_be": 9}}, "network.technologies.zigbee-han.max_be", "below min_be"),
        ({"zigbee-han": {"phy": "ethernet"}}, "network.technologies.zigbee-han.phy", "oqpsk"),
        ({"gprs": {"slots_up": 0}}, "network.technologies.gprs.slots_up", "at least 1"),
    ],
)
def test_what_is_impossible_is_refused(overrides: dict, path: str, text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(overrides)
    fault = next(fault for fault in caught.value.faults if fault.path == path)
    assert text in str(fault)
