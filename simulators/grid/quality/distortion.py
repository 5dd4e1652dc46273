"""Harmonics of the plant at the end of each interval, from what devices draw then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fernwatt.errors import SimulationError
from fernwatt.gridmodel.harmonics import Above, Drawn, HarmonicNetwork, HarmonicSources, kinds_of
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import FourWireSolver, GridState
from fernwatt.streams import stream

if TYPE_CHECKING:
    from simulators.grid.streetlight import StreetLight

__all__ = ["Distorted", "Distortion", "KindsDrawn"]

_REST, _FEED_IN = "load", "pv"
_LEAST_PU = 0.1  # below, there is no voltage to be distorted


@dataclass(frozen=True, slots=True)
class KindsDrawn:
    """What terminals draw by kind of device, ``[k, n, 3]`` [W, var], and how many ``[k, n]``."""

    kinds: list[str]
    p_w: FloatArray
    q_var: FloatArray
    devices: FloatArray

    @classmethod
    def of(cls, payload: Mapping[str, Any], n: int) -> KindsDrawn:
        """Return what ``power`` tells of kinds; nothing where it does not."""
        kinds = list(payload.get("kinds") or ())
        shape = (len(kinds), n, 3)
        p_w, q_var = (
            np.asarray(payload.get(name, ()), dtype=float).reshape(-1, n, 3)
            for name in ("p_kinds_w", "q_kinds_var")
        )
        devices = np.asarray(payload.get("devices", ()), dtype=float).reshape(-1, n)
        if p_w.shape != shape or q_var.shape != shape or devices.shape != shape[:2]:
            raise SimulationError("the power by kinds of devices has not the shape of its kinds")
        return cls(kinds, p_w, q_var, devices)

    def with_rest(self, p_w: FloatArray, q_var: FloatArray) -> KindsDrawn:
        """Return it with what is left of the whole power: a load's, or, fed in, an inverter's."""
        rest_p, rest_q = p_w - self.p_w.sum(axis=0), q_var - self.q_var.sum(axis=0)
        draws = rest_p >= 0.0
        some = np.abs(rest_p).max(axis=1) > 1e-6
        return KindsDrawn(
            [*self.kinds, _REST, _FEED_IN],
            np.concatenate((self.p_w, np.stack((rest_p * draws, rest_p * ~draws)))),
            np.concatenate((self.q_var, np.stack((rest_q * draws, rest_q * ~draws)))),
            np.concatenate(
                (self.devices, np.stack((some & draws.any(axis=1), some & ~draws.all(axis=1))))
            ),
        )

    def with_lamps(self, lights: StreetLight) -> KindsDrawn:
        """Return it with what public lighting draws."""
        at, drawn_va, led, count = lights.feeds
        shape = self.p_w.shape[1:]
        lamps, luminaires = np.zeros((2, *shape), dtype=complex), np.zeros((2, shape[0]))
        for number, kind in enumerate((led, ~led)):
            np.add.at(lamps[number], at[kind], drawn_va[kind])
            np.add.at(luminaires[number], at[kind], count[kind])
        return KindsDrawn(
            [*self.kinds, "lighting", "discharge_lamp"],
            np.concatenate((self.p_w, lamps.real)),
            np.concatenate((self.q_var, lamps.imag)),
            np.concatenate((self.devices, luminaires)),
        )


@dataclass(frozen=True, slots=True)
class Distorted:
    """Harmonic voltages to neutral ``u_percent[orders, n_buses, 3]`` of the fundamental.

    NaN where this is below a tenth of the nominal one. ``i_a[orders, branches, 4]``: currents of
    lines (from end) and transformers (low-voltage side), in phases and neutral.
    """

    orders: FloatArray
    u_percent: FloatArray
    i_a: FloatArray

    @property
    def thd_percent(self) -> FloatArray:
        """Total harmonic distortion ``[n_buses, 3]``."""
        total: FloatArray = np.sqrt((self.u_percent**2).sum(axis=0))
        return total


class Distortion:
    """Solves the harmonics of a four-wire grid.

    ``background_percent`` by order: voltages of the grid above, with the sequence that the order
    has in a balanced system. ``spectra``: kinds of devices that have another spectrum.
    """

    def __init__(
        self,
        solver: FourWireSolver,
        above: Above,
        seed: int,
        *,
        spectra: Mapping[str, str] | None = None,
        background_percent: Mapping[int, float] | None = None,
    ) -> None:
        self._solver, self._seed = solver, seed
        self._network = HarmonicNetwork(solver, above)
        self._spectra = dict(spectra or {})
        kinds_of(sorted(self._spectra), self._network.orders.tolist(), self._spectra)
        self._sources: tuple[list[str], bytes, HarmonicSources] | None = None
        self._turns: dict[str, FloatArray] = {}
        self._background = self._from_above(background_percent or {})

    def solve(self, state: GridState, drawn: KindsDrawn) -> Distorted:
        """Return the harmonics in a state of the grid."""
        wires = state.conductors
        if wires is None:
            raise SimulationError("harmonics need a solution by phases")
        network, solver = self._network, self._solver
        network.refresh()
        points, orders = network.points, network.orders
        flat = wires.v_node_v.ravel()
        v = flat[points.phase] - np.where(points.neutral >= 0, flat[points.neutral], 0.0)
        between = points.neutral < 0
        if between.any():  # to the star-point of the phases
            three = v[between].reshape(-1, 3)
            v[between] = (three - three.mean(axis=1, keepdims=True)).ravel()
        asked = [solver.asked(p, q) for p, q in zip(drawn.p_w, drawn.q_var, strict=True)]
        power = np.array(asked, dtype=complex).reshape(len(drawn.kinds), -1)
        devices = drawn.devices[:, solver.circuit.load_terminal]
        loads = Drawn(power.real, power.imag, devices)
        sources = self._sources_of(drawn.kinds)
        found = network.solve(
            sources.currents(loads, v), sources.admittances(loads, v), self._background
        )
        return self._read(found, wires.v_node_v, orders)

    def _read(self, found: ComplexArray, v_node_v: ComplexArray, orders: FloatArray) -> Distorted:
        low = self._solver.circuit.low

        def to_neutral(v: ComplexArray) -> ComplexArray:
            star = np.where(low, v[..., 3], v[..., :3].mean(axis=-1))
            out: ComplexArray = v[..., :3] - star[..., None]
            return out

        fundamental = np.abs(to_neutral(v_node_v))
        least = _LEAST_PU * self._solver.circuit.vn_v / 3**0.5
        base = np.where(fundamental > least[:, None], fundamental, np.nan)
        flows = self._network.currents(found)
        i_a = np.concatenate((flows["line"][:, :, 0], flows["transformer"][:, :, 1]), axis=1)
        return Distorted(orders, 100.0 * np.abs(to_neutral(found)) / base, np.abs(i_a))

    def _sources_of(self, kinds: Sequence[str]) -> HarmonicSources:
        network = self._network
        wiring = self._solver.wiring.tobytes()
        if self._sources is None or self._sources[:2] != (list(kinds), wiring):
            turns = np.array([self._turn(kind) for kind in kinds])
            known = kinds_of(kinds, network.orders.tolist(), self._spectra)
            f_hz = self._solver.circuit.f_hz
            made = HarmonicSources(network.points, known, network.orders, f_hz, turns)
            self._sources = (list(kinds), wiring, made)
        return self._sources[2]

    def _turn(self, kind: str) -> FloatArray:
        """Return how far a kind's angles are spread at each load, ``[loads, orders]`` in [-1, 1].

        One draw for each terminal: the phases of a device are alike.
        """
        if kind not in self._turns:
            terminals = self._solver.circuit.model.terminal_ids
            drawn = np.array(
                [
                    stream(self._seed, "grid.quality", f"{ident}/{kind}").uniform(
                        -1.0, 1.0, len(self._network.orders)
                    )
                    for ident in terminals
                ]
            ).reshape(len(terminals), -1)
            self._turns[kind] = drawn[self._solver.circuit.load_terminal]
        return self._turns[kind]

    def _from_above(self, percent: Mapping[int, float]) -> dict[int, ComplexArray]:
        net = self._solver.circuit.model.net
        vn_v = float(net.bus["vn_kv"].to_numpy(float)[net.ext_grid["bus"].to_numpy(int)].max())
        phases = np.exp(-2j * np.pi / 3.0 * np.arange(3))
        return {
            int(order): share / 100.0 * vn_v * 1e3 / 3**0.5 * phases ** int(order)
            for order, share in percent.items()
        }
