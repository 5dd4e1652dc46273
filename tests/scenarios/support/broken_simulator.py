"""Our simulators, raising where ``BROKEN=name:method:milliseconds,…`` says.

Named as ``broken_simulator:name`` in this process, run by ``python -m broken_simulator`` in one of
its own.
"""

import importlib
import os
from typing import Any

import mosaik_api_v3

from scenarios.world import SIMULATORS


def _breaking(name: str, base: Any) -> Any:
    def strike(self: Any, method: str, t_ms: int) -> None:
        for blow in os.environ["BROKEN"].split(","):
            which, where, at_ms = blow.split(":")
            if (which, where) == (name, method) and t_ms >= int(at_ms):
                raise RuntimeError(f"struck in {method}")

    class Breaking(base):  # type: ignore[misc]
        def advance(self, t_ms: int, inputs: Any, max_advance: int) -> Any:
            strike(self, "step", t_ms)
            return super().advance(t_ms, inputs, max_advance)

        def _collect(self, outputs: Any) -> Any:
            strike(self, "get_data", self.t_ms)
            return super()._collect(outputs)

        def close(self) -> None:
            strike(self, "finalize", self.t_ms)
            super().close()

    return Breaking


def __getattr__(name: str) -> Any:
    module, _, cls = SOUND[name].partition(":")
    return _breaking(name, getattr(importlib.import_module(module), cls))


SOUND = dict(SIMULATORS)

if __name__ == "__main__":
    broken = os.environ["BROKEN"].split(":")[0]
    mosaik_api_v3.start_simulation(__getattr__(broken)())
