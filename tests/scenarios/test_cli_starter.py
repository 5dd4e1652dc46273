"""The scenario that `fernwatt new` writes."""

import pytest

from fernwatt.errors import UsageError
from scenarios.cli.starter import starter
from scenarios.loader import load
from scenarios.schema import ScenarioConfig
from scenarios.yamlsafe import parse


def without_hashes(text: str) -> str:
    """Take the # away in front of every key, as a person would who wants them all."""
    header, _, keys = text.partition("\n\n")
    assert all(line.startswith("# ") for line in header.splitlines())
    return "\n".join(line.removeprefix("# ") for line in keys.splitlines())


def leaves(tree, path=()):
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, tree


def test_it_is_a_scenario_as_it_stands(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(starter("mine"), "utf-8")
    config = load(file).config
    assert config.name == "mine"
    assert config.services.balancing.mode == "steering"


def test_the_comments_show_every_key_with_its_default():
    tree = parse(without_hashes(starter("mine")), "mine.yaml").tree
    written = parse(starter("mine"), "mine.yaml").tree
    config = ScenarioConfig.model_validate(written)
    whole = config.model_dump(by_alias=True)
    assert dict(leaves(tree)) == dict(leaves(whole))
    assert ScenarioConfig.model_validate(tree) == config


@pytest.mark.parametrize("name", ["", "Mine", "a/b", "../up", "a" * 41, "-x", "mine.yaml"])
def test_names_that_no_scenario_may_have_are_refused(name):
    with pytest.raises(UsageError, match="lower-case"):
        starter(name)
