"""The static description of a grid: what is where, under which identifier, in which order.

Every tuple is sorted by identifier as bytes, and the pandapower network has the same order and
a consecutive index: ``model.buses[i]`` is row ``i`` of ``model.net.bus``, and so for lines,
transformers (``net.trafo``), switches, and terminals (``net.load``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fernwatt.identifiers import index_hash

__all__ = [
    "Area",
    "Bus",
    "GridModel",
    "Line",
    "Profiles",
    "RecordDevice",
    "Switch",
    "Terminal",
    "Transformer",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bus:
    """A busbar or joint; ``x``, ``y`` as the source gives them (degrees or a drawing's units)."""

    id: str
    area: str
    name: str
    vn_v: float
    x: float | None
    y: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line between two buses; ``max_i_a`` holds for all its parallel systems together."""

    id: str
    area: str
    name: str
    from_bus: str
    to_bus: str
    length_m: float
    max_i_a: float
    std_type: str


@dataclass(frozen=True, slots=True)
class Transformer:
    """A two-winding transformer; it belongs to the area of its low-voltage side."""

    id: str
    area: str
    name: str
    hv_bus: str
    lv_bus: str
    sn_va: float
    std_type: str


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch at ``bus`` towards ``element`` (``kind``: line, transformer, bus)."""

    id: str
    area: str
    name: str
    bus: str
    element: str
    kind: str
    type: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Terminal:
    """A connection point, where devices draw power and a meter counts.

    ``p_w``, ``q_var`` [W, var] are the static power of the record at this point (drawn, all its
    devices together), ``profile`` the name of the load's profile ("" for none). ``customer``
    is "" where nobody lives: an aggregated grid, a generator on a bus of its own.
    """

    id: str
    area: str
    name: str
    bus: str
    phases: tuple[int, ...]
    customer: str
    voltage_level: str
    p_w: float
    q_var: float
    profile: str


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the grid at one voltage, below one substation.

    ``transformers`` feed it (sorted; empty where an upstream grid feeds it directly),
    ``bus`` is the busbar they feed, ``parent`` the area above ("" for none).
    """

    id: str
    kind: str
    transformers: tuple[str, ...]
    bus: str
    parent: str

    @property
    def transformer(self) -> str:
        """The first feeding transformer, "" for none."""
        return self.transformers[0] if self.transformers else ""


@dataclass(frozen=True, slots=True)
class RecordDevice:
    """A device that the source brings, connected at a terminal.

    Its power at time t is ``p_w * profiles[p_profile][t]`` [W] and
    ``q_var * profiles[q_profile][t]`` [var], positive = drawn: ``p_w`` of a generator is
    negative, profiles are shares (of the same sign as in the source). A profile "" is constant 1.
    ``kind``: load, heat-pump, ev-charger, pv, wind, hydro, biomass, storage, generator.
    """

    id: str
    kind: str
    terminal: str
    p_w: float
    q_var: float
    p_profile: str
    q_profile: str


@dataclass(frozen=True, slots=True)
class Profiles:
    """A year of relative quarter-hour profiles: ``values[slot, column]`` of ``names[column]``.

    Slot 0 starts on 1 January, 00:00 UTC of ``year``.
    """

    year: int
    names: tuple[str, ...]
    values: FloatArray


@dataclass(frozen=True, slots=True)
class GridModel:
    """A sanitised grid. ``net`` is a pandapower network that nobody changes: copy it first.

    ``net.load`` row i is terminal i with its static power; there are no other loads,
    generators or storages in it. ``terminal_ids`` is the order of every array of terminals,
    ``index`` its hash, as it travels with ``power`` and ``state``.
    """

    net: Any = field(repr=False)
    buses: tuple[Bus, ...]
    lines: tuple[Line, ...]
    transformers: tuple[Transformer, ...]
    switches: tuple[Switch, ...]
    terminals: tuple[Terminal, ...]
    areas: tuple[Area, ...]
    record_devices: tuple[RecordDevice, ...]
    profiles: Profiles = field(repr=False)
    source_hash: str
    notes: tuple[str, ...]
    terminal_ids: list[str] = field(init=False, repr=False)
    transformer_ids: list[str] = field(init=False, repr=False)
    index: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what every step needs."""
        ids = [terminal.id for terminal in self.terminals]
        object.__setattr__(self, "terminal_ids", ids)
        object.__setattr__(self, "transformer_ids", [item.id for item in self.transformers])
        object.__setattr__(self, "index", index_hash(ids))

    def static_power(self) -> tuple[FloatArray, FloatArray]:
        """Return the record's static power, ``p_w[n]`` and ``q_var[n]``, drawn positive."""
        p_w = np.array([terminal.p_w for terminal in self.terminals], dtype=float)
        q_var = np.array([terminal.q_var for terminal in self.terminals], dtype=float)
        return p_w, q_var

    def describe(self) -> dict[str, Any]:
        """Return everything but the network and the profiles as JSON, for a diagram."""
        from fernwatt.gridmodel.describe import describe

        return describe(self)
