"""params.yaml is in a format that both `dvc exp run -S` and `tandem overlay` preserve.

The rules for this format are in CONTRIBUTING.md. A plain `dvc exp run -S` loads no Tandem code: DVC
replaces every list with a list that has no comments, and writes the file with ruamel.yaml's default
settings. Comments and layout are therefore preserved only if the file has a format that these
settings reproduce.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from tandem.core import params, params_file
from tandem.engines import dvc_stages

ROOT = Path(__file__).parents[2]
SECTIONS = partial(dvc_stages.sections, root=ROOT)
TEXT = (ROOT / "params.yaml").read_text()
CONTENT = params.read(ROOT / "params.yaml")
RULES = "params.yaml is not in the form that DVC keeps; CONTRIBUTING.md has the rules"

Keys = tuple[str | int, ...]


def leaves(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield the keys and the value of each leaf: a scalar, an empty list or an empty mapping."""
    if not isinstance(value, dict | list) or not value:
        yield keys, value
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(part, (*keys, key))


SCALARS = {keys: value for keys, value in leaves(CONTENT) if not isinstance(value, dict | list)}


def category(keys: Keys, value: Any) -> str:
    """The position and the type of a scalar, in words."""
    if isinstance(keys[-1], int):
        position = "item of a list"
    elif any(isinstance(key, int) for key in keys):
        position = "key of a mapping in a list"
    else:
        position = "key"
    scientific = isinstance(value, float) and 0 < abs(value) < 1e-3
    return f"{position}: {'small ' * scientific}{type(value).__name__}"


# The first scalar of each category.
EXAMPLES = {category(keys, value): keys for keys, value in reversed(SCALARS.items())}


def other_value(value: Any) -> Any:
    """A different value of the same type, or a number if the value is None."""
    match value:
        case None:
            return 7
        case bool():
            return not value
        case str():
            return "other"
        case _:
            return 2 * value + (value == 0)


def override(keys: Keys, value: Any) -> str:
    """The argument of `-S` that sets the value at `keys`."""
    return f"{'.'.join(map(str, keys))}={json.dumps(value)}"


def set_value(content: Any, keys: Keys, value: Any) -> None:
    """Set the value at `keys` of nested dicts and lists."""
    for key in keys[:-1]:
        content = content[key]
    content[keys[-1]] = value


def comments(text: str) -> list[str]:
    """The comments in the text of a params.yaml whose values contain no `#`."""
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def changes(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that differ between two texts with the same number of lines."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [(old, new) for old, new in pairs if old != new]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the repository's params.yaml."""
    copy = tmp_path / "params.yaml"
    copy.write_text(TEXT)
    return copy


def test_dvc_does_not_change_the_form(path: Path) -> None:
    apply_overrides(path, [])
    assert path.read_text().splitlines() == TEXT.splitlines(), RULES
    assert path.read_text() == TEXT, RULES


def test_tandem_does_not_change_the_form(path: Path) -> None:
    params_file.update_file({}, SECTIONS, path)
    assert path.read_text() == TEXT


def test_the_file_has_an_example_of_each_category() -> None:
    assert {
        "key: bool",
        "key: float",
        "key: int",
        "key: small float",
        "key: str",
        "item of a list: str",
        "key of a mapping in a list: int",
    } <= EXAMPLES.keys()


@pytest.mark.parametrize("keys", EXAMPLES.values(), ids=EXAMPLES)
def test_one_setting_changes_one_line(keys: Keys, path: Path) -> None:
    value = other_value(SCALARS[keys])
    apply_overrides(path, [override(keys, value)])
    after = path.read_text()
    assert len(changes(TEXT, after)) == 1, RULES
    assert comments(after) == comments(TEXT), RULES
    expected = params.read(ROOT / "params.yaml")
    set_value(expected, keys, value)
    assert params.read(path) == expected


def test_all_settings_at_once_keep_all_lines(path: Path) -> None:
    values = {keys: other_value(value) for keys, value in SCALARS.items()}
    apply_overrides(path, [override(keys, value) for keys, value in values.items()])
    after = path.read_text()
    for old, new in changes(TEXT, after):
        assert old.split(":")[0] == new.split(":")[0] or old.lstrip()[:2] == "- ", RULES
    assert comments(after) == comments(TEXT), RULES
    assert dict(leaves(params.read(path))) == dict(leaves(CONTENT)) | values


def test_a_setting_is_emptied_and_filled_again(path: Path) -> None:
    keys = EXAMPLES["key: int"]
    apply_overrides(path, [override(keys, None)])
    assert dict(leaves(params.read(path)))[keys] is None
    assert len(changes(TEXT, path.read_text())) == 1, RULES
    apply_overrides(path, [override(keys, SCALARS[keys])])
    assert path.read_text() == TEXT, RULES


def block_mappings(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the path to each mapping that has one key per line and is not inside a list."""
    if isinstance(value, CommentedMap) and value and not value.fa.flow_style():
        yield keys
        for key, part in value.items():
            yield from block_mappings(part, (*keys, key))


def test_keys_are_added_and_deleted_again(path: Path) -> None:
    names = [".".join(map(str, [*keys, "added"])) for keys in block_mappings(YAML().load(TEXT))]
    apply_overrides(path, [f"+{name}=1" for name in names])
    lines = path.read_text().splitlines()
    added = [index for index, line in enumerate(lines) if line.lstrip() == "added: 1"]
    assert len(added) == len(names)
    assert [line for line in lines if line.lstrip() != "added: 1"] == TEXT.splitlines(), RULES
    # A comment above the added key would belong to the key that now follows it.
    assert not [lines[index - 1] for index in added if lines[index - 1].lstrip()[:1] == "#"], RULES
    apply_overrides(path, [f"~{name}" for name in names])
    assert path.read_text() == TEXT, RULES


@pytest.mark.parametrize("name", ["params.smoke.yaml", "params.full.yaml"])
def test_an_overlay_is_written_as_dvc_writes_it(name: str, path: Path, tmp_path: Path) -> None:
    params_file.overlay(ROOT / name, path, SECTIONS)
    after = path.read_text()
    assert after != TEXT
    assert comments(after) == comments(TEXT), RULES
    by_dvc = tmp_path / "by_dvc.yaml"
    by_dvc.write_text(TEXT)
    apply_overrides(by_dvc, [f"++{line}" for line in overrides(params.read(ROOT / name))])
    assert by_dvc.read_text() == after


def overrides(values: Any, keys: Keys = ()) -> Iterator[str]:
    """The arguments of `-S` that set the `values` of an overlay, each list as a whole."""
    if not isinstance(values, dict) or not values:
        yield override(keys, values)
        return
    for key, value in values.items():
        yield from overrides(value, (*keys, key))


def test_a_value_merged_in_two_places_is_two_values() -> None:
    """Two keys must not share one object: YAML would store an alias, and `-S` would set both."""
    repeated = {"bits": 4}
    content: dict[str, Any] = {}
    params_file.deep_merge({"intent": repeated, "sentiment": repeated}, content)
    content["intent"]["bits"] = 8
    assert content["sentiment"] == {"bits": 4}
