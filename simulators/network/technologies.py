"""Parameter sets of the technologies: loaded from ``technologies.yaml``, overridden, checked.

A technology is of the kind ``medium`` (many stations in one collision domain), ``link`` (two
ends, both directions at once) or ``cell`` (a base station and its subscribers). What a scenario
overrides is checked like the file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from fernwatt.errors import Fault, ScenarioError
from simulators.network import phy
from simulators.network.air_technology import AirTechnology, air_rules
from simulators.network.cell_technology import CELL_PHYS, CellTechnology, cell_rules
from simulators.network.technology import Technology

__all__ = [
    "CellTechnology",
    "LinkTechnology",
    "MediumTechnology",
    "Parameter",
    "Technology",
    "Title",
    "load",
    "nearest",
    "sources",
    "titles",
]

GROWTH = ("busy", "retry", "both")
MACS = ("csma", "dcf", "g3", "prime", "polled")
_PATH = "network.technologies"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumTechnology(AirTechnology):
    """One collision domain with CSMA/CA; the backoff is uniform over 2^BE units.

    BE starts at ``min_be`` plus ``be_per_priority`` times the frame's priority, and grows when
    the medium was found busy, when a transmission failed, or both (``be_growth``).
    ``turnaround_us`` is the time between sensing and being heard: the vulnerable window.
    ``mac`` is the access: CSMA/CA, Wi-Fi's (``dcf``), that of G3-PLC (``high_slots`` for the
    first ``high_classes`` priorities, ``segments`` of a message at once; see ``g3``), of PRIME
    (``frame_symbols`` of ``unit_backoff_us``, ``beacon_us`` for each beacon, ``cfp_us`` free of
    contention for the base node, ``senses`` of the highest class and one more for each below),
    or polling by the root (``poll_bytes`` and ``response_bytes`` of a turn with nothing to carry,
    each frame sent ``hops`` times).
    With ``adaptive`` 1 stations on an air with levels choose the mode by link, ``mode`` is for
    what goes to all (see ``adaptation``). What begins with ``mesh_`` is for routing over several
    hops; see ``mesh``.
    """

    mac: str = "csma"
    adaptive: int = 0
    unit_backoff_us: int
    min_be: int
    max_be: int
    max_backoffs: int
    be_per_priority: int = 0
    be_growth: str = "busy"
    cca_us: int
    turnaround_us: int
    ack_gap_us: int = 0
    ack_us: int = 0
    ack_timeout_us: int = 0
    ifs_us: int = 0
    high_classes: int = 2
    high_slots: int = 7
    fairness_limit: int = 25
    fairness_step: int = 5
    window_decrease: int = 8
    least_window_attempts: int = 10
    segments: int = 2
    frame_symbols: int = 0
    beacon_us: int = 0
    cfp_us: int = 0
    senses: int = 1
    poll_bytes: int = 0
    response_bytes: int = 0
    hops: int = 1
    mesh_dio_min_ms: int = 0
    mesh_dio_doublings: int = 0
    mesh_dio_redundancy: int = 0
    mesh_solicit_ms: int = 0
    mesh_renew_ms: int = 0
    mesh_settle_ms: int = 0
    mesh_dao_delay_ms: int = 0
    mesh_dao_timeout_ms: int = 0
    mesh_lifetime_ms: int = 0
    mesh_probe_ms: int = 0
    mesh_neighbours: int = 0
    mesh_route_bytes: int = 0
    mesh_flood_ms: int = 0
    mesh_flood_redundancy: int = 0
    mesh_hop_bytes: int = 0

    def contention_us(self, beacons: int = 5) -> int:
        """Return the shared-contention period of a PRIME frame with so many beacon slots [µs]."""
        return self.frame_symbols * self.unit_backoff_us - beacons * self.beacon_us - self.cfp_us

    def air_us(self) -> Callable[[int], int]:
        """Return the function from the bytes of a frame to its air time [µs]."""
        mode = self.mode
        functions: dict[str, Callable[[int], float]] = {
            "prime": lambda size: phy.prime_us(size, mode),
            "g3": lambda size: phy.g3_us(size, mode),
            "oqpsk": phy.oqpsk_us,
            "wisun": lambda size: phy.wisun_us(size, mode),
            "wifi": lambda size: phy.wifi_us(size, mode),
        }
        return phy.rounded(functions[self.phy])


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTechnology(Technology):
    """Two ends, each with a transmitter of its own; ``up`` is from end a to end b.

    ``retry_us`` passes between a failed transmission and its repetition. A mobile core, or the
    way to a cloud, adds a lognormal delay, median ``core_median_us``.
    """

    rate_up_bps: float = 0.0
    rate_down_bps: float = 0.0
    retry_us: int = 0
    length_km: float = 0.0
    core_median_us: int = 0
    core_sigma: float = 0.0

    def air_us(self, up: bool) -> Callable[[int], int]:
        """Return the function from the bytes of a frame to its air time [µs]."""
        rate = self.rate_up_bps if up else self.rate_down_bps
        functions: dict[str, Callable[[int], float]] = {
            "ethernet": lambda size: phy.ethernet_us(size, rate),
            "serial": lambda size: phy.serial_us(size, rate),
        }
        return phy.rounded(functions[self.phy])

    @property
    def propagation_us(self) -> int:
        """Return the propagation delay [µs], 5 µs per kilometre."""
        return int(5.0 * self.length_km + 0.5)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value with what it rests on."""

    value: int | float | str
    evidence: str
    source: str


@dataclass(frozen=True, slots=True)
class Title:
    """What a technology is: its kind, its title, what it is typically used for."""

    kind: str
    title: str
    use: str


_KINDS: Mapping[str, type[Technology]] = MappingProxyType(
    {"medium": MediumTechnology, "link": LinkTechnology, "cell": CellTechnology}
)
_PHYS = {
    "medium": ("prime", "g3", "oqpsk", "wisun", "wifi"),
    "link": ("ethernet", "serial"),
    "cell": CELL_PHYS,
}
_TYPES = {"int": int, "float": float, "str": str}


def nearest(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """Return a hint that names the nearest valid name, or all of them."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(names))}"


@lru_cache(maxsize=1)
def _document() -> Mapping[str, Any]:
    text = files("simulators.network").joinpath("technologies.yaml").read_text(encoding="utf-8")
    document: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text)
    return MappingProxyType(document)


@lru_cache(maxsize=1)
def sources() -> Mapping[str, Mapping[str, Parameter]]:
    """Return every parameter of every technology with its evidence and source."""
    return MappingProxyType(
        {
            name: MappingProxyType(
                {key: Parameter(*entry) for key, entry in item["parameters"].items()}
            )
            for name, item in _document().items()
        }
    )


def titles() -> Mapping[str, Title]:
    """Return kind, title and typical use of every technology."""
    return {
        name: Title(item["kind"], item["title"], item["use"]) for name, item in _document().items()
    }


@lru_cache(maxsize=1)
def _packaged() -> Mapping[str, Technology]:
    document = _document()
    return MappingProxyType(
        {
            name: _KINDS[document[name]["kind"]](
                name=name,
                title=document[name]["title"],
                **{key: parameter.value for key, parameter in parameters.items()},  # type: ignore[arg-type]
            )
            for name, parameters in sources().items()
        }
    )


def load(overrides: Mapping[str, Any] | None = None, path: str = _PATH) -> dict[str, Technology]:
    """Return all technologies by name, those in ``overrides`` changed.

    Raises ScenarioError with every fault: an unknown technology or parameter (and the nearest
    valid one), a value of the wrong type, an impossible parameter.
    """
    loaded = dict(_packaged())
    faults: list[Fault] = []
    for name, changes in sorted((overrides or {}).items()):
        if name not in loaded:
            faults.append(Fault(f"{path}.{name}", "unknown technology", nearest(name, loaded)))
        elif not isinstance(changes, Mapping):
            faults.append(Fault(f"{path}.{name}", "must be a mapping of parameters to values"))
        else:
            loaded[name] = _changed(loaded[name], changes, f"{path}.{name}", faults)
    for name in sorted(overrides or {}):
        if name in loaded:
            faults += _faults(loaded[name], f"{path}.{name}")
    if faults:
        raise ScenarioError(faults)
    return loaded


def _changed(
    technology: Technology, changes: Mapping[str, Any], path: str, faults: list[Fault]
) -> Technology:
    known = {
        f.name: _TYPES[str(f.type)] for f in fields(technology) if f.name not in ("name", "title")
    }
    values: dict[str, Any] = {}
    for key, value in sorted(changes.items()):
        wanted = known.get(key)
        if wanted is None:
            hint = nearest(key, known)
            faults.append(Fault(f"{path}.{key}", f"{technology.name} has no such parameter", hint))
        elif wanted is str and isinstance(value, str | int) and not isinstance(value, bool):
            values[key] = str(value)
        elif wanted is float and type(value) in (int, float):
            values[key] = float(value)
        elif wanted is int and (
            type(value) is int or (type(value) is float and value.is_integer())
        ):
            values[key] = int(value)
        else:
            message = f"must be of type {wanted.__name__}, is {value!r}"
            faults.append(Fault(f"{path}.{key}", message))
    return replace(technology, **values)


def _faults(technology: Technology, path: str) -> list[Fault]:
    """Return what is impossible in a technology."""
    faults = [
        Fault(f"{path}.{key}", message, hint)
        for key, bad, message, hint in _rules(technology)
        if bad
    ]
    for field in fields(technology):
        value = getattr(technology, field.name)
        least = -200 if field.name.endswith(("_db", "_dbm")) else 0
        if isinstance(value, int | float) and not least <= value < float("inf"):
            faults.append(Fault(f"{path}.{field.name}", f"must not be negative, is {value}"))
    return faults or _frame_faults(technology, path)


def _rules(technology: Technology) -> list[tuple[str, bool, str, str]]:
    kind = next(name for name, cls in _KINDS.items() if isinstance(technology, cls))
    phys = _PHYS[kind]
    modes = phy.modes().get(technology.phy, ())
    rules = [
        (
            "phy",
            technology.phy not in phys,
            f"no physical layer of a {kind}",
            f"one of {', '.join(phys)}",
        ),
        (
            "mode",
            bool(modes) and technology.mode not in modes,
            f"unknown mode {technology.mode!r}",
            nearest(technology.mode, list(modes)),
        ),
        ("queue_frames", technology.queue_frames < 1, "must be at least 1", ""),
        ("fragment_unit_bytes", technology.fragment_unit_bytes < 1, "must be at least 1", ""),
        ("good_ms", technology.bad_ms > 0 >= technology.good_ms, "must be > 0 with bad_ms", ""),
        *(
            (key, getattr(technology, key) > 1, "is a probability: 0 to 1", "")
            for key in ("error", "error_bad", "ber")
        ),
    ]
    if isinstance(technology, MediumTechnology):
        rules += _medium_rules(technology)
    if isinstance(technology, LinkTechnology):
        rules += _link_rules(technology)
    if isinstance(technology, CellTechnology):
        rules += cell_rules(technology)
    return rules


def _medium_rules(technology: MediumTechnology) -> list[tuple[str, bool, str, str]]:
    unknown = technology.be_growth not in GROWTH
    mac = technology.mac
    return [
        ("mac", mac not in MACS, f"unknown access {mac!r}", nearest(mac, list(MACS))),
        ("adaptive", technology.adaptive > 1, "is 0 or 1", ""),
        ("senses", technology.senses < 1, "must be at least 1", ""),
        ("fairness_step", technology.fairness_step < 1, "must be at least 1", ""),
        ("high_slots", technology.high_slots < 1, "must be at least 1", ""),
        ("hops", technology.hops < 1, "must be at least 1", ""),
        ("be_growth", unknown, "unknown growth", f"one of {', '.join(GROWTH)}"),
        ("unit_backoff_us", technology.unit_backoff_us < 1, "must be at least 1", ""),
        ("max_be", technology.max_be < technology.min_be, "is below min_be", ""),
        ("max_be", technology.max_be > 20, "is more than 20", "2^20 units are waited at most"),
        *air_rules(technology),
    ]


def _link_rules(technology: LinkTechnology) -> list[tuple[str, bool, str, str]]:
    return [
        (key, getattr(technology, key) <= 0, "the rate must be above 0", "bit/s")
        for key in ("rate_up_bps", "rate_down_bps")
    ]


def _frame_faults(technology: Technology, path: str) -> list[Fault]:
    """Return what is wrong with the size of frames (needs a known physical layer)."""
    least = (
        technology.frame_header_bytes
        + technology.fragment_header_bytes
        + technology.fragment_unit_bytes
    )
    limit = phy.frame_limit_bytes(technology.phy, technology.mode)
    if isinstance(technology, MediumTechnology) and technology.adaptive:
        modes = phy.modes()[technology.phy] or ("",)
        limits = [phy.frame_limit_bytes(technology.phy, mode) for mode in modes]
        limit = max((it for it in limits if it is not None), default=None)
    key = f"{path}.mtu_bytes"
    if isinstance(technology, MediumTechnology) and technology.mac == "prime":
        room_us = technology.contention_us()
        own = phy.frame_limit_bytes(technology.phy, technology.mode) or technology.mtu_bytes
        largest_us = technology.air_us()(min(own, technology.mtu_bytes))
        need_us = largest_us + 10 * technology.cca_us
        if room_us < need_us + technology.ack_gap_us + technology.ack_us:
            message = f"leaves {room_us} µs of contention period, too little for a frame"
            return [Fault(f"{path}.frame_symbols", message, "276, 552, 828 or 1104")]
    if technology.mtu_bytes < least:
        message = f"{technology.mtu_bytes} leaves no room beside the headers"
        return [Fault(key, message, f"at least {least}")]
    if limit is not None and technology.mtu_bytes > limit:
        message = f"{technology.mtu_bytes} is more than a frame of {technology.phy} carries"
        return [Fault(key, message, f"at most {limit} in mode {technology.mode or 'standard'}")]
    return []


def required(kind: str) -> list[str]:
    """Return the parameters that every technology of a kind must state."""
    return [
        f.name
        for f in fields(_KINDS[kind])
        if f.default is MISSING and f.name not in ("name", "title")
    ]
