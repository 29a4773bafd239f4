"""The command line: `tandem STAGE TASK …` runs one stage, as dvc.yaml names it.

Thin: a stage's module in `tandem.stages` is a command, the parameters of its `main` are its
arguments. Errors become exit codes here: 2 for a user's mistake, 130 for Ctrl-C.
"""

import argparse
import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

from tandem import __version__, cost, warm
from tandem.core import determinism, params, paths, registry
from tandem.core.errors import TandemError, UnknownName
from tandem.core.provenance import recorded
from tandem.declared import stage_of


def main(argv: Sequence[str] | None = None, in_child: bool = False) -> int:
    """Run one command, maybe `in_child` of a warm process; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not in_child:  # a shell's background job starts with SIGINT ignored
            signal.signal(signal.SIGINT, signal.default_int_handler)
        warm.die_with_parent()
        return run(arguments)
    except TandemError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "tandem: interrupted; nothing half-written is left, run again to go on", file=sys.stderr
        )
        return 130


def run(arguments: list[str]) -> int:
    """Find the command, bind its arguments, run it."""
    stages = [name.replace("_", "-") for name in registry.names("stages")]
    commands = sorted([*stages, *TOOLS])
    parser = argparse.ArgumentParser(prog="tandem", description="Run one stage of the pipeline.")
    parser.add_argument("--version", action="version", version=f"tandem {__version__}")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(commands))
    parser.add_argument("arguments", nargs="...", metavar="ARG", help="what it works on")
    parsed = parser.parse_args(arguments)
    if parsed.command not in commands:
        raise UnknownName("command", parsed.command, commands)
    if parsed.command in TOOLS:
        bind(TOOLS[parsed.command], parsed.command, parsed.arguments)()
        return 0
    os.environ.update(determinism.environment(params.project().runtime))
    stage = registry.load("stages", parsed.command.replace("-", "_"))
    work = bind(stage.main, parsed.command, parsed.arguments)
    declared = stage_of(" ".join(["tandem", *arguments]), os.environ.get("DVC_STAGE"))
    with cost.measured(*arguments), recorded(declared) if declared else nullcontext():
        work()
    return 0


def bind(function: Callable[..., None], command: str, given: list[str]) -> Callable[[], None]:
    """`function` with the given arguments, checked against its parameters.

    A parameter with a default is an option, `--NAME VALUE`.

    Raises:
        TandemError: too few or too many; the line shows the usage.
        UnknownName: there is no such task or option; the nearest is offered.
    """
    known = inspect.signature(function).parameters.values()
    wanted = [one.name for one in known if one.default is one.empty]
    optional = {one.name: one.default for one in known if one.default is not one.empty}
    usage = " ".join(
        ["tandem", command, *(name.upper() for name in wanted)]
        + [f"[--{name} {default}]" for name, default in optional.items()]
    )
    plain, options = _sorted_out(given, optional, usage)
    if len(plain) != len(wanted):
        raise TandemError(f"{command} takes {len(wanted)} argument(s), not {len(plain)}: {usage}")
    named = dict(zip(wanted, plain, strict=True))
    if "task" in named:
        registry.load("tasks", named["task"])
    return functools.partial(function, **named, **options)


def _sorted_out(
    given: list[str], optional: Collection[str], usage: str
) -> tuple[list[str], dict[str, str]]:
    """The plain arguments, and the options `--NAME VALUE` or `--NAME=VALUE`."""
    plain: list[str] = []
    options: dict[str, str] = {}
    words = iter(given)
    for word in words:
        if not word.startswith("--"):
            plain.append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if name not in optional:
            raise UnknownName("option", name, optional, usage)
        options[name] = value if equals else next(words, "")
        if not options[name]:
            raise TandemError(f"--{name} needs a value: {usage}")
    return plain, options


def check() -> None:
    """Check the whole of params.yaml; all mistakes are told at once."""
    params.check()


def overlay(top: str, base: str) -> None:
    """Lay the values of one params file over another, which is rewritten."""
    params.overlay(Path(top), Path(base))
    if Path(base) == paths.PARAMS:
        from tandem import dag

        dag.remember_check()  # the result has just been checked, which takes seconds


def packages() -> None:
    """Write workflow/packages anew, from requirements.lock and what each stage's code imports."""
    from tandem import packages as module  # it asks for all that is installed

    module.write()


def predict(task: str, variant: str = "base", batch: str = "1") -> None:
    """Answer lines of text with a trained model, as JSON lines."""
    from tandem import predict as module  # it loads a stage, which no other tool needs

    module.predict(task, variant, batch)


def tune(task: str, trials: str) -> None:
    """Search for better training params of a task, and write them into params.yaml."""
    from tandem import tuning  # it loads a stage, which no other tool needs

    tuning.tune(task, trials)


TOOLS: dict[str, Callable[..., None]] = {
    "check": check,
    "cost": cost.show,
    "overlay": overlay,
    "packages": packages,
    "predict": predict,
    "tune": tune,
}


if __name__ == "__main__":
    sys.exit(main())
