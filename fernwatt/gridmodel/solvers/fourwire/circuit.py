"""The OpenDSS circuit of a grid: text once at the start, numbers in place from then on.

Bus ``i`` of the model is ``b<i>``, line ``i`` ``line.l<i>``, transformer ``i``
``transformer.t<i>``, bus-bus switch ``i`` ``line.s<i>``. Nodes 1, 2, 3 are the phases; node 4,
up to 1 kV, is the neutral.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.linetypes import ComplexArray, LineConductors, line_conductors
from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers.fourwire.contexts import context_for
from fernwatt.gridmodel.solvers.fourwire.stars import star_points
from fernwatt.gridmodel.solvers.fourwire.transformers import TransformerParts, transformer_parts

__all__ = ["Circuit", "check_model"]

_SWITCH_OHM = {True: 1e-6, False: 1e-5}
_SOURCE_VA = 1e15  # as the record's upstream grid; see build
_BLEEDER_S = {True: 1e-10, False: 1e-11}  # holds what nothing else would, by low voltage or not
_LIMITS = "vminpu=0.5 vlowpu=0.5 vmaxpu=3"  # below, no constant power has a stable solution
_LEAST_NF = 1e-3
_BLOCKED_OHM = 1e10


class Circuit:
    """A circuit in an OpenDSS context of its own, so that several live in one process.

    ``load_terminal``, ``load_column``: which terminal, and which of its three conductors, each
    load is (column -1: all three at once, between the phases of medium voltage).
    """

    def __init__(self, model: GridModel, earthing: Earthing) -> None:
        check_model(model)
        self.model, self.earthing = model, earthing
        net = model.net
        self.vn_v = net.bus["vn_kv"].to_numpy(float) * 1e3
        self.low = self.vn_v <= 1000.0
        self.f_hz = float(net.f_hz)
        self.lines: LineConductors = line_conductors(model)
        self._stars = star_points(model, self.lines, earthing)
        self.trafo: TransformerParts = transformer_parts(model)
        terminal_bus = net.load["bus"].to_numpy(int)
        self.load_terminal, self.load_column = _loads(model, self.low[terminal_bus])
        self.load_bus = terminal_bus[self.load_terminal]
        self.context: Any = context_for(self)
        self.dss: Any = self.context.ActiveCircuit
        for text in self._text():
            self.command(text)
        self.solution: Any = self.dss.Solution
        self.loads: Any = self.context.to_altdss().Load.batch(re="^d")

    def command(self, text: str) -> None:
        """Give OpenDSS a command."""
        self.context.Text.Command = text

    # -- the circuit as text -----------------------------------------------------------------

    def _text(self) -> Iterator[str]:
        yield "clear"
        yield f"set defaultbasefrequency={_n(self.f_hz)}"
        yield from self._sources()
        yield from self._line_codes()
        yield from self._bus_switches()
        yield from self._transformers()
        yield from self._bleeders()
        yield from self._earth()
        yield from self._shunts()
        yield from self._load_text()
        yield "makebuslist"
        for row, vn_v in enumerate(self.vn_v):
            yield f"setkvbase bus=b{row} kvll={_n(vn_v / 1e3)}"
        yield "set mode=snapshot controlmode=off tolerance=1e-9 maxiterations=300 miniterations=2"

    def _sources(self) -> Iterator[str]:
        """Return stiff sources; in low voltage they stand on the neutral."""
        for number, row in enumerate(rows(self.model.net.ext_grid)):
            head = "new circuit.c" if number == 0 else f"new vsource.v{number}"
            bus, kv = int(row.bus), float(self.vn_v[row.bus]) / 1e3
            z = kv**2 * 1e6 / _SOURCE_VA
            back = f" bus2=b{bus}.4.4.4" if self.low[bus] else ""
            yield (
                f"{head} bus1=b{bus}.1.2.3{back} phases=3 basekv={_n(kv)} pu={_n(row.vm_pu)} "
                f"angle={_n(row.va_degree)} r1={_n(0.1 * z)} x1={_n(z)} r0={_n(0.1 * z)} x0={_n(z)}"
            )
        if not len(self.model.net.ext_grid):
            raise ScenarioError([Fault("grid.source", "no grid connection is in service")])

    def _line_codes(self) -> Iterator[str]:
        codes: dict[bytes, str] = {}
        data = self.lines
        for number, row in enumerate(rows(self.model.net.line)):
            wires = 4 if data.four_wire[number] else 3
            z = data.z_ohm_per_km[number, :wires, :wires]
            c = _capacitances(data.c_nf_per_km[number], data.c0_nf_per_km[number], wires)
            key = z.tobytes() + c.tobytes()
            if key not in codes:
                codes[key] = f"z{len(codes)}"
                yield (
                    f"new linecode.{codes[key]} nphases={wires} units=km "
                    f"basefreq={_n(self.f_hz)} rmatrix={_matrix(z.real)} xmatrix={_matrix(z.imag)} "
                    f"cmatrix={_matrix(c)}"
                )
            nodes = ".1.2.3.4" if wires == 4 else ".1.2.3"
            yield (
                f"new line.l{number} phases={wires} bus1=b{row.from_bus}{nodes} "
                f"bus2=b{row.to_bus}{nodes} linecode={codes[key]} "
                f"length={_n(row.length_km)} units=km"
            )

    def line_matrices(self, line: int) -> tuple[ComplexArray, FloatArray]:
        """Return a line's impedance [ohm] and capacitance [F] by conductor, each ``[w, w]``."""
        wires = 4 if self.lines.four_wire[line] else 3
        length_km = self.model.lines[line].length_m * 1e-3
        c = _capacitances(self.lines.c_nf_per_km[line], self.lines.c0_nf_per_km[line], wires)
        return self.lines.z_ohm_per_km[line, :wires, :wires] * length_km, c * 1e-9 * length_km

    def _bus_switches(self) -> Iterator[str]:
        for row in rows(self.model.net.switch):
            if row.et != "b":
                continue
            nodes = ".1.2.3.4" if self.low[row.bus] else ".1.2.3"
            wires = 4 if self.low[row.bus] else 3
            r = _matrix(np.diag(np.full(wires, _SWITCH_OHM[bool(self.low[row.bus])])))
            zero = _matrix(np.zeros((wires, wires)))
            yield (
                f"new line.s{row.Index} phases={wires} bus1=b{row.bus}{nodes} "
                f"bus2=b{row.element}{nodes} rmatrix={r} xmatrix={zero} cmatrix={zero} "
                "length=1 units=none"
            )

    def _transformers(self) -> Iterator[str]:
        parts = self.trafo
        for number, row in enumerate(rows(self.model.net.trafo)):
            group = str(row.vector_group)
            hv, lv = int(row.hv_bus), int(row.lv_bus)
            ends = [
                self._winding(hv, "1.2.3", group[0].upper()),
                self._winding(lv, parts.turned[number], group.lstrip("YNDZ")[0].upper()),
            ]
            z, kva = parts.z_pu[number] * 100.0, _n(parts.kva[number])
            yield (
                f"new transformer.t{number} phases=3 windings=2 "
                f"buses=({ends[0][0]} {ends[1][0]}) conns=({ends[0][1]} {ends[1][1]}) "
                f"kvs=({_n(parts.kv_hv[number])} {_n(parts.kv_lv[number])}) "
                f"kvas=({kva} {kva}) %rs=({_n(z.real / 2)} {_n(z.real / 2)}) xhl={_n(z.imag)} "
                f"taps=({_n(parts.tap_hv[number])} {_n(parts.tap_lv[number])}) "
                f"leadlag={parts.lead[number]} %noloadloss=0 %imag=0 maxtap=2 mintap=0.5"
            )
            yield from self._magnetising(number, hv, lv)

    def _winding(self, bus: int, nodes: str, kind: str) -> tuple[str, str]:
        if kind == "D":
            return f"b{bus}.{nodes}", "delta"
        return f"b{bus}.{nodes}.{4 if self.low[bus] else 0}", "wye"

    def tap_text(self, number: int, tap_hv: float, tap_lv: float) -> Iterator[str]:
        """Yield what puts a transformer on other ratios of its rated voltages."""
        parts = self.trafo
        parts.tap_hv[number], parts.tap_lv[number] = tap_hv, tap_lv
        yield f"edit transformer.t{number} taps=({_n(tap_hv)} {_n(tap_lv)})"
        row = self.model.net.trafo.iloc[number]
        for line in self._magnetising(number, int(row["hv_bus"]), int(row["lv_bus"])):
            yield line.replace("new ", "edit ", 1)

    def _magnetising(self, number: int, hv: int, lv: int) -> Iterator[str]:
        """Return a shunt at each side: between the phases above, to the neutral in four wires."""
        parts = self.trafo
        y_pu = parts.y_pu[number]
        if y_pu == 0:
            return
        for side, bus, kv in (
            ("h", hv, parts.kv_hv[number] * parts.tap_hv[number]),
            ("l", lv, parts.kv_lv[number] * parts.tap_lv[number]),
        ):
            y = y_pu * parts.kva[number] * 1e-3 / kv**2  # siemens, each phase of a star
            where, conn, y = (
                (f"bus1=b{bus}.1.2.3 bus2=b{bus}.4.4.4", "wye", y)
                if self.low[bus]
                else (f"bus1=b{bus}.1.2.3", "delta", y / 3.0)
            )
            yield f"new reactor.m{number}{side} phases=3 {where} conn={conn} {_admittance(y)}"

    def _bleeders(self) -> Iterator[str]:
        for bus, low in enumerate(self.low):
            nodes, count = (".1.2.3.4", 4) if low else (".1.2.3", 3)
            ohm = _n(1.0 / _BLEEDER_S[bool(low)])
            yield f"new reactor.b{bus} phases={count} bus1=b{bus}{nodes} r={ohm} x=0"

    def _earth(self) -> Iterator[str]:
        for bus, ohm in enumerate(self.earth_ohm()):
            if isfinite(ohm):
                yield f"new reactor.e{bus} phases=1 bus1=b{bus}.4 bus2=b{bus}.0 r={_n(ohm)} x=0"
        yield from self._mv_earth()

    def earth_ohm(self) -> FloatArray:
        """Return the resistance [ohm] of each bus's neutral to earth, inf for none."""
        net, earthing = self.model.net, self.earthing
        ohm = np.where(self.low, earthing.joint_ohm, inf)
        customers = [
            row for row, t in zip(net.load["bus"], self.model.terminals, strict=True) if t.customer
        ]
        at = np.array(customers, dtype=int)
        ohm[at[self.low[at]]] = earthing.customer_ohm
        stars = np.concatenate(
            (net.trafo["lv_bus"].to_numpy(int), net.ext_grid["bus"].to_numpy(int))
        )
        ohm[stars[self.low[stars]]] = earthing.substation_ohm
        return ohm

    def earth_admittances(self) -> tuple[FloatArray, ComplexArray]:
        """Return conductances to earth of each bus's nodes ``[n, 4]``, and of its star-point."""
        bleeder = np.where(self.low, _BLEEDER_S[True], _BLEEDER_S[False])
        conductance = np.repeat(bleeder[:, None], 4, axis=1)
        conductance[:, 3] = np.where(self.low, conductance[:, 3] + 1.0 / self.earth_ohm(), 0.0)
        star = np.zeros(len(self.low), dtype=complex)
        for bus, z_ohm in self._stars:
            star[bus] += 1.0 / z_ohm
        return conductance, star

    def _mv_earth(self) -> Iterator[str]:
        """Earth medium voltage below a delta winding, as an earthing transformer would."""
        for number, (bus, z_ohm) in enumerate(self._stars):
            # by z1, z2 and z0 OpenDSS would lose z0 in the digits of its own unit root
            z = np.full((3, 3), (z_ohm - _BLOCKED_OHM) / 3.0) + np.diag([_BLOCKED_OHM] * 3)
            yield (
                f"new reactor.g{number} phases=3 bus1=b{bus}.1.2.3 "
                f"rmatrix={_matrix(z.real)} xmatrix={_matrix(z.imag)}"
            )

    def _shunts(self) -> Iterator[str]:
        for number, row in enumerate(rows(self.model.net.shunt)):
            where = self._place(int(row.bus), 0, float(row.vn_kv))
            power = f"kw={_n(row.p_mw * 1e3)} kvar={_n(row.q_mvar * 1e3)}"
            yield f"new load.q{number} {where} model=2 {power} {_LIMITS}"

    def _load_text(self) -> Iterator[str]:
        for number, (bus, column) in enumerate(zip(self.load_bus, self.load_column, strict=True)):
            where = self._place(int(bus), int(column) + 1, float(self.vn_v[bus]) / 1e3)
            yield f"new load.d{number} {where} model=1 kw=0 kvar=0 {_LIMITS}"

    def _place(self, bus: int, node: int, kv: float) -> str:
        """Return where a load is: at one phase, or (node 0) at all three."""
        if node:
            return f"phases=1 bus1=b{bus}.{node}.4 kv={_n(kv / sqrt(3.0))}"
        if self.low[bus]:
            return f"phases=3 conn=wye bus1=b{bus}.1.2.3.4 kv={_n(kv)}"
        return f"phases=3 conn=delta bus1=b{bus}.1.2.3 kv={_n(kv)}"


def check_model(model: GridModel) -> None:
    """Raise ScenarioError for a grid that four wires cannot represent."""
    transformer_parts(model)
    leaky = np.flatnonzero(model.net.line["g_us_per_km"].to_numpy(float))
    if len(leaky):
        message = f"{len(leaky)} lines have a conductance, the first is {model.lines[leaky[0]].id}"
        hint = "set g_us_per_km to 0, or write grid.solver: balanced"
        raise ScenarioError([Fault("grid.source", message, hint)])


def _loads(model: GridModel, low: Sequence[bool]) -> tuple[Any, Any]:
    terminal, column = [], []
    for row, item in enumerate(model.terminals):
        columns = [phase - 1 for phase in item.phases] if low[row] else [-1]
        terminal += [row] * len(columns)
        column += columns
    return np.array(terminal, dtype=int), np.array(column, dtype=int)


def _capacitances(c1_nf: float, c0_nf: float, wires: int) -> FloatArray:
    """Return the matrix [nF/km] of a positive and a zero sequence; four wires: each to earth."""
    c1_nf = max(c1_nf, _LEAST_NF)
    c0_nf = c1_nf if wires == 4 else max(c0_nf, _LEAST_NF)
    c = np.full((wires, wires), (c0_nf - c1_nf) / 3.0)
    np.fill_diagonal(c, (c0_nf + 2.0 * c1_nf) / 3.0)
    return c


def _n(value: float) -> str:
    """Return a number with all its digits."""
    return repr(float(value))


def _matrix(values: FloatArray) -> str:
    lower = (" ".join(_n(v) for v in row[: n + 1]) for n, row in enumerate(values))
    return f"({' | '.join(lower)})"


def _admittance(y: complex) -> str:
    """Return a resistance beside a reactance [ohm] that together have the admittance ``y``."""
    r = 1.0 / y.real if y.real > 0 else 1e15
    x = -1.0 / y.imag if y.imag < 0 else 1e15
    return f"r=0 x={_n(x)} rp={_n(r)}"
