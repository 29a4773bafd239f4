"""benchmarks/latency.py on a tiny project."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import io, paths
from tandem.modeling.weight_stats import weight_stats

pytestmark = pytest.mark.slow

PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["sentiment"],
    "methods": ["int8"],
    "preferences": {},
    "sentiment": {"int8": {"per_token": False}, "evaluate": {"max_rows": None, "batch_size": 4}},
}


@pytest.fixture
def latency(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("latency")


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    YAML().dump(PARAMS, Path("params.yaml"))
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "base"))
    paths.augmented("sentiment").mkdir(parents=True)
    shutil.copy(paths.split("sentiment") / "train.parquet", paths.augmented("sentiment"))
    assert cli.main(["compress", "sentiment", "int8"]) == 0
    Path("benchmarks").mkdir()
    return rated_project


def test_each_variant_is_measured_with_its_base(
    project: Path, latency: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["latency.py", "--rows", "6", "--rounds", "3"])
    latency.main()
    results = io.read_json(Path("benchmarks/latency.json"))
    assert set(results) == {"machine", "sentiment"}
    assert results["machine"]["threads"] == 1
    assert set(results["sentiment"]) == {"base", "int8", "onnx"}
    for scenario in ("single", "batch"):
        base = results["sentiment"]["base"][scenario]
        assert base["speedup"] == base["low"] == base["high"] == 1
        for entry in results["sentiment"].values():
            assert entry[scenario]["low"] <= entry[scenario]["speedup"] <= entry[scenario]["high"]
            assert entry[scenario]["milliseconds_per_row"] > 0
    sizes = {v: weight_stats(paths.model("sentiment", v)) for v in ("base", "int8")}
    hashes = {variant: size["weights_sha256"] for variant, size in sizes.items()}
    graph = results["sentiment"].pop("onnx")
    assert graph["of_sha256"] == hashes["base"]
    assert graph["scores"]["size_bytes"] < sizes["base"]["size_bytes"]
    assert 0 <= graph["scores"]["accuracy"]["low"] <= graph["scores"]["accuracy"]["high"] <= 1
    assert {v: entry["weights_sha256"] for v, entry in results["sentiment"].items()} == hashes


def test_a_ratio_is_of_one_round(latency: ModuleType) -> None:
    """A round in which the machine is slow affects both times in the ratio."""
    results = latency.summarize([1.0, 5.0, 1.0], [2.0, 10.0, 3.0], 10)
    assert results == {"milliseconds_per_row": 100.0, "speedup": 2.0, "low": 2.0, "high": 3.0}
