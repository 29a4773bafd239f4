"""reward, judge, align and evaluate-preferences: one chain, on real rated rows and tiny models."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import params, paths
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
RULE = {"min_margin": 1.0, "min_z": 3.0}
PROMPTING = {"prompt_words": 2, "max_new_tokens": 4, "batch_size": 8}
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
        "reward": TRAINING | {"pairs": RULE, "contrast": None},
        "judge": TRAINING | {"pairs": RULE, "rounds": 2},
        "align": TRAINING
        | {"generation": PROMPTING, "samples_per_prompt": 2, "pairs_per_prompt": 1}
        | {"beta": 0.1, "trainable_layers": 1},
        "evaluate_preferences": {
            "pairs": RULE,
            "max_pairs": None,
            "generation": PROMPTING,
            "max_prompts": 4,
        },
    },
}
STAGES = ("reward", "judge", "align", "evaluate-preferences")


@pytest.fixture
def project(rated_project: Path, tiny: Path, real: dict[str, list[Row]]) -> Path:
    YAML().dump(PARAMS, rated_project / "params.yaml")
    folder = paths.split("sentiment")
    files = [folder / f"{split}.parquet" for split in paths.SPLITS]
    known = {row.text for file in files for row in read_rows(file, SentimentRow)}
    others = [row for row in real["sentiment"] if row.text not in known]
    write_rows(folder / f"{paths.JUDGE}.parquet", others[:300], SentimentRow)
    shutil.copytree(tiny / "encoder", "models/sentiment/base")
    shutil.copytree(tiny / "generator", "models/generation/base")
    return rated_project


def run(*arguments: str) -> int:
    return cli.run(list(arguments))


def artifacts() -> dict[str, bytes]:
    folders = [Path("models/generation"), Path("data/preferences"), Path("reports")]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


def metrics(stage: str) -> Any:
    return json.loads(paths.metrics(stage, "generation").read_text())


def test_the_chain_writes_its_outputs_and_again_the_same_bytes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in STAGES:
        run(stage, "generation")
    first = artifacts()
    messages = dict(zip(STAGES, capsys.readouterr().out.splitlines(), strict=True))
    for stage in STAGES:
        run(stage, "generation")
    assert artifacts() == first

    accuracy = metrics("reward")["validation"]["pair_accuracy"]
    assert accuracy["n"] == 2
    assert f", pair accuracy {accuracy['value']:.3f} (" in messages["reward"]
    assert messages["judge"].endswith("; written to models/generation/judge")
    assert 0 <= accuracy["value"] <= 1
    aligned = metrics("align")["aligned"]
    assert aligned["kl_per_text"]["value"] > aligned["kl_per_token"]["value"] > 0
    assert f"{aligned['reward']['value']:.3f} after, KL " in messages["align"]
    curve = paths.plots("align", "generation").read_text().splitlines()
    assert curve[0] == "step,train_loss,validation_loss,learning_rate"
    assert len(curve) == 3

    found = metrics("evaluate-preferences")
    assert set(found) == {"reward", "judge", "vader", "base", "aligned"}
    assert (
        f": reward {found['aligned']['win_rate/reward']['value']:.3f}, judge "
        in messages["evaluate-preferences"]
    )
    assert set(found["vader"]) == {
        "pair_accuracy",
        "pair_accuracy/movie",
        "pair_accuracy/tweets",
    }
    assert set(found["aligned"]) - set(found["base"]) == {
        "win_rate/reward",
        "win_rate/judge",
        "win_rate/vader",
        "kl_per_token",
        "kl_per_text",
    }
    folder = Path("reports/predictions/generation/preferences")
    pairs = pq.read_table(folder / "pairs.parquet").to_pylist()
    assert found["vader"]["pair_accuracy"]["value"] == sum(
        0.5
        + 0.5
        * ((p["vader_chosen"] > p["vader_rejected"]) - (p["vader_chosen"] < p["vader_rejected"]))
        for p in pairs
    ) / len(pairs)
    samples = pq.read_table(folder / "samples.parquet").to_pylist()
    assert [s["variant"] for s in samples] == ["base"] * 4 + ["aligned"] * 4
    assert [s["id"] for s in samples[:4]] == [s["id"] for s in samples[4:]]


def test_the_judge_and_the_reward_model_learn_from_other_texts(
    project: Path, splits: dict[str, list[GenerationRow]]
) -> None:
    learned = {}
    for stage in ("reward", "judge"):
        run(stage, "generation")
        pairs = pq.read_table(paths.preferences("generation", stage)).to_pylist()
        assert len(pairs) == metrics(stage)["pairs"] > 0
        learned[stage] = {pair[side] for pair in pairs for side in ("chosen", "rejected")}
    assert not learned["reward"] & learned["judge"]
    held = {row.text for split in ("validation", "test") for row in splits[split]}
    assert not learned["judge"] & held


def test_a_judge_needs_a_jury(project: Path, capsys: Any) -> None:
    (paths.split("sentiment") / "judge.parquet").unlink()
    assert cli.main(["judge", "generation"]) == 2
    assert "sentiment.split.jury sets nothing aside" in capsys.readouterr().err


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


def test_a_missing_model_is_one_clear_line(project: Path, capsys: Any) -> None:
    assert cli.main(["align", "generation"]) == 2
    assert "models/generation/reward is missing" in capsys.readouterr().err
    shutil.rmtree("models/sentiment")
    assert cli.main(["reward", "generation"]) == 2
    assert "models/sentiment/base is missing" in capsys.readouterr().err
    assert not Path("reports").exists()


def test_params_are_strict() -> None:
    content = copy.deepcopy(PARAMS)
    content["generation"]["align"]["pairs_per_prompt"] = 2
    content["generation"]["reward"]["pairs"]["gab"] = 1.0
    content["generation"]["evaluate_preferences"]["generation"] = PROMPTING | {"prompt_words": -1}
    for stage, model, told in (
        ("align", align.Params, "generation.align: .*samples_per_prompt must be twice"),
        ("reward", reward.Params, "unknown key generation.reward.pairs.gab.*Did you mean .*gap"),
        ("evaluate_preferences", evaluate_preferences.Params, "prompting.words"),
    ):
        with pytest.raises(ParamsError, match=told):
            params.load(model, "generation", stage, content=content)


def test_params_are_read_without_torch() -> None:
    code = (
        "import sys\n"
        "from tandem.stages import align, evaluate_preferences, reward\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
