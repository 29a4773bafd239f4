"""Which bits this machine computes, compared with the kinds of CPU that were seen before.

A fingerprint holds the digest of each kernel (`machine.kernels`) under the pins of params.yaml.

    workflow/fingerprints/KIND.json      one per kind of CPU, committed
    ~/.cache/tandem/kernels-KEY.json     of this machine and environment, computed once

`$XDG_CACHE_HOME` moves the cache. Importing this module does not import torch.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from tandem.core import determinism, io, params
from tandem.core.errors import StageError, TandemError
from tandem.core.params import Runtime
from tandem.core.schema import StrictModel
from tandem.patches import mkl

FOLDER = Path("workflow/fingerprints")
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "transformers")
"""Their versions are part of a fingerprint."""
CPUINFO = Path("/proc/cpuinfo")
INSTRUCTION_SETS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile",
)  # fmt: skip
SECONDS = 120
# the dispatch and the pins come before numpy and torch are imported
PROGRAM = """
from tandem.patches import mkl
if {pinned}:
    mkl.pin_dispatch()
import json, os
from tandem.machine.kernels import kernels
print(json.dumps(kernels()), flush=True)
os._exit(0)  # taking torch down takes half a second
"""


class Machine(StrictModel):
    """What decides which bits are computed."""

    cpu: str
    instruction_sets: list[str]
    versions: dict[str, str]
    pins: dict[str, str]

    def same_setting(self, other: "Machine") -> bool:
        """Whether versions and pins are the same, so that only the CPU can make a difference."""
        return self.versions == other.versions and self.pins == other.pins


class Fingerprint(Machine):
    """The kernels of one kind of CPU."""

    note: str = ""
    """Where and how the digests were computed, if not by `tandem doctor --add`."""
    recorded: bool = False
    """Whether the artifacts of dvc.lock were made on this kind."""
    kernels: dict[str, str]

    @property
    def digest(self) -> str:
        """One digest of all kernels."""
        listed = json.dumps(self.kernels, sort_keys=True)
        return hashlib.sha256(listed.encode()).hexdigest()[:16]

    def differing(self, other: "Fingerprint") -> list[str]:
        """Names of the kernels that both have and that compute other bits."""
        common = self.kernels.keys() & other.kernels.keys()
        return sorted(name for name in common if self.kernels[name] != other.kernels[name])


def machine(runtime: Runtime) -> Machine:
    """What decides the bits of this machine, under the pins of `runtime`."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    known = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    flags = known.get("flags", "").split()
    return Machine(
        cpu=known.get("model name") or platform.processor() or platform.machine(),
        instruction_sets=[name for name in INSTRUCTION_SETS if name in flags],
        versions={name: _version(name) for name in LIBRARIES},
        pins=determinism.pins(runtime, mkl.current_dispatch()),
    )


def _version(name: str) -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name).partition("+")[0]
    return "none"


def here(runtime: Runtime) -> Fingerprint:
    """The fingerprint of this machine, from the cache if it was computed before.

    Raises:
        StageError: the kernels cannot be run; the last line of their error is in the message.
    """
    this = machine(runtime)
    known = cached(runtime)
    if known is None:
        known = Fingerprint(**this.model_dump(), kernels=_computed(runtime))
        with suppress(OSError, StageError):  # a read-only home: compute again next time
            _write(_place(this), known)
    return known


def cached(runtime: Runtime) -> Fingerprint | None:
    """The fingerprint of this machine, if it was computed before."""
    try:
        return Fingerprint.model_validate_json(_place(machine(runtime)).read_bytes())
    except (OSError, ValueError):
        return None


def _place(this: Machine) -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    code = Path(__file__).with_name("kernels.py").read_bytes()
    key = hashlib.sha256(this.model_dump_json().encode() + code).hexdigest()[:16]
    return Path(folder, "tandem", f"kernels-{key}.json")


def _write(path: Path, value: Fingerprint) -> None:
    with io.atomic_outputs(path) as (partial,):
        io.write_json(partial, value.model_dump(exclude_defaults=True))


def _computed(runtime: Runtime) -> dict[str, str]:
    """The kernels, in a process that imports them under the pins of `runtime`."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | determinism.environment(runtime)
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    program = PROGRAM.format(pinned=bool(determinism.ISA[runtime.isa]))
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise StageError(f"the kernels took more than {SECONDS} seconds: try again") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["killed"])[-1]
        raise StageError(f"the kernels cannot be run: {said}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def kinds(root: Path = Path()) -> dict[str, Fingerprint]:
    """The committed fingerprints by the names of their files.

    Raises:
        StageError: a file cannot be read; the line names it.
    """
    found = {}
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            found[path.stem] = Fingerprint.model_validate_json(path.read_bytes())
        except ValueError:
            raise StageError(f"{path} is not a fingerprint: restore it from Git") from None
    return found


def add(name: str, this: Fingerprint) -> Path:
    """Write the file of a new kind; the first under these versions and pins is the recorded one."""
    comparable = [known for known in kinds().values() if known.same_setting(this)]
    path = FOLDER / f"{name}.json"
    _write(path, this.model_copy(update={"recorded": not any(k.recorded for k in comparable)}))
    return path


def explanation() -> list[str]:
    """A line that says why this machine writes other bytes than recorded, if its kernels differ."""
    try:
        recorded = [kind for kind in kinds().values() if kind.recorded]
        this = here(params.project().runtime) if recorded else None
    except TandemError as error:
        return [f"whether this CPU computes the recorded bits is not known: {error}"]
    if this is None:
        return []
    comparable = [kind for kind in recorded if kind.same_setting(this)]
    if not comparable:
        return ["other versions or pins than recorded: `tandem doctor` names them"]
    names = min((this.differing(kind) for kind in comparable), key=len)
    return [f"this CPU computes other bits: {shown(names)}"] if names else []


def shown(names: list[str], most: int = 4) -> str:
    """The first names, and how many there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def for_log() -> str | None:
    """What a run logs of its machine: the digest of its fingerprint, None where it is unknown.

    The first stage with torch on a new machine or environment computes it; data stages never do.
    """
    runtime = params.project().runtime
    try:
        known = here(runtime) if "tandem.modeling.seeding" in sys.modules else cached(runtime)
    except StageError:
        return None
    return known.digest if known else None
