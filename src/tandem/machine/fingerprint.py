"""Fingerprints: digests that show whether CPUs compute the same results bit for bit.

A fingerprint contains a digest of the results of each numeric kernel in `machine.kernels`. The
kernels run with the number of threads and the instruction set pinned in params.yaml.

    workflow/fingerprints/CPU.json       one file per kind of CPU, in Git
    ~/.cache/tandem/kernels-KEY.json     the fingerprint of this machine and environment

`$XDG_CACHE_HOME` replaces ~/.cache. This module does not import torch.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tandem.core import determinism, io, params
from tandem.core.errors import StageError, TandemError
from tandem.core.params import Runtime
from tandem.core.schema import StrictModel
from tandem.patches import installed_version, mkl

FOLDER = Path("workflow/fingerprints")
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "transformers")
"""Packages whose versions are part of a fingerprint."""
CPUINFO = Path("/proc/cpuinfo")
INSTRUCTION_SETS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile",
)  # fmt: skip
TIMEOUT = 120
"""Timeout in seconds for computing the kernels' digests."""
# MKL's dispatch and environment variables must be set before numpy and torch are imported.
PROGRAM = """
from tandem.patches import mkl
if {pinned}:
    mkl.pin_dispatch()
import json, os
from tandem.machine.kernels import kernels
print(json.dumps(kernels()), flush=True)
os._exit(0)  # a normal exit takes half a second with torch
"""


class Machine(StrictModel):
    """The properties of a machine that determine its results bit for bit."""

    cpu: str
    instruction_sets: list[str]
    versions: dict[str, str]
    pins: dict[str, str]

    def is_comparable(self, other: "Machine") -> bool:
        """Whether both machines have the same package versions and pinned settings.

        The results of comparable machines can differ only because of their CPUs.
        """
        return self.versions == other.versions and self.pins == other.pins


class Fingerprint(Machine):
    """The digests of the kernels' results on one kind of CPU."""

    note: str = ""
    """Where and how the digests were computed, if not by `tandem doctor --add`."""
    recorded: bool = False
    """Whether the artifacts in dvc.lock were written on this kind of CPU."""
    kernels: dict[str, str]

    @property
    def digest(self) -> str:
        """One digest, computed from the digests of all kernels."""
        text = json.dumps(self.kernels, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differing_kernels(self, other: "Fingerprint") -> list[str]:
        """Names of the kernels whose digests in the two fingerprints differ."""
        common = self.kernels.keys() & other.kernels.keys()
        return sorted(name for name in common if self.kernels[name] != other.kernels[name])


def machine(runtime: Runtime) -> Machine:
    """The properties of this machine, including the settings that `runtime` pins."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    fields = (line.partition(":") for line in lines)
    cpu = {key.strip(): value.strip() for key, _, value in fields}
    flags = cpu.get("flags", "").split()
    return Machine(
        cpu=cpu.get("model name") or platform.processor() or platform.machine(),
        instruction_sets=[name for name in INSTRUCTION_SETS if name in flags],
        versions={name: installed_version(name) or "none" for name in LIBRARIES},
        pins=determinism.pins(runtime, mkl.current_dispatch()),
    )


def current(runtime: Runtime) -> Fingerprint:
    """The fingerprint of this machine, from the cache if possible.

    Raises:
        StageError: the kernels cannot be run; the message contains the last line of the error
            output.
    """
    fingerprint = cached(runtime)
    if fingerprint is None:
        this = machine(runtime)
        fingerprint = Fingerprint(**this.model_dump(), kernels=_compute(runtime))
        with suppress(OSError, StageError):  # the cache folder may be read-only
            _write(_cache_file(this), fingerprint)
    return fingerprint


def cached(runtime: Runtime) -> Fingerprint | None:
    """The cached fingerprint of this machine; None if it has not been computed."""
    try:
        return Fingerprint.model_validate_json(_cache_file(machine(runtime)).read_bytes())
    except (OSError, ValueError):
        return None


def _cache_file(this: Machine) -> Path:
    """The cache file of a fingerprint; its name depends on the machine and the kernels' code."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    code = Path(__file__).with_name("kernels.py").read_bytes()
    key = hashlib.sha256(this.model_dump_json().encode() + code).hexdigest()[:16]
    return Path(folder, "tandem", f"kernels-{key}.json")


def _write(path: Path, fingerprint: Fingerprint) -> None:
    with io.atomic_outputs(path) as (partial,):
        io.write_json(partial, fingerprint.model_dump(exclude_defaults=True))


def _compute(runtime: Runtime) -> dict[str, str]:
    """Compute the kernels' digests in a separate process, with the settings of `runtime`."""
    python_path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | determinism.environment(runtime)
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, python_path))}
    program = PROGRAM.format(pinned=bool(determinism.ISA[runtime.isa]))
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise StageError(f"the kernels took more than {TIMEOUT} seconds: try again") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["killed"])[-1]
        raise StageError(f"the kernels cannot be run: {reason}")
    digests: dict[str, str] = json.loads(done.stdout)
    return digests


def committed(root: Path = Path()) -> dict[str, Fingerprint]:
    """Kind of CPU → its fingerprint, for all files in workflow/fingerprints.

    Raises:
        StageError: a file is not a valid fingerprint; the message names the file.
    """
    fingerprints = {}
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            fingerprints[path.stem] = Fingerprint.model_validate_json(path.read_bytes())
        except ValueError:
            raise StageError(f"{path} is not a fingerprint: restore it from Git") from None
    return fingerprints


def add(name: str, fingerprint: Fingerprint) -> Path:
    """Write the fingerprint of a new kind of CPU to a file; return its path.

    If no kind of CPU with the same package versions and pinned settings is marked as `recorded`,
    the artifacts in dvc.lock are assumed to have been written on the new kind.
    """
    comparable = [other for other in committed().values() if other.is_comparable(fingerprint)]
    path = FOLDER / f"{name}.json"
    is_first = not any(other.recorded for other in comparable)
    _write(path, fingerprint.model_copy(update={"recorded": is_first}))
    return path


def explanation() -> list[str]:
    """Why this machine's results differ from the recorded ones: one line, or none if they agree."""
    try:
        recorded = [other for other in committed().values() if other.recorded]
        this = current(params.project().runtime) if recorded else None
    except TandemError as error:
        return [
            f"cannot tell whether this CPU reproduces the recorded results bit for bit: {error}"
        ]
    if this is None:
        return []
    comparable = [other for other in recorded if other.is_comparable(this)]
    if not comparable:
        return [
            "package versions or pinned settings differ from the recorded ones; "
            "run `tandem doctor` to list the differences"
        ]
    names = min((this.differing_kernels(other) for other in comparable), key=len)
    if not names:
        return []
    return [
        "this CPU's results differ bit for bit from the recorded ones in these kernels: "
        f"{shorten(names)}"
    ]


def shorten(names: list[str], limit: int = 4) -> str:
    """The first `limit` names, and the number of remaining names."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{rest}"


def for_log() -> str | None:
    """The digest of this machine's fingerprint for the run log; None if it is unknown.

    On a new machine or in a new environment, the first stage that uses torch computes the
    fingerprint. Data stages never compute a fingerprint.
    """
    runtime = params.project().runtime
    has_torch = "tandem.modeling.seeding" in sys.modules
    try:
        fingerprint = current(runtime) if has_torch else cached(runtime)
    except StageError:
        return None
    return fingerprint.digest if fingerprint else None
