"""Stages `reward`, `judge`, `align` and `evaluate-preferences`, on real rows and tiny models."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import io, params, paths
from tandem.core.errors import ParamsError
from tandem.core.rows import Row, read_rows, write_rows
from tandem.preferences.pairs import form_pairs
from tandem.stages import align, evaluate_preferences, reward
from tandem.tasks.generation import GenerationRow
from tandem.tasks.sentiment import SentimentRow

TRAINING = {
    "max_steps": 3,
    "eval_steps": 2,
    "early_stopping_patience": 2,
    "batch_size": 2,
    "learning_rate": 0.01,
    "max_length": 16,
    "max_rows": None,
    "max_validation_rows": 2,
}
PAIR_FILTER = {"min_margin": 1.0, "min_z": 3.0}
GENERATION = {"prompt_words": 2, "max_new_tokens": 4, "batch_size": 8}
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["generation"],
    "methods": [],
    "preferences": {
        "generation": {
            "ratings": "sentiment",
            "encoder": "models/sentiment/base",
            "judge": "models/sentiment/base",
        }
    },
    "generation": {
        "reward": TRAINING | {"pairs": PAIR_FILTER, "contrast": None},
        "judge": TRAINING | {"pairs": PAIR_FILTER, "rounds": 2},
        "align": TRAINING
        | {"generation": GENERATION, "samples_per_prompt": 2, "pairs_per_prompt": 1}
        | {"beta": 0.1, "trainable_layers": 1},
        "evaluate_preferences": {
            "pairs": PAIR_FILTER,
            "max_pairs": None,
            "generation": GENERATION,
            "max_prompts": 4,
        },
    },
}
STAGES = ("reward", "judge", "align", "evaluate-preferences")


@pytest.fixture
def project(rated_project: Path, tiny: Path, real_rows: dict[str, list[Row]]) -> Path:
    YAML().dump(PARAMS, rated_project / "params.yaml")
    folder = paths.split("sentiment")
    files = [folder / f"{split}.parquet" for split in paths.SPLITS]
    split_texts = {row.text for file in files for row in read_rows(file, SentimentRow)}
    other_rows = [row for row in real_rows["sentiment"] if row.text not in split_texts]
    write_rows(folder / f"{paths.JUDGE}.parquet", other_rows[:300], SentimentRow)
    shutil.copytree(tiny / "encoder", "models/sentiment/base")
    shutil.copytree(tiny / "generator", "models/generation/base")
    return rated_project


def run_stage(*arguments: str) -> int:
    return cli.run(list(arguments))


def read_outputs() -> dict[str, bytes]:
    folders = [Path("models/generation"), Path("data/preferences"), Path("reports")]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


def read_metrics(stage: str) -> Any:
    return io.read_details(paths.details(stage, "generation"))


def test_the_stages_write_the_same_bytes_each_time(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in STAGES:
        run_stage(stage, "generation")
    first = read_outputs()
    messages = dict(zip(STAGES, capsys.readouterr().out.splitlines(), strict=True))
    for stage in STAGES:
        run_stage(stage, "generation")
    assert read_outputs() == first

    accuracy = read_metrics("reward")["validation"]["pair_accuracy"]
    assert accuracy["n"] == 2
    assert f", pair accuracy {accuracy['value']:.3f} (" in messages["reward"]
    assert messages["judge"].endswith("; written to models/generation/judge")
    assert 0 <= accuracy["value"] <= 1
    aligned = read_metrics("align")["aligned"]
    assert aligned["kl_per_text"]["value"] > aligned["kl_per_token"]["value"] > 0
    assert f"{aligned['reward']['value']:.3f} after, KL " in messages["align"]
    history = paths.plots("align", "generation").read_text().splitlines()
    assert history[0] == "step,train_loss,validation_loss,learning_rate"
    assert len(history) == 3

    results = read_metrics("evaluate-preferences")
    assert set(results) == {"reward", "judge", "vader", "base", "aligned"}
    wins = results["aligned"]["win_rate/reward"]["value"]
    assert f": reward {wins:.3f}, judge " in messages["evaluate-preferences"]
    assert set(results["vader"]) == {
        "pair_accuracy",
        "pair_accuracy/movie",
        "pair_accuracy/tweets",
    }
    assert set(results["aligned"]) - set(results["base"]) == {
        "win_rate/reward",
        "win_rate/judge",
        "win_rate/vader",
        "kl_per_token",
        "kl_per_text",
    }
    folder = Path("reports/predictions/generation/preferences")
    pairs = pq.read_table(folder / "pairs.parquet").to_pylist()
    assert results["vader"]["pair_accuracy"]["value"] == sum(
        0.5
        + 0.5
        * ((p["vader_chosen"] > p["vader_rejected"]) - (p["vader_chosen"] < p["vader_rejected"]))
        for p in pairs
    ) / len(pairs)
    samples = pq.read_table(folder / "samples.parquet").to_pylist()
    assert [s["variant"] for s in samples] == ["base"] * 4 + ["aligned"] * 4
    assert [s["id"] for s in samples[:4]] == [s["id"] for s in samples[4:]]


def test_the_judge_and_the_reward_model_share_no_texts(
    project: Path, splits: dict[str, list[GenerationRow]]
) -> None:
    training_texts = {}
    for stage in ("reward", "judge"):
        run_stage(stage, "generation")
        pairs = pq.read_table(paths.preferences("generation", stage)).to_pylist()
        assert len(pairs) == read_metrics(stage)["pairs"] > 0
        training_texts[stage] = {pair[side] for pair in pairs for side in ("chosen", "rejected")}
    assert not training_texts["reward"] & training_texts["judge"]
    held_out = {row.text for split in ("validation", "test") for row in splits[split]}
    assert not training_texts["judge"] & held_out


def test_a_judge_needs_rows_set_aside(project: Path, capsys: Any) -> None:
    (paths.split("sentiment") / "judge.parquet").unlink()
    assert cli.main(["judge", "generation"]) == 2
    assert "sentiment.split.judge_holdout sets no rows aside" in capsys.readouterr().err


def test_no_test_text_is_in_a_training_pair(
    project: Path, splits: dict[str, list[GenerationRow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    def spy(*arguments: Any) -> Any:
        pairs = form_pairs(*arguments)
        used.extend(text for pair in pairs for text in (pair.chosen, pair.rejected))
        return pairs

    monkeypatch.setattr("tandem.preferences.pairs.form_pairs", spy)
    reward.main("generation")
    assert used
    assert not set(used) & {row.text for row in splits["test"]}


def test_a_missing_model_is_reported_in_one_line(project: Path, capsys: Any) -> None:
    assert cli.main(["align", "generation"]) == 2
    assert "models/generation/reward is missing" in capsys.readouterr().err
    shutil.rmtree("models/sentiment")
    assert cli.main(["reward", "generation"]) == 2
    assert "models/sentiment/base is missing" in capsys.readouterr().err
    assert not Path("reports").exists()


def test_params_are_strict() -> None:
    content = copy.deepcopy(PARAMS)
    content["generation"]["align"]["pairs_per_prompt"] = 2
    content["generation"]["reward"]["pairs"]["min_margn"] = 1.0
    content["generation"]["evaluate_preferences"]["generation"] = GENERATION | {"prompt_words": -1}
    for stage, model, message in (
        ("align", align.Params, "generation.align: .*samples_per_prompt must be at least twice"),
        (
            "reward",
            reward.Params,
            "unknown key generation.reward.pairs.min_margn.*id you mean .*min_margin",
        ),
        ("evaluate_preferences", evaluate_preferences.Params, "generation.prompt_words"),
    ):
        with pytest.raises(ParamsError, match=message):
            params.load(model, "generation", stage, content=content)


def test_params_are_read_without_torch() -> None:
    code = (
        "import sys\n"
        "from tandem.stages import align, evaluate_preferences, reward\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
