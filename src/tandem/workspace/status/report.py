"""What `tandem status` reports: states and reasons, and how they are printed."""

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

STATES = ("running", "stale", "missing", "frozen", "fresh")
"""The states of a stage, in the order in which they are printed."""
MAX_LINES = 20
"""Up to this many stages of one state get a line each. If there are more stages, those of a matrix
share lines, so that at most this many lines are printed."""
MAX_NAMES = 2
"""Maximum number of names that a reason lists, if the line has room; the others are counted."""
MAX_VALUE = 32
"""Maximum number of characters that are printed for a param's value."""
ABSENT: Any = object()
"""Marks a missing value; None cannot mark one, because the value of a param can be null."""


@dataclass(frozen=True)
class Reason:
    """Why a stage is not fresh."""

    kind: str
    """One of param, data, code, package, command, new, always, upstream, output and process."""
    name: str
    """Subject of `problem`: a param, path, package, stage or process, or the words `its code`."""
    problem: str = ""
    """What is wrong, as a phrase that follows `name` in the output."""
    cure: str = ""
    """For an output: how to restore it."""
    old: Any = ABSENT
    new: Any = ABSENT

    @property
    def text(self) -> str:
        """The reason as a clause, such as `NAME was edited`."""
        return _clause([self])

    def as_json(self) -> dict[str, Any]:
        """The reason as an object for `--json`."""
        values = {"old": self.old, "new": self.new}
        return {"kind": self.kind, "name": self.name, "text": self.text} | {
            key: value for key, value in values.items() if value is not ABSENT
        }


@dataclass
class StageStatus:
    """The state of one stage of dvc.yaml, or of one .dvc file."""

    name: str
    state: str
    reasons: list[Reason] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    """The changed stages that make this stage's downstream stages stale; may include this stage."""

    @property
    def group(self) -> str:
        """The stage's name without its matrix key: `train` for `train@sentiment`."""
        return self.name.partition("@")[0]

    @property
    def is_source(self) -> bool:
        """Whether this is the state of a .dvc file, which has no command."""
        return self.name.endswith(".dvc")


@dataclass
class Status:
    """The states of all stages that the engines run by default, in topological order."""

    stages: list[StageStatus]
    notes: list[str]
    """Problems that concern no single stage, such as a damaged dvc.lock."""

    @property
    def exit_code(self) -> int:
        """0 if there is nothing to do, else 1."""
        return int(any(stage.reasons for stage in self.stages) or bool(self.notes))

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "stages": [
                {
                    "name": stage.name,
                    "state": stage.state,
                    "reasons": [reason.as_json() for reason in stage.reasons],
                }
                for stage in self.stages
            ],
            "notes": self.notes,
        }


def lines(status: Status, width: int) -> list[str]:
    """The status in human-readable form, each line at most `width` characters."""
    printed = [line for note in status.notes for line in textwrap.wrap(note, width)]
    for state in STATES:
        stages = [stage for stage in status.stages if stage.state == state]
        if not stages:
            continue
        printed.append(f"{state}: {_count(stages)}")
        if state != "fresh":
            rows = _rows(stages)
            column = min(max(len(label) for label, _ in rows), width // 3)
            printed += [_row(label, reasons, column, width).rstrip() for label, reasons in rows]
    if conclusion := _conclusion(status):
        printed.append(conclusion)
    return printed


def _count(stages: Sequence[StageStatus]) -> str:
    """The numbers of stages and .dvc files, as text."""
    sources = sum(stage.is_source for stage in stages)
    commands = len(stages) - sources
    parts = [f"{commands} stage{'s' * (commands != 1)}"] if commands or not sources else []
    parts += [f"{sources} .dvc file{'s' * (sources != 1)}"] if sources else []
    return " and ".join(parts)


def _conclusion(status: Status) -> str:
    """The last line of the output: how to update the project, or that there is nothing to do."""
    states = {stage.state for stage in status.stages if stage.reasons}
    if states & {"stale", "missing"} and "running" not in states:
        return "`dvc repro` or `snakemake` brings everything up to date"
    return "" if status.exit_code else "nothing to do"


def _rows(stages: Sequence[StageStatus]) -> list[tuple[str, list[Reason]]]:
    """A label and reasons for each stage or, if there are many, for each group of stages."""
    if len(stages) <= MAX_LINES:
        return [(stage.name, stage.reasons) for stage in stages]
    # If all code has changed, the stages of one matrix can have different reasons. They are then
    # grouped by the kinds of these reasons or, if there are too many groups, only by the matrix.
    for key in (_causes, _kinds, _nothing):
        groups: dict[Any, list[StageStatus]] = {}
        for stage in stages:
            groups.setdefault((stage.group, key(stage)), []).append(stage)
        if len(groups) <= MAX_LINES:
            break
    return [
        (_label(group, members), [reason for member in members for reason in member.reasons])
        for (group, _), members in groups.items()
    ]


def _causes(stage: StageStatus) -> frozenset[str]:
    """The kinds and texts of the reasons why a stage is not fresh.

    For reasons that name paths, only the kind is used: paths differ between the stages of a matrix.
    """
    kinds = "output", "upstream", "data"
    return frozenset(
        reason.kind if reason.kind in kinds else reason.text for reason in stage.reasons
    )


def _kinds(stage: StageStatus) -> frozenset[str]:
    """The kinds of reasons why a stage is not fresh."""
    return frozenset(reason.kind for reason in stage.reasons)


def _nothing(_stage: StageStatus) -> frozenset[str]:
    """Put all stages of one matrix into one group."""
    return frozenset()


def _label(group: str, members: Sequence[StageStatus]) -> str:
    return members[0].name if len(members) == 1 else f"{group} ({len(members)})"


def _clauses(reasons: Sequence[Reason], names: int) -> list[str]:
    """Reasons in words; those that differ only in their names share one clause."""
    alike: dict[Any, dict[str, Reason]] = {}
    for reason in reasons:
        valued = reason.name if reason.kind in ("param", "package", "command") else ""
        key = reason.kind, reason.problem, reason.cure, valued
        alike.setdefault(key, {})[reason.name] = reason
    return [_clause([*same.values()], names) for same in alike.values()]


def _clause(reasons: Sequence[Reason], limit: int = MAX_NAMES) -> str:
    """One clause for reasons of one kind with the same problem; it lists some of the names."""
    first, names = reasons[0], listed([reason.name for reason in reasons], limit)
    if first.kind == "upstream":
        return f"upstream {names}"
    if first.kind in ("param", "package"):
        if first.old is ABSENT:
            return f"{first.name} is new ({_shown(first.new)})"
        if first.new is ABSENT:
            return f"{first.name} is gone ({_shown(first.old)} before)"
        return f"{first.name} {_shown(first.old)} → {_shown(first.new)}"
    if first.kind == "command":
        return f"the command changed from {_shown(first.old)}"
    if first.kind == "always":
        return first.problem
    if first.kind == "process":
        return f"by {first.name}"
    text = f"{names} {first.problem}" + (f": {first.cure}" if first.cure else "")
    return text if len(reasons) == 1 else _plural(text)


def _plural(text: str) -> str:
    """The text with its verb and pronouns in the plural."""
    for singular, plural in (("is", "are"), ("was", "were"), ("it", "them"), ("its", "their")):
        text = re.sub(rf"\b{singular}\b", plural, text, count=1)
    return text


def listed(names: Sequence[str], limit: int) -> str:
    """The first few names, and how many more there are.

    >>> listed(["a", "b", "c"], 2), listed(["a", "b", "c", "d"], 2)
    ('a, b, c', 'a, b and 2 more')
    """
    if len(names) <= limit + 1 and (limit > 1 or len(names) == 1):
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def _shown(value: Any) -> str:
    """A string as it is, any other value as JSON; on one line, and shortened if it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _row(label: str, reasons: Sequence[Reason], column: int, width: int) -> str:
    """A line with a label and as many reasons as there is room for."""
    start = f"  {label:{column}}  "
    room = width - len(start)
    for names in range(MAX_NAMES, 0, -1):
        clauses = _clauses(reasons, names)
        text = "; ".join(clauses)
        if len(text) <= room:
            break
    kept = len(clauses)
    while len(text) > room and kept > 1:
        kept -= 1
        text = "; ".join(clauses[:kept]) + f"; +{len(clauses) - kept}"
    if len(text) > room:  # shorten the middle, to keep the path and the remedy
        tail = room // 2
        text = f"{text[: room - tail - 1]}…{text[-tail:]}"
    return start + text
