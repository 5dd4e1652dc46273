"""What came out of a run: reads run folders, and nothing else.

>>> from analysis import Run
>>> run = Run("runs/street-1-0123abcd")     # doctest: +SKIP
>>> run.kpi_table                           # doctest: +SKIP
"""

from analysis import exports, kpis, report
from analysis.comparison import compare
from analysis.regression import check, update
from analysis.run import Run
from analysis.trail import explain

__all__ = ["Run", "check", "compare", "explain", "exports", "kpis", "report", "update"]
