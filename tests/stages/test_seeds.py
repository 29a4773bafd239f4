"""The stage `seeds`: one model per seed, trained as in `train`; test scores and their spread."""

import copy
import statistics
from pathlib import Path
from typing import Any

import pytest
from stages.test_train import PARAMS, project, write_params

from tandem import cli
from tandem.core import io, paths

__all__ = ["project"]


def with_seeds(**seeds: Any) -> dict[str, Any]:
    evaluate = {"max_rows": None, "batch_size": 8}
    content = copy.deepcopy(PARAMS) | {"seeds": seeds}
    content["sentiment"]["evaluate"] = evaluate
    return content


def test_spread_is_that_of_models_trained_with_each_seed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = with_seeds(sentiment={"runs": [3, 4]})
    write_params(content, learning_rate=0.01)
    assert cli.main(["seeds", "sentiment"]) == 0
    results = io.read_details(paths.details("seeds", "sentiment"))
    assert capsys.readouterr().out.startswith(
        f"accuracy {results['accuracy']['mean']:.3f} on average over 2 seeds, standard deviation "
    )
    assert not paths.model("sentiment", "base").exists()

    by_seed = {}
    for seed in (3, 4):
        content["runtime"]["seed"] = seed
        write_params(content, learning_rate=0.01)
        assert cli.main(["train", "sentiment"]) == 0
        assert cli.main(["evaluate", "sentiment", "base"]) == 0
        scores = io.read_details(paths.details("evaluate", "sentiment-base"))
        by_seed[str(seed)] = scores["macro_f1"]["value"]
    assert results["macro_f1"]["seeds"] == by_seed
    assert results["macro_f1"]["mean"] == pytest.approx(
        statistics.fmean(by_seed.values()), abs=1e-6
    )
    deviation = statistics.stdev(by_seed.values())
    assert results["macro_f1"]["deviation"] == pytest.approx(deviation, abs=1e-6)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ({}, "seeds.sentiment is missing"),
        ({"sentiment": {"runs": [3]}}, "seeds.sentiment.runs"),
        ({"sentiment": {"runs": [3, 3]}}, "the seeds must be different"),
    ],
)
def test_user_errors_are_reported_in_one_line(
    seeds: dict[str, Any], message: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(with_seeds(**seeds))
    assert cli.main(["seeds", "sentiment"]) == 2
    output = capsys.readouterr().err
    assert message in output and output.count("\n") == 1
