"""The scheduler of a study: worker processes on this machine, or a Dask cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fernwatt.errors import UsageError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["connected"]

_LOCAL: Mapping[str, Any] = {
    # A point holds its memory itself: nothing to spill, and a pause would never end.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
}


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Yield a client of ``scheduler``, or of ``workers`` processes started for it here."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        if workers is not None:
            raise UsageError("--workers goes without --scheduler: that one has its own")
        try:
            client = Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise UsageError(f"no scheduler answers at {scheduler}: {reason}") from error
        with client:
            yield client
        return
    count = workers or os.cpu_count() or 1
    with (
        dask.config.set(_LOCAL),
        LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client
