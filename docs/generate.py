"""Write docs/reference/commands.md from the help of the commands: `python docs/generate.py`."""

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import click

from tandem import cli

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs/reference/commands.md"
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


if __name__ == "__main__":
    COMMANDS.parent.mkdir(parents=True, exist_ok=True)
    COMMANDS.write_text(commands(), encoding="utf-8")
