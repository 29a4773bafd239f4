"""The command line: `tandem STAGE TASK …` runs one stage, as dvc.yaml names it.

Thin: a stage's module in `tandem.stages` is a command, the parameters of its `main` are its
arguments. Errors become exit codes here: 2 for a user's mistake, 130 for Ctrl-C.
"""

import argparse
import ctypes
import inspect
import signal
import sys
from collections.abc import Sequence

from tandem import __version__
from tandem.core import determinism, params, registry
from tandem.core.errors import TandemError, UnknownName

PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        die_with_parent()
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
    commands = [name.replace("_", "-") for name in registry.names("stages")]
    parser = argparse.ArgumentParser(prog="tandem", description="Run one stage of the pipeline.")
    parser.add_argument("--version", action="version", version=f"tandem {__version__}")
    parser.add_argument("command", metavar="STAGE", help=", ".join([*commands, "check"]))
    parser.add_argument("arguments", nargs="*", metavar="ARG", help="what the stage works on")
    parsed = parser.parse_args(arguments)
    if parsed.command == "check":
        params.check()
        return 0
    if parsed.command not in commands:
        raise UnknownName("stage", parsed.command, [*commands, "check"])
    runtime = params.project().runtime
    determinism.pin_environment(runtime)
    stage = registry.load("stages", parsed.command.replace("-", "_"))
    wanted = list(inspect.signature(stage.main).parameters)
    if len(parsed.arguments) != len(wanted):
        usage = " ".join(["tandem", parsed.command, *(name.upper() for name in wanted)])
        raise TandemError(f"{parsed.command} takes {len(wanted)} argument(s): {usage}")
    if "task" in wanted:
        registry.load("tasks", parsed.arguments[wanted.index("task")])
    stage.main(*parsed.arguments)
    return 0


def die_with_parent() -> None:
    """Have Linux end this process when the engine that started it dies.

    A killed engine would else leave an orphan that goes on writing (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
