"""A run folder, read: what the run was, what it recorded, what came out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.folder import arrow_table, read_json, read_yaml, table_columns, to_numpy
from analysis.plot import Plots
from fernwatt.errors import RunFolderError
from fernwatt.timebase import HOUR_MS, Clock

__all__ = ["Run"]

_TIMES = ("t_ms", "t_us", "t_sample_ms", "t_send_us", "arrival_ms", "begin_us")
_TEXT = ("id", "cause", "value", "record")


class Run:
    """One run folder.

    >>> run = Run("runs/street-1-0123abcd")      # doctest: +SKIP
    >>> run.kpis["peak_import_w"]["value"]       # doctest: +SKIP
    >>> run.series("bus").head()                 # doctest: +SKIP

    Tables are read when they are asked for. A run that was stopped, failed or killed can be
    read as far as it came; ``status`` says so. Raises RunFolderError for a folder that is
    missing, foreign, or damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RunFolderError(f"there is no run folder {self.folder}")
        manifest = read_json(self.folder / "manifest.json")
        needed = ("start", "status", "duration_ms", "interval_ms")
        missing = [key for key in needed if not isinstance(manifest, dict) or key not in manifest]
        if missing:
            raise RunFolderError(
                f"{self.folder / 'manifest.json'} is not of fernwatt: it lacks {', '.join(missing)}"
            )
        self.manifest: dict[str, Any] = manifest
        try:
            self.clock = Clock.from_iso(manifest["start"])
        except ValueError as error:
            raise RunFolderError(f"{self.folder}: start is no time: {error}") from error
        self._cache: dict[tuple[str, str], Any] = {}

    # -- what it was -------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.manifest.get("name", self.folder.name))

    @property
    def status(self) -> str:
        """``complete``, ``interrupted`` or ``failed``; one that still says running was cut off.

        (Or it does still run, and this is what there is of it so far.)
        """
        status = str(self.manifest["status"])
        return "interrupted" if status == "running" else status

    @property
    def start(self) -> datetime:
        """The instant of ``t_ms = 0``, in UTC."""
        return self.clock.at(0)

    @property
    def duration_ms(self) -> int:
        """Planned length [ms]."""
        return int(self.manifest["duration_ms"])

    @property
    def interval_ms(self) -> int:
        """Length of the recording intervals [ms]."""
        return int(self.manifest["interval_ms"])

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The effective scenario."""
        return dict(read_yaml(self.folder / "scenario.yaml") or {})

    @cached_property
    def grid(self) -> dict[str, Any]:
        """The static description of the grid: buses, lines, transformers, terminals, …."""
        return dict(read_json(self.folder / "grid.json", needed=False) or {})

    @cached_property
    def topology(self) -> dict[str, Any]:
        """Units and communication network, as handed to the simulators."""
        return dict(read_json(self.folder / "topology.json", needed=False) or {})

    # -- what came out -----------------------------------------------------------------------

    @cached_property
    def kpis(self) -> dict[str, dict[str, Any]]:
        """All KPIs by name: ``value`` (None with a ``reason``), ``unit``, breakdown ``by``."""
        stored = read_json(self.folder / "kpis.json", needed=False)
        if stored is not None:
            return dict(stored)
        from analysis import kpis  # they read runs, so this module comes first

        return kpis.compute(self)

    @cached_property
    def kpi_table(self) -> pd.DataFrame:
        """The KPIs as a table, by name: value, unit."""
        rows = {name: (entry["value"], entry["unit"]) for name, entry in self.kpis.items()}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "unit"])
        return table.rename_axis("kpi")

    @cached_property
    def events(self) -> pd.DataFrame:
        """What happened, in order of time."""
        return self.series("event")

    @cached_property
    def messages(self) -> pd.DataFrame:
        """Each frame handed to the network."""
        return self.series("message")

    def series(self, name: str) -> pd.DataFrame:
        """Return a table of the run with a first column ``time`` (UTC), all its columns after it.

        Names are those of ``fernwatt.tables``; see ``docs/reference/run-folder.md``.
        """
        names = [column.name for column in table_columns(name).columns]
        frame = pd.DataFrame(
            {
                column: to_numpy(values)
                for column, values in zip(
                    names, arrow_table(self.folder, name).columns, strict=True
                )
            }
        )
        stamp = next((column for column in _TIMES if column in frame), None)
        if stamp is not None:
            frame.insert(0, "time", self.times(frame[stamp].to_numpy(), stamp[-2:]))
        return frame

    def wide(self, name: str, value: str) -> pd.DataFrame:
        """Return one column of an interval table: a row per time, a column per element."""
        element = table_columns(name).columns[1].name
        frame = self.columns(name, "t_ms", element, value)
        table = frame.pivot(index="t_ms", columns=element, values=value)
        table.columns = pd.Index(table.columns.astype(str), name=element)
        table.index = pd.DatetimeIndex(self.times(table.index.to_numpy()), name="time")
        return table

    def times(self, t: npt.ArrayLike, unit: str = "ms") -> pd.DatetimeIndex:
        """Return simulated times (``ms`` or ``us``) as instants in UTC."""
        offsets = np.asarray(t, dtype=np.int64).astype(f"timedelta64[{unit}]")
        start = np.datetime64(self.start.replace(tzinfo=None), "us")
        return pd.DatetimeIndex((start + offsets).astype("datetime64[ns]")).tz_localize(UTC)

    def columns(self, name: str, *columns: str) -> pd.DataFrame:
        """Return some columns of a table as they are stored, text that repeats as categories."""
        wanted = [column for column in columns if (name, column) not in self._cache]
        if wanted:
            table = arrow_table(self.folder, name, wanted)
            kinds = {column.name: column.kind for column in table_columns(name).columns}
            for column in wanted:
                values = table[column]
                if kinds[column] == "s" and column not in _TEXT:
                    self._cache[name, column] = pd.Categorical(values.to_pandas())
                else:
                    self._cache[name, column] = to_numpy(values)
        return pd.DataFrame({column: self._cache[name, column] for column in columns})

    def hours(self, t_ms: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the length [h] of the recording intervals that begin at ``t_ms``."""
        rest = self.duration_ms - np.asarray(t_ms, dtype=np.int64)
        return np.clip(np.minimum(self.interval_ms, rest), 0, None) / HOUR_MS

    @cached_property
    def flows(self) -> pd.DataFrame:
        """What data passed between kinds of units: flow, way, variable, owner, rights, counts."""
        from analysis.information import flow_table

        return flow_table(self)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """The data groups of each kind of unit, and how often their variables were there."""
        from analysis.information import group_table

        return group_table(self)

    # -- to look at --------------------------------------------------------------------------

    @property
    def plot(self) -> Plots:
        """Figures of the run: ``run.plot.power()``, ``.voltage()``, ``.diagram()``, …."""
        return Plots(self)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.status})"

    def _repr_html_(self) -> str:
        from analysis.report.page import summary

        return summary(self)
