"""Write the generated parts of the documentation: `python docs/generate.py`.

docs/reference/commands.md  from the help of the commands
docs/reference/params.md    between two marks, from the models of params.yaml
docs/schemas/params.json    the JSON Schema of params.yaml, for editors
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import click

from tandem import cli
from tandem.core.params_schema import params_schema

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs/reference/commands.md"
PARAMS = ROOT / "docs/reference/params.md"
SCHEMA = ROOT / "docs/schemas/params.json"
BEGIN, END = "<!-- params: begin; generated, do not edit -->", "<!-- params: end -->"
NOTE = "<!-- Written by `python docs/generate.py` from the help of the commands. -->"


def commands() -> str:
    """The reference of all commands, in Markdown."""
    context = click.Context(cli.COMMANDS, info_name="tandem")
    with chdir(ROOT):  # where dvc.yaml has the order of the stages
        sections = list(cli.COMMANDS.sections(context))
    lines = [NOTE, "", "# Commands", "", *text_of(cli.COMMANDS), *examples_of(cli.COMMANDS)]
    for heading, listed in sections:
        lines += [f"## {heading}", ""]
        for name, command in listed:
            lines += section(f"tandem {name}", command)
    return "\n".join(lines)


def section(path: str, command: cli.Command) -> Iterator[str]:
    """The lines about one command."""
    context = click.Context(command, info_name=path, **cli.SETTINGS)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield from (f"### {path}", "", f"Usage: `{usage}`", "", *text_of(command))
    records = [param.get_help_record(context) for param in command.params]
    if records:
        yield from ("| argument | meaning |", "|---|---|")
        yield from (f"| `{name}` | {meaning} |" for name, meaning in filter(None, records))
        yield ""
    yield from examples_of(command)


def text_of(command: cli.Command) -> Iterator[str]:
    """The paragraphs of the help of a command; one with columns is a block of code."""
    for paragraph in [command.summary, *command.text]:
        block = paragraph.removeprefix("\b\n")
        yield from (block, "") if block == paragraph else ("```text", block, "```", "")


def examples_of(command: cli.Command) -> Iterator[str]:
    """The examples of a command."""
    if command.examples:
        yield from ("```console", *command.examples, "```", "")


def params(schema: Mapping[str, Any]) -> str:
    """docs/reference/params.md with one table per section between the marks."""
    before, _, rest = PARAMS.read_text(encoding="utf-8").partition(BEGIN)
    lines = [BEGIN, "", *table("Top level", schema["properties"], schema)]
    for name, section in schema["$defs"]["Task"]["properties"].items():
        model = resolved(section, schema)
        lines += table(f"TASK.{name}", model.get("properties", {}), schema, described(model))
    return before + "\n".join([*lines, END]) + rest.partition(END)[2]


def table(
    title: str, properties: Mapping[str, Any], schema: Mapping[str, Any], text: str = ""
) -> Iterator[str]:
    """A heading and a table of keys; keys of mappings follow with a dot."""
    yield from (f"## {title}", "")
    if text:
        yield from (text, "")
    yield from ("| key | type | default | meaning |", "|---|---|---|---|")
    for key, value in properties.items():
        if value.get("$ref") != "#/$defs/Task":
            yield from rows(key, value, schema)
    yield ""


def rows(key: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """The row of a key, and those of the keys below it."""
    model = resolved(value, schema)
    default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
    meaning = described(value) or described(model)
    yield f"| `{key}` | {typed(value, schema)} | {default} | {meaning} |"
    for below in choices(model, schema):
        kind = below.get("properties", {}).get("kind", {}).get("const")
        for name, part in below.get("properties", {}).items():
            if name != "kind":
                shown = f"{key}.{name}" + (f" ({kind})" if kind else "")
                yield from rows(shown, part, schema)


def choices(model: Mapping[str, Any], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The models that describe a value: itself, its items, or the members of a union."""
    found: list[dict[str, Any]] = []
    for part in [model, model.get("items", {}), model.get("additionalProperties")]:
        if not isinstance(part, Mapping):
            continue
        part = resolved(part, schema)
        members = part.get("oneOf", part.get("anyOf", [part]))
        for member in members:
            member = resolved(member, schema)
            merged: dict[str, Any] = {"properties": {}}
            for piece in (resolved(p, schema) for p in member.get("allOf", [member])):
                for name, value in piece.get("properties", {}).items():
                    merged["properties"][name] = merged["properties"].get(name, {}) | value
            found.append(merged)
    return [part for part in found if part["properties"]]


def typed(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The type of a value with its limits."""
    value = resolved(value, schema)
    if "enum" in value:
        return " or ".join(f"`{json.dumps(part)}`" for part in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "anyOf" in value or "oneOf" in value:
        members = value.get("anyOf", value.get("oneOf"))
        return " or ".join(dict.fromkeys(typed(part, schema) for part in members))
    if "allOf" in value:
        return "mapping"
    kind = value.get("type", "any value")
    names = {"object": "mapping", "array": "list", "null": "null", "number": "float"}
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    shown = ", ".join(f"{sign} {value[key]:g}" for key, sign in limits.items() if key in value)
    text = f"{names.get(kind, kind)} {shown}".strip()
    if kind == "array" and (item := typed(value.get("items", {}), schema)) != "any value":
        return f"list of ({item})" if " or " in item else f"list of {item}"
    return text


def resolved(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of the schema, or the definition that it refers to."""
    if "$ref" in value:
        return resolved(schema["$defs"][value["$ref"].rpartition("/")[2]], schema)
    return value


def described(value: Mapping[str, Any]) -> str:
    """The description of a part of the schema, as the cell of a table."""
    return " ".join(value.get("description", "").split()).replace("|", "\\|")


if __name__ == "__main__":
    COMMANDS.write_text(commands(), encoding="utf-8")
    made = params_schema()
    SCHEMA.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PARAMS.write_text(params(made), encoding="utf-8")
