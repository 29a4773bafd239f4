"""The command line: `tandem COMMAND …`; each command runs a stage of the pipeline or a tool.

A stage is a module of `tandem.stages`: the parameters of its `main` function are the command's
arguments, and the module's docstring is the command's help text. The parameters and the docstring
are read from the source code, so that showing help or completing a command does not import the
stage. A tool is a function in this module.

Commands run in the root of the project that contains the current folder. Paths on the command line
are relative to the current folder. This module turns errors into exit codes: 2 for a user error,
130 for Ctrl-C, 141 for a broken pipe.
"""

import ast
import inspect
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import chdir, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from tandem import __version__
from tandem.core import paths, registry
from tandem.core.errors import INTERRUPTED, TandemError, UnknownName, format_error, suggest

COMPLETE = "_TANDEM_COMPLETE"
"""The environment variable through which a shell requests completions."""
SETTINGS: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    "show_default": True,
}
EXAMPLE = re.compile(r" {4,}(\$ )?(.+ \| )?tandem [a-z]|    source <\(tandem ")
"""Matches a line of a docstring that shows a command."""


def main(argv: Sequence[str] | None = None, in_child: bool = False) -> int:
    """Run one command and return its exit code; `in_child` is true in a child of a fork server."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not in_child:  # shells start background jobs with SIGINT ignored
            from tandem.engines.job import die_with_parent

            signal.signal(signal.SIGINT, signal.default_int_handler)
            die_with_parent()
        code = run(arguments)
        sys.stdout.flush()  # flush now: errors at interpreter exit cannot be handled
        return code
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the pipe, such as `head`, has exited. Redirect stdout, because Python
        # flushes it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except click.UsageError as error:
        print(f"tandem: {usage_mistake(error)}", file=sys.stderr)
        return 2
    except (TandemError, OSError) as error:
        print(format_error(error), file=sys.stderr)
        return 2


def run(arguments: list[str]) -> int:
    """Parse the arguments, run the command in the project's root, and return its exit code."""
    call = Call.of(arguments)
    with chdir(call.root or call.folder):
        if instruction := os.environ.get(COMPLETE):
            return shell_complete(COMMANDS, {"obj": call}, "tandem", COMPLETE, instruction)
        try:
            with COMMANDS.make_context("tandem", arguments, obj=call) as context:
                return int(COMMANDS.invoke(context) or 0)
        except click.exceptions.NoArgsIsHelpError as asked:
            print(asked.ctx.get_help())
            return 0
        except click.exceptions.Exit as done:  # --help or --version has printed its text
            return done.exit_code


def usage_mistake(error: click.UsageError) -> str:
    """A one-line message for a command line that cannot be parsed: the mistake and the usage."""
    context = error.ctx or click.Context(COMMANDS, info_name="tandem")
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        options = (p for p in command.get_params(context) if isinstance(p, click.Option))
        hint = suggest(error.option_name, (name for option in options for name in option.opts))
        message = f"unknown option {error.option_name!r}.{hint}".rstrip(".")
    end = "" if message.endswith("?") else "."
    return f"{message[0].lower()}{message[1:]}{end} Usage: {usage}"


@dataclass(frozen=True)
class Call:
    """An invocation of `tandem`: its arguments, the current folder and the project's root."""

    words: tuple[str, ...]
    folder: Path
    root: Path | None
    """The project's root; None outside any project."""

    @classmethod
    def of(cls, words: Iterable[str]) -> "Call":
        """An invocation with the arguments `words` in the current folder.

        Raises:
            TandemError: the current folder has been removed.
        """
        try:
            folder = Path.cwd()
        except FileNotFoundError:
            raise TandemError("the current folder was removed: change to another folder") from None
        return cls(tuple(words), folder, project_root(folder))

    def from_root(self, path: str) -> str:
        """Make a user's path relative to the root, or absolute if it is outside the root."""
        if self.root is None or (self.folder == self.root and not Path(path).is_absolute()):
            return path
        whole = Path(os.path.normpath(self.folder / path))
        return str(whole.relative_to(self.root) if whole.is_relative_to(self.root) else whole)


def project_root(folder: Path) -> Path | None:
    """`folder` if it contains params.yaml, else the nearest parent with dvc.yaml and params.yaml.

    `folder` does not need a dvc.yaml, so that stages can be tried out by hand.
    """
    if (folder / paths.PARAMS).is_file():
        return folder
    wanted = (paths.DAG, paths.PARAMS)
    return next((p for p in folder.parents if all((p / name).is_file() for name in wanted)), None)


class Name(click.ParamType[str]):
    """A name from a known set: the shell completes it, and an unknown name gets a suggestion.

    Args:
        kind: The kind of thing that is named, such as `task`; used in messages.
        known: Returns the known names, given the Click context of the command line.
    """

    def __init__(self, kind: str, known: Callable[[click.Context | None], Iterable[str]]) -> None:
        self.name = kind
        self.known = known

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The known name that matches `value`; `-` and `_` are interchangeable.

        Raises:
            UnknownName: there is no such name.
        """
        names = [*self.known(ctx)]
        if value in names:
            return value
        for name in names:
            if name.replace("_", "-") == value.replace("_", "-"):
                return name
        raise UnknownName(self.name, value, names)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The known names that start with the typed text."""
        return [CompletionItem(name) for name in self.known(ctx) if name.startswith(incomplete)]


class File(click.Path):
    """A path relative to the current folder; the command receives it relative to the root."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path relative to the root."""
        return ctx.obj.from_root(value) if ctx else str(value)


class Artifact(File):
    """The name of an item in the lineage; a file can be given relative to the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, or the path relative to the root; the part after `#` is kept."""
        path, mark, key = value.partition("#")
        if ctx is None or not (ctx.obj.folder / path).exists():
            return str(value)
        return f"{ctx.obj.from_root(path)}{mark}{key}"


class Number(click.IntRange):
    """An integer in a given range."""

    name = "whole number"


def variants(context: click.Context | None) -> list[str]:
    """The names of the known variants and of the model folders that exist."""
    task = (context.params.get("task") if context else None) or "*"
    models = (path for path in Path().glob(str(paths.model(task, "*"))) if path.is_dir())
    return sorted({*paths.VARIANTS, *registry.names("compression"), *(m.name for m in models)})


def formats(_: click.Context | None) -> list[str]:
    """The formats that the lineage can be exported to."""
    return [name.replace("_", "-") for name in registry.names("lineage.exports")]


TASK = Name("task", lambda _: registry.names("tasks"))
METHOD = Name("compression method", lambda _: registry.names("compression"))
VARIANT = Name("variant", variants)
FORMAT = Name("export format", formats)
SHELLS = ("bash", "zsh", "fish")
SHELL = Name("shell", lambda _: SHELLS)
ARGUMENTS: dict[str, tuple[Name, str]] = {
    "task": (TASK, f"One of {', '.join(registry.names('tasks'))}."),
    "method": (METHOD, f"One of {', '.join(registry.names('compression'))}."),
    "variant": (VARIANT, "A folder in models/TASK: base, aligned, or the name of a method."),
}
"""Name of an argument that several commands share → the argument's type and help text."""


class Command(click.Command):
    """A command whose help comes from its docstring: a summary line, text and examples.

    Args:
        in_project: Whether the command needs a project.
    """

    def __init__(self, *arguments: Any, in_project: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.in_project = in_project
        self.summary, self.text, self.examples = documentation(self.help or "")
        self.help = "\n\n".join([self.summary, *self.text])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The parts of the usage line: the arguments, then each option."""
        pieces, options = [], []
        for param in self.params:
            pieces += param.get_usage_pieces(ctx)
            if isinstance(param, click.Option):
                value = "" if param.is_flag else f" {param.make_metavar(ctx)}"
                options.append(f"[{param.opts[-1]}{value}]")
        return pieces + options

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first line of the help, cut before a colon or semicolon if it is too long."""
        whole = self.summary.removesuffix(".")
        start = re.split("[:;] ", whole, maxsplit=1)[0]
        short = (text for text in (whole, start) if len(text) <= limit)
        return next(short, super().get_short_help_str(limit))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; a usage error without a context gets the context of this command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            TandemError: the command needs a project, and there is none.
        """
        if self.in_project and ctx.obj.root is None:
            raise TandemError(
                f"no project found: neither {ctx.obj.folder} nor a folder above it contains "
                f"{paths.DAG} and {paths.PARAMS}; change to the folder of a project"
            )
        return super().invoke(ctx)


def documentation(docstring: str) -> tuple[str, list[str], list[str]]:
    """The first line, the other paragraphs and the examples of a docstring.

    An indented paragraph that consists of commands is read as examples. A paragraph with columns is
    marked so that Click does not rewrap it.
    """
    summary, *paragraphs = inspect.cleandoc(docstring).split("\n\n")
    text: list[str] = []
    examples: list[str] = []
    for paragraph in paragraphs:
        lines = paragraph.splitlines()
        if all(EXAMPLE.match(each) for each in lines):
            examples += [each.strip().removeprefix("$ ") for each in lines]
        else:
            text.append(f"\b\n{paragraph}" if "  " in paragraph else paragraph)
    return " ".join(summary.split()), text, examples


class Group(Command, click.Group):
    """A group of subcommands; the error for an unknown name suggests the closest known name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The name at the start of `args`, its command, and the remaining arguments.

        Raises:
            UnknownName: there is no such command.
        """
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            where = ctx.command_path if ctx.parent else ""
            raise UnknownName("command", args[0], self.list_commands(ctx), where)
        return super().resolve_command(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The parts of the usage line: the options, then the placeholder of the subcommand."""
        return [*super().collect_usage_pieces(ctx), self.subcommand_metavar]

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, Command]]]]:
        """The sections of the help text: each heading with the names and commands below it."""
        yield "Commands", list(self.members(ctx))

    def members(self, ctx: click.Context) -> Iterator[tuple[str, Command]]:
        """The name and the command of each member of the group."""
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if isinstance(command, Command):
                yield name, command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands: under each heading, one line per command."""
        sections = list(self.sections(ctx))
        width = max(len(name) for _, commands in sections for name, _ in commands)
        for heading, commands in sections:
            with formatter.section(heading):
                limit = formatter.width - width - 6
                rows = [(f"{name:{width}}", c.get_short_help_str(limit)) for name, c in commands]
                formatter.write_dl(rows)


class Commands(Group):
    """All commands: the stages, each built from its module on demand, and the tools."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return [*stages(), *(str(tool.name) for tools in TOOLS.values() for tool in tools)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command called `name`, or None if there is no such command."""
        for tool in (tool for tools in TOOLS.values() for tool in tools):
            if tool.name == name:
                return tool
        return stage(name) if name in stages() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as `Group` does; for a subcommand without its group, suggest the full command.

        Raises:
            TandemError: there is no such command.
        """
        tools = (tool for tools in TOOLS.values() for tool in tools)
        groups = [tool for tool in tools if isinstance(tool, Group) and args[0] in tool.commands]
        if groups and self.get_command(ctx, args[0]) is None:
            full = f"{groups[0].name} {args[0]}"
            raise TandemError(f"unknown command {args[0]!r}. Did you mean {full!r}?")
        return super().resolve_command(ctx, args)

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, Command]]]]:
        """The sections of the help text: stages in the order of dvc.yaml, then tools by purpose."""
        yield "Stages of the pipeline, in the order of dvc.yaml", [(n, stage(n)) for n in stages()]
        for heading, tools in TOOLS.items():
            listed: list[tuple[str, Command]] = []
            for tool in tools:
                below = tool.members(ctx) if isinstance(tool, Group) else [("", tool)]
                listed += [(f"{tool.name} {name}".strip(), command) for name, command in below]
            yield heading, listed


def stages() -> list[str]:
    """The commands of all stages, in the order of dvc.yaml; stages not in dvc.yaml come last."""
    text = paths.DAG.read_text(encoding="utf-8") if paths.DAG.is_file() else ""
    used = list(dict.fromkeys(re.findall(r"^\s*cmd: tandem ([\w-]+)", text, re.MULTILINE)))
    names = [name.replace("_", "-") for name in registry.names("stages")]
    return [name for name in used if name in names] + [name for name in names if name not in used]


def stage(name: str) -> Command:
    """The command that runs a stage, built from the source of the stage's module."""
    source = registry.source_file("stages", name.replace("-", "_")).read_text(encoding="utf-8")
    module = ast.parse(source)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    (function,) = [node for node in functions if node.name == "main"]

    @click.pass_obj
    def run(call: Call, /, **arguments: Any) -> None:
        run_stage(name, call.words, arguments)

    parameters = list(parameters_of(function))
    return Command(name, callback=run, params=parameters, help=ast.get_docstring(module))


def parameters_of(function: ast.FunctionDef) -> Iterator[click.Parameter]:
    """The parameters of `main` for Click: options if they have a default, else arguments."""
    names = function.args.args
    required = len(names) - len(function.args.defaults)
    for parameter in names[:required]:
        kind, text = ARGUMENTS.get(parameter.arg, (type_of(parameter), None))
        yield click.Argument([parameter.arg], type=kind, help=text)
    for parameter, default in zip(names[required:], function.args.defaults, strict=True):
        kind, text = ARGUMENTS.get(parameter.arg, (type_of(parameter), None))
        option, value = f"--{parameter.arg.replace('_', '-')}", ast.literal_eval(default)
        flag = value is False
        yield click.Option([option], type=kind, help=text, default=value, is_flag=flag)


def type_of(parameter: ast.arg) -> type[Any]:
    """The type that a parameter is annotated with."""
    types = {"bool": bool, "float": float, "int": int, "str": str}
    return types[ast.unparse(parameter.annotation)] if parameter.annotation else str


def run_stage(name: str, words: Sequence[str], arguments: dict[str, Any]) -> None:
    """Run a stage, log its cost, and write its record if dvc.yaml declares the command."""
    from tandem.core import determinism, params
    from tandem.core.provenance import imported_modules, record_run
    from tandem.engines import cost
    from tandem.engines.dvc_stages import find_stage
    from tandem.engines.stage_output import stage_output

    with stage_output():
        os.environ.update(determinism.environment(params.project().runtime))
        declared = find_stage(" ".join(["tandem", *words]), os.environ.get("DVC_STAGE"))
        runner = imported_modules()
        module = registry.load("stages", name.replace("-", "_"))
        with cost.log_cost(*words), record_run(declared, runner) if declared else nullcontext():
            done = module.main(**arguments)
        if isinstance(done, str):
            print(done)


def argument(name: str) -> Callable[[Any], Any]:
    """A decorator that adds an argument that several commands share."""
    kind, text = ARGUMENTS[name]
    return click.argument(name, type=kind, help=text)


def json_option(schema: str) -> Callable[[Any], Any]:
    """The option `--json`."""
    text = f"Print JSON, as described by docs/schemas/{schema}.json."
    return click.option("--json", is_flag=True, help=text)


def show(answer: Any, text: str | Iterable[str], json: bool) -> None:
    """Print a result as JSON or as text."""
    from json import dumps

    if json:
        print(dumps(answer, ensure_ascii=False, indent=2))
    else:
        print(text if isinstance(text, str) else "\n".join(text))


def counted(number: int, noun: str) -> str:
    """A number with its noun in the singular or plural.

    >>> counted(1, "stage"), counted(4, "task")
    ('1 stage', '4 tasks')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@click.command(cls=Command)
@argument("task")
@click.option("--variant", type=VARIANT, default="base", help=ARGUMENTS["variant"][1])
@click.option("--batch", type=Number(min=1), default=1, metavar="N", help="Batch size, in lines.")
def predict(task: str, variant: str, batch: int) -> None:
    """Print a model's predictions for lines of text.

    Each prediction is one JSON object on one line, as described by docs/schemas/predict.json.
    Texts are read from standard input, one per line, in UTF-8; on a terminal, Ctrl-D ends the
    input. Texts are cleaned as in training, and `text` in a prediction is the cleaned text. In
    the prediction for an empty line, all values are null or empty.

        echo "turn on the kitchen light" | tandem predict intent
        echo "The device could not be found" | tandem predict translation --variant int8
    """
    from tandem import predict as module

    module.predict(task, variant, batch)


@click.command(cls=Command)
@json_option("status")
def status(json: bool) -> int:
    """Show which stages are not up to date, and why.

    A stage is fresh, stale, missing, frozen or running. A stage is stale if, for example, a
    param, file, source file or package has changed. Nothing is executed or written. The exit code
    is 0 if there is nothing to do, else 1.

        tandem status
        tandem status --json
    """
    from tandem.workspace.status import command as module

    return module.main(json)


@click.command("clean-up", cls=Command)
@click.option("--yes", is_flag=True, help="Remove without asking.")
@json_option("clean-up")
def clean_up(yes: bool, json: bool) -> int:
    """Remove the files of stages that no longer exist.

    After a task, method or stage has been removed from params.yaml or dvc.yaml, its entries in
    dvc.lock, its records and its outputs remain. The command lists everything that it would remove,
    and asks before it removes anything. Files that a person added or edited are kept, and so is
    DVC's cache.

        tandem clean-up
        tandem clean-up --yes
    """
    from tandem.workspace.clean_up import command as module

    return module.main(yes, json)


@click.command(cls=Command)
@json_option("cost")
def cost(json: bool) -> None:
    """Print the cost of each stage: wall-clock seconds, CPU seconds and peak memory.

    The figures are from each stage's last run on this machine; the longest run comes first. Stages
    that were restored from a cache are not listed.

        tandem cost
        tandem cost --json
    """
    from tandem.engines import cost as module

    rows = module.last_runs()
    show(rows, module.table(rows), json)


@click.command(cls=Command)
@click.option("--add", metavar="KIND", help="Add this kind of CPU to workflow/fingerprints.")
@json_option("doctor")
def doctor(add: str | None, json: bool) -> int:
    """Check this machine: versions, tools, disk space and bitwise reproducibility.

    Each check prints one line; for a problem, the line ends with a suggested fix. The exit code is
    1 if there is a problem, else 0.

        tandem doctor
        tandem doctor --json
    """
    from tandem.workspace import doctor as module

    return module.main(add or "", json)


@click.group(cls=Group, in_project=False)
def lineage() -> None:
    """Trace artifacts, numbers, params and sources.

    Each stage writes a record of its run: inputs, outputs, params, code, packages. The subcommands
    read the records in reports/lineage.

        tandem lineage show models/intent/base
        tandem lineage impact vaderSentiment
        tandem lineage diff HEAD~1 HEAD
        tandem lineage export prov
    """


@lineage.command("show", cls=Command)
@click.argument("name", type=Artifact(), help="What to explain.")
@json_option("lineage-show")
def lineage_show(name: str, json: bool) -> None:
    """Show what an artifact or a number was made from.

    The output traces NAME back to the pinned sources and lists the stages, inputs, params, code,
    packages and commits involved. NAME is one of:

    train@sentiment                           a stage of dvc.yaml
    models/intent/base                        an artifact, or a file or folder inside one
    reports/metrics/TASK/VARIANT.json#METRIC  a value in a metrics file
    reports/details/STAGE/NAME.json#KEY       a value in a detail file; KEY is a dotted path
    reports/summary.json#TASK/VARIANT/METRIC  a row of the summary
    reports/summary.json#N                    a row of the summary, by its zero-based index

        tandem lineage show models/intent/base
        tandem lineage show reports/summary.json#sentiment/base/accuracy
    """
    from tandem.lineage.queries import show as module

    answer = module.query(name)
    show(answer, module.to_text(answer), json)


@lineage.command("impact", cls=Command)
@click.argument("name", type=Artifact(), help="A path, stage, param, pinned source or row.")
@json_option("lineage-impact")
def lineage_impact(name: str, json: bool) -> None:
    """Show what was derived from a path, param or row.

    NAME can also be a pinned source, written as in params.yaml, with or without its version. For
    a row, NAME is its id.

        tandem lineage impact vaderSentiment
        tandem lineage impact sentiment.clean
        tandem lineage impact movie/3
    """
    from tandem.lineage.queries import impact as module

    answer = module.query(name)
    show(answer, module.to_text(answer), json)


@lineage.command("diff", cls=Command)
@click.argument("first", metavar="REV1", help="The older revision.")
@click.argument("last", metavar="REV2", help="The newer revision.")
@click.argument(
    "name",
    type=Artifact(),
    required=False,
    help="Compare only what this artifact or number was made from, as in `tandem lineage show`.",
)
@json_option("lineage-diff")
def lineage_diff(first: str, last: str, name: str | None, json: bool) -> None:
    """Show what changed between two revisions, and why.

    Revisions are Git revisions: branches, tags, commits. For each stage that differs, the command
    lists the stage's own causes (params, code, packages, sources) and the upstream stages that
    caused the difference.

        tandem lineage diff HEAD~1 HEAD
        tandem lineage diff HEAD~1 HEAD reports/metrics/intent/base.json#accuracy
    """
    from tandem.lineage.queries import diff as module

    answer = module.query(first, last, name)
    show(answer, module.to_text(answer), json)


@lineage.command("export", cls=Command)
@click.argument("form", metavar="FORMAT", type=FORMAT, help=f"One of {', '.join(formats(None))}.")
@click.option(
    "--to", type=File(), metavar="FOLDER", help="Output folder; each format has a default."
)
@json_option("lineage-export")
def lineage_export(form: str, to: str | None, json: bool) -> None:
    """Write the lineage in a format that other tools read.

    The files are written into exports/FORMAT, or next to dvc.yaml if the format requires it.
    Existing files with the same names are replaced.

        tandem lineage export prov
        tandem lineage export ro-crate
    """
    from tandem.lineage import export

    files = export.export(form, to or "")
    text = f"{counted(len(files), 'file')} written: {', '.join(files)}"
    show({"format": form, "files": files}, text, json)


@click.command(cls=Command)
@click.option("--rev", metavar="REV", help="Audit this Git revision instead of the workspace.")
@click.option(
    "--bundle",
    type=File(),
    metavar="FILE",
    help="Compare the records with the signed statements in FILE.",
)
@click.option("--key", type=File(), metavar="FILE", help="Public key that verifies the statements.")
@click.option("--rerun", type=Number(min=1), metavar="N", help="Rerun a sample of N stages.")
@json_option("audit")
def audit(
    rev: str | None, bundle: str | None, key: str | None, rerun: int | None, json: bool
) -> int:
    """Check that records, artifacts and code agree.

    Records are compared with dvc.yaml, dvc.lock, artifacts, code, params, packages, pinned sources
    and pinned environment variables. Each mismatch is reported on one line with its location. The
    exit code is 1 if there is a mismatch, else 0. --bundle and --key must be given together; --rev
    cannot be combined with --bundle, --key or --rerun.

        tandem audit
        tandem audit --rev HEAD
        tandem audit --rerun 3
        tandem audit --bundle attestation.jsonl --key ~/.ssh/id_ed25519.pub
    """
    from tandem.lineage.audit import command

    return command.main(rev or "", bundle or "", key or "", rerun or 0, json)


@click.command("setup-git", cls=Command)
@json_option("setup-git")
def setup_git(json: bool) -> None:
    """Let Git merge dvc.lock by stage.

    Run this command once in each clone. The command defines merge drivers in .git/config and, if
    necessary, assigns files to them in .gitattributes. Git can then merge branches on which
    different stages were run, without conflicts in dvc.lock, records, detail files and metrics.

        tandem setup-git
    """
    from tandem.sharing.merge import command

    command.set_up_git(json)


@click.command("merge-lock", cls=Command)
@json_option("merge-lock")
def merge_lock(json: bool) -> None:
    """Merge dvc.lock by stage after a line-based merge.

    Use this command if Git or a hosting service has merged dvc.lock without the merge driver.
    During a merge, rebase, cherry-pick or revert, the command resolves the conflicts in dvc.lock
    and in the files that stages write. If no file is in conflict and HEAD is a merge commit, the
    command repeats the merge of dvc.lock and of the files that stages write, from the parents of
    HEAD. The result is added to Git's index but not committed.

        tandem merge-lock
    """
    from tandem.sharing.merge import command

    command.merge_lock(json)


@click.command(cls=Command)
@click.argument("key", type=File(), help="A private Ed25519 key, PEM or OpenSSH.")
@click.option(
    "--to",
    type=File(),
    metavar="FILE",
    help="Output file; the default is attestation.jsonl in the project's root.",
)
@json_option("attest")
def attest(key: str, to: str | None, json: bool) -> None:
    """Sign the records of the current commit.

    `tandem audit --bundle FILE --key PUBLIC_KEY` verifies the signed records in any clone that has
    the same commit checked out.

        tandem attest ~/.ssh/id_ed25519
    """
    from tandem.lineage.attestation import sign as module

    done = module.attest(key, to or "attestation.jsonl")
    statements = counted(done["statements"], "signed statement")
    text = f"{statements} about commit {done['commit'][:10]} written to {done['file']}"
    show(done, text, json)


@click.command(cls=Command)
@json_option("check")
def check(json: bool) -> None:
    """Check params.yaml and report all mistakes at once.

    Keys, types, value ranges and the names of plug-ins are checked for all tasks.

        tandem check
    """
    from tandem.core import params, params_check
    from tandem.engines import dvc_stages

    params_check.check(params.read(), dvc_stages.sections)
    done: dict[str, Any] = {"file": str(paths.PARAMS), "tasks": params.project().tasks}
    text = f"{paths.PARAMS} is valid: {counted(len(done['tasks']), 'task')}"
    if paths.DAG.exists():
        done["stages"] = [each.name for each in dvc_stages.stages()]
        text += f", {counted(len(done['stages']), 'stage')}"
    show(done, text, json)


@click.command(cls=Command)
@click.argument("top", type=File(), help="The params file whose values are merged.")
@click.argument("base", type=File(), help="The file that is changed; its comments are kept.")
@json_option("overlay")
def overlay(top: str, base: str, json: bool) -> None:
    """Merge the values of one params file into another.

    Nothing is written if the result is not valid.

        tandem overlay params.smoke.yaml params.yaml
    """
    from tandem.core import params_file
    from tandem.engines import dvc_stages

    keys = params_file.overlay(Path(top), Path(base), dvc_stages.sections)
    if Path(base) == paths.PARAMS:
        from tandem.engines import plan

        plan.remember_check()  # the result was just checked; checking again takes seconds
    text = f"{counted(len(keys), 'value')} of {top} merged into {base}"
    show({"top": top, "base": base, "keys": keys}, text, json)


@click.command(cls=Command)
@argument("task")
@click.argument(
    "trials", type=Number(min=1), help="How many models to train: a whole number, at least 1."
)
@json_option("tune")
def tune(task: str, trials: int, json: bool) -> None:
    """Search for better training params for a task.

    The section TASK.tune of params.yaml defines the ranges to search; docs/training.md has an
    example. Trials are scored on validation rows, and the best params are written into params.yaml.
    With --json, progress goes to standard error.

        tandem tune sentiment 20
    """
    from tandem import tuning

    with redirect_stdout(sys.stderr) if json else nullcontext():
        done = tuning.tune(task, trials)
    show(done, tuning.to_text(done), json)


def next_words(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The commands that can follow the words typed after `tandem help`."""
    context = context_of(ctx.find_root(), ctx.params.get("words") or ())
    if not isinstance(context.command, click.Group):
        return []
    return context.command.shell_complete(context, incomplete)


def context_of(context: click.Context, words: Iterable[str]) -> click.Context:
    """Follow the command names `words` from `context`; return the context of the last command.

    Raises:
        UnknownName: there is no such command.
        UsageError: one of the words names a command without subcommands.
    """
    for word in words:
        if not isinstance(context.command, click.Group):
            raise click.UsageError(f"{context.command_path} has no subcommands", context)
        name, command, _ = context.command.resolve_command(context, [word])
        context = click.Context(command or COMMANDS, info_name=name, parent=context)
    return context


@click.command("help", cls=Command, in_project=False)
@click.argument(
    "words",
    nargs=-1,
    metavar="[COMMAND]...",
    shell_complete=next_words,
    help="The command, and a subcommand if it has any.",
)
@click.pass_context
def help_(ctx: click.Context, words: Sequence[str]) -> None:
    """Print the help of a command.

    `tandem COMMAND --help` prints the same text.

        tandem help clean
        tandem help lineage show
    """
    print(context_of(ctx.find_root(), words).get_help())


@click.command(cls=Command, in_project=False)
@click.argument("shell", type=SHELL, help=f"One of {', '.join(SHELLS)}.")
def completion(shell: str) -> None:
    """Print a shell completion script.

    The script completes commands, tasks, variants, formats and options. Save the script where the
    shell finds it, then start a new shell. The example enables completion in the current bash
    session only.

    bash  mkdir -p ~/.local/share/bash-completion/completions
          tandem completion bash > ~/.local/share/bash-completion/completions/tandem
    zsh   mkdir -p ~/.zfunc; tandem completion zsh > ~/.zfunc/_tandem
          and in ~/.zshrc, before `compinit`: fpath+=~/.zfunc
    fish  mkdir -p ~/.config/fish/completions
          tandem completion fish > ~/.config/fish/completions/tandem.fish

        source <(tandem completion bash)
    """
    made = get_completion_class(shell)
    if made is not None:
        print(made(COMMANDS, {}, "tandem", COMPLETE).source())


TOOLS: dict[str, tuple[Command, ...]] = {
    "Use and inspect": (predict, status, cost, doctor, clean_up),
    "Trace and verify": (lineage, audit, attest),
    "Share": (setup_git, merge_lock),
    "Params": (check, overlay, tune),
    "Command line": (help_, completion),
}


@click.group(
    cls=Commands,
    in_project=False,
    context_settings=SETTINGS,
)
@click.version_option(__version__, message="tandem %(version)s")
def commands() -> None:
    """Run a stage of the pipeline, or a tool.

    `dvc repro` and `snakemake` run the whole pipeline. `tandem COMMAND --help` shows the arguments
    of a command, what it reads and writes, and an example.

        tandem clean sentiment
        tandem lineage show models/intent/base
        echo "turn on the kitchen light" | tandem predict intent
    """


COMMANDS: Commands = commands


if __name__ == "__main__":
    sys.exit(main())
