"""Several seeds: as many models by the code of `train`, their test scores, and the spread."""

import copy
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from stages.test_train import PARAMS, project, write_params

from tandem import cli
from tandem.core import paths

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
    found = json.loads(paths.metrics("seeds", "sentiment").read_text())
    assert capsys.readouterr().out.startswith(
        f"accuracy {found['accuracy']['mean']:.3f} on average over 2 seeds, standard deviation "
    )
    assert not paths.model("sentiment", "base").exists()

    alone = {}
    for seed in (3, 4):
        content["runtime"]["seed"] = seed
        write_params(content, learning_rate=0.01)
        assert cli.main(["train", "sentiment"]) == 0
        assert cli.main(["evaluate", "sentiment", "base"]) == 0
        scores = json.loads(paths.metrics("evaluate", "sentiment-base").read_text())
        alone[str(seed)] = scores["macro_f1"]["value"]
    assert found["macro_f1"]["seeds"] == alone
    assert found["macro_f1"]["mean"] == pytest.approx(statistics.fmean(alone.values()), abs=1e-6)
    deviation = statistics.stdev(alone.values())
    assert found["macro_f1"]["deviation"] == pytest.approx(deviation, abs=1e-6)


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ({}, "seeds.sentiment is missing"),
        ({"sentiment": {"runs": [3]}}, "seeds.sentiment.runs"),
        ({"sentiment": {"runs": [3, 3]}}, "runs must differ"),
    ],
)
def test_mistakes_are_told_in_a_line(
    seeds: dict[str, Any], told: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(with_seeds(**seeds))
    assert cli.main(["seeds", "sentiment"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
