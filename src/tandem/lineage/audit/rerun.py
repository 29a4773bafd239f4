"""`tandem audit --rerun N`: run sampled stages anew, from what they read, and compare the bytes.

Each runs in a scratch folder that holds its recorded inputs, the code and params.yaml, and nothing
else; so what it secretly needs beside them is found too. The pins of `core.determinism` make the
bytes those of any machine with the instruction set. On one without it, or where params pin none,
scores are compared instead: each must lie within the recorded interval.
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

from tandem.core import io, paths
from tandem.core.provenance import RunRecord, digest
from tandem.engines import dvc_stages
from tandem.lineage.audit.findings import Finding
from tandem.lineage.graph import files_of, is_own_file, read

CPUINFO = Path("/proc/cpuinfo")
CARRIED = ("src", str(paths.PARAMS), str(paths.DAG), ".dvcignore")
"""What every stage is given beside its inputs: the command, and what it asks at its start."""
LAST_LINES = 3


def run(count: int, root: Path = Path()) -> Iterator[tuple[str, list[Finding]]]:
    """Of so many stages, drawn anew each time, a line on each and what does not agree.

    Stages whose inputs are not here, or are not those recorded, are not drawn; nor is one whose
    recorded command is not that of dvc.yaml, for a record may not say what is run here.
    """
    records = list(read(root).records.values())
    commands = {stage.name: stage.command for stage in dvc_stages.stages(root)}
    shuffled = random.SystemRandom().sample(records, len(records))
    known = (record for record in shuffled if commands.get(record.stage) == record.command)
    drawn = list(islice((record for record in known if is_ready(record, root)), count))
    for record in sorted(drawn, key=records.index):
        yield again(record, root)
    if len(drawn) < min(count, len(records)):
        yield f"only {len(drawn)} stages have their recorded command and inputs here", []


def is_ready(record: RunRecord, root: Path) -> bool:
    """Whether all that the stage read lies in `root` as it was."""
    return all(
        (root / path).exists() and digest(root / path) == known
        for path, known in record.inputs.items()
    )


def again(record: RunRecord, root: Path) -> tuple[str, list[Finding]]:
    """Run one stage in a scratch folder, and compare what it writes with its record."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        own = [pin["path"] for pin in record.sources if is_own_file(pin)]
        for path in (*CARRIED, *record.inputs, *own):
            _copy(root, path, scratch)
        environment = os.environ | {"PYTHONPATH": str(scratch / "src"), "DVC_STAGE": record.stage}
        command = [sys.executable, "-m", "tandem", *record.command.split()[1:]]
        done = subprocess.run(
            command, cwd=scratch, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = " ".join(done.stderr.strip().splitlines()[-LAST_LINES:])
            return f"{record.stage}: failed", [Finding(record.stage, f"does not run anew: {said}")]
        missing = missing_isa(record)
        if missing:
            found = list(scores(record, root, scratch))
            return f"{record.stage}: scores compared, not bytes: {missing}", found
        found = list(differences(record, scratch))
        state = "other bytes" if found else f"the same bytes in {len(record.outputs)} outputs"
        return f"{record.stage}: {state}", found


def _copy(root: Path, path: str | Path, scratch: Path) -> None:
    if (root / path).exists() and not (scratch / path).exists():
        io.copy_tree(root / path, scratch, str(path))


def missing_isa(record: RunRecord) -> str:
    """Why the bytes need not be the same on this machine; empty if they must be."""
    wanted = record.pins.get("ATEN_CPU_CAPABILITY")
    if wanted is None:
        return "params pin no instruction set"
    flags = CPUINFO.read_text().split() if CPUINFO.exists() else []
    known = any(flag.startswith(wanted) for flag in flags)
    return "" if known else f"this machine has no {wanted}"


def differences(record: RunRecord, scratch: Path) -> Iterator[Finding]:
    """The files that came out otherwise than recorded."""
    for path, known in record.outputs.items():
        wrote, found = files_of(known), files_of(digest(scratch / path, files=True))
        for name in sorted({*wrote, *found}):
            if wrote.get(name) != found.get(name):
                where = f"{path}/{name}" if name else path
                yield Finding(where, f"{record.stage}, run anew, does not write these bytes")


def scores(record: RunRecord, root: Path, scratch: Path) -> Iterator[Finding]:
    """The scores that came out beyond the intervals that were recorded."""
    for path in record.outputs:
        if Path(path).is_relative_to(paths.DETAILS) and (root / path).exists():
            known, found = (io.read_details(folder / path) for folder in (root, scratch))
            yield from _beyond(path, known, found)


def _beyond(where: str, known: Any, found: Any) -> Iterator[Finding]:
    if not isinstance(known, dict):
        return
    if known.get("low") is not None and isinstance(found, dict):
        value = found.get("value")
        if value is None or not known["low"] <= value <= known["high"]:
            yield Finding(where, f"{value}, run anew, is not in {known['low']} to {known['high']}")
        return
    for key in sorted(known):
        below = found.get(key) if isinstance(found, dict) else None
        yield from _beyond(f"{where}#{key}", known[key], below)
