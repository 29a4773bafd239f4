"""The JSON Schema of params.yaml agrees with the Pydantic models and describes every key."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tandem.core import params
from tandem.core.params_schema import params_schema

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs/schemas/params.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return params_schema()


def errors(schema: dict[str, Any], content: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [".".join(map(str, error.absolute_path)) for error in validator.iter_errors(content)]


def test_the_file_in_docs_is_generated_from_the_models(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema, "run `python docs/generate.py`"


def test_the_reference_is_generated_from_the_schema(schema: dict[str, Any]) -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    text = generate.PARAMS.read_text(encoding="utf-8")
    assert generate.params(schema) == text, "run `python docs/generate.py`"


def test_params_yaml_names_the_schema_and_follows_it(schema: dict[str, Any]) -> None:
    first = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA.relative_to(ROOT)}"
    assert errors(schema, params.read(ROOT / "params.yaml")) == []


def test_mistakes_are_found(schema: dict[str, Any]) -> None:
    content = params.read(ROOT / "params.yaml")
    content["intent"]["train"]["steps"] = 3
    content["sentiment"]["clean"]["filters"][0]["max_word"] = 3
    content["runtime"]["seed"] = "x"
    places = {"intent.train", "sentiment.clean.filters.0", "runtime.seed"}
    assert set(errors(schema, content)) == places


def undescribed(value: Any, place: str) -> list[str]:
    """The keys in a part of the schema that have no description."""
    if isinstance(value, list):
        return [name for part in value for name in undescribed(part, place)]
    if not isinstance(value, dict):
        return []
    missing = [
        f"{place}.{name}"
        for name, key in value.get("properties", {}).items()
        if "$ref" not in key and "const" not in key and name != "kind"
        if not key.get("description")
    ]
    below = {**value, **{f"{name}": part for name, part in value.get("properties", {}).items()}}
    below.pop("properties", None)
    return missing + [
        n for name, part in below.items() for n in undescribed(part, f"{place}.{name}")
    ]


def test_every_key_is_described(schema: dict[str, Any]) -> None:
    assert undescribed(schema, "") == []
