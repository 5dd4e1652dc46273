"""YAML that every reader reads alike: text that might be taken for something else is quoted."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from scenarios.yamlsafe import scalar

__all__ = ["write_yaml"]


class _Representer(SafeRepresenter):
    """Writes text between quotes where plain it would be a number, a truth value or nothing."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: our reader takes no aliases."""
        del data
        return True

    def text(self, data: str) -> ScalarNode:
        """Represent a string."""
        return self.represent_scalar(
            "tag:yaml.org,2002:str", data, '"' if _mistaken(data) else None
        )


_Representer.add_representer(str, _Representer.text)


def _mistaken(text: str) -> bool:
    if text != text.strip() or not text.isprintable() or text == "<<":
        return True
    try:
        return not isinstance(scalar(text), str)
    except ValueError:
        return True


def write_yaml(value: Any) -> str:
    """Return plain values as YAML, keys in their order; the same values give the same text."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()
