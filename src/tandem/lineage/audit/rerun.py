"""`tandem audit --rerun N`: run N random stages again, and compare their outputs with the records.

Each stage runs in a scratch folder that contains only its recorded inputs, the code and
configuration files such as params.yaml, so that undeclared inputs are detected. The settings in
`core.determinism` make outputs identical on all machines that support the pinned instruction set.
If no instruction set is pinned, or this machine does not support the pinned one, scores are
compared instead of bytes: each score must be within its recorded interval.
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tandem.core import io, paths, wording
from tandem.core.provenance import RunRecord, digest
from tandem.engines import dvc_stages
from tandem.lineage.audit.findings import Finding
from tandem.lineage.graph import files_of, is_own_file, read

CPUINFO = Path("/proc/cpuinfo")
COPIED = ("src", str(paths.PARAMS), str(paths.DAG), ".dvcignore")
"""Paths that are copied for every stage: the code, and files that commands read at startup."""
LAST_LINES = 3
"""The number of lines of a failed stage's stderr that are shown."""


def run(count: int, root: Path = Path()) -> Iterator[tuple[str, list[Finding]]]:
    """Run `count` random stages again; yield a line of text and the findings for each.

    A stage is not selected if its inputs are missing or differ from those recorded. Commands in
    records are not trusted: a stage is selected only if its recorded command is identical to its
    command in dvc.yaml.
    """
    records = list(read(root).records.values())
    commands = {stage.name: stage.command for stage in dvc_stages.stages(root)}
    shuffled = random.SystemRandom().sample(records, len(records))
    trusted = (record for record in shuffled if commands.get(record.stage) == record.command)
    drawn = list(islice((record for record in trusted if is_ready(record, root)), count))
    for record in sorted(drawn, key=records.index):
        yield run_again(record, root)
    if len(drawn) < min(count, len(records)):
        yield (
            f"only {wording.counted(len(drawn), 'stage')} could be rerun: for every other stage, "
            "the command or an input is missing or has changed",
            [],
        )


def is_ready(record: RunRecord, root: Path) -> bool:
    """Whether all inputs of the stage exist in `root`, with the recorded digests."""
    return all(
        (root / path).exists() and digest(root / path) == recorded
        for path, recorded in record.inputs.items()
    )


def run_again(record: RunRecord, root: Path) -> tuple[str, list[Finding]]:
    """Run one stage in a scratch folder, and compare its outputs with its record."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        own_files = [pin["path"] for pin in record.sources if is_own_file(pin)]
        for path in (*COPIED, *record.inputs, *own_files):
            _copy(root, path, scratch)
        environment = os.environ | {"PYTHONPATH": str(scratch / "src"), "DVC_STAGE": record.stage}
        command = [sys.executable, "-m", "tandem", *record.command.split()[1:]]
        process = subprocess.run(
            command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
        )
        if process.returncode:
            message = " ".join(process.stderr.strip().splitlines()[-LAST_LINES:])
            finding = Finding(record.stage, f"failed when it was run again: {message}")
            return f"{record.stage}: failed", [finding]

        reason = missing_isa(record)
        if reason:
            findings = list(score_differences(record, root, scratch))
            line = f"{record.stage}: scores were compared instead of bytes, because {reason}"
            return line, findings
        findings = list(differences(record, scratch))
        result = (
            "wrote different bytes"
            if findings
            else f"wrote the recorded bytes in {wording.counted(len(record.outputs), 'output')}"
        )
        return f"{record.stage}: {result}", findings


def _copy(root: Path, path: str | Path, scratch: Path) -> None:
    if (root / path).exists() and not (scratch / path).exists():
        io.copy_tree(root / path, scratch, str(path))


def missing_isa(record: RunRecord) -> str:
    """The reason why outputs may differ on this machine; empty if they must match the record."""
    isa = record.pins.get("ATEN_CPU_CAPABILITY")
    if isa is None:
        return "params do not pin an instruction set"
    flags = CPUINFO.read_text().split() if CPUINFO.exists() else []
    is_supported = any(flag.startswith(isa) for flag in flags)
    return "" if is_supported else f"this machine does not support {isa}"


def differences(record: RunRecord, scratch: Path) -> Iterator[Finding]:
    """Findings for files whose bytes differ from those recorded."""
    for path, output in record.outputs.items():
        recorded, rewritten = files_of(output), files_of(digest(scratch / path, files=True))
        for name in sorted({*recorded, *rewritten}):
            if recorded.get(name) != rewritten.get(name):
                where = f"{path}/{name}" if name else path
                yield Finding(where, f"{record.stage} wrote different bytes when it was run again")


def score_differences(record: RunRecord, root: Path, scratch: Path) -> Iterator[Finding]:
    """Findings for scores outside their recorded intervals."""
    for path in record.outputs:
        if Path(path).is_relative_to(paths.DETAILS) and (root / path).exists():
            recorded, rewritten = (io.read_details(folder / path) for folder in (root, scratch))
            yield from _outside(path, recorded, rewritten)


def _outside(where: str, recorded: Any, rewritten: Any) -> Iterator[Finding]:
    """Findings for scores in nested metrics that are outside their recorded intervals."""
    if not isinstance(recorded, dict):
        return
    if recorded.get("low") is not None and isinstance(rewritten, dict):
        low, high, value = recorded["low"], recorded["high"], rewritten.get("value")
        if value is None or not low <= value <= high:
            interval = f"the recorded interval of {low} to {high}"
            shown = "missing" if value is None else value
            yield Finding(where, f"is {shown} after the rerun, outside {interval}")
        return
    for key in sorted(recorded):
        below = rewritten.get(key) if isinstance(rewritten, dict) else None
        yield from _outside(f"{where}#{key}", recorded[key], below)
