# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tour of a run
#
# Everything a run leaves is in one folder. `Run` reads it; nothing of the simulators is needed.
# Set `FERNWATT_RUN` to the folder, or run `fernwatt run scenarios/street.yaml` first: the newest
# folder below `runs/` is taken.

# %%
import os
from pathlib import Path

from analysis import Run, explain

named = os.environ.get("FERNWATT_RUN")
found = [Path(named)] if named else [path.parent for path in Path("runs").glob("*/manifest.json")]
run = Run(max(found, key=lambda folder: folder.stat().st_mtime))
run

# %% [markdown]
# ## Key figures
#
# Each KPI has a value, a unit, and, where it can be broken down, its parts. Definitions are in
# `docs/reference/kpis.md`.

# %%
run.kpi_table.dropna().round(3)

# %%
run.kpis["delivery_percent"]

# %% [markdown]
# ## Power and voltage

# %%
run.plot.power()

# %%
run.plot.voltage()

# %%
run.plot.diagram()

# %% [markdown]
# ## Tables
#
# `run.series(name)` gives a table with times in UTC; names and columns are in
# `docs/reference/run-folder.md`. Losses of the branches over the run, largest first [Wh]:

# %%
branch = run.series("branch")
branch["loss_wh"] = branch["loss_w"] * run.hours(branch["t_ms"])
branch.groupby(["kind", "branch"])["loss_wh"].sum().sort_values(ascending=False).head(10).round(1)

# %% [markdown]
# The books close: import = devices + losses, interval by interval.

# %%
system = run.series("system").set_index("t_ms")
devices_w = run.series("device").groupby("t_ms")["p_w"].sum()
gap_w = (system["p_import_w"] - devices_w - system["p_loss_w"]).abs().max()
assert run.kpis["energy_balance_gap"]["value"] < 1e-6
print(f"largest gap of an interval: {gap_w:.2e} W")

# %% [markdown]
# ## Communication

# %%
run.plot.latency()

# %%
messages = run.messages
messages.groupby(["flow", "fate"]).agg(count=("id", "size"), mean_delay_us=("delay_us", "mean"))

# %%
run.plot.negotiation()

# %% [markdown]
# ## Why?
#
# Every event, message, request, command and reading names its cause, so a figure can be followed
# back to what began it.

# %%
print(explain(run, "peak_import_w").text())
