"""What the recorder keeps of lighting, interval by interval."""

from __future__ import annotations

import numpy as np

from simulators.grid.integrate import Extremes, Means
from simulators.grid.intervals import Rows, nullable
from simulators.grid.lighting.lighting import Lighting
from simulators.grid.lighting.segments import SegmentValues

__all__ = ["Books"]


class Books:
    """Rows of table ``lighting``, interval by interval; ``interval_ms`` 0 records nothing."""

    def __init__(self, lighting: Lighting, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._ids, self._lamps = lighting.segment_ids, lighting.segment_lamps
        n = len(self._ids)
        self._means, self._voltage = Means(5 * n), Extremes(n)
        self._start_ms = self._since_ms = 0
        self._values: SegmentValues | None = None

    @property
    def due_ms(self) -> int | None:
        """When the current interval ends."""
        return self._start_ms + self._interval_ms if self._interval_ms else None

    def advance(self, t_ms: int) -> list[Rows]:
        """Let the present state hold until ``t_ms``; return the rows of all intervals ended."""
        rows: list[Rows] = []
        while self.due_ms is not None and self.due_ms <= t_ms:
            rows += self._end(self.due_ms)
        return rows

    def hold(self, t_ms: int, lighting: Lighting) -> None:
        """Let the lighting's present state hold from ``t_ms`` on."""
        if self._interval_ms:
            self._count(t_ms)
            self._values = lighting.by_segment()

    def close(self, t_ms: int) -> list[Rows]:
        """End the last interval."""
        return self._end(t_ms) if self._interval_ms and t_ms > self._start_ms else []

    def _count(self, t_ms: int) -> None:
        span_ms, values = t_ms - self._since_ms, self._values
        self._since_ms = t_ms
        if span_ms <= 0 or values is None:
            return
        s_va = values.s_va
        together = (s_va.real, s_va.imag, values.due, values.lit, values.dark)
        self._means.add(np.concatenate(together), span_ms)
        voltage = np.where(values.on, values.v_end_v, np.nan)
        self._voltage.add(voltage, values.on, span_ms)

    def _end(self, t_ms: int) -> list[Rows]:
        self._count(t_ms)
        start_ms, self._start_ms = self._start_ms, t_ms
        if self._values is None:
            return []
        p_w, q_var, due, lit, dark = self._means.take().reshape(5, -1)
        mean_v, least_v, _ = self._voltage.take()
        return [
            ("lighting", {
                "t_ms": start_ms, "segment": self._ids, "p_w": p_w, "q_var": q_var,
                "v_end_v": nullable(mean_v), "v_end_min_v": nullable(least_v),
                "lamps": self._lamps, "due": due, "lit": lit, "dark": dark,
            })
        ]  # fmt: skip
