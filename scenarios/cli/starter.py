"""A scenario to begin with, made of the schema: what counts is written, the rest a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from fernwatt.errors import UsageError
from scenarios.schema import ScenarioConfig
from scenarios.yamlwrite import write_yaml

__all__ = ["starter"]

_WIDTH = 40
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_BEGIN = {
    "description": "What it shows, and what to look at.",
    "grid": {"source": {"simbench": "1-LV-semiurb4--0-sw"}},
    "devices": {
        "pv": {"share": 0.4},
        "ev": {"share": 0.5},
        "battery": {"share": 0.25},
    },
    "services": {"balancing": {"mode": "steering"}},
}
_HEAD = """\
# A scenario of fernwatt: `fernwatt validate {name}.yaml` checks it, `fernwatt run {name}.yaml`
# runs it. Keys behind a # show their defaults; take the # away to change them. All keys are
# described at length in docs/reference/scenario.md.
"""


def starter(name: str) -> str:
    """Return the text of a scenario called ``name``; raises UsageError for an unusable name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a scenario: up to 40 lower-case letters, digits, - and _, "
            "the first a letter or digit"
        )
    written = {"fernwatt": 1, "name": name, **_BEGIN}
    lines = [_HEAD.format(name=name), *_section(ScenarioConfig, written, "", active=True)]
    return "\n".join(lines) + "\n"


def _section(
    model: type[BaseModel], written: dict[str, Any], indent: str, *, active: bool
) -> Iterator[str]:
    """Yield the lines of a section; ``written`` are the values that stand without a #."""
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        here = active and key in written
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            if not indent:
                yield ""
            text = (field.description or "").rstrip(".")
            yield _line(here, f"{indent}{key}:", text)
            yield from _section(below, written.get(key, {}), f"{indent}  ", active=here)
            continue
        value = written[key] if here else field.get_default(call_default_factory=True)
        if value is PydanticUndefined:
            continue
        yield _line(here, f"{indent}{key}: {_flow(value)}", field.description or "")


def _line(active: bool, text: str, meaning: str) -> str:
    shown = text if active else f"# {text}"
    return f"{shown.ljust(_WIDTH)}  # {' '.join(meaning.split())}".rstrip()


def _flow(value: Any) -> str:
    """Return a value as it stands behind its key."""
    if isinstance(value, BaseModel):
        return _flow(value.model_dump(by_alias=True))
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    return write_yaml(value).removesuffix("\n").removesuffix("\n...").strip()
