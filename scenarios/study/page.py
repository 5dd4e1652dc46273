"""The reference page of study files, made of their schema.

``python -m scenarios.study.page`` writes it.
"""

from __future__ import annotations

import json
from pathlib import Path

from analysis.text import markdown_table
from scenarios.study.config import Range, StudyConfig

__all__ = ["study_page", "write"]

_INTRO = """<!-- made by `python -m scenarios.study.page`; do not edit -->

# Study

A study runs one scenario over parameters and seeds: `fernwatt study FILE.yaml`.

```yaml
fernwatt-study: 1
name: pv-and-plc
scenario: street
set: {time.duration_h: 24}
parameters:
  devices.pv.share: [0.0, 0.3, 0.6]
  network.lv_fan: [plc-prime, plc-g3]
seeds: [1, 2, 3]
kpis: [peak_import_w, delivery_percent]
```

- The points run in worker processes on this machine, or, with `--scheduler tcp://HOST:PORT`, on a
  Dask cluster. Its workers have to see the folders of the scenario and of the runs.
- The folders of the points, `summary.parquet` and `summary.csv` are in `runs/<name>`: one row for
  each point, with the parameters, the seed, `status`, `run`, `error` and a column for each KPI.
- `report.html` beside them has the means over the seeds, the differences from the reference
  between runs of the same seed, a figure for each KPI, and what failed; of a study over link
  technologies also which of them is enough for which application, and as `services.csv` each
  application's messages against all [classes](../models/experience.md) by technology.
- The reference is the first setting, or what `reference:` or `--against PATH=VALUE` name.
  Differences are taken run by run of the same seed, so that what a seed does to both falls out;
  ± is half of the 95 % confidence interval of their mean (Student's t), and a star or bold type
  says that it does not hold zero.
- `fernwatt compare RUN --tech all` makes a study of a run: its scenario over all link technologies
  that it can have in one place (`--place`, by default `lv_fan`) and over seeds, held against its
  own.
- A study that is started again takes over the complete runs of the same scenario, inputs and code
  (compared by hash) and runs the rest.
- `status` is `complete`; `failed` (the run did, `error` says why; it is tried again next time);
  `refused` (values that do not go together); or `open` (the study was stopped before).
- A value that makes a valid scenario at no point at all is a fault of the study: nothing is run.
- The table on the screen shows means over the seeds, ± half of their 95 % confidence interval
  (Student's t, runs with different seeds taken as independent).
"""


def study_page() -> str:
    """Return the page: all keys with default and meaning."""
    parts = [_INTRO]
    for title, model in (("Keys", StudyConfig), ("Limits of a parameter, to draw between", Range)):
        rows = []
        for name, field in model.model_fields.items():
            value = field.get_default(call_default_factory=True)
            default = "required" if field.is_required() else f"`{_text(value)}`"
            rows.append([f"`{field.alias or name}`", default, field.description or ""])
        parts.append(f"## {title}\n\n{markdown_table(['key', 'default', 'meaning'], rows)}\n")
    return "\n".join(parts)


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def write(root: Path) -> None:
    """Write the page into the repository at ``root``."""
    (root / "docs/reference/study.md").write_text(study_page(), "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parents[2])
