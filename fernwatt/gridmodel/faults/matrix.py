"""A sparse matrix of one pattern, whose values change."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import splu

from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.solvers.fourwire.branches import IntArray

__all__ = ["Pattern", "factors"]


class Pattern:
    """Sums of entries at places ``row``, ``column``, from 1; those of row or column 0 are left out.

    ``size`` is the matrix's order. An entry's place may come several times.
    """

    def __init__(self, size: int, row: IntArray, column: IntArray) -> None:
        self._kept = np.flatnonzero((row > 0) & (column > 0))
        key = (column[self._kept] - 1) * size + row[self._kept] - 1
        places, at = np.unique(key, return_inverse=True)
        ones = np.ones(len(at))
        self._sum = csr_array((ones, (at, np.arange(len(at)))), shape=(len(places), len(at)))
        self._rows = (places % size).astype(np.int32)
        begins = np.searchsorted(places // size, np.arange(size + 1))
        self._begins, self._size = begins.astype(np.int32), size

    def matrix(self, values: ComplexArray) -> Any:
        """Return the sparse matrix (CSC) of the entries' ``values``."""
        data = self._sum @ values[self._kept]
        return csc_array((data, self._rows, self._begins), shape=(self._size, self._size))


def factors(matrix: Any) -> Any:
    """Return the factors of an admittance matrix; the pattern of these is symmetric."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1)
