"""benchmarks/latency.py: variants beside their base, on a tiny project."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import io, paths
from tandem.stages import evaluate

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "latency.py"
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["sentiment"],
    "methods": ["int8"],
    "preferences": {},
    "sentiment": {"int8": {"per_token": False}, "evaluate": {"max_rows": None, "batch_size": 4}},
}


@pytest.fixture
def latency() -> ModuleType:
    spec = importlib.util.spec_from_file_location("latency", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    YAML().dump(PARAMS, Path("params.yaml"))
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "base"))
    paths.augmented("sentiment").mkdir(parents=True)
    shutil.copy(paths.split("sentiment") / "train.parquet", paths.augmented("sentiment"))
    assert cli.main(["compress", "sentiment", "int8"]) == 0
    Path("benchmarks").mkdir()
    return rated_project


def test_measures_each_variant_beside_its_base(
    project: Path, latency: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["latency.py", "--rows", "6", "--rounds", "3"])
    latency.main()
    found = io.read_json(Path("benchmarks/latency.json"))
    assert set(found) == {"machine", "sentiment"}
    assert found["machine"]["threads"] == 1
    assert set(found["sentiment"]) == {"base", "int8"}
    base = found["sentiment"]["base"]
    assert base["speedup"] == base["low"] == base["high"] == 1
    for variant, entry in found["sentiment"].items():
        weights = evaluate.weights(paths.model("sentiment", variant))
        assert entry["weights_sha256"] == weights["weights_sha256"]
        assert entry["low"] <= entry["speedup"] <= entry["high"]
        assert entry["milliseconds_per_row"] > 0


def test_a_ratio_is_of_one_round(latency: ModuleType) -> None:
    """A machine that was slow for one round was so for both."""
    found = latency.figures([1.0, 5.0, 1.0], [2.0, 10.0, 3.0], 10)
    assert found == {"milliseconds_per_row": 100.0, "speedup": 2.0, "low": 2.0, "high": 3.0}
