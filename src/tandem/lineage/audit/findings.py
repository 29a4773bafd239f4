"""What an audit finds, and how it is told."""

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that does not agree: where, and what is wrong."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


@dataclass
class Audit:
    """What was found, and how much was looked at."""

    findings: list[Finding] = field(default_factory=list)
    stages: int = 0
    hashed: int = 0
    absent: list[str] = field(default_factory=list)
    """Outputs of the records that are not here, so that nothing is said of them."""
    changed: list[str] = field(default_factory=list)
    """Outputs that are here with other bytes than recorded."""
    rerun: list[str] = field(default_factory=list)
    """What became of each stage that was run anew."""
    machine: list[str] = field(default_factory=list)
    """Why this machine may write other bytes than those recorded."""


def to_text(done: Audit) -> list[str]:
    """The outcome for people, a line each."""
    absent = (
        f", {len(done.absent)} outputs not here (`dvc pull` brings them)" if done.absent else ""
    )
    looked = f"{done.stages} stages, {done.hashed} files hashed{absent}"
    end = f"{len(done.findings)} do not agree" if done.findings else "all agree"
    return [*done.rerun, *map(str, done.findings), *done.machine, f"{end}: {looked}"]
