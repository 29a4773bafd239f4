"""The result of an audit, and its representation as text."""

from dataclasses import dataclass, field

from tandem.core.wording import counted


@dataclass(frozen=True, order=True)
class Finding:
    """One discrepancy found by the audit: where it is, and what is wrong."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


@dataclass
class Audit:
    """The findings of an audit, and what it checked."""

    findings: list[Finding] = field(default_factory=list)
    stages: int = 0
    """The number of stages that dvc.yaml declares."""
    unrecorded: list[str] = field(default_factory=list)
    """Stages that declare no record and therefore could not be checked."""
    hashed: int = 0
    """The number of files that were hashed."""
    absent: list[str] = field(default_factory=list)
    """Recorded outputs that are missing locally and therefore could not be checked."""
    changed: list[str] = field(default_factory=list)
    """Outputs whose bytes differ from those recorded."""
    rerun: list[str] = field(default_factory=list)
    """Lines of text about the stages that were run again."""
    machine: list[str] = field(default_factory=list)
    """Reasons why this machine may write bytes that differ from those recorded."""


def to_text(audit: Audit) -> list[str]:
    """The result of an audit as lines of text."""
    absent = (
        f", {counted(len(audit.absent), 'output')} missing locally (run `dvc pull`)"
        if audit.absent
        else ""
    )
    unrecorded = (
        f"; not checked: {counted(len(audit.unrecorded), 'stage')} without a declared record: "
        f"{', '.join(audit.unrecorded)}"
        if audit.unrecorded
        else ""
    )
    stages = audit.stages - len(audit.unrecorded)
    hashed = counted(audit.hashed, "file")
    checked = f"{counted(stages, 'stage')}, {hashed} hashed{absent}{unrecorded}"
    number = len(audit.findings)
    verdict = counted(number, "finding") if number else "all agree"
    return [*audit.rerun, *map(str, audit.findings), *audit.machine, f"{verdict}: {checked}"]
