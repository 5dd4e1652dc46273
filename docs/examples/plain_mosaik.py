"""The grid alone in a mosaik world of one's own: ``python docs/examples/plain_mosaik.py``.

A load that has an input draws what that says [MW], the others the grid's static power.
"""

import mosaik
from mosaik.basic_simulators import InputSimulator, OutputSimulator

SIMULATORS = {
    "Grid": {"python": "simulators.grid:GridSimulator"},
    "Source": {"python": InputSimulator.__module__ + ":InputSimulator"},
    "Collector": {"python": OutputSimulator.__module__ + ":OutputSimulator"},
}


def main(until_s: int = 6 * 3600) -> dict[int, float]:
    """Return the voltage [pu] at the load by time [s], while its power rises by the hour."""
    world = mosaik.World(SIMULATORS, skip_greetings=True)
    grid = world.start("Grid", step_size=900).Grid(source={"simbench": "1-LV-semiurb4--0-sw"})
    load = next(child for child in grid.children if child.eid == "terminal/lv4.101/load-7")
    power = world.start("Source", step_size=900).Function(function=lambda t: 0.005 * (t // 3600))
    collector = world.start("Collector")
    table = collector.Dict()
    world.connect(power, load, ("value", "p_mw"))
    world.connect(load, table, "vm_pu")
    record = collector.get_dict(table.eid)
    world.run(until=until_s, print_progress=False)
    return {t_s: next(iter(row["vm_pu"].values())) for t_s, row in record.items()}


if __name__ == "__main__":
    for t_s, vm_pu in main().items():
        print(f"{t_s / 3600:5.2f} h  {vm_pu:.4f} pu")
