"""MKL's dispatch can be set, and the canonical one gives the committed bits."""

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
"""Kernels under the dispatch "zen" that differ from those under "intel", seen on an AMD EPYC and,
with MKL's three functions preloaded, on an Intel Xeon. vector/sqrt and optimizer/adamw are left
out: they differ between the two vendors even under this dispatch."""
TRAINED = json.loads((ROOT / "tests/patches/trainings.json").read_text())
"""What tests/trainings.py prints under the canonical dispatch."""

pytestmark = pytest.mark.skipif(bool(mkl.unavailable()), reason=mkl.unavailable())


def run(*arguments: str) -> str:
    """What a Python process prints under the pins."""
    environment = os.environ | determinism.environment(RUNTIME)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def kernels(dispatch: mkl.Dispatch, imported: str = "") -> dict[str, str]:
    """The products and vector functions, maybe in a process that has imported much already."""
    program = f"""
import json
{imported}
from tandem.patches import mkl
mkl.set_dispatch("zen" if {dispatch!r} == "intel" else "intel")
mkl.set_dispatch({dispatch!r})
from tandem.machine import kernels
print(json.dumps(kernels.products() | kernels.vectors() | kernels.reductions()))
"""
    found: dict[str, str] = json.loads(run("-c", program))
    return found


def test_the_canonical_dispatch_gives_the_recorded_bits_of_both_vendors() -> None:
    found = kernels("intel")
    for name, kind in fingerprint.kinds(ROOT).items():
        assert {key: kind.kernels[key] for key in found} == found, name


def test_zens_dispatch_can_be_set_on_either_vendor() -> None:
    found, canonical = kernels("zen"), kernels("intel")
    assert {key: found[key] for key in ZEN} == ZEN
    assert all(ZEN[key] != canonical[key] for key in ZEN)


@pytest.mark.slow
def test_a_forked_stage_may_set_it_after_torch_was_imported() -> None:
    assert kernels("intel", "import torch, transformers.trainer") == kernels("intel")


def test_a_short_training_of_each_family_gives_the_committed_weights() -> None:
    assert json.loads(run(str(ROOT / "tests/trainings.py")).splitlines()[-1]) == TRAINED


def test_both_vendors_have_the_same_kernels() -> None:
    kinds = list(fingerprint.kinds(ROOT).values())
    assert {"AMD", "Intel(R)"} <= {kind.cpu.split()[0] for kind in kinds}
    assert not kinds[0].differing(kinds[1])
    assert len(kinds[0].kernels.keys() & kinds[1].kernels.keys()) > 50


def test_a_torch_that_is_not_known_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mkl, "TESTED", {"1.0": "2018.0"})
    monkeypatch.setattr(mkl, "_refused", [])
    mkl.unavailable.cache_clear()
    try:
        mkl.pin_dispatch()
        mkl.pin_dispatch()
        (line,) = capsys.readouterr().err.splitlines()
        assert "tested was 1.0" in line
        assert mkl.in_force() == mkl.OWN
        assert determinism.pins(RUNTIME, mkl.in_force()) != determinism.pins(RUNTIME)
    finally:
        mkl.unavailable.cache_clear()


def test_no_pins_no_dispatch() -> None:
    free = RUNTIME.model_copy(update={"isa": "default"})
    assert "MKL_DISPATCH" not in determinism.pins(free)


def test_openblas_and_numpy_obey_the_pins() -> None:
    program = """
import numpy, scipy.linalg.cython_blas, sklearn.svm, threadpoolctl
infos = [i for i in threadpoolctl.threadpool_info() if i["internal_api"] == "openblas"]
print({i["architecture"] for i in infos}, len(infos))
from numpy._core._multiarray_umath import __cpu_features__ as features
print([name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if features[name]])
"""
    assert run("-W", "error", "-c", program).splitlines() == ["{'Haswell'} 2", "[]"]
