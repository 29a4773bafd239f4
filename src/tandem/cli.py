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
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tandem import __version__, cost
from tandem.core import determinism, params, paths, registry
from tandem.core.errors import TandemError, UnknownName, line
from tandem.core.provenance import imported_modules, recorded
from tandem.declared import stage_of
from tandem.engines.job import die_with_parent


def main(argv: Sequence[str] | None = None, in_child: bool = False) -> int:
    """Run one command, maybe `in_child` of a warm process; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not in_child:  # a shell's background job starts with SIGINT ignored
            signal.signal(signal.SIGINT, signal.default_int_handler)
            die_with_parent()
        code = run(arguments)
        sys.stdout.flush()  # here, not at the end of Python, where nobody answers an error
        return code
    except KeyboardInterrupt:
        print(
            "tandem: interrupted; nothing half-written is left, run again to go on", file=sys.stderr
        )
        return 130
    except BrokenPipeError:  # whoever reads, as `head`, has enough; Python would flush once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (TandemError, OSError) as error:
        print(line(error), file=sys.stderr)
        return 2


def run(arguments: list[str]) -> int:
    """Find the command, bind its arguments, run it."""
    stages = [name.replace("_", "-") for name in registry.names("stages")]
    commands = sorted([*stages, *TOOLS])
    if " ".join(arguments[:2]) in TOOLS:
        arguments = [" ".join(arguments[:2]), *arguments[2:]]
    parser = argparse.ArgumentParser(prog="tandem", description="Run one stage of the pipeline.")
    parser.add_argument("--version", action="version", version=f"tandem {__version__}")
    parser.add_argument("command", metavar="COMMAND", help=", ".join(commands))
    parser.add_argument("arguments", nargs="...", metavar="ARG", help="what it works on")
    parsed = parser.parse_args(arguments)
    if parsed.command not in commands:
        raise UnknownName("command", parsed.command, commands)
    if parsed.command in TOOLS:
        return int(bind(TOOLS[parsed.command], parsed.command, parsed.arguments)() or 0)
    os.environ.update(determinism.environment(params.project().runtime))
    declared = stage_of(" ".join(["tandem", *arguments]), os.environ.get("DVC_STAGE"))
    runner = imported_modules()
    stage = registry.load("stages", parsed.command.replace("-", "_"))
    work = bind(stage.main, parsed.command, parsed.arguments)
    with cost.measured(*arguments), recorded(declared, runner) if declared else nullcontext():
        work()
    return 0


def bind(function: Callable[..., Any], command: str, given: list[str]) -> Callable[[], Any]:
    """`function` with the given arguments, checked against its parameters.

    A parameter with a default is an option, `--NAME VALUE`, or a flag if the default is False;
    `*NAME` takes one more argument, or none.

    Raises:
        TandemError: too few or too many; the line shows the usage.
        UnknownName: there is no such task or option; the nearest is offered.
    """
    known = inspect.signature(function).parameters.values()
    more = [one.name for one in known if one.kind is one.VAR_POSITIONAL]
    wanted = [one.name for one in known if one.default is one.empty and one.name not in more]
    optional = {one.name: one.default for one in known if one.default is not one.empty}
    usage = " ".join(
        ["tandem", command, *(name.upper() for name in wanted)]
        + [f"[{name.upper()}]" for name in more]
        + [f"[{_shown(name, default)}]" for name, default in optional.items()]
    )
    plain, options = _sorted_out(given, optional, usage)
    if not len(wanted) <= len(plain) <= len(wanted) + len(more):
        raise TandemError(f"{command} takes {len(wanted)} argument(s), not {len(plain)}: {usage}")
    named = dict(zip(wanted, plain, strict=False))
    if "task" in named and named["task"] not in (tasks := registry.names("tasks")):
        raise UnknownName("task", named["task"], tasks)
    return functools.partial(function, *plain, **options)


def _shown(name: str, default: Any) -> str:
    """An option as a usage shows it."""
    return f"--{name}" if default is False else f"--{name} {default or 'VALUE'}"


def _sorted_out(
    given: list[str], optional: Mapping[str, Any], usage: str
) -> tuple[list[str], dict[str, Any]]:
    """The plain arguments, and the options `--NAME VALUE` or `--NAME=VALUE`, and flags."""
    plain: list[str] = []
    options: dict[str, Any] = {}
    words = iter(given)
    for word in words:
        if not word.startswith("--"):
            plain.append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if name not in optional:
            raise UnknownName("option", name, optional, usage)
        if optional[name] is False and not equals:
            options[name] = True
            continue
        options[name] = value if equals else next(words, "")
        if not options[name]:
            raise TandemError(f"--{name} needs a value: {usage}")
    return plain, options


def check() -> None:
    """Check the whole of params.yaml; all mistakes are reported at once."""
    from tandem.core import params_check  # it imports all stages

    params_check.check()


def overlay(top: str, base: str) -> None:
    """Merge the values of one params file into another, which is rewritten."""
    from tandem.core import params_file

    params_file.overlay(Path(top), Path(base))
    if Path(base) == paths.PARAMS:
        from tandem import dag

        dag.remember_check()  # the result has just been checked, which takes seconds


def predict(task: str, variant: str = "base", batch: str = "1") -> None:
    """Answer lines of text with a trained model, as JSON lines."""
    from tandem import predict as module  # it loads a stage, which no other tool needs

    module.predict(task, variant, batch)


def tune(task: str, trials: str) -> None:
    """Search for better training params of a task, and write them into params.yaml."""
    from tandem import tuning  # it loads a stage, which no other tool needs

    tuning.tune(task, trials)


def attest(key: str, to: str = "attestation.jsonl") -> None:
    """Sign the records of the commit at hand with an Ed25519 key."""
    from tandem.lineage import attest as module

    module.attest(key, to)


def lineage_export(form: str, to: str = "") -> None:
    """Write the lineage in a format that other tools read."""
    from tandem.lineage import exporting

    exporting.export(form, to)


def lineage_show(name: str, json: bool = False) -> None:
    """Tell all that is behind an artifact or a number, back to its pinned sources."""
    from tandem.lineage import show

    _tell(show.answer(name), show.words, json)


def lineage_impact(name: str, json: bool = False) -> None:
    """Tell all that came from a path, a param, a source or a row."""
    from tandem.lineage import impact

    _tell(impact.answer(name), impact.words, json)


def lineage_diff(rev1: str, rev2: str, *metric: str, json: bool = False) -> None:
    """Tell what changed between two revisions, maybe upstream of one metric alone."""
    from tandem.lineage import diff

    _tell(diff.answer(rev1, rev2, *metric), diff.words, json)


def audit(
    rev: str = "", bundle: str = "", key: str = "", rerun: str = "", json: bool = False
) -> int:
    """Check that records, dvc.lock, artifacts, code, params and pins agree; 1 if they do not."""
    from tandem.lineage import auditor

    return auditor.main(rev, bundle, key, rerun, json)


def doctor(add: str = "", json: bool = False) -> int:
    """Check this machine: its bits, Python, packages, Git, DVC, disk; 1 if there is a problem."""
    from tandem import doctor as module  # it imports DVC

    return module.main(add, json)


def status(json: bool = False) -> int:
    """Say which stages are fresh, stale, missing or running, and why; 1 if there is work to do."""
    from tandem.engines import status as module  # it imports DVC

    return module.main(json)


def clean_up(yes: bool = False, json: bool = False) -> int:
    """Remove what no stage of dvc.yaml owns any more; 1 if something is left to remove."""
    from tandem.engines import clean_up as module  # it imports DVC

    return module.main(yes, json)


def _tell(answer: dict[str, Any], words: Callable[[dict[str, Any]], list[str]], json: bool) -> None:
    """Print an answer in words or as JSON."""
    from json import dumps

    print(dumps(answer, ensure_ascii=False, indent=2) if json else "\n".join(words(answer)))


TOOLS: dict[str, Callable[..., Any]] = {
    "attest": attest,
    "audit": audit,
    "check": check,
    "clean-up": clean_up,
    "cost": cost.show,
    "doctor": doctor,
    "lineage diff": lineage_diff,
    "lineage export": lineage_export,
    "lineage impact": lineage_impact,
    "lineage show": lineage_show,
    "overlay": overlay,
    "predict": predict,
    "status": status,
    "tune": tune,
}


if __name__ == "__main__":
    sys.exit(main())
