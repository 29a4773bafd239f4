"""MKL's dispatch can be set, and the canonical dispatch reproduces the committed digests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.core import determinism
from tandem.core.params import Runtime
from tandem.machine import fingerprint
from tandem.patches import mkl

ROOT = Path(__file__).parents[2]
RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
ZEN = json.loads((ROOT / "tests/patches/kernels-zen.json").read_text())
"""Kernels whose digests under the dispatch "zen" differ from those under "intel", measured on an
AMD EPYC and, with preloaded replacements of the three MKL functions that report the vendor, on an
Intel Xeon. vector/sqrt and optimizer/adamw are left out: they differ between the two vendors even
under "zen"."""
TRAINED = json.loads((ROOT / "tests/patches/trainings.json").read_text())
"""The output of tests/trainings.py under the canonical dispatch."""

pytestmark = pytest.mark.skipif(bool(mkl.unavailable()), reason=mkl.unavailable())


def run(*arguments: str) -> str:
    """The output of a Python process with a pinned number of threads and instruction set."""
    environment = os.environ | determinism.environment(RUNTIME)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def kernels(dispatch: mkl.Dispatch, imports: str = "") -> dict[str, str]:
    """Digests of matrix products, vector functions and reductions, after `imports` was executed."""
    program = f"""
import json
{imports}
from tandem.patches import mkl
mkl.set_dispatch("zen" if {dispatch!r} == "intel" else "intel")
mkl.set_dispatch({dispatch!r})
from tandem.machine import kernels
print(json.dumps(kernels.products() | kernels.vectors() | kernels.reductions()))
"""
    digests: dict[str, str] = json.loads(run("-c", program))
    return digests


def test_the_canonical_dispatch_gives_the_recorded_bits_of_both_vendors() -> None:
    digests = kernels("intel")
    for name, recorded in fingerprint.committed(ROOT).items():
        assert {key: recorded.kernels[key] for key in digests} == digests, name


def test_the_dispatch_of_zen_can_be_set_on_either_vendor() -> None:
    zen, canonical = kernels("zen"), kernels("intel")
    assert {key: zen[key] for key in ZEN} == ZEN
    assert all(ZEN[key] != canonical[key] for key in ZEN)


@pytest.mark.slow
def test_a_forked_stage_may_set_it_after_torch_was_imported() -> None:
    assert kernels("intel", "import torch, transformers.trainer") == kernels("intel")


def test_a_short_training_of_each_family_gives_the_committed_weights() -> None:
    assert json.loads(run(str(ROOT / "tests/trainings.py")).splitlines()[-1]) == TRAINED


def test_both_vendors_have_the_same_kernels() -> None:
    amd, intel = sorted(fingerprint.committed(ROOT).values(), key=lambda recorded: recorded.cpu)
    assert amd.cpu.startswith("AMD") and intel.cpu.startswith("Intel(R)")
    assert not amd.differing_kernels(intel)
    assert len(amd.kernels.keys() & intel.kernels.keys()) > 50


def test_another_version_of_torch_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(mkl.TESTED, "torch", ("1.0",))
    monkeypatch.setattr(mkl, "_failures", [])
    mkl.unavailable.cache_clear()
    try:
        mkl.pin_dispatch()
        mkl.pin_dispatch()
        (line,) = capsys.readouterr().err.splitlines()
        assert "tested with torch 1.0" in line
        assert mkl.current_dispatch() == mkl.UNPATCHED
        assert determinism.pins(RUNTIME, mkl.current_dispatch()) != determinism.pins(RUNTIME)
    finally:
        mkl.unavailable.cache_clear()


def test_the_default_isa_pins_no_dispatch() -> None:
    unpinned = RUNTIME.model_copy(update={"isa": "default"})
    assert "MKL_DISPATCH" not in determinism.pins(unpinned)


def test_openblas_and_numpy_obey_the_pins() -> None:
    program = """
import numpy, scipy.linalg.cython_blas, sklearn.svm, threadpoolctl
infos = [i for i in threadpoolctl.threadpool_info() if i["internal_api"] == "openblas"]
print({i["architecture"] for i in infos}, len(infos))
from numpy._core._multiarray_umath import __cpu_features__ as features
print([name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if features[name]])
"""
    assert run("-W", "error", "-c", program).splitlines() == ["{'Haswell'} 2", "[]"]
