"""Cells: base stations with scheduled access, their subscribers, and the way to a connection."""

from simulators.network.cells.cell import Cell
from simulators.network.cells.reach import snr_by_place
from simulators.network.cells.specification import CellSpec, parse_cells

__all__ = ["Cell", "CellSpec", "parse_cells", "snr_by_place"]
