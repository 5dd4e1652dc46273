"""Everything with an identifier in a run, found by identifier."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.text import delay_text

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["Record", "Records"]

_SHOWN = 70  # characters of a value


_COLUMNS = {
    "event": ("t_us", "source", "kind", "element", "value"),
    "message": ("src", "dst", "flow", "t_send_us", "t_arrival_us", "fate", "loss", "attempts",
                "hops"),
    "request": ("t_ms", "unit", "service", "operation", "variable", "location", "result",
                "latency_ms"),
    "reading": ("t_sample_ms", "instrument", "variable", "value", "measure", "quality"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One row with an identifier, told in words."""

    t_us: int
    kind: str
    text: str


class Records:
    """Index over events, messages, requests and readings; built once, on first use."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def find(self, identifier: str) -> list[Record]:
        """Return all records of that identifier, by table."""
        found = []
        for name, columns in _COLUMNS.items():
            for row in self._rows(name, identifier):
                values = {
                    column: self._run.columns(name, column)[column].iloc[row] for column in columns
                }
                found.append(_TELL[name](values))
        return found

    def causes(self, identifier: str) -> list[str]:
        """Return the causes of that identifier, first those of its own rows, each once."""
        causes: dict[str, None] = {}
        for name in (*_COLUMNS, "cause"):
            for row in self._rows(name, identifier):
                cause = self._causes[name][row]
                if cause:
                    causes[str(cause)] = None
        return list(causes)

    def last_of(self, element: str, t_us: int) -> str | None:
        """Return the last event that happened to an element until ``t_us``.

        Plans for it have not happened to it yet: they count where there is nothing else.
        """
        events = self._run.columns("event", "t_us", "kind")
        rows = self._element_rows(element)
        rows = rows[events["t_us"].to_numpy()[rows] <= t_us]
        done = rows[(events["kind"] != "plan").to_numpy()[rows]]
        rows = done if len(done) else rows
        return str(self._ids("event")[rows[-1]]) if len(rows) else None

    def knows(self, element: str) -> bool:
        """Tell whether an element has events or is a device."""
        devices = self._run.columns("device", "device")["device"]
        return bool(len(self._element_rows(element)) or element in devices.cat.categories)

    def slowest(self, count: int) -> list[str]:
        """Return the messages that took longest."""
        delay = self._run.columns("message", "delay_us")["delay_us"].to_numpy(dtype=float)
        rows = np.argsort(-np.nan_to_num(delay, nan=-1.0), kind="stable")[:count]
        return [str(self._ids("message")[row]) for row in rows if np.isfinite(delay[row])]

    def lost(self, count: int) -> list[str]:
        """Return the first messages that were lost."""
        fate = self._run.columns("message", "fate")["fate"]
        rows = np.flatnonzero((fate == "lost").to_numpy())[:count]
        return [str(self._ids("message")[row]) for row in rows]

    def _element_rows(self, element: str) -> Any:
        return np.flatnonzero(
            (self._run.columns("event", "element")["element"] == element).to_numpy()
        )

    def _ids(self, name: str) -> Any:
        return self._run.columns(name, "id")["id"].to_numpy()

    def _rows(self, name: str, identifier: str) -> Any:
        return self._index[name].rows(identifier)

    @cached_property
    def _index(self) -> dict[str, Any]:
        return {name: _Lookup(self._ids(name)) for name in (*_COLUMNS, "cause")}

    @cached_property
    def _causes(self) -> dict[str, Any]:
        return {
            name: self._run.columns(name, "cause")["cause"].to_numpy()
            for name in (*_COLUMNS, "cause")
        }


class _Lookup:
    """Rows by identifier: one hash table over the distinct ones, and the rows in their order."""

    def __init__(self, ids: Any) -> None:
        codes, distinct = pd.factorize(ids)
        self._distinct = pd.Index(distinct, dtype=object)
        self._order = np.argsort(codes, kind="stable")
        self._begin = np.searchsorted(codes[self._order], np.arange(len(distinct) + 1))

    def rows(self, identifier: str) -> Any:
        """Return the rows of an identifier, none where it is not known."""
        if identifier not in self._distinct:
            return ()
        code = int(self._distinct.get_indexer(pd.Index([identifier], dtype=object))[0])
        return self._order[self._begin[code] : self._begin[code + 1]]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _event(row: dict[str, Any]) -> Record:
    value = "" if row["value"] in ("", "null", None) else f" {_short(row['value'])}"
    return Record(int(row["t_us"]), "event", f"{row['kind']} {row['element']}{value}")


def _message(row: dict[str, Any]) -> Record:
    retries = max(0, int(row["attempts"]) - int(row["hops"]))
    tries = f", {retries} {'retry' if retries == 1 else 'retries'}" if retries else ""
    if row["fate"] == "delivered":
        took = delay_text(row["t_arrival_us"] - row["t_send_us"])
        fate = f"arrived after {took}{tries}"
    else:
        fate = f"lost: {row['loss']}{tries}" if row["fate"] == "lost" else "still under way"
    text = f"message {row['src']} → {row['dst']} ({row['flow']}), {fate}"
    return Record(int(row["t_send_us"]), "message", text)


def _request(row: dict[str, Any]) -> Record:
    text = (
        f"{row['unit']} ({row['service']}) {row['operation']} {row['variable']} at "
        f"{row['location']}: {row['result']}"
    )
    return Record(int(row["t_ms"] - row["latency_ms"]) * 1000, "request", text)


def _reading(row: dict[str, Any]) -> Record:
    value = row["value"]
    known = value is not None and np.isfinite(value)
    measure = "" if row["measure"] == "1" else f" {row['measure']}"
    shown = f" = {value:.6g}{measure}" if known else ""
    quality = "" if row["quality"] == "good" else f" ({row['quality']})"
    text = f"reading {row['variable']} of {row['instrument']}{shown}{quality}"
    return Record(int(row["t_sample_ms"]) * 1000, "reading", text)


_TELL = {"event": _event, "message": _message, "request": _request, "reading": _reading}
