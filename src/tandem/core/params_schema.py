"""The JSON Schema of params.yaml, with which editors complete and validate its keys.

The schema is stored in docs/schemas/params.json; the first line of params.yaml refers to it.
"""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tandem.core import registry
from tandem.core.params import ProjectParams
from tandem.core.params_check import OPTIONAL, section_model
from tandem.core.schema import StrictModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def attribute_docstrings(model: type[Any]) -> dict[str, str]:
    """Field → the docstring below it, for the fields of a model and of its base classes."""
    bases = [base for base in reversed(model.__mro__) if issubclass(base, StrictModel)]
    return {name: text for base in bases for name, text in _own_docstrings(base).items()}


def _own_docstrings(model: type[Any]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    body = getattr(tree, "body", [])
    return {
        field.target.id: str(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


class _WithDescriptions(GenerateJsonSchema):
    """Describes a key by the docstring below its field, if the field has no other description."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The schema of one model."""
        result = super().model_schema(schema)
        for name, text in attribute_docstrings(schema["cls"]).items():
            if name in result.get("properties", {}):
                result["properties"][name].setdefault("description", " ".join(text.split()))
        return result

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        """Return False: titles would only repeat the keys."""
        return False


def params_schema() -> dict[str, Any]:
    """The schema of params.yaml, for all tasks, stages and methods that exist."""
    names = [*registry.names("stages"), *registry.names("compression"), *OPTIONAL]
    models = {name: model for name in names if (model := section_model(name))}
    generator = _WithDescriptions(ref_template="#/$defs/{model}")
    inputs = [_input(name, model) for name, model in (models | {"": ProjectParams}).items()]
    references, definitions = generator.generate_definitions(inputs)
    sections = {name: references[name, "validation"] for name in models}
    project = references["", "validation"]
    definition = definitions[project["$ref"].rpartition("/")[2]]
    task = {
        "type": "object",
        "description": "The settings of one task: one section per stage and compression method.",
        "additionalProperties": False,
        "properties": sections,
    }
    tasks = {name: {"$ref": "#/$defs/Task"} for name in registry.names("tasks")}
    return {
        "$schema": DIALECT,
        "title": "params.yaml of Tandem",
        "type": "object",
        "additionalProperties": False,
        "required": definition.get("required", []),
        "properties": definition["properties"] | tasks,
        "$defs": definitions | {"Task": task},
    }


def _input(name: str, model: type[StrictModel]) -> tuple[str, Any, Any]:
    model.model_rebuild()
    return name, "validation", model.__pydantic_core_schema__
