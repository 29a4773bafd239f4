"""The stages `evaluate` and `baseline` on real rows and a tiny model."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tandem.core import io, paths, registry
from tandem.core.errors import DataError, StageError
from tandem.core.rows import read_rows, write_rows
from tandem.modeling.weight_stats import weight_stats
from tandem.stages import baseline, evaluate
from tandem.tasks.generation import GenerationRow

PARAMS = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["generation", "sentiment"],
    "methods": [],
    "preferences": {},
    "generation": {
        "baseline": {"max_train_rows": None},
        "evaluate": {"max_rows": 3, "batch_size": 2},
    },
    "sentiment": {
        "baseline": {"max_train_rows": 10},
        "evaluate": {"max_rows": None, "batch_size": 2},
    },
}


@pytest.fixture
def scored(rated_project: Path, tiny: Path) -> Path:
    """A project with splits, and a tiny generator as both the pretrained and the trained model."""
    (rated_project / paths.PARAMS).write_text(json.dumps(PARAMS))
    for variant in ("pretrained", "base"):
        shutil.copytree(tiny / "generator", paths.model("generation", variant))
    return rated_project


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def test_evaluate_writes_scores_sizes_and_predictions(scored: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    message = evaluate.main("generation", "base")
    results = io.read_details(paths.details("evaluate", "generation-base"))
    weights = paths.model("generation", "base") / "model.safetensors"
    assert results["size_bytes"] == weights.stat().st_size
    assert results["weights_sha256"] == weight_stats(weights.parent)["weights_sha256"]
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(weights.parent))
    assert results["parameters"] == network.num_parameters()
    score = results["bits_per_byte"]
    assert score["n"] == 3
    assert score["low"] <= score["value"] <= score["high"]
    ends = f"({score['low']:.3f} to {score['high']:.3f}) on 3 test rows"
    assert message.startswith(f"bits per byte {score['value']:.3f} {ends}; written to reports/")

    table = pq.read_table(paths.predictions("generation", "base"))
    assert table.column_names == ["id", "group", "domain", "prediction", "bits_per_byte"]
    sums = np.array(table["bits_per_byte"].to_pylist()).sum(axis=0)
    value = registry.load("metrics", "bits_per_byte").value(sums)
    assert value == pytest.approx(score["value"], abs=1e-6)
    predictions = [json.loads(prediction) for prediction in table["prediction"].to_pylist()]
    rows = read_rows(paths.split("generation") / "test.parquet", GenerationRow)
    byte_counts = {row.id: len(row.text.encode()) for row in rows}
    assert [a["bytes"] for a in predictions] == [
        byte_counts[key] for key in table["id"].to_pylist()
    ]


def test_evaluating_again_gives_the_same_bytes(scored: Path) -> None:
    outputs = [
        paths.predictions("generation", "base"),
        paths.details("evaluate", "generation-base"),
    ]
    evaluate.main("generation", "base")
    first = [path.read_bytes() for path in outputs]
    evaluate.main("generation", "base")
    assert [path.read_bytes() for path in outputs] == first


def test_baselines_are_scored_on_the_rows_of_variants(scored: Path) -> None:
    evaluate.main("generation", "base")
    baseline.main("generation")
    results = io.read_details(paths.details("baseline", "generation"))
    assert set(results) == {"ngram", "unadapted"}
    # `pretrained` and `base` have the same weights, and therefore the same score
    assert results["unadapted"] == {
        "bits_per_byte": io.read_details(paths.details("evaluate", "generation-base"))[
            "bits_per_byte"
        ]
    }
    folder = Path("reports/predictions/generation/baseline")
    ids = pq.read_table(paths.predictions("generation", "base"))["id"]
    for name in results:
        assert pq.read_table(folder / f"{name}.parquet")["id"] == ids


def test_human_is_scored_with_the_baselines(scored: Path) -> None:
    message = baseline.main("sentiment")
    results = io.read_details(paths.details("baseline", "sentiment"))
    assert set(results) == {"human", "majority", "tfidf", "vader"}
    accuracy = results["majority"]["accuracy"]["value"]
    assert f"test rows: majority {accuracy:.3f}, tfidf " in message
    assert results["human"]["accuracy"]["n"] > 15 * results["vader"]["accuracy"]["n"]
    assert results["human"]["accuracy"]["value"] > results["majority"]["accuracy"]["value"]
    assert {"accuracy/movie", "accuracy/tweets"} <= set(results["vader"])


def test_missing_rows_and_models_are_reported(scored: Path) -> None:
    with pytest.raises(StageError, match="int8"):
        evaluate.main("generation", "int8")
    source = paths.split("generation") / "test.parquet"
    write_rows(source, [], GenerationRow)
    for stage, arguments in ((evaluate, ["generation", "base"]), (baseline, ["generation"])):
        with pytest.raises(DataError, match=r"test\.parquet: there are no rows to score"):
            stage.main(*arguments)
    assert not Path("reports").exists()


def test_int8_is_scored_like_any_variant(scored: Path) -> None:
    from tandem import modeling
    from tandem.compression import CompressionContext, int8
    from tandem.core import params
    from tandem.core import task as tasks

    runtime, folder = params.project().runtime, paths.model("generation", "int8")
    model = modeling.load(paths.model("generation", "base"), tasks.load("generation"))
    folder.mkdir()
    int8.compress(CompressionContext(model, [], [], runtime, folder), int8.Params(per_token=False))
    for variant in ("base", "int8"):
        evaluate.main("generation", variant)
    base, small = (
        io.read_details(paths.details("evaluate", f"generation-{v}")) for v in ("base", "int8")
    )
    assert small["size_bytes"] < 0.5 * base["size_bytes"]
    assert base["parameters"] < small["parameters"] < 1.2 * base["parameters"]
    assert small["bits_per_byte"]["value"] == pytest.approx(base["bits_per_byte"]["value"], rel=0.1)


def test_packed_weights_are_counted(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    packed = {"w": torch.zeros(8, dtype=torch.uint8)}
    save_file(packed, tmp_path / "model.safetensors", {"format": "pt"})
    assert weight_stats(tmp_path)["parameters"] == 8
    io.write_json(tmp_path / paths.METHOD, {"method": "grouped", "numbers": 16})
    assert weight_stats(tmp_path)["parameters"] == 16


def test_diverged_weights_are_reported(scored: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = paths.model("generation", "base") / "model.safetensors"
    weights = load_file(path)
    save_file({k: v * float("nan") for k, v in weights.items()}, path, {"format": "pt"})
    with pytest.raises(DataError, match="bits_per_byte is not a number"):
        evaluate.main("generation", "base")
    assert not paths.details("evaluate", "generation-base").exists()
