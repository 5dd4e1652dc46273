"""A simulator as somebody else may write it: event-based, with faults on demand.

``events`` is a list of [t_ms, p_w]: from ``t_ms`` on it draws ``p_w``, said once. ``fault`` is
``method:how`` or ``method:how:t_ms``; how is ``raise``, ``exit`` or ``text`` (of which JSON and
numbers make nothing).
"""

import json
import os
import sys
from pathlib import Path

import mosaik_api_v3

META = {
    "api_version": "3.0",
    "type": "event-based",
    "models": {"Load": {"public": True, "params": [], "attrs": ["p_w", "vm_pu"]}},
}


class Stranger(mosaik_api_v3.Simulator):
    def __init__(self):
        super().__init__(META)
        self.now = 0
        self.heard = []

    def init(self, sid, time_resolution, events=(), fault=""):
        self.events = [tuple(event) for event in events]
        self.fault = fault
        self.strike("init")
        return self.meta

    def create(self, num, model):
        self.strike("create")
        return [{"eid": f"load_{number}", "type": model} for number in range(num)]

    def step(self, time, inputs, max_advance):
        self.now = time
        self.strike("step")
        self.heard += [(time, v) for at in inputs.values() for v in at["vm_pu"].values()]
        return next((t for t, _ in self.events if t > time), None)

    def get_data(self, outputs):
        self.strike("get_data")
        said = [p_w for t, p_w in self.events if t == self.now]
        if self.fault.endswith("text"):
            said = ["much"]
        return {eid: {"p_w": said[0]} for eid in outputs} if said else {}

    def finalize(self):
        if "STRANGER" in os.environ:
            Path(os.environ["STRANGER"]).write_text(json.dumps(self.heard))
        self.strike("finalize")

    def strike(self, method):
        where, _, how = self.fault.partition(":")
        how, _, at_ms = how.partition(":")
        if where != method or self.now < int(at_ms or 0):
            return
        if how == "exit":
            print("that is enough", file=sys.stderr, flush=True)
            sys.exit(7)
        if how == "raise":
            raise ValueError(f"struck in {method}")


if __name__ == "__main__":
    mosaik_api_v3.start_simulation(Stranger())
