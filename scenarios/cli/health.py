"""What a run needs of the machine, examined: libraries, solvers, our own packages, folders."""

from __future__ import annotations

import importlib
import math
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fernwatt import mosaik_patch
from fernwatt.gridmodel.cache import GridCache
from scenarios.manifest import PACKAGES, versions

__all__ = ["Finding", "examine"]

_FREE_BYTES = 1_000_000_000
_FLAT_PU = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``trouble`` says what is wrong and how to mend it, else it is empty."""

    topic: str
    name: str
    value: str
    trouble: str = ""


def examine() -> list[Finding]:
    """Return all findings."""
    return [*_interpreter(), *_packages(), *_libraries(), *_solvers(), *_folders()]


def _interpreter() -> Iterator[Finding]:
    topic = "interpreter"
    fitting = (3, 11) <= sys.version_info[:2] <= (3, 13)
    trouble = "" if fitting else "fernwatt runs on Python 3.11 to 3.13"
    yield Finding(topic, "python", platform.python_version(), trouble)
    yield Finding(topic, "executable", sys.executable)
    yield Finding(topic, "platform", platform.platform())
    yield Finding(topic, "processors", str(os.cpu_count() or 1))


def _packages() -> Iterator[Finding]:
    """Yield where our packages were imported from: another of that name may stand in the way."""
    home = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        trouble = ""
        if origin != home / name / "__init__.py":
            trouble = f"this shadows ours in {home / name}: rename it, or start somewhere else"
        yield Finding("packages", name, str(origin or "missing"), trouble)


def _libraries() -> Iterator[Finding]:
    for name, number in versions().items():
        if name != "python":
            trouble = "" if number != "missing" else "install fernwatt anew: pip install ."
            yield Finding("libraries", name, number, trouble)
    patched = "repaired (3.6 slows down with the length of a run)" if mosaik_patch.apply() else ""
    yield Finding("libraries", "mosaik scheduler", patched or "needs no repair")


def _solvers() -> Iterator[Finding]:
    """Yield whether each solver solves a line with a load, which has a closed form."""
    for name, solve in (("balanced", _by_power_grid_model), ("pandapower", _by_pandapower)):
        try:
            gap = abs(solve() - _closed_form())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what doctor is for
            yield Finding("solvers", name, "fails", f"{type(error).__name__}: {error}")
            continue
        trouble = "" if gap < 1e-7 else f"off by {gap:.2g} pu on one line with one load"
        yield Finding("solvers", name, "solves", trouble)
    try:
        importlib.import_module("numba")
    except Exception as error:  # noqa: BLE001
        yield Finding("solvers", "numba", "fails", f"{type(error).__name__}: {error}")
    else:
        yield Finding("solvers", "numba", "compiles")


_U_V, _R_OHM, _X_OHM, _P_W = 400.0, 0.1, 0.08, 10_000.0


def _closed_form() -> float:
    """Return the voltage [pu] behind an impedance r + jx that carries a load p of power factor 1.

    v solves v^4 + (2 p r - 1) v^2 + p^2 (r^2 + x^2) = 0, all per unit.
    """
    r, x = _R_OHM * _P_W / _U_V**2, _X_OHM * _P_W / _U_V**2  # base power: that of the load
    half = 0.5 - r
    return math.sqrt(half + math.sqrt(half**2 - r**2 - x**2))


def _by_power_grid_model() -> float:
    from power_grid_model import (
        ComponentType,
        DatasetType,
        LoadGenType,
        PowerGridModel,
        initialize_array,
    )

    def rows(component: ComponentType, count: int, **columns: object) -> np.ndarray:
        array = initialize_array(DatasetType.input, component, count)
        for column, value in columns.items():
            array[column] = value
        return array

    grid = PowerGridModel({
        ComponentType.node: rows(ComponentType.node, 2, id=[1, 2], u_rated=_U_V),
        ComponentType.line: rows(
            ComponentType.line, 1, id=3, from_node=1, to_node=2, from_status=1, to_status=1,
            r1=_R_OHM, x1=_X_OHM, c1=0.0, tan1=0.0, i_n=100.0,
        ),
        ComponentType.source: rows(
            ComponentType.source, 1, id=4, node=1, status=1, u_ref=1.0, sk=1e20
        ),
        ComponentType.sym_load: rows(
            ComponentType.sym_load, 1, id=5, node=2, status=1, type=LoadGenType.const_power,
            p_specified=_P_W, q_specified=0.0,
        ),
    })  # fmt: skip
    return float(grid.calculate_power_flow(error_tolerance=_FLAT_PU)[ComponentType.node]["u_pu"][1])


def _by_pandapower() -> float:
    import pandapower as pp

    net = pp.create_empty_network()
    near, far = (pp.create_bus(net, vn_kv=_U_V / 1000) for _ in range(2))
    pp.create_ext_grid(net, near)
    pp.create_line_from_parameters(
        net, near, far, length_km=1.0, r_ohm_per_km=_R_OHM, x_ohm_per_km=_X_OHM, c_nf_per_km=0.0,
        max_i_ka=0.1,
    )  # fmt: skip
    pp.create_load(net, far, p_mw=_P_W / 1e6)
    pp.runpp(net, tolerance_mva=1e-12)
    return float(net.res_bus.at[far, "vm_pu"])


def _folders() -> Iterator[Finding]:
    cache = GridCache().folder
    yield Finding("folders", "grid cache", str(cache), _unwritable(cache))
    try:
        free = shutil.disk_usage(Path.cwd()).free
    except OSError as error:
        reason = error.strerror or str(error)
        yield Finding("folders", "free here", "unknown", f"{reason}: change to another folder")
        return
    trouble = "" if free > _FREE_BYTES else "little room: a long run may fill the disk"
    yield Finding("folders", "free here", f"{free / 1e9:.1f} GB", trouble)


def _unwritable(folder: Path) -> str:
    """Return what is wrong with a folder that a run would like to write to, made if need be."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        reason = error.strerror or str(error)
        return f"not writable ({reason}): grids are converted anew each time; set XDG_CACHE_HOME"
