"""Writes what a run records: column blocks in, Parquet tables of the run folder out."""

from simulators.recorder.columns import RowError, arrow_schema
from simulators.recorder.sim import RecorderSimulator
from simulators.recorder.writer import RunWriter, TableWriter

__all__ = ["RecorderSimulator", "RowError", "RunWriter", "TableWriter", "arrow_schema"]
